"""Cases of confirmations: what a node takes in, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

from exchange.errors import Code
from exchange.model.objects import CONFIRMATION_TYP
from exchange.seal.close import Closed, Envelope
from tests import builders
from tests.builders import DESK, NOW, OPS, WATCH, World
from tests.confirmed import confirmation
from tests.vectors import forging
from tests.vectors.case import Case, Posted
from tests.vectors.granting import ANOTHER_ID, cancelled, of_one, poster


def confirmed(by: str = OPS, **changes: Any) -> Any:
    return lambda world, closed: confirmation(world, closed.envelope, by, **changes)


def _of(**changes: Any) -> Any:
    def make(world: World, closed: Closed) -> bytes:
        of = builders.subject(closed.envelope)
        named = {name: getattr(of, name) for name in of.__struct_fields__}
        return confirmation(world, closed.envelope, of=type(of)(**{**named, **changes}))

    return make


def _altered(change: Any) -> Any:
    def make(world: World, closed: Closed) -> bytes:
        raw = forging.payload_of(confirmation(world, closed.envelope))
        return world.sign(forging.altered(raw, change), CONFIRMATION_TYP, OPS)

    return make


def _cancelled(world: World) -> Posted:
    closed = world.closed()
    before = (world.arrival(closed.envelope), world.arrival(cancelled(world, closed)))
    return Posted(world.arrival(confirmation(world, closed.envelope)), (), before)


def _id_again(world: World) -> Posted:
    closed = world.closed()
    first = confirmation(world, closed.envelope)
    used = json.loads(forging.payload_of(first))["id"]
    before = (world.arrival(closed.envelope), world.arrival(first))
    return Posted(
        world.arrival(confirmation(world, closed.envelope, id=used, at=NOW - 1)), (), before
    )


CONFIRMATIONS = [
    Case("confirmation-of-nothing", "of a bulletin that is not here", Code.TARGET_UNKNOWN,
         "/of", lambda w: Posted(w.arrival(confirmation(w, w.envelope())))),
    Case("confirmation-of-a-cancelled", "of what was cancelled", Code.TARGET_CANCELLED, "/of",
         _cancelled),
    Case("confirmation-by-another-member", "by a recipient", Code.TARGET_MISMATCH, "/of",
         of_one(confirmed(WATCH))),
    Case("confirmation-under-another-id", "id and digest of two bulletins",
         Code.TARGET_MISMATCH, "/of", of_one(_of(id=ANOTHER_ID))),
    Case("confirmation-without-role", "by a colleague who may not post", Code.MISSING_ROLE,
         "/endpoint", of_one(confirmed(DESK))),
    Case("confirmation-of-other-caller", "brought by another than who signed it",
         Code.NOT_YOURS, "/endpoint",
         of_one(lambda w, c: w.arrival(confirmation(w, c.envelope), DESK))),
    Case("confirmation-forged", "signed by another in the author's name", Code.UNKNOWN_KEY,
         "/signatures/0",
         of_one(lambda w, c: w.sign(forging.payload_of(confirmation(w, c.envelope)),
                                    CONFIRMATION_TYP, WATCH))),
    Case("confirmation-ahead", "made beyond the tolerated skew", Code.NOT_YET_ISSUED, "/at",
         of_one(confirmed(at=NOW + 301))),
    Case("confirmation-with-a-body", "a body beside a confirmation", Code.BAD_FRAMING, "/body",
         of_one(lambda w, c: Envelope(confirmation(w, c.envelope), b"{}"))),
    Case("confirmation-unknown-member", "a member of no name", Code.UNKNOWN_MEMBER, "",
         of_one(_altered(lambda told: told.update(x=1)))),
    Case("confirmation-without-a-time", "no time", Code.MISSING_MEMBER, "/at",
         of_one(_altered(lambda told: told.pop("at")))),
    Case("confirmation-id-used-again", "a confirmation whose id was used", Code.ID_REUSED,
         "/id", _id_again),
]  # fmt: skip

ACCEPT = [
    Case("confirmation", "its author says that a bulletin still holds", None, "",
         of_one(confirmed())),
    Case("confirmation-by-a-colleague", "by another poster of the same member, owed to the"
         " author", None, "", of_one(confirmed(DESK), lambda w: w.amended(DESK, poster))),
]  # fmt: skip
