"""The single writer: considers what arrives in parallel, settles and commits it in one order.

``submit(caller, raw, body, reply)`` is the node's one door, free of any web framework. Arrivals
keep the order in which they were submitted. ``reply`` is called once, in the event loop, after
the commit group that holds the answer is durable; with a ``Fault`` when nothing was recorded.

    submit > [considering, in micro-batches] > [settle, tree, sign] > append > reply
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import structlog

from exchange.broker import intake, settle
from exchange.errors import Code, Fault, Refusal
from exchange.journal.tree import Frontier
from exchange.model import entry as entries
from exchange.model.objects import Receipt
from exchange.node import groups, ports
from exchange.node.considering import Threads, broken
from exchange.node.stored import with_hashes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from exchange.model.entry import Facts
    from exchange.model.view import View
    from exchange.node.considering import Considering
    from exchange.seal import jws

# Handed over together: handing over costs as much as a tenth of a verification.
MICRO_BATCH = 64
# While one micro-batch is worked on, the next one waits at its door.
_DEPTH = 2
MAX_GROUP = 512
# Bounds what waits for the writer; a caller over it is told to come again (protects memory).
MAX_WAITING = 8192
_RETRY_S = 0.05
# Between two readings the wall clock may part from the monotonic one by so much.
MAX_JUMP_MS = 5_000

_log = structlog.get_logger("exchange.node")


class Answer(msgspec.Struct, frozen=True):
    """What a poster is told: a receipt, with the refusal if that is what was recorded."""

    receipt: Receipt
    refusal: Refusal | None = None
    is_new: bool = True


class Settings(msgspec.Struct, frozen=True):
    """What the writer is told of the world: its name, keys, time and randomness."""

    node: str
    signer: jws.Signer
    clock_ms: Callable[[], int]
    # A clock that nobody sets, to tell when the other one jumps; without it, nothing does.
    monotonic_ms: Callable[[], int]
    randomness: Callable[[int], bytes]
    # Where arrivals are considered: told, or else in threads of this executor.
    executor: Executor | None = None
    considering: Considering | None = None


class _Pending(msgspec.Struct, eq=False):
    arrival: intake.Arrival
    reply: Callable[[Answer | Fault], None]
    declined: Refusal | None = None
    considered: intake.Considered | None = None


class _MicroBatch(msgspec.Struct, eq=False):
    """Arrivals that are considered together, and what will be concluded of each."""

    pending: list[_Pending]
    found: asyncio.Future[list[intake.Considered | None]]


class Writer:
    """See the module. One per journal; ``run`` ends only when cancelled or fenced off."""

    def __init__(
        self,
        store: ports.Store,
        settings: Settings,
        view: View,
        head: ports.Head,
        positions: dict[str, int],
    ) -> None:
        """Continue a journal from what was read of it (see ``node.opening``)."""
        self.view = view
        self.frontier = Frontier.decode(head.frontier) if head.size else Frontier()
        self.epoch = head.epoch + 1
        self.fault: Fault | None = None
        self._store = store
        self._settings = settings
        self._taken_ms = head.taken_ms
        self._stamp_ms = head.taken_ms
        self._clocks: tuple[int, int] | None = None
        self._positions = positions
        # Everybody who has no answer yet, wherever on the way; ``_stop`` leaves nobody out.
        self._open: set[_Pending] = set()
        # Given to the store, which has not said what became of it.
        self._in_flight: list[_Pending] = []
        self._waiting: deque[_Pending] = deque()
        self._pool: Considering = settings.considering or Threads(settings.executor)
        self._considering: deque[_MicroBatch] = deque()
        self._will_dispatch = False
        self._carried: list[_Pending] = []
        self._notes: deque[tuple[Callable[[settle.Ledger], Facts], asyncio.Future[int]]] = (
            deque()
        )
        self._noted: list[tuple[asyncio.Future[int], int]] = []
        self._work = asyncio.Event()
        self._followers: list[Callable[[Sequence[settle.Record]], None]] = []

    @property
    def size(self) -> int:
        """How many entries are durable."""
        return self.frontier.size

    def inbox_total(self, endpoint: str) -> int:
        """How many durable entries an inbox holds."""
        return self._positions.get(endpoint, 0)

    def follow(self, follower: Callable[[Sequence[settle.Record]], None]) -> None:
        """Call ``follower`` in the event loop with the records of each group made durable."""
        self._followers.append(follower)

    def submit(
        self, caller: str, raw: bytes, body: bytes, reply: Callable[[Answer | Fault], None]
    ) -> None:
        """Take one object in; ``reply`` is called once, when it is recorded or cannot be.

        Args:
            caller: endpoint that holds the session; empty for the node's own operator.
            raw: the signed object as received.
            body: the sealed body that came with it, or nothing.
            reply: called in the event loop.
        """
        arrival = intake.Arrival(caller, raw, body, self._stamp())
        self._enqueue(_Pending(arrival, reply))

    def refuse(
        self, caller: str, raw: bytes, refusal: Refusal, reply: Callable[[Answer | Fault], None]
    ) -> None:
        """Record a refusal made before the request could be taken apart (bad framing, say)."""
        arrival = intake.Arrival(caller, raw, b"", self._stamp())
        self._enqueue(_Pending(arrival, reply, declined=refusal))

    def _stamp(self) -> int:
        wall_ms, monotonic_ms = self._settings.clock_ms(), self._settings.monotonic_ms()
        before, self._clocks = self._clocks, (wall_ms, monotonic_ms)
        if before is not None:
            jump_ms = (wall_ms - before[0]) - (monotonic_ms - before[1])
            if abs(jump_ms) > MAX_JUMP_MS and self.fault is None:
                # A time that is wrong once would stand in the journal for ever, and everything
                # after it be judged by it: write nothing until the operator starts us again.
                self.fault = Fault(Code.CLOCK, found=jump_ms)
                self._work.set()
        # Taken times never decrease, whatever the wall clock does.
        self._stamp_ms = max(self._stamp_ms, wall_ms)
        return self._stamp_ms

    def _enqueue(self, pending: _Pending) -> None:
        if self.fault is not None:
            pending.reply(self.fault)
        elif len(self._open) >= MAX_WAITING:
            pending.reply(Fault(Code.UNAVAILABLE, limit=MAX_WAITING))
        else:
            self._open.add(pending)
            self._waiting.append(pending)
            self._dispatch_soon()

    async def note(self, make: Callable[[settle.Ledger], Facts]) -> int:
        """Append one bookkeeping entry, made when its place is known; return its index."""
        if self.fault is not None:
            raise self.fault
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._notes.append((make, done))
        self._work.set()
        return await done

    async def run(self) -> None:
        """Write until cancelled. A fault that cannot be resolved stops all writing."""
        try:
            while self.fault is None:
                pending = await self._next()
                await self._write(pending)
        except Exception as error:  # noqa: BLE001  (whatever it is, nothing more is written)
            broken("writer", error)
            self.fault = Fault(Code.INTERNAL)
        finally:
            self._stop(Fault(Code.UNAVAILABLE) if self.fault is None else self.fault)

    # -- considering --------------------------------------------------------------------

    def _dispatch_soon(self) -> None:
        # What arrives in one turn of the loop is handed over together.
        if not self._will_dispatch:
            self._will_dispatch = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        """Hand waiting arrivals over, as many micro-batches as can be worked on."""
        self._will_dispatch = False
        ways = self._pool.ways
        free = _DEPTH * ways - sum(not each.found.done() for each in self._considering)
        while self._waiting and free > 0:
            # Shared out, so that no way stands idle beside a long micro-batch.
            count = min(-(-len(self._waiting) // min(ways, free)), MICRO_BATCH)
            batch = [self._waiting.popleft() for _ in range(count)]
            micro = _MicroBatch(batch, self._consider(batch))
            micro.found.add_done_callback(self._considered)
            self._considering.append(micro)
            free -= 1

    def _consider(
        self, pending: Sequence[_Pending]
    ) -> asyncio.Future[list[intake.Considered | None]]:
        arrivals = [each.arrival for each in pending if each.declined is None]
        return self._pool.consider(arrivals, self.view)

    def _considered(self, found: asyncio.Future[list[intake.Considered | None]]) -> None:
        if not found.cancelled():
            found.exception()  # heard: a writer that has stopped will not ask
        self._work.set()
        if self._waiting:
            self._dispatch_soon()

    async def _next(self) -> list[_Pending]:
        """Wait for work; return what is ready, in order of arrival, at most a group."""
        while not (self._carried or self._notes or self._is_considered()):
            self._work.clear()
            await self._work.wait()
        ready, self._carried = self._carried, []
        while len(ready) < MAX_GROUP and self._is_considered():
            micro = self._considering.popleft()
            ready += await self._decided(micro.pending, micro.found)
        ready, self._carried = ready[:MAX_GROUP], ready[MAX_GROUP:]
        return await self._freshly_considered(ready)

    def _is_considered(self) -> bool:
        return bool(self._considering) and self._considering[0].found.done()

    async def _decided(
        self,
        pending: list[_Pending],
        found: asyncio.Future[list[intake.Considered | None]],
    ) -> list[_Pending]:
        """Return arrivals with what was concluded of them; none where nothing could be."""
        try:
            conclusions = iter(await found)
        except Fault as fault:
            self._give_up(pending, fault)
            return []
        for each in pending:
            if each.declined is None:
                each.considered = next(conclusions)
            else:
                each.considered = intake.decline(each.arrival, each.declined, self.view)
        return pending

    async def _freshly_considered(self, ready: list[_Pending]) -> list[_Pending]:
        """Send back what was decided under a view that is no longer the newest."""
        taken_ms = self._taken_ms
        for place, each in enumerate(ready):
            if each.considered is None:
                continue  # its consideration broke; it is answered when the group is settled
            if each.considered.view != self.view.index or each.arrival.taken_ms < taken_ms:
                return ready[:place] + await self._considered_again(ready[place:])
            taken_ms = each.arrival.taken_ms
        return ready

    async def _considered_again(self, pending: list[_Pending]) -> list[_Pending]:
        # Each at its own time: a new one would make all that came meanwhile stale in turn.
        stamp = self._taken_ms
        for each in pending:
            stamp = max(stamp, each.arrival.taken_ms)
            each.arrival = each.arrival._replace(taken_ms=stamp)
        return await self._decided(pending, self._consider(pending))

    # -- settling and committing --------------------------------------------------------

    async def _write(self, pending: list[_Pending]) -> None:
        ledger = settle.Ledger(
            self.size,
            self._taken_ms,
            self.view.index,
            self._positions,
            lambda: self._settings.randomness(entries.SALT_BYTES),
        )
        try:
            known = await self._known(pending)
            if not (pending or self._considering or self._waiting):
                # Nobody waits with an earlier stamp, so bookkeeping may carry the time it is.
                ledger.taken_ms = self._stamp()
            self._settle_notes(ledger)
            settled = self._settle(pending, known, ledger)
            if not ledger.records:
                await self._answer(settled, None)
                return
            by = (self._settings.node, self._settings.signer)
            ready = await with_hashes(
                self._store, partial(groups.prepare, ledger, self.frontier, self.epoch, by)
            )
        except Exception as error:  # noqa: BLE001  (nothing of it was handed to the store)
            fault = error if isinstance(error, Fault) else broken("group", error)
            self._give_up([each for each in pending if each not in self._carried], fault)
            return
        self._in_flight = [each for each, _ in settled]
        outcome = await self._append(ready.batch)
        match outcome:
            case ports.Done():
                self._advance(ready)
                for done, index in self._noted:
                    if not done.done():
                        done.set_result(index)
                self._noted = []
                await self._answer(settled, ready)
            case ports.Refused():
                self._give_up(self._in_flight, Fault(Code.STORE_FAILED))
            case _:
                # Somebody else wrote, or took over: two writers are worse than none.
                self.fault = Fault(Code.UNAVAILABLE)
                self._give_up(self._in_flight, self.fault)
        self._in_flight = []

    async def _known(self, pending: list[_Pending]) -> dict[bytes, settle.Found]:
        wanted = [
            key
            for each in pending
            if each.considered is not None
            for key in settle.lookups(each.considered)
        ]
        return await self._store.find(wanted) if wanted else {}

    def _settle_notes(self, ledger: settle.Ledger) -> None:
        while self._notes:
            make, done = self._notes.popleft()
            # Whoever asked for it may be gone: then it is not written.
            if not done.done():
                self._noted.append((done, ledger.next_index))
                ledger.append(make(ledger))

    def _settle(
        self,
        pending: list[_Pending],
        known: dict[bytes, settle.Found],
        ledger: settle.Ledger,
    ) -> list[tuple[_Pending, settle.Settled]]:
        settled = []
        for place, each in enumerate(pending):
            considered = each.considered
            if considered is None:
                self._reply(each, Fault(Code.INTERNAL))
                continue
            if ledger.must_go_back(considered):
                self._carried = pending[place:] + self._carried
                break
            arrival = (each.arrival.caller, each.arrival.raw, each.arrival.body)
            before = len(ledger.records)
            try:
                settled.append((each, ledger.settle(considered, arrival, known)))
            except Exception as error:
                # A ledger that took nothing from it is as it was: only this one is answered.
                if len(ledger.records) != before:
                    raise
                self._reply(each, broken("settle", error))
        return settled

    async def _append(self, batch: ports.Batch) -> ports.Outcome:
        """Append, and resolve Unknown by sending the identical batch until it is known."""
        outcome = await self._store.append(batch, self.size)
        # Refused after Unknown speaks of the second attempt; the first may have been written.
        while isinstance(outcome, ports.Unknown) or (
            self.fault is not None
            and self.fault.code is Code.OUTCOME_UNKNOWN
            and isinstance(outcome, ports.Refused)
        ):
            # Until it is resolved, whoever comes is told neither yes nor no.
            if self.fault is None:
                _log.error("outcome-unknown", size=self.size, reason=outcome.reason)
            self.fault = Fault(Code.OUTCOME_UNKNOWN)
            await asyncio.sleep(_RETRY_S)
            outcome = await self._store.append(batch, self.size)
        if isinstance(outcome, ports.Duplicate):
            outcome = ports.Done(outcome.size)
        if self.fault is not None and self.fault.code is Code.OUTCOME_UNKNOWN:
            self.fault = None
        return outcome

    def _advance(self, ready: groups.Ready) -> None:
        ledger = ready.ledger
        for established, index in ledger.established:
            document, blob = established.document, established.blob
            self.view = self.view.with_document(document, blob.digest, index)
        self._positions.update(ledger.positions)
        self._taken_ms = ledger.taken_ms
        self.frontier = ready.frontier
        for follower in self._followers:
            try:
                follower(ledger.records)
            except Exception as error:  # noqa: BLE001  (a reader's trouble is its own)
                broken("follower", error)

    # -- answering ----------------------------------------------------------------------

    async def _answer(
        self, settled: list[tuple[_Pending, settle.Settled]], ready: groups.Ready | None
    ) -> None:
        for each, result in settled:
            refusal = result.refusal if isinstance(result, settle.Rejected) else None
            is_new = isinstance(result, settle.Rejected) or result.is_new
            try:
                if ready is not None and result.index >= ready.ledger.first:
                    receipt = ready.receipt(result.index)
                else:
                    receipt = await self.receipt(result.index)
                answer: Answer | Fault = Answer(receipt, refusal, is_new)
            except Exception as error:  # noqa: BLE001  (it is recorded; only its receipt failed)
                answer = error if isinstance(error, Fault) else broken("receipt", error)
            self._reply(each, answer)

    def _reply(self, pending: _Pending, answer: Answer | Fault) -> None:
        """Answer one arrival, once; what its poster makes of it is no concern of the writer."""
        if pending in self._open:
            self._open.discard(pending)
            try:
                pending.reply(answer)
            except Exception as error:  # noqa: BLE001
                broken("reply", error)

    def _give_up(self, pending: Sequence[_Pending], fault: Fault) -> None:
        """Tell those of a group, and whoever noted something in it, that it was not written."""
        for each in pending:
            self._reply(each, fault)
        for done, _ in self._noted:
            if not done.done():
                done.set_exception(fault)
        self._noted = []

    async def receipt(self, index: int) -> Receipt:
        """Return the receipt of an entry long recorded; see ``groups.receipt``."""
        return await groups.receipt(self._store, self._settings.node, index)

    def _stop(self, fault: Fault) -> None:
        """Answer everybody who still waits, and whoever comes later."""
        self.fault = fault
        # What the store was given may be recorded all the same: neither yes nor no.
        self._give_up(self._in_flight, Fault(Code.OUTCOME_UNKNOWN))
        self._give_up(list(self._open), fault)
        self._waiting.clear()
        self._considering.clear()
        self._carried = []
        while self._notes:
            done = self._notes.popleft()[1]
            if not done.done():
                done.set_exception(fault)
