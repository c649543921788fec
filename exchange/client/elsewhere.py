"""Learn what this endpoint posted from another machine to what it posted from here.

Nobody's inbox holds it: one's own bulletins do not come back. Our node tells the ids of what
cancels, corrects or supersedes a bulletin of ours; each is then taken into the outbox with its
signature and receipt verified (``fetching``), and what it cancels loses its key here as if it
had been cancelled here. A node that tells of nothing makes nothing be destroyed.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from exchange.client import fetching, story
from exchange.client.bearing import MAX_CORRECTIONS, reference_of
from exchange.client.reading import PurgeOrdered
from exchange.client.transport import is_away
from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.model import wire

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchange.client.agency import Agency
    from exchange.client.reading import Item

# A bulletin, and as many corrections as are applied to one: so many times the node is asked.
MAX_ASKED = MAX_CORRECTIONS + 1


class Learnt(NamedTuple):
    """What a node told of one bulletin and its corrections.

    Attributes:
        fresh: the ids of what was not here before.
        colleagues: by id, the entries of what colleagues corrected in it: the node's word.
        is_whole: all was asked for, and is here.
        is_told: the node tells of such things, and knew each that it was asked of.
    """

    fresh: list[str]
    colleagues: Mapping[str, Sequence[int]]
    is_whole: bool = True
    is_told: bool = True


NOTHING = Learnt([], {})


async def learn(agency: Agency, identity: str) -> Learnt:
    """Take in what was posted from elsewhere that bears on a bulletin posted from here.

    And what bears on its corrections in their turn: they say what it says by now. Not on its
    updates, which are bulletins by themselves. A node of an older version tells of nothing.

    Args:
        agency: in a session, with the endpoint's keys.
        identity: the bulletin's id.

    Raises:
        Fault: the node is away, or what it gives does not hold: nothing of that is kept.
    """
    asked, fresh, is_whole, is_told = [identity], list[str](), True, True
    colleagues: dict[str, list[int]] = {}
    # It grows as it is gone through; digests cannot run in a circle.
    for each in asked:
        told = await _bearing(agency, each)
        if told is None:
            is_told = False
            continue
        colleagues[each] = told.corrected_by_colleagues
        for name in told.ids:
            if await _taken_in(agency, name, each):
                fresh.append(name)
            of = story.posted(agency.world.outbox, name)
            is_whole &= of is not None
            if of is not None and of.header.verb == "correct" and name not in asked:
                asked.append(name)
        if len(asked) > MAX_ASKED:
            return Learnt(fresh, colleagues, False, is_told)
    return Learnt(fresh, colleagues, is_whole, is_told)


async def _taken_in(agency: Agency, name: str, of: str) -> bool:
    """Have what the node names here, and tell whether it was not.

    Raises:
        Fault: as ``learn``; ``bad-proof`` where it does not bear on what was asked about.
    """
    box = agency.world.outbox
    is_settled = box.is_here(name) and box.waits(name) is None
    is_new = not is_settled and (await fetching.fetch(agency, name)).is_new
    found = story.posted(box, name)
    if found is None:
        # It waits here for its release, and the node has it by now.
        return False
    reference = reference_of(found.header)
    if reference is None or reference.id != of:
        # All that we ever posted, named one by one, would keep us asking.
        raise Fault(Code.BAD_PROOF, "/ids", id=name)
    return is_new


async def learn_if_there(agency: Agency, identity: str) -> Learnt:
    """As ``learn``; where the node is away, what is known here has to do."""
    try:
        return await learn(agency, identity)
    except ExchangeError as error:
        if not is_away(error):
            raise
    return NOTHING


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


async def _bearing(agency: Agency, identity: str) -> wire.Bearing | None:
    try:
        return await agency.transport.get_as(wire.Bearing, f"/v1/posted/{identity}/bearing")
    except Refusal as refusal:
        if refusal.code is Code.NOT_FOUND:
            return None
        raise
