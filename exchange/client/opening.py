"""Fetch what an inbox item names, and open it; one that cannot be opened is locked, no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import msgspec

from exchange.client import reading
from exchange.client.transport import is_away
from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.model import wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from exchange.client.reading import Item
    from exchange.client.transport import Transport
    from exchange.client.trust import TrustLog
    from exchange.model.codes import Codes
    from exchange.seal.open import Unwrapper


T = TypeVar("T")

# Between attempts while too much of ours is under way (seconds): downloads end.
_PAUSES_S: Final = (1.0, 2.0, 4.0)


class Ours(NamedTuple):
    """Who we are, our keys present and past, what we hold items to, and how we wait."""

    endpoint: str
    openers: Sequence[Unwrapper]
    trust: TrustLog
    codes: Codes
    pause: Callable[[float], Awaitable[None]]


async def opened(item: Item, ours: Ours, transport: Transport) -> Item:
    """Return an item opened where it is sealed to us, or granted to us; or locked.

    Raises:
        Fault: the node is away, for this item and all others; or ``too-many``: it gives us
            nothing just now. That says nothing of the item, which is to be tried again.
    """
    if isinstance(item, reading.Granted) and item.grant.to == ours.endpoint:
        item = await _granted(item, ours, transport)
    if not isinstance(item, reading.Delivered):
        return item
    if item.grant is None and ours.endpoint not in item.header.to:
        # Owed to us as a holder of what it corrects, but sealed to others.
        return msgspec.structs.replace(item, locked=Refusal(Code.NOT_A_RECIPIENT, "/to"))
    try:
        body = await _blob(transport, item.header.body.digest, item.index, ours)
        wrap = b""
        if item.grant is not None:
            wrap = await _blob(transport, item.grant.wrap.digest, item.index, ours)
    except ExchangeError as error:
        # Bytes that the node cannot give lock this item; they do not block the next one.
        return msgspec.structs.replace(item, locked=_of_the_item(error))
    return reading.unseal(item, (body, wrap), ours.openers, ours.trust, ours.codes)


async def _granted(item: reading.Granted, ours: Ours, transport: Transport) -> Item:
    """Return the bulletin of a grant to us, or the grant as locked, with the reason."""
    try:
        answer = await _patiently(
            lambda: transport.get_as(wire.JournalItem, "/v1/granted", index=item.index), ours
        )
    except ExchangeError as error:
        return reading.Locked(item.position, item.index, _of_the_item(error))
    try:
        return reading.fetched(item, answer.entry, ours.trust)
    except Refusal as refusal:
        return reading.Locked(item.position, item.index, refusal)


def _of_the_item(error: ExchangeError) -> ExchangeError:
    """Return what locks an item; raise what says nothing of it, but of the node or of us.

    Who is locked out for good may attest that it cannot be read: so it must be true.
    """
    if isinstance(error, Fault) and not is_away(error):
        return error
    if error.code is Code.NOT_UNDERSTOOD:
        # Of a newer node: it may be about this item alone, and is no reason to attest anything.
        return Fault(error.code, error.at, **error.facts)
    if error.code is not Code.NOT_FOUND:
        raise error
    return error


async def _blob(transport: Transport, named: str, index: int, ours: Ours) -> bytes:
    return await _patiently(lambda: transport.get(f"/v1/blobs/{named}", index=index), ours)


async def _patiently(ask: Callable[[], Awaitable[T]], ours: Ours) -> T:
    """Ask, and once more after a while where too much of ours was under way.

    Raises:
        Fault: ``too-many``: it still is.
    """
    pauses = iter(_PAUSES_S)
    while True:
        try:
            return await ask()
        except Refusal as refusal:
            if refusal.code is not Code.TOO_MANY:
                raise
            seconds = next(pauses, None)
            if seconds is None:
                raise Fault(refusal.code, refusal.at, **refusal.facts) from refusal
        await ours.pause(seconds)
