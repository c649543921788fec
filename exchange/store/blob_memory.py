"""Attachments in this process: the contract of ``Blobs``, and nothing that outlives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Fault, Refusal
from exchange.model.identity import digest as digest_of
from exchange.model.identity import member_of
from exchange.node.ports import Progress
from exchange.store.quota import Allowance, counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.model.header import Blob


class _Upload:
    def __init__(self) -> None:
        self.data = bytearray()
        self.complete = False
        self.touched_ms = 0


class MemoryBlobs:
    """Meets ``node.ports.Blobs`` for tests, simulations and a node that need not remember."""

    def __init__(self, clock_ms: Callable[[], int], allowance: Allowance | None = None) -> None:
        """Begin empty."""
        self._clock_ms = clock_ms
        self._allowance = allowance or Allowance()
        self._uploads: dict[tuple[str, Blob], _Upload] = {}
        self._kept: dict[str, bytes] = {}
        self._purged: set[str] = set()
        # Which of them count for an organisation.
        self._counted: dict[str, set[Blob]] = {}

    async def progress(self, endpoint: str, blob: Blob) -> Progress:
        """See ``Blobs``."""
        upload = self._uploads.get((endpoint, blob), _Upload())
        return Progress(len(upload.data), upload.complete)

    async def append(self, endpoint: str, blob: Blob, offset: int, piece: bytes) -> Progress:
        """See ``Blobs``."""
        if not endpoint:
            raise Fault(Code.STORE_FAILED, reason="nobody's")
        found = await self.progress(endpoint, blob)
        if offset != found.offset:
            raise Refusal(Code.OFFSET_MISMATCH, "/offset", expected=found.offset)
        if offset + len(piece) > blob.size:
            raise Refusal(Code.OVERSIZED, "/size", limit=blob.size)
        if (endpoint, blob) not in self._uploads:
            others = [each.size for by, each in self._uploads if by == endpoint]
            self._allowance.must_fit(blob, others)
            self._allowance.must_be_kept(blob, self._sizes(member_of(endpoint)))
        upload = self._uploads.setdefault((endpoint, blob), _Upload())
        upload.data += piece
        upload.touched_ms = self._clock_ms()
        return Progress(len(upload.data), upload.complete)

    async def finish(self, endpoint: str, blob: Blob) -> Progress:
        """See ``Blobs``."""
        found = await self.progress(endpoint, blob)
        if found.offset != blob.size:
            raise Refusal(Code.OFFSET_MISMATCH, "/offset", expected=found.offset)
        upload = self._uploads[endpoint, blob]
        if digest_of(bytes(upload.data)) != blob.digest:
            del self._uploads[endpoint, blob]
            raise Refusal(Code.DIGEST_MISMATCH, "/digest")
        upload.complete = True
        if blob.digest in self._purged:
            del self._uploads[endpoint, blob]
        return Progress(blob.size, complete=True)

    async def discard(self, endpoint: str, blob: Blob) -> None:
        """See ``Blobs``."""
        self._uploads.pop((endpoint, blob), None)

    async def held(self, endpoint: str, blobs: Sequence[Blob]) -> frozenset[Blob]:
        """See ``Blobs``."""
        held = set()
        for blob in blobs:
            upload = self._uploads.get((endpoint, blob))
            if upload is not None and upload.complete:
                upload.touched_ms = self._clock_ms()
                held.add(blob)
        return frozenset(held)

    async def keep(self, endpoint: str, blobs: Sequence[Blob]) -> None:
        """See ``Blobs``."""
        for blob in blobs:
            upload = self._uploads.get((endpoint, blob))
            if upload is None or not upload.complete:
                raise Fault(Code.STORE_FAILED, digest=blob.digest)
            self._kept[blob.digest] = bytes(upload.data)
            self._counted.setdefault(member_of(endpoint), set()).add(blob)

    def _sizes(self, member: str) -> list[int]:
        going = [each for by, each in self._uploads if member_of(by) == member]
        return [each.size for each in (*self._counted.get(member, ()), *going)]

    async def kept(self) -> dict[str, int]:
        """See ``Blobs``."""
        return {
            member: counted(each.size for each in theirs)
            for member, theirs in self._counted.items()
        }

    async def is_kept(self, blob: Blob) -> bool:
        """See ``Blobs``."""
        if blob.digest in self._purged:
            return False
        if len(self._kept.get(blob.digest, b"")) != blob.size:
            raise Fault(Code.ATTACHMENT_DAMAGED, digest=blob.digest)
        return True

    async def read(self, digest: str, offset: int, limit: int) -> bytes:
        """See ``Blobs``."""
        if digest not in self._kept:
            raise Fault(Code.STORE_FAILED, digest=digest)
        return self._kept[digest][offset : offset + limit]

    async def purge(self, digest: str) -> None:
        """See ``Blobs``."""
        self._purged.add(digest)
        self._kept.pop(digest, None)
        for theirs in self._counted.values():
            theirs.difference_update([each for each in theirs if each.digest == digest])
        for key in [key for key in self._uploads if key[1].digest == digest]:
            del self._uploads[key]

    async def sweep(self) -> None:
        """See ``Blobs``."""
        since = self._clock_ms() - self._allowance.stale_ms
        for key in [key for key, each in self._uploads.items() if each.touched_ms < since]:
            del self._uploads[key]

    async def close(self) -> None:
        """See ``Blobs``."""
