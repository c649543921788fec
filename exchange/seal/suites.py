"""The suites: which algorithms, all of them and in which order, one identifier stands for."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa, mlkem, x25519

from exchange.errors import Code, Refusal
from exchange.model.codec import unb64

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.model.identity import Jwk, SuiteId


class Verifier(Protocol):
    """A loaded public key: raises ``InvalidSignature``, never returns False."""

    def verify(self, signature: bytes, data: bytes, /) -> None:
        """Raise unless the signature is of exactly these bytes by this key."""


class SignatureAlgorithm(NamedTuple):
    """One signature algorithm by its JOSE name; sizes in bytes."""

    name: str
    kty: str
    public_bytes: int
    load: Callable[[bytes], Verifier]


class Suite(NamedTuple):
    """What one suite identifier means. Every signature algorithm is required, in this order."""

    id: SuiteId
    signatures: tuple[SignatureAlgorithm, ...]
    wrap: str
    wrap_public_bytes: int
    hpke: hpke.Suite
    kem: hpke.KEM


ED25519 = SignatureAlgorithm("Ed25519", "OKP", 32, ed25519.Ed25519PublicKey.from_public_bytes)
ML_DSA_65 = SignatureAlgorithm(
    "ML-DSA-65", "AKP", 1952, mldsa.MLDSA65PublicKey.from_public_bytes
)
ML_DSA_44 = SignatureAlgorithm(
    "ML-DSA-44", "AKP", 1312, mldsa.MLDSA44PublicKey.from_public_bytes
)

_ML_KEM_768_BYTES = 1184

SUITES: dict[SuiteId, Suite] = {
    "xb1-h": Suite(
        id="xb1-h",
        signatures=(ED25519, ML_DSA_65),
        wrap="HPKE-9-KE",
        wrap_public_bytes=_ML_KEM_768_BYTES + 32,
        hpke=hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.SHAKE256, hpke.AEAD.AES_256_GCM),
        kem=hpke.KEM.MLKEM768_X25519,
    )
}
# ML-DSA-44 signs checkpoints (C2SP), never bulletins: it is in no suite.
_SIGNATURES = {each.name: each for each in (ED25519, ML_DSA_65, ML_DSA_44)}

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


def raw_public(jwk: Jwk, at: str = "") -> bytes:
    """Return a public key's bytes, whichever member holds them."""
    text, other = (jwk.x, jwk.pub) if jwk.kty == "OKP" else (jwk.pub, jwk.x)
    if text is None:
        raise Refusal(Code.MISSING_MEMBER, f"{at}/{'x' if jwk.kty == 'OKP' else 'pub'}")
    if other is not None:
        # The thumbprint does not cover it: one key, one spelling.
        raise Refusal(Code.UNKNOWN_MEMBER, at, name="pub" if jwk.kty == "OKP" else "x")
    return unb64(text, at)


@lru_cache(maxsize=16_384)
def verifier(jwk: Jwk) -> Verifier:
    """Load a signature key once; the directory vouched for it when the key was enrolled."""
    return _SIGNATURES[jwk.alg].load(raw_public(jwk))


@lru_cache(maxsize=16_384)
def wrap_key(jwk: Jwk) -> hpke.MLKEM768X25519PublicKey:
    """Load a recipient's X-Wing public key: ML-KEM-768, then X25519."""
    raw = raw_public(jwk)
    return hpke.MLKEM768X25519PublicKey(
        mlkem.MLKEM768PublicKey.from_public_bytes(raw[:_ML_KEM_768_BYTES]),
        x25519.X25519PublicKey.from_public_bytes(raw[_ML_KEM_768_BYTES:]),
    )


def check_signature_key(jwk: Jwk, at: str = "") -> None:
    """Refuse a public key that is malformed, of another algorithm, or weak.

    Raises:
        Refusal: ``weak-key``, or what is malformed.
    """
    algorithm = _SIGNATURES.get(jwk.alg)
    if (
        algorithm is None
        or algorithm.kty != jwk.kty
        or (jwk.kty == "OKP") != (jwk.crv is not None)
    ):
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


def check_wrap_key(jwk: Jwk, suite: Suite, at: str = "") -> None:
    """Refuse an encryption key that is malformed or that nothing can be wrapped to."""
    if jwk.alg != suite.wrap or jwk.kty != "AKP" or jwk.crv is not None:
        raise Refusal(Code.WRONG_VALUE, f"{at}/alg", expected=suite.wrap, found=jwk.alg)
    raw = raw_public(jwk, at)
    if len(raw) != suite.wrap_public_bytes:
        raise Refusal(Code.WRONG_VALUE, at, expected=suite.wrap_public_bytes, found=len(raw))
    try:
        # Wrapping once finds what loading lets pass, such as an X25519 point of small order.
        suite.hpke.encrypt(b"", wrap_key(jwk))
    except ValueError:
        raise Refusal(Code.WEAK_KEY, at) from None
