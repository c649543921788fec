"""Every suite from end to end: what the first one refuses the others refuse, and their own."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from hypothesis import given
from hypothesis import strategies as st

from exchange.broker.records import Recorded, Rejected
from exchange.errors import Refusal
from exchange.model.identity import SuiteId
from exchange.seal import body as bodies
from exchange.seal import es384
from exchange.seal.close import close
from exchange.seal.open import SoftwareOpener
from exchange.seal.software import SecretKey, SoftwareSigner, load, new_opening, new_signing
from exchange.seal.suites import SUITES, check_signature_key, check_wrap_key, suite_of
from tests import builders
from tests.builders import COAST, NOW, OPS, TEXT, WATCH, Randomness, World
from tests.vectors import opening, suiting
from tests.vectors.case import Case, Opening, answer, opened, posted

OTHERS = [builders.world(suite) for suite in suiting.OTHERS]


def suite_cases() -> list[Any]:
    found = []
    for suite in SUITES:
        cases = [*suiting.SPECIAL[suite], *(suiting.common(suite) if suite != "xb1-h" else ())]
        found += [pytest.param(suite, case, id=f"{suite}-{case.name}") for case in cases]
    return found


def must_answer(case: Case, world: World) -> None:
    made = posted(case, world)
    settled, _ = answer(made, world.later(*made.documents))
    if case.code is None:
        assert isinstance(settled, Recorded)
    else:
        assert isinstance(settled, Rejected)
        assert (settled.refusal.code, settled.refusal.at) == (case.code, case.at)


@pytest.mark.parametrize(("suite", "case"), suite_cases())
def test_case_is_answered_alike_in_each_suite(suite: SuiteId, case: Case) -> None:
    must_answer(case, builders.world(suite))


@pytest.mark.parametrize("case", suiting.MIXED, ids=lambda case: case.name)
def test_endpoints_of_several_suites_under_one_arrangement(case: Case) -> None:
    must_answer(case, builders.mixed())


@pytest.mark.parametrize("suite", suiting.OTHERS)
@pytest.mark.parametrize("case", opening.OPENING, ids=lambda case: case.name)
def test_opening_is_answered_alike_in_each_suite(suite: SuiteId, case: Opening) -> None:
    world = builders.world(suite)
    found = opened(case.make(world), list(world.openers[case.recipient]))
    if isinstance(found, Refusal):
        assert (found.code, found.at) == (case.code, case.at)
    else:
        assert case.code is None
        assert found.text == TEXT


def test_common_cases_that_are_left_out_exist() -> None:
    """Else a case renamed would be left out in silence."""
    every = {case.name for case in suiting.common("xb1-h")}
    for left_out in (*suiting.NOT_OF.values(), suiting.WRITTEN):
        assert left_out <= every


@pytest.mark.parametrize("endpoint", [OPS, WATCH, COAST])
def test_each_recipient_opens_with_its_key_of_the_sender_s_suite(endpoint: str) -> None:
    world = builders.mixed()
    to = sorted({OPS, WATCH, COAST} - {endpoint})
    envelope = world.envelope(endpoint=endpoint, to=to)
    for recipient in to:
        found = opened(envelope, list(world.openers[recipient]))
        assert not isinstance(found, Refusal)
        assert found.text == TEXT


def test_sender_is_given_the_recipient_s_key_of_its_own_suite() -> None:
    view = builders.mixed().view
    for suite in SUITES.values():
        assert view.sealing_key(WATCH, suite.wrap, NOW).jwk.alg == suite.wrap


def test_commitment_and_context_are_of_the_suite_s_hash() -> None:
    sizes = {suite: len(bodies.commitment(b"", b"", suite)) for suite in SUITES}
    assert sizes == {"xb1-h": 43, "xb1-c": 64, "xb1-ch": 64}
    infos = {suite: len(bodies.wrap_info(b"", suite)) for suite in SUITES}
    prefix = len(b"JOSE-HPKE rcpt\xffA256GCM\xff")
    assert infos == {"xb1-h": prefix + 32, "xb1-c": prefix + 48, "xb1-ch": prefix + 48}


@pytest.mark.parametrize("suite", SUITES)
def test_keys_of_a_suite_come_back_from_their_seeds(suite: SuiteId) -> None:
    signing, again = (new_signing(suite, Randomness("seed")) for _ in range(2))
    assert SoftwareSigner.of(signing).suite == suite
    assert SoftwareSigner.of(signing).keys == SoftwareSigner.of(again).keys
    for secret in signing:
        check_signature_key(load(secret)[0])
    wrapping = SoftwareOpener(new_opening(suite, Randomness("seed")))
    assert wrapping.key == SoftwareOpener(new_opening(suite, Randomness("seed"))).key
    check_wrap_key(wrapping.key)
    assert wrapping.key.alg == SUITES[suite].wrap


def test_suite_is_told_from_the_algorithms_of_all_keys_in_order() -> None:
    assert suite_of(["ES384", "ML-DSA-87"]) is SUITES["xb1-ch"]
    assert suite_of(["ML-DSA-87"]) is SUITES["xb1-c"]
    for none in (["ML-DSA-87", "ES384"], ["ES384"], ["Ed25519", "ML-DSA-87"], []):
        assert suite_of(none) is None
    with pytest.raises(ValueError, match="no suite"):
        SoftwareSigner.of(new_signing("xb1-ch", Randomness("x"))[:1])


@pytest.mark.parametrize(
    "secret",
    [
        SecretKey("HPKE-13-KE", bytes(32)),
        SecretKey("HPKE-10-KE", bytes(64)),
        SecretKey("HPKE-9-KE", bytes(31)),
        SecretKey("HPKE-0-KE", bytes(32)),
    ],
)
def test_seed_of_another_length_opens_nothing(secret: SecretKey) -> None:
    with pytest.raises(ValueError, match="no encryption key"):
        SoftwareOpener(secret)


def test_bulletin_is_sealed_by_its_signer_s_suite_to_keys_of_it() -> None:
    world = builders.mixed()
    header, signer = world.header(to=[WATCH]), world.signers[OPS]
    with pytest.raises(ValueError, match="wraps to keys of"):
        close(TEXT, header, [world.key(WATCH, "xb1-h")], signer, Randomness("x"))
    with pytest.raises(ValueError, match="signer's suite"):
        close(TEXT, header, [world.key(WATCH, "xb1-ch")], world.signers[COAST], Randomness("x"))


# -- ES384 -------------------------------------------------------------------------------------

SECRET = es384.PrivateKey((7).to_bytes(48))
PUBLIC = es384.PublicKey.from_public_bytes(b"\x04" + b"".join(SECRET.point))


@given(st.binary(max_size=200))
def test_es384_signs_with_the_lower_s_and_always_alike(data: bytes) -> None:
    signature = SECRET.sign(data)
    assert signature == SECRET.sign(data)
    assert len(signature) == 96
    assert int.from_bytes(signature[48:]) <= es384.ORDER // 2
    PUBLIC.verify(signature, data)
    with pytest.raises(InvalidSignature):
        PUBLIC.verify(signature, data + b"x")


def test_order_is_the_curve_s() -> None:
    """The scalar one below the order gives the generator, mirrored."""
    one, last = (
        ec.derive_private_key(d, ec.SECP384R1()).public_key().public_numbers()
        for d in (1, es384.ORDER - 1)
    )
    assert (one.x, one.y) == (last.x, 2**384 - 2**128 - 2**96 + 2**32 - 1 - last.y)


def test_high_s_verifies_elsewhere_and_never_here() -> None:
    signature = SECRET.sign(b"x")
    s = int.from_bytes(signature[48:])
    high = signature[:48] + (es384.ORDER - s).to_bytes(48)
    key = ec.derive_private_key(7, ec.SECP384R1()).public_key()
    key.verify(
        encode_dss_signature(int.from_bytes(high[:48]), es384.ORDER - s),
        b"x",
        ec.ECDSA(SHA384()),
    )
    with pytest.raises(InvalidSignature):
        PUBLIC.verify(high, b"x")


@pytest.mark.parametrize(
    "seed", [bytes(48), es384.ORDER.to_bytes(48), b"\1" * 47, b"\0" + b"\1" * 48]
)
def test_scalar_outside_the_group_is_no_key(seed: bytes) -> None:
    with pytest.raises(ValueError):
        es384.PrivateKey(seed)
