"""Commit groups in a second place of the nation's own: files that only grow.

A file is named by the index of its first entry and has one frame after another: four bytes of
length, SHA-256 over the frame before and this one, and the group in MessagePack. So a frame
that is torn, altered or missing ends what can be read, and never passes for another. What is
read is judged all the same: nothing here is signed but what the node signed.
"""

from __future__ import annotations

import os
import threading
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import msgspec

from exchange.errors import Code, Fault
from exchange.node.ports import Shipped
from exchange.store.pledge import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_HEAD: Final = 4 + 32
_GENESIS: Final = bytes(32)
# A file is looked through when it is opened: no longer than this, and one frame (64 MiB).
FILE_BYTES: Final = 64 * 1024 * 1024
_SUFFIX: Final = ".groups"
_GROUP: Final = msgspec.msgpack.Decoder(Shipped)


class ShippedFiles:
    """Meets ``node.ports.Second``. One process writes."""

    def __init__(self, folder: Path) -> None:
        """Use this folder, which exists: a disk that is not there is not made up for."""
        self._folder = folder
        self._turn = threading.Lock()
        self._at: tuple[Path, int, bytes, int] | None = None

    def size(self) -> int:
        """Return how many entries there are, up to the first that cannot be read.

        Raises:
            Fault: the folder is not there or cannot be read.
        """
        with self._turn:
            return self._end()[3]

    def groups(self) -> Iterator[Shipped]:
        """Return each group in order, up to the first that cannot be read.

        Raises:
            Fault: the folder is not there or cannot be read.
        """
        size = 0
        for path in self._paths():
            for group, _, _ in _frames(path):
                if group.first != size:
                    return
                yield group
                size += len(group.entries)

    def append(self, groups: Sequence[Shipped]) -> None:
        """Add groups that follow what is here; they are durable on return.

        Raises:
            Fault: they do not follow, or cannot be written.
        """
        with self._turn:
            self._append(groups)

    def _append(self, groups: Sequence[Shipped]) -> None:
        path, offset, chain, size = self._end()
        frames = bytearray()
        for group in groups:
            if group.first != size:
                raise Fault(Code.STORE_FAILED, expected=size, found=group.first)
            chain, frame = _framed(group, chain)
            frames += frame
            size += len(group.entries)
        self._at = None
        self._write(path, offset, frames)
        is_full = offset + len(frames) >= FILE_BYTES
        self._at = (
            (self._named(size), 0, _GENESIS, size)
            if is_full
            else (path, offset + len(frames), chain, size)
        )

    def _write(self, path: Path, offset: int, frames: bytearray) -> None:
        try:
            is_new = not path.exists()
            handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(handle, "wb") as file:
                # What could not be read behind it was never told to be here, or comes again.
                file.truncate(offset)
                file.seek(offset)
                file.write(frames)
                file.flush()
                os.fsync(handle)
            if is_new:
                sync_folder(self._folder)
        except OSError as error:
            raise Fault(Code.STORE_FAILED, reason="the second place fails") from error

    def _end(self) -> tuple[Path, int, bytes, int]:
        """Return where the next frame goes: file, offset, chain so far, and its first index."""
        if self._at is None:
            end = (self._named(0), 0, _GENESIS, 0)
            # The newest file that has a frame; before it every file was once whole.
            for path in reversed(self._paths()):
                size = int(path.name.removesuffix(_SUFFIX))
                end = (path, 0, _GENESIS, size)
                for group, chain, offset in _frames(path):
                    end = (path, offset, chain, group.first + len(group.entries))
                break
            self._at = end
        return self._at

    def _paths(self) -> list[Path]:
        try:
            paths = sorted(self._folder.iterdir())
        except OSError as error:
            raise Fault(Code.STORE_FAILED, reason="the second place is not there") from error
        return [path for path in paths if path.suffix == _SUFFIX]

    def _named(self, first: int) -> Path:
        return self._folder / f"{first:015}{_SUFFIX}"


def _framed(group: Shipped, chain: bytes) -> tuple[bytes, bytes]:
    """Return the chain after a group, and its frame."""
    raw = msgspec.msgpack.encode(group)
    chain = sha256(chain + raw).digest()
    return chain, len(raw).to_bytes(4) + chain + raw


def _frames(path: Path) -> Iterator[tuple[Shipped, bytes, int]]:
    """Return (group, chain, offset after it), up to the first frame that does not hold."""
    chain, offset = _GENESIS, 0
    try:
        with path.open("rb") as file:
            while len(head := file.read(_HEAD)) == _HEAD:
                length = int.from_bytes(head[:4])
                raw = file.read(length)
                chain = sha256(chain + raw).digest()
                if len(raw) != length or chain != head[4:]:
                    return
                offset += _HEAD + length
                yield _GROUP.decode(raw), chain, offset
    except (OSError, msgspec.MsgspecError) as error:
        raise Fault(Code.STORE_FAILED, reason="the second place cannot be read") from error
