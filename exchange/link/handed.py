"""The leaf hashes of a journal as a file that one node hands to another.

    exchange-leaves@v1
    a line of JSON: whose journal it is, how many hashes, and checkpoints that they lead to
    the hashes, 32 bytes each

Nobody signs it: the checkpoints are signed by that journal's own keys, cosigned by whoever
cosigned them, and whoever reads it holds the hashes to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from exchange.errors import Code, Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal.tree import HASH_BYTES, Frontier, split
from exchange.model.identity import Count, Word

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

_FIRST_LINE: Final = b"exchange-leaves@v1\n"
_MAX_LINE_BYTES: Final = 256 * 1024
_PIECE_BYTES: Final = 1024 * 1024


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose journal, of how many entries the hashes are, and what they lead to."""

    node: Word
    size: Count
    notes: list[str]

    def encode(self) -> bytes:
        """Return how such a file begins."""
        return _FIRST_LINE + msgspec.json.encode(self) + b"\n"


class Handed:
    """Such a file; ``read`` is how one is read."""

    def __init__(self, path: Path, line: Line, at: int) -> None:
        """Use a file whose hashes begin at an offset."""
        self.node = line.node
        self.size = line.size
        self.notes = [note.encode() for note in line.notes]
        self.begin = at
        self._path = path

    def leaves(self, first: int, count: int) -> list[bytes]:
        """Return the hashes of so many entries, or of those that there are.

        Raises:
            OSError: the file cannot be read.
        """
        count = min(count, self.size - first)
        if count <= 0:
            return []
        with self._path.open("rb") as file:
            file.seek(self.begin + first * HASH_BYTES)
            return split(file.read(count * HASH_BYTES))

    def roots(self, sizes: Collection[int]) -> dict[int, bytes]:
        """Return the root at each of these sizes that the hashes reach.

        Raises:
            OSError: the file cannot be read.
        """
        return roots_of(self._pieces(), {each for each in sizes if each <= self.size})

    def _pieces(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            file.seek(self.begin)
            while piece := file.read(_PIECE_BYTES):
                yield piece


def roots_of(pieces: Iterable[bytes], sizes: Collection[int]) -> dict[int, bytes]:
    """Return the root at each of these sizes over hashes that come joined, in pieces."""
    frontier, found = Frontier(), {}
    for piece in pieces:
        leaves = split(piece)
        for size in sorted(sizes):
            if frontier.size < size <= frontier.size + len(leaves):
                found[size] = frontier.extend(leaves[: size - frontier.size]).root()
        frontier = frontier.extend(leaves)
    return found


def read(path: Path) -> Handed:
    """Return such a file, once its hashes lead to the checkpoints in it.

    Who signed those is for its reader to hold.

    Raises:
        Refusal: ``bad-export``: it is none, or was cut or altered.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        _must(file.readline(len(_FIRST_LINE)) == _FIRST_LINE, "")
        try:
            line = msgspec.json.decode(file.readline(_MAX_LINE_BYTES), type=Line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Refusal(Code.BAD_EXPORT, "/line") from error
        found = Handed(path, line, file.tell())
    _must(path.stat().st_size == found.begin + line.size * HASH_BYTES, "/size")
    try:
        told = [c2sp.parse(note) for note in found.notes]
    except Refusal as refusal:
        raise Refusal(Code.BAD_EXPORT, "/notes") from refusal
    # The last entry, too, stands under one of them.
    _must(max((each.size for each in told), default=0) == line.size > 0, "/notes")
    roots = found.roots([each.size for each in told])
    _must(all(roots.get(each.size) == each.root for each in told), "/leaves")
    return found


def _must(holds: bool, at: str) -> None:
    if not holds:
        raise Refusal(Code.BAD_EXPORT, at)
