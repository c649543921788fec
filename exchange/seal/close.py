"""Close an envelope: encrypt a bulletin to its recipients, and sign the header over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from exchange.errors import Code, Refusal
from exchange.model import codec
from exchange.model.header import TYP, WRAP_BYTES, Blob, Header
from exchange.model.identity import digest
from exchange.model.objects import DRAFT_TYP
from exchange.seal import body, jws
from exchange.seal.suites import SUITES, wrap_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.model.identity import Jwk, SuiteId
    from exchange.model.objects import SealedDraft
    from exchange.seal.suites import Suite

# Padding hides how long a text is: sizes double from 1 KiB.
_SMALLEST_BUCKET = 1024
_KEY_BYTES = 32
# Of a sealed body, besides what is encrypted and the wrapped keys: at most its members.
_OUTER_BYTES = 1024

UNSEALED = Blob(digest(b""), 0)


class Envelope(NamedTuple):
    """A bulletin as it travels: the signed header and the sealed body, without line feeds."""

    header: bytes
    body: bytes

    def framed(self) -> bytes:
        """Return the bytes to post: header, LF, body, LF."""
        return self.header + b"\n" + self.body + b"\n"


def pad(text: bytes) -> bytes:
    """Fill with spaces to the next size bucket.

    Raises:
        Refusal: ``oversized``.
    """
    if len(text) > body.MAX_PLAINTEXT_BYTES:
        raise Refusal(Code.OVERSIZED, limit=body.MAX_PLAINTEXT_BYTES, found=len(text))
    return text.ljust(_bucket(len(text)), b" ")


def _bucket(text_bytes: int) -> int:
    bucket = _SMALLEST_BUCKET
    while bucket < text_bytes:
        bucket *= 2
    return bucket


def _pad_draft(text: bytes) -> bytes:
    """Pad as ``pad``; what is longer, for all that stands before its text, to the most."""
    if not body.MAX_PLAINTEXT_BYTES < len(text) <= body.MAX_DRAFT_BYTES:
        return pad(text)
    return text.ljust(body.MAX_DRAFT_BYTES, b" ")


def at_most(text_bytes: int, recipients: int, suite: SuiteId) -> int:
    """Return how many bytes a sealed body has at most, of a text and so many recipients."""
    encrypted = -(-4 * (body.SALT_BYTES + _bucket(text_bytes)) // 3)
    return encrypted + _OUTER_BYTES + recipients * WRAP_BYTES[suite]


class Closed(NamedTuple):
    """An envelope and its header; its content key, for who may grant it to others later.

    With ``salt`` its author can show the text to be what the header commits to.
    """

    envelope: Envelope
    header: Header
    key: bytes
    salt: bytes


def close(
    text: bytes,
    header: Header,
    recipients: Sequence[Jwk],
    signer: jws.Signer,
    randomness: Callable[[int], bytes],
) -> Envelope:
    """Seal a bulletin, and forget the content key; see ``close_with_key``."""
    return close_with_key(text, header, recipients, signer, randomness).envelope


def close_with_key(
    text: bytes,
    header: Header,
    recipients: Sequence[Jwk],
    signer: jws.Signer,
    randomness: Callable[[int], bytes],
) -> Closed:
    """Seal a bulletin to its recipients and sign the header that commits to it.

    Args:
        text: the bulletin's JSON.
        header: what shall be signed; its ``commit`` and ``body`` are filled in here.
        recipients: one encryption key for each endpoint in ``header.to``, in that order.
        signer: the posting endpoint's.
        randomness: returns that many unpredictable bytes.

    Raises:
        Refusal: the text is too long.
    """
    if len(recipients) != len(header.to):
        message = "one encryption key for each recipient"
        raise ValueError(message)
    if signer.suite != header.suite:
        message = "a bulletin is of its signer's suite"
        raise ValueError(message)
    salt, padded = randomness(body.SALT_BYTES), pad(text)
    header = msgspec.structs.replace(header, commit=body.commitment(salt, padded, header.suite))
    key = randomness(_KEY_BYTES)
    ctx = body.context(header)
    sealed = _encrypt(salt + padded, key, recipients, (ctx, header.suite), randomness(12))
    header = msgspec.structs.replace(header, body=Blob(digest(sealed), len(sealed)))
    signed = jws.sign(msgspec.json.encode(header), TYP, [signer])
    return Closed(Envelope(signed, sealed), header, key, salt)


def close_draft(
    text: bytes,
    draft: SealedDraft,
    recipients: Sequence[Jwk],
    signer: jws.Signer,
    randomness: Callable[[int], bytes],
) -> Envelope:
    """Seal what a draft is about to those in its ``to``, and sign it.

    Args:
        text: what they are to read.
        draft: what shall be signed; its ``body`` is filled in here.
        recipients: one encryption key for each endpoint in ``draft.to``, in that order.
        signer: of who sends it.
        randomness: returns that many unpredictable bytes.

    Raises:
        Refusal: ``oversized``: the text is too long.
    """
    padded, key = _pad_draft(text), randomness(_KEY_BYTES)
    bound_to = (body.draft_context(draft), draft.suite)
    sealed = _encrypt(padded, key, recipients, bound_to, randomness(12))
    draft = msgspec.structs.replace(draft, body=Blob(digest(sealed), len(sealed)))
    return Envelope(jws.sign(msgspec.json.encode(draft), DRAFT_TYP, [signer]), sealed)


def wrap(key: bytes, header: Header, jwk: Jwk) -> body.Wrap:
    """Wrap a content key to one recipient, bound to the header's context.

    Args:
        key: the content key.
        header: with the commit of what the key seals.
        jwk: the recipient's encryption key, of the header's suite.
    """
    return _wrap(key, body.context(header), SUITES[header.suite], jwk)


def _wrap(key: bytes, ctx: bytes, suite: Suite, jwk: Jwk) -> body.Wrap:
    if jwk.alg != suite.wrap:
        message = f"{suite.id} wraps to keys of {suite.wrap}"
        raise ValueError(message)
    info = body.wrap_info(ctx, suite.id)
    wrapped, split = suite.hpke.encrypt(key, wrap_key(jwk), info), suite.kem.enc_length()
    to = body.WrapHeader(alg=suite.wrap, kid=jwk.kid, ek=codec.b64(wrapped[:split]))
    return body.Wrap(to, codec.b64(wrapped[split:]))


def _encrypt(
    plaintext: bytes,
    key: bytes,
    recipients: Sequence[Jwk],
    bound_to: tuple[bytes, SuiteId],
    iv: bytes,
) -> bytes:
    ctx, suite = bound_to
    aad = codec.b64(ctx)
    sealed = AESGCM(key).encrypt(iv, plaintext, f"{body.PROTECTED}.{aad}".encode())
    return msgspec.json.encode(
        body.Jwe(
            protected=body.PROTECTED,
            aad=aad,
            iv=codec.b64(iv),
            ciphertext=codec.b64(sealed[:-16]),
            tag=codec.b64(sealed[-16:]),
            recipients=[_wrap(key, ctx, SUITES[suite], jwk) for jwk in recipients],
        )
    )
