"""Send a sealed file to the node over a link that breaks: on from where the node stands."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from exchange.client.answers import decoded
from exchange.errors import Code, Fault, Refusal
from exchange.model import wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from exchange.client.attaching import Tell
    from exchange.client.transport import Transport
    from exchange.model.header import Blob

# One request carries so much: a minute of a poor link (64 kbit/s), so that its answer comes in
# time to tell a cut from a slow link, and one round trip in a minute is no matter.
SEGMENT_BYTES = 512 * 1024
# In a row, without a byte having come through; then the person is told, and may resume later.
MAX_TRIES = 8
_LONGEST_PAUSE_S = 30.0
_WORTH_ANOTHER_TRY = frozenset(
    {
        *(Code.NODE_UNREACHABLE, Code.OUTCOME_UNKNOWN, Code.UNAVAILABLE),
        *(Code.OFFSET_MISMATCH, Code.TOO_MANY, Code.NO_HEADWAY),
    }
)


# What an upload may be refused with for good: the same bytes fare no better, or they need room
# that their author has to make, and may rather send less.
_FINAL = frozenset(
    {
        *(Code.OVERSIZED, Code.DIGEST_MISMATCH, Code.BAD_REQUEST, Code.MISSING_ROLE),
        *(Code.QUOTA, Code.KEPT_QUOTA),
    }
)


def is_final(refusal: Refusal) -> bool:
    """Tell whether an upload's refusal is the last word on these bytes."""
    return refusal.code in _FINAL


class Patience:
    """Counts what failed in a row; each time it waits longer, and at last it gives up."""

    def __init__(self, pause: Callable[[float], Awaitable[None]]) -> None:
        """``pause`` waits for so many seconds."""
        self._pause = pause
        self._failed = 0
        self._best = -1

    def came(self, offset: int) -> None:
        """Note how far it has come: whoever makes headway may fail again."""
        if offset > self._best:
            self._best, self._failed = offset, 0

    async def bear(self, error: Fault | Refusal) -> None:
        """Wait after a failure.

        Raises:
            Fault, Refusal: the failure, if it is none that passes, or the last one borne.
        """
        self._failed += 1
        if error.code not in _WORTH_ANOTHER_TRY or self._failed >= MAX_TRIES:
            raise error
        await self._pause(min(2.0 ** (self._failed - 1), _LONGEST_PAUSE_S))


async def upload(
    transport: Transport, sealed: Path, blob: Blob, patience: Patience, tell: Tell
) -> None:
    """Upload a sealed file; what came before, of this process or another, is not sent again.

    Args:
        transport: the session with the node.
        sealed: the file.
        blob: what it is, by digest and size.
        patience: how cuts are borne.
        tell: called after each segment.

    Raises:
        Refusal: the node will not have it.
        Fault: the node does not answer, or not for long; ``no-headway``: it does, and is never
            done; the file cannot be read.
    """
    where = f"/v1/uploads/{blob.digest}"
    while True:
        try:
            come = await transport.get_as(wire.Upload, where, size=blob.size)
            while not come.complete:
                patience.came(come.offset)
                tell(come.offset, blob.size)
                piece = await asyncio.to_thread(_segment, sealed, come.offset)
                said = await transport.patch(where, piece, size=blob.size, offset=come.offset)
                come = _headway(decoded(said, wire.Upload), come.offset + len(piece), blob)
        except (Fault, Refusal) as error:
            await patience.bear(error)
        else:
            tell(blob.size, blob.size)
            return


def _segment(sealed: Path, offset: int) -> bytes:
    try:
        with sealed.open("rb") as file:
            file.seek(offset)
            return file.read(SEGMENT_BYTES)
    except OSError as error:
        raise Fault(Code.STORE_FAILED, found=type(error).__name__) from error


def _headway(come: wire.Upload, expected: int, blob: Blob) -> wire.Upload:
    """Hold an answer to what was sent: all of it is there, and with the last byte it is whole.

    Raises:
        Fault: ``no-headway``. Believed, the node could have the same piece sent for ever.
    """
    if come.complete or come.offset == expected < blob.size:
        return come
    raise Fault(Code.NO_HEADWAY, found=come.offset)
