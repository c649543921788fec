"""How objects travel in a request: ``object LF body LF``, repeated. Their bytes hold no LF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal
from exchange.model.wire import MAX_PAIRS, MAX_REQUEST_BYTES

if TYPE_CHECKING:
    from aiohttp import web


def pairs(request: bytes, most: int = MAX_PAIRS) -> list[tuple[bytes, bytes]]:
    """Return the objects of a request, each with its body (empty where there is none).

    Raises:
        Refusal: ``bad-framing``: cut off, no pair, or more than ``most`` of them.
    """
    lines = request.split(b"\n")
    if lines.pop():
        raise Refusal(Code.BAD_FRAMING, expected="a line feed at the end")
    if not lines or len(lines) % 2:
        raise Refusal(Code.BAD_FRAMING, expected="object LF body LF", found=len(lines))
    if len(lines) > 2 * most:
        raise Refusal(Code.TOO_MANY, limit=most, found=len(lines) // 2)
    return list(zip(lines[::2], lines[1::2], strict=True))


async def read_limited(request: web.Request, limit: int = MAX_REQUEST_BYTES) -> bytes:
    """Return a request's bytes.

    Raises:
        Refusal: ``oversized``; no more than ``limit`` bytes were read.
    """
    if request.content_length is not None and request.content_length > limit:
        raise Refusal(Code.OVERSIZED, limit=limit, found=request.content_length)
    parts, size = [], 0
    async for part in request.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > limit:
            raise Refusal(Code.OVERSIZED, limit=limit, found=size)
    return b"".join(parts)
