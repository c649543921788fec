"""One who listens to a stream of events: real HTTP over real TLS."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from exchange.model import events
from tests.builders import WATCH

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

    from tests.api.serving import Door


class Heard(NamedTuple):
    name: str
    said: Any


class Stream:
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self._reader = events.Reader()
        self._come: list[Heard] = []

    async def next(self) -> Heard:
        """The next event; ``EOFError`` where the stream ends."""
        async with asyncio.timeout(10):
            while not self._come:
                piece = await self.answer.content.readany()
                if not piece:
                    raise EOFError
                self._come = [
                    Heard(each.name, msgspec.json.decode(each.data))
                    for each in self._reader.read(piece)
                ]
        return self._come.pop(0)

    async def entries(self, count: int) -> list[Any]:
        """The next so many entries; beats between them are passed over."""
        found: list[Any] = []
        while len(found) < count:
            heard = await self.next()
            assert heard.name in {"entry", "beat"}, heard
            if heard.name == "entry":
                found.append(heard.said)
        return found

    async def until(self, name: str) -> Any:
        while (heard := await self.next()).name != name:
            pass
        return heard.said


@asynccontextmanager
async def listening(
    door: Door, by: str = WATCH, query: str = "", **headers: str
) -> AsyncIterator[Stream]:
    given = {"Authorization": f"Bearer {door.token(by)}", **headers}
    async with door.http.get(door.url + "/v1/events" + query, headers=given) as answer:
        assert (answer.status, answer.content_type) == (200, events.MEDIA_TYPE)
        yield Stream(answer)
