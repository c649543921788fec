import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.errors import Code, Refusal
from exchange.journal import proofs, tree
from exchange.journal.tiles import MemoryHashes
from tests.journal import reference
from tests.journal.test_tiles import Counting, Uniform
from tests.journal.test_tree import ENTRIES, PATHS, ROOTS

BORDERS = [255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537]
CONSISTENT = {  # certificate-transparency's own tests
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
    (6, 7): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}


@pytest.fixture(scope="module")
def published():
    return MemoryHashes([tree.leaf_hash(entry) for entry in ENTRIES])


def flips(path):
    """Each proof that differs from ``path`` in one bit of one byte, every byte in turn."""
    for at, node in enumerate(path):
        for byte in range(len(node)):
            changed = bytearray(node)
            changed[byte] ^= 1 << byte % 8
            yield [*path[:at], bytes(changed), *path[at + 1 :]]


def refuses(check, *claim):
    with pytest.raises(Refusal) as caught:
        check(*claim)
    return caught.value.code is Code.BAD_PROOF


@pytest.mark.parametrize(("index", "size"), PATHS)
def test_the_published_inclusion_proofs_come_out(published, index, size):
    path = proofs.inclusion_proof(index, size, published)
    assert [node.hex() for node in path] == PATHS[index, size]


@pytest.mark.parametrize(("old", "new"), CONSISTENT)
def test_the_published_consistency_proofs_come_out_and_hold(published, old, new):
    path = proofs.consistency_proof(old, new, published)
    assert [node.hex() for node in path] == CONSISTENT[old, new]
    roots = bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new])
    proofs.verify_consistency(old, new, path, *roots)


@pytest.mark.parametrize("size", range(1, 71))
def test_every_entry_of_a_small_journal_is_proved(journal, leaves, size):
    root = proofs.root_at(size, journal)
    assert root == reference.root(leaves[:size])
    for index in range(size):
        path = proofs.inclusion_proof(index, size, journal)
        assert path == reference.path(index, leaves[:size])
        proofs.verify_inclusion(leaves[index], index, size, path, root)


@pytest.mark.parametrize("size", BORDERS)
def test_entries_are_proved_around_the_borders_of_tiles(journal, leaves, size):
    root = tree.root_of(leaves[:size])
    assert proofs.root_at(size, journal) == root
    for index in {0, 1, 254, 255, 256, 257, 511, 512, size // 2, size - 2, size - 1}:
        if index < size:
            path = proofs.inclusion_proof(index, size, journal)
            proofs.verify_inclusion(leaves[index], index, size, path, root)


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 65_600), part=st.floats(0, 1, exclude_max=True))
def test_any_entry_is_proved_at_any_size_and_nowhere_else(journal, leaves, size, part):
    index = int(size * part)
    root = proofs.root_at(size, journal)
    path = proofs.inclusion_proof(index, size, journal)
    proofs.verify_inclusion(leaves[index], index, size, path, root)
    for other in {index - 1, index + 1, index ^ 1, 0, size - 1} - {index}:
        assert refuses(proofs.verify_inclusion, leaves[index], other, size, path, root)


@pytest.mark.parametrize(
    ("index", "size"), [(0, 1), (5, 8), (6, 7), (300, 513), (65_536, 65_537)]
)
def test_an_inclusion_proof_with_any_byte_flipped_is_refused(journal, leaves, index, size):
    root = proofs.root_at(size, journal)
    path = proofs.inclusion_proof(index, size, journal)
    assert (index, size) == (0, 1) or path
    for changed in flips(path):
        assert refuses(proofs.verify_inclusion, leaves[index], index, size, changed, root)
    for (leaf,) in flips([leaves[index]]):
        assert refuses(proofs.verify_inclusion, leaf, index, size, path, root)
    for (other,) in flips([root]):
        assert refuses(proofs.verify_inclusion, leaves[index], index, size, path, other)


def test_every_pair_of_small_sizes_is_consistent(journal, leaves):
    roots = [proofs.root_at(size, journal) for size in range(41)]
    for new in range(41):
        for old in range(new + 1):
            path = proofs.consistency_proof(old, new, journal)
            if old:
                assert path == reference.proof(old, leaves[:new])
            proofs.verify_consistency(old, new, path, roots[old], roots[new])


@pytest.mark.parametrize("new", [*BORDERS, 65_600])
def test_journals_are_consistent_across_the_borders_of_tiles(journal, leaves, new):
    root = tree.root_of(leaves[:new])
    for old in [0, 1, 128, *BORDERS, new - 1, new]:
        if old <= new:
            path = proofs.consistency_proof(old, new, journal)
            proofs.verify_consistency(old, new, path, tree.root_of(leaves[:old]), root)


@pytest.mark.parametrize(
    ("old", "new"), [(1, 2), (3, 7), (4, 7), (6, 8), (256, 513), (511, 513)]
)
def test_a_consistency_proof_with_any_byte_flipped_is_refused(journal, old, new):
    roots = proofs.root_at(old, journal), proofs.root_at(new, journal)
    path = proofs.consistency_proof(old, new, journal)
    check = proofs.verify_consistency
    for changed in flips(path):
        assert refuses(check, old, new, changed, *roots)
    for before, after in flips(list(roots)):
        assert refuses(check, old, new, path, before, after)
    assert refuses(check, old, new, path[:-1], *roots)
    assert refuses(check, old, new, path[1:], *roots)
    assert refuses(check, old, new, [*path, bytes(32)], *roots)
    assert refuses(check, old, new, [path[0][:31], *path[1:]], *roots)
    assert refuses(check, old, new, [], *roots)


def test_a_journal_that_rewrote_an_entry_is_not_consistent(journal, leaves):
    forged = MemoryHashes([*leaves[:100], leaves[0], *leaves[101:600]])
    for old in (101, 256, 513):
        path = proofs.consistency_proof(old, 600, forged)
        roots = proofs.root_at(old, journal), proofs.root_at(600, forged)
        assert refuses(proofs.verify_consistency, old, 600, path, *roots)


def test_equal_sizes_have_equal_roots_and_no_proof(journal):
    a, b = proofs.root_at(5, journal), proofs.root_at(6, journal)
    proofs.verify_consistency(5, 5, [], a, a)
    assert refuses(proofs.verify_consistency, 5, 5, [], a, b)
    assert refuses(proofs.verify_consistency, 5, 5, [a], a, a)


def test_everything_is_consistent_with_the_empty_journal_alone(journal):
    root = proofs.root_at(5, journal)
    proofs.verify_consistency(0, 5, [], tree.EMPTY_ROOT, root)
    proofs.verify_consistency(0, 0, [], tree.EMPTY_ROOT, tree.EMPTY_ROOT)
    assert refuses(proofs.verify_consistency, 0, 5, [], root, root)
    assert refuses(proofs.verify_consistency, 0, 5, [root], tree.EMPTY_ROOT, root)
    assert refuses(proofs.verify_consistency, 0, 0, [], tree.EMPTY_ROOT, root)


def test_a_journal_that_shrank_is_refused(journal):
    roots = proofs.root_at(8, journal), proofs.root_at(6, journal)
    path = proofs.consistency_proof(6, 8, journal)
    assert refuses(proofs.verify_consistency, 8, 6, path, *roots)
    assert refuses(proofs.verify_consistency, -1, 6, path, *roots)


def test_a_consistency_proof_of_the_wrong_length_is_refused_though_its_values_fit(leaves):
    """Each leads to the very roots claimed; only the sizes give it away."""
    a, b, c, d = leaves[:4]
    h = tree.node_hash
    check = proofs.verify_consistency
    assert refuses(check, 1, 4, [b], a, h(a, b))  # stops below the root
    grown = h(d, h(c, h(a, b)))
    assert refuses(check, 3, 4, [a, b, c, d], h(d, h(c, a)), grown)  # goes on above it
    assert refuses(check, 3, 2, [a, b], a, h(a, b))  # grows backwards


def test_a_consistency_proof_of_other_than_hashes_is_refused(leaves):
    a, b = leaves[:2]
    proofs.verify_consistency(1, 2, [b], a, tree.node_hash(a, b))
    tail = b + b"\x00"
    assert refuses(proofs.verify_consistency, 1, 2, [tail], a, tree.node_hash(a, tail))


def test_mistakes_of_the_caller_are_not_refusals(journal):
    for index, size in ((5, 5), (-1, 5), (0, 0)):
        with pytest.raises(ValueError, match="outside"):
            proofs.inclusion_proof(index, size, journal)
    for old, new in ((6, 5), (-1, 5)):
        with pytest.raises(ValueError, match="grow"):
            proofs.consistency_proof(old, new, journal)
    with pytest.raises(ValueError, match="no journal"):
        proofs.root_at(-1, journal)
    with pytest.raises(ValueError, match="32 bytes"):
        proofs.verify_consistency(1, 2, [], b"", bytes(32))


@pytest.mark.parametrize("size", [1000, 65_537, 65_599])
def test_a_proof_takes_at_most_512_hashes_from_each_row(journal, size):
    for index in (0, size // 3, size - 1):
        asked = Counting(journal, size)
        proofs.inclusion_proof(index, size, asked)
        proofs.consistency_proof(index or 1, size, asked)
        for row in range(3):
            taken = sum(count for level, _, count in asked.asked if level == row)
            assert taken <= 2 * 512


@pytest.mark.parametrize("size", [256**3 + 1, 2**40 - 1, 2**56 + 12_345, 2**63 - 1])
def test_proofs_reach_through_every_level_of_tiles(leaves, size):
    endless = Uniform(leaves[0])
    root = proofs.root_at(size, endless)
    for index in (0, size // 3, size - 1):
        path = proofs.inclusion_proof(index, size, endless)
        assert len(path) <= 63
        proofs.verify_inclusion(leaves[0], index, size, path, root)
    for old in (1, size // 3, 2 ** (size.bit_length() - 1), size - 1):
        path = proofs.consistency_proof(old, size, endless)
        assert len(path) <= 64
        proofs.verify_consistency(old, size, path, proofs.root_at(old, endless), root)


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 1000])
def test_frontier_at_an_older_size_is_the_one_that_was_grown(size):
    leaves = [tree.leaf_hash(str(number).encode()) for number in range(1000)]
    assert proofs.frontier_at(size, MemoryHashes(leaves)) == tree.Frontier().extend(
        leaves[:size]
    )


class Once:
    """Hashes of which none may be read twice."""

    def __init__(self, hashes):
        self._hashes = hashes
        self._read = set()

    def read(self, level, first, count):
        assert (level, first) not in self._read
        self._read.add((level, first))
        return self._hashes.read(level, first, count)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 700, 66_000])
def test_proofs_of_many_are_those_of_each_and_read_each_tile_once(size):
    # The journal grew since: only what is below the size may be looked at.
    leaves = [tree.leaf_hash(each.to_bytes(4, "big")) for each in range(size + 3)]
    hashes = MemoryHashes(leaves)
    indexes = sorted({0, size // 3, size // 2, *range(max(size - 40, 0), size)})
    found = proofs.inclusion_proofs(indexes, size, Once(hashes))
    assert found == [proofs.inclusion_proof(index, size, hashes) for index in indexes]
    root = proofs.root_at(size, hashes)
    for index, path in zip(indexes, found, strict=True):
        proofs.verify_inclusion(leaves[index], index, size, path, root)
    with pytest.raises(ValueError, match="outside"):
        proofs.inclusion_proofs([size], size, hashes)
