"""A node in this process, on any store, at a time that the test sets."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from exchange.cli.serve import log_signers, take_in
from exchange.model import entry as entries
from exchange.node.node import Identity, Node
from exchange.node.settings import MAX_GROUP_BYTES, Settings
from exchange.seal.software import SoftwareSigner
from exchange.store.blob_memory import MemoryBlobs
from exchange.store.memory import MemoryStore
from tests import builders
from tests.builders import NOW_MS, world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from exchange.model.entry import Entry
    from exchange.node import ports
    from exchange.node.served import Answer
    from exchange.seal.close import Envelope

SESSION_KEY = b"exercise session key, 32 bytes.."


class Clock:
    """Stands still until it is moved."""

    def __init__(self, ms: int = NOW_MS) -> None:
        self.ms = ms

    def __call__(self) -> int:
        return self.ms


class Gate:
    """A store whose appends wait while the gate is shut."""

    def __init__(self, inner: ports.Store) -> None:
        self.inner = inner
        self.open = asyncio.Event()
        self.open.set()
        self.batches: list[int] = []

    def shut(self) -> None:
        self.open.clear()
        self.batches.clear()

    async def append(self, batch: ports.Batch, expect: int) -> ports.Outcome:
        self.batches.append(len(batch.records))
        await self.open.wait()
        return await self.inner.append(batch, expect)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def identity(**changes: Any) -> Identity:
    usual = Identity(world().anchor, log_signers("pa", world().node), SESSION_KEY)
    return msgspec.structs.replace(usual, **changes)


@asynccontextmanager
async def running(  # noqa: PLR0913, PLR0917  (each by its name)
    store: Any = None,
    clock: Callable[[], int] | None = None,
    documents: Sequence[bytes] | None = None,
    checkpoint_s: float = 0,
    signer: Any = None,
    monotonic: Callable[[], int] | None = None,
    blobs: ports.Blobs | None = None,
    pledge: ports.Pledge | None = None,
    second: ports.Second | None = None,
    least_epoch: int = 0,
    group_bytes: int = MAX_GROUP_BYTES,
    cosigned: ports.Pledge | None = None,
    courier: ports.Courier | None = None,
    randomness: str = "node",
    next_signers: Sequence[Any] = (),
    aside: Callable[[], Sequence[str]] = tuple,
    clock_is_right: bool = False,
    known_time: ports.Pledge | None = None,
    issued_s: int = 0,
    **changes: Any,
) -> AsyncIterator[Node]:
    """A node with the world's trust documents taken in; ``changes`` are its identity's."""
    clock = clock or Clock()
    with ThreadPoolExecutor(2) as executor:
        settings = Settings(
            node="pa",
            signer=signer or SoftwareSigner("xb1-h", world().node.of("sign")),
            clock_ms=clock,
            # Moved with the other one, unless a test is about their parting.
            monotonic_ms=monotonic or clock,
            randomness=builders.Randomness(randomness),
            blobs=MemoryBlobs(clock) if blobs is None else blobs,
            executor=executor,
            pledge=pledge,
            second=second,
            least_epoch=least_epoch,
            group_bytes=group_bytes,
            cosigned=cosigned,
            courier=courier,
            next_signers=next_signers,
            aside=aside,
            clock_is_right=clock_is_right,
            known_time=known_time,
            issued_s=lambda: issued_s,
        )
        store = MemoryStore() if store is None else store
        node = await Node.open(store, settings, identity(**changes), checkpoint_s)
        try:
            await take_in(node, world().documents if documents is None else documents)
            yield node
        finally:
            await node.close()


def post(node: Node, what: Envelope | bytes, caller: str | None = None) -> Awaitable[Answer]:
    """Submit at once, in the order of the calls; await it for the answer."""
    arrival = world().arrival(what, caller)
    return asyncio.ensure_future(node.submit(arrival.caller, arrival.raw, arrival.body))


async def journal(node: Node) -> list[Entry]:
    return [entries.decode(row.entry) for row in await node.store.read(0, 100_000)]


async def until(predicate: Callable[[], bool]) -> None:
    """Wait for something to become true; ten seconds are for a very busy machine."""
    async with asyncio.timeout(10):
        while not predicate():  # noqa: ASYNC110  (of many parts, not all have an event)
            await asyncio.sleep(0.001)


class Routine:
    """A source for audits, all of which is routine: nothing presses anybody."""

    chases: Sequence[ports.ChasedRow] = ()

    def due(self: Any) -> list[Any]:
        """What its entries, replayed, say comes due."""
        return list(self.replayed()[0].due.values())

    def agreeing(self, *, is_whole: bool) -> int:  # noqa: ARG002
        return 0

    def pressing(self, now: int) -> list[ports.PressingRow]:  # noqa: ARG002
        return []

    def chased(self, now: int) -> list[ports.ChasedRow]:
        return [each for each in self.chases if each.until > now]
