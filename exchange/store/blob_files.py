"""Attachments in a folder beside the journal: one file each, by digest.

    uploads/ENDPOINT/DIGEST.SIZE.part   on its way; the file's size is the upload's offset
    uploads/ENDPOINT/DIGEST.SIZE        whole and verified; no entry names it yet
    kept/DIGEST                         an entry names it, or was about to; a link to the former
    counted/MEMBER/DIGEST.SIZE          empty: what is kept of this name counts for the member
    purged/DIGEST                       empty: what was of this name is gone, and stays away

The folder is all there is to know, so any number of processes may use it, and each may end at
any moment. A lock on an endpoint's own folder is held for one piece at a time: a connection
that hangs keeps nobody from going on with its upload.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from exchange.errors import Code, Fault, Refusal
from exchange.model.codec import b64
from exchange.model.identity import member_of
from exchange.node.ports import Progress
from exchange.store.marks import PURGED, digests_in, mark
from exchange.store.quota import Allowance, counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exchange.model.header import Blob

P = ParamSpec("P")
T = TypeVar("T")

KEPT, COUNTED = "kept", "counted"
_PART = ".part"
# A plus is in no endpoint's name, so no two share a folder.
_SLASH = "+"
_READ_BYTES = 1024 * 1024
# Uploads may hash and wait for the disk in all of these; what the writer asks has its own.
_WAYS = 4
# So many kept files are remembered to be right: protects memory. The oldest is read again.
_VERIFIED = 10_000


class BlobFiles:
    """Meets ``node.ports.Blobs`` on a file system that has hard links."""

    def __init__(
        self,
        folder: Path,
        clock_ms: Callable[[], int],
        allowance: Allowance | None = None,
        second: Path | None = None,
    ) -> None:
        """Use this folder; it is made, readable by its owner alone, if it is not there.

        What is purged is marked in ``second`` too, where there is one.

        Raises:
            Fault: ``store-failed``.
        """
        self._clock_ms = clock_ms
        self._allowance = allowance or Allowance()
        self._uploads, self._kept = folder / "uploads", folder / KEPT
        self._counted, self._purged = folder / COUNTED, folder / PURGED
        # In the second place, so that a backup older than a purge does not undo it.
        self._marks = None if second is None else second / PURGED
        # By organisation: when its folder last changed, and the sizes that were in it then.
        self._sizes: dict[str, tuple[int, list[int]]] = {}
        # What was read whole and found right, and the state that its file was in then.
        self._verified: dict[Blob, tuple[int, ...]] = {}
        self._serving = ThreadPoolExecutor(_WAYS, thread_name_prefix="blobs")
        self._keeping = ThreadPoolExecutor(1, thread_name_prefix="blobs-keep")
        try:
            for each in (folder, self._uploads, self._kept, self._counted, self._purged):
                each.mkdir(mode=0o700, exist_ok=True)
                _sync_folder(each.parent)
        except OSError as error:
            raise _failed(error) from error

    async def progress(self, endpoint: str, blob: Blob) -> Progress:
        """See ``Blobs``."""
        return await self._in(self._serving, BlobFiles._progress, endpoint, blob)

    async def append(self, endpoint: str, blob: Blob, offset: int, piece: bytes) -> Progress:
        """See ``Blobs``."""
        return await self._in(self._serving, BlobFiles._append, endpoint, blob, offset, piece)

    async def finish(self, endpoint: str, blob: Blob) -> Progress:
        """See ``Blobs``."""
        return await self._in(self._serving, BlobFiles._finish, endpoint, blob)

    async def discard(self, endpoint: str, blob: Blob) -> None:
        """See ``Blobs``."""
        await self._in(self._keeping, BlobFiles._discard, endpoint, blob)

    async def held(self, endpoint: str, blobs: Sequence[Blob]) -> frozenset[Blob]:
        """See ``Blobs``."""
        return await self._in(self._keeping, BlobFiles._held, endpoint, blobs)

    async def keep(self, endpoint: str, blobs: Sequence[Blob]) -> None:
        """See ``Blobs``."""
        await self._in(self._keeping, BlobFiles._keep, endpoint, blobs)

    async def kept(self) -> dict[str, int]:
        """See ``Blobs``."""
        return await self._in(self._serving, BlobFiles._kept_by)

    async def is_kept(self, blob: Blob) -> bool:
        """See ``Blobs``."""
        return await self._in(self._serving, BlobFiles._is_kept, blob)

    async def read(self, digest: str, offset: int, limit: int) -> bytes:
        """See ``Blobs``."""
        return await self._in(self._serving, BlobFiles._read, digest, offset, limit)

    async def purge(self, digest: str) -> None:
        """See ``Blobs``."""
        await self._in(self._keeping, BlobFiles._purge, digest)

    async def sweep(self) -> None:
        """See ``Blobs``."""
        await self._in(self._serving, BlobFiles._sweep)

    async def close(self) -> None:
        """See ``Blobs``."""
        for executor in (self._serving, self._keeping):
            await asyncio.to_thread(executor.shutdown)

    async def _in(
        self,
        executor: ThreadPoolExecutor,
        work: Callable[Concatenate[BlobFiles, P], T],
        *args: P.args,
        **_: P.kwargs,
    ) -> T:
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(executor, work, self, *args)
        except (OSError, RuntimeError) as error:
            # RuntimeError: closed.
            raise _failed(error) from error

    # -- one endpoint's uploads, in a thread ------------------------------------------------

    def _own(self, endpoint: str) -> Path:
        if not endpoint:
            # Its folder would be that of all.
            raise Fault(Code.STORE_FAILED, reason="nobody's")
        return self._uploads / endpoint.replace("/", _SLASH)

    def _whole(self, endpoint: str, blob: Blob) -> Path:
        return self._own(endpoint) / f"{blob.digest}.{blob.size}"

    def _progress(self, endpoint: str, blob: Blob) -> Progress:
        whole = self._whole(endpoint, blob)
        if whole.exists():
            return Progress(blob.size, complete=True)
        return Progress(_size_of(_part(whole)) or 0, complete=False)

    def _append(self, endpoint: str, blob: Blob, offset: int, piece: bytes) -> Progress:
        own, whole = self._own(endpoint), self._whole(endpoint, blob)
        own.mkdir(mode=0o700, exist_ok=True)
        with _locked(own):
            found = self._progress(endpoint, blob)
            if offset != found.offset:
                raise Refusal(Code.OFFSET_MISMATCH, "/offset", expected=found.offset)
            if offset + len(piece) > blob.size:
                raise Refusal(Code.OVERSIZED, "/size", limit=blob.size)
            if found.complete:
                return found
            self._must_be_spare(len(piece))
            if not _part(whole).exists():
                self._begin(endpoint, blob, whole)
            self._write(_part(whole), offset, piece)
        return Progress(offset + len(piece), complete=False)

    def _begin(self, endpoint: str, blob: Blob, whole: Path) -> None:
        self._allowance.must_fit(blob, _announced(whole.parent))
        member = member_of(endpoint)
        # Two endpoints of an organisation begin one after the other.
        with _locked(self._made_for(member)):
            going = [
                size
                for each in self._uploads.iterdir()
                if each.name.startswith(member + _SLASH)
                for size in _announced(each)
            ]
            self._allowance.must_be_kept(blob, [*self._kept_of(member), *going])
            _part(whole).touch(mode=0o600)

    def _kept_of(self, member: str) -> list[int]:
        """Return the sizes of what is kept of an organisation; counted anew where it changed.

        A refused upload leaves nothing behind and may be tried again without end: a hundred
        thousand names read each time, under the endpoint's lock, would keep the writer waiting.
        """
        folder = self._counted / member
        changed_ns = folder.stat().st_mtime_ns
        known = self._sizes.get(member)
        if known is not None and known[0] == changed_ns:
            return known[1]
        sizes = _announced(folder)
        # What changed just now may change again and show the same time.
        if self._clock_ms() * 1_000_000 - changed_ns > _SETTLED_NS:
            self._sizes[member] = (changed_ns, sizes)
        return sizes

    def _made_for(self, member: str) -> Path:
        folder = self._counted / member
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
            _sync_folder(self._counted)
        return folder

    def _must_be_spare(self, wanted: int) -> None:
        disk = os.statvfs(self._uploads)
        if disk.f_bavail * disk.f_frsize < self._allowance.spare + wanted:
            raise Fault(Code.STORE_FAILED, reason="the disk is nearly full")

    def _write(self, path: Path, offset: int, piece: bytes) -> None:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            left = memoryview(piece)
            while left:
                written = os.pwrite(file, left, offset)
                offset, left = offset + written, left[written:]
            self._touch(file)
        finally:
            os.close(file)

    def _touch(self, file: int | Path) -> None:
        now = self._clock_ms() * 1_000_000
        os.utime(file, ns=(now, now))

    def _finish(self, endpoint: str, blob: Blob) -> Progress:
        whole = self._whole(endpoint, blob)
        file = self._open_all(endpoint, blob)
        if file is None:
            return Progress(blob.size, complete=True)
        try:
            # Without the lock, which would keep the endpoint's other uploads waiting: a file
            # that has all its bytes is never written to again.
            is_right = digest_of(file) == blob.digest
            os.fsync(file)
            with _locked(whole.parent):
                self._settle(file, whole, stays=is_right and not self._is_purged(blob.digest))
        finally:
            os.close(file)
        if not is_right:
            raise Refusal(Code.DIGEST_MISMATCH, "/digest")
        return Progress(blob.size, complete=True)

    def _open_all(self, endpoint: str, blob: Blob) -> int | None:
        """Open an upload that has all its bytes; None where it is whole already."""
        own, whole = self._own(endpoint), self._whole(endpoint, blob)
        if not own.exists():
            raise Refusal(Code.OFFSET_MISMATCH, "/offset", expected=0)
        with _locked(own):
            found = self._progress(endpoint, blob)
            if found.complete:
                return None
            if found.offset != blob.size:
                raise Refusal(Code.OFFSET_MISMATCH, "/offset", expected=found.offset)
            return os.open(_part(whole), os.O_RDONLY | os.O_CLOEXEC)

    @staticmethod
    def _settle(file: int, whole: Path, *, stays: bool) -> None:
        # Given up meanwhile, and begun again: that one was not looked at.
        with suppress(FileNotFoundError):
            if not os.path.samestat(os.fstat(file), _part(whole).stat()):
                return
            if stays:
                _part(whole).rename(whole)
                _sync_folder(whole.parent)
                _sync_folder(whole.parent.parent)
            else:
                _part(whole).unlink()

    def _discard(self, endpoint: str, blob: Blob) -> None:
        own, whole = self._own(endpoint), self._whole(endpoint, blob)
        if own.exists():
            with _locked(own):
                for path in (whole, _part(whole)):
                    path.unlink(missing_ok=True)

    def _sweep(self) -> None:
        since = (self._clock_ms() - self._allowance.stale_ms) * 1_000_000
        for own in self._uploads.iterdir():
            with _locked(own):
                for path in _files(own):
                    if path.stat().st_mtime_ns < since:
                        path.unlink()
        self._go_on_purging()
        if self._marks is not None:
            # It may have come later, or be another.
            mark(self._marks, digests_in(self._purged))

    def _go_on_purging(self) -> None:
        """Finish the purges that were cut off."""
        there = {
            *_names(self._kept),
            *(_digest_in(path) for own in self._uploads.iterdir() for path in _wholes(own)),
        }
        for digest in there & _names(self._purged):
            self._purge(digest)
        self._uncount()

    # -- what entries name, in a thread -----------------------------------------------------

    def _held(self, endpoint: str, blobs: Sequence[Blob]) -> frozenset[Blob]:
        own, held = self._own(endpoint), set()
        if not own.exists():
            return frozenset()
        # Locked, so that what is touched here is not swept away in the same moment.
        with _locked(own):
            for blob in blobs:
                whole = self._whole(endpoint, blob)
                # A purge that was cut off may have left the file of what it had marked.
                if whole.exists() and not self._is_purged(blob.digest):
                    self._touch(whole)
                    held.add(blob)
        return frozenset(held)

    def _keep(self, endpoint: str, blobs: Sequence[Blob]) -> None:
        ours = self._made_for(member_of(endpoint))
        for blob in blobs:
            self._must_not_be_purged(blob.digest)
            # Already there: it was verified then, and has the same bytes.
            with suppress(FileExistsError):
                os.link(self._whole(endpoint, blob), self._kept / blob.digest)
            # Second: what counts is there, whoever dies in between.
            (ours / f"{blob.digest}.{blob.size}").touch(mode=0o600)
        _sync_folder(self._kept)
        _sync_folder(ours)

    def _kept_by(self) -> dict[str, int]:
        members = [each.name for each in self._counted.iterdir()]
        return {member: counted(self._kept_of(member)) for member in members}

    def _is_purged(self, digest: str) -> bool:
        return (self._purged / digest).exists()

    def _must_not_be_purged(self, digest: str) -> None:
        if self._is_purged(digest):
            raise Fault(Code.STORE_FAILED, digest=digest)

    def _is_kept(self, blob: Blob) -> bool:
        if self._is_purged(blob.digest):
            return False
        try:
            file = os.open(self._kept / blob.digest, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            # It may have been purged just now.
            if self._is_purged(blob.digest):
                return False
            raise Fault(Code.ATTACHMENT_DAMAGED, digest=blob.digest) from None
        try:
            self._must_be(blob, file)
        finally:
            os.close(file)
        return True

    def _must_be(self, blob: Blob, file: int) -> None:
        """Hold a kept file to its name; one that did not change since is not read again."""
        found = os.fstat(file)
        state = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if self._verified.get(blob) == state:
            return
        if found.st_size != blob.size or digest_of(file) != blob.digest:
            raise Fault(Code.ATTACHMENT_DAMAGED, digest=blob.digest)
        while len(self._verified) >= _VERIFIED:
            self._verified.pop(next(iter(self._verified)), None)
        self._verified[blob] = state

    def _read(self, digest: str, offset: int, limit: int) -> bytes:
        self._must_not_be_purged(digest)
        file = os.open(self._kept / digest, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(file, limit, offset)
        finally:
            os.close(file)

    def _purge(self, digest: str) -> None:
        # First the mark: whoever verifies one now, under its lock, either sees the mark or is
        # seen below. Ended in between, it is shown to nobody, and the next sweep goes on.
        if self._marks is not None:
            mark(self._marks, [digest])
        (self._purged / digest).touch(mode=0o600)
        _sync_folder(self._purged)
        for own in self._uploads.iterdir():
            with _locked(own):
                for path in _files(own):
                    if _digest_in(path) == digest:
                        path.unlink()
        kept = self._kept / digest
        for each in self._counted.iterdir():
            (each / f"{digest}.{_size_of(kept)}").unlink(missing_ok=True)
        kept.unlink(missing_ok=True)
        _sync_folder(self._kept)

    def _uncount(self) -> None:
        """Count for nobody what is kept no more."""
        # What counts was kept before it did: so it is in a list of what is kept made later.
        counting = [path for each in self._counted.iterdir() for path in _files(each)]
        kept = _names(self._kept)
        for path in counting:
            if _digest_in(path) not in kept:
                path.unlink(missing_ok=True)


def _failed(error: Exception) -> Fault:
    # The name of the trouble and never a path: it would hold who uploads what.
    number = error.errno if isinstance(error, OSError) else None
    reason = errno.errorcode.get(number, "") if number else type(error).__name__
    return Fault(Code.STORE_FAILED, reason=reason)


def _part(whole: Path) -> Path:
    return whole.with_name(whole.name + _PART)


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _files(own: Path) -> list[Path]:
    return [path for path in own.iterdir() if path.name != _LOCK]


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _wholes(own: Path) -> list[Path]:
    return [path for path in _files(own) if not path.name.endswith(_PART)]


def _digest_in(path: Path) -> str:
    return path.name.partition(".")[0]


def _announced(own: Path) -> list[int]:
    """Return the sizes of an endpoint's uploads, or a member's files, as their names tell."""
    told = (path.name.removesuffix(_PART).rpartition(".")[2] for path in _files(own))
    # Somebody else's file (one that a network drive keeps back, say) is not of ours.
    return [int(size) for size in told if size.isdecimal()]


_LOCK = "lock"
# Beyond the grain of a file system's times.
_SETTLED_NS = 2_000_000_000


@contextmanager
def _locked(own: Path) -> Iterator[None]:
    """Hold off every other process and thread that works on an endpoint's uploads."""
    lock = os.open(own / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def digest_of(file: int) -> str:
    """Return the digest of an open file's bytes."""
    digest, at = sha256(), 0
    while piece := os.pread(file, _READ_BYTES, at):
        digest.update(piece)
        at += len(piece)
    return b64(digest.digest())


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
