"""Signed objects: General JSON JWS with exactly a suite's signatures, in order, strictly read.

The bytes are the truth: what is verified is what was received. Nothing is encoded again.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import msgspec
from cryptography.exceptions import InvalidSignature

from exchange.errors import Code, Refusal
from exchange.model import codec
from exchange.model.identity import digest
from exchange.seal.suites import SUITES, verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.model.identity import Jwk, Signatory, SuiteId
    from exchange.model.view import Standing

MAX_SIGNATURES = 64
_PLACES = tuple(f"/signatures/{place}" for place in range(MAX_SIGNATURES))
# The one spelling: what stands before and around payload, protected headers and signatures.
_BEFORE = len('{"payload":"","signatures":[')
_FIRST, _EACH = b'{"protected":"', len('{"protected":"","signature":""},')
# Ours have 140 characters; protects the memory of the cache below.
_MAX_PROTECTED = 256


class _Protected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alg: str
    kid: str
    typ: str


class _Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    protected: str
    signature: str


class _General(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    payload: str
    signatures: list[_Signature]


_PROTECTED = msgspec.json.Decoder(_Protected)
_GENERAL = msgspec.json.Decoder(_General)


class Claim(msgspec.Struct, frozen=True):
    """One signature as it claims to be: by which key, of which algorithm, over which bytes."""

    alg: str
    kid: str
    protected: str
    payload: str
    signature: bytes
    at: str

    @property
    def signed(self) -> bytes:
        """The bytes that the signature is over, as they were received."""
        return f"{self.protected}.{self.payload}".encode()


class Signed(msgspec.Struct, frozen=True):
    """A signed object, read but not verified."""

    typ: str
    payload: bytes
    claims: tuple[Claim, ...]
    digest: str
    size: int


class Signer(Protocol):
    """Holds the private keys of one signatory: a file, a token, or a device.

    May be slow. Must sign with the key of exactly that place, or raise ``Fault``.
    """

    @property
    def suite(self) -> SuiteId:
        """The suite whose algorithms the keys follow."""

    @property
    def keys(self) -> Sequence[Jwk]:
        """The public keys, in the suite's order."""

    def sign(self, place: int, data: bytes) -> bytes:
        """Return the signature over ``data`` by the key at ``place``."""


@lru_cache(maxsize=16_384)
def _protected(text: str) -> _Protected:
    if len(text) > _MAX_PROTECTED:
        raise Refusal(Code.OVERSIZED, limit=_MAX_PROTECTED, found=len(text))
    # Cached by text: a directory key signs many objects under one and the same header.
    return codec.decode_closed(codec.unb64(text), _PROTECTED, lambda _: 3)


def read(raw: bytes, limit: int) -> Signed:
    """Read a signed object strictly, without judging it.

    Args:
        raw: the bytes as received.
        limit: how many bytes it may have.

    Raises:
        Refusal: what is wrong and where.
    """
    if len(raw) > limit:
        raise Refusal(Code.OVERSIZED, limit=limit, found=len(raw))
    general = codec.decode_any(raw, _GENERAL)
    is_one_spelling = _is_one_spelling(raw, general)
    if not is_one_spelling:
        # The one spelling has no room for escapes, nor for a second member of a name.
        codec.must_be_closed(raw, 2 + 2 * len(general.signatures))
    if not 1 <= len(general.signatures) <= MAX_SIGNATURES:
        raise Refusal(Code.SIGNATURE_COUNT, "/signatures", found=len(general.signatures))
    payload = codec.unb64(general.payload, "/payload")
    claims, typs = [], set()
    for signature, at in zip(general.signatures, _PLACES, strict=False):
        text, told = signature.protected, _protected_at(signature.protected, at)
        held = codec.unb64(signature.signature, f"{at}/signature")
        claims.append(Claim(told.alg, told.kid, text, general.payload, held, at))
        typs.add(told.typ)
    if len(typs) != 1:
        raise Refusal(Code.UNKNOWN_OBJECT, "/signatures")
    if not is_one_spelling:
        raise Refusal(Code.MALFORMED, expected="compact-json")
    return Signed(typs.pop(), payload, tuple(claims), digest(raw), len(raw))


def must_be(signed: Signed, typ: str, limit: int) -> None:
    """Hold an object to its kind: a payload signed as one thing is never taken for another.

    Raises:
        Refusal: ``oversized`` or ``unknown-object``.
    """
    if signed.size > limit:
        raise Refusal(Code.OVERSIZED, limit=limit, found=signed.size)
    if signed.typ != typ:
        raise Refusal(Code.UNKNOWN_OBJECT, "/signatures/0/protected", found=signed.typ[:48])


def _is_one_spelling(raw: bytes, general: _General) -> bool:
    """Tell whether there is no white space, and each member stands once and in its place.

    Otherwise the same signatures would be good for other bytes, and so for other digests.
    Strings are at least as long in the bytes as their texts are, longer where anything is
    escaped or not ASCII: so what is left is exactly as much as names and marks take. With the
    signatures before the payload, none of them would stand where the first is looked for.
    """
    end = _BEFORE + len(general.payload)
    for each in general.signatures:
        if not raw.startswith(_FIRST, end):
            return False
        end += _EACH + len(each.protected) + len(each.signature)
    # A comma was counted after each signature, where the last has bracket and brace.
    return end == len(raw) - 1


def _protected_at(text: str, at: str) -> _Protected:
    try:
        return _protected(text)
    except Refusal as refusal:
        raise Refusal(refusal.code, f"{at}/protected{refusal.at}") from None


def verify(claims: Sequence[Claim], suite: SuiteId, key_of: Callable[[Claim], Jwk]) -> None:
    """Verify every signature that the suite requires, in the suite's order.

    Args:
        claims: the signatures of one signatory.
        suite: the suite that the directory allows this signatory, not what the object says.
        key_of: returns the directory's key for a claim, valid for signing now, or refuses.

    Raises:
        Refusal: ``signature-count``, ``signature-order``, ``bad-signature``, or what
            ``key_of`` raises.
    """
    algorithms = SUITES[suite].signatures
    # Stock libraries accept a message whose post-quantum signature was stripped. Not here.
    if len(claims) != len(algorithms):
        raise Refusal(
            Code.SIGNATURE_COUNT,
            "/signatures",
            expected=len(algorithms),
            found=len(claims),
        )
    for claim, algorithm in zip(claims, algorithms, strict=True):
        if claim.alg != algorithm.name:
            raise Refusal(
                Code.SIGNATURE_ORDER,
                claim.at,
                expected=algorithm.name,
                found=claim.alg[:32],
            )
    keys = [key_of(claim) for claim in claims]
    for claim, key in zip(claims, keys, strict=True):
        # The key says which algorithm it is of; the message alone never decides.
        if key.alg != claim.alg:
            raise Refusal(Code.KEY_NOT_VALID, claim.at, kid=claim.kid)
        try:
            verifier(key).verify(claim.signature, claim.signed)
        except InvalidSignature:
            raise Refusal(Code.BAD_SIGNATURE, claim.at, kid=claim.kid) from None


def verify_by(signed: Signed, standing: Standing, now: int) -> None:
    """Verify an object as its endpoint's, under the keys that the directory holds now.

    Raises:
        Refusal: as ``verify``, and ``unknown-key`` or ``key-not-valid``.
    """

    def key_of(claim: Claim) -> Jwk:
        return standing.signing_key(claim.kid, now, claim.at).jwk

    verify(signed.claims, standing.endpoint.suite, key_of)


def verify_by_signatory(signed: Signed, signatory: Signatory, suite: SuiteId) -> None:
    """Verify an object as signed by one whose keys a trust document lists, such as a node.

    Raises:
        Refusal: as ``verify``, and ``unknown-key``.
    """
    keys = {key.kid: key for key in signatory.keys}

    def key_of(claim: Claim) -> Jwk:
        if claim.kid not in keys:
            raise Refusal(Code.UNKNOWN_KEY, claim.at, kid=claim.kid[:64])
        return keys[claim.kid]

    verify(signed.claims, suite, key_of)


def sign(payload: bytes, typ: str, signers: Sequence[Signer]) -> bytes:
    """Sign a payload by each signer, every algorithm of its suite, in order.

    Returns:
        The object's bytes, without a line feed: what is sent, stored and hashed.
    """
    text = codec.b64(payload)
    signatures = []
    for signer in signers:
        for place, key in enumerate(signer.keys):
            protected = codec.b64(
                msgspec.json.encode(_Protected(alg=key.alg, kid=key.kid, typ=typ))
            )
            signature = signer.sign(place, f"{protected}.{text}".encode())
            signatures.append(_Signature(protected, codec.b64(signature)))
    return msgspec.json.encode(_General(text, signatures))
