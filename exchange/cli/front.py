"""A front process of a node; and its face, which serves the interface in any process."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
from typing import TYPE_CHECKING

import structlog

from exchange import resources
from exchange.api.app import make_app
from exchange.api.server import Runner
from exchange.cli import state, world
from exchange.node import frames
from exchange.node.clock import Clock
from exchange.node.front import Front
from exchange.node.sessions import Sessions
from exchange.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from exchange.node.served import Served

_HANDSHAKE_S = 20.0
_FINISH_S = 5.0
# Connections taken from the node in one go.
_DEALT = 16

_log = structlog.get_logger("exchange.node")


class Face:
    """The interface of something served: takes connections one by one."""

    def __init__(self, served: Served, certificate: str, tls_seed: bytes) -> None:
        """Prepare; ``start`` before the first connection."""
        app = make_app(served, world.codes(), resources.read("v1/api.openapi.json"))
        self._runner = Runner(app, shutdown_timeout=_FINISH_S)
        self._tls = state.server_context(certificate, tls_seed)
        self._listening: asyncio.Server | None = None
        self._greeting: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Be ready for connections."""
        await self._runner.setup()

    def take(self, connection: socket.socket) -> None:
        """Serve one caller's connection, from its handshake on."""
        task = asyncio.get_running_loop().create_task(self._greet(connection))
        self._greeting.add(task)
        task.add_done_callback(self._greeting.discard)

    async def _greet(self, connection: socket.socket) -> None:
        server = self._runner.server
        if server is None:
            connection.close()
            return
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(
                server, connection, ssl=self._tls, ssl_handshake_timeout=_HANDSHAKE_S
            )
        except (OSError, ssl.SSLError, TimeoutError):
            # Whoever cannot shake hands is nobody to answer.
            connection.close()

    def listen(self, listening: socket.socket) -> None:
        """Accept connections here, without anybody who deals them out."""
        listening.setblocking(False)
        loop = asyncio.get_running_loop()
        loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        connection.setblocking(False)
        self.take(connection)

    async def close(self) -> None:
        """Let requests under way finish for a moment, then hang up."""
        for task in self._greeting:
            task.cancel()
        await self._runner.cleanup()


async def _serve(wire_fd: int, deals_fd: int) -> None:
    loop = asyncio.get_running_loop()
    told: asyncio.Future[frames.Hello] = loop.create_future()
    stop = asyncio.Event()
    front: Front | None = None

    def hear(message: frames.FromWriter) -> None:
        if isinstance(message, frames.Stop):
            stop.set()
        elif isinstance(message, frames.Hello):
            told.set_result(message)
        elif front is not None:
            front.hear(message)

    def lost() -> None:
        # The node is gone, and with it everything that could be answered.
        os._exit(1)

    wire = frames.Wire(frames.WRITER, hear, lost)
    await loop.create_connection(lambda: wire, sock=socket.socket(fileno=wire_fd))
    hello = await told
    store = SqliteStore.follow(hello.journal)
    sessions = Sessions(hello.node, hello.session_key, world.randomness)
    stamps = Clock(world.clock_ms, world.monotonic_ms)
    front = Front(hello, store, sessions, world.clock_ms, stamps)
    front.say = wire.say
    face = Face(front, hello.certificate, hello.tls_seed)
    await face.start()
    deals = socket.socket(fileno=deals_fd)
    deals.setblocking(False)
    loop.add_reader(deals, _take, deals, face)
    front.count()
    wire.say(frames.Up())
    await stop.wait()
    loop.remove_reader(deals)
    await face.close()
    await store.close()


def _take(deals: socket.socket, face: Face) -> None:
    try:
        _, descriptors, _, _ = socket.recv_fds(deals, _DEALT, _DEALT)
    except OSError:
        return
    for each in descriptors:
        connection = socket.socket(fileno=each)
        connection.setblocking(False)
        face.take(connection)


def main() -> None:
    """Run the front whose two sockets to the node are named on the command line."""
    from exchange.cli.serve import run_fast  # noqa: PLC0415  (it imports this module)

    try:
        run_fast(_serve(int(sys.argv[1]), int(sys.argv[2])))
    except Exception as error:  # noqa: BLE001  (its type and no more: it may quote anything)
        _log.critical("stopped", part="front", error=type(error).__name__)
        sys.exit(1)
