"""Requests for new keys, and which of them custodians must refuse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from exchange.errors import Code
from exchange.model import objects
from exchange.model.codec import b64
from exchange.model.identity import Jwk, SuiteId
from exchange.model.trust import EndpointKey
from exchange.model.view import View
from exchange.seal import enrolment, jws
from exchange.seal.open import SoftwareOpener
from exchange.seal.software import SoftwareSigner, new_opening, new_signing
from tests import builders
from tests.builders import DAY, NOW, OPS, WATCH, Randomness, World
from tests.vectors import forging
from tests.vectors.case import Statement

WORLD = builders.world()
SUITE: SuiteId = WORLD.view.standing(OPS).endpoint.suite
NEW = "pa.senan/patrol"


def signer(seed: str = "new") -> SoftwareSigner:
    return SoftwareSigner(SUITE, new_signing(SUITE, Randomness(seed)))


def opener(seed: str = "new") -> SoftwareOpener:
    return SoftwareOpener(new_opening(SUITE, Randomness(f"open {seed}")))


def sig(by: SoftwareSigner, **dates: int) -> list[EndpointKey]:
    since, until = dates.get("since", NOW), dates.get("until", NOW + 365 * DAY)
    return [EndpointKey("sig", jwk, since, until) for jwk in by.keys]


def enc(jwk: Jwk | None = None, **dates: int) -> EndpointKey:
    key = opener().key if jwk is None else jwk
    return EndpointKey("enc", key, dates.get("since", NOW), dates.get("until", NOW + 90 * DAY))


def asked(**changes: Any) -> objects.Enrolment:
    """A request by pa.senan/ops for a new encryption key, with changes."""
    usual = objects.Enrolment(
        v="xb1",
        suite=SUITE,
        id=builders.new_id(),
        origin="pa.senan",
        endpoint=OPS,
        node="pa",
        keys=[enc()],
        replaces=[WORLD.key(OPS).kid],
        issued=NOW,
    )
    return msgspec.structs.replace(usual, **changes)


def signed(request: objects.Enrolment, *signers: SoftwareSigner) -> bytes:
    by = signers or (WORLD.signers[OPS],)
    return jws.sign(msgspec.json.encode(request), objects.ENROLMENT_TYP, by)


def first(**changes: Any) -> objects.Enrolment:
    """A request by an endpoint that nobody knows yet."""
    keys = [*sig(signer()), enc()]
    return asked(**{"endpoint": NEW, "keys": keys, "replaces": [], **changes})


def _statement(raw: bytes) -> dict[str, Any]:
    return {"taken_ms": NOW * 1000, "object": raw.decode()}


def _made(request: objects.Enrolment, *by: SoftwareSigner) -> Callable[[World], dict[str, Any]]:
    return lambda _: _statement(signed(request, *by))


def _signing(**changes: Any) -> objects.Enrolment:
    return asked(**{"keys": sig(signer()), "replaces": [], **changes})


def _weak() -> objects.Enrolment:
    """One whose Ed25519 key is the identity, under which a signature fits every message."""
    whole = sig(signer())
    weak = msgspec.structs.replace(whole[0].jwk, x=b64((1).to_bytes(32, "little")))
    return _signing(keys=[msgspec.structs.replace(whole[0], jwk=weak), *whole[1:]])


def _changed(change: Callable[[bytes], bytes], world: World) -> dict[str, Any]:
    payload = change(msgspec.json.encode(asked()))
    return _statement(world.sign(payload, objects.ENROLMENT_TYP, OPS))


def _under_another_typ(world: World) -> dict[str, Any]:
    return _statement(world.sign(asked(), objects.SUBSCRIPTION_TYP, OPS))


def _forged(world: World) -> dict[str, Any]:
    """A new key's signature, over another request."""
    mine = msgspec.json.decode(signed(_signing(), world.signers[OPS], signer()))
    other = msgspec.json.decode(signed(_signing(issued=NOW - 1), world.signers[OPS], signer()))
    mine["signatures"][-1] = other["signatures"][-1]
    return _statement(forging.compact(mine))


_OLD = WORLD.signers[OPS]

ENROLMENTS = [
    Statement("enrolment", "enrolment", "a new opening key, signed by the keys in force", None,
              "", _made(asked())),
    Statement("enrolment", "enrolment-of-signing-keys", "signed by the old keys and by the new",
              None, "", _made(_signing(), _OLD, signer())),
    Statement("enrolment", "enrolment-first", "a new endpoint, by the keys it brings", None, "",
              _made(first(), signer())),
    Statement("enrolment", "enrolment-without-the-old-keys", "not signed by the keys in force",
              Code.SIGNATURE_COUNT, "/signatures", _made(_signing(), signer())),
    Statement("enrolment", "enrolment-without-the-new-keys", "no proof of possession",
              Code.SIGNATURE_COUNT, "/signatures", _made(_signing(), _OLD)),
    Statement("enrolment", "enrolment-new-keys-first", "the groups in another order",
              Code.UNKNOWN_KEY, "/signatures/0", _made(_signing(), signer(), _OLD)),
    Statement("enrolment", "enrolment-under-anothers-keys", "signed by another endpoint",
              Code.UNKNOWN_KEY, "/signatures/0", _made(asked(), WORLD.signers[WATCH])),
    Statement("enrolment", "enrolment-forged", "a new key's signature over another request",
              Code.BAD_SIGNATURE, "/signatures/3", _forged),
    Statement("enrolment", "enrolment-of-a-weak-key", "a point of small order", Code.WEAK_KEY,
              "/keys/0/jwk", _made(_weak(), _OLD, signer())),
    Statement("enrolment", "enrolment-of-half-a-set", "a signing key without its partner",
              Code.WRONG_VALUE, "/keys", _made(_signing(keys=sig(signer())[:1]), _OLD)),
    Statement("enrolment", "enrolment-of-anothers-key", "a key that another has listed",
              Code.KEY_KNOWN, "/keys/0/jwk", _made(asked(keys=[enc(WORLD.key(WATCH))]))),
    Statement("enrolment", "enrolment-of-a-listed-key", "the own key once more",
              Code.KEY_KNOWN, "/keys/0/jwk", _made(asked(keys=[enc(WORLD.key(OPS))]))),
    Statement("enrolment", "enrolment-of-a-key-twice", "one key for two entries",
              Code.KEY_KNOWN, "/keys/1/jwk", _made(asked(keys=[enc(), enc()]))),
    Statement("enrolment", "enrolment-of-a-key-that-ended", "a key that is over already",
              Code.KEY_NOT_VALID, "/keys/0/until",
              _made(asked(keys=[enc(since=NOW - DAY, until=NOW)]))),
    Statement("enrolment", "enrolment-of-a-key-that-lives-too-long", "a second over 124 days",
              Code.KEY_LIFETIME, "/keys/0/until",
              _made(asked(keys=[enc(until=NOW + 124 * DAY + 1)]))),
    Statement("enrolment", "enrolment-that-is-too-old", "a second over 31 days",
              Code.REQUEST_STALE, "/issued", _made(asked(issued=NOW - 31 * DAY - 1))),
    Statement("enrolment", "enrolment-of-tomorrow", "a second over a day ahead",
              Code.NOT_YET_ISSUED, "/issued", _made(asked(issued=NOW + DAY + 1))),
    Statement("enrolment", "enrolment-that-ends-anothers-key", "replaces a key not its own",
              Code.UNKNOWN_KEY, "/replaces/0", _made(asked(replaces=[WORLD.key(WATCH).kid]))),
    Statement("enrolment", "enrolment-that-replaces-by-nothing", "a signing key for an opening "
              "key", Code.UNKNOWN_KEY, "/replaces/0",
              _made(asked(replaces=[_OLD.keys[0].kid]))),
    Statement("enrolment", "enrolment-at-another-node", "a node in no directory", Code.NOT_HOME,
              "/node", _made(asked(node="us"))),
    Statement("enrolment", "enrolment-of-another-member", "an endpoint of another agency",
              Code.ORIGIN_MISMATCH, "/origin", _made(asked(origin="pa.minsa"))),
    Statement("enrolment", "enrolment-under-another-typ", "signed as a subscription",
              Code.UNKNOWN_OBJECT, "/signatures/0/protected", _under_another_typ),
    Statement("enrolment", "enrolment-unknown-member", "a member that has no place",
              Code.UNKNOWN_MEMBER, "", partial(_changed, lambda raw: raw[:-1] + b',"x":1}')),
    Statement("enrolment", "enrolment-duplicate-member", "a request for two nodes",
              Code.DUPLICATE_MEMBER, "",
              partial(_changed, lambda raw: raw[:-1] + b',"node":"us"}')),
]  # fmt: skip


def checked(told: Mapping[str, Any], view: View, _: Mapping[str, str]) -> dict[str, Any]:
    """What custodians find."""
    raw, now = told["object"].encode(), told["taken_ms"] // 1000
    return {"payload": msgspec.to_builtins(enrolment.check(raw, view, now))}
