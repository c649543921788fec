"""Cases of enrolment by invitation: what a node takes in, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec

from exchange.errors import Code
from exchange.model.codec import b64
from exchange.model.objects import INVITATION_TYP, VERDICT_TYP
from exchange.seal.invitation import MAX_LIFE_S
from tests.builders import COAST, HOUR, MINSA, NOW, OPS, WATCH, Envelope, World
from tests.enrolled import asked, invited, link, operator, ruled, second_operator
from tests.vectors import enrolling, forging
from tests.vectors.case import Case, Posted

Make = Callable[[World, bytes], bytes]


def invitation(by: str = MINSA, **changes: Any) -> Callable[[World], bytes]:
    return lambda world: invited(world, by, **changes)


def once(second: Make, *more: Make, at: int = NOW) -> Callable[[World], Posted]:
    """An invitation that was let in, then each of these; the last is what is at the door."""

    def make(world: World) -> Posted:
        first = invited(world)
        made = [each(world, first) for each in (second, *more)]
        arrivals = [world.arrival(raw) for raw in (first, *made)]
        document = (second_operator(world),)
        return Posted(arrivals[-1]._replace(taken_ms=at * 1000), document, tuple(arrivals[:-1]))

    return make


def request(**changes: Any) -> Make:
    return lambda world, first: asked(world, first, **changes)


def decided(by: str = OPS, **changes: Any) -> Callable[[World], Posted]:
    """An invitation, its request, and a verdict on it."""

    def make(world: World) -> Posted:
        first = invited(world)
        second = asked(world, first)
        before = (world.arrival(first), world.arrival(second))
        verdict = world.arrival(ruled(world, second, by, **changes))
        documents = (second_operator(world), *(_operator(world, by)))
        return Posted(verdict, documents, before)

    return make


def _operator(world: World, by: str) -> list[bytes]:
    return [world.amended(by, operator)] if by == WATCH else []


def _twice(world: World) -> Posted:
    first = invited(world)
    second = asked(world, first)
    before = [first, second, ruled(world, second)]
    declined = ruled(world, second, MINSA, verdict="declined")
    return Posted(
        world.arrival(declined), (second_operator(world),), tuple(map(world.arrival, before))
    )


def _altered(change: Any, make: Callable[[World], bytes], typ: str, by: str) -> Any:
    return lambda world: world.sign(
        forging.altered(forging.payload_of(make(world)), change), typ, by
    )


def _weak() -> dict[str, Any]:
    """Keys with the identity among them, under which a signature fits every message."""
    whole = enrolling.sig(enrolling.signer())
    weak = msgspec.structs.replace(whole[0].jwk, x=b64((1).to_bytes(32, "little")))
    keys = [msgspec.structs.replace(whole[0], jwk=weak), *whole[1:], enrolling.enc()]
    return {"keys": keys}


def _of_another_link(world: World, first: bytes) -> bytes:
    return asked(world, first, shown=link(world, first, url="https://localhost:9").shown)


def _of_nothing(world: World) -> bytes:
    return asked(world, invited(world))


def _id_again(world: World) -> Posted:
    first = invited(world)
    used = json.loads(forging.payload_of(first))["id"]
    return Posted(
        world.arrival(invited(world, id=used, at=NOW - 1)), (), (world.arrival(first),)
    )


def _withdrawn(world: World, first: bytes) -> bytes:
    return ruled(world, first, MINSA, verdict="declined")


_PATROL = "pa.senan/guard"

REFUSE = [
    Case("invitation-without-role", "by who is no operator", Code.MISSING_ROLE, "/endpoint",
         invitation(OPS)),
    Case("invitation-of-one-listed", "of an endpoint that is there", Code.ALREADY_ENROLLED,
         "/invited", invitation(invited=OPS)),
    Case("invitation-of-no-member", "into an agency that is not listed", Code.UNKNOWN_ENDPOINT,
         "/invited", invitation(invited="pa.nobody/ops")),
    Case("invitation-of-the-other-nation", "into the other nation", Code.NOT_YOURS, "/invited",
         invitation(invited="us.uscg/new")),
    Case("invitation-to-another-node", "to a node in no directory", Code.NOT_HOME, "/node",
         invitation(node="us")),
    Case("invitation-of-another-pin", "with another certificate", Code.DIGEST_MISMATCH, "/tls",
         invitation(tls="A" * 43)),
    Case("invitation-of-another-anchor", "with another anchor", Code.DIGEST_MISMATCH, "/anchor",
         invitation(anchor="A" * 43)),
    Case("invitation-for-too-long", "a second longer than it may be open", Code.WRONG_VALUE,
         "/until", invitation(until=NOW + MAX_LIFE_S + 1)),
    Case("invitation-over-already", "that ends as it is made", Code.WRONG_VALUE, "/until",
         invitation(until=NOW)),
    Case("invitation-ahead", "made beyond the tolerated skew", Code.NOT_YET_ISSUED, "/at",
         invitation(at=NOW + 301)),
    Case("invitation-of-other-caller", "brought by another than who signed it", Code.NOT_YOURS,
         "/endpoint", lambda w: w.arrival(invited(w), OPS)),
    Case("invitation-forged", "signed by another in the operator's name", Code.UNKNOWN_KEY,
         "/signatures/0",
         lambda w: w.sign(forging.payload_of(invited(w)), INVITATION_TYP, OPS)),
    Case("invitation-with-a-body", "a body beside it", Code.BAD_FRAMING, "/body",
         lambda w: Envelope(invited(w), b"{}")),
    Case("invitation-unknown-member", "a member of no name", Code.UNKNOWN_MEMBER, "",
         _altered(lambda told: told.update(x=1), invited, INVITATION_TYP, MINSA)),
    Case("invitation-by-nobody", "no person named", Code.MISSING_MEMBER, "/officer",
         _altered(lambda told: told.pop("officer"), invited, INVITATION_TYP, MINSA)),
    Case("invitation-id-used-again", "an invitation whose id was used", Code.ID_REUSED, "/id",
         _id_again),
    Case("enrolling-by-no-invitation", "of an invitation that is not here", Code.BAD_INVITATION,
         "/invitation", _of_nothing),
    Case("enrolling-without-an-invitation", "a request for the custodians alone",
         Code.BAD_INVITATION, "/invitation",
         once(lambda _, __: enrolling.signed(enrolling.first(), enrolling.signer()))),
    Case("enrolling-by-an-altered-link", "a proof of another address", Code.BAD_INVITATION,
         "/invitation", once(_of_another_link)),
    Case("enrolling-for-another-endpoint", "by who was invited as another",
         Code.INVITATION_OTHER, "/endpoint", once(request(endpoint=_PATROL))),
    Case("enrolling-after-another", "by an invitation that was used", Code.INVITATION_USED,
         "/invitation", once(request(), request(seed="other"))),
    Case("enrolling-too-late", "as the invitation ends", Code.INVITATION_OVER, "/invitation",
         once(request(), at=NOW + HOUR)),
    Case("enrolling-by-a-withdrawn", "by one that was withdrawn", Code.INVITATION_OVER,
         "/invitation", once(_withdrawn, request())),
    Case("enrolling-with-a-weak-key", "a point of small order", Code.WEAK_KEY, "/keys/0/jwk",
         once(request(**_weak()))),
    Case("enrolling-with-anothers-key", "a key that another has listed", Code.KEY_KNOWN,
         "/keys/2/jwk",
         lambda w: once(request(keys=[*enrolling.sig(enrolling.signer()),
                                      enrolling.enc(w.key(WATCH))]))(w)),
    Case("enrolling-without-possession", "keys that it does not sign by", Code.UNKNOWN_KEY,
         "/signatures/0",
         once(request(keys=[*enrolling.sig(enrolling.signer("other")), enrolling.enc()]))),
    Case("verdict-by-the-inviter", "who invited approves", Code.OWN_INVITATION, "/endpoint",
         decided(MINSA)),
    Case("verdict-by-the-same-person", "who invited, at another endpoint", Code.OWN_INVITATION,
         "/officer", decided(officer="Exercise-Inviter")),
    Case("verdict-without-role", "by who is no operator", Code.MISSING_ROLE, "/endpoint",
         decided(COAST)),
    Case("verdict-of-the-other-nation", "an operator of the other nation", Code.BAD_INVITATION,
         "/of", decided(WATCH)),
    Case("verdict-on-nothing", "of a request that is not here", Code.BAD_INVITATION, "/of",
         decided(of="A" * 43)),
    Case("verdict-on-an-invitation", "approves what nobody has used", Code.WRONG_VALUE,
         "/verdict", once(ruled)),
    Case("verdict-on-a-used-invitation", "withdraws what was used", Code.INVITATION_USED, "/of",
         once(request(), _withdrawn)),
    Case("verdict-again", "declines what was approved", Code.ALREADY_DECIDED, "/of", _twice),
    Case("verdict-ahead", "made beyond the tolerated skew", Code.NOT_YET_ISSUED, "/at",
         decided(at=NOW + 301)),
    Case("verdict-of-no-kind", "neither approved nor declined", Code.WRONG_VALUE, "/verdict",
         _altered(lambda told: told.update(verdict="maybe"),
                  lambda w: ruled(w, b"x"), VERDICT_TYP, OPS)),
]  # fmt: skip

ACCEPT = [
    Case("invitation", "an operator invites a new endpoint of the nation", None, "",
         invitation()),
    Case("invitation-for-long", "open for as long as it may be", None, "",
         invitation(until=NOW + MAX_LIFE_S)),
    Case("enrolling-by-invitation", "who is new asks for its keys to be listed", None, "",
         once(request())),
    Case("enrolling-in-the-last-second", "as long as the invitation is open", None, "",
         once(request(), at=NOW + HOUR - 1)),
    Case("verdict-approved", "by a second operator of the nation", None, "", decided()),
    Case("verdict-declined", "by who invited", None, "", decided(MINSA, verdict="declined")),
    Case("verdict-withdraws", "an invitation that nobody has used", None, "", once(_withdrawn)),
]  # fmt: skip
