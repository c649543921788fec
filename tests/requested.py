"""One asks for what was sealed before, and is answered."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.builders import DAY, NOW, OPS, WATCH, World, digest, new_id, objects
from tests.vectors.forging import payload_of


def request(world: World, by: str = WATCH, to: str = OPS, /, **changes: Any) -> bytes:
    """A signed request for what was posted on the maritime feed."""
    made = objects.Request(
        v="xb1",
        suite=world.suite(by),
        id=new_id(),
        origin=by.partition("/")[0],
        endpoint=by,
        step="asked",
        to=to,
        of=None,
        feed="maritime",
        since=NOW - 30 * DAY,
        bulletin=None,
        reason=None,
        at=NOW,
    )
    return world.sign(msgspec.structs.replace(made, **changes), objects.REQUEST_TYP, by)


def answer(world: World, to: bytes, by: str = OPS, /, **changes: Any) -> bytes:
    """A signed answer to a request: declined, unless told otherwise."""
    usual = {
        "step": "declined",
        "of": of(to),
        "feed": None,
        "since": None,
        "reason": "no-need",
    }
    return request(world, by, asked(to).endpoint, **{**usual, **changes})


def of(raw: bytes) -> objects.Subject:
    """How an answer names a request."""
    said = asked(raw)
    return objects.Subject(said.endpoint, said.id, digest(raw))


def asked(raw: bytes) -> objects.Request:
    """What a request says, read without a check."""
    return objects.decode_request(payload_of(raw))
