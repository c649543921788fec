"""Files that are whole or as they were before: written beside, made durable, then renamed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file at one stroke; only its owner can read it.

    Raises:
        OSError: it could not be written; what was there before is still there.
    """
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
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
