"""The header: the clear, signed part of an envelope, and all that a node may read of it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from exchange.errors import Code, Refusal
from exchange.model import codec
from exchange.model.identity import (
    Commitment,
    Count,
    Digest,
    EndpointId,
    MemberId,
    Seconds,
    SuiteId,
    Uuid7,
    Word,
)

TYP = "xb-header+jws"
MAX_HEADER_BYTES = 32 * 1024
MAX_RECIPIENTS = 64
MAX_REFS = 16
MAX_ATTACHMENTS = 16

Verb = Literal["new", "update", "correct", "cancel", "reply"]
Status = Literal["actual", "exercise", "test"]
Precedence = Literal["flash", "immediate", "priority", "routine"]
Tlp = Literal["red", "amber+strict", "amber", "green", "clear"]
Handling = Literal["h0", "h1", "h2", "h3"]
Declaration = Literal["must-purge", "persons", "protected-person"]
Relation = Literal["supersedes", "corrects", "cancels", "answers"]
Alpha3 = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}$")]

# The reference that a verb cannot do without.
RELATION_OF: dict[Verb, Relation] = {
    "update": "supersedes",
    "correct": "corrects",
    "cancel": "cancels",
    "reply": "answers",
}
# Those that change how their target stands, and so are owed to whoever holds it.
BEARING: tuple[Relation, ...] = ("cancels", "corrects", "supersedes")


class Blob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ciphertext by name: SHA-256 and size in bytes of exactly what is stored."""

    digest: Digest
    size: Count


class Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another bulletin, and how this one bears on it."""

    rel: Relation
    id: Uuid7
    header_digest: Digest


class Marking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the content may be handled and passed on."""

    tlp: Tlp
    releasable_to: Annotated[list[Alpha3], msgspec.Meta(min_length=1, max_length=16)]
    handling: Annotated[list[Handling], msgspec.Meta(max_length=4)]
    originator_control: bool

    @property
    def is_controlled(self) -> bool:
        """Whether nobody but the originator passes it on, whatever the TLP is."""
        return self.originator_control or "h2" in self.handling


class TrustPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far the sender had read its trust inbox when sealing, and the chain's head there."""

    position: Count
    head: Digest


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is signed: commits to the ciphertext by digest, to the content by a salted digest.

    Times are integer seconds UTC. ``to`` is explicit: nobody else can open the body.
    """

    v: Literal["xb1"]
    suite: SuiteId
    id: Uuid7
    origin: MemberId
    endpoint: EndpointId
    type: Annotated[str, msgspec.Meta(pattern=r"^[a-z]{3}$")]
    schema: Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]{0,3}\.[0-9]{1,4}$")]
    verb: Verb
    status: Status
    feed: Word
    to: Annotated[list[EndpointId], msgspec.Meta(min_length=1, max_length=MAX_RECIPIENTS)]
    marking: Marking
    declares: Annotated[list[Declaration], msgspec.Meta(max_length=3)]
    precedence: Precedence
    observed: Seconds | None
    issued: Seconds
    due: Seconds | None
    expires: Seconds
    retain_until: Seconds
    regime: Word | None
    refs: Annotated[list[Reference], msgspec.Meta(max_length=MAX_REFS)]
    commit: Commitment
    body: Blob
    attachments: Annotated[list[Blob], msgspec.Meta(max_length=MAX_ATTACHMENTS)]
    trust: TrustPoint

    def reference(self, rel: Relation) -> Reference | None:
        """Return the first reference of that kind, if there is one."""
        return next((ref for ref in self.refs if ref.rel == rel), None)


# Characters of ``commit`` in each suite: SHA-256, or SHA-384.
_COMMIT_SIZES: dict[SuiteId, int] = {"xb1-h": 43, "xb1-c": 64, "xb1-ch": 64}
# Bytes that each further recipient adds to a sealed body: a wrapped key, named, and a comma.
WRAP_BYTES: dict[SuiteId, int] = {"xb1-h": 1668, "xb1-c": 2266, "xb1-ch": 2395}
_HEADER = msgspec.json.Decoder(Header)


class _Outer(msgspec.Struct):
    payload: str


class _Urgency(msgspec.Struct):
    precedence: Precedence
    verb: Verb


_OUTER = msgspec.json.Decoder(_Outer)
_URGENCY = msgspec.json.Decoder(_Urgency)
_FIXED = len(Header.__struct_fields__) + len(Marking.__struct_fields__) + 2 + 2


def urgency(raw: bytes) -> tuple[Precedence, Verb] | None:
    """Return the precedence and verb that a signed header claims; None of any other object.

    A glance, before anything is checked: what ``decode`` takes says the same, and nothing else
    says either.
    """
    try:
        said = _URGENCY.decode(codec.unb64(_OUTER.decode(raw).payload))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Refusal):
        return None
    return said.precedence, said.verb


def decode(payload: bytes) -> Header:
    """Decode a header's payload; sets are sorted and hold nothing twice.

    Raises:
        Refusal: what is wrong and where.
    """
    header = codec.decode_closed(
        payload, _HEADER, lambda h: _FIXED + 3 * len(h.refs) + 2 * len(h.attachments)
    )
    if len(header.commit) != _COMMIT_SIZES[header.suite]:
        raise Refusal(Code.WRONG_VALUE, "/commit", expected=_COMMIT_SIZES[header.suite])
    codec.must_be_set(header.to, "/to")
    codec.must_be_set(header.declares, "/declares")
    codec.must_be_set(header.marking.releasable_to, "/marking/releasable_to")
    codec.must_be_set(header.marking.handling, "/marking/handling")
    return header
