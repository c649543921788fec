"""What a long journal costs: the same steps on ten thousand entries, and on a million.

The journal is begun by a node, which takes in its documents and signs its checkpoints. In
between it is grown by the store's own ``append`` with synthetic entries in groups of 512: short
ones, without sealed bodies, under statements that nobody signed. So it is the store, the tree
and opening that are measured; no rule judges these entries. Those that appending is measured
with are as long as a real bulletin's, with a body.
"""

from __future__ import annotations

import asyncio
import random
import time
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.broker.records import Record
from exchange.cli import world
from exchange.cli.benching import load
from exchange.cli.serve import log_signers, take_in
from exchange.cli.state import State
from exchange.errors import Code, Fault
from exchange.journal import checkpoint
from exchange.journal.proofs import consistency_proof, inclusion_proof
from exchange.journal.tiles import MemoryHashes
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model.codec import b64
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.node.node import Identity, Node
from exchange.node.ports import Batch, Done, TileRoot
from exchange.node.settings import Settings
from exchange.node.stored import with_hashes
from exchange.seal.software import SoftwareSigner
from exchange.store.blob_files import BlobFiles
from exchange.store.pledge import PledgeFile
from exchange.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from exchange.cli.found import Place
    from exchange.node.ports import Head

SMALL = 10_000
# Times the cost at ten thousand: the limits of the design. Proofs have none.
LIMITS = {"append": 1.5, "page": 3.0, "empty": 1.0, "opening": 1.0}
# Two measurements of one and the same thing differ by so much.
NOISE = 1.25
_GROUP, _MEASURED_GROUP = 512, 64
_PAGE = 256
_OBJECT_BYTES = 600
# A signed header of the hybrid suite, and the smallest body sealed to one.
_MEASURED_OBJECT_BYTES, _MEASURED_BODY_BYTES = 6300, 2400
_ROUNDS = {"opening": 5, "page": 40, "empty": 200, "inclusion": 50, "consistency": 50}
# Groups: of the first, each reads pages that no cache holds yet, which is not what is asked.
_APPENDS_BEFORE, _APPENDS = 32, 64


class Cost(msgspec.Struct, frozen=True):
    """One step: microseconds of processor time at both lengths, and how many times as much."""

    name: str
    small_us: float
    large_us: float
    ratio: float
    limit: float | None
    is_met: bool


class Growth(msgspec.Struct, frozen=True):
    """What ``bench --entries`` prints: lengths, the longer file's size, and each step."""

    small: int
    large: int
    file_mib: float
    costs: list[Cost]


def run(folder: Path, small: int, large: int, told: Callable[[str], None]) -> Growth:
    """Measure a journal of two lengths.

    Args:
        folder: empty; an exercise is founded in it.
        small: entries of the shorter.
        large: entries of the longer.
        told: called with a line on how far it is.

    Raises:
        Fault: the journal cannot be written, or is not what was written.
    """
    place = load.found_exercise(folder, world.randomness(16).hex())
    grown = _Grown(place, told)
    before = asyncio.run(grown.measured(small))
    after = asyncio.run(grown.measured(large))
    told("")
    costs = [_cost(name, before[name], after[name]) for name in before]
    size = State(place.node).journal.stat().st_size
    return Growth(small, large, size / 2**20, costs)


def _cost(name: str, small_us: float, large_us: float) -> Cost:
    ratio, limit = large_us / small_us, LIMITS.get(name)
    is_met = limit is None or ratio <= max(limit, NOISE)
    return Cost(name, small_us, large_us, ratio, limit, is_met)


class _At(NamedTuple):
    """Where a journal is, for whoever grows it."""

    store: SqliteStore
    head: Head
    positions: dict[str, int]


class _Grown:
    """One journal, which grows."""

    def __init__(self, place: Place, told: Callable[[str], None]) -> None:
        self._place, self._told = place, told
        self._here = State(place.node)
        self._hashes = MemoryHashes()
        # The same journal each time: what is measured hangs on nothing but its length.
        self._dice = random.Random(1)  # noqa: S311  (no secret)

    async def measured(self, size: int) -> dict[str, float]:
        """Grow to so many entries, have a node sign them, and measure each step."""
        await (await self._opened()).close()
        store = SqliteStore.open(self._here.journal, has_threads=False)
        try:
            await self._grow(store, size)
        finally:
            await store.close()
        self._told(f"{size}: checkpoint ...")
        node = await self._opened()
        note = await node.checkpoints.checkpoint()
        await node.close()
        if note is None or checkpoint.parse(note).size < size:
            raise Fault(Code.STORE_FAILED, expected=size)
        self._told(f"{size}: measuring ...")
        found = {"opening": await self._opening()}
        store = SqliteStore.open(self._here.journal, has_threads=False)
        try:
            return {**found, **await self._reading(store), "append": await self._appends(store)}
        finally:
            await store.close()

    async def _opened(self) -> Node:
        """Open the node as ``up`` does, but for its faces and its keys' container."""
        secrets = self._place.founded.node
        settings = self._here.settings()
        log = log_signers(settings.node, secrets)
        node = await Node.open(
            SqliteStore.open(self._here.journal, has_threads=False),
            Settings(
                node=settings.node,
                signer=SoftwareSigner.of(secrets.of("sign")),
                clock_ms=world.clock_ms,
                monotonic_ms=world.monotonic_ms,
                randomness=world.randomness,
                blobs=BlobFiles(self._here.blobs, world.clock_ms),
                pledge=PledgeFile(self._here.pledge),
            ),
            Identity(anchor=settings.anchor, log=log, session_key=bytes(32)),
            0,
        )
        if node.view.arrangement is None:
            await take_in(node, self._here.documents())
        return node

    async def _opening(self) -> float:
        found = []
        for _ in range(_ROUNDS["opening"]):
            begun = time.process_time()
            node = await self._opened()
            found.append((time.process_time() - begun) * 1e6)
            await node.close()
        return median(found)

    # -- growing -----------------------------------------------------------------------

    async def _grow(self, store: SqliteStore, size: int) -> None:
        at = _At(store, await store.head(), await store.positions())
        await self._catch_up(at)
        count = at.head.size
        while count < size:
            batch = self._batch(at, min(_GROUP, size - count))
            await _append(store, batch, count)
            count += len(batch.records)
            self._told(f"{count} / {size}")

    async def _catch_up(self, at: _At) -> None:
        """Take in the leaves of what the node wrote itself."""
        while self._hashes.frontier.size < at.head.size:
            rows = await at.store.read(self._hashes.frontier.size, _GROUP)
            self._hashes.extend([row.leaf for row in rows])

    def _batch(self, at: _At, count: int, *, is_whole: bool = False) -> Batch:
        records = [self._record(at, is_whole=is_whole) for _ in range(count)]
        leaves = [leaf_hash(record.entry) for record in records]
        tiles = self._hashes.extend(leaves)
        return Batch(
            epoch=at.head.epoch,
            records=records,
            leaves=leaves,
            tiles=[TileRoot(tile.level, tile.index, tile.root) for tile in tiles],
            frontier=self._hashes.frontier.encode(),
            taken_ms=at.head.taken_ms,
            statement=b"EXERCISE: nobody signed this",
        )

    def _record(self, at: _At, *, is_whole: bool) -> Record:
        """Return a bulletin to one reader, as far as a store knows one."""
        rolled = self._dice.randbytes
        reader = self._dice.choice(load.READERS)
        position = at.positions.get(reader, 0)
        at.positions[reader] = position + 1
        body = rolled(_MEASURED_BODY_BYTES) if is_whole else b""
        name = digest(body or rolled(16))
        facts = entries.Accepted(
            salt=b64(rolled(entries.SALT_BYTES)),
            taken_ms=at.head.taken_ms,
            view=0,
            digest=name,
            blobs=[Blob(name, _MEASURED_BODY_BYTES)],
            wraps=[name],
            owed=[entries.Owed(reader, position)],
            late=False,
        )
        length = _MEASURED_OBJECT_BYTES if is_whole else _OBJECT_BYTES
        entry = entries.encode(facts, b64(rolled(length * 3 // 4)).encode())
        # Hashes, as the node's are: each lands elsewhere in its table.
        keys = (rolled(32), rolled(32))
        blob = (facts.blobs[0], body) if is_whole else None
        return Record(facts, entry, keys, tuple(facts.owed), blob)

    # -- measuring ---------------------------------------------------------------------

    async def _reading(self, store: SqliteStore) -> dict[str, float]:
        size = (await store.head()).size
        dice = random.Random(2)  # noqa: S311

        def page() -> Awaitable[object]:
            return store.inbox(dice.choice(load.READERS), dice.randrange(size // 4), _PAGE)

        def empty() -> Awaitable[object]:
            return store.inbox(dice.choice(load.READERS), size, _PAGE)

        def inclusion() -> Awaitable[object]:
            return with_hashes(store, partial(inclusion_proof, dice.randrange(size), size))

        def consistency() -> Awaitable[object]:
            return with_hashes(store, partial(consistency_proof, dice.randrange(1, size), size))

        steps = {"page": page, "empty": empty, "inclusion": inclusion}
        steps["consistency"] = consistency
        return {name: await _timed(step, _ROUNDS[name]) for name, step in steps.items()}

    async def _appends(self, store: SqliteStore) -> float:
        """Return what an entry takes in groups of 64."""
        at = _At(store, await store.head(), await store.positions())
        await self._catch_up(at)
        size, found = at.head.size, []
        for _ in range(_APPENDS_BEFORE + _APPENDS):
            batch = self._batch(at, _MEASURED_GROUP, is_whole=True)
            begun = time.process_time()
            await _append(store, batch, size)
            found.append((time.process_time() - begun) / _MEASURED_GROUP * 1e6)
            size += _MEASURED_GROUP
        # Not the median: a sweep of keys, or a checkpoint of the log, comes once in a while.
        return sum(found[_APPENDS_BEFORE:]) / _APPENDS


async def _append(store: SqliteStore, batch: Batch, size: int) -> None:
    outcome = await store.append(batch, size)
    if not isinstance(outcome, Done):
        raise Fault(Code.STORE_FAILED, found=size)


async def _timed(step: Callable[[], Awaitable[object]], rounds: int) -> float:
    """Return microseconds of processor time, of all threads; one round more comes before."""
    await step()
    begun = time.process_time()
    for _ in range(rounds):
        await step()
    return (time.process_time() - begun) / rounds * 1e6
