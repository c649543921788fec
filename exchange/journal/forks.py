"""Two checkpoints that no honest log signs, as a text that anybody can check, for ever.

    exchange-evidence@v1
    base64 of the hashes of a path, lowest level first, one a line
    <empty line>
    a checkpoint as signed
    <a line: ---->
    another one as signed

Three things are proved by the log's own signatures and nobody's word. *Forked*: two of one size
have different roots. *Rewritten*: under the root of the longer stands, where the shorter ended,
another past; the path leads from that past to the longer root. *Rolled back*: the shorter is
dated later, and a log's date says "this is all there is".
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from exchange.errors import Code, Refusal
from exchange.journal.checkpoint import Verified, parse, verify_by_ring
from exchange.journal.note import MAX_NOTE_BYTES, SignatureType, decode_base64
from exchange.journal.proofs import prefix_of
from exchange.journal.tree import HASH_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.journal.note import VerifierKey

Kind = Literal["forked", "rewritten", "rolled-back"]
_FIRST_LINE: Final = "exchange-evidence@v1"
_BETWEEN: Final = b"----\n"
_MAX_PATH: Final = 64
MAX_BYTES: Final = 2 * MAX_NOTE_BYTES + 8192


class Evidence(NamedTuple):
    """Two signed checkpoints of one origin, the shorter first, and a path; not verified yet.

    ``path`` is what C2SP calls a consistency proof, from the shorter's size; where that is a
    power of two, the hash of the other past comes before it. Empty where none is needed.
    """

    shorter: bytes
    longer: bytes
    path: tuple[bytes, ...] = ()

    def encode(self) -> bytes:
        """Return the text."""
        steps = [base64.b64encode(step).decode() for step in self.path]
        head = "\n".join([_FIRST_LINE, *steps, "", ""]).encode()
        return head + self.shorter + _BETWEEN + self.longer


def of(one: bytes, other: bytes, path: Sequence[bytes] = ()) -> Evidence:
    """Return two signed checkpoints as evidence, in order of their size."""
    shorter, longer = sorted((one, other), key=lambda note: parse(note).size)
    return Evidence(shorter, longer, tuple(path))


def read(raw: bytes) -> Evidence:
    """Take the text of evidence apart.

    Raises:
        Refusal: ``malformed``: it is none.
    """
    head, _, notes = raw.partition(b"\n\n")
    shorter, between, longer = notes.partition(_BETWEEN)
    try:
        first, *steps = head.decode("ascii").split("\n")
        path = tuple(decode_base64(step) for step in steps)
    except ValueError:
        first, path = "", ()
    is_small = len(raw) <= MAX_BYTES and len(path) <= _MAX_PATH
    is_path = all(len(step) == HASH_BYTES for step in path)
    if first != _FIRST_LINE or not between or not is_small or not is_path:
        raise Refusal(Code.MALFORMED, object="evidence")
    return Evidence(shorter, longer, path)


def check(evidence: Evidence, origin: str, rings: Sequence[Sequence[VerifierKey]]) -> Kind:
    """Return what the evidence proves against a log, by its own signatures.

    Args:
        evidence: as read.
        origin: the log's name.
        rings: the log's keys, in the order of their handing over: of one ring, all must have
            signed the one, and of one ring the other. A log answers for each, at any time.

    Raises:
        Refusal: ``bad-checkpoint``: one of them is not signed so; ``bad-proof``: they can both
            be checkpoints of one honest log, as far as this shows.
    """
    _, first = verify_by_ring(evidence.shorter, origin=origin, rings=rings)
    _, second = verify_by_ring(evidence.longer, origin=origin, rings=rings)
    short, long = first.checkpoint, second.checkpoint
    if short.size == long.size and short.root != long.root:
        return "forked"
    if short.size < long.size:
        if _dated(first) > _dated(second) > 0:
            return "rolled-back"
        past = prefix_of(short.size, long.size, evidence.path, long.root)
        if past is not None and past != short.root:
            return "rewritten"
    raise Refusal(Code.BAD_PROOF, found=short.size)


def _dated(verified: Verified) -> int:
    """Return the log's own date, seconds UTC; 0 for none."""
    times = [
        time for key, time in verified.signed if key.type is SignatureType.ML_DSA_44 and time
    ]
    return min(times, default=0)
