"""Grant what a request asks for, and say so: whatever becomes of one, the others go on.

Each grant and the answer are kept before they are sent. Who was cut off in between says the
same again: what was granted and not told yet is told then, and nothing is granted twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.client import granting, requesting, story
from exchange.client.transport import is_away
from exchange.errors import ExchangeError, Fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from exchange.client.agency import Agency
    from exchange.client.granting import Granted, Granting
    from exchange.client.outbox import Outbox
    from exchange.client.requesting import Known
    from exchange.model.objects import Receipt
    from exchange.seal.close import Envelope


class Done(msgspec.Struct):
    """What became of each bulletin, by its id, and of the answer.

    ``granted`` and ``index`` are entries: None while it waits in the outbox, and then ``why``
    says what keeps it there. Without anything granted there is no answer: ``answer`` is None.
    """

    granted: dict[str, int | None]
    refused: dict[str, ExchangeError]
    answer: str | None = None
    index: int | None = None
    why: Fault | None = None


def untold(known: Known, outbox: Outbox) -> dict[str, Granted]:
    """Return what was granted here because of a request and not told yet, by bulletin.

    That is all of what it asks for that was granted to who made it since; once it was answered
    so, only what waits still.
    """
    found: dict[str, Granted] = {}
    for made in granting.every(outbox):
        is_told = known.state == "granted" and made.receipt is not None
        if is_told or made.grant.to != known.request.endpoint or not _is_since(made, known):
            continue
        of = story.posted(outbox, made.grant.of.id)
        if of is not None and requesting.is_asked_for(known.request, of.header):
            found[of.header.id] = made
    return found


def _is_since(made: Granted, known: Known) -> bool:
    return made.receipt is None or known.index is None or made.receipt.index > known.index


async def grant(agency: Agency, known: Known, prepared: Sequence[Granting]) -> Done:
    """Grant each, and what waits from before; then answer, if there is anything to tell.

    What is refused, or cannot be granted for a reason of its own, is told in ``refused``. Once
    the node is away, the rest is signed and kept: it is sent when the node is back.
    """
    done = Done({}, {})
    for name, made in untold(known, agency.world.outbox).items():
        await _one(done, name, _again(agency, made, done))
    for each in prepared:
        await _one(done, each.header.id, _fresh(agency, each, done))
    if done.granted:
        done.answer, envelope = requesting.answered(agency, known)
        done.index = await _sent(agency, done, done.answer, envelope)
    return done


async def _one(done: Done, name: str, way: Awaitable[int | None]) -> None:
    try:
        done.granted[name] = await way
    except ExchangeError as error:
        done.refused[name] = error


async def _again(agency: Agency, made: Granted, done: Done) -> int | None:
    if made.receipt is not None:
        return made.receipt.index
    if done.why is not None:
        return None
    return await _away(done, agency.resolve(made.grant.id))


async def _fresh(agency: Agency, each: Granting, done: Done) -> int | None:
    world, identity = agency.world, agency.new_id()
    envelope = granting.sign(each, world.kept, agency.keys, identity, world.now())
    return await _sent(agency, done, identity, envelope)


async def _sent(agency: Agency, done: Done, identity: str, envelope: Envelope) -> int | None:
    if done.why is not None:
        agency.world.outbox.keep(identity, envelope)
        return None
    return await _away(done, agency.send(identity, envelope))


async def _away(done: Done, sending: Awaitable[Receipt]) -> int | None:
    """Return the entry of what is sent; None, noting why, where the node is away."""
    try:
        return (await sending).index
    except Fault as fault:
        if not is_away(fault):
            raise
        done.why = fault
        return None
