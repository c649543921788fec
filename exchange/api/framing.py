"""How objects travel in a request: ``object LF body LF``, repeated. Their bytes hold no LF.

But for trust metadata with its files, each on a line: such a bundle is posted by itself, with
an empty body.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal
from exchange.model.metadata import BEGINS
from exchange.model.wire import MAX_PAIRS, MAX_REQUEST_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aiohttp import web

# A request of which nothing more comes for this long is given up (seconds). Protects the node
# from callers who keep it waiting; a poor link at sea sends something in that time.
IDLE_S = 30
# And so is one that in all takes longer than that and the time of its bytes at this pace (bytes
# a second), half of 64 kbit/s: else one byte now and then holds a request's room for weeks.
PACE_BYTES_S = 4000
# Taken at once of what came. A block of 256 KiB or more is a mapping of its own in a front (see
# ``node.spawning``), and each of its pages costs a fault: 10 us of a bulletin in a batch.
_PIECE_BYTES = 64 * 1024


def pairs(came: Sequence[bytes], most: int = MAX_PAIRS) -> list[tuple[bytes, bytes]]:
    """Return the objects of a request, each with its body (empty where there is none).

    Args:
        came: the request, in pieces cut anywhere; none of them is empty.
        most: how many there may be.

    Raises:
        Refusal: ``bad-framing``: cut off, no pair, or more than ``most`` of them.
    """
    if most == 1 and came and came[0].startswith(BEGINS[: len(came[0])]):
        whole = b"".join(came)
        if whole.startswith(BEGINS) and whole.endswith(b"\n\n"):
            return [(whole[:-2], b"")]
    # Counted before anything is split: 16 MiB of line feeds would be a list of 128 MiB.
    count = sum(piece.count(b"\n") for piece in came)
    if count and not came[-1].endswith(b"\n"):
        raise Refusal(Code.BAD_FRAMING, expected="final-line-feed")
    if not count or count % 2:
        raise Refusal(Code.BAD_FRAMING, expected="framed-pairs", found=count)
    if count > 2 * most:
        raise Refusal(Code.TOO_MANY, limit=most, found=count // 2)
    lines = _lines(came)
    return list(zip(lines[::2], lines[1::2], strict=True))


def _lines(came: Sequence[bytes]) -> list[bytes]:
    """Return the lines of what came in pieces and ends with a line feed."""
    lines: list[bytes] = []
    begun: list[bytes] = []
    for piece in came:
        first, *others = piece.split(b"\n")
        begun.append(first)
        if others:
            lines += (b"".join(begun), *others[:-1])
            begun = [others[-1]]
    return lines


async def read_limited(request: web.Request, limit: int = MAX_REQUEST_BYTES) -> bytes:
    """Return a request's bytes.

    Args:
        request: whose body is still to be read.
        limit: how many bytes it may have.

    Raises:
        Refusal: as ``pieces``.
    """
    return b"".join([piece async for piece in pieces(request, limit)])


def patience_s(waited_s: float, come: int) -> float:
    """Return for how long more a caller is waited for, until its next bytes (seconds).

    Args:
        waited_s: for how long it was waited for up to now, within this request.
        come: how many bytes came in that time.
    """
    return min(IDLE_S, IDLE_S + come / PACE_BYTES_S - waited_s)


async def pieces(request: web.Request, limit: int) -> AsyncIterator[bytes]:
    """Yield a request's bytes as they come.

    Raises:
        Refusal: ``oversized``, once more than ``limit`` bytes came or are announced;
            ``bad-request`` where the body is compressed; ``bad-framing`` where it was cut off,
            or comes too slowly.
    """
    if request.content_length is not None and request.content_length > limit:
        raise Refusal(Code.OVERSIZED, limit=limit, found=request.content_length)
    # A digest names what was sent; and what unpacks to a thousand times its size stays packed.
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refusal(Code.BAD_REQUEST, "/content-encoding")
    clock, size, waited_s = asyncio.get_running_loop().time, 0, 0.0
    while True:
        # The time that the node itself takes in between is not the caller's.
        asked = clock()
        part = await _part(request, patience_s(waited_s, size))
        waited_s += clock() - asked
        if not part:
            return
        yield part
        size += len(part)
        if size > limit:
            raise Refusal(Code.OVERSIZED, limit=limit, found=size)


async def _part(request: web.Request, within_s: float) -> bytes:
    content = request.content
    try:
        # Most requests are here whole by now: no clock is set for what needs no waiting.
        if (part := content.read_nowait(_PIECE_BYTES)) or content.at_eof():
            return part
        async with asyncio.timeout(within_s):
            return await content.read(_PIECE_BYTES)
    except Exception as error:  # noqa: BLE001
        # Hung up, silent for too long, or chunks that are none: whatever aiohttp calls it, the
        # caller did it.
        raise Refusal(Code.BAD_FRAMING, found=type(error).__name__) from None
