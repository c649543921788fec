"""Hold a receipt to its promise: this object, at this index, under the node's signature."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal
from exchange.journal.tree import leaf_hash, verify_path
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.codec import unb64
from exchange.model.identity import digest
from exchange.seal import jws, trust

if TYPE_CHECKING:
    from exchange.model.entry import Facts
    from exchange.model.identity import Jwk
    from exchange.model.objects import Receipt
    from exchange.model.view import View


def verify(receipt: Receipt, posted: bytes, view: View) -> Facts:
    """Return the facts of the entry that a receipt is for, once everything in it holds.

    Args:
        receipt: as the node gave it.
        posted: the object that was posted, byte for byte.
        view: trust documents that name the node's keys.

    Raises:
        Refusal: ``bad-proof``, or what the signature check finds.
    """
    node = view.nodes.get(receipt.node)
    if node is None:
        raise Refusal(Code.BAD_PROOF, "/node", name=receipt.node)
    signed = jws.read(bytes(receipt.group), objects.MAX_OBJECT_BYTES)
    if signed.typ != objects.RECEIPT_TYP:
        raise Refusal(Code.BAD_PROOF, "/group")
    keys = {key.kid: key for key in node.receipts.keys}

    def key_of(claim: jws.Claim) -> Jwk:
        if claim.kid not in keys:
            raise Refusal(Code.UNKNOWN_KEY, claim.at, kid=claim.kid[:64])
        return keys[claim.kid]

    statement = objects.decode_group(signed.payload)
    suite = trust.suite_of_node(node)
    if statement.suite != suite or suite not in view.agreed().suites:
        raise Refusal(Code.SUITE_NOT_ALLOWED, "/suite", expected=suite, found=statement.suite)
    jws.verify(signed.claims, suite, key_of)
    if statement.node != receipt.node:
        raise Refusal(Code.BAD_PROOF, "/node", name=statement.node)
    facts = entries.decode(receipt.facts.encode() + b"\n").facts
    entry = receipt.facts.encode() + b"\n" + _object_in(facts, posted)
    verify_path(
        leaf_hash(entry),
        receipt.index - statement.first,
        statement.count,
        [unb64(step) for step in receipt.path],
        unb64(statement.root),
    )
    return facts


def _object_in(facts: Facts, posted: bytes) -> bytes:
    """Return what the entry holds of the object: all, or only its digest among the facts."""
    match facts:
        case entries.Accepted() | entries.Acknowledged():
            return posted
        case entries.Trust():
            named = facts.document.digest
        case entries.Refused():
            named = facts.digest
        case entries.EpochOpened() | entries.Checkpointed():
            raise Refusal(Code.BAD_PROOF, "/facts")
    if named != digest(posted):
        raise Refusal(Code.BAD_PROOF, "/facts")
    return b""


def must_be_from(receipt: Receipt, node: str) -> None:
    """Hold a receipt to the node that it was asked of."""
    if receipt.node != node:
        raise Refusal(Code.BAD_PROOF, "/node", name=receipt.node)


def must_be_taken_in(facts: Facts, posted: bytes) -> None:
    """Hold a receipt to what was meant: recorded as accepted, and owed to every recipient.

    Raises:
        Refusal: ``bad-proof``: the entry it proves is a refusal, or leaves somebody out.
    """
    if isinstance(facts, entries.Refused):
        raise Refusal(Code.BAD_PROOF, "/facts", found=facts.code)
    signed = jws.read(posted, headers.MAX_HEADER_BYTES)
    if signed.typ == headers.TYP:
        if not isinstance(facts, entries.Accepted):
            raise Refusal(Code.BAD_PROOF, "/facts", found=entries.kind_of(facts))
        header = headers.decode(signed.payload)
        left_out = set(header.to) - {owed.endpoint for owed in facts.owed}
        if left_out:
            raise Refusal(Code.BAD_PROOF, "/facts/owed", name=min(left_out))
