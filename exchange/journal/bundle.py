"""One entry's inclusion proof with the checkpoint it leads to, as one text (C2SP tlog-proof).

Whoever holds the entry, this text and the keys of log and witnesses can check, offline and for
ever, that the entry was in the journal when they signed. Files are named ``*.tlog-proof``.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

import msgspec

from exchange.errors import Code, Refusal
from exchange.journal.checkpoint import Verified, read_decimal, verify
from exchange.journal.note import MAX_NOTE_BYTES, VerifierKey, decode_base64
from exchange.journal.tree import HASH_BYTES, MAX_SIZE, verify_path

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIRST_LINE: Final = "c2sp.org/tlog-proof@v1"
# What every proof begins with, and no checkpoint of ours does.
FIRST_LINE: Final = f"{_FIRST_LINE}\n".encode()
_MAX_PATH: Final = 63
_MAX_BYTES: Final = 2 * MAX_NOTE_BYTES


class TlogProof(msgspec.Struct, frozen=True):
    """An inclusion proof and a signed checkpoint; nothing about them is verified yet.

    Args:
        index: entry number, from 0.
        path: at most 63 hashes of 32 bytes, lowest level first.
        note: the signed checkpoint, byte for byte.
        extra: bytes that nobody vouches for; None when there are none.

    Raises:
        ValueError: this has no spelling.
    """

    index: int
    path: tuple[bytes, ...]
    note: bytes
    extra: bytes | None = None

    def __post_init__(self) -> None:
        """Refuse what ``parse`` would not read back."""
        if (
            not 0 <= self.index < MAX_SIZE
            or len(self.path) > _MAX_PATH
            or any(len(node) != HASH_BYTES for node in self.path)
        ):
            message = f"no proof: index {self.index}, {len(self.path)} hashes"
            raise ValueError(message)

    def encode(self) -> bytes:
        """Return the text."""
        extra = [] if self.extra is None else [f"extra {_spell(self.extra)}"]
        head = [_FIRST_LINE, *extra, f"index {self.index}", *map(_spell, self.path), "", ""]
        return "\n".join(head).encode() + self.note


def _spell(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def parse(raw: bytes) -> TlogProof:
    """Take the text of a proof apart.

    Raises:
        Refusal: ``bad-proof``; this is not such a text.

    Source: C2SP tlog-proof, "Format".
    """
    if len(raw) > _MAX_BYTES:
        raise Refusal(Code.BAD_PROOF, limit=_MAX_BYTES)
    head, _, note = raw.partition(b"\n\n")
    try:
        first, *lines = head.decode("ascii").split("\n")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = decode_base64(lines.pop(0).removeprefix("extra "))
        word, index = lines.pop(0).split(" ")
        if (first, word) != (_FIRST_LINE, "index"):
            raise Refusal(Code.BAD_PROOF, reason="form")
        path = tuple(decode_base64(line) for line in lines)
        return TlogProof(read_decimal(index), path, note, extra)
    except (ValueError, IndexError) as error:
        raise Refusal(Code.BAD_PROOF, reason="form") from error


def verify_proof(
    proof: TlogProof,
    leaf: bytes,
    *,
    origin: str,
    required: Sequence[VerifierKey],
    known: Sequence[VerifierKey] = (),
) -> Verified:
    """Return the verified checkpoint only if the entry is under it.

    Args:
        proof: as parsed.
        leaf: leaf hash, 32 bytes, computed by the caller from the entry it holds.
        origin: the journal it must be of.
        required: keys that must all have signed the checkpoint.
        known: keys whose signatures must hold when they are there.

    Raises:
        Refusal: ``bad-checkpoint`` or ``bad-proof``.
        ValueError: ``leaf`` is not a hash, or ``required`` is empty.
    """
    verified = verify(proof.note, origin=origin, required=required, known=known)
    head = verified.checkpoint
    verify_path(leaf, proof.index, head.size, proof.path, head.root)
    return verified
