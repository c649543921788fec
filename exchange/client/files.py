"""Files that are whole or as they were before: written beside, made durable, then named."""

from __future__ import annotations

import ctypes
import errno
import os
import tempfile
from pathlib import Path


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file at one stroke; only its owner can read it.

    Raises:
        OSError: it could not be written; what was there before is still there.
    """
    try:
        descriptor, beside = tempfile.mkstemp(".new", f"{path.name}.", path.parent)  # 0600
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).replace(path)
    except OSError as error:
        # A full disk names no file, and nobody knows the one beside.
        Path(beside).unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


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
