"""What the agencies' interface answers, as JSON: shared by node, client and OpenAPI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from exchange.model.header import Precedence
from exchange.model.identity import Base64, Count, Digest, EndpointId, Uuid7, Word
from exchange.model.objects import Receipt

if TYPE_CHECKING:
    from collections.abc import Iterable

BATCH_TYPE = "application/vnd.exchange.objects"
# A signed object, alone. Source: RFC 7515, section 9.2.1.
SIGNED_TYPE = "application/jose+json"
PROBLEM_TYPE = "application/problem+json"
LINES_TYPE = "application/x-ndjson"

MAX_PAIRS = 512
MAX_REQUEST_BYTES = 16 * 1024 * 1024
# One object and its body: the largest are a trust document, or a header and 512 KiB.
MAX_OBJECT_REQUEST_BYTES = 1024 * 1024
# Requests at the same time at one front: of one endpoint, of one member, of all who have a
# session, and of all who have none. Protects its memory; and no member takes all of it.
MAX_IN_FLIGHT_OF_ONE_BYTES = 64 * 1024 * 1024
MAX_IN_FLIGHT_OF_MEMBER_BYTES = 128 * 1024 * 1024
MAX_IN_FLIGHT_BYTES = 256 * 1024 * 1024
MAX_IN_FLIGHT_OF_STRANGERS_BYTES = 32 * 1024 * 1024
# What an upload or a download takes of them, however long it is.
STREAM_BYTES = 512 * 1024
# The largest attachment, sealed: 128 MiB and what sealing adds.
MAX_BLOB_BYTES = 129 * 1024 * 1024
# Streams of events at the same time at one front, of one endpoint and of all.
MAX_STREAMS_OF_ONE = 16
MAX_STREAMS = 4096
# Told ahead at once, of each precedence that presses.
MAX_AHEAD = 16
MAX_PAGE = 256
MAX_PAGE_BYTES = 4 * 1024 * 1024
MAX_WAIT_S = 30


class Nonce(msgspec.Struct, frozen=True):
    """A challenge: sign it, with the node's name, to open a session."""

    node: Word
    nonce: str


class Words(msgspec.Struct, frozen=True):
    """A problem in one language: what, where, why, and what to do next."""

    what: str
    where: str
    why: str
    next: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457 problem details, with our stable code and both languages.

    ``receipt`` is there when the refusal was recorded: its place in the journal.
    """

    type: str
    title: str
    status: int
    code: str
    at: str
    facts: dict[str, str | int]
    en: Words
    es: Words
    receipt: Receipt | None = None


class Answered(NamedTuple):
    """What became of one object of a batch: a receipt, or a problem."""

    receipt: Receipt | None = None
    problem: Problem | None = None


class LineReceipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """A receipt; ``group`` is left out where it is that of the last receipt before it.

    It is five of six kilobytes, and the same in a hundred lines.
    """

    node: Word
    index: Count
    facts: str
    path: list[Digest]
    group: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a batch's answer: a receipt, or a problem."""

    receipt: LineReceipt | None = None
    problem: Problem | None = None


_LINES = msgspec.json.Decoder(Line)


def encode_lines(answers: Iterable[Answered]) -> bytes:
    """Return a batch's answer, in the order of its objects."""
    lines: list[Line] = []
    last = None
    for receipt, problem in answers:
        if receipt is None:
            lines.append(Line(problem=problem))
            continue
        group = msgspec.UNSET if receipt.group == last else receipt.group
        last = receipt.group
        brief = LineReceipt(receipt.node, receipt.index, receipt.facts, receipt.path, group)
        lines.append(Line(brief))
    return msgspec.json.Encoder().encode_lines(lines)


def _line(text: bytes) -> Line:
    try:
        return _LINES.decode(text)
    except (UnicodeDecodeError, RecursionError):
        message = "no line of a batch's answer"
        raise msgspec.DecodeError(message) from None


def decode_lines(data: bytes) -> list[Answered]:
    """Return what became of each object of a batch, in their order.

    Raises:
        msgspec.DecodeError: it is no such answer.
    """
    answers: list[Answered] = []
    last = None
    for text in data.removesuffix(b"\n").split(b"\n"):
        line = _line(text)
        if (line.receipt is None) == (line.problem is None):
            message = "neither a receipt nor a problem, or both"
            raise msgspec.ValidationError(message)
        if (brief := line.receipt) is None:
            answers.append(Answered(problem=line.problem))
            continue
        last = last if brief.group is msgspec.UNSET else brief.group
        if last is None:
            message = "a receipt under no group"
            raise msgspec.ValidationError(message)
        receipt = Receipt(brief.node, brief.index, brief.facts, brief.path, last)
        answers.append(Answered(receipt))
    return answers


class InboxItem(msgspec.Struct, frozen=True):
    """An entry owed to the caller: its place in the inbox and in the journal, and its bytes."""

    position: Count
    index: Count
    entry: str


class AheadItem(InboxItem, frozen=True):
    """An entry told ahead of its place, where it comes again: no cursor moves by it."""

    precedence: Precedence


class InboxPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Entries after a cursor; ``cursor`` is where to go on, ``total`` what the inbox holds.

    ``ahead`` is what presses and is further on than this page; only where it is asked for.
    """

    endpoint: EndpointId
    items: list[InboxItem]
    cursor: int
    total: Count
    ahead: list[AheadItem] = []


class TrustItem(msgspec.Struct, frozen=True):
    """A trust document as it was signed, and the entry under which it took effect, whole.

    Of another node's it is the entry in which that was taken in here: ``index`` and
    ``taken_ms`` are ours, and the facts of its entry there stand in it.
    """

    position: Count
    index: Count
    taken_ms: Count
    name: str
    version: Count
    digest: Digest
    document: str
    entry: str


class TrustPage(msgspec.Struct, frozen=True):
    """Trust documents after a journal index, in the order in which they took effect."""

    items: list[TrustItem]
    cursor: int
    total: Count


class Upload(msgspec.Struct, frozen=True):
    """How far an upload of the caller has come; ``complete`` once it is whole and durable."""

    digest: Digest
    size: Count
    offset: Count
    complete: bool


class JournalItem(msgspec.Struct, frozen=True):
    """One entry, for an auditor."""

    index: Count
    entry: str


class JournalPage(msgspec.Struct, frozen=True):
    """Entries from an index on, for an auditor; never any ciphertext."""

    items: list[JournalItem]
    size: Count


class LinkItem(msgspec.Struct, frozen=True):
    """An entry that crosses the border, and the path from it to the root of the page's note.

    ``by`` is the entry before which it is to cross; its own index where it crosses for itself.
    ``has_body``: the bytes that it names first come with the page. ``is_ahead``: it is urgent,
    or a trust entry, and comes again in its place.
    """

    index: Count
    by: Count
    entry: str
    path: list[str]
    has_body: bool
    is_ahead: bool = False


class OwnHead(msgspec.Struct, frozen=True):
    """How much one inbox holds, the chain over it, and its place in the map of all inboxes."""

    count: Count
    chain: Digest
    salt: Base64
    path: list[Digest]


class LinkHeads(msgspec.Struct, frozen=True):
    """How much the inboxes of the caller's endpoints hold, by name, under a page's checkpoint.

    ``entry`` is the inbox-heads entry at ``index``, with its ``path`` to the root of the note.
    ``cosigned`` is the newest checkpoint that a quorum of witnesses cosigned, if there is one;
    ``witnessed`` leads from its size to that of the note.
    """

    index: Count
    entry: str
    path: list[Digest]
    cosigned: str
    witnessed: list[Digest]
    own: dict[EndpointId, OwnHead]


class LinkPage(msgspec.Struct, frozen=True):
    """What crosses after an index, in order, under a checkpoint of its journal.

    ``cursor`` is where to go on: everything up to it was looked through. ``grown`` proves that
    the checkpoint goes on from one of the size that was asked with. ``heads`` come with a page
    that leads as far as they cover, where they are others than those of ``heads`` asked with.
    ``vouched`` is the newest checkpoint that a quorum of witnesses cosigned, empty where there
    is none; ``since_vouched`` proves that the page's goes on from it (None: an older program
    wrote it, and ``vouched`` counts for nothing).
    """

    items: list[LinkItem]
    cursor: int
    note: str
    grown: list[str]
    heads: LinkHeads | None = None
    vouched: str = ""
    since_vouched: list[str] | None = None


class LinkLeaves(msgspec.Struct, frozen=True):
    """Leaf hashes of a journal from an entry on; ``grown`` leads from where they end.

    It is a consistency proof from there to the size that was asked with.
    """

    first: Count
    grown: list[str]


class LinkProblem(msgspec.Struct, frozen=True):
    """Why a node gives another nothing: the code, and where. Nodes need no words."""

    code: str
    at: str


class LinkToken(msgspec.Struct, frozen=True):
    """What a node that proved who it is may ask with."""

    token: str


EnrolmentState = Literal["waiting", "approved", "declined", "in-force"]


class Standing(msgspec.Struct, frozen=True):
    """How a request by invitation stands, told to who made it: nobody else has its proof."""

    receipt: Receipt
    state: EnrolmentState


class Bearing(msgspec.Struct, frozen=True):
    """What the caller posted that bears on a bulletin of its own: the ids, in order.

    ``corrected_by_colleagues`` are the entries of what colleagues corrected in it, in order and
    not cancelled: they need not be in the caller's inbox. An older node tells none.
    """

    ids: list[Uuid7]
    corrected_by_colleagues: list[Count] = []


class KeptObject(msgspec.Struct, frozen=True):
    """A signed object as it stands in the journal."""

    index: Count
    object: str


class InvitationItem(msgspec.Struct, frozen=True):
    """A nation's invitation by its number from 0, the request that used it, and the verdict."""

    number: Count
    invitation: KeptObject
    requested: KeptObject | None
    decided: KeptObject | None


class InvitationPage(msgspec.Struct, frozen=True):
    """Invitations of a nation before a number, newest first, for its operators."""

    items: list[InvitationItem]
    total: Count


class InvitationReceipts(msgspec.Struct, frozen=True):
    """The receipts of an invitation, of the request that used it, and of the verdict."""

    invitation: Receipt
    requested: Receipt | None
    decided: Receipt | None


class Proof(msgspec.Struct, frozen=True):
    """That an entry is under a checkpoint, which is in it: a C2SP tlog-proof, as text.

    Of the newest; or, where that was asked for, of the newest that a quorum cosigned.
    """

    index: Count
    size: Count
    proof: str


class Heads(msgspec.Struct, frozen=True):
    """How much is owed to the caller, provably, under the newest checkpoint.

    ``proof`` is the C2SP tlog-proof of the inbox-heads ``entry``, with the checkpoint in it;
    ``consistency`` leads there from the size that was asked about, lowest level first.
    ``cosigned`` is the newest checkpoint that a quorum of witnesses cosigned, empty where there
    is none; ``witnessed`` leads from its size to that of the checkpoint in ``proof``.
    ``abroad`` is of the trust documents of other nodes, by their names.
    """

    proof: str
    entry: str
    own: OwnHead
    trust: OwnHead
    consistency: list[Digest]
    cosigned: str = ""
    witnessed: list[Digest] = []
    abroad: dict[Word, OwnHead] = {}


class Elsewhere(msgspec.Struct, frozen=True, omit_defaults=True):
    """A place in the caller's inbox at another node that did not come into the one here.

    ``index`` and ``leaf`` are of its entry there. ``entry`` says why: the order to purge that
    it is, whole, as it stands there; or the entry of our journal that refused it, that is the
    notice of its not being owed to the caller or of its waiting for bytes that lack, or that
    owes it to others: with its ``receipt``. Empty: our node has no account of it.
    """

    position: Count
    index: Count
    leaf: Digest
    entry: str
    receipt: Receipt | None = None


class HomeHeads(msgspec.Struct, frozen=True):
    """How much another node says it owes to the caller, provably, and what became of it here.

    ``proof`` is the C2SP tlog-proof of that journal's inbox-heads ``entry``, with a checkpoint
    in it, and ``own`` the caller's head there. ``cosigned`` and ``witnessed`` as in ``Heads``.
    ``elsewhere`` is what of it is not in the inbox here, in order, from the place asked for;
    ``more`` is the place to go on from, 0 where that is all. ``trouble`` is the code by which
    our node took nothing more over that link; empty: it has taken in all of it.
    """

    proof: str
    entry: str
    own: OwnHead
    cosigned: str
    witnessed: list[Digest]
    elsewhere: list[Elsewhere]
    more: Count
    trouble: str


class Health(msgspec.Struct, frozen=True):
    """How the node is, for anybody who asks: how much it has taken in is not for strangers.

    ``unwitnessed_s`` is for how long no quorum of witnesses has vouched for its journal; null
    where none must.
    """

    node: Word
    ready: bool
    quorum: str
    unwitnessed_s: Count | None = None
