"""Who is who: the restricted alphabets of names, digests and ids, and public keys as JWK."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Literal

import msgspec

from exchange.model.codec import b64

# No colon, quote, backslash or white space in any of them: decode_closed relies on it.
MemberId = Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2}\.[a-z0-9]{1,30}$")]
EndpointId = Annotated[
    str, msgspec.Meta(pattern=r"^[a-z]{2}\.[a-z0-9]{1,30}/[a-z0-9][a-z0-9-]{0,30}$")
]
Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.+-]{0,47}$")]
Uuid7 = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
    ),
]
Digest = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{43}$")]
# A salted commitment: SHA-256 or, in suites of 256-bit strength, SHA-384.
Commitment = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{43}([A-Za-z0-9_-]{21})?$")]
Base64 = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]*$")]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Nation = Literal["pa", "us"]
SuiteId = Literal["xb1-h", "xb1-c", "xb1-ch"]

ALPHA3: dict[Nation, str] = {"pa": "PAN", "us": "USA"}


def member_of(endpoint: str) -> str:
    """Return the member that an endpoint's name belongs to."""
    return endpoint.partition("/")[0]


def digest(data: bytes) -> str:
    """Return SHA-256 as 43 characters of base64url: how everything here is named."""
    return b64(sha256(data).digest())


class Jwk(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A public key: OKP for Ed25519 (RFC 8037), EC for P-384 (RFC 7518), AKP for the rest.

    AKP is RFC 9964: the post-quantum ones, and the hybrids that HPKE wraps to.
    """

    kty: Literal["OKP", "EC", "AKP"]
    alg: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]{1,20}$")]
    crv: Literal["Ed25519", "P-384"] | None = None
    x: Base64 | None = None
    pub: Base64 | None = None
    y: Base64 | None = None

    @property
    def kid(self) -> str:
        """The RFC 7638 thumbprint, 43 characters."""
        match self.kty:
            case "OKP":
                members = {"crv": self.crv, "kty": self.kty, "x": self.x}
            case "EC":
                members = {"crv": self.crv, "kty": self.kty, "x": self.x, "y": self.y}
            case "AKP":
                members = {"alg": self.alg, "kty": self.kty, "pub": self.pub}
        return digest(msgspec.json.encode(members))


class Signatory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One who signs with every algorithm of a suite: the keys, in the suite's order."""

    name: Word
    keys: list[Jwk]


def uuid7(unix_ms: int, randomness: bytes) -> str:
    """Return a UUID version 7 from a time and 10 random bytes (RFC 9562, section 5.7)."""
    if len(randomness) != 10:
        message = "a UUIDv7 takes 10 random bytes"
        raise ValueError(message)
    tail = int.from_bytes(randomness)
    high = unix_ms << 16 | 0x7000 | tail >> 68
    low = 0b10 << 62 | tail & (1 << 62) - 1
    text = f"{high << 64 | low:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
