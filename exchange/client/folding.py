"""Fold the places of an inbox at another node, and hold them to the head that it signed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exchange.errors import Code, Refusal
from exchange.journal.heads import EMPTY, InboxHead
from exchange.model.codec import b64, unb64

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchange.client.seen import Seen
    from exchange.model.trust import Loss


class There(NamedTuple):
    """What took a place of ours at the other node: its entry there, and the leaf hash."""

    entry: int
    leaf: bytes


class Places(NamedTuple):
    """What took each place there, and which places are among what was declared lost."""

    there: Mapping[int, There]
    holes: Sequence[range]


def holes(places: Mapping[int, There], losses: Sequence[tuple[Loss, bool]]) -> list[range]:
    """Return the places of an inbox that are among what its journal declared lost.

    Where a place before them is missing they are taken to begin there, and then the head is
    another: nothing is hidden by that.

    Args:
        places: what took each place, as far as it is known here.
        losses: in order; and whether the inbox was there before each, by the directory.
    """
    found: list[range] = []
    position = 0
    for loss, is_listed in losses:
        while (there := places.get(position)) is not None and there.entry < loss.first:
            position += 1
        if position or is_listed:
            found.append(range(position, position + loss.end - loss.first))
            position = found[-1].stop
    return found


def must_be_all(
    told: InboxHead, places: Places, seen: Seen | None, blamed: tuple[str, str, str]
) -> None:
    """Hold what is accounted for to the head: each place, and the chain over them.

    Raises:
        Refusal: ``item-withheld``, ``chain-differs``, ``head-went-back``.
    """
    at, name, side = blamed
    lost = {hole.start: hole for hole in places.holes}
    head, was = EMPTY, EMPTY
    while head.count < told.count:
        if hole := lost.get(head.count):
            was = _seen_in(hole, head, places.there, seen) or was
            head = head.set_on(hole.stop)
        elif there := places.there.get(head.count):
            head = head.after(there.entry, there.leaf)
        else:
            known = sum(1 for place in places.there if place < told.count)
            raise Refusal(
                Code.ITEM_WITHHELD,
                f"{at}/{side}",
                name=name,
                position=head.count,
                expected=told.count,
                found=known,
            )
        was = head if seen is not None and head.count == seen.count else was
    if head != told:
        raise Refusal(Code.CHAIN_DIFFERS, at, expected=told.count, found=head.count)
    if seen is not None and b64(was.chain) != seen.chain:
        raise Refusal(Code.CHAIN_DIFFERS, f"{at}/seen", expected=seen.count, found=was.count)


def _seen_in(
    hole: range, head: InboxHead, there: Mapping[int, There], seen: Seen | None
) -> InboxHead | None:
    """Return the head that was seen before what was lost was; None where that is elsewhere."""
    if seen is None or not hole.start < seen.count < hole.stop:
        return None
    for position in range(hole.start, seen.count):
        if (found := there.get(position)) is None:
            # What is lost here as well can be held to nothing any more.
            return InboxHead(seen.count, unb64(seen.chain))
        head = head.after(found.entry, found.leaf)
    return head
