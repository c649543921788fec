"""An HPKE that we did not write opens what we seal, and we what it seals."""

from __future__ import annotations

import json
import secrets

import msgspec
import pytest

from exchange.errors import Code, Refusal
from exchange.model.codec import b64, unb64
from exchange.model.header import MAX_HEADER_BYTES
from exchange.seal import body, jws
from exchange.seal.close import Envelope, close
from exchange.seal.open import SoftwareOpener, open_body
from exchange.seal.software import SoftwareSigner, load, new_opening, new_signing
from exchange.seal.suites import SUITES, wrap_key
from tests.builders import COAST, OPS, WATCH, decoded, world
from tests.peers.javascript import needs_packages, opening

pytestmark = needs_packages

TEXT = '{"exercise":"EJERCICIO: ñandú"}'.encode()


@pytest.fixture(params=SUITES)
def suite(request):
    return request.param


@pytest.fixture
def recipients(suite):
    return [new_opening(suite, secrets.token_bytes) for _ in range(2)]


def header(suite):
    return msgspec.structs.replace(world().header(), suite=suite, to=[WATCH, COAST])


def publics(recipients):
    return [SoftwareOpener(each).key for each in recipients]


@pytest.fixture
def sealed(suite, recipients):
    signer = SoftwareSigner(suite, new_signing(suite, secrets.token_bytes))
    return close(TEXT, header(suite), publics(recipients), signer, secrets.token_bytes)


def ask_open(peer, envelope, *keys):
    told = {"object": b64(envelope.header), "body": b64(envelope.body)}
    return peer.ask("open", **told, keys=opening(keys))


def test_every_recipient_opens_what_we_sealed(peer, sealed, recipients):
    for secret in recipients:
        assert ask_open(peer, sealed, secret)["text"] == TEXT.decode()


def test_nobody_else_does(peer, sealed, suite):
    other = new_opening(suite, secrets.token_bytes)
    assert ask_open(peer, sealed, other) == {"code": "not-a-recipient"}


def test_it_holds_a_body_to_its_header(peer, sealed, recipients):
    blank = sealed._replace(body=sealed.body.replace(b",", b", ", 1))
    assert ask_open(peer, blank, *recipients) == {"code": "size-mismatch"}
    other = sealed._replace(body=sealed.body.replace(b'"aad":"eG', b'"aad":"fG', 1))
    assert ask_open(peer, other, *recipients) == {"code": "digest-mismatch"}


def test_we_open_what_it_sealed_and_signed(peer, suite, recipients):
    signing = new_signing(suite, secrets.token_bytes)
    keys = [
        {"alg": each.alg, "kid": load(each)[0].kid, "seed": b64(each.seed)} for each in signing
    ]
    told = peer.ask(
        "seal",
        text=TEXT.decode(),
        header=msgspec.to_builtins(header(suite)),
        recipients=msgspec.to_builtins(publics(recipients)),
        keys={"suite": suite, "sign": keys},
    )
    envelope = Envelope(unb64(told["object"]), unb64(told["body"]))
    signed = jws.read(envelope.header, MAX_HEADER_BYTES)
    public = {each["kid"]: load(secret)[0] for each, secret in zip(keys, signing, strict=True)}
    jws.verify(signed.claims, suite, lambda claim: public[claim.kid])
    for secret in recipients:
        opener = SoftwareOpener(secret)
        assert open_body(decoded(envelope.header), envelope.body, [opener]).text == TEXT


@pytest.mark.parametrize("size", [0, 1, 32, 1000])
def test_hpke_alone_agrees_both_ways(peer, suite, recipients, size):
    """Any text and any info, without our context and framing."""
    secret, plain, info = recipients[0], secrets.token_bytes(size), secrets.token_bytes(77)
    opener, split = SoftwareOpener(secret), SUITES[suite].kem.enc_length()
    wrapped = SUITES[suite].hpke.encrypt(plain, wrap_key(opener.key), info)
    told = {"suite": suite, "seed": b64(secret.seed), "info": b64(info)}
    parts = {"ek": b64(wrapped[:split]), "wrapped": b64(wrapped[split:])}
    assert unb64(peer.ask("unwrap", **told, **parts)["plain"]) == plain
    asked = {"jwk": msgspec.to_builtins(opener.key), "plain": b64(plain), "info": b64(info)}
    theirs = unb64(peer.ask("wrap", suite=suite, **asked)["wrapped"])
    assert opener.unwrap(theirs, info) == plain
    with pytest.raises(Refusal) as caught:
        opener.unwrap(theirs, info[:-1])
    assert caught.value.code is Code.CANNOT_DECRYPT


def test_commitment_and_context_are_those_of_the_document(peer, sealed, suite, recipients):
    """Spelled out here from docs/protocol.md, section 5, and not by the code under test."""
    told, opened = decoded(sealed.header), ask_open(peer, sealed, recipients[0])
    ctx = f"xb1\n{suite}\n{told.id}\npa.senan\n{OPS}\n{told.commit}\n".encode()
    assert unb64(json.loads(sealed.body)["aad"]) == ctx == body.context(told)
    assert len(unb64(opened["salt"])) == 32
