"""What a node signed last, and how late it is, each in a file of its own beside the journal.

A journal that is put back from an older copy agrees with itself; only what is kept apart from
it can tell that more was signed.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from exchange.errors import Code, Fault
from exchange.journal.note import MAX_NOTE_BYTES

if TYPE_CHECKING:
    from pathlib import Path


class PledgeFile:
    """Meets ``node.ports.Pledge``: one file, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        """Keep it here."""
        self._path = path

    async def newest(self) -> bytes | None:
        """Return what was kept last; None before anything was."""
        return await asyncio.to_thread(self._read)

    async def keep(self, note: bytes) -> None:
        """Keep this in place of what was there; it is durable on return."""
        await asyncio.to_thread(self._write, note)

    def _read(self) -> bytes | None:
        try:
            with self._path.open("rb") as file:
                return file.read(MAX_NOTE_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            told = f"{self._path.name} cannot be read"
            raise Fault(Code.STORE_FAILED, reason=told) from error

    def _write(self, note: bytes) -> None:
        young = self._path.with_name(f"{self._path.name}.new")
        try:
            handle = os.open(young, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(note)
                file.flush()
                os.fsync(handle)
            young.replace(self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            told = f"{self._path.name} cannot be written"
            raise Fault(Code.STORE_FAILED, reason=told) from error


def sync_folder(folder: Path) -> None:
    """Make durable which files a folder has."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
