"""A node's attachments as they are copied away and come back; the folder is ``blob_files``'.

Reads while the node runs: what an entry names was kept before that entry was written, and goes
only with a mark. So whoever copies fixes the journal's length first, then what is kept, then
the marks: what is named and not kept has a mark, or was lost before.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from exchange.errors import Code, Fault
from exchange.store.blob_files import COUNTED, KEPT
from exchange.store.marks import PURGED, digests_in, mark
from exchange.store.pledge import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class Copied(NamedTuple):
    """An attachment: its digest, its size, and the organisations that it counts for."""

    digest: str
    size: int
    members: list[str]


class Copies:
    """The kept attachments of one node."""

    def __init__(self, folder: Path) -> None:
        """Read or fill this folder."""
        self._kept, self._counted = folder / KEPT, folder / COUNTED
        self._purged = folder / PURGED

    def kept(self) -> Iterator[tuple[Copied, IO[bytes]]]:
        """Return what is kept, each open to be read; what goes meanwhile is left out."""
        members = _names(self._counted)
        for name in digests_in(self._kept):
            with suppress(FileNotFoundError), (self._kept / name).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                counting = [
                    each
                    for each in members
                    if (self._counted / each / f"{name}.{size}").exists()
                ]
                yield Copied(name, size, counting), file

    def count(self) -> int:
        """Return how many are kept now."""
        return len(digests_in(self._kept))

    def purged(self) -> list[str]:
        """Return the digests that are marked as purged."""
        return digests_in(self._purged)

    def has(self, digest: str) -> bool:
        """Tell whether an attachment is kept."""
        return (self._kept / digest).exists()

    def make(self) -> None:
        """Make the folders to fill."""
        for folder in (self._kept.parent, self._kept, self._counted, self._purged):
            folder.mkdir(mode=0o700)

    @contextmanager
    def taking(self, copied: Copied) -> Iterator[IO[bytes]]:
        """Write one that comes back; it is durable, and counted, afterwards."""
        with (self._kept / copied.digest).open("xb") as file:
            os.fchmod(file.fileno(), 0o600)
            yield file
            file.flush()
            os.fsync(file.fileno())
        for member in copied.members:
            (self._counted / member).mkdir(mode=0o700, exist_ok=True)
            (self._counted / member / f"{copied.digest}.{copied.size}").touch(mode=0o600)

    def drop(self, digest: str) -> None:
        """Let go of one that came back and is not what its name says."""
        (self._kept / digest).unlink()
        for member in _names(self._counted):
            for each in (self._counted / member).glob(f"{digest}.*"):
                each.unlink()

    def purge(self, digests: Iterable[str]) -> int:
        """Mark what is purged, and delete what came back of it; return how many did."""
        gone = 0
        for digest in digests:
            (self._purged / digest).touch(mode=0o600)
            if self.has(digest):
                self.drop(digest)
                gone += 1
        return gone

    def settle(self) -> None:
        """Make durable which files there are."""
        members = [self._counted / each for each in _names(self._counted)]
        for folder in (self._kept, *members, self._counted, self._purged, self._kept.parent):
            sync_folder(folder)


def marked(folder: Path) -> Sequence[str]:
    """Return what a second place says was purged.

    Raises:
        Fault: it cannot be read.
    """
    try:
        return digests_in(folder / PURGED)
    except OSError as error:
        raise Fault(Code.STORE_FAILED, reason="the second place cannot be read") from error


def mark_there(folder: Path, digests: Sequence[str]) -> None:
    """Mark in a second place what was purged.

    Raises:
        Fault: it cannot be written.
    """
    try:
        mark(folder / PURGED, digests)
    except OSError as error:
        raise Fault(Code.STORE_FAILED, reason="the second place fails") from error


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return []
