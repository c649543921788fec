"""A disk in memory that can lose its power: an SQLite VFS below the statements of our store.

What was written and not synced is, at a cut, lost, kept or torn, each write for itself and in
any order: as disks and kernels may do. What was synced stays. A file that was never synced may
be gone; one that was deleted without syncing its folder may be there again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw

from tests.crash.dice import Dice

SECTOR = 512


class PowerCut(apsw.IOError):
    """The power went; nothing more is written or read."""


class _Content:
    """One file: as programs see it, as it is on the platter, and what lies between."""

    def __init__(self, durable: bytes | None = None) -> None:
        self.durable = durable
        self.seen = bytearray(durable or b"")
        # (offset, bytes), or (size, None): cut to that size.
        self.pending: list[tuple[int, bytes | None]] = []

    def sync(self) -> bool:
        """Make durable what was written; return whether the file was never synced before."""
        is_new = self.durable is None
        self.durable = bytes(self.seen)
        self.pending = []
        return is_new

    def after_cut(self, dice: Dice) -> bytes | None:
        """What of it is found: chance decides for each write that was not synced."""
        if self.durable is None and dice.below(3) == 0:
            return None
        found = bytearray(self.durable or b"")
        # Mostly lost, half and half, or mostly kept.
        kept_of_ten = dice.pick((1, 5, 9))
        for offset, data in dice.shuffled(self.pending):
            roll = dice.below(10)
            if roll < kept_of_ten:
                _apply(found, offset, data)
            elif data is not None and roll < kept_of_ten + 3:
                for at in range(0, len(data), SECTOR):
                    if dice.below(2):
                        _apply(found, offset + at, data[at : at + SECTOR])
        return bytes(found)


def _apply(found: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del found[offset:]
        return
    if len(found) < offset:
        found.extend(bytes(offset - len(found)))
    found[offset : offset + len(data)] = data


class Disk(apsw.VFS):
    """The disk: an SQLite VFS by the name that it is given."""

    def __init__(self, name: str) -> None:
        super().__init__(name, base="")
        self.name = name
        self.files: dict[str, _Content] = {}
        self._deleted: dict[str, _Content] = {}
        # Writes and syncs until the power goes; None: it stays.
        self.left: int | None = None
        self.is_dead = False

    def tick(self) -> None:
        """One more write or sync; the power may go at it."""
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.is_dead = True
        if self.is_dead:
            raise PowerCut

    def cut(self, dice: Dice) -> dict[str, bytes]:
        """Take the power away; return each file as it is found when the power is back."""
        found = {}
        for name, content in self.files.items():
            left = content.after_cut(dice)
            if left is not None:
                found[name] = left
        for name, content in self._deleted.items():
            if name not in self.files and content.durable is not None and dice.below(2):
                found[name] = content.durable
        self.files = {name: _Content(data) for name, data in found.items()}
        self._deleted = {}
        self.is_dead, self.left = False, None
        return found

    def sync_folder(self) -> None:
        """Make durable which files there are."""
        self._deleted = {}
        for content in self.files.values():
            content.durable = content.durable or b""

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802 - SQLite's own names, here and below
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if self.is_dead:
            raise PowerCut
        flags[1] = flags[0]
        content = self.files.setdefault(Path(path).name, _Content())
        return _Handle(self, content, syncs_folder="-" in Path(path).name)

    def xDelete(self, path: str, syncdir: bool) -> None:  # noqa: N802
        self.tick()
        gone = self.files.pop(Path(path).name, None)
        if gone is not None:
            self._deleted[Path(path).name] = gone
        if syncdir:
            self.sync_folder()

    def xAccess(self, path: str, _flags: int) -> bool:  # noqa: N802
        return Path(path).name in self.files

    def xFullPathname(self, name: str) -> str:  # noqa: N802
        return name


class _Handle:
    """An open file of the disk. It knows no shared memory: SQLite keeps its index to itself."""

    def __init__(self, disk: Disk, content: _Content, *, syncs_folder: bool) -> None:
        self._disk, self._content = disk, content
        self._syncs_folder = syncs_folder

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        if self._disk.is_dead:
            raise PowerCut
        return bytes(self._content.seen[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._disk.tick()
        kept = bytes(data)
        _apply(self._content.seen, offset, kept)
        self._content.pending.append((offset, kept))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self._disk.tick()
        del self._content.seen[size:]
        self._content.pending.append((size, None))

    def xSync(self, _flags: int) -> None:  # noqa: N802
        self._disk.tick()
        # SQLite on Unix syncs the folder with the first sync of a new log (``unixSync``).
        if self._content.sync() and self._syncs_folder:
            self._disk.sync_folder()

    def xFileSize(self) -> int:  # noqa: N802
        return len(self._content.seen)

    def xLock(self, _level: int) -> None:  # noqa: N802
        """One process, one connection."""

    def xUnlock(self, _level: int) -> None:  # noqa: N802
        """See ``xLock``."""

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xFileControl(self, _operation: int, _pointer: int) -> bool:  # noqa: N802
        return False

    def xSectorSize(self) -> int:  # noqa: N802
        return SECTOR

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        # Nothing is promised but what every disk keeps: neighbours of what is written stay.
        return apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE

    def xClose(self) -> None:  # noqa: N802
        """Closing writes nothing."""
