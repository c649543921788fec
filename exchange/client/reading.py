"""Read what an inbox holds: verify each entry, open what is sealed to us, and lose nothing.

An item that cannot be verified or opened is kept and shown as locked, with its reason: it
never blocks what comes after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.errors import Code, ExchangeError, Refusal
from exchange.model import bulletin as bulletins
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects
from exchange.seal import jws
from exchange.seal.open import open_body
from exchange.seal.open_attachment import must_match

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.client.trust import TrustLog
    from exchange.model.bulletin import Bulletin
    from exchange.model.codes import Codes
    from exchange.model.header import Header, Relation
    from exchange.model.objects import Acknowledgement
    from exchange.model.view import View
    from exchange.model.wire import InboxItem
    from exchange.seal.open import Opened, Opener


class Delivered(msgspec.Struct, frozen=True):
    """A bulletin in the inbox, verified; ``bulletin`` is None where it is locked.

    ``earlier`` is what its entry names that bears on it, and came before it.
    """

    position: int
    index: int
    taken_ms: int
    header: Header
    digest: str
    late: bool
    target: int | None
    earlier: list[tuple[Relation, int]] = []
    bulletin: Bulletin | None = None
    opened: Opened | None = None
    locked: ExchangeError | None = None


class Acked(msgspec.Struct, frozen=True):
    """An acknowledgement of a bulletin that we sent."""

    position: int
    index: int
    taken_ms: int
    ack: Acknowledgement


class Locked(msgspec.Struct, frozen=True):
    """Something in the inbox that does not verify: its place, and why."""

    position: int
    index: int
    locked: Refusal


Item = Delivered | Acked | Locked


def verify(item: InboxItem, endpoint: str, trust: TrustLog, since_ms: int = 0) -> Item:
    """Return what an inbox item is, its signatures verified under the view of its time.

    The journal's order says which view and how early a time that is; the node does not choose.

    Args:
        item: as the node gave it.
        endpoint: whose inbox it is.
        trust: every view that there has been up to now.
        since_ms: when the item before it was taken in.
    """
    try:
        entry = entries.decode(item.entry.encode())
        view, begun_ms = trust.before(item.index)
        if entry.facts.view != view.index:
            raise Refusal(  # noqa: TRY301
                Code.TRUST_INVALID, "/view", expected=view.index, found=entry.facts.view
            )
        if entry.facts.taken_ms < max(begun_ms, since_ms):
            raise Refusal(  # noqa: TRY301
                Code.TRUST_INVALID, "/taken_ms", found=entry.facts.taken_ms
            )
        match entry.facts:
            case entries.Accepted():
                return _delivered(item, entry.facts, entry.object, endpoint, view)
            case entries.Acknowledged():
                return _acked(item, entry.facts, entry.object, endpoint, view)
            case _:
                raise Refusal(Code.UNKNOWN_OBJECT, "/kind")  # noqa: TRY301
    except Refusal as refusal:
        return Locked(item.position, item.index, refusal)


def verify_all(
    page: Sequence[InboxItem], endpoint: str, trust: TrustLog, since_ms: int = 0
) -> list[Item]:
    """Return what each item of a page is; none was taken in before the one before it."""
    items: list[Item] = []
    for each in page:
        items.append(verify(each, endpoint, trust, since_ms))
        since_ms = taken_ms(items[-1], since_ms)
    return items


def taken_ms(item: Item, otherwise: int) -> int:
    """Return when an item was taken in; what a locked one says of it is worth nothing."""
    return otherwise if isinstance(item, Locked) else item.taken_ms


def _delivered(
    item: InboxItem, facts: entries.Accepted, raw: bytes, endpoint: str, view: View
) -> Delivered:
    signed = jws.read(raw, headers.MAX_HEADER_BYTES)
    if signed.typ != headers.TYP or signed.digest != facts.digest:
        raise Refusal(Code.DIGEST_MISMATCH, "/digest")
    header = headers.decode(signed.payload)
    standing = view.signatory(header.origin, header.endpoint, header.suite)
    jws.verify_by(signed, standing, facts.taken_ms // 1000)
    _must_share_trust(header, view)
    # Owed to us by its own address list, or as a holder of what it cancels or corrects.
    if entries.Owed(endpoint, item.position) not in facts.owed:
        raise Refusal(Code.NOT_A_RECIPIENT, "/owed", name=endpoint)
    return Delivered(
        position=item.position,
        index=item.index,
        taken_ms=facts.taken_ms,
        header=header,
        digest=signed.digest,
        late=facts.late,
        target=facts.target,
        earlier=_earlier(facts),
    )


def _earlier(facts: entries.Accepted) -> list[tuple[Relation, int]]:
    told: tuple[tuple[Relation, int | msgspec.UnsetType | None], ...] = (
        ("cancels", facts.cancelled_by),
        ("corrects", facts.corrected_by),
        ("supersedes", facts.superseded_by),
    )
    return [(relation, index) for relation, index in told if isinstance(index, int)]


def _must_share_trust(header: Header, view: View) -> None:
    """Hold the sender's trust log to ours: a node shows all its readers the same one.

    Raises:
        Refusal: ``trust-invalid``: the sender sealed under documents that we never saw.
    """
    place = header.trust.position
    # Position 0 would be of any history.
    if not 1 <= place <= view.position or view.heads[place] != header.trust.head:
        raise Refusal(Code.TRUST_INVALID, "/trust", found=place, limit=view.position)


def _acked(
    item: InboxItem, facts: entries.Acknowledged, raw: bytes, endpoint: str, view: View
) -> Acked:
    signed = jws.read(raw, objects.MAX_OBJECT_BYTES)
    if signed.typ != objects.ACK_TYP or signed.digest != facts.digest:
        raise Refusal(Code.DIGEST_MISMATCH, "/digest")
    ack = objects.decode_acknowledgement(signed.payload)
    standing = view.signatory(ack.origin, ack.endpoint, ack.suite)
    jws.verify_by(signed, standing, facts.taken_ms // 1000)
    if ack.of.endpoint != endpoint:
        raise Refusal(Code.NOT_YOURS, "/of/endpoint", name=ack.of.endpoint)
    # Else one that we had long since could be shown in the place of something left out.
    if entries.Owed(endpoint, item.position) not in facts.owed:
        raise Refusal(Code.NOT_A_RECIPIENT, "/owed", name=endpoint)
    return Acked(item.position, item.index, facts.taken_ms, ack)


def unseal(item: Delivered, body: bytes, openers: Sequence[Opener], codes: Codes) -> Delivered:
    """Return a delivered bulletin opened, or locked with the reason.

    Args:
        item: verified.
        body: the sealed body as fetched.
        openers: our keys, present and past.
        codes: the code lists that its content is checked against.
    """
    try:
        opened = open_body(item.header, body, openers)
        bulletin = bulletins.decode(opened.text, codes)
        check_repeated(item.header, bulletin)
    except Refusal as refusal:
        return msgspec.structs.replace(item, locked=refusal)
    return msgspec.structs.replace(item, bulletin=bulletin, opened=opened)


def check_repeated(header: Header, bulletin: Bulletin) -> None:
    """Hold a bulletin to what its header says of it in the clear.

    Raises:
        Refusal: ``header-body-mismatch``, naming the member.
    """
    for name, value in bulletins.repeated(bulletin).items():
        if getattr(header, name) != value:
            raise Refusal(Code.HEADER_BODY_MISMATCH, f"/{name}")
    must_match(header.attachments, bulletin.attachments)
