"""Read what an inbox holds: verify each entry, open what is sealed to us, and lose nothing.

An item that cannot be verified or opened is kept and shown as locked, with its reason: it
never blocks what comes after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.client.judging import Came, Under, declined_in, under
from exchange.errors import Code, ExchangeError, Refusal
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.bulletin.strangers import Unknown
from exchange.model.identity import member_of
from exchange.policy import drafting, releasing
from exchange.seal import jws, notices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.client.trust import TrustLog
    from exchange.model.bulletin import AnyBulletin
    from exchange.model.header import Header, Relation
    from exchange.model.objects import (
        Acknowledgement,
        Confirmation,
        Consent,
        Grant,
        Notice,
        Release,
        Request,
        SealedDraft,
    )
    from exchange.model.view import Standing
    from exchange.model.wire import InboxItem
    from exchange.seal.open import Opened


class Delivered(msgspec.Struct, frozen=True):
    """A bulletin in the inbox, verified; ``bulletin`` is None where it is locked.

    ``ahead``, of any item: it was told ahead of its place, and its index is no cursor.
    ``came``, of any item: where it was taken in first; None of what was posted at our node.

    Locked and ``opened`` is a text that does not hold: never shown, kept as evidence.
    ``accepted`` is the entry in which the bulletin itself was taken in, at ``accepted_ms``:
    this one, unless it came by ``grant``.
    ``not_understood`` is what of a newer version's bulletin is not known here, kept.
    ``earlier`` is what its entry names that bears on it and came before it, or its grant.
    ``taken_in`` is where the bulletin itself was taken in first: as ``came``, unless it came
    by ``grant``. ``declined`` are recipients here that our node does not owe it to, and why.
    """

    position: int
    index: int
    taken_ms: int
    header: Header
    digest: str
    late: bool
    target: int | None
    accepted: int
    accepted_ms: int
    earlier: list[tuple[Relation, int]] = []
    grant: Grant | None = None
    bulletin: AnyBulletin | None = None
    not_understood: list[Unknown] = []
    opened: Opened | None = None
    locked: ExchangeError | None = None
    declined: list[entries.Unowed] = []
    taken_in: Came | None = None
    came: Came | None = None
    ahead: bool = False


class Acked(msgspec.Struct, frozen=True):
    """An acknowledgement of a bulletin that we sent."""

    position: int
    index: int
    taken_ms: int
    ack: Acknowledgement
    came: Came | None = None
    ahead: bool = False


class Granted(msgspec.Struct, frozen=True):
    """A grant: of our bulletin, by another; or to us, while its bulletin is not fetched.

    ``earlier`` is what bore on the bulletin before it was granted. ``consent`` is the entry of
    the originator's consent that it was given by, where the node says so.
    """

    position: int
    index: int
    taken_ms: int
    grant: Grant
    of: int
    earlier: list[tuple[Relation, int]] = []
    consent: int | None = None
    came: Came | None = None
    ahead: bool = False

    @property
    def is_passed_on(self) -> bool:
        """Whether another than its originator's member gives it."""
        return member_of(self.grant.of.endpoint) != self.grant.origin


class Released(msgspec.Struct, frozen=True):
    """A release of a bulletin that we hold or posted."""

    position: int
    index: int
    taken_ms: int
    release: Release
    came: Came | None = None
    ahead: bool = False


class Drafted(msgspec.Struct, frozen=True):
    """A sealed draft that we are asked to release, or what became of one; not opened here."""

    position: int
    index: int
    taken_ms: int
    draft: SealedDraft
    digest: str
    came: Came | None = None
    ahead: bool = False


class Noticed(msgspec.Struct, frozen=True):
    """What a node tells us of a bulletin."""

    position: int
    index: int
    taken_ms: int
    notice: Notice
    came: Came | None = None
    ahead: bool = False


class Confirmed(msgspec.Struct, frozen=True):
    """A colleague's confirmation that a bulletin of ours still holds."""

    position: int
    index: int
    taken_ms: int
    confirmation: Confirmation
    came: Came | None = None
    ahead: bool = False


class Consented(msgspec.Struct, frozen=True):
    """What an originator says of passing a bulletin on: by us, to us, or as a colleague did."""

    position: int
    index: int
    taken_ms: int
    consent: Consent
    came: Came | None = None
    ahead: bool = False


class Requested(msgspec.Struct, frozen=True):
    """A request for a grant to us; or an answer to ours, or by a colleague to one to us.

    ``digest`` is that of its bytes, by which an answer names a request.
    """

    position: int
    index: int
    taken_ms: int
    request: Request
    digest: str
    came: Came | None = None
    ahead: bool = False


class PurgeOrdered(msgspec.Struct, frozen=True):
    """A node's word that the bulletin of the entry ``of`` is to be destroyed, and why.

    Nobody signed it: see ``client.purging`` for what it is held to.
    """

    position: int
    index: int
    taken_ms: int
    of: int
    cause: entries.Cause
    rule: str | None
    came: Came | None = None
    ahead: bool = False


class Locked(msgspec.Struct, frozen=True):
    """Something in the inbox that does not verify, or is not understood: its place, and why."""

    position: int
    index: int
    locked: ExchangeError
    came: Came | None = None
    ahead: bool = False


News = Granted | Released | Drafted | Noticed | Confirmed | Consented | Requested | PurgeOrdered
Item = Delivered | Acked | News | Locked


def verify(item: InboxItem, endpoint: str, trust: TrustLog, since_ms: int = 0) -> Item:
    """Return what an inbox item is, its signatures verified under the view of its time.

    The journal's order says which view and how early a time that is; the node does not choose.
    What came from another node is judged as it was there.

    Args:
        item: as the node gave it.
        endpoint: whose inbox it is.
        trust: every view that there has been up to now.
        since_ms: when the item before it was taken in.
    """
    try:
        entry = entries.decode(item.entry.encode())
        by = under(entry, item.index, trust, since_ms)
        return msgspec.structs.replace(_item(item, entry, endpoint, by), came=by.came)
    except Refusal as refusal:
        return Locked(item.position, item.index, refusal)


def _item(  # noqa: C901  (one for each kind)
    item: InboxItem, entry: entries.Entry, endpoint: str, by: Under
) -> Item:
    facts, raw = entry.facts, entry.object
    found: Item
    match facts:
        case entries.Accepted():
            found = _delivered(item, facts, raw, endpoint, by)
        case entries.Acknowledged():
            found = _acked(item, facts, raw, endpoint, by)
        case entries.Granted():
            found = _granted(item, facts, raw, endpoint, by)
        case entries.Released():
            found = _released(item, facts, raw, endpoint, by)
        case entries.Drafted():
            found = _drafted(item, facts, raw, endpoint, by)
        case entries.Noticed():
            found = _noticed(item, facts, raw, endpoint, by)
        case entries.Confirmed():
            found = _confirmed(item, facts, raw, endpoint, by)
        case entries.Consented():
            found = _consented(item, facts, raw, endpoint, by)
        case entries.Requested():
            found = _requested(item, facts, raw, endpoint, by)
        case entries.PurgeOrdered():
            _must_be_owed(item, facts, endpoint)
            told = (facts.taken_ms, facts.of, facts.cause, facts.rule)
            found = PurgeOrdered(item.position, item.index, *told)
        case _:
            raise Refusal(Code.UNKNOWN_OBJECT, "/kind")
    return found


def verify_all(
    page: Sequence[InboxItem], endpoint: str, trust: TrustLog, since_ms: int = 0
) -> list[Item]:
    """Return what each item of a page is; none was taken in before the one before it."""
    items: list[Item] = []
    for each in page:
        items.append(verify(each, endpoint, trust, since_ms))
        since_ms = taken_ms(items[-1], since_ms)
    return items


def sound(items: Sequence[Item]) -> int:
    """Return how many items verified, before the first that did not."""
    found = (place for place, item in enumerate(items) if isinstance(item, Locked))
    return next(found, len(items))


def taken_ms(item: Item, otherwise: int) -> int:
    """Return when an item was taken in; what a locked one says of it is worth nothing."""
    return otherwise if isinstance(item, Locked) else item.taken_ms


def _delivered(
    item: InboxItem, facts: entries.Accepted, raw: bytes, endpoint: str, by: Under
) -> Delivered:
    header, named = header_in(facts, raw, by)
    # Owed to us by its own address list, or as a holder of what it cancels or corrects.
    _must_be_owed(item, facts, endpoint)
    return Delivered(
        position=item.position,
        index=item.index,
        taken_ms=facts.taken_ms,
        header=header,
        digest=named,
        late=facts.late,
        target=facts.target,
        earlier=_earlier(facts),
        accepted=item.index,
        accepted_ms=facts.taken_ms,
        declined=declined_in(facts),
        taken_in=by.came,
    )


def header_in(facts: entries.Accepted, raw: bytes, by: Under) -> tuple[Header, str]:
    """Return the header of an accepted entry and its digest, verified by what it is under."""
    signed = _read(raw, headers.TYP, facts.digest)
    header = headers.decode(signed.payload)
    _must_be_signed(header, signed, by)
    by.must_share_trust(header)
    return header, signed.digest


def _read(raw: bytes, typ: str, named: str) -> jws.Signed:
    signed = jws.read(raw, max(headers.MAX_HEADER_BYTES, objects.MAX_OBJECT_BYTES))
    if signed.typ != typ or signed.digest != named:
        raise Refusal(Code.DIGEST_MISMATCH, "/digest")
    return signed


def _must_be_signed(
    said: Header
    | Acknowledgement
    | Grant
    | Release
    | SealedDraft
    | Confirmation
    | Consent
    | Request,
    signed: jws.Signed,
    by: Under,
) -> Standing:
    """Return by whom an object is signed, if its endpoint did sign it and might do so then."""
    standing = by.view.signatory(said.origin, said.endpoint, said.suite)
    jws.verify_by(signed, standing, by.now)
    by.must_be_home(standing)
    return standing


_WithOwed = (
    entries.Accepted
    | entries.Acknowledged
    | entries.Granted
    | entries.Released
    | entries.Drafted
    | entries.Noticed
    | entries.Confirmed
    | entries.Consented
    | entries.Requested
    | entries.PurgeOrdered
)


def _must_be_owed(item: InboxItem, facts: _WithOwed, endpoint: str) -> None:
    # Else one that we had long since could be shown in the place of something left out.
    if entries.Owed(endpoint, item.position) not in facts.owed:
        raise Refusal(Code.NOT_A_RECIPIENT, "/owed", name=endpoint)


def _earlier(facts: entries.Accepted) -> list[tuple[Relation, int]]:
    """Return what bore on a bulletin before it came."""
    told: tuple[tuple[Relation, int | msgspec.UnsetType | None], ...] = (
        ("cancels", facts.cancelled_by),
        ("corrects", facts.corrected_by),
        ("supersedes", facts.superseded_by),
    )
    also = facts.corrected_also_by
    return [
        *((relation, index) for relation, index in told if isinstance(index, int)),
        *(("corrects", index) for index in (also if isinstance(also, list) else [])),
    ]


def _standing(facts: entries.Granted) -> list[tuple[Relation, int]]:
    """Return what stood at a grant of all that bears on its bulletin."""
    told: tuple[tuple[Relation, list[int] | msgspec.UnsetType], ...] = (
        ("corrects", facts.corrected_by),
        ("supersedes", facts.superseded_by),
    )
    return [(rel, each) for rel, some in told if isinstance(some, list) for each in some]


def _acked(
    item: InboxItem, facts: entries.Acknowledged, raw: bytes, endpoint: str, by: Under
) -> Acked:
    signed = _read(raw, objects.ACK_TYP, facts.digest)
    ack = objects.decode_acknowledgement(signed.payload)
    _must_be_signed(ack, signed, by)
    if ack.of.endpoint != endpoint:
        raise Refusal(Code.NOT_YOURS, "/of/endpoint", name=ack.of.endpoint)
    _must_be_owed(item, facts, endpoint)
    return Acked(item.position, item.index, facts.taken_ms, ack)


def _granted(
    item: InboxItem, facts: entries.Granted, raw: bytes, endpoint: str, by: Under
) -> Granted:
    signed = _read(raw, objects.GRANT_TYP, facts.digest)
    grant = objects.decode_grant(signed.payload)
    _must_be_signed(grant, signed, by)
    # Whether another member may give it, its header says, which is fetched (``passing``).
    if endpoint not in (grant.to, grant.of.endpoint):
        raise Refusal(Code.NOT_YOURS, "/to", name=grant.to)
    if facts.of >= item.index:
        raise Refusal(Code.TARGET_MISMATCH, "/of", found=facts.of)
    _must_be_owed(item, facts, endpoint)
    consent = facts.consent if isinstance(facts.consent, int) else None
    told = (facts.of, _standing(facts), consent)
    return Granted(item.position, item.index, facts.taken_ms, grant, *told)


def _released(
    item: InboxItem, facts: entries.Released, raw: bytes, endpoint: str, by: Under
) -> Released:
    signed = _read(raw, objects.RELEASE_TYP, facts.digest)
    release = objects.decode_release(signed.payload)
    releasing.may_release(release, _must_be_signed(release, signed, by))
    _must_be_owed(item, facts, endpoint)
    return Released(item.position, item.index, facts.taken_ms, release)


def _drafted(
    item: InboxItem, facts: entries.Drafted, raw: bytes, endpoint: str, by: Under
) -> Drafted:
    signed = _read(raw, objects.DRAFT_TYP, facts.digest)
    draft = objects.decode_draft(signed.payload)
    drafting.may_submit(draft, _must_be_signed(draft, signed, by), by.view)
    _must_be_owed(item, facts, endpoint)
    return Drafted(item.position, item.index, facts.taken_ms, draft, signed.digest)


def _noticed(
    item: InboxItem, facts: entries.Noticed, raw: bytes, endpoint: str, by: Under
) -> Noticed:
    _read(raw, objects.NOTICE_TYP, facts.digest)
    notice = notices.verify(raw, by.view)
    if notice.node != by.node:
        raise Refusal(Code.HOME_MISMATCH, "/node", name=notice.node)
    _must_be_owed(item, facts, endpoint)
    return Noticed(item.position, item.index, facts.taken_ms, notice)


def _confirmed(
    item: InboxItem, facts: entries.Confirmed, raw: bytes, endpoint: str, by: Under
) -> Confirmed:
    signed = _read(raw, objects.CONFIRMATION_TYP, facts.digest)
    confirmed = objects.decode_confirmation(signed.payload)
    _must_be_signed(confirmed, signed, by)
    if member_of(confirmed.of.endpoint) != confirmed.origin:
        raise Refusal(Code.TARGET_MISMATCH, "/of", id=confirmed.of.id)
    _must_be_owed(item, facts, endpoint)
    return Confirmed(item.position, item.index, facts.taken_ms, confirmed)


def _consented(
    item: InboxItem, facts: entries.Consented, raw: bytes, endpoint: str, by: Under
) -> Consented:
    signed = _read(raw, objects.CONSENT_TYP, facts.digest)
    consent = objects.decode_consent(signed.payload)
    _must_be_signed(consent, signed, by)
    # Nobody consents to what another member wrote.
    if member_of(consent.of.endpoint) != consent.origin:
        raise Refusal(Code.TARGET_MISMATCH, "/of", id=consent.of.id)
    _must_be_owed(item, facts, endpoint)
    return Consented(item.position, item.index, facts.taken_ms, consent)


def _requested(
    item: InboxItem, facts: entries.Requested, raw: bytes, endpoint: str, by: Under
) -> Requested:
    signed = _read(raw, objects.REQUEST_TYP, facts.digest)
    request = objects.decode_request(signed.payload)
    _must_be_signed(request, signed, by)
    _must_be_owed(item, facts, endpoint)
    return Requested(item.position, item.index, facts.taken_ms, request, signed.digest)
