"""Who else vouches for the node's journal: cosignatures held to the arrangement's quorum.

A checkpoint that only the node signed can be shown to one endpoint alone. One that witnesses
cosigned is the only one of its size, and they cosign no other past. So what is shown is held to
the newest cosigned checkpoint: it must go on from that, and that must not be old.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.errors import Code, Refusal
from exchange.journal import bundle, forks, quorum, terms
from exchange.journal.proofs import verify_consistency
from exchange.model import wire
from exchange.model.codec import unb64

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.client.transport import Transport
    from exchange.journal import checkpoint as c2sp
    from exchange.journal.forks import Evidence
    from exchange.journal.terms import Terms
    from exchange.model.view import View


class Vouched(msgspec.Struct, frozen=True):
    """A quorum cosigned a checkpoint.

    Attributes:
        size: how many entries it is of.
        at: as of when the quorum vouches, in seconds UTC.
        by: the witnesses whose cosignatures hold, by their names in the arrangement.
    """

    size: int
    at: int
    by: list[str]


def cosigned(note: bytes, node: str, view: View) -> tuple[c2sp.Checkpoint, Vouched] | None:
    """Return a checkpoint and who cosigned it; None where that is no quorum.

    Args:
        note: as the node showed it.
        node: whose journal it is of.
        view: the newest there is: it knows who was to sign and to cosign so many entries.

    Raises:
        Refusal: ``bad-checkpoint``: it is not signed as it says.
    """
    needed = terms.of(note, node, view)
    found = needed.verify(note)
    vouched = by_quorum(found, needed)
    return None if vouched is None else (found.checkpoint, vouched)


def beside(
    answer: wire.Heads | wire.HomeHeads,
    shown: tuple[c2sp.Checkpoint, bytes],
    of: tuple[str, View],
    accuse: Callable[[Evidence], str],
) -> Vouched | None:
    """Return who vouches for the journal that is shown here; None where nobody must, or does.

    Args:
        answer: has the newest checkpoint that was cosigned, and the path from it.
        shown: the newest checkpoint that this endpoint is shown, and as signed.
        of: whose journal it is, and the newest view there is of it.
        accuse: see ``must_be_one_journal``.

    Raises:
        Refusal: ``journal-forked``: they vouch for another; or ``bad-checkpoint``,
            ``bad-proof``: what the node says of it does not hold.
    """
    if not answer.cosigned:
        return None
    note = answer.cosigned.encode()
    found = cosigned(note, *of)
    if found is None:
        return None
    checkpoint, vouched = found
    if checkpoint.size > shown[0].size:
        raise Refusal(Code.BAD_PROOF, "/cosigned", found=checkpoint.size)
    path = [unb64(step) for step in answer.witnessed]
    must_be_one_journal((checkpoint, note), shown, path, accuse)
    return vouched


def by_quorum(found: c2sp.Verified, needed: Terms) -> Vouched | None:
    """Return who vouches for a checkpoint that was verified; None where that is no quorum."""
    at = needed.met_at(found)
    if at is None:
        return None
    return Vouched(found.checkpoint.size, at, sorted(needed.times(found)))


def must_be_one_journal(
    vouched: tuple[c2sp.Checkpoint, bytes],
    shown: tuple[c2sp.Checkpoint, bytes],
    path: Sequence[bytes],
    accuse: Callable[[Evidence], str],
) -> None:
    """Hold what is shown here to what a quorum of witnesses has seen.

    Args:
        vouched: the cosigned checkpoint, and as signed.
        shown: the newest checkpoint that this endpoint is shown, and as signed.
        path: leads from the one to the other.
        accuse: keeps two checkpoints that cannot both be of one journal; returns where.

    Raises:
        Refusal: ``journal-forked``.
    """
    old, new = vouched[0], shown[0]
    try:
        verify_consistency(old.size, new.size, path, old.root, new.root)
    except Refusal as refusal:
        kept = accuse(forks.of(vouched[1], shown[1], path))
        raise Refusal(
            Code.JOURNAL_FORKED, "/cosigned", found=old.size, evidence=kept
        ) from refusal


def must_be_recent(vouched: Vouched | None, view: View, now: int) -> None:
    """Hold the newest quorum to the time that the arrangement allows.

    Raises:
        Refusal: ``stale-witness``: too long ago, or too far ahead to mean anything.
    """
    agreed, skew_s = view.agreed(), view.agreed().limits.skew_s
    if agreed.witnesses is None:
        return
    at = vouched.at if vouched and _is_by_those_in_force(vouched, view) else agreed.issued
    limit_s = agreed.witnesses.limit_s + skew_s
    if now - at > limit_s or at > now + skew_s:
        raise Refusal(Code.STALE_WITNESS, "/cosigned", found=now - at, limit=limit_s)


def _is_by_those_in_force(vouched: Vouched, view: View) -> bool:
    """Tell whether those who vouched are to vouch now.

    Otherwise, as where none ever did, somebody should have since it was agreed on: who was
    replaced could go on dating what is old.
    """
    then, now = view.agreed_before(vouched.size), quorum.of(view.agreed())
    before = quorum.of(then) if then else None
    return bool(before and now and before.rule == now.rule)


async def of_entry(
    transport: Transport, index: int, leaf: bytes, node: str, view: View
) -> Vouched | None:
    """Return who vouches for an entry, by its proof under a cosigned checkpoint.

    Args:
        transport: to the node.
        index: of the entry.
        leaf: its leaf hash, 32 bytes, from the bytes that are held here.
        node: whose journal it is in.
        view: the newest there is: it knows who was to sign and to cosign so many entries.

    Returns:
        None where no quorum has vouched for so long a journal yet.

    Raises:
        Refusal: ``bad-proof``, ``bad-checkpoint``; or what the node answers.
        Fault: the node does not answer.
    """
    try:
        answer = await transport.get_as(wire.Proof, "/v1/proof", index=index, cosigned=1)
    except Refusal as refusal:
        if refusal.code is Code.NOT_FOUND:
            return None
        raise
    proof = bundle.parse(answer.proof.encode())
    if proof.index != index:
        raise Refusal(Code.BAD_PROOF, "/index", expected=index, found=proof.index)
    needed = terms.of(proof.note, node, view)
    return by_quorum(needed.prove(proof, leaf), needed)
