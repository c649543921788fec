"""Settle an acknowledgement: of what its endpoint is owed, and what is chased no more by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.broker import keys
from exchange.broker.lookups import own
from exchange.broker.records import Record
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.policy.ageing import is_seen_to
from exchange.seal import jws

if TYPE_CHECKING:
    from exchange.broker.holding import Find
    from exchange.broker.intake import Attested
    from exchange.broker.records import Recorded
    from exchange.broker.settle import Ledger


def settle(ledger: Ledger, decision: Attested, raw: bytes, find: Find) -> Recorded:
    """Give an acknowledgement its place: owed to the author of what it is about.

    Raises:
        Refusal: ``not-owed``: that is not here, or not theirs; ``target-mismatch``.
    """
    ack, granted = decision.ack, None
    found = find(keys.by_digest(ack.of.header_digest))
    target = entries.decode(found.entry) if found else None
    if (
        found is None
        or target is None
        or not isinstance(target.facts, entries.Accepted)
        or not (
            ack.endpoint in {owed.endpoint for owed in target.facts.owed}
            or (granted := find(keys.granted_to(ack.of.header_digest, ack.endpoint)))
        )
    ):
        raise Refusal(Code.NOT_OWED, "/of", id=ack.of.id)
    header = headers.decode(jws.read(target.object, headers.MAX_HEADER_BYTES).payload)
    if (header.id, header.endpoint) != (ack.of.id, ack.of.endpoint):
        raise Refusal(Code.TARGET_MISMATCH, "/of", id=ack.of.id)
    facts = entries.Acknowledged(
        digest=decision.digest,
        of=found.index,
        owed=ledger.owe([header.endpoint]),
        **ledger.common(),
    )
    names = own(decision, decision.digest)
    at = [each.index for each in (found, granted) if each is not None]
    # Where its purge was ordered, that is what is chased, until just this is said.
    if ack.outcome == "purged" and (ordered := find(keys.purge(ack.of.header_digest))):
        at.append(ordered.index)
    seen_to = tuple((ack.endpoint, index) for index in at) if is_seen_to(ack.outcome) else ()
    record = Record(facts, ledger.entry(facts, raw), names, tuple(facts.owed), seen_to=seen_to)
    return ledger.enter(record)
