"""How much one endpoint may upload before a bulletin names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.errors import Code, Refusal
from exchange.model.wire import MAX_BLOB_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.model.header import Blob

_MIB = 1024 * 1024
_DAY_MS = 86_400_000


class Allowance(msgspec.Struct, frozen=True):
    """The bounds.

    Attributes:
        bytes: of all uploads of one endpoint, as they were announced: protects the disk.
        uploads: of one endpoint at a time: protects whoever must look through them.
        stale_ms: an upload that nobody went on with for so long is given up; a ship may be
            out of reach for days.
        spare: bytes of the disk that no upload takes: the journal is on the same disk.
    """

    bytes: int = 512 * _MIB
    uploads: int = 64
    stale_ms: int = 7 * _DAY_MS
    spare: int = 64 * _MIB

    def must_fit(self, blob: Blob, others: Sequence[int]) -> None:
        """Let an upload begin beside others of the same endpoint, by their sizes.

        Raises:
            Refusal: ``oversized`` or ``quota``.
        """
        if blob.size > MAX_BLOB_BYTES:
            raise Refusal(Code.OVERSIZED, "/size", limit=MAX_BLOB_BYTES, found=blob.size)
        if len(others) >= self.uploads:
            raise Refusal(Code.QUOTA, "/digest", limit=self.uploads)
        # What was announced counts, not what came: two uploads never find out half way.
        if blob.size + sum(others) > self.bytes:
            raise Refusal(Code.QUOTA, "/size", limit=self.bytes)
