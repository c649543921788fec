"""The trust documents: what the nations agreed, their members and their nodes.

Each is a target file of TUF metadata, which says its digest and who signed (see
``model.metadata`` and the decision on it). Here is what they say.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypedDict

import msgspec

from exchange.errors import Code, Refusal
from exchange.model import codec
from exchange.model.header import Declaration, Handling, Precedence, Status, Tlp
from exchange.model.identity import (
    Count,
    Digest,
    EndpointId,
    Jwk,
    MemberId,
    Nation,
    Seconds,
    Signatory,
    SuiteId,
    Word,
)

# Of one document, and of one metadata file.
MAX_TRUST_BYTES = 256 * 1024

# One line of a witness policy; what it says is read elsewhere.
PolicyLine = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
Role = Literal["poster", "reader", "releaser", "auditor", "operator"]


class Label(TypedDict):
    """A name as people read it: always in both languages."""

    es: str
    en: str


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """Versions of a document count from 1, without gaps."""

    v: Literal["xb1"]
    version: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
    issued: Seconds


class Feed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A topic: the types it carries, and the members that may post and read.

    ``statuses``, ``tlp`` and ``handling`` bound what it carries; each that is left out bounds
    nothing. An empty ``handling``: it carries nothing with a handling code.
    """

    name: Word
    title: Label
    types: list[str]
    post: list[MemberId]
    read: list[MemberId]
    statuses: Annotated[list[Status], msgspec.Meta(min_length=1, max_length=3)] | None = None
    tlp: Annotated[list[Tlp], msgspec.Meta(min_length=1, max_length=5)] | None = None
    handling: Annotated[list[Handling], msgspec.Meta(max_length=4)] | None = None


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds, in seconds: a header's lifetime, tolerated clock skew, and when it is late."""

    lifetime_s: Count
    skew_s: Count
    late_s: Count


class Targets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How soon somebody acknowledges, by precedence: seconds since a bulletin was taken in."""

    flash: Count
    immediate: Count
    priority: Count
    routine: Count


# Of an arrangement that names none: ten minutes, half an hour, three hours, a day.
DEFAULT_TARGETS = Targets(600, 1800, 10_800, 86_400)


# A member, for all of its endpoints, or one endpoint.
Holder = Annotated[
    str, msgspec.Meta(pattern=r"^[a-z]{2}\.[a-z0-9]{1,30}(/[a-z0-9][a-z0-9-]{0,30})?$")
]
# Something that a header says. Closed: a mark that nothing can bear would bind nobody.
Mark = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(tlp:(red|amber|amber\+strict|green|clear)|handling:h[0-3]"
        r"|declares:(must-purge|persons|protected-person)|originator-control:yes"
        r"|status:(actual|exercise|test)|precedence:(flash|immediate|priority|routine)"
        r"|type:[a-z]{3}|feed:[a-z0-9][a-z0-9.+-]{0,47}|regime:[a-z0-9][a-z0-9.+-]{0,47})$"
    ),
]


# What a header may say for two people to have to look at it.
FourEyes = Annotated[list[Mark], msgspec.Meta(max_length=64)]


class CategoryValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One value of a category: what a header bears it by, and who holds it."""

    name: Word
    marks: Annotated[list[Mark], msgspec.Meta(min_length=1, max_length=32)]
    holders: Annotated[list[Holder], msgspec.Meta(max_length=1024)]


class Category(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may be shown what bears its values: who holds all of them, or at least one.

    Source: STANAG 4774, categories of type RESTRICTIVE and PERMISSIVE.
    """

    name: Word
    title: Label
    kind: Literal["restrictive", "permissive"]
    values: Annotated[list[CategoryValue], msgspec.Meta(min_length=1, max_length=64)]


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many bulletins at once, and then one every so many milliseconds."""

    burst: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
    every_ms: Annotated[int, msgspec.Meta(ge=1, le=86_400_000)]


class Budgets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an endpoint, and all of its member's endpoints together, may post.

    The last two are for FLASH and for cancellations, which never wait for the rest.
    """

    endpoint: Budget
    member: Budget
    urgent_endpoint: Budget
    urgent_member: Budget


class Sizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The most bytes of a sealed body, of one sealed attachment, of all of a bulletin's."""

    body: Count
    attachment: Count
    attachments: Count


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How long bulletins of some types, or that declare something, are kept at most (seconds).

    Counted from when a node takes one in; ``name`` is what its purge names. Without ``types``
    it is for all of them; with ``declares``, for those that declare one of these. ``review_s``
    after it was taken in, or confirmed, its originator is asked whether it still holds; after
    ``silence_s`` without an answer it is purged.
    """

    name: Word
    title: Label
    keep_s: Annotated[int, msgspec.Meta(ge=1, le=2**32)]
    types: list[str] = []
    declares: list[Declaration] = []
    review_s: Annotated[int, msgspec.Meta(ge=1, le=2**32)] | None = None
    silence_s: Annotated[int, msgspec.Meta(ge=1, le=2**32)] | None = None


# What no reply within the time agreed means to a boarding request under a regime: nothing, for
# consent is express; nothing either, for it was given in advance; consent; or refusal.
Silence = Literal["express", "advance-standing", "deemed-consent", "deemed-refusal"]


class Clock(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How long a flag State has to answer a boarding request under a regime, and what then.

    ``minutes`` run from when the node of the nation that is asked took the request in; longer,
    where the request itself leaves more time for a reply. ``asked``
    is that nation; without it, either. At each of ``reminders``, percent of that time, who is
    asked is reminded.
    """

    regime: Word
    minutes: Annotated[int, msgspec.Meta(ge=1, le=366 * 1440)]
    silence: Silence = "express"
    asked: Nation | None = None
    reminders: Annotated[
        list[Annotated[int, msgspec.Meta(ge=1, le=99)]], msgspec.Meta(max_length=8)
    ] = []


Unwitnessed = Literal["accept", "decline"]


class WhenUnwitnessed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of a new bulletin past the limit, by precedence.

    ``accept``: it is taken in and marked ``unwitnessed``; ``decline``: it is refused. What
    cancels is always taken, and so is all that is no bulletin.
    """

    flash: Unwitnessed
    immediate: Unwitnessed
    priority: Unwitnessed
    routine: Unwitnessed


class Witnesses(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who must cosign each node's checkpoints, and what holds while they do not.

    ``policy`` are the lines of a C2SP tlog-policy: its witnesses, groups and quorum. Their keys
    are held to what a key must be where a document is judged (``journal.quorum``).
    ``limit_s`` is how old the newest quorum may be before ``past_limit`` holds.
    """

    policy: Annotated[list[PolicyLine], msgspec.Meta(min_length=2, max_length=96)]
    limit_s: Annotated[int, msgspec.Meta(ge=300, le=30 * 86_400)]
    past_limit: WhenUnwitnessed


# What nations agree on who name no other: four hours, and everything taken in and marked.
DEFAULT_UNWITNESSED_S = 4 * 3600
ACCEPT_ALL = WhenUnwitnessed("accept", "accept", "accept", "accept")


# What a person attests, not a machine: of these an arrangement may ask who it was.
Attested = Literal["opened", "actioned", "partial", "released"]


class Loss(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Entries of a node's journal that survive nowhere: both nations declare them lost.

    From ``first`` on, to before ``end``. Of those before ``size`` the leaf hashes are known:
    the tree of so many entries has ``root``, as somebody cosigned it. Of the others nothing is,
    not even whether there were any: their indexes are given to nobody. ``trust`` is the newest
    trust entry before ``first``: none is among the lost.
    """

    node: Word
    first: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
    size: Count
    end: Count
    root: Digest
    trust: Count
    why: Label


class Arrangement(_Document, frozen=True, tag="arrangement", omit_defaults=True):
    """What the nations agreed may flow. Both sign.

    ``quorum`` says whether checkpoints must be cosigned: ``none``, or by ``witnesses``, which
    are left out where there are none.

    ``exercise`` says that it was agreed for an exercise: authors are warned before they post
    what is marked as a real event. Left out where it is false. Without ``targets``, as in what
    was signed before there were any, ``DEFAULT_TARGETS`` hold; without ``budgets`` or
    ``sizes``, those of ``policy``; without ``categories`` there are none. Without ``retention``
    each bulletin is kept as long as its header says. ``officers`` are the acknowledgements that
    must name one, and ``released`` what is said of releases; without it none must. Of whatever
    any mark in ``four_eyes`` is true, it must be released by another endpoint of its author's
    member; without, nothing. ``clocks`` are for boarding requests; under a regime without one
    nothing is ever deemed. ``losses`` are the entries of each journal that were declared lost:
    what stands there once is in every later arrangement.
    """

    name: Label
    suites: list[SuiteId]
    schemas: list[str]
    feeds: list[Feed]
    regimes: list[Word]
    limits: Limits
    quorum: Literal["none", "witnesses"]
    exercise: bool = False
    targets: Targets | None = None
    categories: Annotated[list[Category], msgspec.Meta(min_length=1, max_length=64)] | None = (
        None
    )
    budgets: Budgets | None = None
    sizes: Sizes | None = None
    retention: list[Retention] = []
    witnesses: Witnesses | None = None
    officers: Annotated[list[Attested], msgspec.Meta(min_length=1, max_length=4)] | None = None
    four_eyes: FourEyes = []
    clocks: Annotated[list[Clock], msgspec.Meta(max_length=64)] = []
    losses: Annotated[list[Loss], msgspec.Meta(max_length=64)] = []

    def losses_of(self, node: str) -> list[Loss]:
        """Return what of a node's journal is declared lost, in its order."""
        return [each for each in self.losses if each.node == node]

    def target_s(self, precedence: Precedence) -> int:
        """Return how soon somebody is to acknowledge, in seconds since it was taken in."""
        targets = DEFAULT_TARGETS if self.targets is None else self.targets
        return {
            "flash": targets.flash,
            "immediate": targets.immediate,
            "priority": targets.priority,
            "routine": targets.routine,
        }[precedence]


class EndpointKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A public key and when it may be used; ``until`` is the first second it may not."""

    use: Literal["sig", "enc"]
    jwk: Jwk
    since: Seconds
    until: Seconds


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A system or desk of one member, with its own keys: signs and receives."""

    id: EndpointId
    title: Label
    status: Literal["active", "suspended"]
    suite: SuiteId
    roles: list[Role]
    keys: list[EndpointKey]


class Member(_Document, frozen=True, tag="member"):
    """An agency and its endpoints. Its own nation signs."""

    member: MemberId
    nation: Nation
    title: Label
    endpoints: list[Endpoint]


class Node(_Document, frozen=True, tag="node"):
    """A nation's node: where it is, whom it serves, and its keys. Its own nation signs.

    ``tls`` is the SHA-256 of the server certificate (DER): the only one a client accepts.
    """

    node: Word
    nation: Nation
    serves: list[Nation]
    url: str
    tls: Digest
    receipts: Signatory
    log: list[Jwk]


Document = Arrangement | Member | Node


def name_of(document: Document) -> str:
    """Return the name under which a document and its versions are known: its path's stem."""
    match document:
        case Arrangement():
            return "arrangement"
        case Member():
            return f"members/{document.member}"
        case Node():
            return f"nodes/{document.node}"


def path_of(document: Document) -> str:
    """Return the path of a document's target file."""
    return f"{name_of(document)}.json"


_CONTROL = re.compile(rb'(?<!\\)(?:\\\\)*\\[^"\\]')
_DOCUMENTS: msgspec.json.Decoder[Document] = msgspec.json.Decoder(Document)


def decode(payload: bytes) -> Document:
    """Decode a trust document, or refuse it."""
    try:
        document = _DOCUMENTS.decode(payload)
    except msgspec.ValidationError as error:
        raise codec.refusal_of(error, data=payload) from None
    except UnicodeDecodeError:
        raise Refusal(Code.NOT_UTF8) from None
    except (msgspec.DecodeError, RecursionError):
        raise Refusal(Code.MALFORMED) from None
    # Titles are free text, so colons prove nothing here: one spelling only, ours.
    if msgspec.json.encode(document) != payload:
        raise Refusal(Code.MALFORMED, expected="compact-json")
    # In that spelling only control characters are escaped beside quote and backslash. A name
    # could end in a line feed, since the $ of a pattern matches before one.
    if b"\\" in payload and _CONTROL.search(payload):
        raise Refusal(Code.CONTROL_CHARACTER)
    return document


def encode(document: Document) -> bytes:
    """Return the one spelling of a trust document."""
    return msgspec.json.encode(document)
