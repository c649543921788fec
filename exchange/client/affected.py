"""What a lost key or a shut-out endpoint bears on, and who must be told of each.

What was sealed to a key may be read by whoever found it: its originator must know. What was
signed by it may be from somebody else: everybody it went to must know. A release that was
forged is a bulletin that no second person saw, an acknowledgement nobody's. Headers and journal
entries tell all of it; nothing is opened here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from exchange.errors import Refusal
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exchange.client.outbox import Outbox

Why = Literal["sealed-to", "signed-by"]


class Lost(msgspec.Struct, frozen=True):
    """What was lost: one key by its thumbprint, or an endpoint with all that it has."""

    endpoint: str
    kid: str | None = None


class Affected(msgspec.Struct, frozen=True):
    """What it bears on; ``tell`` must be told.

    ``type`` is that of a bulletin, or says what of one it is: ``grant``, ``release``,
    ``acknowledgement``, ``confirmation``, ``consent``; then ``id`` is the bulletin's. Of a
    ``request``, ``draft``, ``invitation`` or ``verdict`` it is its own.
    ``subscription`` has none, and nobody to be told but its own endpoint's people. Of a
    ``consent`` it is told what was said: any poster of its member may take it back.
    """

    index: int
    id: str
    type: str
    origin: str
    why: list[Why]
    tell: list[str]
    retain_until: int | None
    consent: objects.Consent | None = None


def of_entry(index: int, raw: bytes, lost: Lost) -> Affected | None:
    """Return what a journal entry shows to be affected; None where it is not.

    Args:
        index: the entry's.
        raw: its bytes.
        lost: the key or endpoint.
    """
    try:
        entry = entries.decode(raw)
        return _read(index, entry, lost)
    except Refusal:
        # Not an entry that this version reads: `audit verify` tells of those.
        return None


def _read(index: int, entry: entries.Entry, lost: Lost) -> Affected | None:
    found: Affected | None
    match entry.facts:
        case entries.Accepted():
            found = _bulletin(index, entry.facts, entry.object, lost)
        case entries.Granted():
            found = _grant(index, entry.facts, entry.object, lost)
        case (
            entries.Acknowledged()
            | entries.Released()
            | entries.Confirmed()
            | entries.Consented()
        ):
            found = _object(index, entry.facts, entry.object, lost)
        case entries.Drafted():
            found = _draft(index, entry.facts, entry.object, lost)
        case entries.Requested() | entries.Invited() | entries.Decided():
            found = _own(index, entry.facts, entry.object, lost)
        case (
            entries.Noticed()
            | entries.PurgeOrdered()
            | entries.Purged()
            | entries.EnrolmentAsked()
            | entries.Refused()
            | entries.Trust()
            | entries.TrustReceived()
            | entries.EpochOpened()
            | entries.Checkpointed()
            | entries.InboxHeads()
            | entries.AuditRead()
            | entries.Lost()
        ):
            # Of no listed endpoint's signing, or without what was signed.
            found = None
    return found


def _bulletin(
    index: int, facts: entries.Accepted, posted: bytes, lost: Lost
) -> Affected | None:
    signed = jws.read(posted, headers.MAX_HEADER_BYTES)
    header = headers.decode(signed.payload)
    is_sealed = lost.kid in facts.wraps if lost.kid else lost.endpoint in header.to
    is_signed = _is_signed(signed, header.endpoint, lost)
    if not is_sealed and not is_signed:
        return None
    told = ({header.endpoint} if is_sealed else set()) | (
        set(header.to) if is_signed else set()
    )
    return Affected(
        index,
        header.id,
        header.type,
        header.endpoint,
        _why(is_sealed=is_sealed, is_signed=is_signed),
        sorted(told - {lost.endpoint}),
        header.retain_until,
    )


def _why(*, is_sealed: bool, is_signed: bool) -> list[Why]:
    why: list[Why] = ["sealed-to"] if is_sealed else []
    return [*why, "signed-by"] if is_signed else why


def _grant(index: int, facts: entries.Granted, posted: bytes, lost: Lost) -> Affected | None:
    signed = jws.read(posted, objects.MAX_OBJECT_BYTES)
    grant = objects.decode_grant(signed.payload)
    is_sealed = lost.kid == facts.kid if lost.kid else lost.endpoint == grant.to
    is_signed = _is_signed(signed, grant.endpoint, lost)
    if not is_sealed and not is_signed:
        return None
    told = ({grant.endpoint} if is_sealed else set()) | ({grant.to} if is_signed else set())
    why = _why(is_sealed=is_sealed, is_signed=is_signed)
    tell = sorted(told - {lost.endpoint})
    return Affected(index, grant.of.id, "grant", grant.endpoint, why, tell, None)


def _object(
    index: int,
    facts: entries.Acknowledged | entries.Released | entries.Confirmed | entries.Consented,
    posted: bytes,
    lost: Lost,
) -> Affected | None:
    signed = jws.read(posted, objects.MAX_OBJECT_BYTES)
    made: objects.Acknowledgement | objects.Release | objects.Confirmation | objects.Consent
    match facts:
        case entries.Acknowledged():
            kind, made = "acknowledgement", objects.decode_acknowledgement(signed.payload)
        case entries.Released():
            kind, made = "release", objects.decode_release(signed.payload)
        case entries.Confirmed():
            kind, made = "confirmation", objects.decode_confirmation(signed.payload)
        case entries.Consented():
            kind, made = "consent", objects.decode_consent(signed.payload)
    if not _is_signed(signed, made.endpoint, lost):
        return None
    told = {made.of.endpoint, *(each.endpoint for each in facts.owed)} - {lost.endpoint}
    consent = made if isinstance(made, objects.Consent) else None
    tell: list[str] = sorted(told)
    return Affected(index, made.of.id, kind, made.endpoint, ["signed-by"], tell, None, consent)


def _draft(index: int, facts: entries.Drafted, posted: bytes, lost: Lost) -> Affected | None:
    signed = jws.read(posted, objects.MAX_OBJECT_BYTES)
    draft = objects.decode_draft(signed.payload)
    # What was declined or withdrawn without a word holds nothing.
    is_named = draft.body is not None and lost.endpoint in draft.to
    is_sealed = lost.kid in facts.wraps if lost.kid else is_named
    is_signed = _is_signed(signed, draft.endpoint, lost)
    if not is_sealed and not is_signed:
        return None
    told = ({draft.endpoint} if is_sealed else set()) | (set(draft.to) if is_signed else set())
    why, tell = _why(is_sealed=is_sealed, is_signed=is_signed), sorted(told - {lost.endpoint})
    return Affected(index, draft.id, "draft", draft.endpoint, why, tell, draft.until)


def _own(
    index: int,
    facts: entries.Requested | entries.Invited | entries.Decided,
    posted: bytes,
    lost: Lost,
) -> Affected | None:
    signed = jws.read(posted, objects.MAX_OBJECT_BYTES)
    made: objects.Request | objects.Invitation | objects.Verdict
    match facts:
        case entries.Requested():
            kind, made = "request", objects.decode_request(signed.payload)
        case entries.Invited():
            kind, made = "invitation", objects.decode_invitation(signed.payload)
        case entries.Decided():
            kind, made = "verdict", objects.decode_verdict(signed.payload)
    if not _is_signed(signed, made.endpoint, lost):
        return None
    told = {each.endpoint for each in entries.owed_by(facts)} - {lost.endpoint}
    if isinstance(made, objects.Invitation):
        told.add(made.invited)
    return Affected(index, made.id, kind, made.endpoint, ["signed-by"], sorted(told), None)


def of_subscription(index: int, raw: bytes, lost: Lost) -> Affected | None:
    """Return a subscription as affected; None where it is not, or is another document.

    Args:
        index: the entry's by which it took effect.
        raw: the trust document.
        lost: the key or endpoint.
    """
    try:
        signed = jws.read(raw, objects.MAX_OBJECT_BYTES)
        made = objects.decode_subscription(signed.payload)
    except Refusal:
        return None
    if not _is_signed(signed, made.endpoint, lost):
        return None
    return Affected(index, "", "subscription", made.endpoint, ["signed-by"], [], None)


def _is_signed(signed: jws.Signed, endpoint: str, lost: Lost) -> bool:
    kids = {claim.kid for claim in signed.claims}
    return lost.kid in kids if lost.kid else lost.endpoint == endpoint


def of_outbox(outbox: Outbox, lost: Lost) -> Iterator[Affected]:
    """Yield what was posted from here and is affected, as its receipts show."""
    for identity in outbox.sent():
        receipt, envelope = outbox.receipt(identity), outbox.envelope(identity)
        if receipt is None or envelope is None:
            continue
        raw = receipt.facts.encode() + b"\n" + envelope.header
        found = of_entry(receipt.index, raw, lost)
        if found is not None:
            yield found


def by_person(affected: Iterable[Affected]) -> dict[str, list[str]]:
    """Return who must be told, each with the ids of what they must be told of."""
    found: dict[str, list[str]] = {}
    for each in affected:
        for endpoint in each.tell:
            mine = found.setdefault(endpoint, [])
            if each.id not in mine:
                mine.append(each.id)
    return dict(sorted(found.items()))
