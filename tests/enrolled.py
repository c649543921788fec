"""An operator invites, somebody new asks for keys to be listed, another operator decides."""

from __future__ import annotations

from typing import Any

import msgspec

from exchange.client import vouching
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model.codec import b64, unb64
from exchange.model.identity import digest
from exchange.model.trust import Endpoint
from exchange.seal import invitation, jws
from exchange.seal.invitation import Bound, Link
from exchange.seal.software import SoftwareSigner
from tests.builders import HOUR, MINSA, NOW, NOW_MS, OPS, World, new_id, objects
from tests.vectors import enrolling

NEW = enrolling.NEW
URL = "https://localhost:8443"
SECRET = bytes(range(32))


def operator(endpoint: Endpoint) -> Endpoint:
    return msgspec.structs.replace(endpoint, roles=[*endpoint.roles, "operator"])


def over_in_an_hour(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose keys end sooner than they were to."""
    keys = [msgspec.structs.replace(key, until=NOW + HOUR) for key in endpoint.keys]
    return msgspec.structs.replace(endpoint, keys=keys)


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


def receipt(  # noqa: PLR0913, PLR0917  (all that a receipt says)
    world: World,
    raw: bytes,
    facts: entries.Facts,
    index: int,
    kept: bytes | None = None,
    node: str = "pa",
) -> objects.Receipt:
    """A node's receipt for an object that it recorded alone, as these facts say."""
    line = msgspec.json.encode(facts)
    root = b64(leaf_hash(line + b"\n" + (raw if kept is None else kept)))
    statement = objects.GroupStatement("xb1", world.suite(OPS), node, 1, index, 1, root)
    signer = SoftwareSigner.of(world.node.of("sign"))
    group = jws.sign(msgspec.json.encode(statement), objects.RECEIPT_TYP, [signer])
    return objects.Receipt(node, index, line.decode(), [], msgspec.Raw(group))


def recorded(
    world: World, *raw: bytes, **changes: dict[str, Any]
) -> list[tuple[objects.Receipt, bytes]]:
    """Receipts of a request, an invitation and a verdict, recorded as 41, 40 and 42.

    ``changes`` are of the facts of ``asked``, ``invited`` or ``decided``.
    """
    usual: dict[str, Any] = {"salt": "A" * 22, "taken_ms": NOW_MS, "view": 9}
    kinds: list[tuple[str, type[Any], dict[str, int], int]] = [
        ("asked", entries.EnrolmentAsked, {"of": 40}, 41),
        ("invited", entries.Invited, {}, 40),
        ("decided", entries.Decided, {"of": 41}, 42),
    ]
    return [
        (
            receipt(
                world,
                each,
                kind(**{"digest": digest(each), **usual, **facts, **changes.get(name, {})}),
                index,
            ),
            each,
        )
        for each, (name, kind, facts, index) in zip(raw, kinds, strict=False)
    ]


def file(world: World, *raw: bytes, **changes: dict[str, Any]) -> bytes:
    """What custodians take: a request, an invitation and a verdict, and their receipts."""
    told = [msgspec.json.encode(each) for each, _ in recorded(world, *raw, **changes)]
    return b"\n".join([*raw, *told])


def checked(request: bytes, world: World, now: int = NOW) -> objects.Enrolment:
    """What custodians find."""
    return vouching.check(request, world.view, now)[0]
