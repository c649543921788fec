"""An officer's desk in this process; its node can be out of reach, whole or in part."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from aiohttp import web

from exchange.desk.app import application
from exchange.desk.lock import Lock
from exchange.desk.station import Station
from exchange.store.blob_files import BlobFiles
from exchange.web.door import Door as Way
from exchange.web.serving import served
from tests.api.serving import serving
from tests.builders import NOW_MS, OPS, WATCH
from tests.client.attached import SPARED
from tests.client.dealing import agency, draft, fronted
from tests.node.running import Clock
from tests.web.trial import CODES, randomness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from exchange.client.agency import Agency
    from tests.api.serving import Door

OFFICER = "watch-1"
BROWSER = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "document"}


class Held:
    """An answer that waits: it was ``asked`` for, and is given once it is ``let_go``."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()


class Front:
    """The way to a node: real HTTP and TLS, passed on as it comes, for what is not shut."""

    def __init__(self, door: Door) -> None:
        self.door = door
        # Beginnings of paths that get no answer but a 503; and paths asked for instead.
        self.shut: tuple[str, ...] = ()
        self.instead: dict[str, str] = {}
        # Paths whose answer waits until somebody lets it go.
        self.held: dict[str, Held] = {}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith(self.shut):
            return web.Response(status=503)
        if held := self.held.get(request.path):
            held.asked.set()
            await held.let_go.wait()
        path = self.instead.get(request.path, request.path_qs)
        async with self.door.http.request(
            request.method,
            self.door.url + path,
            data=await request.read(),
            headers={k: v for k, v in request.headers.items() if k == "Authorization"},
        ) as answer:
            told = {"Content-Type": answer.headers["Content-Type"]}
            passed = web.StreamResponse(status=answer.status, headers=told)
            await passed.prepare(request)
            async for piece in answer.content.iter_any():
                await passed.write(piece)
            await passed.write_eof()
            return passed

    def away(self) -> None:
        self.shut = ("/",)

    def back(self) -> None:
        self.shut = ()


class Desk:
    """A node, who posts to the desk, the desk, and a browser without any manners of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock(NOW_MS)
        self.door: Door
        self.front: Front
        self.sender: Agency
        self.line: Agency
        self.station: Station
        self.app: web.Application
        self.way: Way
        self.base = ""
        self.lock: Lock | None = None
        self._http: aiohttp.ClientSession

    async def post(self, attach: tuple[Path, ...] = (), **changes: Any) -> int:
        """Post a bulletin to the officer; its entry."""
        made = draft()
        made = msgspec.structs.replace(made, post=msgspec.structs.replace(made.post, **changes))
        return (await self.sender.post(await self.sender.prepare(made, None, attach))).index

    async def hear(self) -> None:
        """Take in what came, as if it were followed."""
        for item in await self.line.everything():
            self.station._arrive(item)

    async def get(self, path: str, status: int = 200) -> str:
        async with self._http.get(f"{self.base}/en{path}") as answer:
            assert answer.status == status, (path, answer.status)
            return await answer.text()

    async def saved(self, path: str) -> aiohttp.ClientResponse:
        """A page or file as it comes; close it."""
        return await self._http.get(f"{self.base}/en{path}")

    async def said(self, path: str, told: dict[str, str], status: int = 200) -> str:
        """Send a form; what is answered, wherever the browser is told to go first."""
        headers = {"Origin": self.base}
        async with self._http.post(
            f"{self.base}/en{path}", data=told, headers=headers
        ) as answer:
            assert answer.status == status, (path, answer.status)
            return await answer.text()

    async def act(self, path: str, **told: Any) -> str:
        """Send a form; where the browser is told to go."""
        headers = {"Origin": self.base}
        async with self._http.post(
            f"{self.base}/en{path}", data=told, headers=headers, allow_redirects=False
        ) as answer:
            assert answer.status == 303, (path, answer.status)
            return answer.headers["Location"].removeprefix("/en")

    async def open(self, stack: AsyncExitStack, **how: Any) -> None:
        blobs = BlobFiles(self.folder / "blobs", self.clock, SPARED)
        self.door = await stack.enter_async_context(serving(clock=self.clock, blobs=blobs))
        self.front = Front(self.door)
        url = await stack.enter_async_context(fronted(self.front.handle))
        for name in ("sender", "reader"):
            (self.folder / name).mkdir(exist_ok=True)
        sender = agency(self.door.url, self.folder / "sender", OPS, self.clock)
        self.sender = await stack.enter_async_context(sender)
        line = agency(url, self.folder / "reader", WATCH, self.clock, **how)
        self.line = await stack.enter_async_context(line)
        self.station = Station(self.line, CODES, OFFICER)
        await self.station.fill()

    async def show(self, stack: AsyncExitStack) -> None:
        """Serve the pages, and come in."""
        self.way = Way(randomness(), self.clock, "en", is_plain=True)
        self.app = application(self.station, self.way, lock=self.lock)
        link = (await stack.enter_async_context(served(self.app)))()
        jar = aiohttp.CookieJar(unsafe=True)
        made = aiohttp.ClientSession(headers=BROWSER, cookie_jar=jar)
        self._http = await stack.enter_async_context(made)
        self.base = link.partition("/enter")[0]
        async with self._http.get(link) as answer:
            assert answer.status == 200


@asynccontextmanager
async def desked(folder: Path, *, pages: bool = False, **how: Any) -> AsyncIterator[Desk]:
    """Open a desk; with its pages where they are looked at."""
    desk = Desk(folder)
    async with AsyncExitStack() as stack:
        await desk.open(stack, **how)
        if pages:
            await desk.show(stack)
        yield desk
