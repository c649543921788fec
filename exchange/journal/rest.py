"""The hashes of a journal from some size on: enough to tell its root at each later size.

Whoever carries a part of a journal does not know which checkpoint its reader has. With the
unfinished tiles of the size at which that part begins, and the leaf hashes after it, the reader
makes the proof that its own needs: 32 bytes an entry, and nothing of any entry but its hash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.journal.tiles import MAX_LEVEL, TILE_WIDTH, completed
from exchange.journal.tree import HASH_BYTES, split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.journal.tiles import Hashes

# Leaves added in one go: bounds what is in memory beside the rows.
_STEP = 65_536 * HASH_BYTES


def unfinished(size: int, hashes: Hashes) -> list[bytes]:
    """Return the last tile of each row of a journal of this size, where it is partial."""
    rows = [size >> 8 * level for level in range(MAX_LEVEL + 1)]
    held = [row % TILE_WIDTH for row in rows]
    return [
        hashes.read(level, rows[level] - count, count) if count else b""
        for level, count in enumerate(held)
    ]


class Rest:
    """Meets ``journal.tiles.Hashes`` for proofs between sizes from where it begins."""

    def __init__(self, size: int, rows: Sequence[bytes], leaves: bytes) -> None:
        """Go on from a journal of ``size`` entries.

        Args:
            size: where it begins.
            rows: ``unfinished`` of that size.
            leaves: the leaf hashes after it, joined.

        Raises:
            ValueError: they do not fit.
        """
        begun = [
            (size >> 8 * level) % TILE_WIDTH * HASH_BYTES for level in range(MAX_LEVEL + 1)
        ]
        if [len(row) for row in rows] != begun or len(leaves) % HASH_BYTES:
            message = f"not what goes on from {size} entries"
            raise ValueError(message)
        self.size = size
        self._first = [
            (size >> 8 * level) // TILE_WIDTH * TILE_WIDTH for level in range(MAX_LEVEL + 2)
        ]
        self._rows = [*map(bytearray, rows), bytearray()]
        for at in range(0, len(leaves), _STEP):
            self._extend(leaves[at : at + _STEP])

    def _extend(self, leaves: bytes) -> None:
        new = list(completed(self.size, split(leaves), self))
        self._rows[0] += leaves
        for tile in new:
            self._rows[tile.level + 1] += tile.root
        self.size += len(leaves) // HASH_BYTES

    def read(self, level: int, first: int, count: int) -> bytes:
        """Return neighbours of one row; see ``Hashes``.

        Raises:
            ValueError: the row does not begin so early, or does not reach that far.
        """
        start = (first - self._first[level]) * HASH_BYTES
        found = bytes(self._rows[level][start : start + count * HASH_BYTES])
        if start < 0 or len(found) != count * HASH_BYTES:
            message = f"row {level} has no hashes {first} to {first + count - 1}"
            raise ValueError(message)
        return found
