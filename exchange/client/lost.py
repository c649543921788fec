"""Entries of a node's journal that both nations declared lost: what that is to an endpoint.

The inbox goes on behind them, as many places further as there are, and its chain from what
stood before them. What came of them stays here. What this endpoint posted among them is posted
anew under the same id, and what comes again is shown once. All of it is said aloud.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from exchange.client import losses, reading
from exchange.model.lost import losses_in, must_not_be_lost
from exchange.model.wire import AheadItem, InboxItem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from exchange.client.agency import Agency
    from exchange.client.outbox import Outbox
    from exchange.client.reading import Item
    from exchange.model.trust import Loss
    from exchange.model.view import View

Come = TypeVar("Come", bound=InboxItem)

# In a list of losses: entries of the journal, and what was posted among them.
ENTRIES: Final = "journal"


def set_on(agency: Agency, upto: int | None, position: int) -> None:
    """Have the inbox go on behind what is declared lost, where what comes next stands there.

    Nothing is done where that leads to another place than what comes next has: then something
    before the loss is missing as well, or is not held here.

    Args:
        agency: the trust documents are up to date.
        upto: index of what comes next; None where nothing does.
        position: its place; or how many the inbox has in all.

    Raises:
        Fault: ``mail-failed``: it cannot be kept.
    """
    passed = crossed(agency, agency.inbox.held.passed, upto)
    if not passed:
        return
    begin = agency.inbox.held.before(passed[0].first).count
    if begin + sum(loss.end - loss.first for loss in passed) != position:
        return
    # At one stroke: else what was posted would wait for nothing.
    with agency.world.cabinet.change():
        for loss in passed:
            agency.inbox.held.set_on(loss.first, loss.end)
            where = f"{loss.node} {loss.first}-{loss.end - 1}"
            agency.world.cabinet.lose(losses.Loss(ENTRIES, "declared", where))
            for box in (agency.world.outbox, agency.world.outbox.acks):
                _post_anew(box, loss)


def crossed(agency: Agency, after: int, upto: int | None) -> list[Loss]:
    """Return what is declared lost of our inbox between two entries of our node's journal.

    Args:
        agency: whose inbox; the trust documents are up to date.
        after: the index before.
        upto: the one behind; None: the end.
    """
    endpoint, found = agency.profile.endpoint, []
    for loss in losses_in(agency.trust.newest, agency.profile.node):
        is_between = after < loss.end and (upto is None or loss.end <= upto)
        listed = agency.trust.before(loss.end).view.endpoints
        # Who was listed later has all of its inbox; its first place is the first.
        is_ours = endpoint in listed or agency.inbox.held.before(loss.first).count
        if is_between and is_ours:
            found.append(loss)
    return found


def _post_anew(box: Outbox, loss: Loss) -> None:
    """Have what has a receipt of a lost entry wait for another, as what has none."""
    for identity in box.sent():
        receipt = box.receipt(identity)
        if receipt is not None and loss.first <= receipt.index < loss.end:
            box.post_anew(identity)


def parts(come: Sequence[Come], view: View, node: str) -> Iterator[Sequence[Come]]:
    """Yield what came in parts, none of which has a loss between two of its items.

    Args:
        come: in order, but for what is told ahead of its place.
        view: the trust documents in force.
        node: whose journal it is from.
    """
    ends = [loss.end for loss in losses_in(view, node)]
    begin, last = 0, -1
    for place, each in enumerate(come):
        if not isinstance(each, AheadItem):
            if last >= 0 and any(last < end <= each.index for end in ends):
                yield come[begin:place]
                begin = place
            last = each.index
    yield come[begin:]


def once(items: Sequence[Item], lost: Collection[int]) -> list[Item]:
    """Return items without those that came before and were lost in the journal since.

    Args:
        items: opened, in order.
        lost: the places of what came of lost entries.
    """
    if not lost:
        return list(items)
    told = [each for each in items if isinstance(each, reading.Delivered)]
    opened = {each.digest for each in told if each.position in lost and not each.locked}
    again = {each.digest for each in told if each.position not in lost}

    def stays(item: Item) -> bool:
        if not isinstance(item, reading.Delivered):
            return True
        if item.position in lost:
            # Its bytes are with the other one, where they are not here.
            return not item.locked or item.digest not in again
        return item.digest not in opened

    return [each for each in items if stays(each)]


async def opened_before(agency: Agency, item: Item, index: int) -> bool:
    """Tell whether a bulletin came before, can be read, and its entry was lost since.

    Args:
        agency: whose inbox it came to.
        item: opened.
        index: of its entry.
    """
    if not isinstance(item, reading.Delivered):
        return False
    for each in agency.inbox.held.lost():
        if each.index >= index:
            # This is the one that was lost.
            return False
        found = reading.verify(each, agency.profile.endpoint, agency.trust)
        if isinstance(found, reading.Delivered) and found.digest == item.digest:
            opened = await agency.opened(found)
            return isinstance(opened, reading.Delivered) and not opened.locked
    return False


def must_not_be_among(come: Iterable[InboxItem | AheadItem], view: View, node: str) -> None:
    """Hold what a node shows now to what was declared lost of its journal: none of it is that.

    Raises:
        Refusal: ``entry-untrue``.
    """
    declared = losses_in(view, node)
    for each in come:
        must_not_be_lost(each.index, declared)
