"""The sealed body as a node sees it: whose keys are wrapped, and nothing more."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from exchange.errors import Code, Refusal
from exchange.model import codec
from exchange.model.header import MAX_RECIPIENTS, Blob
from exchange.model.identity import Digest, digest
from exchange.seal.suites import SUITES

if TYPE_CHECKING:
    from exchange.model.header import Header
    from exchange.model.identity import SuiteId

MAX_BODY_BYTES = 512 * 1024
MAX_PLAINTEXT_BYTES = 256 * 1024
SALT_BYTES = 32
PROTECTED = codec.b64(b'{"enc":"A256GCM","typ":"xb-body+jwe"}')


class WrapHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For whom a key is wrapped, and the KEM's output."""

    alg: str
    kid: str
    ek: str


class Wrap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content key, wrapped to one recipient."""

    header: WrapHeader
    encrypted_key: str


class Jwe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A General JSON JWE with exactly the members we use; ``zip`` has no place in it."""

    protected: str
    aad: str
    iv: str
    ciphertext: str
    tag: str
    recipients: list[Wrap]


_JWE = msgspec.json.Decoder(Jwe)
_WRAP = msgspec.json.Decoder(Wrap)
# Of the largest suite a wrapped key has 2.3 KB.
MAX_WRAP_BYTES = 4 * 1024


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can be told of a body without any key: its name, and the keys it is wrapped to."""

    blob: Blob
    wraps: list[Digest]


def context(header: Header) -> bytes:
    """Return what binds a ciphertext to its header: ``ctx`` of envelope.md."""
    lines = (
        "xb1",
        header.suite,
        header.id,
        header.origin,
        header.endpoint,
        header.commit,
    )
    return "".join(f"{line}\n" for line in lines).encode()


def wrap_info(ctx: bytes) -> bytes:
    """Return HPKE's info for one recipient (draft-ietf-jose-hpke-encrypt, key encryption)."""
    return b"JOSE-HPKE rcpt\xffA256GCM\xff" + sha256(ctx).digest()


def commitment(salt: bytes, padded: bytes) -> str:
    """Return the salted digest of a plaintext: a node cannot confirm a guess with it."""
    return digest(b"xb1-commit\x00" + salt + padded)


def parse(raw: bytes, suite: SuiteId) -> Jwe:
    """Read a sealed body strictly, checking every length that the suite fixes.

    Raises:
        Refusal: what is wrong and where, below ``/body``.
    """
    if len(raw) > MAX_BODY_BYTES:
        raise Refusal(Code.OVERSIZED, "/body", limit=MAX_BODY_BYTES, found=len(raw))
    jwe = codec.decode_closed(raw, _JWE, lambda j: 6 + 5 * len(j.recipients), "/body")
    if jwe.protected != PROTECTED:
        raise Refusal(Code.WRONG_VALUE, "/body/protected")
    if not 1 <= len(jwe.recipients) <= MAX_RECIPIENTS:
        raise Refusal(Code.WRAPS_MISMATCH, "/body/recipients", found=len(jwe.recipients))
    _sized(jwe.iv, 12, "/body/iv")
    _sized(jwe.tag, 16, "/body/tag")
    codec.unb64(jwe.aad, "/body/aad")
    if len(codec.unb64(jwe.ciphertext, "/body/ciphertext")) > MAX_PLAINTEXT_BYTES + SALT_BYTES:
        raise Refusal(Code.OVERSIZED, "/body/ciphertext", limit=MAX_PLAINTEXT_BYTES)
    for place, wrap in enumerate(jwe.recipients):
        _wrap(wrap, suite, f"/body/recipients/{place}")
    return jwe


def _wrap(wrap: Wrap, suite: SuiteId, at: str) -> None:
    if wrap.header.alg != SUITES[suite].wrap:
        raise Refusal(Code.WRONG_VALUE, f"{at}/header/alg", expected=SUITES[suite].wrap)
    _sized(wrap.header.kid, 32, f"{at}/header/kid")
    _sized(wrap.header.ek, SUITES[suite].kem.enc_length(), f"{at}/header/ek")
    # The wrapped key is 32 bytes and its AES-GCM tag 16.
    _sized(wrap.encrypted_key, 48, f"{at}/encrypted_key")


def _sized(text: str, size: int, at: str) -> None:
    found = len(codec.unb64(text, at))
    if found != size:
        raise Refusal(Code.WRONG_VALUE, at, expected=size, found=found)


def parse_wrap(raw: bytes, suite: SuiteId) -> Wrap:
    """Read a wrapped key that travels by itself, beside a grant, strictly.

    Raises:
        Refusal: what is wrong and where, below ``/body``.
    """
    if len(raw) > MAX_WRAP_BYTES:
        raise Refusal(Code.OVERSIZED, "/body", limit=MAX_WRAP_BYTES, found=len(raw))
    wrap = codec.decode_closed(raw, _WRAP, lambda _: 2 + 3, "/body")
    _wrap(wrap, suite, "/body")
    return wrap


def look_at_wrap(raw: bytes, suite: SuiteId) -> Seen:
    """Tell what can be told of a wrapped key without opening it.

    Raises:
        Refusal: it is not one of this suite.
    """
    return Seen(Blob(digest(raw), len(raw)), [parse_wrap(raw, suite).header.kid])


def look(raw: bytes, suite: SuiteId) -> Seen:
    """Tell what can be told of a body without a key.

    Raises:
        Refusal: the body is not one of this suite, or wraps to one key twice.
    """
    kids = [wrap.header.kid for wrap in parse(raw, suite).recipients]
    if len(set(kids)) != len(kids):
        raise Refusal(Code.WRAPS_MISMATCH, "/body/recipients")
    return Seen(Blob(digest(raw), len(raw)), sorted(kids))
