"""The stream of events: everything owed to the caller, told as it becomes durable.

Nobody waits for a slow listener: its task stands in a write of bounded size, and what comes
meanwhile is not kept for it. It goes on from the journal.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from exchange.api import problems
from exchange.api.asked import number, pressed
from exchange.api.routes import CALLER, CODES, NODE, must_stand
from exchange.errors import Code, ExchangeError, Refusal
from exchange.model import events, wire
from exchange.node.ring import NOTHING_PRESSED, Cursors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.node.ring import Listener

STREAMS: web.AppKey[Streams] = web.AppKey("streams")

_ROUTE = "/v1/events"
# A listener that takes nothing for this long is hung up on; it comes back, from where it was.
_STALLED_S = 120
# Unsent bytes that the kernel takes of a stream: what lies there, nothing urgent overtakes.
_UNSENT_BYTES = 16 * 1024
_HEADERS = {
    "Content-Type": events.MEDIA_TYPE,
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # for a proxy that would rather wait until there is more
}

_log = structlog.get_logger("exchange.api")


class Streams:
    """How many streams there are: bounded, for each endpoint and for all."""

    def __init__(self) -> None:
        """Begin with none."""
        self._open: list[tuple[str, web.Request]] = []

    @contextmanager
    def opened(self, endpoint: str, request: web.Request) -> Iterator[None]:
        """Count a stream while it is there.

        Raises:
            Refusal: ``too-many``.
        """
        # A listener that hung up is noticed at the next write only, and may be back before.
        here = [name for name, each in self._open if each.transport is not None]
        if here.count(endpoint) >= wire.MAX_STREAMS_OF_ONE:
            raise Refusal(Code.TOO_MANY, limit=wire.MAX_STREAMS_OF_ONE)
        if len(here) >= wire.MAX_STREAMS:
            raise Refusal(Code.TOO_MANY, limit=wire.MAX_STREAMS)
        self._open.append((endpoint, request))
        try:
            yield
        finally:
            self._open.remove((endpoint, request))


async def stream(request: web.Request) -> web.StreamResponse:
    """Tell what is owed to the caller after a cursor, as events, for as long as it listens."""
    node, endpoint = request.app[NODE], request[CALLER].endpoint.id
    after = Cursors(_after(request), pressed(request) or NOTHING_PRESSED)
    with request.app[STREAMS].opened(endpoint, request):
        response = web.StreamResponse(headers=_HEADERS)
        _hold_little(request)
        with node.ring.listening(endpoint, after, node.size) as listener:
            try:
                await response.prepare(request)
                await _tell(request, response, listener)
            except ExchangeError as error:
                await _end(request, response, error)
            except (OSError, TimeoutError):
                # It hung up, or takes nothing.
                if request.transport is not None:
                    request.transport.abort()
    return response


async def _tell(request: web.Request, response: web.StreamResponse, listener: Listener) -> None:
    node = request.app[NODE]
    # How it stands is told once all is told, and then after every silence.
    is_due = True
    while not listener.is_closed:
        told = await listener.more(node.now())
        if not told and is_due and listener.is_even:
            told = events.told("beat", events.Beat(node.inbox_total(listener.endpoint)))
            is_due = False
        # Asked before every write, and when a new view wakes us: suspension bites at once.
        must_stand(request)
        if told:
            async with asyncio.timeout(_STALLED_S):
                await response.write(told)
        else:
            is_due = not await listener.wait(events.BEAT_S) or is_due
    await response.write_eof()


async def _end(
    request: web.Request, response: web.StreamResponse, error: ExchangeError
) -> None:
    """Say why nothing more comes, and end the stream."""
    request.app[NODE].refused[error.code.value, _ROUTE] += 1
    _log.info("ended", code=error.code.value, caller=request[CALLER].endpoint.id)
    document = problems.problem(error, request.app[CODES])
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(_STALLED_S):
            await response.write(events.told("problem", document))
            await response.write_eof()


def _after(request: web.Request) -> int:
    """Return the cursor: where the listener was when it was cut off, or ``after``."""
    last = request.headers.get(events.LAST_HEADER)
    if last is None:
        return number(request, "after", -1, -1)
    # What a header may hold is what we gave out: an index.
    if not (last.isascii() and last.isdecimal() and len(last) <= 16):
        raise Refusal(Code.BAD_REQUEST, f"/{events.LAST_HEADER}")
    return int(last)


def _hold_little(request: web.Request) -> None:
    """Have the kernel and the connection take little at a time."""
    transport = request.transport
    if transport is None:
        return
    transport.set_write_buffer_limits(high=_UNSENT_BYTES)
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError), sock.dup() as same:
            same.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
