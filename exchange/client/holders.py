"""Who holds a bulletin, as far as that is known here: of what a cancellation cancels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.client import granting, story
from exchange.client.reading import Delivered, Granted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exchange.client.outbox import Outbox
    from exchange.client.reading import Item


def of(header_digest: str, outbox: Outbox, items: Iterable[Item]) -> frozenset[str] | None:
    """Return who holds a bulletin, by its header; None where nothing is known of it here.

    The node may know of more: whom a colleague granted it to.

    Args:
        header_digest: the bulletin's.
        outbox: what was posted and granted from here.
        items: the inbox: what came, and which of ours others granted.
    """
    known = {each.grant.to for each in granting.made(outbox, header_digest)}
    for each in story.every(outbox):
        if each.digest == header_digest:
            known |= {*each.header.to}
    for item in items:
        if isinstance(item, Delivered) and item.digest == header_digest:
            known |= {*item.header.to}
        elif isinstance(item, Granted) and item.grant.of.header_digest == header_digest:
            known.add(item.grant.to)
    return frozenset(known) or None
