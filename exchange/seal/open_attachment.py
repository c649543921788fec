"""Open an attachment as it is read. The node never imports this module, nor ``seal.open``."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.cobblestone import Cobblestone256Decryptor
from cryptography.exceptions import InvalidTag

from exchange.errors import Code, Refusal
from exchange.model.codec import b64, unb64
from exchange.seal.attachment import context, sealed_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.model.bulletin.blocks import Attachment
    from exchange.model.header import Blob


def must_match(sealed: Sequence[Blob], attached: Sequence[Attachment]) -> None:
    """Hold the files that a body describes to the ciphertexts that its header names.

    Raises:
        Refusal: ``header-body-mismatch``: they differ in number, or one in size.
    """
    if len(sealed) != len(attached):
        raise Refusal(
            Code.HEADER_BODY_MISMATCH,
            "/attachments",
            expected=len(sealed),
            found=len(attached),
        )
    for place, (blob, file) in enumerate(zip(sealed, attached, strict=True)):
        if blob.size != sealed_size(file.size):
            raise Refusal(
                Code.HEADER_BODY_MISMATCH,
                f"/attachments/{place}/size",
                expected=blob.size,
                found=file.size,
            )


class Unsealing:
    """Decrypts one file: ``update`` for each piece, then ``finish`` once.

    What ``update`` returns is authentic, chunk by chunk; that it is the whole file, and the one
    that was meant, only ``finish`` can tell. Show nothing and keep nothing before that.
    """

    def __init__(self, attached: Attachment, identity: str, place: int) -> None:
        """Begin.

        Args:
            attached: as the opened body describes it.
            identity: the bulletin's id.
            place: of the attachment in the bulletin, from 0.
        """
        self._decryptor = Cobblestone256Decryptor(unb64(attached.key), context(identity, place))
        self._attached, self._at = attached, f"/attachments/{place}"
        self._plain = sha256()
        self._size = 0

    def update(self, piece: bytes) -> bytes:
        """Take the next piece of the ciphertext; return what is ready of the file.

        Raises:
            Refusal: ``cannot-decrypt``; ``size-mismatch``: it is longer than was said.
        """
        try:
            return self._given(self._decryptor.update(piece))
        except InvalidTag:
            raise Refusal(Code.CANNOT_DECRYPT, self._at) from None

    def finish(self) -> bytes:
        """Return the last of the file, once the whole of it holds.

        Raises:
            Refusal: ``cannot-decrypt``: altered, or cut off; ``size-mismatch`` or
                ``digest-mismatch``: it is another file than its bulletin says.
        """
        try:
            last = self._given(self._decryptor.finalize())
        except InvalidTag:
            raise Refusal(Code.CANNOT_DECRYPT, self._at) from None
        if self._size != self._attached.size:
            raise Refusal(Code.SIZE_MISMATCH, f"{self._at}/size")
        if b64(self._plain.digest()) != self._attached.digest:
            raise Refusal(Code.DIGEST_MISMATCH, f"{self._at}/digest")
        return last

    def _given(self, plain: bytes) -> bytes:
        self._plain.update(plain)
        self._size += len(plain)
        if self._size > self._attached.size:
            raise Refusal(Code.SIZE_MISMATCH, f"{self._at}/size")
        return plain
