"""A front process of a node; and its face, which serves the interface in any process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from exchange import resources
from exchange.api.app import make_app
from exchange.api.server import Runner
from exchange.cli import state, world
from exchange.cli.processes import run_fast
from exchange.node import frames
from exchange.node.clock import Clock
from exchange.node.front import Front
from exchange.node.ports import Kept
from exchange.node.sessions import Sessions
from exchange.store.blob_files import BlobFiles
from exchange.store.homeheads import HomeHeadFiles
from exchange.store.quota import Allowance
from exchange.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from exchange.node.served import Served

_HANDSHAKE_S = 20.0
_FINISH_S = 5.0
# Connections taken from the node in one go.
_DEALT = 64

_log = structlog.get_logger("exchange.node")


class Face:
    """The interface of something served: takes connections one by one."""

    def __init__(self, served: Served, certificate: str, tls_seed: bytes) -> None:
        """Prepare; ``start`` before the first connection."""
        app = make_app(
            served,
            world.codes(),
            resources.read("v1/api.openapi.json"),
            state.certificate_ends(certificate),
        )
        self._runner = Runner(app, shutdown_timeout=_FINISH_S)
        self._tls = state.server_context(certificate, tls_seed)
        self._greeting: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Be ready for connections."""
        await self._runner.setup()

    def take(self, caller: socket.socket) -> bool:
        """Serve one caller, whose socket does not block, from its handshake on."""
        task = asyncio.get_running_loop().create_task(self._greet(caller))
        self._greeting.add(task)
        task.add_done_callback(self._greeting.discard)
        return True

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

    async def close(self) -> None:
        """Let requests under way finish for a moment, then hang up."""
        for task in self._greeting:
            task.cancel()
        await self._runner.cleanup()


class _Process:
    """The front of this process, from the node's first word to its last."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.greeted: asyncio.Future[tuple[Front, frames.Hello]] = (
            asyncio.get_running_loop().create_future()
        )
        self.wire = frames.Wire(frames.WRITER, self._hear, self._lost)
        self._front: Front | None = None

    def _hear(self, message: frames.FromWriter) -> None:
        if isinstance(message, frames.Stop):
            self.stop.set()
        elif isinstance(message, frames.Hello):
            # At once: the news behind it in the same breath are for this front already.
            self._front = self._made(message)
            self.greeted.set_result((self._front, message))
        elif self._front is not None:
            self._front.hear(message)

    def _made(self, hello: frames.Hello) -> Front:
        sessions = Sessions(hello.node, hello.session_key, world.randomness)
        stamps = Clock(world.clock_ms, world.monotonic_ms)
        store = SqliteStore.follow(hello.journal)
        folder = Path(hello.journal).with_name(state.BLOBS)
        blobs = BlobFiles(folder, world.clock_ms, Allowance(kept_bytes=hello.kept_bytes))
        front = Front(hello, Kept(store, blobs), sessions, world.clock_ms, stamps)
        front.crossed = HomeHeadFiles(folder.with_name(state.LINKS))
        front.say = self.wire.say
        return front

    @staticmethod
    def _lost() -> None:
        # The node is gone, and with it everything that could be answered.
        os._exit(1)


async def _serve(wire_fd: int, deals_fd: int) -> None:
    loop = asyncio.get_running_loop()
    process = _Process()
    await loop.create_connection(lambda: process.wire, sock=socket.socket(fileno=wire_fd))
    front, hello = await process.greeted
    face = Face(front, hello.certificate, hello.tls_seed)
    await face.start()
    deals = socket.socket(fileno=deals_fd)
    deals.setblocking(False)
    loop.add_reader(deals, _take, deals, face)
    front.count()
    process.wire.say(frames.Up())
    await process.stop.wait()
    loop.remove_reader(deals)
    await face.close()
    # Before the last word: a node that is stopped forgets nothing of what was shown.
    front.tell_shown()
    await front.store.close()
    await front.blobs.close()


def _take(deals: socket.socket, face: Face) -> None:
    """Take the callers that the node dealt to this front, a bounded number at a time."""
    for _ in range(_DEALT):
        try:
            _, descriptors, _, _ = socket.recv_fds(deals, 1, 1)
        except OSError:
            return
        for each in descriptors:
            caller = socket.socket(fileno=each)
            caller.setblocking(False)
            face.take(caller)


# Everybody waits for the one writer, so it goes first where there are too few cores: fronts
# stood idle 14 to 18 % of the time under 64 posters, and 4 to 7 % since.
_YIELDING = 5


def main() -> None:
    """Run the front whose two sockets to the node are named on the command line."""
    os.nice(_YIELDING)
    # Who stops a node may signal all of its processes; this one ends when the node tells it to.
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    try:
        run_fast(_serve(int(sys.argv[1]), int(sys.argv[2])))
    except Exception as error:  # noqa: BLE001  (its type and no more: it may quote anything)
        _log.critical("stopped", part="front", error=type(error).__name__)
        sys.exit(1)
