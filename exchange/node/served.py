"""What an interface serves: the node itself, or a front process that stands before it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from exchange.errors import Fault, Refusal
from exchange.node import groups
from exchange.node.auditing import Reads
from exchange.node.budgets import Budgets
from exchange.node.heads import Heads
from exchange.node.inboxes import Inboxes
from exchange.node.links import Links
from exchange.node.ring import Ring

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.model.objects import Receipt
    from exchange.model.view import View
    from exchange.node.crossed import HomeHeads
    from exchange.node.ports import Kept
    from exchange.node.sessions import Sessions

# Refusals told, by code and route: strangers are counted, callers stand in the journal.
Refused = Counter[tuple[str, str]]


class Answer(msgspec.Struct, frozen=True):
    """What a poster is told: a receipt, with the refusal if that is what was recorded."""

    receipt: Receipt
    refusal: Refusal | None = None
    is_new: bool = True


class Health(msgspec.Struct, frozen=True):
    """How the node is: whether it takes bulletins, its journal's size, its writer's epoch.

    ``shipped`` is how many entries are in the second place; None where there is none.
    ``unwitnessed_s`` is for how long no quorum of witnesses has vouched; None where none must.
    ``links`` is how its links to other nodes are; None where it has none.
    """

    is_ready: bool
    size: int
    epoch: int
    shipped: int | None = None
    unwitnessed_s: int | None = None
    links: Links | None = None


class Served(ABC):
    """One door in, and readers of what is recorded. Used in the event loop's thread only."""

    def __init__(
        self,
        name: str,
        kept: Kept,
        sessions: Sessions,
        clock_ms: Callable[[], int],
    ) -> None:
        """Serve the node of this name, from what it keeps, which may be read."""
        self.name = name
        self.store, self.blobs = kept
        self.sessions = sessions
        self.clock_ms = clock_ms
        self.inboxes = Inboxes(kept.store)
        self.heads = Heads(kept.store)
        # What its endpoints are owed at other nodes; None where there is no link.
        self.crossed: HomeHeads | None = None
        self.ring = Ring(kept.store)
        self.budgets = Budgets()
        self.refused: Refused = Counter()
        # What auditors were shown here.
        self.reads = Reads(clock_ms)
        # Called when the trust documents in force have changed, and so who may hear.
        self.on_view: list[Callable[[], None]] = [self.inboxes.wake, self.ring.wake]

    @property
    @abstractmethod
    def view(self) -> View:
        """The trust documents in force."""

    @property
    @abstractmethod
    def size(self) -> int:
        """How many entries are durable."""

    @property
    @abstractmethod
    def newest(self) -> bytes | None:
        """The newest checkpoint, if there is one."""

    @property
    @abstractmethod
    def cosigned(self) -> bytes | None:
        """The newest checkpoint that a quorum of witnesses cosigned, if there is one."""

    @abstractmethod
    def inbox_total(self, endpoint: str) -> int:
        """Return how many durable entries an inbox holds."""

    @abstractmethod
    def take(
        self, caller: str, raw: bytes, body: bytes, reply: Callable[[Answer | Fault], None]
    ) -> None:
        """Take one object in; ``reply`` is called once, when it is recorded or cannot be.

        Args:
            caller: endpoint that holds the session; empty for the node's own operator.
            raw: the signed object as received.
            body: the sealed body that came with it, or nothing.
            reply: called in the event loop.
        """

    @abstractmethod
    def decline(
        self, caller: str, raw: bytes, refusal: Refusal, reply: Callable[[Answer | Fault], None]
    ) -> None:
        """Record a refusal made before the request could be taken apart (bad framing, say)."""

    @abstractmethod
    async def health(self) -> Health:
        """Return how the node is."""

    @abstractmethod
    async def all_refused(self) -> Refused:
        """Return what was refused at every door of the node."""

    def rearranged(self) -> None:
        """Have all who read looked at again: the trust documents in force have changed."""
        for each in self.on_view:
            each()

    def now(self) -> int:
        """Return the time in seconds UTC."""
        return self.clock_ms() // 1000

    async def submit(self, caller: str, raw: bytes, body: bytes) -> Answer:
        """Take one object in and wait for its answer.

        Raises:
            Fault: nothing was recorded, or it is not known whether it was.
        """
        return await _answer(partial(self.take, caller, raw, body))

    async def refuse(self, caller: str, raw: bytes, refusal: Refusal) -> Answer:
        """Record a refusal made before the request could be taken apart.

        Raises:
            Fault: it could not be recorded.
        """
        return await _answer(partial(self.decline, caller, raw, refusal))

    async def submit_all(
        self, caller: str, pairs: Sequence[tuple[bytes, bytes]]
    ) -> list[Answer | Fault]:
        """Take many objects in, each with its body; return their answers, in order.

        A ``Fault`` in place of an answer says of that one alone: not recorded, or not known.
        """
        answers: dict[int, Answer | Fault] = {}
        done = asyncio.Event()

        def replied(place: int, answer: Answer | Fault) -> None:
            answers[place] = answer
            if len(answers) == len(pairs):
                done.set()

        for place, (raw, body) in enumerate(pairs):
            self.take(caller, raw, body, partial(replied, place))
        await done.wait()
        return [answers[place] for place in range(len(pairs))]

    async def receipt(self, index: int) -> Receipt:
        """Return the receipt of an entry long recorded; see ``groups.receipt``."""
        return await groups.receipt(self.store, self.name, index)


async def _answer(take: Callable[[Callable[[Answer | Fault], None]], None]) -> Answer:
    future: asyncio.Future[Answer | Fault] = asyncio.get_running_loop().create_future()

    def reply(answer: Answer | Fault) -> None:
        # A poster that hung up has cancelled this; what was recorded stays recorded.
        if not future.done():
            future.set_result(answer)

    take(reply)
    answer = await future
    if isinstance(answer, Fault):
        # One fault answers many: raised again and again, its traceback would grow for ever.
        raise Fault(answer.code, answer.at, **answer.facts)
    return answer
