"""A nation's node, whole: its writer, its readers, its sessions and its checkpoints."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import structlog

from exchange.broker import peering
from exchange.errors import ExchangeError, Fault, Refusal
from exchange.journal.logkeys import origin_of
from exchange.model import entry as entries
from exchange.node import attachments
from exchange.node.auditing import Auditing
from exchange.node.checkpoints import Checkpointer
from exchange.node.clocks import Clocks
from exchange.node.judging import Judging
from exchange.node.known_time import KnownTime
from exchange.node.opening import Log, keys_of, open_writer
from exchange.node.ports import Kept
from exchange.node.retaining import Retainer
from exchange.node.served import Health, Refused, Served
from exchange.node.sessions import Sessions
from exchange.node.settings import Settings
from exchange.node.shipping import Shipper
from exchange.node.stamping import Stamper
from exchange.node.witnessing import Witnessing
from exchange.node.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from exchange.broker.records import Record
    from exchange.broker.settle import Ledger
    from exchange.errors import Fault, Refusal
    from exchange.journal.checkpoint import Signer
    from exchange.model.entry import Facts
    from exchange.model.view import View
    from exchange.node.links import Links
    from exchange.node.ports import Store
    from exchange.node.served import Answer


# Between two looks for uploads that nobody goes on with, which are given up after days.
_SWEEP_S = 3600

_log = structlog.get_logger("exchange.node")


class Identity(msgspec.Struct, frozen=True):
    """What makes a node this node: the anchor it trusts, its log keys and its session key."""

    anchor: str
    log: Sequence[Signer]
    session_key: bytes
    # Keys that the directory is to list instead, from some entry on.
    next_logs: Sequence[Sequence[Signer]] = ()


class Node(Served):
    """Open it, use its parts, close it. ``take`` is the one door in."""

    def __init__(
        self, store: Store, settings: Settings, identity: Identity, writer: Writer
    ) -> None:
        """Put the parts together; ``open`` is how a node begins."""
        sessions = Sessions(settings.node, identity.session_key, settings.randomness)
        kept = Kept(store, settings.blobs)
        super().__init__(settings.node, kept, sessions, settings.clock_ms)
        self.writer = writer
        self.judging = Judging(writer, settings)
        self.settings = settings
        rings = writer.rings
        self.checkpoints = Checkpointer(
            store, writer, origin_of(settings.node), rings.log_signers, settings
        )
        self.stamper = Stamper(writer, settings, self.submit)
        log = Log(settings.node, lambda: writer.view, keys_of(rings.log))
        self.witnessing = Witnessing(store, writer, log, settings)
        writer.past_limit_s = self.witnessing.past_limit_s
        self.checkpoints.signed = self.witnessing.wake
        self.checkpoints.cosigned = self.witnessing.news
        # Whoever keeps its links says how they are; nobody does where there are none.
        self.links: Callable[[], Links | None] = lambda: None
        self._courier = settings.courier
        self.shipper = None
        if settings.second is not None:
            self.shipper = Shipper(store, settings.second, writer.stop_writing)
        self.known_time = KnownTime(writer.clock, settings.known_time)
        self.retainer = Retainer(kept, writer, settings, self.shipper)
        self.clocks = Clocks(store, writer, settings, self._vouched, lambda: self.crossed)
        self.auditing = Auditing(self.reads, writer, lambda: writer.view)
        self.on_view.append(self.auditing.rearranged)
        self._tasks: list[asyncio.Task[None]] = []
        self._is_closing = False

    @classmethod
    async def open(
        cls, store: Store, settings: Settings, identity: Identity, checkpoint_s: float
    ) -> Node:
        """Open the journal, take over as its writer, and begin to checkpoint.

        Args:
            store: holds the journal; closed with the node, or here if it cannot be opened, as
                are the blobs in ``settings``.
            settings: name, keys, clock and randomness.
            identity: anchor, log keys and session key.
            checkpoint_s: seconds between two checkpoints, and between two looks for what is to
                be purged; 0 does neither by itself, and makes no timestamps either.

        Raises:
            Fault: the journal cannot be trusted or written; nothing is served.
        """
        try:
            logs = [each for each in (identity.log, *identity.next_logs) if each]
            writer = await open_writer(store, settings, identity.anchor, logs)
            node = cls(store, settings, identity, writer)
            await node._begin(checkpoint_s)
        except BaseException:
            await store.close()
            await settings.blobs.close()
            raise
        return node

    async def _begin(self, checkpoint_s: float) -> None:
        if self.shipper is not None:
            # Nothing is written, not even that a writer took over, to a journal cut short.
            await self.shipper.begin(self.size, self.writer.epoch)
        self.writer.follow(self._ring)
        await self.checkpoints.resume()
        if self.newest is not None:
            # It may not be cosigned yet.
            self.witnessing.wake(self.newest)
        # Nor to one that witnesses know to have been longer, or another.
        shown = self.checkpoints.shown
        await self.witnessing.begin(self._courier, shown, await self._first_ms())
        await self._hold_clock(shown)
        self._start("writer", self.writer.run())
        try:
            await self.writer.note(self._epoch_opened)
            await self.checkpoints.pass_loss()
        except BaseException:
            await self._stop()
            raise
        self._start("clock", self.known_time.run())
        self._start("uploads", self._sweep())
        self._start("auditing", self.auditing.run())
        if self.shipper is not None:
            self._start("second-place", self.shipper.run())
        if self._courier is not None:
            self._start("witnesses", self.witnessing.run(self._courier))
        if checkpoint_s > 0:
            self._start("checkpoints", self.checkpoints.run(checkpoint_s))
            self.writer.follow(self.stamper.follow)
            self._start("timestamps", self.stamper.run())
            self._start("retention", self.retainer.run(checkpoint_s))
            self._start("clocks", self.clocks.run(checkpoint_s))

    async def _hold_clock(self, shown: Callable[[], Awaitable[bytes]]) -> None:
        """Hold the clock to what is known; see ``KnownTime.hold``."""
        told_s, is_right = 0, self.settings.clock_is_right
        if self.writer.view.arrangement is not None:
            head = await self.store.head()
            await self.known_time.begin(max(head.taken_ms, 1000 * self.checkpoints.signed_s))
            told_s = self.witnessing.others_at()
        elif not (told_s := self.settings.issued_s()):
            # A founding that is taken in by a wrong clock cannot be taken in again; before it
            # nothing is lost.
            is_right = True
        ask = partial(self._ask_the_time, shown)
        await self.known_time.hold(1000 * told_s, is_right=is_right, ask=ask)

    async def _ask_the_time(self, shown: Callable[[], Awaitable[bytes]]) -> None:
        if self._courier is not None and self.witnessing.policy is not None:
            await self.witnessing.ask_the_time(self._courier, await shown())

    async def _first_ms(self) -> int:
        rows = await self.store.read(0, 1)
        try:
            return entries.decode(rows[0].entry).facts.taken_ms if rows else self.clock_ms()
        except Refusal as refusal:
            # It was let in once: so it was altered.
            raise Fault(refusal.code, refusal.at, **refusal.facts) from refusal

    @property
    def is_ready(self) -> bool:
        """Whether the node takes bulletins: it can write, signs checkpoints, and has trust."""
        return (
            self.writer.fault is None
            and self.checkpoints.is_sound
            and self.writer.view.arrangement is not None
            and all(not task.done() for task in self._tasks)
        )

    @property
    def view(self) -> View:
        """The trust documents in force."""
        return self.writer.view

    @property
    def size(self) -> int:
        """How many entries are durable."""
        return self.writer.size

    @property
    def newest(self) -> bytes | None:
        """The newest checkpoint, if there is one."""
        return self.checkpoints.newest

    @property
    def cosigned(self) -> bytes | None:
        """The newest checkpoint that a quorum of witnesses cosigned, if there is one."""
        return self.witnessing.note

    @property
    def unwitnessed_s(self) -> int | None:
        """For how long no quorum of witnesses has vouched; None where none must."""
        return self.witnessing.age_s(self.now())

    @property
    def shipped(self) -> int | None:
        """How many entries are in the second place; None where there is none."""
        return None if self.shipper is None else self.shipper.lag.shipped

    def _vouched(self) -> bytes | None:
        """Return the newest checkpoint of ours that counts: by a quorum, where one must be."""
        return self.newest if self.witnessing.policy is None else self.cosigned

    def inbox_total(self, endpoint: str) -> int:
        """Return how many durable entries an inbox holds."""
        return self.writer.inbox_total(endpoint)

    def take(
        self, caller: str, raw: bytes, body: bytes, reply: Callable[[Answer | Fault], None]
    ) -> None:
        """See ``Served``."""
        self.writer.submit(caller, raw, body, reply)

    def decline(
        self, caller: str, raw: bytes, refusal: Refusal, reply: Callable[[Answer | Fault], None]
    ) -> None:
        """See ``Served``."""
        self.writer.refuse(caller, raw, refusal, reply)

    async def health(self) -> Health:
        """See ``Served``."""
        epoch, age = self.writer.epoch, self.unwitnessed_s
        return Health(self.is_ready, self.size, epoch, self.shipped, age, self.links())

    async def all_refused(self) -> Refused:
        """See ``Served``."""
        return self.refused

    def _ring(self, records: Sequence[Record]) -> None:
        grown = {owed.endpoint for each in records for owed in each.owed}
        self.inboxes.ring(grown)
        self.ring.grew(self.size, grown)
        if any(self._hurries(each) for each in records):
            self.checkpoints.hurry()
        if any(isinstance(each.facts, entries.Trust) for each in records):
            self.rearranged()
            self.witnessing.rearranged()
        if self.shipper is not None:
            self.shipper.wake()

    def _hurries(self, record: Record) -> bool:
        """Tell whether a record presses somebody whom another node serves."""
        if record.pressing is None:
            return False
        here = peering.nations_of(self.name, self.view)
        return not all(peering.is_here(each, here) for each in record.pressing.endpoints)

    async def close(self) -> None:
        """Stop writing, answer whoever still waits with a fault, and release the store."""
        try:
            await self.auditing.finish()
            await self._stop()
            await self.known_time.keep_on()
            if self.shipper is not None:
                await self.shipper.finish()
        finally:
            await self.store.close()
            await self.blobs.close()

    async def _stop(self) -> None:
        self._is_closing = True
        await self.ring.close()
        for task in reversed(self._tasks):
            task.cancel()
            # What a task ended with stands in the diary (``_ended``).
            with suppress(asyncio.CancelledError, Exception):
                await task

    async def _sweep(self) -> None:
        while True:
            await attachments.sweep(self.blobs)
            await asyncio.sleep(_SWEEP_S)

    def _start(self, part: str, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine, name=part)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Raise the alarm: a part of a node ends only when the node is closed."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, ExchangeError):
            _log.critical("stopped", part=task.get_name(), code=error.code.value)
        elif error is not None:
            _log.critical("stopped", part=task.get_name(), error=type(error).__name__)
        elif not self._is_closing:
            fault = self.writer.fault
            code = fault.code.value if fault else None
            _log.critical("stopped", part=task.get_name(), code=code)

    def _epoch_opened(self, ledger: Ledger) -> Facts:
        return entries.EpochOpened(
            node=self.name,
            epoch=self.writer.epoch,
            salt=ledger.salt(),
            taken_ms=ledger.taken_ms,
            view=ledger.view,
        )
