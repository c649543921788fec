"""Hold what is about to be sealed to the texts that it speaks of, where these are here.

A correction and an update are held to what they are of; leave to pass a bulletin on, to the
people whom that names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.client import amending, bearing, consented, elsewhere
from exchange.errors import Code, Refusal
from exchange.model.bulletin import check_onward

if TYPE_CHECKING:
    from exchange.client.agency import Agency
    from exchange.client.compose import Prepared
    from exchange.model.bulletin import Con


async def held_to_people(agency: Agency, answer: Con, *, in_spite: bool) -> None:
    """Hold the leave to pass a bulletin of ours on to the people that it names.

    Raises:
        Refusal: what our own review has against it; ``text-not-here``.
    """
    content = answer.content
    if content.consent != "grant" or in_spite:
        return
    held = await agency.inbox.as_held()
    about = consented.of_request(agency, held, content.target)
    if about.text is not None:
        check_onward(about.text, content.proposed_to, about.unknown)
    elif about.may_protect:
        # Whom it names cannot be known: leave to tell of them is given by nobody's guess.
        named = {} if about.header is None else {"id": about.header.id}
        raise Refusal(Code.TEXT_NOT_HERE, "/bulletin/content/target", **named)


async def held_to_target(
    agency: Agency, prepared: Prepared, *, in_spite: bool, unchecked: bool
) -> Prepared:
    """Return what corrects or updates, with what stands against that beside what it is of.

    Args:
        agency: whose it is.
        prepared: about to be sealed.
        in_spite: go on in spite of any objection.
        unchecked: likewise, of ``correction-unchecked`` alone.

    Raises:
        Refusal: the objection.
    """
    world, keys = agency.world, agency.keys
    reference = bearing.reference_of(prepared.header)
    learnt = elsewhere.NOTHING
    if reference is not None and prepared.as_of_ms is None:
        # From another machine it may have been corrected, or cancelled, since.
        learnt = await elsewhere.learn_if_there(agency, reference.id)
    own = amending.Own(world.outbox, world.kept, keys.openers, world.now())
    ours = amending.posted(prepared.header, own, world.codes)
    # Nobody is asked: a correction is not to wait for what a node may keep back.
    held = amending.merged(ours, await agency.inbox.as_held(), learnt.colleagues)
    objection = amending.objection(prepared, held, world.codes, is_whole=learnt.is_whole)
    is_borne = objection is not None and objection.code is Code.CORRECTION_UNCHECKED
    if objection is not None and not (in_spite or (unchecked and is_borne)):
        raise objection
    warnings = [*prepared.warnings, *amending.warnings(prepared, held, world.codes)]
    objection = prepared.objection or objection
    return msgspec.structs.replace(prepared, objection=objection, warnings=warnings)
