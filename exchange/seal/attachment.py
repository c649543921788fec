"""Seal an attachment as it is read: C2SP chunked encryption, with AES-256-GCM and SHA-512.

Each file has a random key of its own, which travels in the sealed body; its context binds it
to its bulletin and its place there. Pieces go in and come out in any size; 16 KiB are held.
The other half is ``seal.open_attachment``, which no node imports.

Source: c2sp.org/chunked-encryption (the instance that its authors call Cobblestone-256).
"""

from __future__ import annotations

from hashlib import sha256

from cryptography.cobblestone import Cobblestone256Encryptor

from exchange.model.codec import b64
from exchange.model.header import Blob

KEY_BYTES = 32
CHUNK_BYTES = 16 * 1024
TAG_BYTES = 16
# A salt of 24 bytes, and 32 that commit to the key.
START_BYTES = 24 + 32


def context(identity: str, place: int) -> bytes:
    """Return what binds a ciphertext to the attachment ``place`` (from 0) of one bulletin."""
    return f"xb1-att\n{identity}\n{place}".encode()


def sealed_size(size: int) -> int:
    """Return how many bytes a file of ``size`` bytes has when it is sealed."""
    # The last chunk is always shorter than the others, and may be empty.
    return START_BYTES + size + TAG_BYTES * (size // CHUNK_BYTES + 1)


class Sealing:
    """Encrypts one file: ``update`` for each piece, then ``finish`` once.

    After that ``sealed`` names the ciphertext, ``size`` and ``digest`` the file itself.
    """

    def __init__(self, key: bytes, identity: str, place: int) -> None:
        """Begin.

        Args:
            key: 32 random bytes, used for this file and never again.
            identity: the bulletin's id.
            place: of the attachment in the bulletin, from 0.
        """
        self._encryptor = Cobblestone256Encryptor(key, context(identity, place))
        self._plain, self._cipher = sha256(), sha256()
        self._sealed_bytes = 0
        self.size = 0

    def update(self, piece: bytes) -> bytes:
        """Take the next piece of the file; return what is ready of the ciphertext."""
        self._plain.update(piece)
        self.size += len(piece)
        return self._given(self._encryptor.update(piece))

    def finish(self) -> bytes:
        """Return the last of the ciphertext."""
        return self._given(self._encryptor.finalize())

    @property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return b64(self._plain.digest())

    @property
    def sealed(self) -> Blob:
        """The ciphertext by name."""
        return Blob(b64(self._cipher.digest()), self._sealed_bytes)

    def _given(self, sealed: bytes) -> bytes:
        self._cipher.update(sealed)
        self._sealed_bytes += len(sealed)
        return sealed
