"""Step 5: what a recipient holds an envelope to, and what anybody can check without a key."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import Code, Refusal
from exchange.model.codec import b64
from exchange.model.header import TYP, Blob
from exchange.model.identity import SuiteId, digest
from exchange.seal import body as bodies
from exchange.seal import jws
from exchange.seal.close import close, pad
from exchange.seal.open import Opened, SoftwareOpener, check_evidence, open_body
from exchange.seal.suites import SUITES
from tests import builders
from tests.builders import COAST, DESK, NOW, OPS, TEXT, WATCH, Randomness
from tests.seal.admitting import must_be_admitted
from tests.vectors import opening, two_texts
from tests.vectors.case import Opening, opened

WORLD = builders.world()
DESK_US = "us.jiatfs/desk"


@pytest.mark.parametrize("case", opening.OPENING, ids=lambda case: case.name)
def test_recipient_answers(case: Opening) -> None:
    envelope = case.make(WORLD)
    # A node lets all of these pass: it holds no key to find out with.
    must_be_admitted(WORLD.arrival(envelope), WORLD.view)
    found = opened(envelope, list(WORLD.openers[case.recipient]))
    if isinstance(found, Refusal):
        assert (found.code, found.at) == (case.code, case.at)
    else:
        assert case.code is None
        assert found.text == TEXT


@given(st.binary(max_size=3000).map(lambda raw: raw.rstrip(b" ")))
def test_what_was_sealed_is_opened_by_each_recipient(text: bytes) -> None:
    envelope = WORLD.envelope(text=text)
    header = builders.decoded(envelope.header)
    found = [open_body(header, envelope.body, WORLD.openers[each]) for each in header.to]
    assert [each.text for each in found] == [text, text]
    assert found[0] == found[1]


def test_size_of_what_is_sealed_is_a_bucket() -> None:
    sizes = {len(WORLD.envelope(text=b"x" * n).body) for n in (1, 500, 1024)}
    assert len(sizes) == 1
    assert [len(pad(b"x" * n)) for n in (0, 1024, 1025, 262_144)] == [1024, 1024, 2048, 262_144]
    with pytest.raises(Refusal) as refusal:
        pad(b"x" * 262_145)
    assert refusal.value.code == Code.OVERSIZED


def test_largest_bulletin_to_many_recipients_is_taken() -> None:
    """Limits that belong together do not exclude each other."""
    envelope = WORLD.envelope(text=b"x" * 262_144)
    must_be_admitted(WORLD.arrival(envelope), WORLD.view)
    header = builders.decoded(envelope.header)
    assert len(open_body(header, envelope.body, WORLD.openers[WATCH]).text) == 262_144


def test_recipient_finds_its_key_among_old_ones() -> None:
    envelope = WORLD.envelope()
    old = WORLD.founder.new_endpoint(WATCH)
    rotated = [SoftwareOpener(old.of("open")[0]), *WORLD.openers[WATCH]]
    header = builders.decoded(envelope.header)
    assert open_body(header, envelope.body, rotated).text == TEXT


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda raw: raw + b" ", Code.SIZE_MISMATCH),
        (lambda raw: raw[:-3] + b"x" + raw[-2:], Code.DIGEST_MISMATCH),
    ],
)
def test_recipient_trusts_no_node_for_the_body(change: Any, code: Code) -> None:
    header, body = WORLD.envelope()
    with pytest.raises(Refusal) as refusal:
        open_body(builders.decoded(header), change(body), WORLD.openers[WATCH])
    assert refusal.value.code == code


def _context_and_stranger() -> tuple[Any, str]:
    return opening.other_context(WORLD), DESK_US


def _stranger_and_ciphertext() -> tuple[Any, str]:
    made = opening.broken(lambda told: opening.flipped(told, "ciphertext"))
    return made(WORLD), DESK_US


def _wrap_and_ciphertext() -> tuple[Any, str]:
    def both(told: Any) -> None:
        opening.flipped(told["recipients"][0], "encrypted_key")
        opening.flipped(told, "ciphertext")

    return opening.broken(both)(WORLD), WATCH


def _parse_and_context() -> tuple[Any, str]:
    def both(told: Any) -> None:
        told["aad"] = "AAAA"
        told["iv"] = "AAAA"

    return opening.broken(both)(WORLD), WATCH


@pytest.mark.parametrize(
    ("make", "code", "at"),
    [
        (_parse_and_context, Code.WRONG_VALUE, "/body/iv"),
        (_context_and_stranger, Code.CONTEXT_MISMATCH, "/body/aad"),
        (_stranger_and_ciphertext, Code.NOT_A_RECIPIENT, "/body/recipients"),
        (_wrap_and_ciphertext, Code.CANNOT_DECRYPT, "/body/recipients"),
    ],
)
def test_earlier_step_answers(make: Any, code: Code, at: str) -> None:
    envelope, recipient = make()
    found = opened(envelope, list(WORLD.openers[recipient]))
    assert isinstance(found, Refusal)
    assert (found.code, found.at) == (code, at)


# -- the commitment ----------------------------------------------------------------------------


@pytest.mark.parametrize("suite", SUITES)
def test_ciphertext_of_two_texts_opens_to_neither(suite: SuiteId) -> None:
    """AES-GCM alone lets both recipients decrypt, to two texts, each with a valid tag."""
    world = builders.world(suite)
    envelope = two_texts.envelope(world, world.header(), TEXT)
    jwe = json.loads(envelope.body)
    sealed = builders.unpadded(jwe["ciphertext"]) + builders.unpadded(jwe["tag"])
    aad = f"{jwe['protected']}.{jwe['aad']}".encode()
    plain = [AESGCM(key).decrypt(two_texts.IV, sealed, aad) for key in two_texts.KEYS]
    assert plain[0] != plain[1]
    assert plain[0][32:].rstrip() == TEXT
    with pytest.raises(InvalidTag):
        AESGCM(bytes(32)).decrypt(two_texts.IV, sealed, aad)
    for recipient in (WATCH, COAST):
        found = opened(envelope, list(world.openers[recipient]))
        assert isinstance(found, Refusal)
        assert found.code == Code.COMMIT_MISMATCH


def test_evidence_is_checked_without_a_key() -> None:
    envelope = WORLD.envelope()
    header = builders.decoded(envelope.header)
    evidence = open_body(header, envelope.body, WORLD.openers[WATCH])
    check_evidence(header, evidence)
    bad = [
        evidence._replace(padded=evidence.padded.replace(b"Punta Mala", b"Punta Bela")),
        evidence._replace(padded=evidence.padded + b" "),
        evidence._replace(salt=bytes(32)),
        # The salt's length is fixed: else its end could pass for the text's beginning.
        Opened(evidence.salt[:31], evidence.salt[31:] + evidence.padded),
        Opened(evidence.salt + evidence.padded[:1], evidence.padded[1:]),
    ]
    for each in bad:
        with pytest.raises(Refusal) as refusal:
            check_evidence(header, each)
        assert refusal.value.code == Code.COMMIT_MISMATCH


def test_same_text_twice_shows_no_likeness() -> None:
    first, second = (builders.decoded(WORLD.envelope().header) for _ in range(2))
    assert first.commit != second.commit
    assert first.body.digest != second.body.digest


# -- any bytes ---------------------------------------------------------------------------------

SEALED = WORLD.envelope(to=[WATCH])
HEADER = builders.decoded(SEALED.header)


def opens(body: bytes) -> bool:
    """Whether a body opens that its header commits to by digest: the checks after it count."""
    header = msgspec.structs.replace(HEADER, body=Blob(digest(body), len(body)))
    try:
        return open_body(header, body, WORLD.openers[WATCH]).text == TEXT
    except Refusal:
        return False


@given(st.binary(max_size=500))
def test_any_bytes_are_refused(body: bytes) -> None:
    assert not opens(body)


@given(st.integers(0, len(SEALED.body)), st.integers(0, 40), st.binary(max_size=40))
def test_any_splice_is_refused(place: int, cut: int, put: bytes) -> None:
    body = SEALED.body[:place] + put + SEALED.body[place + cut :]
    assert opens(body) == (body == SEALED.body)


# -- closing -----------------------------------------------------------------------------------


def test_recipients_and_keys_must_match_in_number() -> None:
    with pytest.raises(ValueError, match="one encryption key"):
        close(TEXT, WORLD.header(), [WORLD.key(WATCH)], WORLD.signers[OPS], Randomness("x"))


def test_signer_s_keys_are_the_suite_s_in_order() -> None:
    secrets = WORLD.secrets[OPS].of("sign")
    with pytest.raises(ValueError, match="in this order"):
        builders.SoftwareSigner("xb1-h", secrets[::-1])


def test_envelope_travels_as_two_lines() -> None:
    envelope = WORLD.envelope()
    assert envelope.framed().split(b"\n") == [envelope.header, envelope.body, b""]


def test_node_tells_of_a_body_whose_keys_are_wrapped_and_nothing_else() -> None:
    envelope = WORLD.envelope()
    seen = bodies.look(envelope.body, "xb1-h")
    assert seen.blob == Blob(digest(envelope.body), len(envelope.body))
    assert seen.wraps == sorted(WORLD.key(each).kid for each in (WATCH, COAST))
    assert msgspec.structs.fields(bodies.Seen)[0].name == "blob"
    assert len(msgspec.structs.fields(bodies.Seen)) == 2


def test_secret_key_is_not_printed() -> None:
    secret = WORLD.secrets[DESK].of("sign")[0]
    assert repr(secret) == "SecretKey(Ed25519)"
    assert b64(secret.seed) not in f"{secret}{WORLD.secrets[DESK]}"


def test_signature_of_an_opened_envelope_is_the_author_s() -> None:
    envelope = WORLD.envelope()
    signed = jws.read(envelope.header, 32_768)
    assert signed.typ == TYP
    jws.verify_by(signed, WORLD.view.standing(OPS), NOW)
