"""Weak and malformed public keys are refused when they are enrolled.

Why it matters: an Ed25519 signature (R, s) holds when s*B = R + k*A. Under a key A of small
order, k*A takes at most eight values, so R = -k*A with s = 0 holds for one message in eight at
the worst, and for every message under A = 1. The library loads such keys.
"""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import Code, Refusal
from exchange.model.codec import b64
from exchange.model.identity import Jwk
from exchange.seal.suites import SUITES, check_signature_key, check_wrap_key
from tests import builders
from tests.builders import OPS

WORLD = builders.world()
P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
ORDER = 2**252 + 27742317777372353535851937790883648493
Point = tuple[int, int]
IDENTITY: Point = (0, 1)


def add(one: Point, two: Point) -> Point:
    """Twisted Edwards addition (RFC 8032, section 5.1.4), in affine coordinates."""
    (x1, y1), (x2, y2) = one, two
    both = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + both, -1, P) % P
    y = (y1 * y2 + x1 * x2) * pow(1 - both, -1, P) % P
    return x, y


def times(scalar: int, point: Point) -> Point:
    result = IDENTITY
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def on_curve(y: int) -> Point | None:
    """The point with this y and an even x, if there is one."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square:
        return None
    return (x if x % 2 == 0 else P - x), y


def small_order() -> set[Point]:
    """All eight points of the torsion group: multiples of an eighth root of the identity."""
    for y in range(2, 100):
        point = on_curve(y)
        root = times(ORDER, point) if point else IDENTITY
        if times(4, root) != IDENTITY:
            return {times(n, root) for n in range(8)}
    raise AssertionError


def encodings() -> list[bytes]:
    """Every way to write a point of small order: both signs, and y not reduced."""
    ys = {y for _, y in small_order()}
    ys |= {y + P for y in ys if y + P < 2**255}
    return [(y | sign << 255).to_bytes(32, "little") for y in sorted(ys) for sign in (0, 1)]


def jwk(raw: bytes) -> Jwk:
    return Jwk(kty="OKP", alg="Ed25519", crv="Ed25519", x=b64(raw))


def test_torsion_group_has_eight_points() -> None:
    points = small_order()
    assert len(points) == 8
    assert all(times(8, point) == IDENTITY for point in points)
    assert len(encodings()) == 14


@pytest.mark.parametrize("raw", encodings(), ids=bytes.hex)
def test_point_of_small_order_is_refused(raw: bytes) -> None:
    with pytest.raises(Refusal) as refusal:
        check_signature_key(jwk(raw), "/jwk")
    assert (refusal.value.code, refusal.value.at) == (Code.WEAK_KEY, "/jwk")


@pytest.mark.parametrize("above", range(19))
@pytest.mark.parametrize("sign", [0, 1])
def test_number_that_is_not_reduced_is_refused(above: int, sign: int) -> None:
    raw = (P + above | sign << 255).to_bytes(32, "little")
    with pytest.raises(Refusal) as refusal:
        check_signature_key(jwk(raw))
    assert refusal.value.code == Code.WEAK_KEY


def test_one_signature_fits_every_message_under_a_weak_key() -> None:
    """What the check keeps out: the library verifies this."""
    identity = (1).to_bytes(32, "little")
    signature = identity + bytes(32)  # R = 1, s = 0
    weak = Ed25519PublicKey.from_public_bytes(identity)
    for message in (b"board", b"do not approach"):
        weak.verify(signature, message)
    sound = Ed25519PublicKey.from_public_bytes(
        builders.unpadded(WORLD.signers[OPS].keys[0].x or "")
    )
    with pytest.raises(InvalidSignature):
        sound.verify(signature, b"board")


@pytest.mark.parametrize("place", [0, 1])
def test_sound_key_is_let_in(place: int) -> None:
    check_signature_key(WORLD.signers[OPS].keys[place])


@given(st.binary(min_size=32, max_size=32))
def test_any_32_bytes_are_a_key_or_refused(raw: bytes) -> None:
    try:
        check_signature_key(jwk(raw))
    except Refusal:
        return
    Ed25519PublicKey.from_public_bytes(raw)


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (Jwk(kty="OKP", alg="Ed25519", crv="Ed25519"), Code.MISSING_MEMBER),
        (Jwk(kty="OKP", alg="Ed25519", x="A" * 43), Code.WRONG_VALUE),
        (Jwk(kty="AKP", alg="Ed25519", pub="A" * 43), Code.WRONG_VALUE),
        (Jwk(kty="OKP", alg="ML-DSA-65", crv="Ed25519", x="A" * 43), Code.WRONG_VALUE),
        (Jwk(kty="AKP", alg="ML-DSA-65", crv="Ed25519", pub="AAAA"), Code.WRONG_VALUE),
        (Jwk(kty="AKP", alg="none", pub="AAAA"), Code.WRONG_VALUE),
        (Jwk(kty="AKP", alg="ML-DSA-65", pub="AAA="), Code.BAD_BASE64),
        (Jwk(kty="AKP", alg="ML-DSA-65", pub="AAAA", x="AAAA"), Code.UNKNOWN_MEMBER),
    ],
)
def test_malformed_signature_key_is_refused(key: Jwk, code: Code) -> None:
    with pytest.raises(Refusal) as refusal:
        check_signature_key(key)
    assert refusal.value.code == code


SUITE = SUITES["xb1-h"]
WRAP = WORLD.key(OPS)
RAW = builders.unpadded(WRAP.pub or "")
# u-coordinates of small order on Curve25519 (RFC 7748, section 6.1; the order-8 ones by
# Bernstein, "Curve25519", section on small subgroups).
SMALL_U = [
    (0).to_bytes(32, "little"),
    (1).to_bytes(32, "little"),
    (P - 1).to_bytes(32, "little"),
    P.to_bytes(32, "little"),
    (P + 1).to_bytes(32, "little"),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
]


@pytest.mark.parametrize("raw", SMALL_U, ids=bytes.hex)
def test_encryption_key_whose_curve_half_is_weak_is_refused(raw: bytes) -> None:
    X25519PublicKey.from_public_bytes(raw)  # loading lets it pass
    weak = Jwk(kty="AKP", alg=WRAP.alg, pub=b64(RAW[:-32] + raw))
    with pytest.raises(Refusal) as refusal:
        check_wrap_key(weak, "/jwk")
    assert (refusal.value.code, refusal.value.at) == (Code.WEAK_KEY, "/jwk")


def test_encryption_key_whose_lattice_half_is_malformed_is_refused() -> None:
    bad = Jwk(kty="AKP", alg=WRAP.alg, pub=b64(b"\xff" * 1184 + RAW[-32:]))
    with pytest.raises(Refusal) as refusal:
        check_wrap_key(bad)
    assert refusal.value.code == Code.WEAK_KEY
    check_wrap_key(WRAP)


@pytest.mark.parametrize(
    "key",
    [
        Jwk(kty="OKP", alg=WRAP.alg, x=WRAP.pub),
        Jwk(kty="AKP", alg="HPKE-0-KE", pub=WRAP.pub),
        Jwk(kty="AKP", alg=WRAP.alg, crv="Ed25519", pub=WRAP.pub),
        Jwk(kty="AKP", alg=WRAP.alg, pub=b64(RAW[:-1])),
    ],
)
def test_malformed_encryption_key_is_refused(key: Jwk) -> None:
    with pytest.raises(Refusal) as refusal:
        check_wrap_key(key)
    assert refusal.value.code == Code.WRONG_VALUE
