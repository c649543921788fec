"""Close an envelope: encrypt a bulletin to its recipients, and sign the header over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from exchange.errors import Code, Refusal
from exchange.model import codec
from exchange.model.header import TYP, Blob, Header
from exchange.model.identity import digest
from exchange.seal import body, jws
from exchange.seal.suites import SUITES, wrap_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.model.identity import Jwk

# Padding hides how long a text is: sizes double from 1 KiB.
_SMALLEST_BUCKET = 1024

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
    bucket = _SMALLEST_BUCKET
    while bucket < len(text):
        bucket *= 2
    return text.ljust(bucket, b" ")


def close(
    text: bytes,
    header: Header,
    recipients: Sequence[Jwk],
    signer: jws.Signer,
    randomness: Callable[[int], bytes],
) -> Envelope:
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
    sealed = _encrypt(salt + padded, body.context(header), recipients, header, randomness)
    header = msgspec.structs.replace(header, body=Blob(digest(sealed), len(sealed)))
    return Envelope(jws.sign(msgspec.json.encode(header), TYP, [signer]), sealed)


def _encrypt(
    plaintext: bytes,
    ctx: bytes,
    recipients: Sequence[Jwk],
    header: Header,
    randomness: Callable[[int], bytes],
) -> bytes:
    suite, key, iv, aad = (
        SUITES[header.suite],
        randomness(32),
        randomness(12),
        codec.b64(ctx),
    )
    sealed = AESGCM(key).encrypt(iv, plaintext, f"{body.PROTECTED}.{aad}".encode())
    split = suite.kem.enc_length()
    wraps = []
    info = body.wrap_info(ctx, suite.id)
    for jwk in recipients:
        if jwk.alg != suite.wrap:
            message = f"{suite.id} wraps to keys of {suite.wrap}"
            raise ValueError(message)
        wrapped = suite.hpke.encrypt(key, wrap_key(jwk), info)
        to = body.WrapHeader(alg=suite.wrap, kid=jwk.kid, ek=codec.b64(wrapped[:split]))
        wraps.append(body.Wrap(to, codec.b64(wrapped[split:])))
    return msgspec.json.encode(
        body.Jwe(
            protected=body.PROTECTED,
            aad=aad,
            iv=codec.b64(iv),
            ciphertext=codec.b64(sealed[:-16]),
            tag=codec.b64(sealed[-16:]),
            recipients=wraps,
        )
    )
