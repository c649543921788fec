"""A front process: speaks to callers, considers on the spot, and hands on to the one writer.

Two signature checks take most of what a bulletin costs, so each core has a front that takes
HTTP, TLS and considering; settling and committing stay with the node's own process. A front
reads the journal's file itself. It holds the server's key and the key of the sessions, none
that signs for the node. It ends when the writer's process does, however that ended: a socket
whose other end is gone says so.
"""

from __future__ import annotations

import asyncio
import pickle
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.broker import intake
from exchange.errors import Code, Fault, Refusal
from exchange.model.identity import digest
from exchange.model.objects import Receipt
from exchange.node import frames
from exchange.node.considering import broken
from exchange.node.judging import Assessor
from exchange.node.served import Answer, Health, Refused, Served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exchange.model.view import View
    from exchange.node.clock import Clock
    from exchange.node.ports import Kept
    from exchange.node.sessions import Sessions

# Considered in one go, between two looks at the sockets: reading all of them before judging
# any keeps the program that reads in the processor's cache, and more would let others wait.
SLICE = 32
# Said to the writer in one message, about: a front pays for larger blocks page by page (see
# ``node.spawning``; 10 us of a bulletin).
_MESSAGE_BYTES = 128 * 1024
# Bounds what waits for the writer; a caller over it is told to come again (protects memory).
MAX_WAITING = 8192
_COUNT_S = 1.0
# A writer that does not say how it is for this long is not ready.
_STATUS_S = 5.0


class _Waiting(NamedTuple):
    arrival: intake.Arrival
    refusal: Refusal | None
    reply: Callable[[Answer | Fault], None]


class Front(Served):
    """See the module; made by the front's own process, which connects it to the writer."""

    def __init__(
        self,
        hello: frames.Hello,
        kept: Kept,
        sessions: Sessions,
        clock_ms: Callable[[], int],
        stamps: Clock,
    ) -> None:
        """Stand where the writer says that the node stands; ``say`` is set once connected."""
        super().__init__(hello.node, kept, sessions, clock_ms)
        self.say: Callable[[frames.FromFront], None] = lambda _: None
        self._view: View = pickle.loads(hello.view)  # noqa: S301  (from the node's own process)
        self._size = hello.size
        self._totals = dict(hello.totals)
        self._newest = hello.newest
        self._cosigned = hello.cosigned
        self._stamps = stamps
        self._fault: Fault | None = None
        self._waiting: deque[_Waiting] = deque()
        self._will_work = False
        self._tickets = 0
        self._replies: dict[int, Callable[[Answer | Fault], None]] = {}
        self._asked: dict[int, asyncio.Future[frames.Status]] = {}
        self._assessor = Assessor(self._say)
        self._counted: Refused = Refused()
        self._will_count = False

    @property
    def view(self) -> View:
        """The trust documents in force."""
        return self._view

    @property
    def size(self) -> int:
        """How many entries are durable."""
        return self._size

    @property
    def newest(self) -> bytes | None:
        """The newest checkpoint, if there is one."""
        return self._newest

    @property
    def cosigned(self) -> bytes | None:
        """The newest checkpoint that a quorum of witnesses cosigned, if there is one."""
        return self._cosigned

    def inbox_total(self, endpoint: str) -> int:
        """Return how many durable entries an inbox holds."""
        return self._totals.get(endpoint, 0)

    # -- taking in ----------------------------------------------------------------------

    def take(
        self, caller: str, raw: bytes, body: bytes, reply: Callable[[Answer | Fault], None]
    ) -> None:
        """See ``Served``."""
        self._enqueue(caller, raw, body, None, reply)

    def decline(
        self, caller: str, raw: bytes, refusal: Refusal, reply: Callable[[Answer | Fault], None]
    ) -> None:
        """See ``Served``."""
        self._enqueue(caller, raw, b"", refusal, reply)

    def _enqueue(
        self,
        caller: str,
        raw: bytes,
        body: bytes,
        refusal: Refusal | None,
        reply: Callable[[Answer | Fault], None],
    ) -> None:
        if len(self._waiting) + len(self._replies) >= MAX_WAITING:
            reply(Fault(Code.UNAVAILABLE, limit=MAX_WAITING))
            return
        try:
            if self._fault is not None:
                raise self._fault
            taken_ms = self._stamps.stamp()
        except Fault as fault:
            # Whose clock jumped takes nothing more, and the writer must not write on either.
            if self._fault is None:
                self._fault = Fault(fault.code, fault.at, **fault.facts)
                self.say(frames.Stopped(int(fault.facts.get("found", 0))))
            reply(self._fault)
            return
        arrival = intake.Arrival(caller, raw, body, taken_ms)
        self._waiting.append(_Waiting(arrival, refusal, reply))
        if not self._will_work:
            # What arrives in one turn of the loop is considered together.
            self._will_work = True
            asyncio.get_running_loop().call_soon(self._work)

    def _work(self) -> None:
        """Consider a slice of what waits and hand it on; then look at the sockets first."""
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), SLICE))]
        found = [_read(each) for each in batch]
        view, items = self._view, []
        for each, read in zip(batch, found, strict=True):
            self._tickets += 1
            self._replies[self._tickets] = each.reply
            # Bytes that were refused unread are named by digest and not carried on.
            arrival = each.arrival if each.refusal is None else each.arrival._replace(raw=b"")
            told = _said(each, read, view)
            items.append(frames.Item(self._tickets, *arrival, view.index, told))
        left = len(items) + len(self._waiting)
        for part in _messages(items):
            left -= len(part)
            self._post(part, left)
        self._will_work = bool(self._waiting)
        if self._will_work:
            asyncio.get_running_loop().call_soon(self._work)

    def _post(self, items: list[frames.Item], more: int) -> None:
        try:
            self.say(frames.Posted(items, more))
        except (OverflowError, ValueError, TypeError):
            # Something in a conclusion has no spelling: the writer considers all of these.
            plain = [
                item
                if isinstance(item.told, frames.SaidUnread)
                else msgspec.structs.replace(item, told=frames.SaidNothing())
                for item in items
            ]
            self.say(frames.Posted(plain, more))

    # -- what the writer says -----------------------------------------------------------

    def hear(self, message: frames.FromWriter) -> None:
        """Take in one message; ``Hello`` and ``Stop`` are the process's own concern."""
        match message:
            case frames.News(size, totals, newest, view, cosigned):
                self._size = size
                self._newest = newest or self._newest
                self._cosigned = cosigned or self._cosigned
                if view is not None:
                    self._view = pickle.loads(view)  # noqa: S301  (from the node's own process)
                self._totals.update(totals)
                self.inboxes.ring(totals)
                self.ring.grew(size, totals)
                if view is not None:
                    self.rearranged()
            case frames.Replies(groups, replies):
                for reply in replies:
                    self._replied(reply, groups)
            case frames.Status(ticket):
                asked = self._asked.pop(ticket, None)
                if asked is not None and not asked.done():
                    asked.set_result(message)
            case frames.Ping():
                self.say(frames.Up())
            case frames.HomeView() | frames.Judge():
                self._assessor.hear(message)
            case _:
                pass

    def _say(self, message: frames.FromFront) -> None:
        self.say(message)

    def _replied(self, told: frames.Reply, groups: list[bytes]) -> None:
        reply = self._replies.pop(told.ticket, None)
        if reply is None:
            return
        answer: Answer | Fault
        if told.index < 0:
            answer = Fault(told.code or Code.INTERNAL, told.at, **told.why)
        else:
            group = msgspec.Raw(groups[told.group])
            receipt = Receipt(self.name, told.index, told.facts, told.path, group)
            refusal = Refusal(told.code, told.at, **told.why) if told.code else None
            answer = Answer(receipt, refusal, told.is_new)
        try:
            reply(answer)
        except Exception as error:  # noqa: BLE001  (what a poster makes of it is no concern of others)
            broken("reply", error)

    # -- asking -------------------------------------------------------------------------

    async def health(self) -> Health:
        """See ``Served``: asked of the writer, so that a front alone is never ready."""
        told = await self._status()
        age, links = told.unwitnessed_s, told.links
        return Health(told.is_ready, told.size, told.epoch, told.shipped, age, links)

    async def all_refused(self) -> Refused:
        """See ``Served``; what other fronts refused comes a second late."""
        self._count()
        told = await self._status()
        return Refused({(code, route): count for code, route, count in told.refused})

    async def _status(self) -> frames.Status:
        self._tickets += 1
        ticket = self._tickets
        asked: asyncio.Future[frames.Status] = asyncio.get_running_loop().create_future()
        self._asked[ticket] = asked
        self.say(frames.Asked(ticket))
        try:
            return await asyncio.wait_for(asked, _STATUS_S)
        except TimeoutError:
            raise Fault(Code.UNAVAILABLE, found="writer") from None
        finally:
            self._asked.pop(ticket, None)

    def count(self, every_s: float = _COUNT_S) -> None:
        """Tell the writer, from now on, what was refused and shown here: once a second."""
        self._count()
        self.tell_shown()
        asyncio.get_running_loop().call_later(every_s, self.count, every_s)

    def _count(self) -> None:
        since = self.refused - self._counted
        if since:
            self._counted = Refused(self.refused)
            self.say(frames.Counted([(*which, count) for which, count in since.items()]))

    def tell_shown(self) -> None:
        """Tell the writer what auditors were shown here, if anything."""
        taken = self.reads.take().items()
        shown = [(name, each) for name, told in taken for each in told.reads.values()]
        for first in range(0, len(shown), frames.MAX_SHOWN):
            self.say(frames.Showed(shown[first : first + frames.MAX_SHOWN]))


def _messages(items: list[frames.Item]) -> Iterator[list[frames.Item]]:
    """Cut a slice into messages, in order."""
    message, size = [], 0
    for item in items:
        message.append(item)
        size += len(item.raw) + len(item.body)
        if size >= _MESSAGE_BYTES:
            yield message
            message, size = [], 0
    if message:
        yield message


def _read(each: _Waiting) -> intake.Read | Refusal | None:
    if each.refusal is not None:
        return each.refusal
    try:
        return intake.read(each.arrival)
    except Exception:  # noqa: BLE001  (a defect of ours: told where the writer considers it)
        return None


def _said(each: _Waiting, found: intake.Read | Refusal | None, view: View) -> frames.Said:
    if each.refusal is not None:
        refusal, raw = each.refusal, each.arrival.raw
        return frames.SaidUnread(refusal.code, refusal.at, refusal.facts, digest(raw), len(raw))
    if found is None:
        return frames.SaidNothing()
    try:
        return frames.said(intake.judge(each.arrival, found, view))
    except Exception:  # noqa: BLE001
        return frames.SaidNothing()
