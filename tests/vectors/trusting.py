"""Cases of trust documents and subscriptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from exchange.errors import Code
from exchange.model import metadata
from exchange.model.codec import b64
from exchange.model.identity import Jwk, Nation
from exchange.model.metadata import Targets
from exchange.model.trust import Arrangement, Endpoint, Member
from exchange.model.view import Custodians
from exchange.seal import trust_making
from tests import builders
from tests.builders import (
    FOUNDED,
    MINSA,
    OPS,
    WATCH,
    World,
    suspended,
)
from tests.vectors import delegating, forging
from tests.vectors.case import Case, Posted
from tests.vectors.choosing import SUBSCRIPTIONS

_ROOT = "/signed/roles/root"


def trusted(world: World, raw: bytes, caller: str = MINSA) -> Any:
    """A trust document brought by an operator."""
    return world.arrival(raw, caller=caller)


def brought(make: Callable[[World], bytes], caller: str = MINSA) -> Callable[[World], Any]:
    return lambda world: trusted(world, make(world), caller)


def _member(change: Callable[[Member], Member]) -> Callable[[World], bytes]:
    """The next version of pa.senan's document, changed, and signed by Panama."""

    def make(world: World) -> bytes:
        before = world.member("pa.senan")
        after = change(msgspec.structs.replace(before, version=2))
        made, files = trust_making.of_nation(world.view, "pa", [after], world.founder.expires)
        return world.founder.signed(made, files, ["pa"])

    return make


def _endpoint(change: Callable[[Endpoint], Endpoint]) -> Callable[[World], bytes]:
    return lambda world: world.amended(OPS, change)


def with_key(place: int, **changes: Any) -> Callable[[Endpoint], Endpoint]:
    """An endpoint with one JWK changed: 0 is Ed25519, 1 ML-DSA-65, 2 the encryption key."""

    def change(endpoint: Endpoint) -> Endpoint:
        keys = list(endpoint.keys)
        jwk = msgspec.structs.replace(keys[place].jwk, **changes)
        keys[place] = msgspec.structs.replace(keys[place], jwk=jwk)
        return msgspec.structs.replace(endpoint, keys=keys)

    return change


def _rooted(
    change: Callable[[dict[Nation, Custodians]], dict[Nation, Custodians]], *nations: Any
) -> Callable[[World], bytes]:
    """The next root, its custodians changed."""

    def make(world: World) -> bytes:
        circles = change(world.founder.circles)
        root = trust_making.root(2, world.founder.expires, circles, world.view.online)
        return world.signed(root, nations or ("pa", "us"))

    return make


def by_custodians(world: World, what: Any, *names: tuple[Nation, int]) -> bytes:
    """A document signed by these custodians, by nation and number."""
    signers = [list(world.founder.custodians[nation].values())[n] for nation, n in names]
    return world.signed_by(what, *signers)


def rearrangement(world: World, **changes: Any) -> Arrangement:
    """The next arrangement, which says what the first one does."""
    before = builders.arrangement(builders.feeds(), FOUNDED, 2, world.founder.suites)
    return msgspec.structs.replace(before, **changes)


def _arranged(*names: tuple[Nation, int]) -> Callable[[World], bytes]:
    return lambda world: by_custodians(world, rearrangement(world), *names)


def _people(**changes: Any) -> Callable[[dict[Nation, Custodians]], dict[Nation, Custodians]]:
    def change(circles: dict[Nation, Custodians]) -> dict[Nation, Custodians]:
        return {name: each._replace(**changes.get(name, {})) for name, each in circles.items()}

    return change


def _shared_custodian(circles: dict[Nation, Custodians]) -> dict[Nation, Custodians]:
    """The United States name Panama's first custodian as one of theirs."""
    lent = msgspec.structs.replace(circles["pa"].signatories[0], name="us-lent")
    theirs = (circles["us"].signatories[0], lent)
    return _people(us={"signatories": theirs})(circles)


def _one_name(circles: dict[Nation, Custodians]) -> dict[Nation, Custodians]:
    """Two key pairs under one custodian's name."""
    both = tuple(
        msgspec.structs.replace(each, name="pa-one") for each in circles["pa"].signatories
    )
    return _people(pa={"signatories": both})(circles)


def _node(**changes: Any) -> Callable[[World], bytes]:
    def make(world: World) -> bytes:
        node = msgspec.structs.replace(world.view.nodes["pa"], version=2, **changes)
        made, files = trust_making.of_nation(world.view, "pa", [node], world.founder.expires)
        return world.founder.signed(made, files, ["pa"])

    return make


def reversioned(**changes: Any) -> Callable[[World], bytes]:
    """The next arrangement, in a file whose members are changed."""

    def make(world: World) -> bytes:
        made, files = world.made(rearrangement(world))
        return world.founder.signed(msgspec.structs.replace(made, **changes), files)

    return make


def _taken_key(world: World) -> Callable[[Endpoint], Endpoint]:
    return with_key(2, pub=world.key(WATCH).pub)


TRUST = [
    Case(
        "document-brought-by-no-operator",
        "a trust document brought by an endpoint without the operator's role",
        Code.MISSING_ROLE,
        "",
        brought(lambda w: w.amended(OPS, suspended), OPS),
    ),
    Case(
        "arrangement-by-one-nation",
        "an arrangement signed by Panama alone",
        Code.TRUST_NOT_SIGNED,
        "/signatures",
        brought(_arranged(("pa", 0), ("pa", 1))),
    ),
    Case(
        "arrangement-below-threshold",
        "an arrangement with one of the two custodians that the United States need",
        Code.TRUST_NOT_SIGNED,
        "/signatures",
        brought(_arranged(("pa", 0), ("pa", 1), ("us", 0))),
    ),
    Case(
        "custodian-counted-twice",
        "an arrangement signed twice by the same custodian",
        Code.TRUST_NOT_SIGNED,
        "/signatures/6",
        brought(_arranged(("pa", 0), ("pa", 1), ("us", 0), ("us", 0))),
    ),
    Case(
        "member-by-the-other-nation-too",
        "a member of Panama signed by both: signatures that nobody asked for",
        Code.TRUST_NOT_SIGNED,
        "/signatures/4",
        brought(
            lambda w: w.signed(
                msgspec.structs.replace(w.member("pa.senan"), version=2), ["pa", "us"]
            )
        ),
    ),
    Case(
        "member-by-the-other-nation",
        "a member of Panama signed by the United States",
        Code.TRUST_NOT_SIGNED,
        "/signatures/0",
        brought(
            lambda w: w.signed(msgspec.structs.replace(w.member("pa.senan"), version=2), ["us"])
        ),
    ),
    Case(
        "root-by-one-nation",
        "a new root signed by one nation",
        Code.TRUST_NOT_SIGNED,
        "/signatures",
        brought(_rooted(lambda circles: circles, "us")),
    ),
    Case(
        "root-by-new-custodians-only",
        "a new root signed by the custodians that it names, and not by those in force",
        Code.TRUST_NOT_SIGNED,
        "/signatures",
        brought(delegating.usurped),
    ),
    Case(
        "custodian-under-anothers-name",
        "a new root whose custodians have the names of those in force, and other keys",
        Code.TRUST_INVALID,
        "/signed/roles",
        brought(delegating.renamed),
    ),
    Case(
        "file-of-us-by-the-keys-of-pa",
        "the United States' own file is to be signed by Panama's keys, under their names",
        Code.TRUST_INVALID,
        "/signed/delegations",
        brought(delegating.lent),
    ),
    Case(
        "custodian-signature-wrong",
        "a custodian's signature with one bit changed",
        Code.BAD_SIGNATURE,
        "/signatures/3",
        brought(
            lambda w: respelled(
                w.rearranged(),
                lambda told: told["signatures"][3].update(
                    sig=f"{int(told['signatures'][3]['sig'][0], 16) ^ 1:x}"
                    + told["signatures"][3]["sig"][1:]
                ),
            )
        ),
    ),
    Case(
        "custodian-signature-stripped",
        "the last custodian's post-quantum signature left out",
        Code.SIGNATURE_COUNT,
        "/signatures",
        brought(lambda w: respelled(w.rearranged(), lambda told: told["signatures"].pop())),
    ),
    Case(
        "version-again",
        "a version that is in force already, in other bytes",
        Code.STALE_VERSION,
        "/signed/version",
        brought(reversioned(version=1)),
    ),
    Case(
        "version-gap",
        "a version that skips one",
        Code.STALE_VERSION,
        "/signed/version",
        brought(reversioned(version=3)),
    ),
    Case(
        "file-version-gap",
        "a member's file that skips a version, in a metadata file that does not",
        Code.STALE_VERSION,
        "/files/0/version",
        brought(
            lambda w: w.signed(msgspec.structs.replace(w.member("pa.senan"), version=3), ["pa"])
        ),
    ),
    Case(
        "version-of-old",
        "the first arrangement again, after a second one",
        Code.STALE_VERSION,
        "/signed/version",
        lambda w: Posted(trusted(w, w.documents[1]), (w.rearranged(),)),
    ),
    Case(
        "root-of-one-nation",
        "a root that leaves one nation out",
        Code.TRUST_INVALID,
        f"{_ROOT}/custodians",
        brought(_rooted(lambda circles: {"pa": circles["pa"]}, "pa")),
    ),
    Case(
        "custodian-of-both-nations",
        "a custodian's keys in both nations",
        Code.TRUST_INVALID,
        f"{_ROOT}/keyids",
        brought(_rooted(_shared_custodian)),
    ),
    Case(
        "threshold-never-met",
        "a threshold over the number of custodians",
        Code.TRUST_INVALID,
        f"{_ROOT}/custodians/pa/threshold",
        brought(_rooted(_people(pa={"threshold": 3}))),
    ),
    Case(
        "threshold-met-by-one",
        "two key pairs under one name, for a threshold of two",
        Code.TRUST_INVALID,
        f"{_ROOT}/custodians/pa/threshold",
        brought(_rooted(_one_name)),
    ),
    Case(
        "node-of-the-other-nation",
        "the United States name a node of Panama's",
        Code.TRUST_INVALID,
        "/files/0/node",
        brought(_node(nation="us")),
    ),
    Case(
        "node-log-keys",
        "a node whose log has one key",
        Code.TRUST_INVALID,
        "/files/0/log",
        brought(_node(log=[])),
    ),
    Case(
        "member-under-the-other-nation",
        "a member of Panama that says it is of the United States",
        Code.TRUST_INVALID,
        "/files/0/nation",
        brought(_member(lambda member: msgspec.structs.replace(member, nation="us"))),
    ),
    Case(
        "endpoint-of-another-member",
        "an endpoint of another member in a member's document",
        Code.TRUST_INVALID,
        "/files/0/endpoints/0/id",
        brought(_endpoint(lambda each: msgspec.structs.replace(each, id="pa.minsa/ops"))),
    ),
    Case(
        "endpoint-twice",
        "an endpoint twice in a member's document",
        Code.TRUST_INVALID,
        "/files/0/endpoints/2/id",
        brought(
            _member(
                lambda m: msgspec.structs.replace(m, endpoints=[*m.endpoints, m.endpoints[0]])
            )
        ),
    ),
    Case(
        "key-of-two-endpoints",
        "a key enrolled for two endpoints of a member",
        Code.TRUST_INVALID,
        "/files/0/endpoints/1/keys/0/jwk",
        brought(
            _member(
                lambda m: msgspec.structs.replace(
                    m,
                    endpoints=[
                        m.endpoints[0],
                        msgspec.structs.replace(m.endpoints[1], keys=m.endpoints[0].keys),
                    ],
                )
            )
        ),
    ),
    Case(
        "key-of-another-member",
        "another nation's encryption key enrolled as one's own: it would block whoever "
        "seals to both",
        Code.TRUST_INVALID,
        "/files/0/endpoints/0/keys/2/jwk",
        brought(lambda w: w.amended(OPS, _taken_key(w))),
    ),
    Case(
        "weak-signing-key",
        "an Ed25519 key of small order, under which one signature fits every message",
        Code.WEAK_KEY,
        "/files/0/endpoints/0/keys/0/jwk",
        brought(_endpoint(with_key(0, x="AQ" + "A" * 41))),
    ),
    Case(
        "weak-encryption-key",
        "an X25519 half of small order: anybody could unwrap that half",
        Code.WEAK_KEY,
        "/files/0/endpoints/0/keys/2/jwk",
        brought(lambda w: w.amended(OPS, with_key(2, pub=_flat(w.key(OPS))))),
    ),
    Case(
        "key-of-wrong-length",
        "a signing key cut short",
        Code.WRONG_VALUE,
        "/files/0/endpoints/0/keys/1/jwk",
        brought(_endpoint(with_key(1, pub="AAAA"))),
    ),
    Case(
        "encryption-key-of-wrong-length",
        "an encryption key cut short",
        Code.WRONG_VALUE,
        "/files/0/endpoints/0/keys/2/jwk",
        brought(_endpoint(with_key(2, pub="AAAA"))),
    ),
    Case(
        "key-of-another-algorithm",
        "a signing key of an algorithm that is in no suite",
        Code.WRONG_VALUE,
        "/files/0/endpoints/0/keys/1/jwk/alg",
        brought(_endpoint(with_key(1, alg="ES256"))),
    ),
    Case(
        "encryption-key-of-another-algorithm",
        "an encryption key of an algorithm that is not the suite's",
        Code.WRONG_VALUE,
        "/files/0/endpoints/0/keys/2/jwk/alg",
        brought(_endpoint(with_key(2, alg="HPKE-0-KE"))),
    ),
    Case(
        "key-of-both-kinds",
        "a key that also holds another key's member, which its thumbprint does not cover",
        Code.UNKNOWN_MEMBER,
        "/files/0/endpoints/0/keys/0/jwk",
        brought(_endpoint(with_key(0, pub="AAAA"))),
    ),
    Case(
        "document-in-another-spelling",
        "a trust document with a blank: it has one spelling",
        Code.MALFORMED,
        "/files/0",
        brought(lambda w: _respelled(w, lambda raw: raw.replace(b"{", b"{ ", 1))),
    ),
    Case(
        "document-of-no-kind",
        "a trust document of a kind that there is not",
        Code.WRONG_VALUE,
        "/files/0/kind",
        brought(lambda w: _respelled(w, lambda raw: raw.replace(b'"member"', b'"other"', 1))),
    ),
    Case(
        "document-not-utf-8",
        "a trust document with bytes of Latin-1",
        Code.NOT_UTF8,
        "/files/0",
        brought(
            lambda w: _respelled(w, lambda raw: raw.replace(b"EXERCISE", b"EX\xc9RCITO", 1))
        ),
    ),
    Case(
        "document-with-control-character",
        "an endpoint whose name ends in a line feed",
        Code.CONTROL_CHARACTER,
        "/files/0",
        brought(_endpoint(lambda each: msgspec.structs.replace(each, id="pa.senan/ops\n"))),
    ),
    *SUBSCRIPTIONS,
]


def _flat(jwk: Jwk) -> str:
    """An X-Wing key whose X25519 half is the point 0."""
    raw = builders.unpadded(jwk.pub or "")
    return str(b64(raw[:-32] + bytes(32)))


def _respelled(world: World, change: Callable[[bytes], bytes]) -> bytes:
    """The next file of pa.senan in other bytes, listed as it then is."""
    after = msgspec.structs.replace(world.member("pa.senan"), version=2)
    made, (raw,) = world.made(after)
    assert isinstance(made, Targets)
    told = {**made.targets, "members/pa.senan.json": metadata.info(change(raw))}
    made = msgspec.structs.replace(made, targets=told)
    return world.founder.signed(made, [change(raw)], ["pa"])


def respelled(bundle: bytes, change: Callable[[Any], Any]) -> bytes:
    """A bundle whose metadata file ``change`` was let loose on."""
    raw, *files = bundle.split(b"\n")
    return metadata.join(forging.altered(raw, change), files)
