"""The journal's entries: facts in one line, and below them the object as it was received.

An entry is ``facts LF object``: the facts are JSON of one of the structs here, the object is
the signed header or acknowledgement byte for byte, or nothing. Neither holds a line feed, so
any language splits an entry at its first one. Ciphertext is never in it.

What came from the other nation's node says so in its facts (``home``), and between them and the
object stands a third line: the facts of its entry there. That line and all after it are that
entry, byte for byte, so its leaf hash is proved by the other journal's tree.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import msgspec

from exchange.errors import Code, Refusal
from exchange.model import codec
from exchange.model.header import Blob
from exchange.model.identity import Base64, Count, Digest, EndpointId, Word
from exchange.model.shown import Shown

MAX_ENTRY_BYTES = 64 * 1024 - 1
SALT_BYTES = 16

# Every trust document is owed to everybody: one inbox for all.
TRUST_INBOX = "trust"


def trust_inbox(node: str) -> str:
    """Return the name of the inbox of another node's trust documents, in its order."""
    return f"{TRUST_INBOX}/{node}"


# Empty: the node's own operator, who has no endpoint.
Caller = Annotated[
    str, msgspec.Meta(pattern=r"^([a-z]{2}\.[a-z0-9]{1,30}/[a-z0-9][a-z0-9-]{0,30})?$")
]
Index = Annotated[int, msgspec.Meta(ge=-1)]


class Owed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """One endpoint that this entry is owed to, and its place in that inbox, from 0."""

    endpoint: EndpointId
    position: Count


class _Facts(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    kw_only=True,
):
    """What every entry has: a salt, so its hash tells nothing, and when it was taken (ms)."""

    salt: Base64
    taken_ms: Count
    # Journal index of the newest trust entry under which this was decided; -1 before any.
    view: Index


class Home(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an object was taken in first: the other nation's node, and its entry there."""

    node: Word
    index: Count


class _Crossing(_Facts, frozen=True, kw_only=True):
    """What may come from the other nation's node; left out of what was posted here."""

    home: Home | msgspec.UnsetType = msgspec.UNSET


class Unowed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """A recipient of ours that may not be owed what came from abroad, and by which refusal."""

    endpoint: EndpointId
    code: Word


class Accepted(_Crossing, frozen=True, tag="accepted"):
    """A bulletin: what was seen of its ciphertext, and whom it is owed to.

    ``blobs`` are its body and then its attachments, all of them here when it was taken in.

    ``target`` is the entry of the bulletin it cancels, corrects or supersedes, when that is
    here already; ``cancelled_by``, ``corrected_by`` and ``superseded_by`` are each the first
    entry that did so to this one before it came, and of the latter two the first that stands.
    ``corrected_also_by`` are the other corrections that stood then, in the journal's order.

    ``unwitnessed``, true or left out: no quorum of witnesses had vouched for this journal for
    longer than the arrangement allows. ``released`` is the entry of the release that let it in,
    where the arrangement asks for one. ``declined`` are the recipients of ours that it may not
    be owed to, of what came from abroad.
    """

    digest: Digest
    blobs: list[Blob]
    wraps: list[Digest]
    owed: list[Owed]
    late: bool
    target: Count | None = None
    cancelled_by: Count | None = None
    # Left out, not null, where there is none: entries written before these existed stay valid.
    corrected_by: Count | msgspec.UnsetType = msgspec.UNSET
    superseded_by: Count | msgspec.UnsetType = msgspec.UNSET
    corrected_also_by: list[Count] | msgspec.UnsetType = msgspec.UNSET
    unwitnessed: bool | msgspec.UnsetType = msgspec.UNSET
    released: Count | msgspec.UnsetType = msgspec.UNSET
    declined: list[Unowed] | msgspec.UnsetType = msgspec.UNSET


class Acknowledged(_Crossing, frozen=True, tag="acknowledged"):
    """An acknowledgement: the entry it is of, owed to that bulletin's originator."""

    digest: Digest
    of: Count
    owed: list[Owed]


class Granted(_Crossing, frozen=True, tag="granted"):
    """A grant: the entry of its bulletin, the wrapped key as a blob, and whose key wraps it.

    Owed first to the new recipient; then to the posting endpoint, where another one granted.
    ``corrected_by`` are the entries that stand of what corrects the bulletin, and of what
    corrects that; ``superseded_by`` the newest updates that stand, each of its line. They were
    owed to those who held it then, not to the new recipient. None of them is cancelled.
    """

    digest: Digest
    of: Count
    wrap: Blob
    kid: Digest
    owed: list[Owed]
    corrected_by: list[Count] | msgspec.UnsetType = msgspec.UNSET
    superseded_by: list[Count] | msgspec.UnsetType = msgspec.UNSET
    # The entry of the originator's consent, where another member's endpoint gives it by one.
    consent: Count | msgspec.UnsetType = msgspec.UNSET
    # The entry of the release that let it in, where its originator gives it to a new reader.
    released: Count | msgspec.UnsetType = msgspec.UNSET


class Released(_Crossing, frozen=True, tag="released"):
    """A release, owed to the posting endpoint and to whoever holds the bulletin.

    ``of`` is the bulletin's entry, when that is here already.
    """

    digest: Digest
    of: Count | None
    owed: list[Owed]


class Drafted(_Facts, frozen=True, tag="drafted"):
    """A sealed draft, owed to whom it is sealed to; or that one is declined or withdrawn.

    ``of`` is then the entry in which it was asked for. ``blobs`` are its sealed body and the
    attachments; a withdrawal has none. Also owed to the other releasers, and to the author.
    """

    digest: Digest
    of: Count | None
    blobs: list[Blob]
    wraps: list[Digest]
    owed: list[Owed]


class Noticed(_Crossing, frozen=True, tag="notice"):
    """What this node signed about a bulletin: news, owed to whom it concerns."""

    digest: Digest
    of: Count | None
    owed: list[Owed]


class Confirmed(_Crossing, frozen=True, tag="confirmed"):
    """A confirmation that a bulletin still holds; owed to its author, where another gave it."""

    digest: Digest
    of: Count
    owed: list[Owed]


class Consented(_Crossing, frozen=True, tag="consented"):
    """A consent to pass a bulletin on, or its withdrawal, with the entry of that bulletin.

    Owed to who may give it and to who may receive it; to its author, where a colleague said so.
    """

    digest: Digest
    of: Count
    owed: list[Owed]


class Requested(_Crossing, frozen=True, tag="requested"):
    """A request for a grant, owed to whom it asks; or its answer, owed to who asked.

    ``of`` is the entry of the request that is answered; null of the request itself. An answer
    is also owed to the one that was asked, where a colleague gave it.
    """

    digest: Digest
    of: Count | None
    owed: list[Owed]


class Invited(_Facts, frozen=True, tag="invited"):
    """An invitation to enrol: it may be used once. It lets nobody in."""

    digest: Digest


class EnrolmentAsked(_Facts, frozen=True, tag="enrolment-asked"):
    """A request for keys to be listed, by the invitation at ``of``, which is used up by it."""

    digest: Digest
    of: Count


class Decided(_Facts, frozen=True, tag="decided"):
    """An operator's verdict on the request, or the unused invitation, at ``of``."""

    digest: Digest
    of: Count


# Why something is purged: its header's time is over; that which a rule of the arrangement
# gives; its originator did not answer a review; or withdrew it to be destroyed. Of a sealed
# draft: it was released and posted, declined, or withdrawn.
Cause = Literal["header", "rule", "silence", "cancelled", "decided"]


class PurgeOrdered(_Facts, frozen=True, tag="purge-ordered"):
    """A bulletin is to be destroyed, with the wrapped keys of its grants, wherever it is held.

    Owed to its author, its recipients and those it was granted to. ``agreed`` is the trust
    entry up to which the arrangement was read that says so, or that was in force when the
    cancellation came; ``rule`` is the rule's name there, null where none was asked.
    """

    of: Count
    grants: list[Count]
    cause: Cause
    rule: Word | None
    agreed: Index
    owed: list[Owed]


class Purged(_Facts, frozen=True, tag="purged"):
    """This node did what these entries order: of what the digests name it keeps no bytes.

    What another bulletin names as well, and is not to be destroyed yet, is not among them.
    """

    orders: list[Count]
    digests: list[Digest]


class Refused(_Crossing, frozen=True, tag="refused"):
    """A caller with a valid token was told no. The bytes are not kept: they may be content.

    Of what came from abroad no caller is named: its home's facts stand in the entry.
    """

    caller: Caller
    digest: Digest
    size: Count
    code: str
    at: str


class Trust(_Facts, frozen=True, tag="trust"):
    """A trust document took effect here. The file is a blob that is never purged."""

    name: str
    version: Count
    position: Count
    document: Blob


class TrustReceived(_Facts, frozen=True, tag="trust-received"):
    """A trust document took effect in the other nation's journal, in its order.

    What came from there is judged by it. Whether it is in force here, ``Trust`` entries say.
    """

    home: Home
    name: str
    version: Count
    position: Count
    document: Blob


class EpochOpened(_Facts, frozen=True, tag="epoch-opened"):
    """A writer took over; whoever held an earlier epoch can no longer append."""

    node: Word
    epoch: Count


class Cosigned(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whose quorum an earlier checkpoint had; ``first``: none was before that is not told."""

    size: Count
    lines: list[str]
    first: bool = False


class Checkpointed(_Facts, frozen=True, tag="checkpoint"):
    """A signed checkpoint of the entries before this one, as a C2SP note.

    ``cosigned`` is the newest quorum that vouched for an earlier one since the last such
    entry; left out where there is none.
    """

    size: Count
    note: str
    cosigned: Cosigned | msgspec.UnsetType = msgspec.UNSET


class InboxHeads(_Facts, frozen=True, tag="inbox-heads"):
    """What is owed to everybody among the first ``size`` entries: see ``journal.heads``.

    ``root`` is that of a Merkle map over the trust inbox and the endpoints in the directory at
    that place. Its leaves are salted from the salt of entry ``seed``, which no endpoint is
    shown.
    """

    size: Count
    seed: Count
    root: Digest


class AuditRead(_Facts, frozen=True, tag="audit-read"):
    """What one auditor was shown of this journal within a while, by the node's clock (ms UTC).

    ``reads`` has one of each class at most, in alphabetical order.
    """

    auditor: EndpointId
    since_ms: Count
    until_ms: Count
    reads: list[Shown]


class Lost(_Facts, frozen=True, tag="lost"):
    """What survives nowhere, by its leaf hash if known; ``skipped`` is where inboxes go on."""

    leaf: Digest | msgspec.UnsetType = msgspec.UNSET
    skipped: list[Owed] | msgspec.UnsetType = msgspec.UNSET


Facts = (
    Accepted
    | Acknowledged
    | Granted
    | Released
    | Drafted
    | Noticed
    | Confirmed
    | Consented
    | Requested
    | Invited
    | EnrolmentAsked
    | Decided
    | PurgeOrdered
    | Purged
    | Refused
    | Trust
    | TrustReceived
    | EpochOpened
    | Checkpointed
    | InboxHeads
    | AuditRead
    | Lost
)
# The words for them, as they stand in the facts.
KINDS: tuple[str, ...] = tuple(str(kind.__struct_config__.tag) for kind in get_args(Facts))
# Never news: no checkpoint is made for these, and who reads nothing else is not noted.
BOOKKEEPING = (EpochOpened, Checkpointed, InboxHeads, AuditRead)
# Auditors are shown these, and no endpoint ever is: their salts can seed others.
UNSHOWN = (EpochOpened, Checkpointed)

_FACTS: msgspec.json.Decoder[Facts] = msgspec.json.Decoder(Facts)


class Entry(msgspec.Struct, frozen=True):
    """One record of the journal, read back.

    ``at_home`` is the whole entry in the journal that it came from, byte for byte; empty where
    it was posted here. Of what was refused here, only that entry's facts are kept.
    """

    facts: Facts
    object: bytes
    at_home: bytes = b""


class _Going(msgspec.Struct, frozen=True):
    owed: list[Owed] = []
    home: Home | None = None


_GOING = msgspec.json.Decoder(_Going)


def owed_in(entry: bytes) -> list[Owed]:
    """Return whom an entry of our own journal is owed to; nothing else of it is looked at."""
    return _GOING.decode(entry.partition(b"\n")[0]).owed


def came_in(entry: bytes) -> tuple[Home, bytes] | None:
    """Return whence an entry came, and that one, whole; None of what was posted; or refuse."""
    line, _, there = entry.partition(b"\n")
    home = codec.decode_any(line, _GOING).home
    return None if home is None else (home, there)


def kind_of(facts: Facts) -> str:
    """Return the word for this kind of entry, as it stands in the facts."""
    return str(facts.__struct_config__.tag)


def owed_by(facts: Facts) -> tuple[Owed, ...]:
    """Return the places in inboxes that an entry takes."""
    match facts:
        case Accepted() | Acknowledged() | Granted() | Released() | Noticed():
            return tuple(facts.owed)
        case Confirmed() | Consented() | Requested() | PurgeOrdered() | Drafted():
            return tuple(facts.owed)
        case Trust():
            return (Owed(TRUST_INBOX, facts.position),)
        case TrustReceived():
            return (Owed(trust_inbox(facts.home.node), facts.position),)
        case Invited() | EnrolmentAsked() | Decided() | AuditRead():
            return ()
        case Refused() | Purged() | EpochOpened() | Checkpointed() | InboxHeads() | Lost():
            return ()


def attached_in(facts: Facts) -> list[Blob]:
    """Return the attachments that an entry names."""
    return facts.blobs[1:] if isinstance(facts, Accepted | Drafted) else []


def home_of(facts: Facts) -> Home | None:
    """Return where an entry came from; None of what was posted here."""
    found = getattr(facts, "home", msgspec.UNSET)
    return found if isinstance(found, Home) else None


def encode(facts: Facts, signed: bytes = b"", at_home: bytes = b"") -> bytes:
    """Return an entry's bytes.

    Args:
        facts: of it.
        signed: its object.
        at_home: the line of facts of the entry that it came from, if it did.

    Raises:
        ValueError: it would not fit under the 64 KiB of a leaf (limits elsewhere forbid it).
    """
    came = at_home + b"\n" if at_home else b""
    entry = msgspec.json.encode(facts) + b"\n" + came + signed
    if len(entry) > MAX_ENTRY_BYTES:
        message = f"an entry of {len(entry)} bytes is over {MAX_ENTRY_BYTES}"
        raise ValueError(message)
    return entry


def decode(entry: bytes) -> Entry:
    """Read an entry back; facts in any spelling but ours are refused.

    Raises:
        Refusal: it is not an entry (for a reader of a journal: it was altered); or
            ``not-understood``: of a kind that only a newer program knows.
    """
    line, separator, signed = entry.partition(b"\n")
    try:
        facts = _FACTS.decode(line)
    except msgspec.ValidationError as error:
        refusal = codec.refusal_of(error)
        if (refusal.code, refusal.at) == (Code.WRONG_VALUE, "/kind"):
            raise Refusal(Code.NOT_UNDERSTOOD, "/kind") from None
        raise refusal from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(Code.MALFORMED) from None
    if not separator or msgspec.json.encode(facts) != line:
        raise Refusal(Code.MALFORMED)
    if home_of(facts) is None:
        return Entry(facts, signed)
    at_home, (_, separator, signed) = signed, signed.partition(b"\n")
    if not separator:
        raise Refusal(Code.MALFORMED)
    return Entry(facts, signed, at_home)
