"""Settle a bulletin: whom it is owed to, what bears on it, and what comes of it later."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import UNSET

from exchange.broker import (
    bearing,
    chasing,
    citing,
    clocking,
    due,
    holding,
    peering,
    pressing,
    records,
    releasing,
)
from exchange.broker.lookups import own
from exchange.broker.records import Record
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.policy import sealed, witnessing
from exchange.policy.ageing import is_late

if TYPE_CHECKING:
    from collections.abc import Collection

    from exchange.broker.bearing import Bearing, Standing
    from exchange.broker.holding import Find, Target
    from exchange.broker.intake import Admitted
    from exchange.broker.records import Found, Recorded
    from exchange.broker.settle import Ledger
    from exchange.model.entry import Owed
    from exchange.model.header import Blob


class _Before(NamedTuple):
    """What came before a bulletin: what it is about, and what is about it."""

    held: Bearing
    cancelled: Found | None
    stands: Standing | None

    @property
    def corrections(self) -> list[Target]:
        return self.stands.corrections if self.stands else []

    @property
    def updates(self) -> list[Target]:
        return self.stands.updates if self.stands else []


class _Owed(NamedTuple):
    """Its release, where it needed one; its places; and to whom it is not owed, and why."""

    released: int | None
    places: list[Owed]
    declined: list[entries.Unowed]


def settle(
    ledger: Ledger,
    decision: Admitted,
    raw_and_body: tuple[bytes, bytes],
    find: Find,
    uploaded: Collection[Blob],
) -> Recorded:
    """Give a bulletin its place: owed to its recipients, and to who holds what it is about.

    Raises:
        Refusal: an attachment is not here; it bears on what it may not; or it would be owed to
            more than one entry may be.
    """
    header = decision.header
    sealed.attached(header.attachments, uploaded)
    # What is refused first stays so: a journal is replayed.
    held = bearing.bear(header, find)
    owed = _owed(ledger, decision, held, find)
    before = _before(decision, held, find)
    facts = _facts(ledger, decision, before, owed)
    return ledger.enter(_record(ledger, decision, raw_and_body, (facts, before), find))


def _owed(ledger: Ledger, decision: Admitted, held: Bearing, find: Find) -> _Owed:
    released: int | None = None
    mine: Collection[str] = decision.owed
    declined: list[entries.Unowed] = []
    if ledger.came is None:
        released = releasing.let_in(ledger, decision, find)
    else:
        mine, declined = peering.outcomes(ledger, decision, find)
    told = [each for each in dict.fromkeys((*mine, *held.holders)) if ledger.owes(each)]
    citing.must_stay_within(decision.header, told, ledger.taken_ms // 1000, find)
    places = ledger.owe(told)
    if len(places) > records.MAX_OWED:
        raise Refusal(Code.OVERSIZED, "/refs", limit=records.MAX_OWED, found=len(places))
    return _Owed(released, places, declined)


def _before(decision: Admitted, held: Bearing, find: Find) -> _Before:
    header, digest = decision.header, decision.digest
    cancelled = find(bearing.early(header, digest)[0])
    return _Before(held, cancelled, bearing.come_early(header, digest, find))


def _facts(
    ledger: Ledger, decision: Admitted, before: _Before, owed: _Owed
) -> entries.Accepted:
    header, view, came = decision.header, ledger.in_force, ledger.came is not None
    is_marked = witnessing.is_marked(header, view, ledger.unwitnessed_s, is_abroad=came)
    late = is_late(header, view, ledger.taken_ms // 1000) if came else decision.late
    corrections, updates = before.corrections, before.updates
    return entries.Accepted(
        digest=decision.digest,
        blobs=[decision.seen.blob, *header.attachments],
        wraps=decision.seen.wraps,
        owed=owed.places,
        late=late,
        target=before.held.target,
        cancelled_by=before.cancelled.index if before.cancelled else None,
        corrected_by=corrections[0].index if corrections else UNSET,
        superseded_by=updates[0].index if updates else UNSET,
        corrected_also_by=holding.indexes(corrections[1:]),
        unwitnessed=True if is_marked else UNSET,
        released=UNSET if owed.released is None else owed.released,
        declined=owed.declined or UNSET,
        **ledger.common(),
    )


def _record(
    ledger: Ledger,
    decision: Admitted,
    raw_and_body: tuple[bytes, bytes],
    entered: tuple[entries.Accepted, _Before],
    find: Find,
) -> Record:
    (raw, body), (facts, before), header = raw_and_body, entered, decision.header
    held, endpoints = before.held, [each.endpoint for each in facts.owed]
    cancelling = holding.read(before.cancelled) if before.cancelled else None
    early = chasing.early(cancelling, before.stands)
    names = own(decision, decision.digest)
    coming = _coming(ledger, decision, before, cancelling, find)
    ended, replies = clocking.replied(header, ledger.taken_there_ms, find)
    if facts.released is not UNSET:
        over = releasing.ended(ledger, releasing.subject(decision), find)
        coming = coming._replace(due=(*coming.due, *over))
    return Record(
        facts,
        ledger.entry(facts, raw),
        (*names, *held.keys, *citing.kept(header, find), *replies),
        tuple(facts.owed),
        (decision.seen.blob, body),
        # Cancelled before it came, it is nothing to hurry for.
        None if before.cancelled else pressing.of(header, endpoints),
        pressing.dropped_by(header, held),
        chasing.of(header, endpoints, held, early, find),
        chasing.over_by(header, held, early),
        due=coming.due,
        undue=(*coming.undue, *ended.undue),
    )


def _coming(
    ledger: Ledger,
    decision: Admitted,
    before: _Before,
    cancelling: Target | None,
    find: Find,
) -> due.Change:
    """Return what comes due of it, and of what it is about."""
    header, view, now = decision.header, ledger.in_force, ledger.taken_ms // 1000
    ends = due.of_bulletin(header, ledger.next_index, now, view, cancelling)
    changed, clock = due.borne(header, before.held, now, view, find), clocking.NOTHING
    if not (before.cancelled or before.updates):
        clock = clocking.taken_in(ledger, header, decision.digest, find)
    return due.Change((*ends, *changed.due, *clock.due), changed.undue)
