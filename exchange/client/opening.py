"""Fetch what an inbox item names, and open it; one that cannot be opened is locked, no more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.client import passing, purging, reading, unsealing
from exchange.client.transport import is_away
from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.policy.rules import WITHHELD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from exchange.client.bodies import Bodies
    from exchange.client.reading import Item
    from exchange.client.trust import TrustLog
    from exchange.model.codes import Codes
    from exchange.model.header import Header
    from exchange.seal.open import Unwrapper


class Ours(NamedTuple):
    """Who we are, our keys present and past, and what we hold items to."""

    endpoint: str
    openers: Sequence[Unwrapper]
    trust: TrustLog
    codes: Codes
    orders: purging.Orders = purging.Orders()
    # What is held here of what originators said of passing on, up to now.
    consents: Callable[[], Sequence[reading.Consented]] = lambda: ()
    # By their digests, headers of what came to us: as of when the inbox was looked at last.
    held: Mapping[str, Header] = {}


async def opened(item: Item, ours: Ours, bodies: Bodies, now: int) -> Item:
    """Return an item opened where it is sealed to us, or granted to us; or locked.

    Args:
        item: verified.
        ours: who we are, and our keys.
        bodies: has what the item names, or fetches it.
        now: seconds UTC. What was to be retained until then is locked: it is destroyed here.

    Raises:
        Fault: the node is away, for this item and all others; or ``too-many``: it gives us
            nothing just now. That says nothing of the item, which is to be tried again.
    """
    if isinstance(item, reading.Granted) and item.grant.to == ours.endpoint:
        item = await _granted(item, ours, bodies)
    if not isinstance(item, reading.Delivered):
        return item
    if (why := over(item, ours, now)) is not None:
        return msgspec.structs.replace(item, locked=why)
    if item.grant is not None and item.grant.origin != item.header.origin:
        locked = passing.withdrawn(item, ours.consents())
        if locked is not None:
            return msgspec.structs.replace(item, locked=locked)
    return await _unsealed(item, ours, bodies)


def over(item: reading.Delivered, ours: Ours, now: int) -> Refusal | None:
    """Return why nothing of a bulletin is to be read here, whatever is held of it.

    Args:
        item: verified.
        ours: who we are, and what is to be purged.
        now: seconds UTC.
    """
    if (stub := purging.stub(item, ours.orders, ours.trust)) is not None:
        # First: also who holds its header alone is to say that it holds nothing of it.
        return stub
    if item.grant is None and ours.endpoint not in item.header.to:
        # Owed to us as a holder of what it corrects, but sealed to others.
        return Refusal(Code.NOT_A_RECIPIENT, "/to")
    until = item.header.retain_until
    if until <= now:
        day = datetime.fromtimestamp(until, UTC).date().isoformat()
        return Refusal(Code.RETENTION_OVER, "/retain_until", day=day)
    return None


async def _unsealed(item: reading.Delivered, ours: Ours, bodies: Bodies) -> Item:
    until = item.header.retain_until
    try:
        body = await bodies.blob(item.header.body.digest, item.index, until)
        wrap = b""
        if item.grant is not None:
            wrap = await bodies.blob(item.grant.wrap.digest, item.index, until)
    except ExchangeError as error:
        if is_away(error) and not bodies.may_ask:
            # What is not held here cannot be had now.
            return msgspec.structs.replace(item, locked=error)
        # Bytes that the node cannot give lock this item; they do not block the next one.
        return msgspec.structs.replace(item, locked=_of_the_item(error))
    return unsealing.unseal(item, (body, wrap), ours)


async def _granted(item: reading.Granted, ours: Ours, bodies: Bodies) -> Item:
    """Return the bulletin of a grant to us, or the grant as locked, with the reason."""
    try:
        entry = await bodies.granted(item.index)
    except ExchangeError as error:
        if is_away(error) and not bodies.may_ask:
            return reading.Locked(item.position, item.index, error)
        return reading.Locked(item.position, item.index, _of_the_item(error))
    try:
        said = ours.consents() if item.is_passed_on else ()
        found = passing.fetched(item, entry, ours.trust, said)
    except ExchangeError as error:
        return reading.Locked(item.position, item.index, error)
    bodies.keep_granted(item.index, entry)
    return found


def _of_the_item(error: ExchangeError) -> ExchangeError:
    """Return what locks an item; raise what says nothing of it, but of the node or of us.

    Who is locked out for good may attest that it cannot be read: so it must be true.
    """
    if isinstance(error, Fault) and not is_away(error):
        return error
    if error.code is Code.NOT_UNDERSTOOD:
        # Of a newer node: it may be about this item alone, and is no reason to attest anything.
        return Fault(error.code, error.at, **error.facts)
    if error.code in WITHHELD:
        # What the arrangement does not permit now, it may permit again: too early to attest.
        return Fault(error.code, error.at, **error.facts)
    if error.code is Code.PURGED:
        # The node's word, which nothing here bears out: it is shown, and nothing is attested.
        return Refusal(Code.PURGED, "/digest", **error.facts)
    if error.code is not Code.NOT_FOUND:
        raise error
    return error
