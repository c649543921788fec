"""Notices: what a node tells of a bulletin, under the keys that sign its receipts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.errors import Code, Refusal
from exchange.model import objects
from exchange.seal import jws, trust

if TYPE_CHECKING:
    from exchange.model.objects import Notice
    from exchange.model.view import View


def sign(notice: Notice, signer: jws.Signer) -> bytes:
    """Return a notice signed by its node."""
    return jws.sign(msgspec.json.encode(notice), objects.NOTICE_TYP, [signer])


def verify(raw: bytes, view: View) -> Notice:
    """Return a notice, once the node that it names did sign it.

    Args:
        raw: as received.
        view: the trust documents in force when it was recorded.

    Raises:
        Refusal: ``bad-proof``: there is no such node; or the first check that fails.
    """
    signed = jws.read(raw, objects.MAX_OBJECT_BYTES)
    if signed.typ != objects.NOTICE_TYP:
        raise Refusal(Code.UNKNOWN_OBJECT, "/signatures/0/protected", found=signed.typ[:48])
    notice = objects.decode_notice(signed.payload)
    node = view.nodes.get(notice.node)
    if node is None:
        raise Refusal(Code.BAD_PROOF, "/node", name=notice.node)
    suite = trust.suite_of_node(node)
    if notice.suite != suite or suite not in view.agreed().suites:
        raise Refusal(Code.SUITE_NOT_ALLOWED, "/suite", expected=suite, found=notice.suite)
    jws.verify_by_signatory(signed, node.receipts, suite)
    return notice
