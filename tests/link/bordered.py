"""Two nodes in this process, each of one nation, and the links between them over real TLS."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from aiohttp import web

from exchange.cli import state
from exchange.cli.serve import log_signers, take_in
from exchange.link.door import Door
from exchange.link.greeting import Greeter
from exchange.link.offering import DOOR, make_app
from exchange.link.pulling import Puller
from exchange.link.serving import make_runner
from exchange.link.transport import Peer
from exchange.model import entry as entries
from exchange.node.node import Identity, Node
from exchange.node.settings import Settings
from exchange.seal.software import SoftwareSigner
from exchange.store.blob_memory import MemoryBlobs
from exchange.store.homeheads import HomeHeadFiles
from exchange.store.memory import MemoryStore
from tests.builders import NOW_MS, TLS_SEED, Randomness, border, certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from exchange.journal.checkpoint import Signer
    from exchange.link.door import Room
    from exchange.model.entry import Entry
    from exchange.node.served import Answer
    from exchange.seal.close import Envelope


class Clock:
    """Stands still until it is moved; both nodes go by it."""

    def __init__(self, ms: int = NOW_MS) -> None:
        self.ms = ms

    def __call__(self) -> int:
        return self.ms


class Kept:
    """How far a link came, in memory; and what it accused the other node of."""

    def __init__(self) -> None:
        self.kept: Any = None
        self.evidence: list[bytes] = []

    def recall(self, wanted: Any) -> Any:
        return None if self.kept is None else msgspec.json.decode(self.kept, type=wanted)

    def keep(self, kept: msgspec.Struct, changed: Any) -> None:  # noqa: ARG002
        self.kept = msgspec.json.encode(kept)

    def accuse(self, known: bytes, evidence: bytes) -> str:  # noqa: ARG002
        self.evidence.append(evidence)
        return "kept"


class Side(NamedTuple):
    """One nation's node, and its link to the other."""

    node: Node
    puller: Puller
    memory: Kept

    async def post(self, what: Envelope | bytes, caller: str | None = None) -> Answer:
        arrival = border().arrival(what, caller)
        return await self.node.submit(arrival.caller, arrival.raw, arrival.body)

    async def sign(self) -> None:
        """A checkpoint of all that is there."""
        await self.node.checkpoints.checkpoint()

    async def entry(self, index: int) -> Entry:
        (row,) = await self.node.store.read(index, 1)
        return entries.decode(row.entry)

    async def inbox(self, endpoint: str) -> list[Entry]:
        rows = await self.node.store.inbox(endpoint, -1, 1000)
        return [entries.decode(row.entry) for row in rows]


class Border(NamedTuple):
    """Both, and the time."""

    pa: Side
    us: Side
    clock: Clock

    async def settle(self, rounds: int = 3) -> None:
        """Sign and pull on both sides until nothing crosses any more."""
        for _ in range(rounds):
            for side, other in ((self.pa, self.us), (self.us, self.pa)):
                await other.sign()
                while await side.puller.pull():
                    pass


@asynccontextmanager
async def bordered(  # noqa: PLR0913, PLR0917  (each is left as it is by most)
    between: Callable[[web.Application, str], web.Application] = lambda app, _: app,
    store: Callable[[], Any] = MemoryStore,
    blobs: Callable[[str, Clock], Any] = lambda _, clock: MemoryBlobs(clock),
    trust_bytes: int = 1 << 20,
    next_logs: Sequence[Sequence[Signer]] = (),
    room: Room | None = None,
) -> AsyncIterator[Border]:
    """Two nodes that have each taken in the first documents; nothing was pulled yet.

    ``between`` may put something before what a node offers; ``trust_bytes`` is how much trust
    goes with a page, ``next_logs`` are keys that Panama's log may be handed over to, and
    ``room`` is what each has for callers.
    """
    clock = Clock()

    def offers(node: Node) -> web.Application:
        greeter = Greeter(node.name, Randomness(f"greet {node.name}"))
        app = make_app(node, greeter, None, trust_bytes)
        app[DOOR] = Door(room)
        return between(app, node.name)

    with TemporaryDirectory() as folder:
        async with (
            _node("pa", clock, store(), blobs("pa", clock), next_logs) as pa,
            _node("us", clock, store(), blobs("us", clock)) as us,
            _offered(offers(pa)) as at_pa,
            _offered(offers(us)) as at_us,
            _side(pa, "us", at_us, Path(folder)) as ours,
            _side(us, "pa", at_pa, Path(folder)) as theirs,
        ):
            yield Border(ours, theirs, clock)


@asynccontextmanager
async def _node(
    name: str,
    clock: Clock,
    store: Any,
    blobs: Any,
    next_logs: Sequence[Sequence[Signer]] = (),
) -> AsyncIterator[Node]:
    secrets = border().nodes[name]
    with ThreadPoolExecutor(2) as executor:
        settings = Settings(
            node=name,
            signer=SoftwareSigner("xb1-h", secrets.of("sign")),
            clock_ms=clock,
            monotonic_ms=clock,
            randomness=Randomness(name),
            blobs=blobs,
            executor=executor,
        )
        identity = Identity(border().anchor, log_signers(name, secrets), bytes(32), next_logs)
        node = await Node.open(store, settings, identity, 0)
        try:
            await take_in(node, border().documents)
            yield node
        finally:
            await node.close()


@asynccontextmanager
async def _offered(app: web.Application) -> AsyncIterator[str]:
    runner = make_runner(app)
    await runner.setup()
    context = state.server_context(certificate()[0], TLS_SEED)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        app[DOOR].open(listening, runner.server, context)
        try:
            yield f"https://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            app[DOOR].close()
            await runner.cleanup()


@asynccontextmanager
async def _side(node: Node, other: str, url: str, folder: Path) -> AsyncIterator[Side]:
    node.crossed = HomeHeadFiles(folder / node.name)
    peer = Peer(
        url,
        (node.name, other),
        partial(node.view.nodes.__getitem__, other),
        lambda: node.writer.rings.signer(node.view),
        node.now,
    )
    peer.wait_s = 0
    memory = Kept()
    async with peer:
        yield Side(node, Puller(peer, node, memory), memory)
