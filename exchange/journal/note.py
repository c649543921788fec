"""Signed notes and the keys that check them (C2SP signed-note): strict text, one spelling each.

A note is text, an empty line, and signature lines ``— <key name> <base64 of key id and
signature>``. A key is configured as one string, ``<name>+<key id>+<base64 of type and key>``.
Two signature types are known here: Ed25519 over the text (0x01), and the timestamped ML-DSA-44
cosignature (0x06). Lines by keys one does not know are carried along and never judged.
"""

from __future__ import annotations

import base64
import re
import struct
from enum import IntEnum
from hashlib import sha256
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from exchange.errors import Code, Refusal

MAX_NOTE_BYTES: Final = 256 * 1024  # who reads a stranger's note reads no more than this
MAX_LINES: Final = 32  # C2SP asks for at least 16
_NAME_BYTES: Final = 255  # C2SP tlog-cosignature: cosigner_name<1..2^8-1>
_KEY_ID_BYTES: Final = 4
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_DASH: Final = "\N{EM DASH} "

# y coordinates, less the sign bit, of the points of small order. A signature can be made that
# fits every message under such a key; the library loads them without complaint.
_P: Final = 2**255 - 19
_ORDER_8: Final = int("7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7", 16)
_SMALL_ORDER: Final = frozenset({0, 1, _P - 1, _ORDER_8, _P - _ORDER_8})


class SignatureType(IntEnum):
    """The byte that names a signature's algorithm and what it is made over."""

    ED25519 = 0x01
    ML_DSA_44 = 0x06


_KEY_BYTES: Final = {SignatureType.ED25519: 32, SignatureType.ML_DSA_44: 1312}


def decode_base64(text: str) -> bytes:
    """Return what standard base64 spells, in its one canonical spelling.

    Raises:
        ValueError: not base64, or not the spelling an encoder gives.
    """
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        message = "not canonical base64"
        raise ValueError(message)
    return raw


def is_key_name(name: str) -> bool:
    """Tell whether a key may be called so: 1 to 255 bytes, no space, plus or control sign."""
    return (
        0 < len(name.encode()) <= _NAME_BYTES
        and "+" not in name
        and not any(sign.isspace() or sign < " " for sign in name)
    )


class VerifierKey(msgspec.Struct, frozen=True):
    """A public key under the name it signs with.

    Args:
        name: 1 to 255 bytes without spaces or plus, such as ``pan.example/journal``.
        type: what the key signs, and how.
        public: raw public key: 32 bytes for Ed25519, 1312 for ML-DSA-44.

    Raises:
        ValueError: the name or the key's length is not allowed.
    """

    name: str
    type: SignatureType
    public: bytes

    def __post_init__(self) -> None:
        """Refuse a name that would break a signature line, and a key cut short."""
        if not is_key_name(self.name) or len(self.public) != _KEY_BYTES[self.type]:
            message = f"no {self.type.name} key: {len(self.public)} bytes under {self.name!r}"
            raise ValueError(message)

    @property
    def key_id(self) -> bytes:
        """The 4 bytes that, with the name, say whose signature a line is."""
        named = self.name.encode() + b"\n" + bytes([self.type]) + self.public
        return sha256(named).digest()[:_KEY_ID_BYTES]

    def __str__(self) -> str:
        """Return the key as one string, as ``parse_key`` reads it."""
        spelled = base64.b64encode(bytes([self.type]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{spelled}"


def parse_key(text: str) -> VerifierKey:
    """Return the verifier key that a string spells.

    Raises:
        Refusal: ``malformed``; not such a string, a type not known here, or an id that is not
            its own. ``weak-key``; an Ed25519 key under which anybody can sign.

    Source: C2SP signed-note, "Verifier keys".
    """
    try:
        name, key_id, spelled = text.split("+", 2)
        raw = decode_base64(spelled)
        key = VerifierKey(name, SignatureType(raw[0]), raw[1:])
    except (ValueError, IndexError) as error:
        raise Refusal(Code.MALFORMED, object="verifier-key") from error
    if key.key_id.hex() != key_id:
        raise Refusal(Code.MALFORMED, object="verifier-key", key=name)
    if key.type is SignatureType.ED25519:
        _refuse_weak(key)
    return key


def _refuse_weak(key: VerifierKey) -> None:
    """Refuse points of small order and coordinates written in a second way."""
    y = int.from_bytes(key.public, "little") & (2**255 - 1)
    if y in _SMALL_ORDER or y >= _P:
        raise Refusal(Code.WEAK_KEY, key=key.name)


class Line(msgspec.Struct, frozen=True):
    """One signature line.

    Args:
        name: the key's name.
        key_id: 4 bytes.
        signature: what follows the id; its form depends on the type of the key.
    """

    name: str
    key_id: bytes
    signature: bytes

    def encode(self) -> bytes:
        """Return the line, with its newline."""
        spelled = base64.b64encode(self.key_id + self.signature).decode()
        return f"{_DASH}{self.name} {spelled}\n".encode()


class Note(msgspec.Struct, frozen=True):
    """A note taken apart; nothing about it is verified yet.

    Args:
        text: what is signed, with its final newline, byte for byte.
        lines: one or more signature lines, in the order they stand.
    """

    text: bytes
    lines: tuple[Line, ...]

    def encode(self) -> bytes:
        """Return the note as it travels."""
        return self.text + b"\n" + b"".join(line.encode() for line in self.lines)

    def by(self, key: VerifierKey) -> bytes | None:
        """Return the signature this key is said to have made; None when there is no such line.

        Raises:
            Refusal: ``bad-checkpoint``; two lines of this key differ, so which one counts
                would depend on the reader.
        """
        found = {
            line.signature
            for line in self.lines
            if (line.name, line.key_id) == (key.name, key.key_id)
        }
        if len(found) > 1:
            raise Refusal(Code.BAD_CHECKPOINT, reason="two-signatures", key=key.name)
        return found.pop() if found else None


def parse_note(raw: bytes) -> Note:
    """Take a signed note apart.

    Args:
        raw: at most 256 KiB, with 1 to 32 signature lines.

    Raises:
        Refusal: ``bad-checkpoint``; this is not a signed note.

    Source: C2SP signed-note, "Format".
    """
    try:
        if len(raw) > MAX_NOTE_BYTES:
            raise Refusal(Code.BAD_CHECKPOINT, reason="size", limit=MAX_NOTE_BYTES)
        text, blank, signed = raw.decode().rpartition("\n\n")
        if not blank or _CONTROL.search(text + signed):
            raise Refusal(Code.BAD_CHECKPOINT, reason="form")
        *spelled, rest = signed.split("\n")
        if rest or not 1 <= len(spelled) <= MAX_LINES:
            raise Refusal(Code.BAD_CHECKPOINT, reason="lines", limit=MAX_LINES)
        return Note((text + "\n").encode(), tuple(_parse_line(line) for line in spelled))
    except ValueError as error:  # not UTF-8, not base64
        raise Refusal(Code.BAD_CHECKPOINT, reason="encoding") from error


def _parse_line(line: str) -> Line:
    name, _, spelled = line.removeprefix(_DASH).partition(" ")
    raw = decode_base64(spelled)
    if not line.startswith(_DASH) or not is_key_name(name) or len(raw) <= _KEY_ID_BYTES:
        raise Refusal(Code.BAD_CHECKPOINT, reason="signature-line")
    return Line(name, raw[:_KEY_ID_BYTES], raw[_KEY_ID_BYTES:])


def verify_raw(key: VerifierKey, message: bytes, signature: bytes) -> None:
    """Return only if ``signature`` is this key's over exactly ``message``.

    Raises:
        Refusal: ``bad-checkpoint``; it is not.
    """
    try:
        match key.type:
            case SignatureType.ED25519:
                Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
            case SignatureType.ML_DSA_44:
                MLDSA44PublicKey.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise Refusal(Code.BAD_CHECKPOINT, reason="signature", key=key.name) from error


def split_timestamp(key: VerifierKey, signature: bytes) -> tuple[int, bytes]:
    """Return the time (seconds since 1970 in UTC) and the bare signature of a cosignature.

    Raises:
        Refusal: ``bad-checkpoint``; too short, or a time no clock will show.

    Source: C2SP tlog-cosignature, ``timestamped_signature``.
    """
    try:
        (seconds,) = struct.unpack_from(">q", signature)
    except struct.error as error:
        raise Refusal(Code.BAD_CHECKPOINT, reason="timestamp", key=key.name) from error
    if seconds < 0:  # 2**63 or more
        raise Refusal(Code.BAD_CHECKPOINT, reason="timestamp", key=key.name)
    return int(seconds), signature[8:]
