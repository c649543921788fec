import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.journal import tiles, tree
from exchange.journal.tiles import MemoryHashes, tile_path, tile_width


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        ((0, 1_234_067), "tile/0/x001/x234/067"),  # the example of C2SP tlog-tiles
        ((0, 0), "tile/0/000"),
        ((1, 999, 255), "tile/1/999.p/255"),
        ((2, 1000, 1), "tile/2/x001/000.p/1"),
        ((63, 12, 256), "tile/63/012"),
    ],
)
def test_a_tile_is_served_under_the_path_of_the_specification(tile, path):
    assert tile_path(*tile) == path


@pytest.mark.parametrize("tile", [(-1, 0), (64, 0), (0, -1), (0, 0, 0), (0, 0, 257)])
def test_what_is_no_tile_has_no_path(tile):
    with pytest.raises(ValueError, match="no tile"):
        tile_path(*tile)


def test_a_tree_of_70000_has_the_tiles_the_specification_counts():
    assert [tile_width(0, index, 70_000) for index in (0, 272, 273, 274)] == [256, 256, 112, 0]
    assert [tile_width(1, index, 70_000) for index in (0, 1, 2)] == [256, 17, 0]
    assert [tile_width(2, index, 70_000) for index in (0, 1)] == [1, 0]
    assert [tile_width(level, 0, 256) for level in (0, 1, 2)] == [256, 1, 0]


def test_completed_tiles_hold_the_leaves_and_roots_of_the_tiles_below(leaves):
    held = MemoryHashes()
    found = held.extend(leaves[:65_600])
    level_0 = [tile for tile in found if tile.level == 0]
    assert [tile.index for tile in level_0] == list(range(256))
    assert all(
        tile.data == b"".join(leaves[256 * tile.index : 256 * tile.index + 256])
        and len(tile.data) == tiles.TILE_BYTES
        for tile in level_0
    )
    (top,) = (tile for tile in found if tile.level == 1)
    assert top.data == b"".join(tile.root for tile in level_0)
    assert top.root == tree.root_of(leaves[:65_536])
    assert found[-1] is top  # lower levels first


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 700), max_size=6))
def test_the_tiles_are_the_same_however_the_journal_grew(leaves, cuts):
    held, grown = MemoryHashes(), []
    for cut in cuts:
        at = held.frontier.size
        grown += held.extend(leaves[at : at + cut])
    total = sum(cuts)
    assert held.frontier.root() == tree.root_of(leaves[:total])
    assert grown == MemoryHashes().extend(leaves[:total])
    assert len(grown) == total // 256


class Counting:
    """A journal that notes what it is asked for, and knows nothing past ``size``."""

    def __init__(self, journal, size):
        self.journal, self.size, self.asked = journal, size, []

    def read(self, level, first, count):
        assert first + count <= self.size >> 8 * level
        self.asked.append((level, first, count))
        return self.journal.read(level, first, count)


def test_a_store_is_asked_only_for_the_partial_tiles_it_had(journal, leaves):
    asked = Counting(journal, 65_500)
    found = list(tiles.completed(65_500, leaves[65_500:65_560], asked))
    assert [(tile.level, tile.index) for tile in found] == [(0, 255), (1, 0)]
    assert asked.asked == [(0, 65_280, 220), (1, 0, 255)]


def test_appending_nothing_or_too_little_completes_nothing(journal, leaves):
    asked = Counting(journal, 10)
    assert list(tiles.completed(10, [], asked)) == []
    assert list(tiles.completed(10, leaves[10:255], asked)) == []
    assert asked.asked == []


class Uniform:
    """A journal of equal leaves, as long as one likes: a row's hashes are all the same."""

    def __init__(self, leaf):
        self.rows = [leaf]
        for _ in range(8):
            self.rows.append(tree.root_of([self.rows[-1]] * 256))

    def read(self, level, first, count):
        assert first // 256 == (first + count - 1) // 256
        return self.rows[level] * count


def test_tiles_complete_up_to_the_highest_level(leaves):
    endless = Uniform(leaves[0])
    found = list(tiles.completed(256**5 - 3, [leaves[0]] * 5, endless))
    assert [(tile.level, tile.index) for tile in found] == [
        (level, 256 ** (4 - level) - 1) for level in range(5)
    ]
    assert [tile.root for tile in found] == endless.rows[1:6]


@pytest.mark.parametrize(
    "ask", [(0, 0, 0), (0, -1, 1), (0, 65_599, 2), (0, 200, 100), (1, 256, 1), (2, 0, 2)]
)
def test_memory_does_not_make_up_hashes(journal, ask):
    with pytest.raises(ValueError, match="no hashes"):
        journal.read(*ask)


def test_memory_reads_partial_tiles_of_any_row(journal, leaves):
    assert journal.read(0, 65_536, 64) == b"".join(leaves[65_536:65_600])
    assert journal.read(1, 2, 1) == tree.root_of(leaves[512:768])
    assert journal.read(2, 0, 1) == tree.root_of(leaves[:65_536])
