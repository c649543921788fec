"""A node of the United States that takes in what Panama's recorded, and an officer at it.

Panama's journal is one in memory; what crosses is taken in by the real node, served over TLS
by a front that can lie.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.broker import keys, peering
from exchange.broker.peering import Crossing
from exchange.cli import world as cli_world
from exchange.cli.serve import log_signers, take_in
from exchange.client import compose
from exchange.client.agency import Agency
from exchange.client.seen import SeenHead
from exchange.client.world import Keys, World
from exchange.model import entry as entries
from exchange.node import receiving, shipping
from exchange.node.node import Identity, Node
from exchange.node.settings import Settings
from exchange.seal import trust_online
from exchange.seal.close import Closed, Envelope
from exchange.seal.software import SoftwareSigner
from exchange.store.blob_memory import MemoryBlobs
from exchange.store.memory import MemoryStore
from tests.api.serving import Door, serve
from tests.books import Book
from tests.builders import FOUNDED, NOW, OPS, WATCH, Arrival, Randomness, View, border, new_id
from tests.client.dealing import Liar, _made, cabinet, draft, fronted, profile
from tests.node.running import SESSION_KEY, Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from exchange.node import ports
    from exchange.node.served import Answer


def book(node: str = "pa") -> Book:
    """A journal that holds the founding documents, as the node of a nation has it."""
    made = Book(View(anchor=border().anchor), node)
    ledger = made.ledger()
    ledger.append(entries.EpochOpened(node=node, epoch=1, **ledger.common()))
    made.commit(ledger)
    for document in border().documents:
        made.post(Arrival("", document, b"", FOUNDED * 1000))
    return made


def closed(now: int = NOW, view: View | None = None, to: str = WATCH) -> Closed:
    """A bulletin from pa.senan/ops that can be read, with its content key."""
    wanted = draft()
    prepared = compose.prepare(
        msgspec.structs.replace(wanted, post=msgspec.structs.replace(wanted.post, to=[to])),
        view or border().view,
        endpoint=OPS,
        identity=new_id(),
        now=now,
        codes=cli_world.codes(),
    )
    drawn = Randomness(prepared.header.id)
    return compose.seal(prepared, border().signers[OPS], drawn)


def bulletin(now: int = NOW, view: View | None = None) -> Envelope:
    """A bulletin from pa.senan/ops to us.jiatfs/watch that can be read."""
    return closed(now, view).envelope


class Abroad(NamedTuple):
    """Both sides: Panama's journal; our node, what is known of it, its liar and its clock."""

    pa: Book
    us: Node
    settings: Settings
    door: Door
    liar: Liar
    url: str
    clock: Clock

    async def crosses(self, index: int, body: bytes | None = b"") -> Answer:
        """Have our node take in an entry of Panama's."""
        came = Crossing(entries.Home("pa", index), self.pa.entries[index], body)
        (answer,) = await receiving.receive(self.us.writer, self.us.judging, [came])
        return answer

    def posted(self, what: Envelope | bytes, caller: str | None = None, at: int = NOW) -> int:
        """The entry of what an agency of Panama posts at home."""
        (settled,) = self.pa.post(border().arrival(what, caller, at))
        return settled.index

    async def sent(self, what: Envelope | bytes, at: int = NOW) -> Answer:
        """What is posted at home, and crosses."""
        body = what.body if isinstance(what, Envelope) else b""
        return await self.crosses(self.posted(what, at=at), body)

    async def trusts(self, document: bytes, at: int = NOW) -> Answer:
        """A trust document that takes effect at home, and crosses."""
        (settled,) = self.pa.post(Arrival("", document, b"", at * 1000))
        return await self.crosses(settled.index, document)

    async def told(self) -> None:
        """Panama's node takes in all that ours has recorded and that is for it."""
        for row in await self.us.store.read(0, 1000):
            facts, home = entries.decode(row.entry).facts, entries.Home("us", row.index)
            if keys.crossed(home) not in self.pa.known and peering.is_for(facts, ["pa"]):
                blobs = shipping.named(row.entry)
                body = await self.us.store.blob(blobs[0].digest) if blobs else b""
                self.pa.receive(Crossing(home, row.entry, body))

    def agency(self, folder: Path, endpoint: str = WATCH) -> Agency:
        """An agency at our node, which remembers what it saw."""
        return officer(self.url, "us", folder, endpoint, self.clock)


def officer(
    url: str, node: str, folder: Path, endpoint: str, clock: Callable[[], int]
) -> Agency:
    """An agency at a node of these nations."""
    made = folder / endpoint.replace("/", "-")
    made.mkdir(exist_ok=True, parents=True)
    own = Keys(border().signers[endpoint], border().openers[endpoint])
    here = World(
        clock,
        Randomness(f"abroad {next(_made)}"),
        cli_world.codes(),
        cabinet(made),
        seen=SeenHead(made / "head.json"),
    )
    anchor = border().anchor
    return Agency(profile(url, endpoint, node=node, anchor=anchor), own, here)


@asynccontextmanager
async def us_node(
    clock: Clock, store: ports.Store | None = None
) -> AsyncIterator[tuple[Node, Settings]]:
    """A node of the United States with the founding documents."""
    secrets = border().nodes["us"]
    with ThreadPoolExecutor(2) as executor:
        settings = Settings(
            node="us",
            signer=SoftwareSigner.of(secrets.of("sign")),
            clock_ms=clock,
            monotonic_ms=clock,
            randomness=Randomness("us"),
            blobs=MemoryBlobs(clock),
            executor=executor,
        )
        identity = Identity(border().anchor, log_signers("us", secrets), SESSION_KEY)
        node = await Node.open(store or MemoryStore(), settings, identity, 0)
        stamp = trust_online.make("us", border().view, settings.signer, clock.ms // 1000)
        try:
            await take_in(node, [*border().documents, stamp])
            yield node, settings
        finally:
            await node.close()


@asynccontextmanager
async def abroad(store: ports.Store | None = None) -> AsyncIterator[Abroad]:
    """Our node, to which the founding documents of Panama's have crossed."""
    clock = Clock()
    async with us_node(clock, store) as (node, settings), serve(node) as door:
        liar = Liar(door)
        async with fronted(liar.handle) as url:
            made = Abroad(book(), node, settings, door, liar, url, clock)
            for index, document in enumerate(border().documents, 1):
                await made.crosses(index, document)
            yield made


def changed(entry: str, ours: bool, **facts: object) -> str:
    """An entry from abroad, in which our node's facts say otherwise, or those at home do."""
    lines = entry.split("\n")
    place = 0 if ours else 1
    lines[place] = msgspec.json.encode({**msgspec.json.decode(lines[place]), **facts}).decode()
    return "\n".join(lines)
