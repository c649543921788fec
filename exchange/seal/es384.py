"""ES384 as JOSE has it: ECDSA over P-384 with SHA-384, signatures as r and s of 48 bytes each.

ECDSA lets anybody turn a signature into a second one over the same bytes (n - s for s), so
that one object would have two digests. Only the lower s is a signature here, as an object has
one spelling throughout (RFC 7518, section 3.4, leaves both).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA384

if TYPE_CHECKING:
    from typing import Self

COORDINATE_BYTES = 48
PUBLIC_BYTES = 1 + 2 * COORDINATE_BYTES
# The order of the group (NIST SP 800-186, section 3.2.1.4).
ORDER = int(
    "ffffffffffffffffffffffffffffffffffffffffffffffff"
    "c7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    16,
)


class PublicKey:
    """A point on P-384: verifies."""

    def __init__(self, key: ec.EllipticCurvePublicKey) -> None:
        """Use this point."""
        self._key = key

    @classmethod
    def from_public_bytes(cls, raw: bytes) -> Self:
        """Load an uncompressed point (SEC 1): 4, x, y.

        Raises:
            ValueError: it is not on the curve.
        """
        return cls(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), raw))

    def verify(self, signature: bytes, data: bytes, /) -> None:
        """Raise ``InvalidSignature`` unless this is the signature of exactly these bytes."""
        if len(signature) != 2 * COORDINATE_BYTES:
            raise InvalidSignature
        r = int.from_bytes(signature[:COORDINATE_BYTES])
        s = int.from_bytes(signature[COORDINATE_BYTES:])
        if s > ORDER // 2:
            raise InvalidSignature
        self._key.verify(encode_dss_signature(r, s), data, ec.ECDSA(SHA384()))


class PrivateKey:
    """A scalar: signs. The nonce follows from key and data (RFC 6979), so none can repeat."""

    def __init__(self, seed: bytes) -> None:
        """Load a scalar of 48 bytes, between 0 and the order.

        Raises:
            ValueError: it is not.
        """
        if len(seed) != COORDINATE_BYTES:
            message = "a P-384 scalar has 48 bytes"
            raise ValueError(message)
        self._key = ec.derive_private_key(int.from_bytes(seed), ec.SECP384R1())

    @property
    def point(self) -> tuple[bytes, bytes]:
        """The public key's x and y."""
        numbers = self._key.public_key().public_numbers()
        return numbers.x.to_bytes(COORDINATE_BYTES), numbers.y.to_bytes(COORDINATE_BYTES)

    def sign(self, data: bytes, /) -> bytes:
        """Return r and the lower s."""
        method = ec.ECDSA(SHA384(), deterministic_signing=True)
        r, s = decode_dss_signature(self._key.sign(data, method))
        return lowered(r.to_bytes(COORDINATE_BYTES) + s.to_bytes(COORDINATE_BYTES))


def lowered(signature: bytes) -> bytes:
    """Return r and the lower s of a signature, which may have been made by a device."""
    s = int.from_bytes(signature[COORDINATE_BYTES:])
    lower = min(s, ORDER - s)
    return signature[:COORDINATE_BYTES] + lower.to_bytes(COORDINATE_BYTES)
