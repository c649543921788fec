"""The node's side of its fronts: starts them, deals callers out, takes what they considered.

A front that dies or hangs is replaced; who waited on it hears nothing, asks again, and gets
the entry that was recorded or none.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
import structlog

from exchange.broker import intake
from exchange.errors import Code, Fault
from exchange.model import entry as entries
from exchange.model.identity import digest
from exchange.node import frames
from exchange.node.accepting import Acceptor
from exchange.node.judging import Asking
from exchange.node.served import Refused
from exchange.node.spawning import Spawned
from exchange.node.writer import Considered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.broker.records import Record
    from exchange.model.shown import Shown
    from exchange.node.node import Node
    from exchange.node.served import Answer

_START_S = 30.0
# A front gives requests under way five seconds.
_STOP_S = 7.0
_AGAIN_S = 1.0
# A front that left so many pings without a word counts as hung. The costliest request there is
# takes it two seconds on the slowest machine we know.
_PING_S = 5.0
_HUNG_PINGS = 3

_log = structlog.get_logger("exchange.node")


class Secrets(msgspec.Struct, frozen=True):
    """What a front needs to speak for the node, and nothing that signs for it.

    ``kept_bytes`` is how much is kept of each organisation's attachments.
    """

    journal: str
    session_key: bytes
    certificate: str
    tls_seed: bytes
    kept_bytes: int


class _Front:
    """One front process, as the node sees it."""

    def __init__(self, spawned: Spawned, owner: Fronts) -> None:
        self.is_up = asyncio.Event()
        self.is_gone = asyncio.Event()
        self._owner = owner
        self._replies: list[frames.Reply] = []
        self._groups: list[bytes] = []
        self._pings = 0
        # How many arrivals it considers now, and hands on next.
        self.coming = 0
        self._is_greeted = False
        self._spawned = spawned
        self.process = spawned.process
        self.wire = frames.Wire(frames.FRONT, self._hear, self._lost)
        # Has it judge what crosses.
        self.asking = Asking(self.wire.say)

    async def greet(self, hello: Callable[[], frames.Hello]) -> None:
        """Connect, and tell it how the node stands at that very moment."""
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self.wire, sock=self._spawned.take_wire())
        self._is_greeted = True
        self.wire.say(hello())

    async def got_up(self) -> None:
        """Wait until it serves.

        Raises:
            Fault: it ended instead, or takes too long.
        """
        waits = [asyncio.ensure_future(each.wait()) for each in (self.is_up, self.is_gone)]
        try:
            await asyncio.wait(waits, timeout=_START_S, return_when="FIRST_COMPLETED")
        finally:
            for each in waits:
                each.cancel()
        if not self.is_up.is_set():
            raise Fault(Code.UNAVAILABLE, found="front")

    def deal(self, connection: socket.socket) -> bool:
        """Hand a caller's connection over; False when this front takes none now."""
        try:
            socket.send_fds(self._spawned.deals, [b"c"], [connection.fileno()])
        except OSError:
            return False
        return True

    @property
    def is_well(self) -> bool:
        """Whether it serves, and answered when it was last asked."""
        return (
            self.is_up.is_set() and not self.is_gone.is_set() and self._pings < _HUNG_PINGS - 1
        )

    def ping(self) -> None:
        """Ask for a sign of life; a front that gave none several times is ended."""
        # Pings are counted, not seconds: after a pause of this process all fronts look silent.
        if self._pings >= _HUNG_PINGS:
            _log.critical("front-hung", pid=self.process.pid)
            self.process.kill()
        if self._is_greeted:
            self._pings += 1
            self.wire.say(frames.Ping())

    def _hear(self, message: frames.FromFront) -> None:
        self._pings = 0
        match message:
            case frames.Posted(items, more):
                if not all(item.caller for item in items):
                    # The node's own operator does not come in by a front.
                    self.wire.close()
                    return
                self.coming = more
                self._owner.posted(items, self._reply)
            case frames.Stopped(jump_ms):
                self._owner.stopped(Fault(Code.CLOCK, found=jump_ms))
            case frames.Asked(ticket):
                self.wire.say(self._owner.status(ticket))
            case frames.Counted(refused):
                self._owner.count(refused)
            case frames.Showed(reads):
                self._owner.showed(reads[: frames.MAX_SHOWN])
            case frames.Up():
                self.is_up.set()
            case frames.Judged(ticket, found):
                self.asking.heard(ticket, found)

    def _lost(self) -> None:
        self.coming = 0
        self.is_gone.set()
        self.asking.lost()

    def _reply(self, ticket: int, answer: Answer | Fault) -> None:
        # What a group answers goes in one message.
        if not self._replies:
            asyncio.get_running_loop().call_soon(self._flush)
        self._replies.append(self._told(ticket, answer))

    def _told(self, ticket: int, answer: Answer | Fault) -> frames.Reply:
        if isinstance(answer, Fault):
            return frames.Reply(
                ticket, -1, "", [], 0, False, answer.code, answer.at, answer.facts
            )
        receipt, refusal = answer.receipt, answer.refusal
        group = bytes(receipt.group)
        if not self._groups or self._groups[-1] != group:
            self._groups.append(group)
        code, at, why = (refusal.code, refusal.at, refusal.facts) if refusal else (None, "", {})
        return frames.Reply(
            ticket,
            receipt.index,
            receipt.facts,
            receipt.path,
            len(self._groups) - 1,
            answer.is_new,
            code,
            at,
            why,
        )

    def _flush(self) -> None:
        groups, replies = self._groups, self._replies
        self._groups, self._replies = [], []
        self.wire.say(frames.Replies(groups, replies))

    async def close(self) -> None:
        """Let it finish what is under way, and see the process out."""
        self.wire.say(frames.Stop())
        with suppress(TimeoutError):
            await asyncio.wait_for(self.is_gone.wait(), _STOP_S)
        self.wire.close()
        await asyncio.to_thread(self._spawned.end)


class Fronts:
    """As many front processes as asked for, and the one socket that callers connect to."""

    def __init__(self, node: Node, secrets: Secrets, spawned: Sequence[Spawned]) -> None:
        """Prepare; ``start`` has them serve. Those that end are replaced."""
        self._node = node
        self._secrets = secrets
        self._fronts = [_Front(each, self) for each in spawned]
        self._keepers: list[asyncio.Task[None]] = []
        self._acceptor = Acceptor(self._deal)
        self._turn = 0
        self._view = node.view
        self._note = node.newest

    async def start(self) -> None:
        """Tell every front how the node stands, and wait until each of them serves.

        Raises:
            Fault: one of them does not get up.
        """
        self._node.writer.follow(self._tell)
        arrivals = self._node.writer.arrivals
        arrivals.coming = lambda: sum(front.coming for front in self._fronts)
        arrivals.gave_up = self._expect_nothing
        self._node.witnessing.follow(self._tell_cosigned)
        for front in self._fronts:
            await front.greet(self._hello)
        for front in self._fronts:
            await front.got_up()
        self._node.judging.ways = self._ways
        loop = asyncio.get_running_loop()
        self._keepers = [
            loop.create_task(self._keep(place)) for place in range(len(self._fronts))
        ]
        self._keepers.append(loop.create_task(self._ping()))

    def listen(self, listening: socket.socket) -> None:
        """Accept callers on a bound socket, and deal them out in turn."""
        self._acceptor.listen(listening)

    async def close(self) -> None:
        """Take no more callers, let the fronts finish, and end them."""
        self._acceptor.close()
        self._node.judging.ways = tuple
        for task in self._keepers:
            task.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(front.close() for front in self._fronts))

    def _ways(self) -> list[Asking]:
        """Return those that can judge what crosses."""
        return [front.asking for front in self._fronts if front.is_well]

    # -- callers ------------------------------------------------------------------------

    def _deal(self, caller: socket.socket) -> bool:
        """Hand a caller to the next front that is well; False when none takes it now."""
        self._turn = (self._turn + 1) % len(self._fronts)
        turns = self._fronts[self._turn :] + self._fronts[: self._turn]
        fit = [front for front in turns if front.is_well]
        if any(front.deal(caller) for front in fit or turns):
            caller.close()
            return True
        return False

    # -- fronts -------------------------------------------------------------------------

    async def _keep(self, place: int) -> None:
        """Replace this front whenever it is gone."""
        while True:
            gone = self._fronts[place]
            await gone.is_gone.wait()
            _log.critical("front-gone", pid=gone.process.pid)
            try:
                await gone.close()
                await asyncio.sleep(0 if gone.is_up.is_set() else _AGAIN_S)
                fresh = _Front(Spawned(), self)
                self._fronts[place] = fresh
                await fresh.greet(self._hello)
            except Exception as error:  # noqa: BLE001  (no process to be had, say: try again)
                _log.critical("front", error=type(error).__name__)
                await asyncio.sleep(_AGAIN_S)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(_PING_S)
            self._tell_again()
            for front in self._fronts:
                front.ping()

    def _tell_again(self) -> None:
        """Tell of a checkpoint that was only dated anew: no group was recorded for it."""
        before, self._note = self._note, self._node.newest
        if self._note != before:
            for front in self._fronts:
                front.wire.say(frames.News(self._node.size, {}, self._note, None))

    def _tell_cosigned(self) -> None:
        """Tell of a checkpoint that was cosigned, and of the newest, which may be that one."""
        self._note = self._node.newest
        news = frames.News(self._node.size, {}, self._note, None, self._node.cosigned)
        for front in self._fronts:
            front.wire.say(news)

    def _hello(self) -> frames.Hello:
        node, secrets = self._node, self._secrets
        return frames.Hello(
            node.name,
            secrets.journal,
            secrets.session_key,
            secrets.certificate,
            secrets.tls_seed,
            secrets.kept_bytes,
            pickle.dumps(node.view),
            node.size,
            node.writer.totals(),
            node.newest,
            node.cosigned,
        )

    def _tell(self, records: Sequence[Record]) -> None:
        """Tell every front of a group that has become durable; before its answers go out."""
        view, self._view = self._view, self._node.view
        notes = [
            each.facts.note.encode()
            for each in records
            if isinstance(each.facts, entries.Checkpointed)
        ]
        news = frames.News(
            self._node.size,
            {owed.endpoint: owed.position + 1 for each in records for owed in each.owed},
            notes[-1] if notes else None,
            None if view is self._view else pickle.dumps(self._view),
        )
        for front in self._fronts:
            front.wire.say(news)

    # -- what they say ------------------------------------------------------------------

    def posted(
        self, items: Sequence[frames.Item], reply: Callable[[int, Answer | Fault], None]
    ) -> None:
        """Hand on to the writer what a front considered."""
        self._node.writer.take_considered(
            [
                Considered(
                    intake.Arrival(each.caller, each.raw, each.body, each.taken_ms),
                    _meant(each),
                    each.ticket,
                    is_final=isinstance(each.told, frames.SaidUnread),
                )
                for each in items
            ],
            reply,
        )

    def _expect_nothing(self) -> None:
        """Wait for nothing that fronts said is coming: they had the time."""
        for front in self._fronts:
            front.coming = 0

    def stopped(self, fault: Fault) -> None:
        """Write nothing more: a front's clock jumped."""
        self._node.writer.stop_writing(fault)

    def status(self, ticket: int) -> frames.Status:
        """Return how the node is."""
        node = self._node
        refused = [(*which, count) for which, count in node.refused.items()]
        size, epoch = node.size, node.writer.epoch
        age, links = node.unwitnessed_s, node.links()
        return frames.Status(
            ticket, node.is_ready, size, epoch, node.shipped, refused, age, links
        )

    def showed(self, reads: Sequence[tuple[str, Shown]]) -> None:
        """Gather what fronts showed to auditors."""
        for auditor, shown in reads:
            self._node.auditing.hear(auditor, shown)

    def count(self, refused: frames.Counts) -> None:
        """Add up what fronts refused."""
        self._node.refused += Refused({(code, route): count for code, route, count in refused})


def _meant(item: frames.Item) -> intake.Considered | None:
    """Return what a front concluded; None, to be considered here, where it cannot be so."""
    # Replay sees headers and not bodies: the one thing of which a front is not believed.
    if isinstance(item.told, frames.SaidAdmitted) and digest(item.body) != (
        item.told.seen.blob.digest
    ):
        return None
    return frames.meant(item.told, item.view, item.taken_ms)
