"""Cases of the suites: the common tables for each of them, and what only one can get wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from exchange.errors import Code
from exchange.model.codec import b64
from exchange.model.identity import Jwk, SuiteId
from exchange.seal.close import Envelope
from exchange.seal.es384 import COORDINATE_BYTES, ORDER
from exchange.seal.software import SecretKey, SoftwareSigner
from tests import builders
from tests.builders import COAST, OPS, WATCH, World
from tests.vectors import checking, deciding, forging, reading, trusting
from tests.vectors.case import Case, Posted
from tests.vectors.changes import outer, with_members, wraps_as
from tests.vectors.trusting import brought, with_key

OTHERS: tuple[SuiteId, ...] = ("xb1-c", "xb1-ch")
# Names of common cases that are about two signatures, or about an algorithm of xb1-h. What
# the other suites have in their place is below.
_OF_TWO_SIGNATURES = {
    *("signature-first", "standard-alphabet", "two-typs", "signature-doubled"),
    *("signature-added", "many-signatures", "signatures-reordered", "classical-twice"),
    *("kid-of-another-endpoint", "one-kid-of-another-endpoint", "kid-of-an-encryption-key"),
    *("algorithm-of-another-key", "post-quantum-key-expired", "post-quantum-signature-wrong"),
    *("typ-swapped", "acknowledgement-forged", "custodian-signature-stripped"),
    *("key-of-another-member", "encryption-key-of-wrong-length", "key-of-both-kinds"),
    *("encryption-key-of-another-algorithm", "subscription-forged"),
    *("member-by-the-other-nation-too", "custodian-counted-twice"),
}
_OF_X25519 = {"weak-signing-key", "weak-encryption-key"}
NOT_OF: dict[SuiteId, set[str]] = {
    "xb1-h": set(),
    "xb1-c": _OF_TWO_SIGNATURES | _OF_X25519,
    # 96 bytes leave no bits over.
    "xb1-ch": {"surplus-bits", "weak-signing-key"},
}
# Of the common tables, those whose bytes depend most on the suite: these are written down.
WRITTEN = {
    *("bulletin", "acknowledgement", "subscription", "signature-stripped"),
    *("classical-signature-stripped", "signature-doubled", "signatures-reordered"),
    *("algorithm-none", "kid-of-nobody", "kid-of-an-encryption-key", "key-expired"),
    *("algorithm-of-another-key", "payload-tampered", "classical-signature-wrong"),
    *("post-quantum-signature-wrong", "signature-empty", "typ-swapped", "suite-not-agreed"),
    *("body-of-other-digest", "sealed-to-another", "recipient-key-expired"),
}


def common(suite: SuiteId) -> Iterator[Case]:
    """The cases of every table that hold for this suite as well."""
    tables = (deciding.ACCEPT, reading.READING, checking.SUITE, checking.KEYS, checking.BODY)
    for table in (*tables, deciding.POLICY, deciding.ORDER, trusting.TRUST):
        yield from (case for case in table if case.name not in NOT_OF[suite])


# -- ES384: one spelling of a signature -------------------------------------------------------


def _respelled(change: Callable[[int, int], bytes]) -> Callable[[World], Envelope]:
    """The classical signature written anew from its r and s; nothing else is touched."""

    def alter(told: Any) -> None:
        raw = builders.unpadded(told["signatures"][0]["signature"])
        r, s = (int.from_bytes(raw[i : i + 48]) for i in (0, 48))
        told["signatures"][0]["signature"] = b64(change(r, s))

    return outer(alter)


def _raw(r: int, s: int, size: int = COORDINATE_BYTES) -> bytes:
    return r.to_bytes(size) + s.to_bytes(size)


def _bad(name: str, shows: str, change: Callable[[int, int], bytes]) -> Case:
    return Case(name, shows, Code.BAD_SIGNATURE, "/signatures/0", _respelled(change))


ES384_CASES = [
    _bad("high-s", "n - s for s: it verifies elsewhere", lambda r, s: _raw(r, ORDER - s)),
    _bad("s-plus-n", "s + n for s, in one byte more", lambda r, s: _raw(r, s + ORDER, 49)),
    _bad("signature-as-der", "a signature in ASN.1", encode_dss_signature),
    _bad("signature-padded", "r and s with a zero before", lambda r, s: _raw(r, s, 49)),
    _bad("s-padded", "s with a zero before", lambda r, s: _raw(r, 0)[:48] + s.to_bytes(49)),
    _bad("signature-short", "the last byte left out", lambda r, s: _raw(r, s)[:-1]),
    _bad("r-and-s-zero", "zeros, which a careless verifier takes", lambda _r, _s: bytes(96)),
    _bad("s-zero", "r, and zero for s", lambda r, _s: _raw(r, 0)),
    _bad("r-of-the-order", "the order for r", lambda _r, s: _raw(ORDER, s)),
]


# -- keys -------------------------------------------------------------------------------------


def _key(name: str, shows: str, code: Code, at: str, make: Callable[[World], Any]) -> Case:
    """A member's document with one of OPS's keys changed."""
    return Case(name, shows, code, at, brought(lambda w: w.amended(OPS, make(w))))


def _wrap_key(place: int, change: Callable[[bytes], bytes]) -> Callable[[World], Any]:
    return lambda w: with_key(place, pub=b64(change(builders.unpadded(w.key(OPS).pub or ""))))


def _es384_keys() -> list[Case]:
    at, change = "/files/0/endpoints/0/keys/0/jwk", with_key
    zero, top = b64(bytes(48)), b64(b"\xff" * 48)
    return [
        _key("point-off-the-curve", "a point that is not on P-384", Code.WEAK_KEY, at,
             lambda _: change(0, x=zero)),
        _key("coordinate-not-reduced", "an x that is no residue", Code.WEAK_KEY, at,
             lambda _: change(0, x=top)),
        _key("coordinate-short", "an x of 47 bytes", Code.WRONG_VALUE, f"{at}/x",
             lambda _: change(0, x=b64(bytes(47)))),
        _key("coordinate-missing", "no y: a point told by half", Code.MISSING_MEMBER, f"{at}/y",
             lambda _: change(0, y=None)),
        _key("key-of-no-curve", "an EC key without crv", Code.WRONG_VALUE, f"{at}/alg",
             lambda _: change(0, crv=None)),
        _key("point-half-off-the-curve", "an encryption key whose P-384 half is no point",
             Code.WEAK_KEY, "/files/0/endpoints/0/keys/2/jwk",
             _wrap_key(2, lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]))),
        _key("point-half-compressed", "an encryption key whose P-384 half is compressed",
             Code.WEAK_KEY, "/files/0/endpoints/0/keys/2/jwk",
             _wrap_key(2, lambda raw: raw[:1568] + b"\x02" + raw[1569:])),
    ]  # fmt: skip


def _one_of_t1(jwk: Jwk) -> str:
    """An ML-DSA key whose t1 is the polynomial 1."""
    raw = builders.unpadded(jwk.pub or "")
    return b64(raw[:32] + b"\1".ljust(len(raw) - 32, b"\0"))


def _t_of_one(size: int) -> Callable[[bytes], bytes]:
    """Make an ML-KEM half whose t is the polynomial 1: in NTT form 1, 0, 1, 0 and so on."""
    one = b"\1\0\0" * 128
    return lambda raw: one.ljust(size - 32, b"\0") + raw[size - 32 :]


def _open_keys(place: int, size: int) -> list[Case]:
    """Lattice keys that need no secret: ML-DSA's stands before the encryption key."""
    wrap, sign = (f"/files/0/endpoints/0/keys/{each}/jwk" for each in (place, place - 1))
    return [
        _key("anybody-signs", "an ML-DSA key under which anybody can sign", Code.WEAK_KEY, sign,
             lambda w: with_key(place - 1, pub=_one_of_t1(w.signers[OPS].keys[-1]))),
        _key("anybody-opens", "an ML-KEM key to which anybody can open", Code.WEAK_KEY, wrap,
             _wrap_key(place, _t_of_one(size))),
    ]  # fmt: skip


def _second_spelling(raw: bytes) -> bytes:
    """The same X25519 half with bit 255, which is ignored where the key is used."""
    return raw[:-1] + bytes([raw[-1] | 0x80])


def _lattice_keys(place: int) -> list[Case]:
    at = f"/files/0/endpoints/0/keys/{place}/jwk"
    return [
        *_open_keys(place, 1568),
        _key("lattice-not-reduced", "an ML-KEM key whose coefficients are not reduced",
             Code.WEAK_KEY, at, _wrap_key(place, lambda raw: b"\xff" * 1536 + raw[1536:])),
        _key("wrap-key-short", "an encryption key cut short", Code.WRONG_VALUE, at,
             _wrap_key(place, lambda raw: raw[:-1])),
        _key("wrap-key-of-no-suite", "an encryption key of an algorithm in no suite",
             Code.WRONG_VALUE, f"{at}/alg", lambda _: with_key(place, alg="HPKE-0-KE")),
    ]  # fmt: skip


# -- what depends on the suite's sizes --------------------------------------------------------


def _committing(name: str, shows: str, size: int) -> Case:
    return Case(name, shows, Code.WRONG_VALUE, "/commit", with_members(commit="A" * size))


def _sized() -> list[Case]:
    return [
        _committing("commit-of-sha-256", "256 bits of commitment, where the suite has 384", 43),
        Case("wrapped-as-xb1-h", "an algorithm of another suite in the body", Code.WRONG_VALUE,
             "/body/recipients/0/header/alg",
             wraps_as(lambda told: told[0]["header"].update(alg="HPKE-9-KE"))),
        Case("kem-output-short", "a KEM output one byte short", Code.WRONG_VALUE,
             "/body/recipients/0/header/ek", wraps_as(_short_ek)),
    ]  # fmt: skip


def _short_ek(told: Any) -> None:
    header = told[0]["header"]
    header["ek"] = b64(builders.unpadded(header["ek"])[:-1])


def _alone(world: World) -> Envelope:
    """The suite's one signature, twice."""
    payload = forging.payload_of(world.envelope().header)
    return world.envelope()._replace(
        header=forging.signed(world, payload, ((OPS, 0), (OPS, 0)))
    )


SPECIAL: dict[SuiteId, list[Case]] = {
    "xb1-h": [
        _committing("commit-of-sha-384", "384 bits of commitment, where the suite has 256", 64),
        *_open_keys(2, 1184),
        _key("x25519-spelled-again", "an X25519 half with bit 255: one key, two names",
             Code.WEAK_KEY, "/files/0/endpoints/0/keys/2/jwk", _wrap_key(2, _second_spelling)),
    ],
    "xb1-c": [
        *_sized(),
        *_lattice_keys(1),
        Case("signature-twice", "the one signature, twice", Code.SIGNATURE_COUNT, "/signatures",
             _alone),
    ],
    "xb1-ch": [*_sized(), *ES384_CASES, *_es384_keys(), *_lattice_keys(2)],
}  # fmt: skip


# -- endpoints of several suites under one arrangement ----------------------------------------


def _claiming(suite: SuiteId, by: Callable[[World], list[SecretKey]]) -> Any:
    """OPS, whose suite is xb1-ch, seals and signs well by another suite."""
    return lambda world: world.envelope(
        world.header(suite=suite), signer=SoftwareSigner.of(by(world))
    )


def _to_another_key(world: World) -> Envelope:
    """A key of the sender's own suite in form, addressed to the recipient's key of another."""
    envelope = world.envelope(endpoint=COAST, to=[WATCH])
    other = world.key(WATCH, "xb1-c").kid
    return forging.rebody(
        world, envelope, lambda told: told["recipients"][0]["header"].update(kid=other)
    )


def _acknowledged(world: World) -> Posted:
    first = world.envelope()
    return Posted(world.arrival(world.ack(first)), (), (world.arrival(first),))


MIXED = [
    Case("mixed-from-xb1-ch", "xb1-ch posts, to recipients of xb1-c and xb1-h", None, "",
         lambda w: w.envelope()),
    Case("mixed-from-xb1-h", "xb1-h posts, to recipients of xb1-c and xb1-ch", None, "",
         lambda w: w.envelope(endpoint=COAST, to=[OPS, WATCH])),
    Case("mixed-from-xb1-c", "xb1-c posts, to recipients of xb1-ch and xb1-h", None, "",
         lambda w: w.envelope(endpoint=WATCH, to=[OPS, COAST])),
    Case("mixed-acknowledgement", "xb1-c acknowledges a bulletin of xb1-ch", None, "",
         _acknowledged),
    Case("downgraded-to-xb1-c", "xb1-ch without its classical signature, told as xb1-c",
         Code.SUITE_NOT_ALLOWED, "/suite",
         _claiming("xb1-c", lambda w: w.secrets[OPS].of("sign")[1:])),
    Case("claims-xb1-h", "an endpoint of another suite that says xb1-h", Code.SUITE_NOT_ALLOWED,
         "/suite", _claiming("xb1-h", lambda w: w.secrets[COAST].of("sign"))),
    Case("mixed-signature-stripped", "the classical signature left out, and the suite kept",
         Code.SIGNATURE_COUNT, "/signatures", outer(lambda told: told["signatures"].pop(0))),
    Case("key-of-another-suite", "a key wrapped to a recipient's key of another suite",
         Code.RECIPIENT_KEY_UNFIT, "/to/0", _to_another_key),
]  # fmt: skip


def written(suite: SuiteId) -> Iterator[Case]:
    """The cases of a suite that are written down as vectors."""
    if suite in OTHERS:
        yield from (case for case in common(suite) if case.name in WRITTEN)
    yield from SPECIAL[suite]
