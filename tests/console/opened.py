"""A console over two nodes' files, as the command line opens it, without a command line."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

from exchange.audit.console.app import Console
from exchange.audit.console.background import Setup
from exchange.cli.journal_file import at_one_moment, opened
from exchange.web import door as doors
from exchange.web.door import Door
from exchange.web.serving import served
from tests.builders import NOW
from tests.web.trial import CODES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

OWN = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "document"}


def setup(files: Sequence[Path], index_at: Path, **more: Any) -> Setup:
    known: dict[str, Any] = {
        "anchor": None,
        "is_mirror": False,
        "follow": (),
        "clock": lambda: NOW + 100_000,
        "keep": lambda raw, kind: f"{kind} {len(raw)}",
        **more,
    }
    return Setup(files, index_at, opened, at_one_moment, **known)


def door() -> Door:
    counter = itertools.count(1)
    return Door(lambda size: next(counter).to_bytes(size), lambda: 0, "es")


class Caller:
    """A browser's requests, without a browser."""

    def __init__(self, session: aiohttp.ClientSession, console: Console, link: str) -> None:
        self.console, self._session, self._link = console, session, link
        self.host = link.split("/")[2]
        self._cookie = ""

    async def come_in(self) -> None:
        path = self._link.removeprefix(f"http://{self.host}")
        answer = await self.ask(path, **{"Sec-Fetch-Site": "none"})
        self._cookie = answer.cookies[doors.COOKIE].value

    async def ask(self, path: str, **headers: str) -> aiohttp.ClientResponse:
        return await self._request("GET", path, headers)

    async def post(self, path: str) -> aiohttp.ClientResponse:
        return await self._request("POST", path, {"Origin": f"http://{self.host}"})

    async def _request(
        self, method: str, path: str, headers: dict[str, str]
    ) -> aiohttp.ClientResponse:
        told = {"Host": self.host, "Cookie": f"{doors.COOKIE}={self._cookie}", **OWN, **headers}
        port = self.host.rpartition(":")[2]
        url = f"http://127.0.0.1:{port}{path}"
        answer = await self._session.request(method, url, headers=told, allow_redirects=False)
        await answer.read()
        return answer

    async def text(self, path: str) -> str:
        answer = await self.ask(path)
        assert answer.status == 200, await answer.text()
        return await answer.text()

    async def json(self, path: str) -> Any:
        answer = await self.ask(path)
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "application/json"
        return await answer.json()

    async def verified(self) -> None:
        """Wait until every journal was verified."""
        async with asyncio.timeout(60):
            await self.console.background.settled()


@asynccontextmanager
async def calling(made: Setup) -> AsyncIterator[Caller]:
    console = Console(made, CODES)
    app = console.application(door(), lambda: None)
    async with (
        console.running(lambda *_: None),
        served(app) as link,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
    ):
        caller = Caller(session, console, link())
        await caller.come_in()
        yield caller
