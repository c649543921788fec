"""Libraries that know nothing of us verify our signatures, and we theirs."""

from __future__ import annotations

import json
import secrets

import msgspec
import pytest
from jwcrypto import jwk as jwcrypto_jwk  # type: ignore[import-untyped]
from jwcrypto import jws as jwcrypto_jws

from exchange.model.codec import b64, unb64
from exchange.model.objects import ENROLMENT_TYP, MAX_OBJECT_BYTES, decode_enrolment
from exchange.seal import jws
from exchange.seal.software import SoftwareSigner, load, new_signing
from exchange.seal.suites import SUITES
from tests.peers.frozen import FILES, directory, name, raw, read, typ
from tests.peers.javascript import needs_packages

TYP = "xb-exercise+jws"
PAYLOAD = '{"exercise":"EJERCICIO"}'
PLACES = [
    (suite, place) for suite, told in SUITES.items() for place in range(len(told.signatures))
]
each_signature = pytest.mark.parametrize(("suite", "place"), PLACES)
ACCEPTED = [path for path in FILES if path.parent.name == "accept" and typ(path) != "tuf"]


@pytest.fixture(scope="module")
def signing():
    """Fresh keys of every suite."""
    return {suite: new_signing(suite, secrets.token_bytes) for suite in SUITES}


@pytest.fixture(scope="module")
def signed(signing):
    """One object of every suite, signed by us."""
    return {
        suite: json.loads(jws.sign(PAYLOAD.encode(), TYP, [SoftwareSigner(suite, keys)]))
        for suite, keys in signing.items()
    }


def public(jwk):
    return jwcrypto_jwk.JWK(**msgspec.to_builtins(jwk))


def verify(payload, signature, key):
    """Verify one of an object's signatures by jwcrypto, as a JWS of its own."""
    token = jwcrypto_jws.JWS()
    token.allowed_algs = [key["alg"]]
    parts = (signature["protected"], payload, signature["signature"])
    token.deserialize(".".join(parts), key)
    return token.payload


@each_signature
def test_jwcrypto_verifies_each_signature(suite, place, signed, signing):
    key = public(load(signing[suite][place])[0])
    told = signed[suite]
    assert verify(told["payload"], told["signatures"][place], key).decode() == PAYLOAD
    with pytest.raises(jwcrypto_jws.InvalidJWSSignature):
        verify(b64(b"{}"), told["signatures"][place], key)


@each_signature
def test_jwcrypto_makes_the_same_kid(suite, place, signing):
    jwk, _ = load(signing[suite][place])
    assert public(jwk).thumbprint() == jwk.kid


@needs_packages
@each_signature
def test_noble_verifies_each_signature(suite, place, signed, signing, peer):
    told = signed[suite]
    mine = told["signatures"][place]

    def holds(payload):
        return peer.ask(
            "verify",
            suite=suite,
            place=place,
            jwk=msgspec.to_builtins(load(signing[suite][place])[0]),
            over=b64(f"{mine['protected']}.{payload}".encode()),
            signature=mine["signature"],
        )["holds"]

    assert holds(told["payload"])
    assert not holds(b64(b"{}"))


@pytest.mark.parametrize("suite", SUITES)
def test_we_verify_an_object_that_jwcrypto_signed(suite, signing):
    """Its General JSON is our one spelling, too."""
    token, keys = jwcrypto_jws.JWS(PAYLOAD), {}
    algorithms = [each.alg for each in signing[suite]]
    token.allowed_algs = algorithms
    for secret in signing[suite]:
        jwk, _ = load(secret)
        keys[jwk.kid] = jwk
        private = {**msgspec.to_builtins(jwk), PRIVATE[jwk.kty]: b64(secret.seed)}
        protected = {"alg": jwk.alg, "kid": jwk.kid, "typ": TYP}
        token.add_signature(
            jwcrypto_jwk.JWK(**private),
            jwk.alg,
            json.dumps(protected, separators=(",", ":")),
        )
    spelled = json.loads(token.serialize())
    if "signatures" not in spelled:  # one signature: it writes the flattened form
        one = {name: spelled.pop(name) for name in ("protected", "signature")}
        spelled = {"payload": spelled["payload"], "signatures": [one]}
    told = {
        "payload": spelled["payload"],
        "signatures": [
            {"protected": each["protected"], "signature": lower(alg, each["signature"])}
            for alg, each in zip(algorithms, spelled["signatures"], strict=True)
        ],
    }
    found = jws.read(json.dumps(told, separators=(",", ":")).encode(), MAX_OBJECT_BYTES)
    jws.verify(found.claims, suite, lambda claim: keys[claim.kid])
    assert found.payload.decode() == PAYLOAD


PRIVATE = {"OKP": "d", "EC": "d", "AKP": "priv"}
# The order of P-384 (SEC 2, section 2.5.1).
ORDER = int("f" * 48 + "c7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16)


def lower(alg, signature):
    """ES384 with the lower s, as docs/protocol.md demands; others write either."""
    if alg != "ES384":
        return signature
    raw_signature = unb64(signature)
    s = int.from_bytes(raw_signature[48:])
    return b64(raw_signature[:48] + min(s, ORDER - s).to_bytes(48))


@pytest.mark.parametrize("path", ACCEPTED, ids=name)
def test_jwcrypto_verifies_every_signature_of_the_frozen_objects(path):
    told = read(path)
    known = directory(told)
    signed = json.loads(raw(told["object"]))
    said = jws.read(raw(told["object"]), MAX_OBJECT_BYTES)
    if said.typ == ENROLMENT_TYP:
        # Who is new signs by the keys that it brings.
        brought = [each.jwk for each in decode_enrolment(said.payload).keys]
        known = {key.kid: key for key in brought}
    for each in signed["signatures"]:
        kid = json.loads(jwcrypto_jws.base64url_decode(each["protected"]))["kid"]
        assert verify(signed["payload"], each, public(known[kid]))
