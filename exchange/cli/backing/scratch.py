"""The folder that a restore works in, beside the one that it will be; gone whatever happens.

It is held (flock, so by no one who was killed): what nobody holds was left by a restore that
was cut off, and is removed by the next one into the same folder. It has a journal in it.
"""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def clear(folder: Path) -> list[str]:
    """Remove what restores into a folder left that were cut off; return what that was."""
    begins = glob.escape(_begins(folder))
    found = sorted(folder.resolve().parent.glob(f"{begins}*"))
    return [path.name for path in found if _is_cleared(path)]


def _is_cleared(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False  # not one of ours
    try:
        with suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path)
            return True
        return False  # another restore is at work
    finally:
        os.close(handle)


@contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """Make and hold a folder to work in; what is still there of it afterwards goes."""
    while True:
        part = Path(tempfile.mkdtemp(prefix=_begins(folder), dir=folder.resolve().parent))
        handle = os.open(part, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            # Gone, if it was taken for one left behind before we held it.
            if part.exists():
                yield part
                return
        finally:
            shutil.rmtree(part, ignore_errors=True)
            os.close(handle)


def _begins(folder: Path) -> str:
    return f".{folder.name}.restoring-"
