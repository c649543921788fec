"""What convicts a node, kept beside the mirror that it was found with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.client.files import write_durably
from exchange.errors import Code, Fault
from exchange.model.identity import digest

if TYPE_CHECKING:
    from pathlib import Path


def keep_evidence(file: Path, raw: bytes, kind: str) -> str:
    """Keep what convicts a node beside a mirror, once; return where."""
    folder = file.with_name(f"{file.name}.evidence")
    path = folder / f"{digest(raw)}.{kind}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not path.exists():
            write_durably(path, raw)
    except OSError as error:
        raise Fault(Code.FILE, name=str(path), found=type(error).__name__) from error
    return str(path)
