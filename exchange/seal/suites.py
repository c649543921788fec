"""The suites: which algorithms, all of them and in which order, one identifier stands for."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256, sha384
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem, x25519

from exchange.errors import Code, Refusal
from exchange.model.codec import unb64
from exchange.seal import es384, lattice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.model.identity import Jwk, SuiteId


WrapKey = hpke.MLKEM768X25519PublicKey | mlkem.MLKEM1024PublicKey | hpke.MLKEM1024P384PublicKey


class Verifier(Protocol):
    """A loaded public key: raises ``InvalidSignature``, never returns False."""

    def verify(self, signature: bytes, data: bytes, /) -> None:
        """Raise unless the signature is of exactly these bytes by this key."""


class Hash(Protocol):
    """A hash that was given all its input."""

    def digest(self) -> bytes:
        """Return its value."""


class SignatureAlgorithm(NamedTuple):
    """One signature algorithm by its JOSE name; sizes in bytes."""

    name: str
    kty: str
    crv: str | None
    public_bytes: int
    seed_bytes: int
    load: Callable[[bytes], Verifier]


class Suite(NamedTuple):
    """What one suite identifier means. Every signature algorithm is required, in this order.

    ``hash`` makes what a signature says of the content: the commitment, and the context that
    keys are wrapped in. Names (digests of headers, blobs, keys) are SHA-256 in every suite.
    """

    id: SuiteId
    signatures: tuple[SignatureAlgorithm, ...]
    wrap: str
    wrap_public_bytes: int
    wrap_seed_bytes: int
    load_wrap: Callable[[bytes], WrapKey]
    kem: hpke.KEM
    hpke: hpke.Suite
    hash: Callable[[bytes], Hash]


ED25519 = SignatureAlgorithm(
    "Ed25519", "OKP", "Ed25519", 32, 32, ed25519.Ed25519PublicKey.from_public_bytes
)
ES384 = SignatureAlgorithm(
    "ES384",
    "EC",
    "P-384",
    es384.PUBLIC_BYTES,
    es384.COORDINATE_BYTES,
    es384.PublicKey.from_public_bytes,
)
ML_DSA_44 = SignatureAlgorithm(
    "ML-DSA-44", "AKP", None, 1312, 32, mldsa.MLDSA44PublicKey.from_public_bytes
)
ML_DSA_65 = SignatureAlgorithm(
    "ML-DSA-65", "AKP", None, 1952, 32, mldsa.MLDSA65PublicKey.from_public_bytes
)
ML_DSA_87 = SignatureAlgorithm(
    "ML-DSA-87", "AKP", None, 2592, 32, mldsa.MLDSA87PublicKey.from_public_bytes
)

_ML_KEM_768_BYTES = 1184
_ML_KEM_1024_BYTES = 1568


def _x_wing(raw: bytes) -> hpke.MLKEM768X25519PublicKey:
    return hpke.MLKEM768X25519PublicKey(
        mlkem.MLKEM768PublicKey.from_public_bytes(raw[:_ML_KEM_768_BYTES]),
        x25519.X25519PublicKey.from_public_bytes(raw[_ML_KEM_768_BYTES:]),
    )


def _ml_kem_1024_p384(raw: bytes) -> hpke.MLKEM1024P384PublicKey:
    point = raw[_ML_KEM_1024_BYTES:]
    return hpke.MLKEM1024P384PublicKey(
        mlkem.MLKEM1024PublicKey.from_public_bytes(raw[:_ML_KEM_1024_BYTES]),
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), point),
    )


def _hpke(kem: hpke.KEM) -> hpke.Suite:
    # Every algorithm of draft-ietf-jose-hpke-pq-pqt derives with SHAKE256 (0x0011).
    return hpke.Suite(kem, hpke.KDF.SHAKE256, hpke.AEAD.AES_256_GCM)


SUITES: dict[SuiteId, Suite] = {
    "xb1-h": Suite(
        id="xb1-h",
        signatures=(ED25519, ML_DSA_65),
        wrap="HPKE-9-KE",
        wrap_public_bytes=_ML_KEM_768_BYTES + 32,
        wrap_seed_bytes=32,
        load_wrap=_x_wing,
        kem=hpke.KEM.MLKEM768_X25519,
        hpke=_hpke(hpke.KEM.MLKEM768_X25519),
        hash=sha256,
    ),
    "xb1-c": Suite(
        id="xb1-c",
        signatures=(ML_DSA_87,),
        wrap="HPKE-13-KE",
        wrap_public_bytes=_ML_KEM_1024_BYTES,
        wrap_seed_bytes=64,
        load_wrap=mlkem.MLKEM1024PublicKey.from_public_bytes,
        kem=hpke.KEM.MLKEM1024,
        hpke=_hpke(hpke.KEM.MLKEM1024),
        hash=sha384,
    ),
    "xb1-ch": Suite(
        id="xb1-ch",
        signatures=(ES384, ML_DSA_87),
        wrap="HPKE-10-KE",
        wrap_public_bytes=_ML_KEM_1024_BYTES + es384.PUBLIC_BYTES,
        wrap_seed_bytes=32,
        load_wrap=_ml_kem_1024_p384,
        kem=hpke.KEM.MLKEM1024_P384,
        hpke=_hpke(hpke.KEM.MLKEM1024_P384),
        hash=sha384,
    ),
}
# ML-DSA-44 signs checkpoints (C2SP), never bulletins: it is in no suite.
_SIGNATURES = {each.name: each for each in (ED25519, ES384, ML_DSA_44, ML_DSA_65, ML_DSA_87)}
_BY_WRAP = {each.wrap: each for each in SUITES.values()}


def suite_of(algorithms: Sequence[str]) -> Suite | None:
    """Return the suite whose signature algorithms these are, in order, if there is one.

    The algorithms are those of keys that the directory lists, never those that a message names.
    """
    named = tuple(algorithms)
    return next(
        (each for each in SUITES.values() if named == tuple(a.name for a in each.signatures)),
        None,
    )


def suite_of_wrap(wrap: str) -> Suite | None:
    """Return the suite whose keys are wrapped with this algorithm, if there is one."""
    return _BY_WRAP.get(wrap)


# y of every Ed25519 point of order 1, 2, 4 or 8. Under such a key one signature fits every
# message (RFC 8032 does not forbid them, and pyca loads them). A test derives the list.
_P = 2**255 - 19
_SMALL_ORDER_Y = frozenset(
    {
        0,
        1,
        _P - 1,
        int.from_bytes(
            bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
            "little",
        )
        & (2**255 - 1),
        int.from_bytes(
            bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
            "little",
        ),
    }
)


# The members that hold a key of each type; the thumbprint covers these and no other.
_HOLDS = {"OKP": ("x",), "EC": ("x", "y"), "AKP": ("pub",)}


def raw_public(jwk: Jwk, at: str = "") -> bytes:
    """Return a public key's bytes, whichever members hold them.

    Raises:
        Refusal: a member is missing, or is there that its type has no use for.
    """
    told = {"x": jwk.x, "y": jwk.y, "pub": jwk.pub}
    parts = []
    for name in _HOLDS[jwk.kty]:
        text = told.pop(name)
        if text is None:
            raise Refusal(Code.MISSING_MEMBER, f"{at}/{name}")
        parts.append(unb64(text, at))
    for name, text in told.items():
        if text is not None:
            # The thumbprint does not cover it: one key, one spelling.
            raise Refusal(Code.UNKNOWN_MEMBER, at, name=name)
    if jwk.kty != "EC":
        return parts[0]
    for name, part in zip(("x", "y"), parts, strict=True):
        if len(part) != es384.COORDINATE_BYTES:
            raise Refusal(Code.WRONG_VALUE, f"{at}/{name}", expected=es384.COORDINATE_BYTES)
    return b"\x04" + b"".join(parts)


@lru_cache(maxsize=16_384)
def verifier(jwk: Jwk) -> Verifier:
    """Load a signature key once; the directory vouched for it when the key was enrolled."""
    return _SIGNATURES[jwk.alg].load(raw_public(jwk))


@lru_cache(maxsize=16_384)
def wrap_key(jwk: Jwk) -> WrapKey:
    """Load a recipient's public key once: what comes first is ML-KEM's, then the curve's."""
    return _BY_WRAP[jwk.alg].load_wrap(raw_public(jwk))


def check_signature_key(jwk: Jwk, at: str = "") -> None:
    """Refuse a public key that is malformed, of another algorithm, or weak.

    Raises:
        Refusal: ``weak-key``, or what is malformed.
    """
    algorithm = _SIGNATURES.get(jwk.alg)
    if algorithm is None or (jwk.kty, jwk.crv) != (algorithm.kty, algorithm.crv):
        raise Refusal(Code.WRONG_VALUE, f"{at}/alg", found=jwk.alg)
    raw = raw_public(jwk, at)
    if len(raw) != algorithm.public_bytes:
        raise Refusal(Code.WRONG_VALUE, at, expected=algorithm.public_bytes, found=len(raw))
    if algorithm is ED25519:
        y = int.from_bytes(raw, "little") & (2**255 - 1)
        if y >= _P or y in _SMALL_ORDER_Y:
            raise Refusal(Code.WEAK_KEY, at)
    try:
        algorithm.load(raw)
    except ValueError:
        raise Refusal(Code.WEAK_KEY, at) from None
    if algorithm.kty == "AKP" and lattice.signs_for_anybody(raw):
        raise Refusal(Code.WEAK_KEY, at)


def check_wrap_key(jwk: Jwk, at: str = "") -> None:
    """Refuse an encryption key of no suite, malformed, or that nothing can be wrapped to.

    Raises:
        Refusal: ``weak-key``, or what is malformed.
    """
    suite = suite_of_wrap(jwk.alg)
    if suite is None or jwk.kty != "AKP" or jwk.crv is not None:
        expected = ", ".join(_BY_WRAP)
        raise Refusal(Code.WRONG_VALUE, f"{at}/alg", expected=expected, found=jwk.alg)
    raw = raw_public(jwk, at)
    if len(raw) != suite.wrap_public_bytes:
        raise Refusal(Code.WRONG_VALUE, at, expected=suite.wrap_public_bytes, found=len(raw))
    # X25519 takes u and u + p for one key, and ignores the top bit (RFC 7748, section 5): that
    # key would have several names.
    is_x_wing = suite.kem is hpke.KEM.MLKEM768_X25519
    if is_x_wing and int.from_bytes(raw[_ML_KEM_768_BYTES:], "little") >= _P:
        raise Refusal(Code.WEAK_KEY, at)
    try:
        # Wrapping once finds what loading lets pass, such as an X25519 point of small order.
        suite.hpke.encrypt(b"", wrap_key(jwk))
        # A hybrid must not rest on the curve alone.
        is_open = lattice.opens_for_anybody(
            raw[: _ML_KEM_768_BYTES if is_x_wing else _ML_KEM_1024_BYTES]
        )
    except ValueError:
        raise Refusal(Code.WEAK_KEY, at) from None
    if is_open:
        raise Refusal(Code.WEAK_KEY, at)
