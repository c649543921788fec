"""The tree cut into tiles of 256 hashes: what a store keeps, and how it is asked for it.

A *row* is what C2SP calls a tile level: row 0 holds the leaf hashes, each hash of row n + 1 is
the root over 256 neighbours of row n. A tile is 256 neighbours of a row; the last tile of each
row is partial. A store needs the leaf hashes and the root of each completed tile, no more:
those roots *are* the next row, so any tile, whole or partial, is a range of one row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from exchange.journal.tree import HASH_BYTES, Frontier, root_of, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TILE_WIDTH: Final = 256
TILE_BYTES: Final = TILE_WIDTH * HASH_BYTES
MAX_LEVEL: Final = 7  # 256**8 leaves are more than any tree here can have
_LEVEL_LIMIT: Final = 63  # C2SP tlog-tiles


class Hashes(Protocol):
    """Read access to the hashes of a journal. Slow is fine; a wrong count is not."""

    def read(self, level: int, first: int, count: int) -> bytes:
        """Return ``count`` neighbours of one row, joined: ``32 * count`` bytes.

        Args:
            level: 0 for leaf hashes, n + 1 for roots of completed tiles of level n.
            first: position in the row, from 0.
            count: 1 to 256. The range never crosses a border between two tiles, and only
                hashes that the journal has are asked for.

        Raises:
            Fault: the store cannot tell.
        """
        ...  # pragma: no cover


class Tile(msgspec.Struct, frozen=True):
    """One completed tile.

    Args:
        level: row, from 0.
        index: position of the tile in its row, from 0.
        data: 256 hashes, 8192 bytes, as C2SP serves them.
        root: 32 bytes; position ``index`` of row ``level + 1``.
    """

    level: int
    index: int
    data: bytes
    root: bytes


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Return the path under which a tile is served, such as ``tile/0/x001/x234/067.p/12``.

    Args:
        level: 0 to 63.
        index: position in the row, from 0.
        width: hashes in it, 1 to 256; below 256 the tile is partial.

    Raises:
        ValueError: there is no such tile.

    Source: C2SP tlog-tiles, "Merkle Tree".
    """
    if not (0 <= level <= _LEVEL_LIMIT and index >= 0 and 1 <= width <= TILE_WIDTH):
        message = f"no tile {level}/{index} of width {width}"
        raise ValueError(message)
    parts = [f"{index % 1000:03}"]
    while index := index // 1000:
        parts.append(f"x{index % 1000:03}")
    suffix = "" if width == TILE_WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(reversed(parts))}{suffix}"


def tile_width(level: int, index: int, size: int) -> int:
    """Return how many hashes (0 to 256) a tile holds in a tree of ``size`` leaves."""
    row = size >> 8 * level
    return max(0, min(TILE_WIDTH, row - index * TILE_WIDTH))


def completed(size: int, leaf_hashes: Sequence[bytes], hashes: Hashes) -> Iterator[Tile]:
    """Yield the tiles that become whole when leaves are appended, lower levels first.

    Args:
        size: leaves in the journal before.
        leaf_hashes: the new ones, 32 bytes each.
        hashes: the journal; asked only for hashes it had at ``size``, at most once per level.

    At 512 leaves two or three tiles are yielded, 0.1 ms each.
    """
    row, start = list(leaf_hashes), size
    for level in range(MAX_LEVEL + 1):
        held = start % TILE_WIDTH
        if held + len(row) < TILE_WIDTH:
            return
        if held:
            row = split(hashes.read(level, start - held, held)) + row
        first = start // TILE_WIDTH
        roots = []
        for index in range(first, first + len(row) // TILE_WIDTH):
            at = (index - first) * TILE_WIDTH
            nodes = row[at : at + TILE_WIDTH]
            roots.append(root_of(nodes))
            yield Tile(level, index, b"".join(nodes), roots[-1])
        row, start = roots, first


class TilesOnce:
    """Meets ``Hashes``: each tile below a size is read once, however often it is asked for."""

    def __init__(self, hashes: Hashes, size: int) -> None:
        """Read these, of which at least ``size`` leaves are there."""
        self._hashes = hashes
        self._size = size
        self._tiles: dict[tuple[int, int], bytes] = {}

    def read(self, level: int, first: int, count: int) -> bytes:
        """Return neighbours of one row; see ``Hashes``."""
        index, begin = divmod(first, TILE_WIDTH)
        tile = self._tiles.get((level, index))
        if tile is None:
            width = tile_width(level, index, self._size)
            tile = self._hashes.read(level, index * TILE_WIDTH, width)
            self._tiles[level, index] = tile
        return tile[begin * HASH_BYTES : (begin + count) * HASH_BYTES]


class MemoryHashes:
    """A whole journal's hashes in memory, for audits and tests: 32 bytes a leaf and a bit."""

    def __init__(self, leaf_hashes: Sequence[bytes] = ()) -> None:
        self.frontier = Frontier()
        self._rows = [bytearray() for _ in range(MAX_LEVEL + 2)]
        self.extend(leaf_hashes)

    def extend(self, leaf_hashes: Sequence[bytes]) -> list[Tile]:
        """Append leaves (32 bytes each) and return the tiles that became whole."""
        new = list(completed(self.frontier.size, leaf_hashes, self))
        self._rows[0] += b"".join(leaf_hashes)
        for tile in new:
            self._rows[tile.level + 1] += tile.root
        self.frontier = self.frontier.extend(leaf_hashes)
        return new

    def read(self, level: int, first: int, count: int) -> bytes:
        """Return neighbours of one row; see ``Hashes``.

        Raises:
            ValueError: the row does not reach that far, or the range is not one of a tile.
        """
        end = first + count
        held = len(self._rows[level]) // HASH_BYTES
        if not 0 <= first < end <= held or first // TILE_WIDTH != (end - 1) // TILE_WIDTH:
            message = f"no hashes {first} to {end} in row {level} of {held}"
            raise ValueError(message)
        return bytes(self._rows[level][first * HASH_BYTES : end * HASH_BYTES])
