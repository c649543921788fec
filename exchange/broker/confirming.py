"""Settle a confirmation: its bulletin is here, still stands, and is its own member's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.broker import due, holding, keys
from exchange.broker.lookups import own
from exchange.errors import Code, Refusal
from exchange.model import entry as entries

if TYPE_CHECKING:
    from exchange.broker.holding import Find
    from exchange.broker.intake import Upheld
    from exchange.broker.records import Recorded
    from exchange.broker.settle import Ledger


def settle(ledger: Ledger, decision: Upheld, raw: bytes, find: Find) -> Recorded:
    """Give a confirmation its place: owed to the author, where a colleague gave it.

    Raises:
        Refusal: its bulletin is not here, or another's, or was cancelled or is to be purged.
    """
    confirmed, of = decision.confirmation, decision.confirmation.of
    target = holding.target(of, confirmed.origin, find)
    if target is None:
        raise Refusal(Code.TARGET_UNKNOWN, "/of", id=of.id)
    named = (confirmed.origin, of.header_digest, of.id)
    if cancelled := find(keys.bearing("cancels", *named)):
        raise Refusal(Code.TARGET_CANCELLED, "/of", id=of.id, found=cancelled.index)
    holding.must_not_be_purged(of.header_digest, find)
    facts = entries.Confirmed(
        digest=decision.digest,
        of=target.index,
        owed=ledger.owe({of.endpoint} - {confirmed.endpoint}),
        **ledger.common(),
    )
    changed = due.answered(target, ledger.taken_ms // 1000, ledger.in_force)
    return ledger.keep(facts, raw, own(decision, decision.digest), changed)
