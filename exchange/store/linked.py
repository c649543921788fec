"""How far a link to another node came, in a file replaced as a whole; and its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from exchange.client.files import write_durably
from exchange.errors import Code, Fault
from exchange.model.identity import digest

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")


class LinkFile:
    """Meets ``link.pulling.Memory``. What is lost is pulled again, and found to be here."""

    def __init__(self, folder: Path, node: str) -> None:
        """Use a file of this folder, which is made."""
        self._folder = folder
        self._path = folder / f"{node}.json"

    def recall(self, wanted: type[T]) -> T | None:
        """Return what was kept last; None before anything was.

        Raises:
            Fault: ``file``: it cannot be read.
        """
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=wanted)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            kind = type(error).__name__
            raise Fault(Code.FILE, name=str(self._path), found=kind) from error

    def keep(self, kept: msgspec.Struct) -> None:
        """Keep it, durably.

        Raises:
            Fault: ``file``: it cannot be written.
        """
        self._write(self._path, msgspec.json.encode(kept))

    def accuse(self, known: bytes, evidence: bytes) -> str:
        """Keep what convicts a node; return the name of its file.

        One for each checkpoint that was known: what follows from the same lie, start after
        start, is no more of it.

        Raises:
            Fault: ``file``: it cannot be written.
        """
        path = self._folder / f"{self._path.stem}-{digest(known)[:16]}.evidence"
        if not path.exists():
            self._write(path, evidence)
        return path.name

    def _write(self, path: Path, data: bytes) -> None:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_durably(path, data)
        except OSError as error:
            kind = type(error).__name__
            raise Fault(Code.FILE, name=str(path), found=kind) from error
