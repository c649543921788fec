"""What a request asks for in its query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.broker.pressing import RANKS
from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from aiohttp import web


def number(request: web.Request, name: str, default: int, least: int, most: int = 2**53) -> int:
    """Return a query parameter that is a whole number within bounds."""
    text = request.query.get(name)
    if text is None:
        return default
    if not text.removeprefix("-").isdecimal() or len(text) > 17 or not text.isascii():
        raise Refusal(Code.BAD_REQUEST, f"/{name}")
    if not least <= int(text) <= most:
        raise Refusal(Code.BAD_REQUEST, f"/{name}", limit=most)
    return int(text)


def pressed(request: web.Request) -> tuple[int, ...] | None:
    """Return the last entry told ahead, by rank; None where nothing of that kind is asked."""
    if not any(rank in request.query for rank in RANKS):
        return None
    return tuple(number(request, rank, -1, -1) for rank in RANKS)


def required(request: web.Request, name: str, least: int) -> int:
    """Return a query parameter that is a whole number and may not be left out."""
    if name not in request.query:
        raise Refusal(Code.BAD_REQUEST, f"/{name}")
    return number(request, name, 0, least)
