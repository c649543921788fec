"""What a witness says of a checkpoint that it is asked to cosign (C2SP tlog-witness). Pure.

    read     the request and the log's signatures: 400, 404, 403
    judge    against the newest checkpoint that was cosigned: 200, 409, 422

Nothing is signed here. Whoever keeps the state judges and persists in one step, and signs only
what is durable (``node.witness``). Stricter than the standard: *all* keys of one ring of a log
must have signed, and a checkpoint with extension lines is a bad request. A log has several
rings where it handed over its keys: once a later one has signed, an earlier one signs no more.

What convicts a log is kept: its own signatures, never the word of whoever brought them.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec

from exchange.errors import Refusal
from exchange.journal import forks
from exchange.journal.checkpoint import (
    Checkpoint,
    parse,
    read_decimal,
    sign_line,
    verify_by_ring,
)
from exchange.journal.note import MAX_NOTE_BYTES, decode_base64
from exchange.journal.proofs import verify_consistency
from exchange.journal.tree import HASH_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchange.journal.checkpoint import Signer
    from exchange.journal.forks import Evidence
    from exchange.journal.note import Line, VerifierKey

# A log's keys, in the order of their handing over.
Rings: TypeAlias = "Sequence[Sequence[VerifierKey]]"

MAX_PATH: Final = 63
MAX_REQUEST_BYTES: Final = MAX_NOTE_BYTES + 8192

OK, BAD_REQUEST, FORBIDDEN, UNKNOWN, CONFLICT, UNPROVED = 200, 400, 403, 404, 409, 422
SIZE_TYPE: Final = "text/x.tlog.size"


class Request(NamedTuple):
    """A checkpoint signed by a log that is served, and how it is said to go on from ``old``."""

    old: int
    path: tuple[bytes, ...]
    note: bytes
    checkpoint: Checkpoint

    def encode(self) -> bytes:
        """Return the request's body."""
        steps = [base64.b64encode(step).decode() for step in self.path]
        return "\n".join([f"old {self.old}", *steps, "", ""]).encode() + self.note


class Remembered(msgspec.Struct, frozen=True):
    """The newest checkpoint of a log that was cosigned, as the log signed it.

    Args:
        size: of the journal.
        root: 32 bytes.
        note: with the log's signatures: what convicts it, should it sign another past.
        cosigned_s: when it was cosigned last, seconds UTC; the next time is never before it.
    """

    size: int
    root: bytes
    note: bytes
    cosigned_s: int = 0


class Turned(NamedTuple):
    """No: with this status; and what of it is to be kept, if anything.

    ``size`` is that of the newest cosigned checkpoint, told with a 409.
    """

    status: int
    size: int = 0
    evidence: Evidence | None = None
    kind: forks.Kind | None = None


class Cosign(NamedTuple):
    """Yes: once this is durable in place of what was remembered, it may be cosigned."""

    remembered: Remembered
    checkpoint: Checkpoint


def request(old: int, path: Sequence[bytes], note: bytes) -> Request:
    """Return a request to cosign, by the log itself.

    Raises:
        Refusal: ``bad-checkpoint``: that is none.
    """
    return Request(old, tuple(path), note, parse(note))


def read(raw: bytes, logs: Mapping[str, Rings]) -> Request | Turned:
    """Read a request, and hold its checkpoint to its log's keys.

    Args:
        raw: the body of the request.
        logs: by origin, the rings of every log that is served.

    Source: C2SP tlog-witness, "add-checkpoint".
    """
    head, _, note = raw.partition(b"\n\n")
    try:
        first, *steps = head.decode("ascii").split("\n")
        word, old = first.split(" ")
        asked = Request(read_decimal(old), tuple(map(decode_base64, steps)), note, parse(note))
    except (ValueError, Refusal):
        return Turned(BAD_REQUEST)
    is_proof = len(steps) <= MAX_PATH and all(len(each) == HASH_BYTES for each in asked.path)
    if word != "old" or not is_proof or len(raw) > MAX_REQUEST_BYTES:
        return Turned(BAD_REQUEST)
    rings = logs.get(asked.checkpoint.origin)
    if not rings:
        return Turned(UNKNOWN)
    return asked if ring_of(note, rings) is not None else Turned(FORBIDDEN)


def ring_of(note: bytes, rings: Rings) -> int | None:
    """Return by which ring a checkpoint of a log is signed; None where by none."""
    try:
        return verify_by_ring(note, origin=parse(note).origin, rings=rings)[0]
    except Refusal:
        return None


def judge(
    asked: Request,
    before: Remembered | None,
    rings: Rings,
    now: int,
) -> Cosign | Turned:
    """Conclude on a checkpoint whose log signed it.

    Args:
        asked: as ``read`` returned it.
        before: what was cosigned last of this log; None before anything was.
        rings: the log's.
        now: seconds UTC.

    Source: C2SP tlog-witness, "add-checkpoint", in its order.
    """
    new, size = asked.checkpoint, before.size if before else 0
    if before is not None and _is_another(new, before):
        kind = _convicts(asked.note, before, (), rings)
        evidence = forks.of(before.note, asked.note) if kind else None
        status = BAD_REQUEST if asked.old > new.size else CONFLICT
        return Turned(status, size, evidence, kind)
    if asked.old > new.size:
        return Turned(BAD_REQUEST)
    if asked.old != size:
        return Turned(CONFLICT, size)
    no = _goes_on(asked, before, rings)
    if no is not None:
        return no
    seconds = max(now, before.cosigned_s if before else 0)
    return Cosign(Remembered(new.size, new.root, asked.note, seconds), new)


def _goes_on(asked: Request, before: Remembered | None, rings: Rings) -> Turned | None:
    """Tell why a checkpoint does not go on from what was cosigned; None where it does."""
    if before is None:
        return Turned(UNPROVED) if asked.path else None
    new = asked.checkpoint
    try:
        verify_consistency(before.size, new.size, asked.path, before.root, new.root)
    except Refusal:
        return _unproved(asked, before, rings)
    is_over = (ring_of(asked.note, rings) or 0) < (ring_of(before.note, rings) or 0)
    return Turned(FORBIDDEN) if is_over else None


def _is_another(new: Checkpoint, before: Remembered) -> bool:
    """Tell whether no proof can lead from what was cosigned to this."""
    return new.size < before.size or (new.size == before.size and new.root != before.root)


def _unproved(asked: Request, before: Remembered, rings: Rings) -> Turned:
    """Tell a log that proves another past by its own path from a path that proves nothing.

    Either may come from a stranger, so only what convicts the log by itself is called that.
    """
    kind = _convicts(asked.note, before, asked.path, rings)
    return Turned(UNPROVED, before.size, forks.of(before.note, asked.note, asked.path), kind)


def _convicts(
    note: bytes, before: Remembered, path: Sequence[bytes], rings: Rings
) -> forks.Kind | None:
    origin = parse(note).origin
    try:
        return forks.check(forks.of(before.note, note, path), origin, rings)
    except Refusal:
        return None


def adopt(
    note: bytes,
    before: Remembered | None,
    rings: Rings,
    own: VerifierKey,
) -> Remembered | None:
    """Return what a checkpoint shows that this witness cosigned and no longer remembers.

    A witness whose state was put back from an older copy is told so by its own signature. To
    remember less than it signed would let it sign another past.

    Returns:
        What is to be remembered from now on; None where the note shows nothing new.
    """
    told = parse(note)
    if before is not None and told.size <= before.size:
        return None
    try:
        both = [[*ring, own] for ring in rings]
        _, verified = verify_by_ring(note, origin=told.origin, rings=both)
    except Refusal:
        return None
    return Remembered(told.size, told.root, note, verified.at(own) or 0)


def cosign(yes: Cosign, signer: Signer) -> Line:
    """Return the line to answer with; only of what is durable.

    Its time says: as of then, this was the largest consistent tree I had seen.
    """
    return sign_line(yes.checkpoint, signer, yes.remembered.cosigned_s)
