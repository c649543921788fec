"""A journal's size and root, signed by its node and cosigned by witnesses.

The text is a C2SP tlog-checkpoint of three lines: origin, size, root. Extension lines are
refused: the ML-DSA-44 cosignature does not sign them, so a reader could be told anything.

The Ed25519 signature (0x01) is over the text. The ML-DSA-44 signature (0x06), of log and
witness alike, is over ``cosigned_message`` below, which names the cosigner, the time, origin,
size and root. Its time says: as of then, this was the largest tree I had seen. Zero says
nothing.
"""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING, Final

import msgspec

from exchange.errors import Code, Refusal
from exchange.journal.note import (
    Line,
    Note,
    SignatureType,
    VerifierKey,
    decode_base64,
    parse_note,
    split_timestamp,
    verify_raw,
)
from exchange.journal.tree import EMPTY_ROOT, HASH_BYTES, MAX_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

_LABEL: Final = b"subtree/v1\n\0"
_ORIGIN_BYTES: Final = 255
_MAX_SECONDS: Final = 2**63 - 1


class Checkpoint(msgspec.Struct, frozen=True):
    """What is signed: this journal, this long, with this root.

    Args:
        origin: the journal's name, 1 to 255 bytes on one line, such as ``pan.example/journal``.
        size: number of entries, from 0 to 2**63 - 1.
        root: 32 bytes.

    Raises:
        ValueError: no journal can have such a checkpoint.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        """Refuse what has no spelling, and an empty tree with a root of its own."""
        if (
            not 0 < len(self.origin.encode()) <= _ORIGIN_BYTES
            or any(sign < " " for sign in self.origin)
            or not 0 <= self.size <= MAX_SIZE
            or len(self.root) != HASH_BYTES
            or (self.size == 0 and self.root != EMPTY_ROOT)
        ):
            message = f"no checkpoint: {self.origin!r}, {self.size}, {self.root.hex()}"
            raise ValueError(message)

    def body(self) -> bytes:
        """Return the text that is signed, three lines, each with its newline."""
        root = base64.b64encode(self.root).decode()
        return f"{self.origin}\n{self.size}\n{root}\n".encode()


def parse_body(text: bytes) -> Checkpoint:
    """Return what a checkpoint's text says.

    Raises:
        Refusal: ``bad-checkpoint``; not the one spelling of a checkpoint of three lines.
    """
    try:
        origin, size, root, rest = text.decode().split("\n")
        checkpoint = Checkpoint(origin, read_decimal(size), decode_base64(root))
    except ValueError as error:
        raise Refusal(Code.BAD_CHECKPOINT, reason="text") from error
    if rest:
        raise Refusal(Code.BAD_CHECKPOINT, reason="text")
    return checkpoint


def read_decimal(text: str) -> int:
    """Return a count written without sign or leading zeroes, at most 2**63 - 1.

    Raises:
        ValueError: it is written otherwise or too large.
    """
    count = int(text)  # raises ValueError for other texts, and for thousands of digits
    if str(count) != text or not 0 <= count <= MAX_SIZE:
        message = f"not a decimal count: {text}"
        raise ValueError(message)
    return count


def cosigned_message(checkpoint: Checkpoint, cosigner: str, seconds: int) -> bytes:
    """Return the bytes that an ML-DSA-44 cosignature of a checkpoint is made over.

    Args:
        checkpoint: what is cosigned.
        cosigner: the name of the signing key.
        seconds: since 1970 in UTC, as in the signature; 0 makes no statement about time.

    Source: C2SP tlog-cosignature, ``cosigned_message``, with ``start`` 0.
    """
    name, origin = cosigner.encode(), checkpoint.origin.encode()
    return b"".join(
        (
            _LABEL,
            bytes([len(name)]),
            name,
            struct.pack(">Q", seconds),
            bytes([len(origin)]),
            origin,
            struct.pack(">QQ", 0, checkpoint.size),
            checkpoint.root,
        )
    )


class Signer(msgspec.Struct, frozen=True):
    """A key that can sign, wherever its private half lives.

    Args:
        key: its public half and name.
        sign: makes the bare signature over the bytes given; may be slow, may raise ``Fault``.
    """

    key: VerifierKey
    sign: Callable[[bytes], bytes]


def ed25519_signer(name: str, private: Ed25519PrivateKey) -> Signer:
    """Return the signer of a log signature (0x01) for a key held in this process."""
    public = private.public_key().public_bytes_raw()
    return Signer(VerifierKey(name, SignatureType.ED25519, public), private.sign)


def ml_dsa_44_signer(name: str, private: MLDSA44PrivateKey) -> Signer:
    """Return the signer of a timestamped cosignature (0x06) for a key held in this process."""
    public = private.public_key().public_bytes_raw()
    return Signer(VerifierKey(name, SignatureType.ML_DSA_44, public), private.sign)


def sign_line(checkpoint: Checkpoint, signer: Signer, seconds: int) -> Line:
    """Return one signature line, such as a witness answers with.

    Args:
        checkpoint: what the signer has checked and stands for.
        signer: the key.
        seconds: now, since 1970 in UTC, at least 1; not part of an Ed25519 signature.

    Raises:
        ValueError: ``seconds`` is not a time.
    """
    if not 0 < seconds <= _MAX_SECONDS:
        message = f"{seconds} is not a time to sign at"
        raise ValueError(message)
    key = signer.key
    match key.type:
        case SignatureType.ED25519:
            signature = signer.sign(checkpoint.body())
        case SignatureType.ML_DSA_44:
            bare = signer.sign(cosigned_message(checkpoint, key.name, seconds))
            signature = struct.pack(">Q", seconds) + bare
    return Line(key.name, key.key_id, signature)


def sign(checkpoint: Checkpoint, signers: Sequence[Signer], seconds: int) -> bytes:
    """Return the checkpoint as a note signed by each of the signers, in their order.

    Raises:
        ValueError: there is no signer, or ``seconds`` is not a time.
    """
    if not signers:
        message = "a checkpoint needs a signer"
        raise ValueError(message)
    lines = tuple(sign_line(checkpoint, signer, seconds) for signer in signers)
    return Note(checkpoint.body(), lines).encode()


def attach(raw: bytes, lines: Iterable[Line]) -> bytes:
    """Return a signed checkpoint with these lines added, each in place of its key's older one.

    Nothing is verified: the reader of the result does that.

    Raises:
        Refusal: ``bad-checkpoint``; ``raw`` is not a signed checkpoint.
    """
    note = parse_note(raw)
    parse_body(note.text)
    merged = {(line.name, line.key_id): line for line in note.lines}
    merged.update({(line.name, line.key_id): line for line in lines})
    return Note(note.text, tuple(merged.values())).encode()


def parse(raw: bytes) -> Checkpoint:
    """Return what a signed checkpoint claims, **unverified**: for telling whose keys to fetch.

    Raises:
        Refusal: ``bad-checkpoint``; not a signed note, or not of a checkpoint.
    """
    return parse_body(parse_note(raw).text)


class Verified(msgspec.Struct, frozen=True):
    """A checkpoint whose signatures hold.

    Args:
        checkpoint: what was signed.
        signed: the keys whose signatures were there and hold, each with its time in seconds
            since 1970 in UTC; None for Ed25519, which carries none; 0 for no statement.
    """

    checkpoint: Checkpoint
    signed: tuple[tuple[VerifierKey, int | None], ...]

    def at(self, key: VerifierKey) -> int | None:
        """Return the time this key signed at; None when it did not, or its type has no time."""
        return dict(self.signed).get(key)


def verify(
    raw: bytes,
    *,
    origin: str,
    required: Sequence[VerifierKey],
    known: Sequence[VerifierKey] = (),
    allow_undated: bool = False,
) -> Verified:
    """Return the checkpoint only if it is this journal's and all the named keys signed it.

    Args:
        raw: the signed note.
        origin: the journal it must be of: one key may sign for more than one.
        required: keys whose signatures must all be there and hold: the log's, and those of
            whichever witnesses the quorum needs. At least one.
        known: keys whose signatures may be missing, but must hold when they are there.
        allow_undated: accept cosignatures that make no statement about time (timestamp 0).

    Raises:
        Refusal: ``bad-checkpoint``; malformed, of another journal, a signature missing, wrong,
            undated or given twice. Lines by other keys are ignored.
        ValueError: ``required`` is empty (a mistake in the caller).

    Source: C2SP signed-note, tlog-checkpoint, tlog-cosignature. Stricter than these: all
    required keys and not one of them, no extension lines, no second spelling of anything.
    """
    if not required:
        message = "a checkpoint is verified under at least one key"
        raise ValueError(message)
    note = parse_note(raw)
    checkpoint = parse_body(note.text)
    if checkpoint.origin != origin:
        raise Refusal(Code.BAD_CHECKPOINT, reason="origin", origin=checkpoint.origin)
    signed: dict[VerifierKey, int | None] = {}
    for key in (*required, *known):
        signature = note.by(key)
        if signature is not None:
            signed[key] = _verify_line(checkpoint, key, signature, allow_undated=allow_undated)
        elif key in required:
            raise Refusal(Code.BAD_CHECKPOINT, reason="missing-signature", key=key.name)
    return Verified(checkpoint, tuple(signed.items()))


def verify_by_ring(
    raw: bytes, *, origin: str, rings: Sequence[Sequence[VerifierKey]]
) -> tuple[int, Verified]:
    """Return which of a journal's key rings signed a checkpoint, the newest that did, and what.

    For whoever cannot tell by its size which ring was to sign it: see ``journal.terms``.

    Args:
        raw: the signed note.
        origin: the journal it must be of.
        rings: its keys, in the order in which they were handed over; one at least.

    Raises:
        Refusal: ``bad-checkpoint``: none did, with all of its keys.
    """
    for place in reversed(range(len(rings))):
        try:
            return place, verify(raw, origin=origin, required=rings[place])
        except Refusal as refusal:
            refused = refusal
    raise refused


def _verify_line(
    checkpoint: Checkpoint, key: VerifierKey, signature: bytes, *, allow_undated: bool
) -> int | None:
    """Return the time of one signature that holds; None when its type carries none."""
    match key.type:
        case SignatureType.ED25519:
            verify_raw(key, checkpoint.body(), signature)
            return None
        case SignatureType.ML_DSA_44:
            seconds, bare = split_timestamp(key, signature)
            if seconds == 0 and not allow_undated:
                raise Refusal(Code.BAD_CHECKPOINT, reason="timestamp", key=key.name)
            verify_raw(key, cosigned_message(checkpoint, key.name, seconds), bare)
            return seconds
