"""Commit groups in a second place of the nation's own: files that only grow.

A file is named by the index of its first entry and has one frame after another: four bytes of
length, SHA-256 over the frame before and this one, and the group in MessagePack. So a frame
that is torn, altered or missing ends what can be read, and never passes for another. What is
read is judged all the same: nothing here is signed but what the node signed.
"""

from __future__ import annotations

import os
import re
import threading
from bisect import bisect_right
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from exchange.errors import Code, Fault
from exchange.model.identity import digest
from exchange.node.ports import Shipped
from exchange.store.pledge import sync_folder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

_HEAD: Final = 4 + 32
_GENESIS: Final = bytes(32)
# A file is looked through when it is opened: no longer than this, and one frame (64 MiB).
FILE_BYTES: Final = 64 * 1024 * 1024
_SUFFIX: Final = ".groups"
# Which epoch ships here; a later one takes the place over.
_EPOCH: Final = "epoch"
_GROUP: Final = msgspec.msgpack.Decoder(Shipped)
# An array of four (the MessagePack specification, "array format family").
_GROUP_BEGINS: Final = re.compile(rb"\x94")


class Known(NamedTuple):
    """What is remembered elsewhere of a second place: that this node shipped to it.

    ``name`` is the place as the node was told of it; ``file`` holds the name of the last one
    that was claimed. ``is_new``: an operator says that it is begun anew.
    """

    file: Path
    name: str
    is_new: bool = False


class ShippedFiles:
    """Meets ``node.ports.Second``. One process writes."""

    def __init__(self, folder: Path, known: Known | None = None) -> None:
        """Use this folder, which exists: a disk that is not there is not made up for.

        With ``known`` an empty one is not, either: see ``claim``.
        """
        self._folder = folder
        self._known = known
        self._turn = threading.Lock()
        self._at: tuple[Path, int, bytes, int] | None = None
        self._epoch = 0

    def claim(self, epoch: int) -> None:
        """Ship under this epoch from here on; whoever ships under an earlier one may no more.

        Raises:
            Fault: ``node-replaced``: a later one has claimed it; ``second-place-lost``: we
                shipped to it, and nobody ever did; or it cannot be written.
        """
        with self._turn:
            self._epoch, self._at = epoch, None
            found = self._found()
            self._must_be_known(found)
            if found != epoch:
                self._write_epoch(epoch)
            self._remember()

    def _must_be_known(self, found: int | None) -> None:
        """Refuse an empty folder where there was a second place: its disk is not mounted, say.

        What would be shipped there lies on the disk of the journal, and under the mount later.
        """
        known = self._known
        if found is not None or known is None or known.is_new:
            return
        if _read_name(known.file) == known.name:
            raise Fault(Code.SECOND_PLACE_LOST, name=str(self._folder))

    def _remember(self) -> None:
        if self._known is None or _read_name(self._known.file) == self._known.name:
            return
        try:
            _write_durably(self._known.file, f"{self._known.name}\n".encode())
        except OSError as error:
            raise Fault(Code.STORE_FAILED, reason="no second place can be noted") from error

    def _write_epoch(self, epoch: int) -> None:
        try:
            _write_durably(self._folder / _EPOCH, b"%d\n" % epoch)
        except OSError as error:
            raise Fault(Code.STORE_FAILED, reason="the second place fails") from error

    def _found(self) -> int | None:
        """Return the epoch that ships here, None where none did; a later one is refused."""
        try:
            found = int((self._folder / _EPOCH).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise Fault(Code.STORE_FAILED, reason="the second place cannot be read") from error
        if found > self._epoch:
            raise Fault(Code.NODE_REPLACED, found=found)
        return found

    def _must_be_ours(self) -> None:
        if self._found() != self._epoch:
            # Another folder by its name: that of the mount, say, when the disk went away.
            self._at = None
            raise Fault(Code.STORE_FAILED, reason="the second place is not the one claimed")

    def size(self) -> int:
        """Return how many entries were shipped, as the newest file says.

        Raises:
            Fault: the folder is not there or cannot be read; or that file is damaged, and not
                at its end.
        """
        with self._turn:
            return self._end()[3]

    def groups(self, after: int = 0) -> Iterator[Shipped]:
        """Return each group in order, up to the first that cannot be read.

        Args:
            after: groups before this entry may be left out, and are where whole files are.

        Raises:
            Fault: the folder is not there or cannot be read.
        """
        paths = self._paths()
        firsts = [int(path.name.removesuffix(_SUFFIX)) for path in paths]
        begun = max(bisect_right(firsts, after) - 1, 0)
        size = firsts[begun] if paths else 0
        for path in paths[begun:]:
            for group, _, _ in _frames(path):
                if group.first != size:
                    return
                yield group
                size += len(group.entries)

    def surviving(self, after: int = 0) -> Iterator[Shipped]:
        """Return all groups that can be read, of each file up to where that ends.

        Args:
            after: files that end before this entry are left out.

        Raises:
            Fault: the folder is not there or cannot be read.
        """
        paths = self._paths()
        firsts = [int(path.name.removesuffix(_SUFFIX)) for path in paths]
        for path in paths[max(bisect_right(firsts, after) - 1, 0) :]:
            for group, _, _ in _frames(path):
                yield group

    def append(self, groups: Sequence[Shipped]) -> None:
        """Add groups that follow what is here; they are durable on return.

        Raises:
            Fault: ``node-replaced``; or they do not follow, or cannot be written, or this is
                not the place that was claimed.
        """
        with self._turn:
            self._must_be_ours()
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
            # What was shipped into is there: one that is not is not begun in its middle.
            begins = os.O_CREAT if offset == 0 else 0
            handle = os.open(path, os.O_WRONLY | begins, 0o600)
            with os.fdopen(handle, "wb") as file:
                if os.fstat(handle).st_size < offset:
                    raise Fault(Code.STORE_FAILED, reason="the second place is damaged")
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

    def purge(self, gone: Mapping[int, Collection[str]]) -> None:
        """Destroy the copies of blobs that came with these entries: files are written anew.

        Raises:
            Fault: ``node-replaced``; a file is damaged; or it cannot be written.
        """
        with self._turn:
            self._must_be_ours()
            paths = self._paths()
            firsts = [int(path.name.removesuffix(_SUFFIX)) for path in paths]
            # What comes after the last file was not shipped yet.
            touched = {max(bisect_right(firsts, index) - 1, 0) for index in gone}
            for place in sorted(touched) if paths else ():
                self._write_without(paths[place], gone)

    def _write_without(self, path: Path, gone: Mapping[int, Collection[str]]) -> None:
        """Write a file anew, where it has one of these blobs; each frame is chained anew."""
        young, end = path.with_name(f"{path.name}.purging"), 0
        chain, found = _GENESIS, False
        try:
            with young.open("wb") as file:
                for group, _, end in _frames(path):  # noqa: B007  (the last one is meant)
                    here = range(group.first, group.first + len(group.entries))
                    over = {each for index in here for each in gone.get(index, ())}
                    left = [each for each in group.blobs if digest(each) not in over]
                    found = found or len(left) < len(group.blobs)
                    chain, frame = _framed(
                        Shipped(group.first, group.statement, group.entries, left), chain
                    )
                    file.write(frame)
                file.flush()
                os.fchmod(file.fileno(), 0o600)
                os.fsync(file.fileno())
            if _has_more(path, end, -1):
                raise Fault(Code.STORE_FAILED, reason="the second place is damaged")
            if found:
                young.replace(path)
                self._at = None
            else:
                young.unlink()
            sync_folder(self._folder)
        except OSError as error:
            raise Fault(Code.STORE_FAILED, reason="the second place fails") from error

    def _end(self) -> tuple[Path, int, bytes, int]:
        """Return where the next frame goes: file, offset, chain so far, and its first index."""
        if self._at is None:
            self._at = self._read_end()
        return self._at

    def _read_end(self) -> tuple[Path, int, bytes, int]:
        paths = self._paths()
        if not paths:
            return self._named(0), 0, _GENESIS, 0
        # Its name says how much there is in the files before it; ``groups`` reads those, too.
        path, chain, offset = paths[-1], _GENESIS, 0
        size = int(path.name.removesuffix(_SUFFIX))
        for group, chain, offset in _frames(path):  # noqa: B007  (the last of each is meant)
            size = group.first + len(group.entries)
        if _has_more(path, offset, size):
            # Not torn off at the end, where nothing was told to be here: altered since. It may
            # be all that is left, and stays for somebody to look at.
            raise Fault(Code.STORE_FAILED, reason="the second place is damaged", found=size)
        return path, offset, chain, size

    def _paths(self) -> list[Path]:
        try:
            paths = sorted(self._folder.iterdir())
        except OSError as error:
            raise Fault(Code.STORE_FAILED, reason="the second place is not there") from error
        return [path for path in paths if path.suffix == _SUFFIX]

    def _named(self, first: int) -> Path:
        return self._folder / f"{first:015}{_SUFFIX}"


def _write_durably(path: Path, data: bytes) -> None:
    young = path.with_name(f"{path.name}.new")
    with young.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    young.replace(path)
    sync_folder(path.parent)


def _read_name(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").removesuffix("\n")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise Fault(Code.STORE_FAILED, reason="no second place is known") from error


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


def _has_more(path: Path, offset: int, size: int) -> bool:
    """Tell whether a whole frame stands behind one that does not hold, or in its place.

    A write that was torn leaves none: its frames are whole up to where it was.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            rest = memoryview(file.read())
    except OSError as error:
        raise Fault(Code.STORE_FAILED, reason="the second place cannot be read") from error
    here = _group_at(rest, 0)
    if here is not None and here.first != size:
        return True
    # The length of this one may be what was altered: the next may begin anywhere.
    begun = re.finditer(_GROUP_BEGINS, rest[_HEAD + 1 :])
    return any(_group_at(rest, found.start() + 1) is not None for found in begun)


def _group_at(data: memoryview, at: int) -> Shipped | None:
    """Return the group of a whole frame at a place, whatever its hash, if there is one."""
    length = int.from_bytes(data[at : at + 4])
    raw = data[at + _HEAD : at + _HEAD + length]
    if len(raw) != length:
        return None
    try:
        return _GROUP.decode(raw)
    except msgspec.MsgspecError:
        return None
