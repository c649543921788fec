from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import Code, Refusal
from exchange.journal import tree
from exchange.journal.tree import Frontier, Group
from tests.journal import reference

# The eight entries of certificate-transparency's own tests, and the roots at each size.
ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATHS = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
HASHES = st.lists(st.binary(min_size=32, max_size=32), max_size=40)


@pytest.mark.parametrize("size", range(9))
def test_the_published_roots_come_out(size):
    hashes = [tree.leaf_hash(entry) for entry in ENTRIES[:size]]
    assert tree.root_of(hashes).hex() == ROOTS[size]
    assert Group(hashes).root.hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size"), PATHS)
def test_the_published_paths_come_out_and_hold(index, size):
    hashes = [tree.leaf_hash(entry) for entry in ENTRIES[:size]]
    path = tree.path_in(index, hashes)
    assert [node.hex() for node in path] == PATHS[index, size]
    tree.verify_path(hashes[index], index, size, path, bytes.fromhex(ROOTS[size]))


def test_the_empty_root_is_the_hash_of_nothing():
    assert sha256(b"").digest() == tree.EMPTY_ROOT == Frontier().root()


@given(st.lists(HASHES, max_size=6))
def test_a_frontier_comes_to_the_same_root_however_it_grew(batches):
    frontier = Frontier()
    for batch in batches:
        frontier = frontier.extend(batch)
    hashes = [leaf for batch in batches for leaf in batch]
    assert frontier.size == len(hashes)
    assert frontier.root() == reference.root(hashes) == Group(hashes).root


def test_extending_a_frontier_leaves_the_one_before_as_it_was(leaves):
    before = Frontier().extend(leaves[:7])
    edge = before.edge
    before.extend(leaves[7:20])
    assert before == Frontier(7, edge)


@pytest.mark.parametrize("size", [0, 1, 7, 255, 256, 65_537])
def test_a_frontier_survives_being_stored(leaves, size):
    frontier = Frontier().extend(leaves[:size])
    assert Frontier.decode(frontier.encode()) == frontier
    assert len(frontier.encode()) == 8 + 32 * size.bit_count()


def test_a_frontier_may_have_the_largest_size_and_no_more():
    assert len(Frontier(2**63 - 1, (bytes(32),) * 63).root()) == 32
    with pytest.raises(ValueError, match="not that of a tree"):
        Frontier(2**63, (bytes(32),))
    with pytest.raises(ValueError, match="not that of a tree"):
        Frontier(-1, (bytes(32),))


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        bytes(7),
        (1).to_bytes(8),
        (3).to_bytes(8) + bytes(32),
        (1).to_bytes(8) + bytes(31),
        (1).to_bytes(8) + bytes(64),
    ],
)
def test_bytes_that_are_no_frontier_are_not_decoded(stored):
    with pytest.raises(ValueError):
        Frontier.decode(stored)


def test_hashes_of_another_length_make_no_edge():
    with pytest.raises(ValueError, match="edge"):
        Frontier(1, (bytes(31),))


@pytest.mark.parametrize("size", range(1, 71))
def test_every_path_in_a_group_is_the_recursive_one_and_holds(leaves, size):
    group = Group(leaves[:size])
    assert len(group) == size
    for index in range(size):
        path = group.path(index)
        assert path == reference.path(index, leaves[:size])
        tree.verify_path(leaves[index], index, size, path, group.root)
    for order in (range(size), reversed(range(size)), range(0, size, 3)):
        under = tree.Under(size, group.root)
        for index in order:
            under.verify(leaves[index], index, group.path(index))


def misplaced(under, leaf, index, path):
    with pytest.raises(Refusal) as caught:
        under.verify(leaf, index, path)
    return caught.value.code is Code.BAD_PROOF


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8, 13, 64, 70])
def test_what_is_known_of_a_root_lets_nothing_else_under_it(leaves, size):
    group = Group(leaves[:size])
    for index in range(size):
        for known in range(size):
            under = tree.Under(size, group.root)
            under.verify(leaves[known], known, group.path(known))
            other, path = leaves[(index + 1) % len(leaves)], group.path(index)
            assert misplaced(under, other, index, path)
            assert misplaced(under, leaves[index], size, path)
            if size > 1:
                assert misplaced(under, leaves[index], (index + 1) % size, path)
                assert misplaced(under, leaves[index], index, path[:-1])
            # Nothing of what was refused is known by now.
            under.verify(leaves[index], index, path)
            assert misplaced(under, other, index, path)


@pytest.mark.parametrize("index", [-1, 5, 6])
def test_a_group_has_no_path_for_what_is_not_in_it(leaves, index):
    with pytest.raises(ValueError, match="outside"):
        tree.path_in(index, leaves[:5])


def refused(*claim):
    with pytest.raises(Refusal) as caught:
        tree.verify_path(*claim)
    return caught.value.code is Code.BAD_PROOF


def test_a_claim_that_does_not_follow_is_refused(leaves):
    group = Group(leaves[:7])
    path = group.path(4)
    assert refused(leaves[4], 5, 7, path, group.root)
    assert refused(leaves[4], -4, 7, path, group.root)
    assert refused(leaves[4], 7, 7, path, group.root)
    assert refused(leaves[4], 4, 3, path, group.root)
    assert refused(leaves[5], 4, 7, path, group.root)
    assert refused(leaves[4], 4, 7, path[:-1], group.root)
    assert refused(leaves[4], 4, 7, [*path, bytes(32)], group.root)
    assert refused(leaves[4], 4, 7, path[::-1], group.root)
    assert refused(leaves[4], 4, 7, path, leaves[0])
    assert refused(leaves[0], 0, 0, [], tree.EMPTY_ROOT)


def test_an_inner_node_is_not_taken_for_a_shorter_journal(leaves):
    """The path stops early, where its value is the root: only the count gives it away."""
    node = tree.node_hash(leaves[0], leaves[1])
    assert refused(leaves[0], 0, 4, [leaves[1]], node)


def test_a_path_longer_than_the_journal_is_high_is_refused(leaves):
    """Its value is the root; only the count gives it away."""
    root = tree.node_hash(leaves[1], leaves[0])
    assert refused(leaves[0], 0, 1, [leaves[1]], root)


def test_a_path_of_other_than_hashes_is_refused(leaves):
    """Two hashes in one part, or a hash cut in two, must not slip through the concatenation."""
    a, b = leaves[:2]
    root = tree.node_hash(a, b)
    tree.verify_path(a, 0, 2, [b], root)
    assert refused(a, 0, 2, [b[:31]], root)
    tail = b + b"\x00"
    assert refused(a, 0, 2, [tail], sha256(b"\x01" + a + tail).digest())


def test_a_leaf_or_root_that_is_no_hash_is_the_callers_mistake(leaves):
    with pytest.raises(ValueError, match="32 bytes"):
        tree.verify_path(b"entry", 0, 1, [], leaves[0])
    with pytest.raises(ValueError, match="32 bytes"):
        tree.verify_path(leaves[0], 0, 1, [], b"")
    with pytest.raises(ValueError, match="32 bytes"):
        tree.Under(1, b"")
    with pytest.raises(ValueError, match="32 bytes"):
        tree.Under(1, leaves[0]).verify(b"entry", 0, [])


def test_joined_hashes_of_odd_length_are_not_split():
    with pytest.raises(ValueError, match="row of hashes"):
        tree.split(bytes(33))


def test_nothing_cannot_be_folded():
    with pytest.raises(ValueError, match="nothing"):
        tree.fold([])
