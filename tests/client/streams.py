"""What stands between a client and its node, and lets streams of events through as it likes."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from tests.api.serving import serving
from tests.client.dealing import fronted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiohttp.streams import StreamReader

    from tests.api.serving import Door


class Relay:
    """Relays everything; of a stream, whole events, of which ``told`` makes what it likes.

    ``told`` is given the number of the stream and the event, and returns what is passed on.
    Behind bytes that end within an event, it hangs up.
    """

    def __init__(self, door: Door) -> None:
        self.door = door
        self.told: Callable[[int, bytes], bytes] = lambda _, event: event
        self.instead: list[web.Response] = []
        # As ``instead`` for streams: what is answered in place of what else is asked for.
        self.refused: dict[str, list[web.Response]] = {}
        self.asked: list[str] = []
        self.streams = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path_qs}")
        is_stream = request.path == "/v1/events"
        if is_stream and self.instead:
            return self.instead.pop(0)
        if refused := self.refused.get(request.path):
            return refused.pop(0)
        async with self.door.http.request(
            request.method,
            self.door.url + request.path_qs,
            data=await request.read(),
            headers={k: v for k, v in request.headers.items() if k == "Authorization"},
        ) as answer:
            if is_stream and answer.status == 200:
                return await self._stream(request, answer.content)
            return web.Response(
                body=await answer.read(), status=answer.status, content_type=answer.content_type
            )

    async def _stream(self, request: web.Request, content: StreamReader) -> web.StreamResponse:
        number, self.streams = self.streams, self.streams + 1
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        while True:
            event = await content.readuntil(b"\n\n")
            if not event.endswith(b"\n\n"):
                return response
            passed = self.told(number, event)
            await response.write(passed)
            if not passed.endswith(b"\n\n") and passed != b"":
                assert request.transport is not None
                request.transport.close()
                return response

    def asked_for(self, path: str) -> list[str]:
        return [each for each in self.asked if each.split()[1].startswith(path)]


@asynccontextmanager
async def relayed(**options: object) -> AsyncIterator[tuple[Door, Relay, str]]:
    async with serving(**options) as door:
        relay = Relay(door)
        async with fronted(relay.handle) as url:
            yield door, relay, url
