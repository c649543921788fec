"""A bulletin's author says that it still holds."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.builders import NOW, OPS, Envelope, World, new_id, objects, subject


def confirmation(world: World, of: Envelope, by: str = OPS, /, **changes: Any) -> bytes:
    """A signed confirmation of an envelope."""
    confirmed = objects.Confirmation(
        v="xb1",
        suite=world.suite(by),
        id=new_id(),
        origin=by.partition("/")[0],
        endpoint=by,
        of=subject(of),
        at=NOW,
    )
    changed = msgspec.structs.replace(confirmed, **changes)
    return world.sign(changed, objects.CONFIRMATION_TYP, by)
