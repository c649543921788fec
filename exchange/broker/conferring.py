"""Settle a grant: what it gives, what its new reader is told of, and who released it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.broker import bearing, chasing, citing, holding, keys, records, releasing
from exchange.broker.lookups import own
from exchange.broker.pressing import of as pressing_of
from exchange.broker.records import Record
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model.header import MAX_RECIPIENTS

if TYPE_CHECKING:
    from exchange.broker.due import Due
    from exchange.broker.holding import Find, Target
    from exchange.broker.intake import Conferred
    from exchange.broker.records import Recorded
    from exchange.broker.settle import Ledger


def settle(
    ledger: Ledger, decision: Conferred, raw_and_body: tuple[bytes, bytes], find: Find
) -> Recorded:
    """Give a grant its place.

    Args:
        ledger: of the group.
        decision: whose signature holds.
        raw_and_body: the grant, and the key that it wraps anew, as they arrived.
        find: returns the entry that a key leads to.

    Raises:
        Refusal: it may not be given, or not yet: ``release-required``, ``draft-over``; or
            ``oversized``: what bears on its bulletin could be told to no more.
    """
    grant, named = decision.grant, decision.grant.of.header_digest
    kid, now = decision.seen.wraps[0], ledger.taken_ms // 1000
    target, consent = holding.granted(grant, kid, ledger.in_force, now, find)
    citing.must_stay_within(target.header, [grant.to], now, find, "/to")
    holding.must_be_new(target, grant.to, kid, ledger.in_force, now, find)
    released = releasing.let_grant_in(ledger, decision, target, find)
    number = holding.next_number(named, find)
    stands = bearing.standing(target.header, named, find)
    # What cancels it or what bears on it, to as many recipients of its own, must still fit
    # into one entry.
    told = bearing.widest(target, stands, find) + 1
    limit = records.MAX_OWED - MAX_RECIPIENTS
    if number >= holding.MAX_GRANTS or told > limit or not stands.is_whole:
        raise Refusal(Code.OVERSIZED, "/of", limit=limit, found=told)
    facts = entries.Granted(
        digest=decision.digest,
        of=target.index,
        wrap=decision.seen.blob,
        kid=kid,
        # To the granter nothing is owed: it has its receipt.
        owed=ledger.owe([grant.to, *({grant.of.endpoint} - {grant.endpoint})]),
        corrected_by=holding.indexes(stands.corrections),
        superseded_by=holding.indexes(stands.updates),
        consent=msgspec.UNSET if consent is None else consent,
        released=msgspec.UNSET if released is None else released,
        **ledger.common(),
    )
    is_again, names = _names(decision, target, number, find)
    pressing = None if is_again else pressing_of(target.header, [grant.to])
    chased = None if is_again else chasing.of_grant(target, grant.to, stands.corrections)
    record = Record(
        facts,
        ledger.entry(facts, raw_and_body[0]),
        names,
        tuple(facts.owed),
        (decision.seen.blob, raw_and_body[1]),
        pressing,
        chased=chased,
        due=_ended(ledger, decision, released, find),
    )
    return ledger.enter(record)


def _names(
    decision: Conferred, target: Target, number: int, find: Find
) -> tuple[bool, tuple[bytes, ...]]:
    """Tell whether it was given before, and return the keys that it takes.

    Again, after a lost key or a withdrawal: what it is to see to, it was told of then.
    """
    named, to = decision.grant.of.header_digest, decision.grant.to
    given = (keys.granted_to(named, to), keys.granted_with(named, to, decision.seen.wraps[0]))
    is_again = to in target.header.to or find(given[0]) is not None
    return is_again, (
        *own(decision, decision.digest),
        *(key for key in given if find(key) is None),
        keys.nth_grant(named, number),
    )


def _ended(
    ledger: Ledger, decision: Conferred, released: int | None, find: Find
) -> tuple[Due, ...]:
    if released is None:
        return ()
    return releasing.ended(ledger, releasing.of_grant(decision), find)
