"""How much may be uploaded before a bulletin names it, and how much is kept once one does.

The first is bounded for each endpoint and comes back by itself; the second for each
organisation, and comes back when what is kept is purged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.errors import Code, Refusal
from exchange.model.wire import MAX_BLOB_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exchange.model.header import Blob

_MIB = 1024 * 1024
_GIB = 1024 * _MIB
_DAY_MS = 86_400_000
# What is kept counts for no less: a small file, too, costs the disk its place and whoever
# counts them the time. So there are at most 131,072 of an organisation under the default.
LEAST_COUNTED_BYTES = 64 * 1024
KEPT_BYTES = 8 * _GIB


class Allowance(msgspec.Struct, frozen=True):
    """The bounds.

    Attributes:
        bytes: of all uploads of one endpoint, as they were announced: protects the disk.
        uploads: of one endpoint at a time: protects whoever must look through them.
        stale_ms: an upload that nobody went on with for so long is given up; a ship may be
            out of reach for days.
        spare: bytes of the disk that no upload takes: the journal is on the same disk.
        kept_bytes: of all that the endpoints of one organisation posted and that is not
            purged, and of what they are uploading: protects the disk, and the others' share.
    """

    bytes: int = 512 * _MIB
    uploads: int = 64
    stale_ms: int = 7 * _DAY_MS
    spare: int = 64 * _MIB
    kept_bytes: int = KEPT_BYTES

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

    def must_be_kept(self, blob: Blob, others: Iterable[int]) -> None:
        """Let an upload begin beside all that its organisation keeps or is uploading, by size.

        Raises:
            Refusal: ``kept-quota``.
        """
        if counted([blob.size, *others]) > self.kept_bytes:
            raise Refusal(Code.KEPT_QUOTA, "/size", limit=self.kept_bytes)


def counted(sizes: Iterable[int]) -> int:
    """Return for how much files of these sizes count."""
    return sum(max(size, LEAST_COUNTED_BYTES) for size in sizes)
