"""A decryptor of our own for C2SP chunked encryption, on AES-GCM and HKDF alone.

Written from the specification's text, so that what we seal does not lean on the one library
that seals it. Whole messages in memory; for tests.

Source: c2sp.org/chunked-encryption.
"""

from __future__ import annotations

import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512, HashAlgorithm
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

_CHUNK, _TAG, _SALT, _COMMITMENT, _NONCE = 16 * 1024, 16, 24, 32, 12


class NotThisMessage(Exception):  # noqa: N818
    """The key, the context, or some of the ciphertext is another."""


def decrypt(
    key: bytes, context: bytes, sealed: bytes, algorithm: HashAlgorithm | None = None
) -> bytes:
    """The message; its key has 16 bytes or 32, and says which AES it is."""
    if len(key) not in (16, 32):
        raise NotThisMessage
    salt, commitment = sealed[:_SALT], sealed[_SALT : _SALT + _COMMITMENT]
    name = f"AEAD_AES_{8 * len(key)}_GCM".encode()
    info = b"c2sp.org/chunked-encryption@v1+" + name + b"\0" + salt + context
    wanted = len(key) + _NONCE + _COMMITMENT
    made = HKDFExpand(algorithm or SHA512(), wanted, info).derive(key)
    if not hmac.compare_digest(made[len(key) + _NONCE :], commitment):
        raise NotThisMessage
    aead, base = AESGCM(made[: len(key)]), int.from_bytes(made[len(key) :][:_NONCE])
    rest, plain = sealed[_SALT + _COMMITMENT :], b""
    for number in range(len(rest) // (_CHUNK + _TAG) + 1):
        chunk = rest[number * (_CHUNK + _TAG) : (number + 1) * (_CHUNK + _TAG)]
        try:
            plain += aead.decrypt((base ^ number).to_bytes(_NONCE), chunk, b"")
        except (InvalidTag, ValueError):
            raise NotThisMessage from None
    return plain
