"""How much memory requests may take at the same time at one front: of each caller, and of all.

A request takes its room before any of it is read, and gives it back when it is answered. Who
has no session yet has room of its own: whoever fills the rest keeps nobody from opening one.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from exchange.api.routes import CALLER, IN_FLIGHT, limit_of
from exchange.errors import Code, Refusal
from exchange.model import wire
from exchange.model.identity import member_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

# All who have no session, together.
STRANGERS: Final = ""


def room_of(request: web.Request) -> int:
    """Return how many bytes of memory a request may take while it is read and answered.

    A download of an attachment takes its own, once it is known to be one: what is stored with
    its entry, a body or a wrapped key, is never refused to a reader because others are busy.
    """
    if request.method == "POST":
        limit, announced = limit_of(request), request.content_length
        return limit if announced is None else min(announced, limit)
    return wire.STREAM_BYTES if request.method == "PATCH" else 0


@contextmanager
def taken(request: web.Request, size: int) -> Iterator[None]:
    """Take so much room while a request is read and answered.

    Raises:
        Refusal: ``too-many``: come again when others are done.
    """
    if not size:
        yield
        return
    in_flight, caller = request.app[IN_FLIGHT], request.get(CALLER)
    name = caller.endpoint.id if caller else STRANGERS
    for used, limit in _used(in_flight, name):
        if used + size > limit:
            raise Refusal(Code.TOO_MANY, limit=limit)
    in_flight[name] += size
    try:
        yield
    finally:
        in_flight[name] -= size
        if not in_flight[name]:
            del in_flight[name]


def _used(in_flight: dict[str, int], name: str) -> list[tuple[int, int]]:
    """Return what is taken of each room that a caller needs, with its limit."""
    if name == STRANGERS:
        return [(in_flight.get(name, 0), wire.MAX_IN_FLIGHT_OF_STRANGERS_BYTES)]
    known = {each: size for each, size in in_flight.items() if each != STRANGERS}
    ours = [size for each, size in known.items() if member_of(each) == member_of(name)]
    return [
        (known.get(name, 0), wire.MAX_IN_FLIGHT_OF_ONE_BYTES),
        (sum(ours), wire.MAX_IN_FLIGHT_OF_MEMBER_BYTES),
        (sum(known.values()), wire.MAX_IN_FLIGHT_BYTES),
    ]
