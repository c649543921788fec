"""Destroy what is kept of the mail once its time is over, whenever somebody works here.

Bodies, content keys and texts go. What stays: headers, acknowledgements, receipts and proofs,
of which a chain and a journal are made that others hold us to.

A node's order to purge is its word alone: it is followed where what is held here says the same.
Else a node could make all who hold something destroy it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple, TypeGuard

from exchange.client import bearing, bodies, elsewhere, granting, losses, separating, story
from exchange.client.kept import KeptKeys
from exchange.client.outbox import Outbox
from exchange.client.pending import Waiting
from exchange.client.reading import Delivered, PurgeOrdered
from exchange.client.transport import is_away
from exchange.errors import Code, ExchangeError, Refusal
from exchange.policy import retention

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from exchange.client.agency import Agency
    from exchange.client.cabinet import Cabinet
    from exchange.client.reading import Item
    from exchange.client.trust import TrustLog
    from exchange.model.header import Header


# Says of a stub that an order was held to what is known here; no node can say it.
STUB: Final = "/purge-ordered"


_CHECKED, _DAY_S = "checked", 86_400


def purge(cabinet: Cabinet, now_ms: int) -> None:
    """Destroy what is overdue, and sealed files that nothing waits for.

    A damaged row keeps no other here: it is told of (``losses``) and passed over.

    Raises:
        Fault: ``mail-failed``, ``mail-damaged``.
    """
    now, box = now_ms // 1000, Outbox(cabinet)
    losses.age(cabinet, now)
    _check_days(cabinet, now)
    KeptKeys(cabinet).destroy_overdue(now)
    over = box.held.purge(now) + Waiting(cabinet).purge(now) + separating.purge(cabinet, now)
    if bodies.purge(cabinet, now) + box.purge(now) + over:
        cabinet.sweep()
    box.clear(now_ms)


def _check_days(cabinet: Cabinet, now: int) -> None:
    """Once a day, have no row stay longer than its seal says, whoever moved its day."""
    today = str(now // _DAY_S).encode()
    if cabinet.get_sound(_CHECKED, "") != today:
        cabinet.set_days_right()
        cabinet.put(_CHECKED, "", today)


# A bulletin as its originator alone can withdraw it: originator, id, digest of its header.
_Name = tuple[str, str, str]


class Orders(NamedTuple):
    """Orders by the entry of their bulletin, what was withdrawn to be purged, and the time."""

    by_entry: Mapping[int, PurgeOrdered] = {}
    withdrawn: frozenset[_Name] = frozenset()
    now: int = 0


def orders(items: Sequence[Item], now: int) -> Orders:
    """Return the orders in an inbox, and what in it says that they are right.

    One that is dated later than ``now`` (seconds UTC, by our own clock) is none yet: with the
    time of its order a node could make anything due.
    """
    withdrawn = _withdrawn(item.header for item in items if isinstance(item, Delivered))
    found = {item.of: item for item in items if is_order(item, now)}
    return Orders(found, withdrawn, now)


def _withdrawn(headers: Iterable[Header]) -> frozenset[_Name]:
    """Return what is cancelled by these, and declared to be destroyed."""
    return frozenset(
        (header.origin, reference.id, reference.header_digest)
        for header in headers
        if header.verb == "cancel" and "must-purge" in header.declares
        if (reference := bearing.reference_of(header)) is not None
    )


def is_order(item: Item, now: int) -> TypeGuard[PurgeOrdered]:
    """Tell whether an item is an order to purge, and not one of a time still to come."""
    return isinstance(item, PurgeOrdered) and item.taken_ms // 1000 <= now


class Taken(NamedTuple):
    """A bulletin as it was taken in: its header, where, when, and whether it was withdrawn."""

    header: Header
    entry: int
    taken: int
    is_withdrawn: bool


def holds(order: PurgeOrdered, of: Taken, trust: TrustLog, now: int) -> bool:
    """Tell whether a bulletin is to be purged by now, by all that is known here of it."""
    agreed = trust.before(of.entry).view.agreed()
    if now >= retention.term(of.header, agreed, of.taken).until:
        # Whatever the node says of why: else who was not told of a cancellation would be
        # chased for ever.
        return True
    match order.cause:
        case "cancelled":
            return of.is_withdrawn
        case "silence":
            least = _silence(order, of, trust)
            return least is not None and now >= of.taken + least
        case "decided":
            # Of a draft, which nobody keeps but the node.
            return False
        case "header" | "rule":
            return False


def _silence(order: PurgeOrdered, of: Taken, trust: TrustLog) -> int | None:
    """Return how soon a silence may have ended what was taken in; None: by no rule.

    Its author may have answered, and was asked by what was agreed on then: when that was, only
    the node knows. So the shortest times count of all that was agreed on up to the order.
    """
    rules = [
        rule
        for view in trust.between(of.entry, order.index)
        for rule in view.agreed().retention
        if retention.applies(rule, of.header)
    ]
    reviews = [rule.review_s for rule in rules if rule.review_s]
    named = [rule.silence_s for rule in rules if rule.name == order.rule]
    silences = [each for each in named if each is not None]
    return min(reviews) + min(silences) if reviews and silences else None


def stub(item: Delivered, told: Orders, trust: TrustLog) -> Refusal | None:
    """Return what is shown in the place of a bulletin that is to be purged; None of others."""
    order = told.by_entry.get(item.accepted)
    if order is None:
        return None
    # What its entry alone tells of is the node's word, and does not say: destroy it.
    is_withdrawn = (item.header.origin, item.header.id, item.digest) in told.withdrawn
    of = Taken(item.header, item.accepted, item.accepted_ms // 1000, is_withdrawn)
    if not holds(order, of, trust, told.now):
        return None
    day = datetime.fromtimestamp(order.taken_ms // 1000, UTC).date().isoformat()
    named = {"name": order.rule} if order.rule else {}
    return Refusal(Code.PURGED, STUB, day=day, **named)


def is_purged(item: Item) -> bool:
    """Tell whether an item is a stub."""
    return (
        isinstance(item, Delivered)
        and item.locked is not None
        and (item.locked.code, item.locked.at) == (Code.PURGED, STUB)
    )


def carry_out(
    cabinet: Cabinet, items: Sequence[Item], trust: TrustLog, now: int
) -> list[Delivered]:
    """Destroy what is held of all whose purge was ordered; return what came to this endpoint.

    Sealed bodies, wrapped keys and content keys go, of what came and of what was posted.

    Raises:
        Fault: ``mail-failed``, ``mail-damaged``.
    """
    gone = [item for item in items if isinstance(item, Delivered) and is_purged(item)]
    with cabinet.change():
        count = sum(bodies.destroy(cabinet, name) for item in gone for name in _named(item))
        mine, posted = _posted(cabinet, orders(items, now), trust)
        count += mine + _granted(cabinet, {*posted, *(item.digest for item in gone)})
    if count:
        cabinet.sweep()
    return gone


def _named(item: Delivered) -> list[str]:
    wraps = [item.grant.wrap.digest] if item.grant else []
    return [item.header.body.digest, *wraps]


def _posted(cabinet: Cabinet, told: Orders, trust: TrustLog) -> tuple[int, set[str]]:
    """Destroy content keys and bodies of what was posted from here, and is to be purged.

    Returns:
        How many there were; and the digests of all that is to be.
    """
    if not told.by_entry:
        return 0, set()
    box, keys, count = Outbox(cabinet), KeptKeys(cabinet), 0
    every, gone = story.every(box), set[str]()
    withdrawn = told.withdrawn | _withdrawn(each.header for each in every)
    for each in every:
        order = told.by_entry.get(-1 if each.index is None else each.index)
        if order is None or each.facts is None or each.index is None:
            continue
        is_withdrawn = (each.header.origin, each.header.id, each.digest) in withdrawn
        taken = each.facts.taken_ms // 1000
        of = Taken(each.header, each.index, taken, is_withdrawn)
        if holds(order, of, trust, told.now):
            count += keys.drop(each.header.id) + box.drop_body(each.header.id)
            gone.add(each.digest)
    return count, gone


def _granted(cabinet: Cabinet, gone: set[str]) -> int:
    """Destroy the wrapped keys with which what is to be purged was granted from here."""
    box = Outbox(cabinet)
    return sum(
        box.drop_body(made.grant.id)
        for made in (granting.every(box) if gone else ())
        if made.grant.of.header_digest in gone
    )


async def attest(agency: Agency, items: Sequence[Item]) -> int:
    """Destroy what is to be purged, and say so to its originator, signed; once for each.

    Where the node is away, what is to be said waits in the outbox. What it does not take is
    said again the next time: nobody's inbox is to be hidden by that.

    Returns:
        How many were attested now.

    Raises:
        Fault: ``mail-failed``, ``mail-damaged``: what was to be destroyed may be here still.
    """
    world, count = agency.world, 0
    acks = world.outbox.acks
    await elsewhere.learn_withdrawn(agency, items)
    for item in carry_out(world.cabinet, items, agency.trust, world.now()):
        identity = agency.acknowledged(item, "purged")
        if identity is not None and acks.receipt(identity) is not None:
            continue
        try:
            await agency.acknowledge(item, "purged")
        except ExchangeError as error:
            if is_away(error):
                break
            continue
        count += 1
    return count
