"""Lattice keys that protect nothing: tried by doing what only the secret's holder should.

ML-DSA and ML-KEM allow for noise. Where the public t is so small, or so near to a multiple of
the modulus, that the noise swallows it, nothing secret is needed: anybody signs, anybody opens.
Honest keys are never so; loading does not look. A key may be worthless in other ways too (its
holder can publish the secret), which no look at it can find.
"""

from __future__ import annotations

from hashlib import sha3_256, sha3_512, shake_256
from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import mldsa, mlkem

if TYPE_CHECKING:
    from collections.abc import Callable

    MlDsa = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
    MlKem = mlkem.MLKEM768PublicKey | mlkem.MLKEM1024PublicKey

_N = 256  # coefficients of a polynomial, in both standards


class _Parameters(NamedTuple):
    """FIPS 204, table 1; in bits what one coefficient of z, and one of w1, is packed in."""

    challenge_bytes: int  # lambda / 4
    k: int
    l: int  # noqa: E741 - the standard's letter
    omega: int
    z_bits: int  # 1 + bitlen(gamma1 - 1)
    w1_bits: int  # bitlen((q - 1) / (2 gamma2) - 1)
    load: Callable[[bytes], MlDsa]


# By the size of the public key (FIPS 204, table 2).
_ML_DSA = {
    1312: _Parameters(32, 4, 4, 80, 18, 6, mldsa.MLDSA44PublicKey.from_public_bytes),
    1952: _Parameters(48, 6, 5, 55, 20, 4, mldsa.MLDSA65PublicKey.from_public_bytes),
    2592: _Parameters(64, 8, 7, 75, 20, 4, mldsa.MLDSA87PublicKey.from_public_bytes),
}
_Q = 3329  # FIPS 203, section 2.4
# d_v by the size of the encapsulation key (FIPS 203, tables 2 and 3).
_ML_KEM: dict[int, tuple[int, Callable[[bytes], MlKem]]] = {
    1184: (4, mlkem.MLKEM768PublicKey.from_public_bytes),
    1568: (5, mlkem.MLKEM1024PublicKey.from_public_bytes),
}


def signs_for_anybody(public: bytes) -> bool:
    """Tell whether a signature made without the secret verifies under this key.

    It has z = 0 and no hints, so the verifier computes w1 = HighBits(-c * t1 * 2^d); the forger
    guesses that this is zero, which c must then be made from (FIPS 204, algorithm 8).
    """
    text = b"exchange: anybody"
    try:
        _ML_DSA[len(public)].load(public).verify(_forged(public, text), text)
    except InvalidSignature:
        return False
    return True


def _forged(public: bytes, text: bytes) -> bytes:
    its = _ML_DSA[len(public)]
    # Algorithm 3, line 5, with an empty context; algorithm 8, lines 6, 7 and 12.
    mu = shake_256(shake_256(public).digest(64) + b"\0\0" + text).digest(64)
    w1 = bytes(its.k * _N * its.w1_bits // 8)
    challenge = shake_256(mu + w1).digest(its.challenge_bytes)
    # Zero is packed as gamma1 - 0, one bit at the top (algorithm 17); no hints as zeros (20).
    z = int(("1" + "0" * (its.z_bits - 1)) * (its.l * _N), 2)
    packed = z.to_bytes(its.l * _N * its.z_bits // 8, "little")
    return challenge + packed + bytes(its.omega + its.k)


def opens_for_anybody(public: bytes) -> bool:
    """Tell whether a secret wrapped to this key can be read from the ciphertext alone.

    Decryption takes s * u from v and rounds (FIPS 203, algorithm 15); here nothing is taken, as
    if s were zero. What is left beside the message is t * y + e2.

    Raises:
        ValueError: it is no key: a coefficient is not reduced.
    """
    bits, load = _ML_KEM[len(public)]
    secret, ciphertext = load(public).encapsulate()
    v = int.from_bytes(ciphertext[-_N * bits // 8 :], "little")
    message = 0
    for place in range(_N):
        value = (v >> bits * place) % 2**bits
        # Decompress, then compress to one bit (equations 4.8 and 4.7).
        coefficient = (value * _Q + 2 ** (bits - 1)) >> bits
        message |= (4 * coefficient + _Q) // (2 * _Q) % 2 << place
    # Algorithm 17, line 1: G(m || H(ek)).
    seen = message.to_bytes(_N // 8, "little") + sha3_256(public).digest()
    return sha3_512(seen).digest()[:32] == secret
