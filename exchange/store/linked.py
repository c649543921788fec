"""How far a link to another node came, in a file replaced as a whole; and its evidence.

What waits, which may be much, is in a file beside it that grows: with each page only what
changed of it is written, and all of it anew once that is shorter by half.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from exchange.client.files import write_durably
from exchange.errors import Code, Fault
from exchange.model.identity import digest

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

T = TypeVar("T")
# What is kept by number, and changes little from one page to the next.
_MUCH: Final = "waiting"
# So many lines may be of no use any more.
_SPARE: Final = 1000


class LinkFile:
    """Meets ``link.pulling.Memory``. What is lost is pulled again, and found to be here."""

    def __init__(self, folder: Path, node: str) -> None:
        """Use a file of this folder, which is made."""
        self._folder = folder
        self._path = folder / f"{node}.json"
        self._waiting = folder / f"{node}.waiting"
        # In how many lines what waits stands there; 0: all of it is to be written anew.
        self._lines = 0

    def recall(self, wanted: type[T]) -> T | None:
        """Return what was kept last; None before anything was.

        Raises:
            Fault: ``file``: it cannot be read.
        """
        try:
            kept = msgspec.json.decode(self._path.read_bytes())
            waiting = {**kept.get(_MUCH, {}), **self._recalled()}
            kept[_MUCH] = {key: each for key, each in waiting.items() if each is not None}
            found = msgspec.convert(kept, type=wanted, str_keys=True)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, AttributeError) as error:
            kind = type(error).__name__
            raise Fault(Code.FILE, name=str(self._path), found=kind) from error
        return found

    def _recalled(self) -> dict[str, Any]:
        """Return what the file of what waits says last of each; None: it waits no more."""
        found: dict[str, Any] = {}
        try:
            raw = self._waiting.read_bytes()
        except FileNotFoundError:
            return found
        # The last line was cut where the power was: how far the link came was not kept then.
        for line in raw.splitlines(keepends=True):
            if line.endswith(b"\n"):
                found |= msgspec.json.decode(line, type=dict[str, Any])
        return found

    def keep(self, kept: msgspec.Struct, changed: Collection[int]) -> None:
        """Keep it, durably; ``changed`` is what of that which waits is not as it was kept.

        Raises:
            Fault: ``file``: it cannot be written.
        """
        waiting: dict[int, Any] = getattr(kept, _MUCH)
        self._note(waiting, changed)
        rest = msgspec.structs.replace(kept, **{_MUCH: {}})
        self._write(self._path, msgspec.json.encode(rest))

    def _note(self, waiting: dict[int, Any], changed: Collection[int]) -> None:
        """Write what changed of what waits, before how far the link came with it."""
        if not changed and self._lines:
            return
        if not self._lines or self._lines + len(changed) > 2 * len(waiting) + _SPARE:
            # From the beginning: also what an earlier start left, and what the power cut.
            lines = [msgspec.json.encode({index: each}) for index, each in waiting.items()]
            self._write(self._waiting, b"".join(line + b"\n" for line in (b"{}", *lines)))
            self._lines = 1 + len(waiting)
        else:
            lines = [msgspec.json.encode({each: waiting.get(each)}) for each in changed]
            self._append(b"".join(line + b"\n" for line in lines))
            self._lines += len(changed)

    def _append(self, data: bytes) -> None:
        try:
            with self._waiting.open("ab") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            # How much of it stands there is not known: next time all of it is written anew.
            self._lines = 0
            kind = type(error).__name__
            raise Fault(Code.FILE, name=str(self._waiting), found=kind) from error

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
