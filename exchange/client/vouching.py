"""What custodians take of somebody new: a request, who stands for it, and that it is on record.

The file is six lines: request, invitation and verdict as they were signed, then the node's
receipt for each. Custodians hold it to what a node does, without one: a node lets an invitation
be used once, in time, and not after it was withdrawn; that it did so here is what its receipts
say. What nobody recorded, a verdict beside another one say, has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.client import receipts
from exchange.errors import Code, Refusal
from exchange.model import codec, objects
from exchange.model import entry as entries
from exchange.model.objects import Receipt
from exchange.seal import enrolment, jws
from exchange.seal import invitation as invitations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.model.objects import Enrolment, Invitation, Verdict
    from exchange.model.view import View

# Three objects, and three receipts with a group's signatures and one entry's facts each.
MAX_FILE_BYTES = 512 * 1024
_TYPS = [objects.ENROLMENT_TYP, objects.INVITATION_TYP, objects.VERDICT_TYP]


class Vouched(NamedTuple):
    """A request, invitation and verdict as they were signed, and the receipt of each."""

    objects: Sequence[bytes]
    receipts: Sequence[Receipt]


class Vouchers(NamedTuple):
    """Who stands for a request by invitation."""

    invitation: Invitation
    verdict: Verdict


def write(vouched: Vouched) -> bytes:
    """Return the file."""
    told = [msgspec.json.encode(each) for each in vouched.receipts]
    return b"\n".join([*vouched.objects, *told]) + b"\n"


def request_in(raw: bytes) -> bytes:
    """Return the request alone, by whose digest people know it, of a file that holds one."""
    return raw.partition(b"\n")[0]


def check(
    raw: bytes, view: View, now: int, *, anew: bool = False
) -> tuple[Enrolment, Vouchers | None]:
    """Return an enrolment that may be admitted, and who stands for it; None: it came by hand.

    Args:
        raw: a request; if it was by invitation, the file of it.
        view: the trust documents in force, as far as the custodians have them.
        now: seconds UTC.
        anew: as of ``enrolment.judge``. By invitation nobody comes back whose keys were lost.

    Raises:
        Refusal: it names the first thing wrong.
    """
    lines = raw.removesuffix(b"\n").split(b"\n")
    if len(lines) == 1:
        return enrolment.check(lines[0], view, now, anew=anew), None
    vouched, request = _read(raw, lines), jws.read(lines[0], objects.MAX_OBJECT_BYTES)
    named = objects.decode_enrolment(request.payload).endpoint
    if named in view.endpoints:
        # Else an invitation would be a way to take a place over.
        raise Refusal(Code.ALREADY_ENROLLED, "/endpoint", name=named)
    asked = enrolment.judge(request, view, now)
    facts = [
        _recorded(receipt, each, asked, view)
        for receipt, each in zip(vouched.receipts, vouched.objects, strict=True)
    ]
    return asked, _approved(vouched, asked, facts, view, now)


def _read(raw: bytes, lines: Sequence[bytes]) -> Vouched:
    """Return what a file holds; nothing of it is verified.

    Raises:
        Refusal: ``oversized``; ``not-approved``: it is not those six lines.
    """
    if len(raw) > MAX_FILE_BYTES:
        raise Refusal(Code.OVERSIZED, limit=MAX_FILE_BYTES, found=len(raw))
    count = len(_TYPS)
    if len(lines) != 2 * count:
        raise Refusal(Code.NOT_APPROVED, "/invitation")
    signed = [jws.read(line, objects.MAX_OBJECT_BYTES) for line in lines[:count]]
    if [each.typ for each in signed] != _TYPS:
        raise Refusal(Code.NOT_APPROVED, "/invitation")
    return Vouched(lines[:count], [_receipt(line) for line in lines[count:]])


def _receipt(line: bytes) -> Receipt:
    try:
        return msgspec.json.decode(line, type=Receipt)
    except msgspec.ValidationError as error:
        raise codec.refusal_of(error, data=line) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(Code.MALFORMED, expected="receipt") from None


def _recorded(receipt: Receipt, raw: bytes, asked: Enrolment, view: View) -> entries.Facts:
    """Return what the node that the request is for recorded of an object: that it let it in."""
    receipts.must_be_from(receipt, asked.node)
    facts = receipts.verify_of_any_time(receipt, raw, view)
    receipts.must_be_taken_in(facts, raw)
    return facts


def _approved(
    vouched: Vouched, asked: Enrolment, facts: Sequence[entries.Facts], view: View, now: int
) -> Vouchers:
    """Hold a request to the two persons who stand for it, and to the order of the three.

    Both must be operators still, by keys that hold now and held when it was recorded: what a
    key that was stolen signed ends with it.
    """
    request, invited, decided = (
        jws.read(each, objects.MAX_OBJECT_BYTES) for each in vouched.objects
    )
    invitation = objects.decode_invitation(invited.payload)
    verdict = objects.decode_verdict(decided.payload)
    for signed, made, taken in ((invited, invitation, facts[1]), (decided, verdict, facts[2])):
        times = (taken.taken_ms // 1000, now)
        invitations.must_be_operator(signed, made, asked.endpoint, view, times)
    invitations.must_be_used(invited.digest, invitation, asked)
    invitations.must_be_second(invitation, verdict)
    if (verdict.of, verdict.verdict) != (request.digest, "approved"):
        raise Refusal(Code.NOT_APPROVED, "/invitation", name=asked.endpoint)
    if max(asked.issued, facts[0].taken_ms // 1000) >= invitation.until:
        raise Refusal(Code.INVITATION_OVER, "/invitation")
    _must_follow(vouched.receipts, facts)
    return Vouchers(invitation, verdict)


def _must_follow(told: Sequence[Receipt], facts: Sequence[entries.Facts]) -> None:
    """Hold each entry to the one that it is on: the request's to the invitation's, say."""
    later = entries.EnrolmentAsked | entries.Decided
    of = [each.of for each in facts if isinstance(each, later)]
    asked, invited, _ = told
    if of != [invited.index, asked.index]:
        raise Refusal(Code.BAD_PROOF, "/facts/of")
