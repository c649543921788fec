"""An operator invites, somebody new asks for keys to be listed, another operator decides."""

from __future__ import annotations

from typing import Any

import msgspec

from exchange.model.codec import unb64
from exchange.model.identity import digest
from exchange.model.trust import Endpoint
from exchange.seal import enrolment, invitation, jws
from exchange.seal.invitation import Bound, Link
from tests.builders import HOUR, MINSA, NOW, OPS, World, new_id, objects
from tests.vectors import enrolling

NEW = enrolling.NEW
URL = "https://localhost:8443"
SECRET = bytes(range(32))


def operator(endpoint: Endpoint) -> Endpoint:
    return msgspec.structs.replace(endpoint, roles=[*endpoint.roles, "operator"])


def second_operator(world: World) -> bytes:
    """The document that makes OPS an operator, beside MINSA."""
    return world.amended(OPS, operator)


def bound(world: World, **changes: Any) -> Bound:
    """What an invitation of NEW is bound to."""
    node = world.view.nodes["pa"]
    tls, anchor = unb64(node.tls), unb64(world.anchor)
    usual = Bound(NEW, world.suite(OPS), "pa", URL, tls, anchor, NOW + HOUR)
    return msgspec.structs.replace(usual, **changes)


def invited(world: World, by: str = MINSA, **changes: Any) -> bytes:
    """A signed invitation of NEW."""
    usual = objects.Invitation(
        v="xb1",
        suite=world.suite(by),
        id=new_id(),
        origin=by.partition("/")[0],
        endpoint=by,
        invited=NEW,
        node="pa",
        tls=world.view.nodes["pa"].tls,
        anchor=world.anchor,
        lock=invitation.lock(invitation.proof(bound(world), SECRET)),
        until=NOW + HOUR,
        at=NOW,
        officer="exercise-inviter",
    )
    changed = msgspec.structs.replace(usual, **changes)
    return world.sign(changed, objects.INVITATION_TYP, by)


def link(world: World, raw: bytes, **changes: Any) -> Link:
    """The link of an invitation of NEW; ``changes`` are of what it is bound to."""
    return Link(bound(world, **changes), unb64(digest(raw)), SECRET)


def asked(world: World, raw: bytes, seed: str = "new", **changes: Any) -> bytes:
    """The request of NEW by an invitation."""
    shown = changes.pop("shown", link(world, raw).shown)
    keys = [*enrolling.sig(enrolling.signer(seed)), enrolling.enc(enrolling.opener(seed).key)]
    request = enrolling.first(**{"keys": keys, "invitation": shown, **changes})
    return jws.sign(
        msgspec.json.encode(request), objects.ENROLMENT_TYP, [enrolling.signer(seed)]
    )


def ruled(world: World, on: bytes, by: str = OPS, **changes: Any) -> bytes:
    """A signed approval of a request, with changes."""
    usual = objects.Verdict(
        v="xb1",
        suite=world.suite(by),
        id=new_id(),
        origin=by.partition("/")[0],
        endpoint=by,
        of=digest(on),
        verdict="approved",
        at=NOW,
        officer="exercise-second",
    )
    return world.sign(msgspec.structs.replace(usual, **changes), objects.VERDICT_TYP, by)


def checked(request: bytes, world: World) -> objects.Enrolment:
    """What custodians find."""
    return enrolment.check(request, world.view, NOW)
