"""Learn what this endpoint posted from another machine to what it posted from here.

Nobody's inbox holds it: one's own bulletins do not come back. Our node tells the ids of what
cancels, corrects or supersedes a bulletin of ours; each is then taken into the outbox with its
signature and receipt verified (``fetching``), and what it cancels loses its key here as if it
had been cancelled here. A node that tells of nothing makes nothing be destroyed.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from exchange.client import fetching, story
from exchange.client.reading import PurgeOrdered
from exchange.client.transport import is_away
from exchange.errors import Code, ExchangeError, Refusal
from exchange.model import wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.client.agency import Agency
    from exchange.client.reading import Item


async def learn(agency: Agency, identity: str) -> list[str]:
    """Take in what was posted from elsewhere that bears on a bulletin posted from here.

    And what bears on that in its turn. A node of an older version tells of nothing.

    Args:
        agency: in a session, with the endpoint's keys.
        identity: the bulletin's id.

    Returns:
        The ids of what was not here before.

    Raises:
        Fault: the node is away, or what it gives does not hold: nothing of that is kept.
    """
    known, fresh, box = [identity], list[str](), agency.world.outbox
    # It grows as it is gone through; digests cannot run in a circle.
    for each in known:
        for name in await _bearing(agency, each):
            if name in known:
                continue
            known.append(name)
            is_settled = box.is_here(name) and box.waits(name) is None
            if not is_settled and (await fetching.fetch(agency, name)).is_new:
                fresh.append(name)
    return fresh


async def learn_if_there(agency: Agency, identity: str) -> None:
    """As ``learn``; where the node is away, what is known here has to do."""
    try:
        await learn(agency, identity)
    except ExchangeError as error:
        if not is_away(error):
            raise


async def learn_withdrawn(agency: Agency, items: Sequence[Item]) -> None:
    """Look for the cancellation of what is here and is ordered to be purged as cancelled.

    The order is the node's word alone; a cancellation is our own.

    Args:
        agency: in a session.
        items: the whole inbox, verified.
    """
    box, kept = agency.world.outbox, agency.world.kept
    orders = [each for each in items if isinstance(each, PurgeOrdered)]
    ordered = {each.of for each in orders if each.cause == "cancelled"}
    for each in story.every(box) if ordered else ():
        if each.index not in ordered or not kept.has(each.header.id):
            continue
        # What keeps us from asking keeps nobody from reading the inbox.
        with suppress(ExchangeError):
            await learn(agency, each.header.id)


async def _bearing(agency: Agency, identity: str) -> list[str]:
    try:
        told = await agency.transport.get_as(wire.Bearing, f"/v1/posted/{identity}/bearing")
    except Refusal as refusal:
        if refusal.code is Code.NOT_FOUND:
            return []
        raise
    return told.ids
