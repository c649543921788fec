"""Who sits at which connection: whoever may have no more is hung up on, with what waits there.

An answer leaves as fast as its reader takes it, which may be minutes after it was given. So
when the trust documents change, each connection is looked at: did who asked on it last lose its
session? Where the other side takes no more just now, something may lie here unsent: it goes to
nobody, at once. Where it takes all, its caller is told why nothing more comes, and hung up on
soon after. What the kernel has taken by then is out of our hands.
"""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from exchange.api.routes import route_of, standing
from exchange.errors import ExchangeError
from exchange.node.considering import broken

if TYPE_CHECKING:
    from exchange.node.served import Served

SEATS: web.AppKey[Seats] = web.AppKey("seats")

# To be told why, where the other side takes what it is told.
TOLD_S = 0.5


class Seat(NamedTuple):
    """What was asked last on a connection, and by which token."""

    authorization: str | None
    method: str
    route: str


class Seats:
    """The connections that callers with a session are at. Used in the event loop's thread."""

    def __init__(self, node: Served) -> None:
        """Look at them whenever the node's trust documents change."""
        self._node = node
        self._taken: dict[asyncio.BaseProtocol, Seat] = {}
        node.on_view.append(self.review)

    def take(self, request: web.Request) -> None:
        """Note who asks: whoever asked there before has its answer, or is hung up on."""
        authorization = request.headers.get("Authorization")
        seat = Seat(authorization, request.method, route_of(request))
        self._taken[request.protocol] = seat

    def leave(self, protocol: asyncio.BaseProtocol) -> None:
        """Forget a connection that is over."""
        self._taken.pop(protocol, None)

    def review(self) -> None:
        """Hang up on each who stands no more."""
        for protocol, seat in list(self._taken.items()):
            try:
                self._look_at(protocol, seat)
            except Exception as error:  # noqa: BLE001  (the others are looked at all the same)
                broken("seat", error)

    def _look_at(self, protocol: asyncio.BaseProtocol, seat: Seat) -> None:
        try:
            standing(self._node, *seat)
        except ExchangeError:
            self._end(protocol, seat)

    def _end(self, protocol: asyncio.BaseProtocol, seat: Seat) -> None:
        transport = _transport(protocol)
        if transport is None:
            return
        if not _takes_more(transport):
            transport.abort()
        elif seat.method == "GET":
            # Who posted is told what was recorded, whatever became of it since.
            loop = asyncio.get_running_loop()
            loop.call_later(TOLD_S, self.hang_up, protocol, seat)

    def hang_up(self, protocol: asyncio.BaseProtocol, seat: Seat) -> None:
        """End a connection, unless something else was asked on it since."""
        transport = _transport(protocol)
        if transport is not None and self._taken.get(protocol) is seat:
            transport.abort()


def _transport(protocol: asyncio.BaseProtocol) -> asyncio.Transport | None:
    """Return what a connection is over, on whatever event loop: each has classes of its own."""
    found: asyncio.Transport | None = getattr(protocol, "transport", None)
    return found


def _takes_more(transport: asyncio.Transport) -> bool:
    """Tell whether the kernel takes more: while it does not, what is sent stays in here.

    A connection that just broke, of which its protocol is still to hear, takes nothing.
    """
    sock = transport.get_extra_info("socket")
    number = -1 if sock is None else sock.fileno()
    if number < 0:
        return False
    asked = select.poll()
    asked.register(number, select.POLLOUT)
    return any(event & select.POLLOUT for _, event in asked.poll(0))
