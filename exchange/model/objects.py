"""The small signed objects beside the header, each with its closed payload.

By endpoints: acknowledgement, grant, consent, request, release, sealed draft, confirmation,
subscription, session, enrolment, invitation, verdict.
By nodes: receipt, notice.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from exchange.errors import Code, Refusal
from exchange.model import codec
from exchange.model.header import MAX_ATTACHMENTS, MAX_RECIPIENTS, Blob
from exchange.model.identity import (
    Count,
    Digest,
    EndpointId,
    Jwk,
    MemberId,
    Seconds,
    SuiteId,
    Uuid7,
    Word,
    member_of,
)
from exchange.model.ticking import Ticking, members
from exchange.model.trust import EndpointKey

ACK_TYP = "xb-ack+jws"
GRANT_TYP = "xb-grant+jws"
RELEASE_TYP = "xb-release+jws"
DRAFT_TYP = "xb-draft+jws"
CONFIRMATION_TYP = "xb-confirm+jws"
CONSENT_TYP = "xb-consent+jws"
REQUEST_TYP = "xb-request+jws"
NOTICE_TYP = "xb-notice+jws"
SUBSCRIPTION_TYP = "xb-subscription+jws"
SESSION_TYP = "xb-session+jws"
ENROLMENT_TYP = "xb-enrol+jws"
INVITATION_TYP = "xb-invite+jws"
VERDICT_TYP = "xb-verdict+jws"
RECEIPT_TYP = "xb-receipt+jws"

MAX_OBJECT_BYTES = 32 * 1024

# ``schema-invalid``: it was opened, and its text does not hold. ``unreadable``: it came, and it
# cannot be read here. ``purged``: what was held of it is destroyed.
Outcome = Literal[
    "delivered", "opened", "actioned", "schema-invalid", "partial", "unreadable", "purged"
]
Officer = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,40}$")]
# What a node tells of a bulletin; the last three of a boarding request's time.
News = Literal["refused", "waiting", "deemed", "late", "review", "clock", "reminder", "overdue"]
# Those that are of one recipient.
OF_RECIPIENT: Final[frozenset[News]] = frozenset({"refused", "waiting"})
# Of a request for a grant: it is asked, or answered. Why it is declined, of a closed list:
# an object travels in the clear.
Step = Literal["asked", "granted", "declined"]
DeclineReason = Literal[
    "not-releasable", "originator-control", "no-need", "not-found", "over", "ask-elsewhere"
]


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The bulletin that is acknowledged: its id, and the digest of its header as received."""

    endpoint: EndpointId
    id: Uuid7
    header_digest: Digest


class Acknowledgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A recipient to the originator: what became of a bulletin. ``officer`` is the person."""

    v: Literal["xb1"]
    suite: SuiteId
    id: Uuid7
    origin: MemberId
    endpoint: EndpointId
    of: Subject
    outcome: Outcome
    at: Seconds
    officer: Officer | None


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The originator to one more recipient: the key to a bulletin that was sealed before.

    ``wrap`` names the wrapped key, which travels and is stored beside the grant as a blob: it
    can be purged, and the grant stays.
    """

    v: Literal["xb1"]
    suite: SuiteId
    id: Uuid7
    origin: MemberId
    endpoint: EndpointId
    of: Subject
    to: EndpointId
    wrap: Blob
    at: Seconds


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A releaser's second signature over a header's digest. ``officer`` is the person."""

    v: Literal["xb1"]
    suite: SuiteId
    id: Uuid7
    origin: MemberId
    endpoint: EndpointId
    of: Subject
    at: Seconds
    officer: Officer | None


# An author asks for a release; a releaser says no; an author takes it back.
DraftStep = Literal["asked", "declined", "withdrawn"]


class SealedDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bulletin on its way to its release, within its member and under an id of its own.

    ``of`` is the digest of the header that is to be released; what that says, its id too, is
    sealed. ``to`` are the releasers, or of what was declined its author. ``body`` is sealed to
    them: the bulletin, or why it was declined; null where it was withdrawn. ``attachments`` are
    the bulletin's. ``until``: then the node is to have none of it any more.
    """

    v: Literal["xb1"]
    suite: SuiteId
    id: Uuid7
    origin: MemberId
    endpoint: EndpointId
    step: DraftStep
    of: Digest
    to: Annotated[list[EndpointId], msgspec.Meta(min_length=1, max_length=MAX_RECIPIENTS)]
    body: Blob | None
    attachments: Annotated[list[Blob], msgspec.Meta(max_length=MAX_ATTACHMENTS)]
    until: Seconds
    at: Seconds
    officer: Officer | None


class _Outer(msgspec.Struct):
    payload: str


class _Asking(msgspec.Struct):
    step: Literal["asked"]
    of: Digest
    body: Blob


_OUTER = msgspec.json.Decoder(_Outer)
_ASKING = msgspec.json.Decoder(_Asking)


def is_asking(raw: bytes) -> bool:
    """Tell whether a signed object claims to be a draft that asks for a release.

    A glance, before anything is checked: what ``decode_draft`` takes says the same.
    """
    try:
        _ASKING.decode(codec.unb64(_OUTER.decode(raw).payload))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Refusal):
        return False
    return True


class Confirmation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The originator to its node: this bulletin still holds, and is still needed."""

    v: Literal["xb1"]
    suite: SuiteId
    id: Uuid7
    origin: MemberId
    endpoint: EndpointId
    of: Subject
    at: Seconds


class Consent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The originator to who holds a bulletin: ``by`` may give it to ``to``.

    Until then, in seconds UTC; where ``until`` is null not any more: it is withdrawn. What is
    said last of a bulletin, a giver and a recipient takes the place of what was said before.
    """

    v: Literal["xb1"]
    suite: SuiteId
    id: Uuid7
    origin: MemberId
    endpoint: EndpointId
    of: Subject
    by: EndpointId
    to: EndpointId
    until: Seconds | None
    at: Seconds


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One asks an originator for what was sealed before it could be among the readers.

    Asked: what ``to`` posted on ``feed`` since a time (seconds UTC), or one ``bulletin`` of it.
    Answered, granted or declined: ``of`` names the request, by the digest of its bytes. What is
    granted, grants say; this says that it was seen to, or ``reason``, why not.
    """

    v: Literal["xb1"]
    suite: SuiteId
    id: Uuid7
    origin: MemberId
    endpoint: EndpointId
    step: Step
    to: EndpointId
    of: Subject | None
    feed: Word | None
    since: Seconds | None
    bulletin: Uuid7 | None
    reason: DeclineReason | None
    at: Seconds


class Notice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A node to those concerned: what became of a bulletin, by no endpoint's doing.

    ``about`` says which kind of news. Refused abroad, or waiting there for an attachment and
    still to come: for which ``recipient``, and which refusal's ``code``. Deemed answered: the
    outcome's ``code``. Late: none. To be reviewed: the rule's. Of a boarding request's time
    (``clock``): its regime's, unless an outcome is deemed.
    """

    v: Literal["xb1"]
    suite: SuiteId
    id: Uuid7
    node: Word
    of: Subject
    about: News
    recipient: EndpointId | None
    code: Word | None
    at: Seconds
    clock: Ticking | msgspec.UnsetType = msgspec.UNSET


class Subscription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An endpoint's standing choice of feeds; each version replaces the one before."""

    v: Literal["xb1"]
    suite: SuiteId
    origin: MemberId
    endpoint: EndpointId
    version: Count
    feeds: Annotated[list[Word], msgspec.Meta(max_length=64)]
    issued: Seconds


class SessionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Proof that the caller holds the endpoint's keys, good for one node and one nonce."""

    v: Literal["xb1"]
    suite: SuiteId
    origin: MemberId
    endpoint: EndpointId
    node: Word
    nonce: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{1,200}$")]
    issued: Seconds


class Invitation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An operator to somebody new: as ``invited``, it may ask once for its keys to be listed.

    ``tls`` and ``anchor`` are what the link says of the node and of the first root. ``lock`` is
    the digest of the proof that only the link's holder can give (``seal.invitation``).
    ``officer`` is the person.
    """

    v: Literal["xb1"]
    suite: SuiteId
    id: Uuid7
    origin: MemberId
    endpoint: EndpointId
    invited: EndpointId
    node: Word
    tls: Digest
    anchor: Digest
    lock: Digest
    until: Seconds
    at: Seconds
    officer: Officer


class Shown(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By which invitation an endpoint asks, named by its digest, and the proof of its link."""

    invitation: Digest
    proof: Digest


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An operator on a request by invitation, named by its digest. ``officer`` is the person.

    What is declined may also be an invitation that nobody has used yet: it is withdrawn.
    """

    v: Literal["xb1"]
    suite: SuiteId
    id: Uuid7
    origin: MemberId
    endpoint: EndpointId
    of: Digest
    verdict: Literal["approved", "declined"]
    at: Seconds
    officer: Officer


class Enrolment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An endpoint asks its nation to list new keys: a file that travels to the custodians.

    ``replaces`` names keys that may end once the new ones are in use. Signed first by the
    signing keys in force, where there are any, then by the new ones, where it brings some.
    ``invitation`` is left out where it goes to the custodians by hand.
    """

    v: Literal["xb1"]
    suite: SuiteId
    id: Uuid7
    origin: MemberId
    endpoint: EndpointId
    node: Word
    keys: Annotated[list[EndpointKey], msgspec.Meta(min_length=1, max_length=8)]
    replaces: Annotated[list[Digest], msgspec.Meta(max_length=32)]
    issued: Seconds
    invitation: Shown | msgspec.UnsetType = msgspec.UNSET


class GroupStatement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a node signs once for a commit group: these entries are durable, in this order."""

    v: Literal["xb1"]
    suite: SuiteId
    node: Word
    epoch: Count
    first: Count
    count: Count
    root: Digest


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The node to the poster: recorded, at this index.

    ``facts`` is the first line of the entry; its second line is the object that the poster
    holds. The entry's leaf hash, with ``path``, leads to the root in ``group``.
    """

    node: Word
    index: Count
    facts: str
    path: list[Digest]
    group: msgspec.Raw


_ACKNOWLEDGEMENT = msgspec.json.Decoder(Acknowledgement)
_GRANT = msgspec.json.Decoder(Grant)
_RELEASE = msgspec.json.Decoder(Release)
_DRAFT = msgspec.json.Decoder(SealedDraft)
_CONFIRMATION = msgspec.json.Decoder(Confirmation)
_CONSENT = msgspec.json.Decoder(Consent)
_REQUEST = msgspec.json.Decoder(Request)
_NOTICE = msgspec.json.Decoder(Notice)
_SUBSCRIPTION = msgspec.json.Decoder(Subscription)
_SESSION = msgspec.json.Decoder(SessionRequest)
_ENROLMENT = msgspec.json.Decoder(Enrolment)
_INVITATION = msgspec.json.Decoder(Invitation)
_VERDICT = msgspec.json.Decoder(Verdict)
_GROUP = msgspec.json.Decoder(GroupStatement)


def decode_acknowledgement(payload: bytes) -> Acknowledgement:
    """Decode an acknowledgement's payload, or refuse it."""
    return codec.decode_closed(payload, _ACKNOWLEDGEMENT, lambda _: 9 + 3)


def decode_grant(payload: bytes) -> Grant:
    """Decode a grant's payload, or refuse it."""
    return codec.decode_closed(payload, _GRANT, lambda _: 9 + 3 + 2)


def decode_release(payload: bytes) -> Release:
    """Decode a release's payload, or refuse it."""
    return codec.decode_closed(payload, _RELEASE, lambda _: 8 + 3)


def decode_draft(payload: bytes) -> SealedDraft:
    """Decode a sealed draft's payload, or refuse it: each step has its own members."""
    draft = codec.decode_closed(
        payload, _DRAFT, lambda d: 13 + 2 * (len(d.attachments) + (d.body is not None))
    )
    codec.must_be_set(draft.to, "/to")
    if (draft.body is None) != (draft.step == "withdrawn"):
        raise Refusal(Code.WRONG_VALUE, "/body", found=draft.step)
    if draft.attachments and draft.step != "asked":
        raise Refusal(Code.WRONG_VALUE, "/attachments", found=draft.step)
    return draft


def decode_confirmation(payload: bytes) -> Confirmation:
    """Decode a confirmation's payload, or refuse it."""
    return codec.decode_closed(payload, _CONFIRMATION, lambda _: 7 + 3)


def decode_consent(payload: bytes) -> Consent:
    """Decode a consent's payload, or refuse it: nobody gives to itself, or its own member's."""
    consent = codec.decode_closed(payload, _CONSENT, lambda _: 10 + 3)
    if member_of(consent.by) == consent.origin:
        raise Refusal(Code.WRONG_VALUE, "/by", found=consent.by)
    if consent.to == consent.by:
        raise Refusal(Code.WRONG_VALUE, "/to", found=consent.to)
    return consent


def decode_request(payload: bytes) -> Request:
    """Decode a request's payload, or refuse it: it asks or it answers, never both."""
    request = codec.decode_closed(payload, _REQUEST, lambda r: 13 + (3 if r.of else 0))
    is_asked = request.step == "asked"
    for name, value, belongs in (
        ("of", request.of, not is_asked),
        ("feed", request.feed, is_asked),
        ("since", request.since, is_asked),
        ("reason", request.reason, request.step == "declined"),
    ):
        if (value is not None) != belongs:
            raise Refusal(Code.WRONG_VALUE, f"/{name}", found=request.step)
    if request.bulletin is not None and not is_asked:
        raise Refusal(Code.WRONG_VALUE, "/bulletin", found=request.step)
    return request


def decode_notice(payload: bytes) -> Notice:
    """Decode a notice's payload, or refuse it: each kind of news has its own members."""
    notice = codec.decode_closed(payload, _NOTICE, members)
    if (notice.recipient is not None) != (notice.about in OF_RECIPIENT):
        raise Refusal(Code.WRONG_VALUE, "/recipient", found=notice.about)
    if (notice.code is None) != (notice.about == "late"):
        raise Refusal(Code.WRONG_VALUE, "/code", found=notice.about)
    return notice


def decode_subscription(payload: bytes) -> Subscription:
    """Decode a subscription's payload, or refuse it."""
    subscription = codec.decode_closed(payload, _SUBSCRIPTION, lambda _: 7)
    codec.must_be_set(subscription.feeds, "/feeds")
    return subscription


def decode_session(payload: bytes) -> SessionRequest:
    """Decode a session request's payload, or refuse it."""
    return codec.decode_closed(payload, _SESSION, lambda _: 7)


def decode_enrolment(payload: bytes) -> Enrolment:
    """Decode an enrolment's payload, or refuse it."""
    enrolment = codec.decode_closed(
        payload,
        _ENROLMENT,
        lambda e: 9 + 3 * bool(e.invitation) + sum(4 + _members(key.jwk) for key in e.keys),
    )
    codec.must_be_set(enrolment.replaces, "/replaces")
    return enrolment


def decode_invitation(payload: bytes) -> Invitation:
    """Decode an invitation's payload, or refuse it."""
    return codec.decode_closed(payload, _INVITATION, lambda _: 13)


def decode_verdict(payload: bytes) -> Verdict:
    """Decode a verdict's payload, or refuse it."""
    return codec.decode_closed(payload, _VERDICT, lambda _: 9)


def _members(jwk: Jwk) -> int:
    """Return how many members a key is written with: those it lacks are not there at all."""
    return sum(getattr(jwk, name) is not None for name in jwk.__struct_fields__)


def decode_group(payload: bytes) -> GroupStatement:
    """Decode a group statement's payload, or refuse it."""
    return codec.decode_closed(payload, _GROUP, lambda _: 7)


class Answered(msgspec.Struct, frozen=True):
    """What a session request earns: a token for the Authorization header, good until then."""

    token: str
    expires: Seconds
