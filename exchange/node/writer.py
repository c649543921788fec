"""The single writer: settles and commits in one order what was considered in parallel.

``submit(caller, raw, body, reply)`` is the node's one door, free of any web framework; a front
that considered on the spot hands on by ``take_considered``. Arrivals keep the order in which
they came. ``reply`` is called once, in the event loop, after the commit group that holds the
answer is durable; with a ``Fault`` when nothing was recorded.

    submit > [considering, in micro-batches] > [settle, tree, sign] > append > reply
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import structlog

from exchange.broker import intake, records, settle
from exchange.broker.lookups import Wants
from exchange.errors import Code, Fault, Refusal
from exchange.journal.tree import Frontier
from exchange.model import entry as entries
from exchange.node import attachments, groups, ports
from exchange.node.arrivals import Arrivals, Pending, fitting
from exchange.node.clock import MAX_JUMP_MS, Clock
from exchange.node.considering import Threads, broken
from exchange.node.looking import Looked
from exchange.node.notes import Notes
from exchange.node.served import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.broker.due import Due
    from exchange.broker.holding import Find
    from exchange.model.entry import Facts
    from exchange.model.homes import Homes
    from exchange.model.view import View
    from exchange.node.handover import Rings
    from exchange.node.notes import Wanted
    from exchange.node.settings import Settings

MAX_GROUP = 512
# Bounds what waits for the writer; a caller over it is told to come again (protects memory).
MAX_WAITING = 8192
_RETRY_S = 0.05

_log = structlog.get_logger("exchange.node")


class Considered(NamedTuple):
    """An arrival as a front considered it, or could not; and the number of its reply."""

    arrival: intake.Arrival
    considered: intake.Considered | None
    ticket: int
    is_final: bool = False


class Writer:
    """See the module. One per journal; ``run`` ends only when cancelled or fenced off."""

    def __init__(  # noqa: PLR0913, PLR0917  (what was read of a journal)
        self,
        store: ports.Store,
        settings: Settings,
        view: View,
        head: ports.Head,
        positions: dict[str, int],
        rings: Rings,
        homes: Homes,
    ) -> None:
        """Continue a journal from what was read of it (see ``node.opening``)."""
        self.view = view
        self.rings = rings
        # What is in force in other nations' journals.
        self.homes = homes
        self.frontier = Frontier.decode(head.frontier) if head.size else Frontier()
        self.epoch = max(head.epoch + 1, settings.least_epoch)
        self.fault: Fault | None = None
        self._store = store
        self._settings = settings
        self._taken_ms = head.taken_ms
        self.clock = Clock(settings.clock_ms, settings.monotonic_ms, head.taken_ms)
        self._positions = positions
        # Everybody who has no answer yet, wherever on the way; ``_stop`` leaves nobody out.
        self._open: set[Pending] = set()
        # Given to the store, which has not said what became of it.
        self._in_flight: list[Pending] = []
        self._carried: list[Pending] = []
        self._notes = Notes()
        # Held while what a group names is kept and recorded: nothing of that is purged then.
        self.keeping = asyncio.Lock()
        self._work = asyncio.Event()
        self.arrivals = Arrivals(Threads(settings.executor), lambda: self.view, self._work.set)
        self._followers: list[Callable[[Sequence[records.Record]], None]] = []
        # For how long no quorum vouched, where that is past the limit (``Witnessing``).
        self.past_limit_s: Callable[[int], int] = lambda _: 0

    @property
    def size(self) -> int:
        """How many entries are durable."""
        return self.frontier.size

    def inbox_total(self, endpoint: str) -> int:
        """How many durable entries an inbox holds."""
        return self._positions.get(endpoint, 0)

    def totals(self) -> dict[str, int]:
        """Return how many durable entries each inbox holds."""
        return dict(self._positions)

    def follow(self, follower: Callable[[Sequence[records.Record]], None]) -> None:
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
        self._enqueue(caller, raw, body, reply)

    def refuse(
        self, caller: str, raw: bytes, refusal: Refusal, reply: Callable[[Answer | Fault], None]
    ) -> None:
        """Record a refusal made before the request could be taken apart (bad framing, say)."""
        self._enqueue(caller, raw, b"", reply, refusal)

    def take_considered(
        self, come: Sequence[Considered], reply: Callable[[int, Answer | Fault], None]
    ) -> None:
        """Take in what a front considered on the spot, in the order in which it arrived there.

        Args:
            come: what was not considered (None), or under another view, is considered here.
            reply: called in the event loop, once for each, with its number.
        """
        latest_ms = self.stamp() + MAX_JUMP_MS
        if any(each.arrival.taken_ms > latest_ms for each in come):
            # The front's clock and ours have parted: one of them is wrong.
            self.stop_writing(Fault(Code.CLOCK, found=latest_ms))
        pending = [
            Pending(each.arrival, partial(reply, each.ticket), each.considered, each.is_final)
            for each in come
        ]
        if (fault := self._full(len(pending))) is not None:
            for one in pending:
                one.reply(fault)
            return
        self._open.update(pending)
        self.arrivals.put_considered(pending)

    def take_judged(
        self,
        arrival: intake.Arrival,
        considered: intake.Considered,
        reply: Callable[[Answer | Fault], None],
        *,
        is_final: bool = True,
    ) -> None:
        """Take in what was judged elsewhere: for good, or as long as our view is the same.

        What depends on the order of what comes here is only settled.
        """
        if (fault := self._full(1)) is not None:
            reply(fault)
            return
        pending = Pending(arrival, reply, considered, is_final)
        self._open.add(pending)
        self.arrivals.put_considered([pending])

    def stamp(self) -> int:
        """Return the time that goes into the journal now, in milliseconds UTC."""
        try:
            return self.clock.stamp()
        except Fault as fault:
            self.stop_writing(fault)
            return self._taken_ms

    def stop_writing(self, fault: Fault) -> None:
        """Write nothing more until the operator starts us again."""
        if self.fault is None:
            self.fault = fault
        self._work.set()

    def _full(self, more: int) -> Fault | None:
        """Return why so many more cannot be taken in, if they cannot."""
        if self.fault is not None:
            return self.fault
        if len(self._open) + more > MAX_WAITING:
            return Fault(Code.UNAVAILABLE, limit=MAX_WAITING)
        return None

    def _enqueue(
        self,
        caller: str,
        raw: bytes,
        body: bytes,
        reply: Callable[[Answer | Fault], None],
        declined: Refusal | None = None,
    ) -> None:
        arrival = intake.Arrival(caller, raw, body, self.stamp())
        if (fault := self._full(1)) is not None:
            reply(fault)
            return
        pending = Pending(arrival, reply)
        self._open.add(pending)
        if declined is None:
            self.arrivals.put(pending)
        else:
            pending.considered = intake.decline(arrival, declined, self.view)
            pending.is_final = True
            self.arrivals.put_considered([pending])

    async def note(self, make: Callable[[settle.Ledger], Facts], heads: bytes = b"") -> int:
        """Append one bookkeeping entry, made when its place is known; return its index.

        Args:
            make: returns its facts.
            heads: the snapshot of inbox heads to keep from then on, if it is another.
        """

        def made(ledger: settle.Ledger, _: Find) -> int:
            return ledger.append(make(ledger), heads=heads)

        index = await self.enter(made)
        assert index is not None  # noqa: S101  (it was made)
        return index

    async def enter(
        self,
        make: Callable[[settle.Ledger, Find], int | None],
        wanted: Wanted = lambda _: [],
        row: Due | None = None,
    ) -> int | None:
        """Append something of the node's own; return its index, or None where it was not made.

        Args:
            make: adds to the ledger, with what was looked up, or does not.
            wanted: returns the keys that are still to be looked up, as ``lookups`` does.
            row: what it is made for; nothing is made where that is not due any more.
        """
        if self.fault is not None:
            raise self.fault
        note = self._notes.put(make, wanted, row)
        self._work.set()
        return await note.done

    async def run(self) -> None:
        """Write until cancelled. A fault that cannot be resolved stops all writing."""
        try:
            while self.fault is None:
                pending = await self._next()
                await self._write(pending)
                # A store without threads never lets go of the loop: answers go out here.
                await asyncio.sleep(0)
        except Exception as error:  # noqa: BLE001  (whatever it is, nothing more is written)
            broken("writer", error)
            self.fault = Fault(Code.INTERNAL)
        finally:
            self._stop(Fault(Code.UNAVAILABLE) if self.fault is None else self.fault)

    async def _next(self) -> list[Pending]:
        """Wait for work; return what is ready, in order of arrival, at most a group."""
        while not (self._carried or self._notes or self.arrivals.is_ready):
            self._work.clear()
            await self._work.wait()
        if self.arrivals.is_ready and not self._carried:
            await self.arrivals.gather()
        ready, self._carried = self._carried, []
        ready += await self.arrivals.take(MAX_GROUP - len(ready))
        end = fitting(ready[:MAX_GROUP], self._settings.group_bytes)
        ready, self._carried = ready[:end], ready[end:]
        ready, again = await self.arrivals.fresh(ready, self._taken_ms)
        self._carried = again + self._carried
        return ready

    # -- settling and committing --------------------------------------------------------

    async def _write(self, pending: list[Pending]) -> None:
        ledger = settle.Ledger(
            self.size,
            self._taken_ms,
            self.view,
            self._positions,
            lambda: self._settings.randomness(entries.SALT_BYTES),
            self._settings.node,
        )
        ledger.elsewhere = self.homes.newest
        self._notes.take()
        ledger.unwitnessed_s = self.past_limit_s(self._settings.clock_ms() // 1000)
        try:
            # All that came before is durable: what the store says now holds for this group.
            await self._notes.drop_stale(self._store.is_due)
            looked = await self._look_up(pending)
            await self._look_for_attachments(pending)
            if not pending and self.arrivals.is_empty:
                # Nobody waits with an earlier stamp, so bookkeeping may carry the time it is.
                ledger.taken_ms = self.stamp()
            self._notes.settle(ledger, looked.known)
            settled = await self._settle(pending, looked, ledger)
            if not ledger.records:
                self._notes.tell()
                await self._answer(settled, None)
                return
            named = attachments.named(
                [(each.arrival.caller, result) for each, result in settled], ledger
            )
        except Exception as error:  # noqa: BLE001  (nothing of it was handed to the store)
            self._break_off(pending, error)
            return
        async with self.keeping if named else nullcontext():
            await self._commit(pending, settled, named, ledger)

    def _break_off(self, pending: list[Pending], error: Exception) -> None:
        fault = error if isinstance(error, Fault) else broken("group", error)
        self._give_up([each for each in pending if each not in self._carried], fault)

    async def _commit(
        self,
        pending: list[Pending],
        settled: list[tuple[Pending, records.Settled]],
        named: attachments.Named,
        ledger: settle.Ledger,
    ) -> None:
        try:
            by = (self._settings.node, self.rings.signer(self.view))
            failed, fault = await attachments.keep(self._settings.blobs, named)
            if fault is not None:
                self._put_aside(settled, failed, fault)
                return
            ready = await groups.prepare(self._store, ledger, self.frontier, self.epoch, by)
        except Exception as error:  # noqa: BLE001  (nothing of it was handed to the store)
            self._break_off(pending, error)
            return
        self._in_flight = [each for each, _ in settled]
        outcome, is_in_doubt = await self._append(ready.batch)
        match outcome:
            case ports.Done():
                self._advance(ready)
                self._notes.tell()
                await self._answer(settled, ready)
                await attachments.let_go(self._settings.blobs, named)
            case ports.Refused():
                self._give_up(self._in_flight, Fault(Code.STORE_FAILED))
            case _:
                # Somebody else wrote, or took over: two writers are worse than none.
                self.fault = Fault(Code.UNAVAILABLE)
                # After Unknown, the batch may stand in the journal all the same.
                doubt = Fault(Code.OUTCOME_UNKNOWN)
                self._give_up(self._in_flight, doubt if is_in_doubt else self.fault)
        self._in_flight = []

    def _put_aside(
        self,
        settled: list[tuple[Pending, records.Settled]],
        failed: set[str],
        fault: Fault,
    ) -> None:
        """Answer those whose attachments are gone, and let the rest of the group come again."""
        theirs = [each for each, _ in settled if each.arrival.caller in failed and each.held]
        for each in theirs:
            self._reply(each, fault)
        # The node's own notes are made again: a poster's doings are no trouble of its disk.
        self._notes.again()
        rest = [each for each, _ in settled if each not in theirs]
        self._carried = rest + self._carried

    async def _look_up(self, pending: list[Pending]) -> Looked:
        asking: list[Wanted] = [
            Wants(each.considered) for each in pending if each.considered is not None
        ]
        looked = Looked(self._store)
        await looked.follow(asking + self._notes.asking())
        return looked

    async def _look_for_attachments(self, pending: list[Pending]) -> None:
        for each in pending:
            if each.considered is not None:
                each.held = await attachments.held(
                    self._settings.blobs, each.arrival.caller, each.considered
                )

    async def _settle(
        self, pending: list[Pending], looked: Looked, ledger: settle.Ledger
    ) -> list[tuple[Pending, records.Settled]]:
        settled = []
        for place, each in enumerate(pending):
            considered = each.considered
            if considered is None:
                self._reply(each, Fault(Code.INTERNAL))
                continue
            if ledger.must_go_back(considered):
                self._carried = pending[place:] + self._carried
                break
            before = len(ledger.records)
            try:
                settled.append((each, await looked.place(ledger, considered, each)))
            except Exception as error:
                # A ledger that took nothing from it is as it was: only this one is answered.
                if len(ledger.records) != before:
                    raise
                fault = error if isinstance(error, Fault) else broken("settle", error)
                self._reply(each, fault)
        return settled

    async def _append(self, batch: ports.Batch) -> tuple[ports.Outcome, bool]:
        """Append, and resolve Unknown by sending the identical batch until it is known.

        Returns:
            The outcome of the last attempt, and whether one before it may have been written.
        """
        outcome = await self._store.append(batch, self.size)
        is_in_doubt = isinstance(outcome, ports.Unknown)
        # Refused after Unknown speaks of the second attempt; the first may have been written.
        while isinstance(outcome, ports.Unknown) or (
            is_in_doubt and isinstance(outcome, ports.Refused)
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
        return outcome, is_in_doubt

    def _advance(self, ready: groups.Ready) -> None:
        ledger = ready.ledger
        for established, index in ledger.established:
            self.view = self.view.after(established.change, index)
        self.homes.follow(ledger.received)
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
        self, settled: list[tuple[Pending, records.Settled]], ready: groups.Ready | None
    ) -> None:
        for each, result in settled:
            refusal = result.refusal if isinstance(result, records.Rejected) else None
            is_new = isinstance(result, records.Rejected) or result.is_new
            try:
                if ready is not None and result.index >= ready.ledger.first:
                    receipt = ready.receipt(result.index)
                else:
                    receipt = await groups.receipt(
                        self._store, self._settings.node, result.index
                    )
                answer: Answer | Fault = Answer(receipt, refusal, is_new)
            except Exception as error:  # noqa: BLE001  (it is recorded; only its receipt failed)
                answer = error if isinstance(error, Fault) else broken("receipt", error)
            self._reply(each, answer)

    def _reply(self, pending: Pending, answer: Answer | Fault) -> None:
        """Answer one arrival, once; what its poster makes of it is no concern of the writer."""
        if pending in self._open:
            self._open.discard(pending)
            try:
                pending.reply(answer)
            except Exception as error:  # noqa: BLE001
                broken("reply", error)

    def _give_up(self, pending: Sequence[Pending], fault: Fault) -> None:
        """Tell those of a group, and whoever noted something in it, that it was not written."""
        for each in pending:
            self._reply(each, fault)
        self._notes.give_up(fault)

    def _stop(self, fault: Fault) -> None:
        """Answer everybody who still waits, and whoever comes later."""
        self.fault = fault
        # What the store was given may be recorded all the same: neither yes nor no.
        self._give_up(self._in_flight, Fault(Code.OUTCOME_UNKNOWN))
        self._give_up(list(self._open), fault)
        self.arrivals.clear()
        self._carried = []
        self._notes.stop(fault)
