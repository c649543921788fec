"""Hold a receipt to its promise: this object, at this index, under the node's signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from exchange.client import recorded
from exchange.errors import Code, Refusal
from exchange.journal.tree import leaf_hash, verify_path
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import metadata, objects
from exchange.model.codec import unb64
from exchange.seal import jws, trust

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.client.trust import TrustLog
    from exchange.model.entry import Facts
    from exchange.model.identity import Signatory
    from exchange.model.objects import GroupStatement, Receipt
    from exchange.model.view import View


class Known(Protocol):
    """Every view that there was of one journal, such as ``client.trust.TrustLog``."""

    def during(self, first: int, end: int) -> Sequence[View]:
        """Return what was in force before a commit group, and once all of it was there."""


def verify_as_of(receipt: Receipt, posted: bytes, trust_log: TrustLog) -> Facts:
    """Verify a receipt as an auditor would: under what was in force when it was signed.

    Keys change and suites end; what was signed by them before holds for ever.

    Args:
        receipt: as the node gave it.
        posted: the object that was posted, byte for byte.
        trust_log: every view up to the receipt's entry, at least.

    Raises:
        Refusal: as ``verify``.
    """
    return _verify(receipt, posted, trust_log.during)


def verify(receipt: Receipt, posted: bytes, view: View) -> Facts:
    """Return the facts of the entry that a receipt is for, once everything in it holds.

    Args:
        receipt: as the node gave it.
        posted: the object that was posted, byte for byte.
        view: trust documents that name the node's keys.

    Raises:
        Refusal: ``bad-proof``, or what the signature check finds.
    """
    return _verify(receipt, posted, lambda _first, _end: [view])


def verify_of_any_time(receipt: Receipt, posted: bytes, view: View) -> Facts:
    """Verify a receipt by any document that its node has had, where nobody knows which it was.

    Whoever has trust documents as files does not know at which entries they took effect.

    Raises:
        Refusal: as ``verify``.
    """
    had = [view.with_document(node) for _, node in view.tenures.get(receipt.node, ())]
    return _verify(receipt, posted, lambda _first, _end: had)


def verify_entry(receipt: Receipt, entry: bytes, trust_log: Known) -> Facts:
    """Return the facts of an entry that is shown whole, once its receipt holds of its time.

    Raises:
        Refusal: as ``verify``; or it is no entry.
    """
    statement = _signed(receipt, trust_log.during)
    _must_be_under(receipt, statement, entry)
    return entries.decode(entry).facts


def _verify(
    receipt: Receipt, posted: bytes, during: Callable[[int, int], Sequence[View]]
) -> Facts:
    statement = _signed(receipt, during)
    # An entry is split at its first line feed: after one in here, its object would be another.
    if "\n" in receipt.facts:
        raise Refusal(Code.BAD_PROOF, "/facts")
    facts = entries.decode(receipt.facts.encode() + b"\n").facts
    entry = receipt.facts.encode() + b"\n" + recorded.object_in(facts, posted)
    _must_be_under(receipt, statement, entry)
    return facts


def _signed(receipt: Receipt, during: Callable[[int, int], Sequence[View]]) -> GroupStatement:
    """Return what the node signed of the commit group of a receipt."""
    signed = jws.read(bytes(receipt.group), objects.MAX_OBJECT_BYTES)
    if signed.typ != objects.RECEIPT_TYP:
        raise Refusal(Code.BAD_PROOF, "/group")
    statement = objects.decode_group(signed.payload)
    views = during(statement.first, statement.first + statement.count)
    signatory = _signatory(signed, statement, receipt.node, views)
    jws.verify_by_signatory(signed, signatory, statement.suite)
    if statement.node != receipt.node:
        raise Refusal(Code.BAD_PROOF, "/node", name=statement.node)
    return statement


def _must_be_under(receipt: Receipt, statement: GroupStatement, entry: bytes) -> None:
    verify_path(
        leaf_hash(entry),
        receipt.index - statement.first,
        statement.count,
        [unb64(step) for step in receipt.path],
        unb64(statement.root),
    )


def _signatory(
    signed: jws.Signed, statement: GroupStatement, name: str, views: Sequence[View]
) -> Signatory:
    """Return whose keys must have signed: the node's, of a document in force at that time."""
    known = [(view.nodes[name], view) for view in views if name in view.nodes]
    if not known:
        raise Refusal(Code.BAD_PROOF, "/node", name=name)
    fit = [
        node.receipts
        for node, view in known
        if trust.suite_of_node(node) == statement.suite
        and statement.suite in view.agreed().suites
    ]
    if not fit:
        suite = trust.suite_of_node(known[-1][0])
        raise Refusal(Code.SUITE_NOT_ALLOWED, "/suite", expected=suite, found=statement.suite)
    # The group in which keys change may be signed by the old ones or by the new.
    kids = {claim.kid for claim in signed.claims}
    return next((each for each in fit if kids <= {key.kid for key in each.keys}), fit[-1])


def must_be_from(receipt: Receipt, node: str) -> None:
    """Hold a receipt to the node that it should be from.

    Raises:
        Refusal: ``bad-proof``.
    """
    if receipt.node != node:
        raise Refusal(Code.BAD_PROOF, "/node", name=receipt.node)


def must_be_taken_in(facts: Facts, posted: bytes) -> None:
    """Hold a receipt to what was meant: recorded as accepted, and owed to every recipient.

    Raises:
        Refusal: ``bad-proof``: the entry it proves is a refusal, or leaves somebody out.
    """
    if isinstance(facts, entries.Refused):
        raise Refusal(Code.BAD_PROOF, "/facts", found=facts.code)
    if posted.startswith(metadata.BEGINS):
        if not isinstance(facts, entries.Trust):
            raise Refusal(Code.BAD_PROOF, "/facts", found=entries.kind_of(facts))
        # To everybody, so to nobody by name.
        return
    signed = jws.read(posted, objects.MAX_OBJECT_BYTES)
    recorded.must_be_its_kind(facts, signed.typ)
    owed = getattr(facts, "owed", [])
    left_out = _named(signed) - {each.endpoint for each in owed}
    if left_out:
        raise Refusal(Code.BAD_PROOF, "/facts/owed", name=min(left_out))


def _named(signed: jws.Signed) -> set[str]:
    """Return to whom the entry of an object must be owed, at least."""
    if signed.typ == headers.TYP:
        return set(headers.decode(signed.payload).to)
    if signed.typ == objects.GRANT_TYP:
        return {objects.decode_grant(signed.payload).to}
    if signed.typ == objects.RELEASE_TYP:
        return {objects.decode_release(signed.payload).of.endpoint}
    if signed.typ == objects.REQUEST_TYP:
        # Of a request, whom it asks; of an answer, who asked.
        return {objects.decode_request(signed.payload).to}
    if signed.typ == objects.ACK_TYP:
        return {objects.decode_acknowledgement(signed.payload).of.endpoint}
    is_draft = signed.typ == objects.DRAFT_TYP
    return set(objects.decode_draft(signed.payload).to) if is_draft else set()
