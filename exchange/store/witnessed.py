"""What a witness remembers of each log: a file for each, replaced as a whole, and a mark.

``logs/`` has a file for each log, named by the digest of its origin; ``marks.json`` says how
long each was. A cosignature leaves when both are durable, in this order, so a mark is never
ahead of its file but where the files were put back from an older copy, or lost: then nothing is
opened. ``evidence/`` has what convicts a log, and ``unproved/`` a few of what may.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Self, TypeVar

import msgspec

from exchange.errors import Code, Fault
from exchange.journal.checkpoint import parse
from exchange.journal.forks import MAX_BYTES
from exchange.journal.witness import Remembered
from exchange.model.codec import b64
from exchange.model.identity import digest
from exchange.store.pledge import sync_folder

if TYPE_CHECKING:
    from pathlib import Path

    from exchange.journal.forks import Evidence

T = TypeVar("T")

LOGS, MARKS, LOCK = "logs", "marks.json", "lock"
EVIDENCE, UNPROVED = "evidence", "unproved"
# What a stranger can have us keep without convicting anybody; and what a log can of itself.
_MAX_UNPROVED: Final = 16
_MAX_EVIDENCE: Final = 256


class WitnessFiles:
    """Meets ``node.ports.Recall``; one process at a time has a folder."""

    def __init__(self, folder: Path, lock: int, marks: dict[str, int]) -> None:
        """Use ``open`` or ``found``."""
        self._folder = folder
        self._lock = lock
        self._marks = marks

    @staticmethod
    def found(folder: Path) -> None:
        """Begin an empty memory; ``open`` makes none of its own, so that none is lost unseen.

        Raises:
            FileExistsError: there is one.
        """
        (folder / LOGS).mkdir(mode=0o700)
        (folder / EVIDENCE).mkdir(mode=0o700)
        (folder / UNPROVED).mkdir(mode=0o700)
        _replace(folder / MARKS, msgspec.json.encode({}))

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the memory in a folder, and hold its files to their marks.

        Raises:
            Fault: ``journal-in-use``: another process has it; ``witness-behind``: it remembers
                less than it cosigned; ``store-failed``: it cannot be read.
        """
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _locked(lock)
            marks = _held_to_files(folder)
        except BaseException:
            os.close(lock)
            raise
        return cls(folder, lock, marks)

    @staticmethod
    def must_be_free(folder: Path) -> None:
        """Refuse a folder that a process has.

        Raises:
            Fault: ``journal-in-use``.
        """
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _locked(lock)
        finally:
            os.close(lock)

    async def newest(self, origin: str) -> Remembered | None:
        """Return what was cosigned last of a log; None before anything was."""
        return await asyncio.to_thread(_read, _file(self._folder, origin), Remembered)

    async def advance(self, origin: str, before: Remembered | None, after: Remembered) -> None:
        """Remember this in place of what was; durable on return.

        Raises:
            Fault: ``store-failed``: it is not what was, or cannot be written: nothing may be
                signed.
        """
        await asyncio.to_thread(self._advance, origin, before, after)

    def _advance(self, origin: str, before: Remembered | None, after: Remembered) -> None:
        path = _file(self._folder, origin)
        if _read(path, Remembered) != before:
            raise Fault(Code.STORE_FAILED, name=path.name)
        try:
            _replace(path, msgspec.json.encode(after))
            if self._marks.get(origin) != after.size:
                self._marks[origin] = after.size
                _replace(self._folder / MARKS, msgspec.json.encode(self._marks))
        except OSError as error:
            raise Fault(Code.STORE_FAILED, found=type(error).__name__) from error

    async def keep(self, evidence: Evidence, *, convicts: bool) -> str | None:
        """Keep two checkpoints; durable on return.

        Returns:
            The file's name; None where these two were kept before, whatever the path, or there
            is room for no more.
        """
        return await asyncio.to_thread(self._keep, evidence, convicts)

    def _keep(self, evidence: Evidence, convicts: bool) -> str | None:
        folder = self._folder / (EVIDENCE if convicts else UNPROVED)
        raw = evidence.encode()
        # By what the log signed: the rest of it, path and other lines, is anybody's to vary.
        signed = b"".join(parse(note).body() for note in (evidence.shorter, evidence.longer))
        path = folder / f"{digest(signed)}.evidence"
        limit = _MAX_EVIDENCE if convicts else _MAX_UNPROVED
        if path.exists() or len(raw) > MAX_BYTES or _count(folder) >= limit:
            return None
        try:
            _replace(path, raw)
        except OSError as error:
            raise Fault(Code.STORE_FAILED, found=type(error).__name__) from error
        return path.name

    async def convicted(self) -> int:
        """Return how many pieces of evidence there are."""
        return await asyncio.to_thread(_count, self._folder / EVIDENCE)

    async def sizes(self) -> dict[str, int]:
        """Return how long each log was when it was cosigned last."""
        return self.marks()

    def marks(self) -> dict[str, int]:
        """Return the same; asks nobody."""
        return dict(self._marks)

    async def close(self) -> None:
        """Let another process have the folder."""
        os.close(self._lock)


def _locked(lock: int) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise Fault(Code.JOURNAL_IN_USE) from error


def _held_to_files(folder: Path) -> dict[str, int]:
    """Return the marks, once every file is as far as its mark."""
    marks = _read(folder / MARKS, dict[str, int])
    if marks is None:
        raise Fault(Code.WITNESS_BEHIND, name=MARKS)
    for origin, size in marks.items():
        kept = _read(_file(folder, origin), Remembered)
        if kept is None or kept.size < size:
            found = kept.size if kept else 0
            raise Fault(Code.WITNESS_BEHIND, name=origin, expected=size, found=found)
    return marks


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.glob("*.evidence"))


def _file(folder: Path, origin: str) -> Path:
    return folder / LOGS / f"{b64(sha256(origin.encode()).digest())}.json"


def _read(path: Path, kind: type[T]) -> T | None:
    """Return what a file holds; None where there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        # Never begun anew: another past could then be cosigned.
        raise Fault(Code.STORE_FAILED, name=path.name) from error


def _replace(path: Path, data: bytes) -> None:
    """Replace a file at one stroke, durably."""
    young = path.with_name(f"{path.name}.new")
    handle = os.open(young, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(handle)
    young.replace(path)
    sync_folder(path.parent)
