"""Requests for a grant in the journal: whom one is owed to, and what an answer must be of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.broker import keys
from exchange.broker.lookups import own
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import objects
from exchange.model.identity import member_of
from exchange.seal import jws

if TYPE_CHECKING:
    from exchange.broker.holding import Find
    from exchange.broker.intake import Requested
    from exchange.broker.records import Found, Recorded
    from exchange.broker.settle import Ledger
    from exchange.model.objects import Request, Subject


def settle(ledger: Ledger, decision: Requested, raw: bytes, find: Find) -> Recorded:
    """Enter a request, owed to whom it asks; or an answer, owed to who asked.

    Raises:
        Refusal: ``target-unknown`` or ``target-mismatch``: what is answered is no request to
            the answerer's member by whom the answer is for.
    """
    request, of, told = decision.request, None, [decision.request.to]
    if request.of is not None:
        found = find(keys.by_digest(request.of.header_digest))
        asked = _answered(request, request.of, found)
        of = found.index if found else None
        # The one that was asked hears of it where a colleague answers.
        told = [asked.endpoint, *({asked.to} - {request.endpoint})]
    facts = entries.Requested(
        digest=decision.digest, of=of, owed=ledger.owe(told), **ledger.common()
    )
    return ledger.keep(facts, raw, own(decision, decision.digest))


def _answered(answer: Request, of: Subject, found: Found | None) -> Request:
    if found is None:
        raise Refusal(Code.TARGET_UNKNOWN, "/of", id=of.id)
    entry = entries.decode(found.entry)
    if not isinstance(entry.facts, entries.Requested):
        raise Refusal(Code.TARGET_MISMATCH, "/of", id=of.id)
    asked = objects.decode_request(jws.read(entry.object, objects.MAX_OBJECT_BYTES).payload)
    is_of_it = (asked.endpoint, asked.id, asked.step) == (of.endpoint, of.id, "asked")
    is_theirs = (answer.origin, answer.to) == (member_of(asked.to), asked.endpoint)
    if not (is_of_it and is_theirs):
        raise Refusal(Code.TARGET_MISMATCH, "/of", id=of.id)
    return asked
