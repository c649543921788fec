"""An agency in this process, with its outbox in a folder, at the test's own time."""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from exchange import resources
from exchange.cli import state
from exchange.cli import world as cli_world
from exchange.client.agency import Agency
from exchange.client.cabinet import Cabinet
from exchange.client.transport import Profile
from exchange.client.world import Keys, World
from exchange.model.draft import read_draft
from tests.api.serving import certificate, serving
from tests.builders import NOW_MS, OPS, TLS_SEED, Randomness, world
from tests.node.running import Clock

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from exchange.client.memory import Memory
    from exchange.client.seen import SeenHead
    from exchange.model.draft import Draft
    from tests.api.serving import Door

_made = itertools.count()  # no two agencies draw the same

DRAFT = """
[post]
feed = "maritime"
precedence = "routine"
status = "exercise"
expires = "1d"
retain = "30d"
to = ["us.jiatfs/watch"]
[post.marking]
tlp = "amber"
releasable_to = ["PAN", "USA"]
handling = []
originator_control = false
"""


def forget_bodies(line: Agency) -> None:
    """What was fetched is gone from here, and is fetched again."""
    line.bodies.flush()
    line.world.cabinet.take_overdue("body", 1 << 40)


def profile(url: str, endpoint: str = OPS, **changes: Any) -> Profile:
    usual = {
        "endpoint": endpoint,
        "node": "pa",
        "url": url,
        "certificate": certificate(),
        "anchor": world().anchor,
    }
    return Profile(**{**usual, **changes})


STORAGE = bytes(range(32))  # of every endpoint here: what one may open is not what is tried


def cabinet(folder: Path) -> Cabinet:
    """An endpoint's mail in a folder, as any command finds it; each draws other nonces."""
    return Cabinet(folder, [STORAGE], Randomness(f"cabinet {next(_made)}"))


def agency(  # noqa: PLR0913, PLR0917  (each by its name)
    url: str,
    folder: Path,
    endpoint: str = OPS,
    clock: Callable[[], int] | None = None,
    memory: Memory | None = None,
    seen: SeenHead | None = None,
    **changes: Any,
) -> Agency:
    keys = Keys(world().signers[endpoint], world().openers[endpoint])
    here = World(
        clock or Clock(NOW_MS),
        Randomness(f"agency {next(_made)}"),
        cli_world.codes(),
        cabinet(folder),
        memory,
        seen,
    )
    return Agency(profile(url, endpoint, **changes), keys, here)


def draft(bulletin: dict[str, Any] | None = None) -> Draft:
    """The committed example of a vessel of interest, for the test's own feed and reader."""
    read = read_draft(resources.read("v1/examples/voi-1.es.toml"), toml=True)
    said = read_draft((DRAFT + "[bulletin]\n").encode(), toml=True)
    return msgspec.structs.replace(read, post=said.post, bulletin=bulletin or read.bulletin)


class Liar:
    """A node's front that alters what the node says: real HTTP, real TLS, the pinned key."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.change: Callable[[str, Any], Any] = lambda _, value: value
        self.asked: list[str] = []
        self.told: list[bytes] = []
        self._answers: list[tuple[str, bytes]] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path}")
        self.told.append(await request.read())
        async with self.door.http.request(
            request.method,
            self.door.url + request.path_qs,
            data=await request.read(),
            headers={k: v for k, v in request.headers.items() if k == "Authorization"},
        ) as answer:
            body = await answer.read()
        if answer.content_type == "application/json":
            value = self.change(request.path, msgspec.json.decode(body))
            body = msgspec.json.encode(value)
        self._answers.append((request.path, body))
        return web.Response(body=body, status=answer.status, content_type=answer.content_type)

    def answers(self, path: str) -> list[bytes]:
        """What it answered to requests of a path."""
        return [body for asked, body in self._answers if asked == path]


@asynccontextmanager
async def fronted(handle: Any, server_tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve a handler for every path; the address it answers at."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    tls = server_tls or state.server_context(certificate(), TLS_SEED)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def lied_to() -> AsyncIterator[tuple[Door, Liar, str]]:
    async with serving() as door:
        liar = Liar(door)
        async with fronted(liar.handle) as url:
            yield door, liar, url
