"""Hold a node to owing all that it owes: no gap between two items, none kept back at last."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.client.reading import Item
    from exchange.model.wire import InboxItem


def must_be_gapless(items: Sequence[Item | InboxItem], first: int | None, after: int) -> None:
    """Hold an inbox page to its promise: positions count up by one, and indexes grow.

    Raises:
        Refusal: ``inbox-gap``: something was left out, or is not in its order.
    """
    indexes = [after, *(item.index for item in items)]
    if any(one >= next_one for one, next_one in pairwise(indexes)):
        raise Refusal(Code.INBOX_GAP, "/index", expected=after)
    for place, item in enumerate(items):
        expected = (items[0].position if first is None else first) + place
        if item.position != expected:
            raise Refusal(Code.INBOX_GAP, "/position", expected=expected, found=item.position)


def must_be_all(had: int | None, total: int) -> None:
    """Hold a node that has no more items for us to what it says itself that the inbox holds.

    It may say less: another of its fronts may have told us more already.

    Raises:
        Refusal: ``item-withheld``: something owed was left out.
    """
    if had is not None and total > had:
        raise Refusal(Code.ITEM_WITHHELD, "/total", expected=total, found=had)
