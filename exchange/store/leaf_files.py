"""Leaf hashes of another node's journal in a file that only grows, 32 bytes an entry.

Beside it, in a file replaced as a whole, how far it goes: what is behind that was cut, and is
written anew. An eighth of the disk at most, and never its last 256 MiB: the other node decides
how much there is.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from exchange.client.files import write_durably
from exchange.errors import Code, Fault
from exchange.journal.tree import HASH_BYTES, Frontier, split
from exchange.model.codec import b64

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PIECE_BYTES: Final = 1024 * 1024
_SPARE_BYTES: Final = 256 * 1024 * 1024
_SHARE: Final = 8


class Reached(msgspec.Struct, frozen=True):
    """How far a file of hashes goes.

    Args:
        size: of how many entries.
        frontier: the edge of the tree over them, as ``Frontier.encode``.
        note: the newest checkpoint whose size they reached; empty before there is one.
        vouched: the newest of those that a quorum of witnesses cosigned; likewise.
    """

    size: int
    frontier: str
    note: str = ""
    vouched: str = ""


_NOTHING: Final = Reached(0, b64(Frontier().encode()))


class LeafFile:
    """Meets ``link.leaves.Kept``; one process writes, others may read."""

    def __init__(self, folder: Path, node: str) -> None:
        """Use two files of this folder, which is made. ``recall`` reads what is there."""
        self._folder = folder
        self.path = folder / f"{node}.leaves"
        self._head = folder / f"{node}.leaves.json"
        self.reached = _NOTHING
        self._frontier = Frontier()

    @property
    def frontier(self) -> Frontier:
        """How far they go."""
        return self._frontier

    def recall(self) -> bool:
        """Read what was kept before; tell whether there is any.

        All of it is folded: a hash that a disk altered would be found when it is too late to
        ask for it again. A million took 3 s (two cores, ten others at work on them).

        Raises:
            Fault: ``file``: it cannot be read.
        """
        with self._faults():
            found = self._read_head()
            frontier = self._folded(found.size)
            is_whole = b64(frontier.encode()) == found.frontier
        self.reached = found if is_whole else _NOTHING
        self._frontier = frontier if is_whole else Frontier()
        return self._frontier.size > 0

    def look(self) -> None:
        """Read how far it goes, beside whoever writes; nothing of it is held to anything.

        Raises:
            Fault: ``file``: it cannot be read.
        """
        with self._faults():
            self.reached = self._read_head()

    def add(self, leaves: bytes, after: Frontier, note: str) -> None:
        """Add hashes, durably.

        Raises:
            Fault: ``store-failed``: there is no room; ``file``: they cannot be written.
        """
        offset = self._frontier.size * HASH_BYTES
        with self._faults():
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._must_be_room(offset, len(leaves))
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.truncate(offset)
                file.seek(offset)
                file.write(leaves)
                file.flush()
                os.fsync(handle)
            reached = Reached(
                after.size,
                b64(after.encode()),
                note or self.reached.note,
                self.reached.vouched,
            )
            self._write_head(reached)
        self._frontier = after

    def vouch(self, note: str) -> None:
        """Keep the newest checkpoint that a quorum cosigned.

        Raises:
            Fault: ``file``: it cannot be written.
        """
        with self._faults():
            self._write_head(msgspec.structs.replace(self.reached, vouched=note))

    def clear(self) -> None:
        """Keep none of it.

        Raises:
            Fault: ``file``: it cannot be written.
        """
        with self._faults():
            self._write_head(_NOTHING)
        self._frontier = Frontier()

    def pieces(self, size: int) -> Iterator[bytes]:
        """Yield the hashes of the first ``size`` entries, joined.

        Raises:
            Fault: ``file``: they cannot be read, or are fewer.
        """
        with self._faults():
            yield from self._pieces(size)

    def _pieces(self, size: int) -> Iterator[bytes]:
        left = size * HASH_BYTES
        if not left:
            return
        with self.path.open("rb") as file:
            while left:
                piece = file.read(min(_PIECE_BYTES, left))
                if not piece:
                    raise Fault(Code.FILE, name=str(self.path), found="cut")
                left -= len(piece)
                yield piece

    def _folded(self, size: int) -> Frontier:
        frontier = Frontier()
        if not self.path.exists() or self.path.stat().st_size < size * HASH_BYTES:
            return frontier
        for piece in self._pieces(size):
            frontier = frontier.extend(split(piece))
        return frontier

    def _read_head(self) -> Reached:
        try:
            return msgspec.json.decode(self._head.read_bytes(), type=Reached)
        except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
            # They are asked for again.
            return _NOTHING

    def _write_head(self, reached: Reached) -> None:
        write_durably(self._head, msgspec.json.encode(reached))
        self.reached = reached

    def _must_be_room(self, held: int, wanted: int) -> None:
        disk = os.statvfs(self._folder)
        is_spare = disk.f_bavail * disk.f_frsize >= _SPARE_BYTES + wanted
        if not is_spare or (held + wanted) * _SHARE > disk.f_blocks * disk.f_frsize:
            raise Fault(Code.STORE_FAILED, reason="no room for leaf hashes")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            kind = type(error).__name__
            raise Fault(Code.FILE, name=str(self.path), found=kind) from error
