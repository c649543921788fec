"""Lattice keys under which anybody signs or opens are refused when they are enrolled.

Each is made here as an attacker would, and shown to be open before it is shown to be refused.
"""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa, mlkem
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.errors import Code, Refusal
from exchange.model.codec import b64, unb64
from exchange.model.identity import Jwk
from exchange.seal import lattice
from exchange.seal.suites import SUITES, check_signature_key, check_wrap_key
from tests import builders
from tests.builders import OPS

ML_DSA: dict[str, Any] = {
    "ML-DSA-44": mldsa.MLDSA44PrivateKey,
    "ML-DSA-65": mldsa.MLDSA65PrivateKey,
    "ML-DSA-87": mldsa.MLDSA87PrivateKey,
}
LOAD: dict[str, Any] = {
    "ML-DSA-44": mldsa.MLDSA44PublicKey.from_public_bytes,
    "ML-DSA-65": mldsa.MLDSA65PublicKey.from_public_bytes,
    "ML-DSA-87": mldsa.MLDSA87PublicKey.from_public_bytes,
}
ML_KEM: dict[int, Any] = {1184: mlkem.MLKEM768PrivateKey, 1568: mlkem.MLKEM1024PrivateKey}
RHO = b"\x5a" * 32
P = 2**255 - 19
X_WING = unb64(builders.world().key(OPS).pub or "", "")


def honest(alg: str, seed: bytes = b"s" * 32) -> bytes:
    raw: bytes = ML_DSA[alg].from_seed_bytes(seed).public_key().public_bytes_raw()
    return raw


def t1_of(alg: str, t1: bytes) -> bytes:
    """A public key whose t1, packed in ten bits a coefficient, begins so and ends in zeros."""
    return RHO + t1.ljust(len(honest(alg)) - 32, b"\0")


def check(jwk: Jwk) -> None:
    (check_wrap_key if jwk.alg.startswith("HPKE") else check_signature_key)(jwk, "/jwk")


def must_be_refused(jwk: Jwk) -> None:
    with pytest.raises(Refusal) as refusal:
        check(jwk)
    assert (refusal.value.code, refusal.value.at) == (Code.WEAK_KEY, "/jwk")


SMALL_T1 = {
    "zero": b"",
    "one": b"\1",
    "last": bytes(1200) + b"\1",
    # t1 * 2^13 = 1023 * 8192 = q - 1: as small as -1.
    "all-ones": b"\xff" * 2560,
}


@pytest.mark.parametrize("name", SMALL_T1)
@pytest.mark.parametrize("alg", ML_DSA)
def test_key_under_which_anybody_signs_is_refused(alg: str, name: str) -> None:
    size = len(honest(alg)) - 32
    raw = t1_of(alg, SMALL_T1[name][:size])
    for text in (b"board", b"do not approach"):
        LOAD[alg](raw).verify(lattice._forged(raw, text), text)
    must_be_refused(Jwk(kty="AKP", alg=alg, pub=b64(raw)))


@settings(max_examples=30)
@given(seed=st.binary(min_size=32, max_size=32), alg=st.sampled_from(sorted(ML_DSA)))
def test_honest_signing_key_is_let_in(seed: bytes, alg: str) -> None:
    check(Jwk(kty="AKP", alg=alg, pub=b64(honest(alg, seed))))


def packed(*polynomials: list[int]) -> bytes:
    """Coefficients of twelve bits each (FIPS 203, algorithm 5)."""
    together = sum(
        value << 12 * place
        for place, value in enumerate(each for one in polynomials for each in one)
    )
    return together.to_bytes(384 * len(polynomials), "little")


ZERO, ONE, MINUS_ONE = [0] * 256, [1, 0] * 128, [3328, 0] * 128  # as NTT has constants


def small_t(size: int) -> dict[str, bytes]:
    k = (size - 32) // 384
    rest = [ZERO] * (k - 1)
    made = {"zero": (ZERO, *rest), "one": (ONE, *rest), "last": (*rest, MINUS_ONE)}
    made["every"] = (ONE,) * k
    return {name: packed(*each) + RHO for name, each in made.items()}


def wrapped(alg: str, half: bytes) -> Jwk:
    """An encryption key with this lattice half, and an honest half on the curve."""
    curve = {"HPKE-9-KE": X_WING[1184:], "HPKE-13-KE": b""}
    if alg == "HPKE-10-KE":
        hybrid = builders.world("xb1-ch").key(OPS)
        curve[alg] = unb64(hybrid.pub or "", "")[1568:]
    return Jwk(kty="AKP", alg=alg, pub=b64(half + curve[alg]))


SIZES = {"HPKE-9-KE": 1184, "HPKE-13-KE": 1568, "HPKE-10-KE": 1568}


@pytest.mark.parametrize("name", ["zero", "one", "last", "every"])
@pytest.mark.parametrize("alg", SIZES)
def test_key_to_which_anybody_opens_is_refused(alg: str, name: str) -> None:
    half = small_t(SIZES[alg])[name]
    assert all(lattice.opens_for_anybody(half) for _ in range(5))
    must_be_refused(wrapped(alg, half))


@pytest.mark.parametrize("alg", SIZES)
def test_honest_encryption_key_is_let_in(alg: str) -> None:
    assert SIZES.keys() == {suite.wrap for suite in SUITES.values()}
    for n in range(10):
        key = ML_KEM[SIZES[alg]].from_seed_bytes(bytes([n]) * 64)
        check(wrapped(alg, key.public_key().public_bytes_raw()))


@pytest.mark.parametrize("u", [P + 9, P + 18, 2**255 + 9, 2**256 - 1])
def test_second_spelling_of_an_x25519_half_is_refused(u: int) -> None:
    """9 is the base point: a sound key, but for the way it is written."""
    spelled = X_WING[:1184] + u.to_bytes(32, "little")
    must_be_refused(Jwk(kty="AKP", alg="HPKE-9-KE", pub=b64(spelled)))
    sound = X_WING[:1184] + (u % 2**255 % P).to_bytes(32, "little")
    check(Jwk(kty="AKP", alg="HPKE-9-KE", pub=b64(sound)))
