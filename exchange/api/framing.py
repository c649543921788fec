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
    from collections.abc import AsyncIterator

    from aiohttp import web

# A request of which nothing more comes for this long is given up (seconds). Protects the node
# from callers who keep it waiting; a poor link at sea sends something in that time.
IDLE_S = 30
# And so is one that in all takes longer than that and the time of its bytes at this pace (bytes
# a second), half of 64 kbit/s: else one byte now and then holds a request's room for weeks.
PACE_BYTES_S = 4000


def pairs(request: bytes, most: int = MAX_PAIRS) -> list[tuple[bytes, bytes]]:
    """Return the objects of a request, each with its body (empty where there is none).

    Raises:
        Refusal: ``bad-framing``: cut off, no pair, or more than ``most`` of them.
    """
    if most == 1 and request.startswith(BEGINS) and request.endswith(b"\n\n"):
        return [(request[:-2], b"")]
    # Split no further than that: 16 MiB of line feeds would be a list of 128 MiB.
    lines = request.split(b"\n", 2 * most + 1)
    count = len(lines) - 1 if len(lines) <= 2 * most + 1 else request.count(b"\n")
    if count and not request.endswith(b"\n"):
        raise Refusal(Code.BAD_FRAMING, expected="final-line-feed")
    if not count or count % 2:
        raise Refusal(Code.BAD_FRAMING, expected="framed-pairs", found=count)
    if count > 2 * most:
        raise Refusal(Code.TOO_MANY, limit=most, found=count // 2)
    return list(zip(lines[:-1:2], lines[1::2], strict=True))


async def read_limited(
    request: web.Request, limit: int = MAX_REQUEST_BYTES, into: bytearray | None = None
) -> bytes:
    """Return a request's bytes.

    Args:
        request: whose body is still to be read.
        limit: how many bytes it may have.
        into: filled as they come, for a caller that wants what came before a refusal.

    Raises:
        Refusal: as ``pieces``.
    """
    data = bytearray() if into is None else into
    async for piece in pieces(request, limit):
        data += piece
    return bytes(data)


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
        if (part := content.read_nowait()) or content.at_eof():
            return part
        async with asyncio.timeout(within_s):
            return await content.readany()
    except Exception as error:  # noqa: BLE001
        # Hung up, silent for too long, or chunks that are none: whatever aiohttp calls it, the
        # caller did it.
        raise Refusal(Code.BAD_FRAMING, found=type(error).__name__) from None
