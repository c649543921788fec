"""A file on its way: held under a hidden name of its own until it is whole and gets its last.

Nobody's file has that name, so none is written over or followed. It is gone whatever happens,
but for a kill: what nobody holds (flock) is removed by the next command that writes there.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from exchange.cli.usage import in_the_way
from exchange.client.files import naming, rename_over_nothing, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator


class Young(NamedTuple):
    """Where a file is written, before it has its name; only its owner can read it."""

    path: Path
    file: IO[bytes]

    def sync(self) -> None:
        """Make what was written durable."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def name(self, path: Path) -> None:
        """Give it its name, at one stroke and for good, and none that is taken.

        Raises:
            Unusable: something has that name, if only a link that leads nowhere.
        """
        try:
            rename_over_nothing(self.path, path)
        except FileExistsError:
            in_the_way(path)
        sync_folder(path.parent)


@contextmanager
def beside(path: Path, doing: str) -> Iterator[Young]:
    """Make and hold a file beside ``path``; what still has its first name afterwards goes.

    Args:
        path: the name that it will have.
        doing: a word of whoever writes it, by which ``clear`` knows it again.
    """
    while True:
        with naming(path):
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.{doing}-", dir=path.parent)
            young = Path(name)
            with os.fdopen(handle, "wb") as file:
                try:
                    # Where nothing can be held, nothing is taken for left behind, either.
                    with suppress(OSError):
                        fcntl.flock(handle, fcntl.LOCK_EX)
                    # Gone, if it was taken for one left behind before we held it.
                    if young.exists():
                        yield Young(young, file)
                        return
                finally:
                    young.unlink(missing_ok=True)


def clear(folder: Path, doing: str) -> list[str]:
    """Remove what commands left in a folder that were killed; return the names."""
    found = sorted(folder.glob(f".*.{doing}-????????"))
    return [path.name for path in found if _is_cleared(path)]


def _is_cleared(path: Path) -> bool:
    try:
        # To write, though nothing is written: over NFS nothing else can be held.
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False  # not one of ours
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except OSError:
        return False  # its command is at work
    finally:
        os.close(handle)
    return True
