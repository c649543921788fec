"""Tell a node that what was posted from here still holds, and is to be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.client import story
from exchange.errors import Code, Refusal
from exchange.model import objects
from exchange.model.objects import Confirmation
from exchange.seal.close import Envelope

if TYPE_CHECKING:
    from exchange.client.agency import Agency


def confirmation(agency: Agency, identity: str) -> tuple[str, Envelope]:
    """Return a signed confirmation that a bulletin posted from here still holds; its id.

    Raises:
        Refusal: ``not-found``: nothing of that id was posted from here.
    """
    of = story.posted(agency.world.outbox, identity)
    if of is None:
        raise Refusal(Code.NOT_FOUND, "/outbox", id=identity)
    made = Confirmation(
        v="xb1",
        suite=agency.keys.signer.suite,
        id=agency.new_id(),
        origin=agency.profile.member,
        endpoint=agency.profile.endpoint,
        of=of.subject,
        at=agency.world.now(),
    )
    return made.id, Envelope(agency.sign(made, objects.CONFIRMATION_TYP), b"")
