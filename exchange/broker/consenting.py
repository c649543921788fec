"""Settle what an originator says of passing a bulletin on: that one may, or may no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.broker import consents, holding, keys
from exchange.broker.lookups import own
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.policy import rules

if TYPE_CHECKING:
    from exchange.broker.holding import Find, Target
    from exchange.broker.intake import Permitted
    from exchange.broker.records import Recorded
    from exchange.broker.settle import Ledger
    from exchange.model.objects import Consent


def settle(ledger: Ledger, decision: Permitted, raw: bytes, find: Find) -> Recorded:
    """Give a consent or its withdrawal its place: owed to who gives, who receives, the author.

    Raises:
        Refusal: its bulletin is not here, or not its member's; or who would give by it holds
            nothing; or the rules would not let the grant; or who would
            receive it holds it; or there is nothing to withdraw.
    """
    consent, named = decision.consent, decision.consent.of.header_digest
    target = holding.target(consent.of, consent.origin, find)
    if target is None:
        raise Refusal(Code.TARGET_UNKNOWN, "/of", id=consent.of.id)
    before = consents.said(named, consent.by, consent.to, find)
    if consent.until is None:
        # Whatever became of the bulletin since: it may lie where nobody should read it.
        if not before or consents.in_entry(before[-1].entry).until is None:
            raise Refusal(Code.CONSENT_UNKNOWN, "/to", name=consent.to)
    else:
        _must_be_of_use(consent, target, ledger, find)
        if len(before) >= consents.MAX_CONSENTS - 1:
            limit = consents.MAX_CONSENTS - 1
            raise Refusal(Code.OVERSIZED, "/of", limit=limit, found=len(before) + 1)
    facts = entries.Consented(
        digest=decision.digest,
        of=target.index,
        owed=ledger.owe(
            [consent.by, consent.to, *({consent.of.endpoint} - {consent.endpoint})]
        ),
        **ledger.common(),
    )
    number = keys.consent(named, consent.by, consent.to, len(before))
    return ledger.keep(facts, raw, (*own(decision, decision.digest), number))


def _must_be_of_use(consent: Consent, target: Target, ledger: Ledger, find: Find) -> None:
    """Hold a consent to what could be given by it now: who reads it is to rely on it."""
    of, now = consent.of, ledger.taken_ms // 1000
    if cancelled := find(keys.bearing("cancels", consent.origin, of.header_digest, of.id)):
        raise Refusal(Code.TARGET_CANCELLED, "/of", id=of.id, found=cancelled.index)
    holding.must_not_be_purged(of.header_digest, find)
    holding.must_hold(target, consent.by, find, "/by")
    given = rules.Given(consent.by, now, rules.Consent(consent.until))
    view = ledger.in_force
    rules.decide("grant", target.header, view, now, recipient=consent.to, given=given)
    holding.must_be_new(target, consent.to, None, view, now, find)
