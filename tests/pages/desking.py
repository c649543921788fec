"""A node, a sender, and an officer's desk beside it, for a browser to look at.

All of it runs in a thread of its own, as Playwright drives the browser in the test's.
"""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from exchange import resources
from exchange.client.agency import Agency
from exchange.client.reading import Delivered
from exchange.client.story import every
from exchange.desk.app import application
from exchange.desk.lock import Lock
from exchange.desk.station import Station
from exchange.model.bulletin.blocks import Target
from exchange.model.draft import read_draft
from exchange.store.blob_files import BlobFiles
from exchange.web.door import Door
from exchange.web.serving import served
from tests.api.serving import serving
from tests.builders import NOW_MS, OPS, WATCH
from tests.client.attached import SPARED
from tests.client.dealing import agency, draft
from tests.node.running import Clock, post
from tests.web.trial import CODES, randomness
from tests.web.trial import Clock as Ticks

T = TypeVar("T")
PASSPHRASE = "watch passphrase"  # noqa: S105
OFFICER = "watch-1"


def bulletin(name: str) -> dict[str, Any]:
    read = read_draft(resources.read(f"v1/examples/{name}"), toml=True)
    return copy.deepcopy(read.bulletin)


class Desk:
    """What a test does beside the browser: posts, sets clocks, looks at the station."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        self.clock, self.ticks = Clock(NOW_MS), Ticks()
        self.node: Any = None
        self.sender: Agency
        self.station: Station
        self.lock = Lock(self.ticks, PASSPHRASE.__eq__)
        self.link: Callable[[], str] = str

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        """Have something done in the desk's thread; return what comes of it."""
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(60)

    def ask(self, what: Callable[[], T]) -> T:
        """Return what something returns in the desk's thread, where its cabinet is open."""

        async def do() -> T:
            return what()

        return self.run(do())

    def post(
        self,
        said: dict[str, Any] | None = None,
        target: Target | None = None,
        attach: tuple[Path, ...] = (),
        **post: Any,
    ) -> Target:
        """Post a bulletin to the officer; return it as what another may be of."""

        return self.run(self._post(self.sender, said, target, attach, **post))

    def put(self, signed: Any, by: str = OPS) -> None:
        """Have the node take in what is signed already."""

        async def do() -> None:
            await post(self.node, signed, by)

        self.run(do())

    def answer(self, **post: Any) -> Target:
        """Post a bulletin from the desk's endpoint to the sender."""
        line = self.station.agency
        return self.run(self._post(line, None, None, (), to=[OPS], **post))

    async def _post(
        self,
        line: Agency,
        said: dict[str, Any] | None,
        target: Target | None,
        attach: tuple[Path, ...],
        **post: Any,
    ) -> Target:
        made = draft(said)
        sent = msgspec.structs.replace(made.post, **post)
        made = msgspec.structs.replace(made, post=sent)
        prepared = await line.prepare(made, target, attach)
        await line.post(prepared)
        header = prepared.header
        posted = every(line.world.outbox)
        (found,) = [each for each in posted if each.header.id == header.id]
        return Target(header.id, header.origin, header.type, found.digest)

    def index(self, of: Target) -> int:
        """Return the entry at which the officer has a bulletin, once it is here."""

        async def do() -> int:
            async with asyncio.timeout(20):
                while True:
                    for item in self.station.shelf.items():
                        if isinstance(item, Delivered) and item.header.id == of.id:
                            return item.index
                    await asyncio.sleep(0.02)

        return self.run(do())

    def checkpoint(self) -> None:
        """Have the node sign, and the desk prove."""

        async def do() -> None:
            await self.node.checkpoints.checkpoint()
            await self.station.prove()

        self.run(do())

    async def serve(self, stack: AsyncExitStack) -> None:
        """Start all of it."""
        blobs = BlobFiles(self.folder / "blobs", self.clock, SPARED)
        door = await stack.enter_async_context(serving(clock=self.clock, blobs=blobs))
        self.node = door.node
        for name in ("sender", "reader"):
            (self.folder / name).mkdir()
        made = agency(door.url, self.folder / "sender", OPS, self.clock)
        self.sender = await stack.enter_async_context(made)
        reader = agency(door.url, self.folder / "reader", WATCH, self.clock)
        line = await stack.enter_async_context(reader)
        views = self.folder / "views.json"
        self.station = Station(line, CODES, OFFICER, views)
        await self.station.fill()
        way = Door(randomness(), self.ticks, "en")
        app = application(self.station, way, lock=self.lock, overlays=self.folder / "overlays")
        self.link = await stack.enter_async_context(served(app))


@contextmanager
def desking(folder: Path) -> Iterator[Desk]:
    """Run a node and a desk; the desk follows the node."""
    desk = Desk(folder)
    ready, over = threading.Event(), asyncio.Event()

    async def run() -> None:
        async with AsyncExitStack() as stack:
            await desk.serve(stack)
            following = asyncio.ensure_future(desk.station._follow())
            ready.set()
            await over.wait()
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    thread = threading.Thread(target=lambda: desk.loop.run_until_complete(run()))
    thread.start()
    try:
        assert ready.wait(60)
        yield desk
    finally:
        desk.loop.call_soon_threadsafe(over.set)
        thread.join(60)
        desk.loop.close()
