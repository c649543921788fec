"""A node served over TLS 1.3 on loopback, and a caller without any manners of its own."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import msgspec
from aiohttp import web

from exchange import resources
from exchange.api.app import make_app
from exchange.api.server import Runner
from exchange.cli import state
from exchange.cli import world as cli_world
from exchange.client.tls import pinned
from exchange.model import objects, wire
from exchange.node.sessions import TOKEN_LIFETIME_S, _Claims
from tests import builders
from tests.builders import NOW, OPS, world
from tests.node.running import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from exchange.model.trust import Endpoint
    from exchange.node.node import Node


def certificate() -> str:
    return builders.certificate()[0]


class Said(NamedTuple):
    """An answer: its status, its media type and its bytes."""

    status: int
    media: str
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        """The code of a problem; every no must be one."""
        assert self.media == wire.PROBLEM_TYPE, self
        problem = msgspec.json.decode(self.body, type=wire.Problem)
        assert problem.status == self.status
        assert problem.type == f"urn:exchange:problem:{problem.code}"
        assert all([problem.en.what, problem.es.what, problem.en.next, problem.es.next])
        return problem.code


class Door:
    """A served node, as its callers meet it."""

    def __init__(self, node: Node, app: web.Application, port: int) -> None:
        self.node, self.app, self.port = node, app, port
        self.url = f"https://127.0.0.1:{port}"
        self.http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=pinned(certificate()), limit=0)
        )
        self.runner: Runner | None = None
        self._tokens: dict[str, str] = {}

    def token(self, endpoint: str = OPS) -> str:
        """A token as the session route gives it (the route itself has tests of its own)."""
        if endpoint not in self._tokens:
            expires = self.node.now() + TOKEN_LIFETIME_S
            signer = world().signers[endpoint]
            kids = [key.kid for key in signer.keys]
            claims = _Claims("token", endpoint, signer.suite, kids, expires, "")
            self._tokens[endpoint] = self.node.sessions._make(claims)
        return self._tokens[endpoint]

    async def ask(self, method: str, path: str, by: str | None = OPS, **options: Any) -> Said:
        headers = options.pop("headers", {})
        if by:
            headers = {"Authorization": f"Bearer {self.token(by)}", **headers}
        async with self.http.request(
            method, self.url + path, headers=headers, **options
        ) as answer:
            return Said(answer.status, answer.content_type, await answer.read())

    async def get(self, path: str, by: str | None = OPS, **options: Any) -> Said:
        return await self.ask("GET", path, by, **options)

    async def post(self, data: Any, by: str | None = OPS, path: str = "/v1/objects") -> Said:
        return await self.ask("POST", path, by, data=data)

    async def batch(self, data: bytes, by: str = OPS) -> list[Any]:
        said = await self.post(data, by, "/v1/batch")
        assert (said.status, said.media) == (200, wire.LINES_TYPE), said
        return wire.decode_lines(said.body)

    async def raw(self, data: bytes) -> bytes:
        """Send bytes as they are, and return all that comes until the node hangs up."""
        reader, writer = await self.connect()
        writer.write(data)
        try:
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=pinned(certificate()))


@asynccontextmanager
async def serve(node: Node) -> AsyncIterator[Door]:
    openapi, ends = resources.read("v1/api.openapi.json"), state.certificate_ends(certificate())
    app = make_app(node, cli_world.codes(), openapi, ends)
    runner = Runner(app, shutdown_timeout=0.1)
    await runner.setup()
    tls = state.server_context(certificate(), builders.TLS_SEED)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    door = Door(node, app, runner.addresses[0][1])
    door.runner = runner
    try:
        yield door
    finally:
        await door.http.close()
        await runner.cleanup()


@asynccontextmanager
async def serving(*args: Any, **options: Any) -> AsyncIterator[Door]:
    async with running(*args, **options) as node, serve(node) as door:
        yield door


def keyless(endpoint: Endpoint) -> Endpoint:
    """None of its signing keys is valid any more."""
    keys = [
        msgspec.structs.replace(key, until=NOW) if key.use == "sig" else key
        for key in endpoint.keys
    ]
    return msgspec.structs.replace(endpoint, keys=keys)


def session_request(nonce: str, now: int, by: str = OPS, **changes: Any) -> bytes:
    asked = objects.SessionRequest(
        v="xb1",
        suite="xb1-h",
        origin=by.partition("/")[0],
        endpoint=by,
        node="pa",
        nonce=nonce,
        issued=now,
    )
    changed = msgspec.structs.replace(asked, **changes)
    return world().sign(changed, objects.SESSION_TYP, by)


def tls12() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context
