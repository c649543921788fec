"""Start a node on a folder: open its journal, take in its trust documents, serve over TLS."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import structlog
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa

from exchange.broker import keys
from exchange.cli import state, world
from exchange.cli.linking import linked
from exchange.cli.processes import run_fast
from exchange.custody import node_rings, signers
from exchange.errors import Code, Fault, Refusal
from exchange.journal import checkpoint
from exchange.journal.logkeys import origin_of
from exchange.link.courier import Courier
from exchange.model import metadata
from exchange.model.identity import digest
from exchange.model.view import View
from exchange.node.accepting import Acceptor
from exchange.node.fronts import Fronts, Secrets
from exchange.node.node import Identity, Node
from exchange.node.settings import Settings
from exchange.seal import trust
from exchange.store.blob_files import BlobFiles
from exchange.store.linked import LinkFile
from exchange.store.pledge import PledgeFile
from exchange.store.quota import Allowance
from exchange.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from exchange.custody import container
    from exchange.node.spawning import Spawned

_log = structlog.get_logger("exchange.node")

_BACKLOG = 1024
# Read at once of a standard input that is waited on for its end.
_IGNORED_BYTES = 4096


class How(NamedTuple):
    """Where a node answers, how often it signs checkpoints, and what ends it beside signals."""

    address: tuple[str, int]
    checkpoint_s: float
    until_eof: bool = False


async def serve(
    here: state.State, how: How, say: Callable[[], None], spawned: Sequence[Spawned]
) -> None:
    """Serve until SIGTERM or SIGINT; ``say`` is called when callers are answered.

    Raises:
        Fault: the journal cannot be trusted or written, or a trust document does not hold.
    """
    async with (
        opened(here, how.checkpoint_s, has_threads=not spawned) as (node, secrets, keys),
        linked(here, node, secrets, keys),
        _faced(node, secrets, spawned) as listen,
    ):
        await _until_told(node, how, listen, say)


@asynccontextmanager
async def opened(
    here: state.State, checkpoint_s: float, *, has_threads: bool
) -> AsyncIterator[tuple[Node, Secrets, container.Secrets]]:
    """Open a node on its folder; nobody is served yet.

    With it comes what a front of it must know, and all its keys.

    Args:
        here: its folder.
        checkpoint_s: seconds between two checkpoints.
        has_threads: see ``SqliteStore.open``: whether this process has callers to serve while
            it writes.

    Raises:
        Fault: as ``serve``.
    """
    settings = here.settings()
    allowance = Allowance(kept_bytes=settings.kept_bytes)
    secrets = here.secrets()
    others = node_rings.others(secrets)
    # Made anew at each start, and never on disk: whoever copies the folder, without any
    # passphrase, could make anybody's token. Callers prove possession once more.
    session_key = world.randomness(32)
    with ThreadPoolExecutor(2, thread_name_prefix="consider") as executor:
        async with Courier() as courier:
            node = await Node.open(
                SqliteStore.open(here.journal, has_threads=has_threads),
                Settings(
                    node=settings.node,
                    signer=signers.software(secrets.of("sign")),
                    next_signers=[
                        signers.software(secrets.of(each.receipts)) for each in others
                    ],
                    clock_ms=world.clock_ms,
                    monotonic_ms=world.monotonic_ms,
                    randomness=world.randomness,
                    executor=executor,
                    blobs=BlobFiles(
                        here.blobs, world.clock_ms, allowance, here.second_folder()
                    ),
                    pledge=PledgeFile(here.pledge),
                    cosigned=PledgeFile(here.cosigned),
                    known_time=PledgeFile(here.known_time),
                    courier=courier,
                    accuse=LinkFile(here.links, settings.node).accuse,
                    second=here.second(),
                    least_epoch=settings.restored,
                    aside=here.aside,
                    clock_is_right=here.clock_is_right,
                    issued_s=partial(_newest_issued, here, settings.anchor),
                ),
                Identity(
                    anchor=settings.anchor,
                    log=log_signers(settings.node, secrets),
                    session_key=session_key,
                    next_logs=[
                        log_signers(settings.node, secrets, each.log) for each in others
                    ],
                ),
                checkpoint_s,
            )
            try:
                await take_in_files(node, here.document_files())
                tls = secrets.of("tls")[0].seed
                certificate = here.certificate(tls)
                # Found out here, where somebody is told: a front could only end.
                here.must_serve_by(certificate, tls)
                journal, kept = str(here.journal), settings.kept_bytes
                front = Secrets(journal, session_key, certificate, tls, kept)
                yield node, front, secrets
            finally:
                await node.close()


@asynccontextmanager
async def _faced(
    node: Node, secrets: Secrets, spawned: Sequence[Spawned]
) -> AsyncIterator[Callable[[socket.socket], None]]:
    """Have these front processes serve; without any, serve in this process."""
    if not spawned:
        from exchange.cli.front import Face  # noqa: PLC0415  (fronts have it; else not needed)

        face = Face(node, secrets.certificate, secrets.tls_seed)
        await face.start()
        acceptor = Acceptor(face.take)
        try:
            yield acceptor.listen
        finally:
            acceptor.close()
            await face.close()
        return
    fronts = Fronts(node, secrets, spawned)
    try:
        await fronts.start()
        yield fronts.listen
    finally:
        await fronts.close()


async def _until_told(
    node: Node,
    how: How,
    listen: Callable[[socket.socket], None],
    say: Callable[[], None],
) -> None:
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    if how.until_eof:
        call_at_eof(asyncio.get_running_loop(), stop.set)
    host = how.address[0]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with _listening(how.address, family) as listening:
        listen(listening)
        port = listening.getsockname()[1]
        say()
        _log.info("ready", node=node.name, host=host, port=port, size=node.size)
        await stop.wait()
        _log.info("stopping", node=node.name, size=node.size)


def _listening(address: tuple[str, int], family: socket.AddressFamily) -> socket.socket:
    try:
        return socket.create_server(address, family=family, backlog=_BACKLOG)
    except OSError as error:
        host, port = address
        found = errno.errorcode.get(error.errno or 0, type(error).__name__)
        raise Fault(Code.CANNOT_LISTEN, name=f"{host}:{port}", found=found) from error


def call_at_eof(loop: asyncio.AbstractEventLoop, end: Callable[[], None]) -> None:
    """Have ``end`` called in the loop when standard input ends; what is in it means nothing."""

    def wait() -> None:
        # What cannot be read any more (a terminal that hung up, say) has ended.
        with suppress(OSError):
            while os.read(0, _IGNORED_BYTES):
                pass
        # The loop may have ended meanwhile, of itself.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(end)

    # Nobody waits for it: when the node ends otherwise, it may still be reading.
    threading.Thread(target=wait, name="until-eof", daemon=True).start()


async def take_in(node: Node, documents: Sequence[bytes]) -> None:
    """Take in the operator's trust documents; those already in the journal change nothing.

    Raises:
        Fault, Refusal: one of them does not hold: the node does not start half informed.
    """
    for document in documents:
        answer = await node.submit("", document, b"")
        if answer.refusal is not None:
            raise answer.refusal


async def take_in_files(node: Node, files: Sequence[Path]) -> None:
    """Take in the operator's trust documents; one that was overtaken is told of and left.

    Raises:
        Fault: as ``take_in``; ``trust-file`` names the one that does not hold.
    """
    for file in files:
        raw = file.read_bytes()
        try:
            if not await _is_overtaken(node, raw):
                await take_in(node, [raw])
                continue
        except Refusal as refusal:
            reason = str(refusal)
            if not _is_older(refusal):
                raise Fault(Code.TRUST_FILE, name=str(file), reason=reason) from refusal
        _log.warning("trust-overtaken", file=str(file))


def _newest_issued(here: state.State, anchor: str) -> int:
    """Return when the newest document was issued that custodians signed; 0: there is none.

    As it says itself, seconds UTC. What is not signed tells no time: it would switch off what
    this is for.
    """
    view, times = View(anchor=anchor), [0]
    for place, raw in enumerate(here.documents()):
        # What does not hold is named when it is taken in.
        with suppress(Refusal):
            change = trust.judge(raw, view, trust.in_time(raw, world.now()))
            view = view.after(change, place)
            times += [each.issued for each in change.documents]
    return max(times)


async def _is_overtaken(node: Node, raw: bytes) -> bool:
    """Tell whether another document is in force in its place: custodians' files have a name.

    Such a one is not sent in at each start, to be refused and recorded anew.
    """
    if not raw.startswith(metadata.BEGINS):
        return False
    read = metadata.read(raw).file.signed
    if not isinstance(read, metadata.Root | metadata.Targets):
        return False
    name = "root" if isinstance(read, metadata.Root) else read.role
    if read.version > node.view.version_of(name):
        return False
    return not await node.store.find(keys.of_trust(name, read.version, digest(raw))[:1])


def _is_older(refusal: Refusal) -> bool:
    """Tell whether something was refused since what is in force is no older than it is."""
    found, expected = refusal.facts.get("found"), refusal.facts.get("expected")
    is_stale = refusal.code is Code.STALE_VERSION
    return is_stale and int(found or 0) < int(expected or 0)


def log_signers(
    node: str, secrets: container.Secrets, purpose: str = "log"
) -> list[checkpoint.Signer]:
    """Return the two keys that sign a node's checkpoints, under the journal's name."""
    first, second = secrets.of(purpose)
    origin = origin_of(node)
    return [
        checkpoint.ed25519_signer(
            origin, ed25519.Ed25519PrivateKey.from_private_bytes(first.seed)
        ),
        checkpoint.ml_dsa_44_signer(
            origin, mldsa.MLDSA44PrivateKey.from_seed_bytes(second.seed)
        ),
    ]


def run(
    here: state.State, how: How, say: Callable[[], None], spawned: Sequence[Spawned] = ()
) -> None:
    """Run ``serve`` on the fastest event loop there is; without fronts in this process alone.

    Raises:
        Fault: as ``serve``; or the address cannot be had; or standard input, whose end is
            waited for, was closed from the beginning.
    """
    # Python has no name for one that was closed, and what is opened first takes its place.
    if how.until_eof and sys.stdin is None:
        raise Fault(Code.FILE, name="stdin", expected="open-stdin")
    try:
        run_fast(serve(here, how, say, spawned))
    except OSError as error:
        if error.filename:
            # A file of the node's: whoever started it is told which.
            raise
        host, port = how.address
        raise Fault(
            Code.UNAVAILABLE, name=f"{host}:{port}", found=type(error).__name__
        ) from error
