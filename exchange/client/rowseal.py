"""Rows of a file at rest, sealed under the endpoint's storage key; their names tell nothing.

Two keys come of the storage key by HKDF-SHA-256 (RFC 5869): one seals, with AES-256-GCM and a
fresh random nonce each time; one names, by HMAC-SHA-256. What a row is (its drawer and its
name) is authenticated with it, so that none can be put in the place of another.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from collections.abc import Callable

KEY_BYTES = 32
_NONCE_BYTES = 12
# Until when a row is to be kept stands before what it holds: seconds UTC, 0 for ever.
_UNTIL_BYTES = 8


class RowSeal:
    """Seals and opens rows. A random nonce is good for some 2**32 of them under one key."""

    def __init__(self, key: bytes, randomness: Callable[[int], bytes]) -> None:
        """Use a storage key of 32 bytes; ``randomness`` returns so many unpredictable ones."""
        self._aead = AESGCM(_derived(key, b"xb1-mail seal"))
        self._names = _derived(key, b"xb1-mail name")
        self._randomness = randomness

    @property
    def key_id(self) -> bytes:
        """What tells by which key a file was sealed, and nothing of the key."""
        return self.name("", "key")

    def name(self, drawer: str, name: str) -> bytes:
        """Return what stands for a name outside: 32 bytes, always the same."""
        return hmac.digest(self._names, f"{drawer}\n{name}".encode(), "sha256")

    def seal(self, drawer: str, named: bytes, value: bytes, until: int = 0) -> bytes:
        """Return a sealed row.

        Args:
            drawer: what kind of row it is.
            named: as ``name`` made it.
            value: what it holds.
            until: when it is to be destroyed, in seconds UTC; 0 for never.
        """
        nonce = self._randomness(_NONCE_BYTES)
        plain = until.to_bytes(_UNTIL_BYTES) + value
        return nonce + self._aead.encrypt(nonce, plain, _about(drawer, named))

    def open(self, drawer: str, named: bytes, sealed: bytes) -> tuple[int, bytes]:
        """Return until when a row is kept, and what it holds.

        Raises:
            ValueError: it is not what was sealed for this place.
        """
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            plain = self._aead.decrypt(nonce, rest, _about(drawer, named))
        except (InvalidTag, ValueError):
            message = "the row is damaged, or of another place"
            raise ValueError(message) from None
        return int.from_bytes(plain[:_UNTIL_BYTES]), plain[_UNTIL_BYTES:]


def _about(drawer: str, named: bytes) -> bytes:
    return b"\n".join((b"xb1-mail", drawer.encode(), named))


def _derived(key: bytes, what: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=what).derive(key)
