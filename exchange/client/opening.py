"""Fetch what an inbox item names, and open it; one that cannot be opened is locked, no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.client import reading
from exchange.client.transport import is_away
from exchange.errors import Code, ExchangeError, Refusal
from exchange.model import wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.client.reading import Item
    from exchange.client.transport import Transport
    from exchange.client.trust import TrustLog
    from exchange.model.codes import Codes
    from exchange.seal.open import Unwrapper


class Ours(NamedTuple):
    """Who we are, our keys present and past, and what we hold items to."""

    endpoint: str
    openers: Sequence[Unwrapper]
    trust: TrustLog
    codes: Codes


async def opened(item: Item, ours: Ours, transport: Transport) -> Item:
    """Return an item opened where it is sealed to us, or granted to us; or locked.

    Raises:
        Fault: the node is away, for this item and all others.
    """
    if isinstance(item, reading.Granted) and item.grant.to == ours.endpoint:
        item = await _granted(item, ours, transport)
    if not isinstance(item, reading.Delivered):
        return item
    if item.grant is None and ours.endpoint not in item.header.to:
        # Owed to us as a holder of what it corrects, but sealed to others.
        return msgspec.structs.replace(item, locked=Refusal(Code.NOT_A_RECIPIENT, "/to"))
    try:
        body = await _blob(transport, item.header.body.digest, item.index)
        wrap = b""
        if item.grant is not None:
            wrap = await _blob(transport, item.grant.wrap.digest, item.index)
    except ExchangeError as error:
        if is_away(error):
            raise
        # Bytes that the node cannot give lock this item; they do not block the next one.
        return msgspec.structs.replace(item, locked=error)
    return reading.unseal(item, (body, wrap), ours.openers, ours.trust, ours.codes)


async def _granted(item: reading.Granted, ours: Ours, transport: Transport) -> Item:
    """Return the bulletin of a grant to us, or the grant as locked, with the reason."""
    try:
        answer = await transport.get_as(wire.JournalItem, "/v1/granted", index=item.index)
        return reading.fetched(item, answer.entry, ours.trust)
    except ExchangeError as error:
        if is_away(error):
            raise
        return reading.Locked(item.position, item.index, error)


async def _blob(transport: Transport, named: str, index: int) -> bytes:
    return await transport.get(f"/v1/blobs/{named}", index=index)
