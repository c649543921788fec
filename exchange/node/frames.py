"""What the node's processes say to each other: a length, then msgpack.

What a front says is decoded into these types and nothing else; it is never unpickled. So a
front that strangers' bytes took over can lie about what it considered, and do no more.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from exchange.broker.intake import (
    Admitted,
    Attested,
    Conferred,
    Considered,
    Countersigned,
    Declined,
)
from exchange.errors import Code, Refusal
from exchange.model.header import Header
from exchange.model.identity import Count, EndpointId
from exchange.model.objects import Acknowledgement, Grant, Release
from exchange.model.shown import Shown
from exchange.node.links import Links
from exchange.seal.body import Seen

if TYPE_CHECKING:
    from collections.abc import Callable

M = TypeVar("M")

_LENGTH_BYTES = 4
# Reads of auditors in one message: so many are never told of in one second but by a lie.
MAX_SHOWN = 256
Facts = dict[str, str | int]
Counts = list[tuple[str, str, int]]


# -- what was concluded of an arrival --------------------------------------------------------


class SaidAdmitted(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """A bulletin that may pass; or may, if somebody released it."""

    header: Header
    digest: str
    seen: Seen
    late: bool
    is_marked: bool


class SaidAttested(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """An acknowledgement that its recipient did sign."""

    ack: Acknowledgement
    digest: str


class SaidDeclined(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """No, and why."""

    code: Code
    at: str
    facts: Facts
    digest: str
    size: int


class SaidConferred(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """A grant that its granter did sign, to one who may have it as far as keys go."""

    grant: Grant
    digest: str
    seen: Seen


class SaidCountersigned(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """A release that a releaser did sign."""

    release: Release
    digest: str


class SaidNothing(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Rare, or broken: the writer's own process may consider this one."""


class SaidUnread(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Refused before it could be taken apart; its bytes are named and stay where they are."""

    code: Code
    at: str
    facts: Facts
    digest: str
    size: int


Said = (
    SaidAdmitted
    | SaidAttested
    | SaidDeclined
    | SaidNothing
    | SaidUnread
    | SaidConferred
    | SaidCountersigned
)


def said(considered: Considered) -> Said:
    """Return how a conclusion is told to the writer."""
    match considered.decision:
        case Admitted(header, digest, seen, _, late, is_marked):
            return SaidAdmitted(header, digest, seen, late, is_marked)
        case Attested(ack, digest):
            return SaidAttested(ack, digest)
        case Conferred(grant, digest, seen):
            return SaidConferred(grant, digest, seen)
        case Countersigned(release, digest):
            return SaidCountersigned(release, digest)
        case Declined(refusal, digest, size):
            return SaidDeclined(refusal.code, refusal.at, refusal.facts, digest, size)
        case _:
            return SaidNothing()


def meant(told: Said, view: int, taken_ms: int) -> Considered | None:
    """Return the conclusion that was told, or None where there was none."""
    match told:
        case SaidAdmitted(header, digest, seen, late, is_marked):
            owed = tuple(header.to)
            decision = Admitted(header, digest, seen, owed, late, is_marked)
            return Considered(decision, view, taken_ms)
        case SaidAttested(ack, digest):
            return Considered(Attested(ack, digest), view, taken_ms)
        case SaidConferred(grant, digest, seen):
            return Considered(Conferred(grant, digest, seen), view, taken_ms)
        case SaidCountersigned(release, digest):
            return Considered(Countersigned(release, digest), view, taken_ms)
        case SaidDeclined(code, at, facts, digest, size) | SaidUnread(
            code, at, facts, digest, size
        ):
            return Considered(
                Declined(Refusal(code, at, **facts), digest, size), view, taken_ms
            )
        case SaidNothing():
            return None


# -- from a front to the writer --------------------------------------------------------------


class Item(msgspec.Struct, frozen=True, array_like=True):
    """One arrival, what was concluded of it under which view, and the number of its reply."""

    ticket: int
    caller: str
    raw: bytes
    body: bytes
    taken_ms: int
    view: int
    told: Said


class Posted(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """Arrivals, in the order in which they arrived."""

    items: list[Item]
    # How many more are considered there now, and come in the messages after this one.
    more: Count = 0


class Asked(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """How is the node?"""

    ticket: int


class Counted(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Refusals told since the last time: code, route, how many."""

    refused: Counts


class Up(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """The front serves; also its answer to ``Ping``."""


class Stopped(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """The clock jumped as the front read it, by so many ms: nothing more may be written."""

    jump_ms: int


class Showed(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """What auditors were shown since the last time: whom, and what; at most ``MAX_SHOWN``."""

    reads: list[tuple[EndpointId, Shown]]


class Judged(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """Whether each of a slice that crossed is borne out, in its order."""

    ticket: int
    found: list[bool]


FromFront = Posted | Asked | Counted | Up | Stopped | Showed | Judged


# -- from the writer to a front --------------------------------------------------------------


class Hello(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """Who the node is and how it stands. The view is pickled: a front may trust its parent."""

    node: str
    journal: str
    session_key: bytes
    certificate: str
    tls_seed: bytes
    kept_bytes: int
    view: bytes
    size: int
    totals: dict[str, int]
    newest: bytes | None
    cosigned: bytes | None = None


class News(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """A group is durable: the size after it, inboxes that grew, and what else is new."""

    size: int
    totals: dict[str, int]
    newest: bytes | None
    view: bytes | None
    cosigned: bytes | None = None


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """The answer to one arrival: a receipt, perhaps of a refusal; or a fault, without one.

    ``group`` is the place of its statement in the frame: many receipts share one.
    """

    ticket: int
    index: int
    facts: str
    path: list[str]
    group: int
    is_new: bool
    code: Code | None
    at: str
    why: Facts


class Replies(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Answers, and the group statements that they are under."""

    groups: list[bytes]
    replies: list[Reply]


class Status(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """How the node is, and what was refused at all its doors."""

    ticket: int
    is_ready: bool
    size: int
    epoch: int
    shipped: int | None
    refused: Counts
    unwitnessed_s: int | None = None
    links: Links | None = None


class Ping(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Are you there? Whoever does not answer for long is ended and replaced."""


class Stop(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Finish what is under way, and end."""


class HomeView(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """What is in force at another node from one of its entries on, pickled as in ``Hello``."""

    node: str
    index: int
    view: bytes


class Crossed(msgspec.Struct, frozen=True, array_like=True):
    """An entry of another node, by its index there, and the bytes that came with it."""

    index: int
    entry: bytes
    body: bytes | None


class Judge(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """Entries of another node, to be judged as it did, under one of its views.

    ``here`` are the nations that our node serves.
    """

    ticket: int
    node: str
    view: int
    here: list[str]
    items: list[Crossed]


FromWriter = Hello | News | Replies | Status | Ping | Stop | HomeView | Judge

FRONT: msgspec.msgpack.Decoder[FromFront] = msgspec.msgpack.Decoder(FromFront)
WRITER: msgspec.msgpack.Decoder[FromWriter] = msgspec.msgpack.Decoder(FromWriter)
_ENCODER = msgspec.msgpack.Encoder()


class Wire(asyncio.Protocol, Generic[M]):
    """One end of a socket over which whole messages come and go."""

    def __init__(
        self,
        decoder: msgspec.msgpack.Decoder[M],
        hear: Callable[[M], None],
        lost: Callable[[], None],
    ) -> None:
        """Call ``hear`` with each message, and ``lost`` once, when the other end is gone."""
        self._decoder = decoder
        self._hear = hear
        self._lost = lost
        self._come = bytearray()
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport

    def say(self, message: FromFront | FromWriter) -> None:
        """Send one message; what cannot be sent any more is dropped.

        Raises:
            TypeError, OverflowError: it has no spelling.
        """
        frame = bytearray(_LENGTH_BYTES)
        _ENCODER.encode_into(message, frame, _LENGTH_BYTES)
        frame[:_LENGTH_BYTES] = (len(frame) - _LENGTH_BYTES).to_bytes(_LENGTH_BYTES)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)

    def data_received(self, data: bytes) -> None:
        """Take what came; hear what is whole."""
        self._come += data
        begin = 0
        while (end := begin + _LENGTH_BYTES) <= len(self._come):
            end += int.from_bytes(self._come[begin:end])
            if end > len(self._come):
                break
            with memoryview(self._come) as come, come[begin + _LENGTH_BYTES : end] as part:
                try:
                    message = self._decoder.decode(part)
                except msgspec.MsgspecError:
                    # Nonsense: whoever talks it is not believed another word.
                    self._transport.abort()
                    return
            begin = end
            self._hear(message)
        del self._come[:begin]

    def connection_lost(self, _: Exception | None) -> None:
        """Tell that nothing more will come."""
        self._lost()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()
