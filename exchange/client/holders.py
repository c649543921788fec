"""Who holds a bulletin, as far as that is known here: of what a cancellation cancels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.client import granting, story
from exchange.client.compose import Held
from exchange.client.reading import Delivered, Granted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exchange.client.outbox import Outbox
    from exchange.client.reading import Item
    from exchange.model.header import Header


def of(header_digest: str, outbox: Outbox, items: Iterable[Item]) -> Held | None:
    """Return who holds a bulletin, by its header's digest; None where nothing is known.

    The node may know of more: whom a colleague granted it to.

    Args:
        header_digest: the bulletin's.
        outbox: what was posted and granted from here.
        items: the inbox: what came, and which of ours others granted.
    """
    header: Header | None = None
    known = {each.grant.to for each in granting.made(outbox, header_digest)}
    for each in story.every(outbox):
        if each.digest == header_digest:
            header = each.header
    for item in items:
        if isinstance(item, Delivered) and item.digest == header_digest:
            header = item.header
        elif isinstance(item, Granted) and item.grant.of.header_digest == header_digest:
            known.add(item.grant.to)
    if header is not None:
        known |= {*header.to}
    return Held(frozenset(known), header) if known else None
