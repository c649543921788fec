"""Custodians' and nodes' keys as TUF spells them, and signatures over TUF metadata.

Any TUF client verifies what is signed here with its own library: Ed25519 and ECDSA over the
canonical bytes (the latter in DER), ML-DSA over their digest, as TAP 21 says.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha512
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from exchange.errors import Code, Refusal
from exchange.model import metadata
from exchange.model.codec import b64
from exchange.model.identity import Jwk
from exchange.model.metadata import File, Key, KeyValue, Named, Signature
from exchange.seal import es384
from exchange.seal.suites import raw_public

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exchange.model.metadata import Signed
    from exchange.seal.jws import Signer

_COORDINATE = es384.COORDINATE_BYTES


@lru_cache(maxsize=4096)
def key_of(jwk: Jwk) -> Key:
    """Return a signature key as TUF spells it.

    Raises:
        ValueError: it is of no algorithm that metadata is signed by.
    """
    raw = raw_public(jwk)
    match jwk.alg:
        case "Ed25519":
            return Key("ed25519", KeyValue(raw.hex()), "ed25519")
        case "ES384":
            point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), raw)
            return Key("ecdsa", KeyValue(_pem(point)), "ecdsa-sha2-nistp384")
        case "ML-DSA-65":
            key = mldsa.MLDSA65PublicKey.from_public_bytes(raw)
            return Key("ml-dsa", KeyValue(_pem(key)), "ml-dsa-65/1")
        case "ML-DSA-87":
            large = mldsa.MLDSA87PublicKey.from_public_bytes(raw)
            return Key("ml-dsa", KeyValue(_pem(large)), "ml-dsa-87/1")
        case _:
            message = f"metadata is not signed by {jwk.alg}"
            raise ValueError(message)


def _pem(
    key: ec.EllipticCurvePublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey,
) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@lru_cache(maxsize=4096)
def _jwk_of(key: Key) -> Jwk | None:
    """Return the key as it is spelled elsewhere; None where this is not its one spelling."""
    try:
        if key.keytype == "ed25519":
            raw = bytes.fromhex(key.keyval.public)
            jwk = Jwk("OKP", "Ed25519", "Ed25519", x=b64(raw))
        else:
            jwk = _of_pem(key.keyval.public)
        return jwk if key_of(jwk) == key else None
    except (ValueError, UnsupportedAlgorithm):
        return None


def _of_pem(text: str) -> Jwk:
    match load_pem_public_key(text.encode()):
        case mldsa.MLDSA65PublicKey() as key:
            return Jwk("AKP", "ML-DSA-65", pub=b64(key.public_bytes_raw()))
        case mldsa.MLDSA87PublicKey() as key:
            return Jwk("AKP", "ML-DSA-87", pub=b64(key.public_bytes_raw()))
        case ec.EllipticCurvePublicKey() as key if isinstance(key.curve, ec.SECP384R1):
            point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
            x, y = point[:_COORDINATE], point[_COORDINATE:]
            return Jwk("EC", "ES384", "P-384", x=b64(x), y=b64(y))
        case _:
            raise ValueError


def jwk_of(keyid: str, key: Key, at: str) -> Jwk:
    """Return a key of metadata, held to its one spelling and its id.

    Raises:
        Refusal: ``wrong-value``.
    """
    jwk = _jwk_of(key)
    if jwk is None or key.keyid != keyid:
        raise Refusal(Code.WRONG_VALUE, f"{at}/keys", found=keyid)
    return jwk


def named(name: str, keys: Iterable[Jwk]) -> Named:
    """Return how a role lists one who signs it."""
    return Named([key_of(each).keyid for each in keys], name)


def check_spelling(place: int, keytype: str, signature: bytes) -> None:
    """Refuse the second of the signatures that ECDSA lets anybody make of one.

    Raises:
        Refusal: ``bad-signature``.
    """
    if keytype != "ecdsa":
        return
    try:
        r, s = decode_dss_signature(signature)
        is_one = s <= es384.ORDER // 2 and encode_dss_signature(r, s) == signature
    except ValueError:
        is_one = False
    if not is_one:
        raise Refusal(Code.BAD_SIGNATURE, f"/signatures/{place}")


def sign(signed: Signed, signers: Sequence[Signer]) -> bytes:
    """Return a metadata file, signed by each of these with every key, in their order."""
    payload = metadata.canonical(metadata.encode(signed))
    return metadata.encode(File(signatures(payload, signers), signed))


def signatures(payload: bytes, signers: Iterable[Signer]) -> list[Signature]:
    """Return the signatures of each of these over a file's bytes, in order."""
    return [
        Signature(key_of(key).keyid, _signature(signer, place, key, payload).hex())
        for signer in signers
        for place, key in enumerate(signer.keys)
    ]


def _signature(signer: Signer, place: int, key: Jwk, payload: bytes) -> bytes:
    if key.kty == "AKP":
        # TAP 21, version 1: what is signed names its purpose, and is short.
        return signer.sign(place, b"tuf\x01" + sha512(payload).digest())
    signature = signer.sign(place, payload)
    if key.alg != "ES384":
        return signature
    r, s = signature[:_COORDINATE], signature[_COORDINATE:]
    return encode_dss_signature(int.from_bytes(r), int.from_bytes(s))
