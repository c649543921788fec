"""An originator consents that what it sent is passed on, or withdraws that."""

from __future__ import annotations

from typing import Any

import msgspec

from exchange.model.header import Marking
from tests.builders import (
    COAST,
    HOUR,
    NOW,
    OPS,
    WATCH_DESK,
    Closed,
    Envelope,
    World,
    new_id,
    objects,
    subject,
)

# What nobody but its originator passes on.
HELD = Marking("amber", ["PAN", "USA"], ["h2"], originator_control=True)


def consent(world: World, of: Envelope, by: str = OPS, /, **changes: Any) -> bytes:
    """A signed consent that the coast guard gives an envelope to the desk of another agency."""
    said = objects.Consent(
        v="xb1",
        suite=world.suite(by),
        id=new_id(),
        origin=by.partition("/")[0],
        endpoint=by,
        of=subject(of),
        by=COAST,
        to=WATCH_DESK,
        until=NOW + HOUR,
        at=NOW,
    )
    return world.sign(msgspec.structs.replace(said, **changes), objects.CONSENT_TYP, by)


def withdrawn(world: World, of: Envelope, by: str = OPS, /, **changes: Any) -> bytes:
    """The same taken back."""
    return consent(world, of, by, **{"until": None, **changes})


def controlled(world: World, **changes: Any) -> Closed:
    """A bulletin under originator control, to two agencies of the other nation."""
    return world.closed(**{"marking": HELD, **changes})
