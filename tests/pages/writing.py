"""A node, and the desk of an officer who writes, for a browser to look at.

All of it runs in a thread of its own, as Playwright drives the browser in the test's.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from exchange import resources
from exchange.client.reading import Delivered
from exchange.client.story import posted
from exchange.desk import compose
from exchange.desk.app import application
from exchange.desk.kept_drafts import KeptDrafts
from exchange.desk.lock import Lock
from exchange.desk.station import Station
from exchange.model.draft import read_draft
from exchange.store.blob_files import BlobFiles
from exchange.web.door import Door as WayIn
from exchange.web.serving import served
from tests.api.serving import serving
from tests.builders import NOW_MS, OPS, WATCH
from tests.client.attached import SPARED
from tests.client.dealing import agency, draft
from tests.node.running import Clock
from tests.web.trial import CODES, randomness
from tests.web.trial import Clock as Ticks

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from exchange.client.agency import Agency
    from exchange.client.story import Posted
    from exchange.desk.holding import Holding
    from exchange.desk.kept_drafts import Kept
    from tests.api.serving import Door

    Prepare = Callable[[Door], Coroutine[Any, Any, None]]

T = TypeVar("T")


class Scribe:
    """What a test does beside the browser."""

    def __init__(self, folder: Path, desk: str, other: str, prepare: Prepare) -> None:
        self.folder = folder
        self.names = desk, other
        self.prepare = prepare
        self.loop = asyncio.new_event_loop()
        self.clock, self.ticks = Clock(NOW_MS), Ticks()
        self.lock = Lock(self.ticks, bool)
        self.door: Any = None
        self.other: Agency
        self.station: Station
        self.holding: Holding
        self.link: Callable[[], str] = str

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        """Have something done in the desk's thread; return what comes of it."""
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(60)

    def ask(self, what: Callable[[], T]) -> T:
        """Return what something returns in the desk's thread, where its cabinet is open."""

        async def do() -> T:
            return what()

        return self.run(do())

    def asked(self) -> Delivered:
        """Have a question put to the desk; return it as it came."""

        async def do() -> Delivered:
            read = read_draft(resources.read("v1/examples/rfi-1.es.toml"), toml=True)
            made = draft(read.bulletin)
            post = msgspec.structs.replace(made.post, feed="requests", to=[OPS])
            prepared = await self.other.prepare(msgspec.structs.replace(made, post=post))
            await self.other.post(prepared)
            await self.station.fill()
            (found,) = [
                each for each in self.station.shelf.items() if isinstance(each, Delivered)
            ]
            return found

        return self.run(do())

    def last(self) -> Posted:
        """Return what the desk posted last."""

        def find() -> Posted:
            found = posted(self.station.agency.world.outbox, self.holding.all()[0].id)
            assert found is not None
            return found

        return self.ask(find)

    def drafts(self) -> list[Kept]:
        """Return the drafts that the desk keeps; ask in its thread."""
        return KeptDrafts(self.station.agency.world.cabinet).all()

    async def serve(self, stack: AsyncExitStack) -> None:
        """Start all of it."""
        blobs = BlobFiles(self.folder / "blobs", self.clock, SPARED)
        self.door = await stack.enter_async_context(serving(clock=self.clock, blobs=blobs))
        await self.prepare(self.door)
        for name in ("other", "desk"):
            (self.folder / name).mkdir()
        made = agency(self.door.url, self.folder / "other", self.names[1], self.clock)
        self.other = await stack.enter_async_context(made)
        desk = agency(self.door.url, self.folder / "desk", self.names[0], self.clock)
        self.station = Station(await stack.enter_async_context(desk), CODES, "guardia-1")
        await self.station.fill()
        app = application(self.station, WayIn(randomness(), self.ticks, "es"), lock=self.lock)
        self.holding = app[compose.HOLDING]
        self.link = await stack.enter_async_context(served(app))


async def as_founded(_door: Door) -> None:
    """Leave a node as it was founded."""


@contextmanager
def writing(
    folder: Path, desk: str = OPS, other: str = WATCH, prepare: Prepare = as_founded
) -> Iterator[Scribe]:
    """Run a node, prepared so, and a desk; beside them somebody other."""
    scribe = Scribe(folder, desk, other, prepare)
    ready, over = threading.Event(), asyncio.Event()

    async def run() -> None:
        async with AsyncExitStack() as stack:
            await scribe.serve(stack)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: scribe.loop.run_until_complete(run()))
    thread.start()
    try:
        assert ready.wait(60)
        yield scribe
    finally:
        scribe.loop.call_soon_threadsafe(over.set)
        thread.join(60)
        scribe.loop.close()
