"""Somebody new at the door of the exercise on disk: an invitation, and requests by it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from exchange.cli import world
from exchange.client.answers import decoded
from exchange.client.transport import Transport
from exchange.errors import Code, Refusal
from exchange.model import objects, wire
from exchange.model.codec import unb64
from exchange.model.identity import SuiteId, digest
from exchange.model.trust import EndpointKey
from exchange.seal import invitation, jws
from exchange.seal.software import SoftwareSigner, new_signing
from tests.crash.exercise import OPERATOR, Exercise, new_id

NEW = "pa.exercise/new"
SUITE: SuiteId = "xb1-h"
SECRET = b"exercise" * 4
_HOUR_S = 3600


class Invited(NamedTuple):
    """An invitation as it was signed, and what a request shows that is by it."""

    raw: bytes
    shown: objects.Shown


def invited(exercise: Exercise) -> Invited:
    node, now = exercise.view.nodes["pa"], world.now()
    tls, anchor = unb64(node.tls), unb64(exercise.view.anchor)
    bound = invitation.Bound(NEW, SUITE, "pa", node.url, tls, anchor, now + _HOUR_S)
    made = objects.Invitation(
        v="xb1",
        suite=SUITE,
        id=new_id(),
        origin="pa.exercise",
        endpoint=OPERATOR,
        invited=NEW,
        node="pa",
        tls=node.tls,
        anchor=exercise.view.anchor,
        lock=invitation.lock(invitation.proof(bound, SECRET)),
        until=now + _HOUR_S,
        at=now,
        officer="exercise-inviter",
    )
    signers = [exercise.signers[OPERATOR]]
    raw = jws.sign(msgspec.json.encode(made), objects.INVITATION_TYP, signers)
    return Invited(raw, invitation.Link(bound, unb64(digest(raw)), SECRET).shown)


def request(shown: objects.Shown) -> bytes:
    """A request by an invitation, for keys of its own."""
    now = world.now()
    signer = SoftwareSigner(SUITE, new_signing(SUITE, world.randomness))
    asked = objects.Enrolment(
        v="xb1",
        suite=SUITE,
        id=new_id(),
        origin="pa.exercise",
        endpoint=NEW,
        node="pa",
        keys=[EndpointKey("sig", jwk, now, now + 24 * _HOUR_S) for jwk in signer.keys],
        replaces=[],
        issued=now,
        invitation=shown,
    )
    return jws.sign(msgspec.json.encode(asked), objects.ENROLMENT_TYP, [signer])


async def ask(exercise: Exercise, port: int, raw: bytes) -> int | Code:
    """Ask over a connection of one's own; return the entry, or the code of the refusal."""
    profile = exercise.profile(OPERATOR, port)
    async with Transport(profile, None, world.now) as stranger:
        try:
            return decoded(await stranger.ask_in(raw), wire.Standing).receipt.index
        except Refusal as refusal:
            return refusal.code
