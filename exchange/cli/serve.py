"""Start a node on a folder: open its journal, take in its trust documents, serve over TLS."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa

from exchange import resources
from exchange.api.app import make_app
from exchange.api.server import Runner
from exchange.cli import state, world
from exchange.errors import Code, Fault
from exchange.journal import checkpoint
from exchange.node.checkpoints import origin_of
from exchange.node.considering import Processes, Threads
from exchange.node.node import Identity, Node
from exchange.node.writer import Settings
from exchange.seal.software import SoftwareSigner
from exchange.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from exchange.custody.container import Secrets
    from exchange.node.considering import Considering

_log = structlog.get_logger("exchange.node")

_SWITCH_S = 0.0005
# Objects made and not yet freed between two searches for cycles. Python's own 700 is less than
# the bulletins under way hold: 15 us a bulletin went into finding nothing.
_GARBAGE = 50_000


# Each costs about 37 MiB; beyond this the one writer is what everything waits for.
MAX_WORKERS = 4


async def serve(here: state.State, host: str, port: int, checkpoint_s: float) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        Fault: the journal cannot be trusted or written, or a trust document does not hold.
    """
    secrets, settings = here.secrets(), here.settings()
    async with _considering() as considering:
        node = await Node.open(
            SqliteStore.open(here.journal),
            Settings(
                node=settings.node,
                signer=SoftwareSigner("xb1-h", secrets.of("sign")),
                clock_ms=world.clock_ms,
                monotonic_ms=world.monotonic_ms,
                randomness=world.randomness,
                considering=considering,
            ),
            Identity(
                anchor=settings.anchor,
                log=log_signers(settings.node, secrets),
                session_key=here.session_key(world.randomness(32)),
            ),
            checkpoint_s,
        )
        try:
            await take_in(node, here.documents())
            await _listen(node, here, secrets, (host, port))
        finally:
            await node.close()


@asynccontextmanager
async def _considering() -> AsyncIterator[Considering]:
    """Consider in a process for each core; where there is one core, in a thread beside us."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if (cores or 1) == 1:
        with ThreadPoolExecutor(1, thread_name_prefix="consider") as executor:
            yield Threads(executor, 1)
        return
    processes = Processes(min(cores or 1, MAX_WORKERS))
    await processes.start()
    try:
        yield processes
    finally:
        await processes.close()


async def take_in(node: Node, documents: Sequence[bytes]) -> None:
    """Take in the operator's trust documents; those already in the journal change nothing.

    Raises:
        Fault, Refusal: one of them does not hold: the node does not start half informed.
    """
    for document in documents:
        answer = await node.submit("", document, b"")
        if answer.refusal is not None:
            raise answer.refusal


async def _listen(
    node: Node, here: state.State, secrets: Secrets, address: tuple[str, int]
) -> None:
    app = make_app(node, world.codes(), resources.read("v1/api.openapi.json"))
    runner = Runner(app, shutdown_timeout=5)
    await runner.setup()
    tls = state.server_context(here.certificate(), secrets.of("tls")[0].seed)
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    try:
        site = web.TCPSite(runner, *address, ssl_context=tls, backlog=1024)
        await site.start()
        port = runner.addresses[0][1]
        _log.info("ready", node=node.name, host=address[0], port=port, size=node.writer.size)
        await stop.wait()
        _log.info("stopping", node=node.name, size=node.writer.size)
    finally:
        await runner.cleanup()


def log_signers(node: str, secrets: Secrets) -> list[checkpoint.Signer]:
    """Return the two keys that sign a node's checkpoints, under the journal's name."""
    first, second = secrets.of("log")
    origin = origin_of(node)
    return [
        checkpoint.ed25519_signer(
            origin, ed25519.Ed25519PrivateKey.from_private_bytes(first.seed)
        ),
        checkpoint.ml_dsa_44_signer(
            origin, mldsa.MLDSA44PrivateKey.from_seed_bytes(second.seed)
        ),
    ]


def diagnostics() -> None:
    """Send the diary to stderr, one JSON object a line."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def run(here: state.State, host: str, port: int, checkpoint_s: float) -> None:
    """Run ``serve`` on the fastest event loop there is.

    Raises:
        Fault: as ``serve``; or the address cannot be had.
    """
    import uvloop  # noqa: PLC0415  (only a node needs it)

    diagnostics()
    # No core file: it would hold every key of the node in the clear. Workers inherit this.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Threads that come back from verifying wait for the interpreter no longer than this.
    sys.setswitchinterval(_SWITCH_S)
    # What is loaded by now stays: it is not looked through for garbage again.
    gc.freeze()
    gc.set_threshold(_GARBAGE, 10, 10)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(here, host, port, checkpoint_s))
    except OSError as error:
        raise Fault(
            Code.UNAVAILABLE, name=f"{host}:{port}", found=type(error).__name__
        ) from error
