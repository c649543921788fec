"""Files that are whole or as they were before: written beside, made durable, then named."""

from __future__ import annotations

import ctypes
import errno
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file at one stroke; only its owner can read it.

    Raises:
        OSError: it could not be written; what was there before is still there.
    """
    with naming(path, is_alone=True):
        descriptor, beside = tempfile.mkstemp(".new", f"{path.name}.", path.parent)  # 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(beside).replace(path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
    sync_folder(path.parent)


# What a disk that takes no more answers; it names no file.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def naming(path: Path, *, is_alone: bool = False) -> Iterator[None]:
    """Name the file that was asked for where it cannot be written, and never one beside it.

    Args:
        path: that file.
        is_alone: nothing else is read or written inside: what names no file is of this one.

    Raises:
        OSError: as it was raised inside; of ``path`` where the disk is full, or where it was
            of a file beside that has this name in its own.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:
            is_of_it = is_alone or error.errno in _FULL
        else:
            named = Path(os.fsdecode(error.filename))
            is_of_it = named.parent == path.parent and path.name in named.name
        if is_of_it:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def make_private(folder: Path) -> None:
    """Make a folder and those missing above it, each for its owner alone; one there stays."""
    if not folder.parent.exists():
        make_private(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


# What a file system answers that has no hard links, as a stick's has none.
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})
_AT_FDCWD, _RENAME_NOREPLACE = -100, 1


def rename_over_nothing(old: Path, new: Path) -> None:
    """Give a file another name at one stroke, and none that is taken.

    Where there are hard links the old name may stay beside the new one: unlink it.

    Raises:
        FileExistsError: the name is taken, if only by a link that leads nowhere.
        OSError: it could not be renamed so.
    """
    try:
        os.link(old, new)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _rename(old, new)


def _rename(old: Path, new: Path) -> None:
    # Linux, glibc 2.28 or newer; Python has no name for it.
    libc = ctypes.CDLL(None, use_errno=True)
    names = (_AT_FDCWD, os.fsencode(old), _AT_FDCWD, os.fsencode(new))
    if libc.renameat2(*names, _RENAME_NOREPLACE) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")
