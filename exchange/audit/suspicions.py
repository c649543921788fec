"""What is unusual in journals: one small function for each rule of ``anomalies``."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from exchange.audit.query import parse
from exchange.audit.search import matching
from exchange.broker import peering
from exchange.model.identity import member_of
from exchange.model.trust import DEFAULT_TARGETS
from exchange.policy.ageing import is_seen_to

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exchange.audit.index import Index
    from exchange.audit.rows import Row
    from exchange.model.view import View

_HOUR_MS: Final = 3_600_000
_DAY_S: Final = 86_400
# Refusals that say: this key may not be used here, or not now.
_KEY_CODES: Final = ("key-not-valid", "unknown-key", "bad-signature", "endpoint-suspended")


class Settings(msgspec.Struct, frozen=True):
    """From when on something is unusual; ``of`` takes what the arrangement says.

    Attributes:
        gap_h: hours without any entry, at least 24.
        crossing_h: hours in which what is owed abroad is to be there.
        witness_s: seconds without a quorum; 0: none is asked for.
        skew_s: seconds that two nodes' clocks may differ by.
        flash_s: seconds in which somebody is to see to a FLASH.
        burst: refusals of one endpoint within ``burst_s`` seconds.
        reverted_days: within so many days a change is one that was taken back.
        one_sided: bulletins that cross one way within ``one_sided_days``, and none the other.
        purge_days: days after the end of retention in which a purge is to be ordered.
        bulk_read: entries (and proofs of some) shown to one auditor in ``bulk_read_s`` seconds.
        after_hours: the same, from when offices close to when they open.
        opens_h: and ``closes_h``, hours UTC from Monday to Friday: by default from seven in the
            morning in Washington in summer to seven in the evening in Panama.
        serves: by node, the nations that it serves; one that is not listed serves its own.
    """

    gap_h: int = 24
    crossing_h: int = 4
    witness_s: int = 0
    skew_s: int = 120
    flash_s: int = DEFAULT_TARGETS.flash
    burst: int = 20
    burst_s: int = 600
    reverted_days: int = 30
    one_sided: int = 20
    one_sided_days: int = 30
    purge_days: int = 2
    bulk_read: int = 10_000
    bulk_read_s: int = 3600
    after_hours: int = 1000
    opens_h: int = 11
    closes_h: int = 24
    serves: dict[str, tuple[str, ...]] = {}


def settings_of(view: View | None) -> Settings:
    """Return the settings that what is in force gives; the rest is as usual."""
    agreed = None if view is None else view.arrangement
    if view is None or agreed is None:
        return Settings()
    return Settings(
        serves={name: tuple(node.serves) for name, node in view.nodes.items()},
        witness_s=agreed.witnesses.limit_s if agreed.witnesses else 0,
        flash_s=agreed.target_s("flash"),
        skew_s=agreed.limits.skew_s,
    )


class Anomaly(msgspec.Struct, frozen=True):
    """One find.

    Attributes:
        journal: the node in whose journal it was found; ``at_ms``: when, by that journal.
        entries: indexes in that journal that it was found in, the first 50.
        query: pairs that find these, and more of them, in ``search``.
        facts: what fills in the sentence.
        rule: its name.
    """

    journal: str
    at_ms: int
    entries: tuple[int, ...]
    query: tuple[tuple[str, str], ...]
    facts: dict[str, str | int]
    rule: str = ""


class Look:
    """An index as the rules look at it: by journal and query, oldest first."""

    def __init__(self, index: Index, settings: Settings, only: tuple[str, ...] = ()) -> None:
        """Look at these journals; empty: all."""
        self.index, self.settings = index, settings
        self.journals = [each for each in index.journals() if not only or each.node in only]
        self.nodes = tuple(each.node for each in self.journals)
        self.now_ms = max((each.taken_ms for each in self.journals), default=0)

    def abroad(self, home: str, other: str) -> frozenset[str]:
        """Return the nations that the other node serves, and the home does not."""
        serves = self.settings.serves
        return frozenset(serves.get(other, (other,))) - frozenset(serves.get(home, (home,)))

    def rows(self, journal: str, *pairs: tuple[str, str]) -> Iterator[Row]:
        """Yield the rows of a journal that a query finds."""
        return matching(self.index, parse([("journal", journal), *pairs]))

    def named(self, name: str, value: str, nodes: Iterable[str] = ()) -> Iterator[Row]:
        """Yield rows by a name, of these journals or of all."""
        by_node = {each.node: each for each in self.journals}
        for node, at in self.index.named(name, value):
            if node in by_node and (not nodes or node in nodes):
                row = self.index.row(by_node[node], at)
                if row is not None and (name, value) in row.names():
                    yield row


def found_at(
    row: Row, *pairs: tuple[str, str], entries: Iterable[int] = (), **facts: str | int
) -> Anomaly:
    """Return an anomaly that was found at a row.

    Args:
        row: the entry.
        pairs: of the query that finds it, and more like it; none: that of its entries.
        entries: indexes that it was found in; none: the row's.
        facts: what fills in the sentence, beside the journal and the entry.
    """
    found = tuple(entries) or (row.index,)
    query = pairs or tuple(("entry", str(index)) for index in found[:50])
    told = {"journal": row.journal, "entry": row.index, **facts}
    return Anomaly(
        row.journal, row.taken_ms, found[:50], (("journal", row.journal), *query), told
    )


def gap(look: Look) -> Iterator[Anomaly]:
    """A day or longer without any entry: the node was down, or what there was is gone."""
    for journal in look.journals:
        before: Row | None = None
        for _, first, end in look.index.days(journal):
            # So long a time begins with the last entry of a day, and ends with a day's first.
            for row in look.index.rows(journal, (first, end - 1)):
                if not row.taken_ms:
                    continue  # it cannot be read: of when it is, nobody can tell
                hours = 0 if before is None else (row.taken_ms - before.taken_ms) // _HOUR_MS
                if before is not None and hours >= max(24, look.settings.gap_h):
                    yield found_at(row, entries=(before.index, row.index), hours=hours)
                before = row


def withheld(look: Look) -> Iterator[Anomaly]:
    """What one nation's journal owes the other, and the other's does not have in time."""
    grace_ms = look.settings.crossing_h * _HOUR_MS
    for journal in look.journals:
        for other in look.journals:
            if other.node == journal.node:
                continue
            here = {row.home_index for row in look.rows(other.node) if row.home == journal.node}
            abroad = look.abroad(journal.node, other.node)
            for row in look.rows(journal.node, ("outcome", "accepted")):
                owed = any(peering.is_here(name, abroad) for name in row.to)
                waited_ms = other.taken_ms - row.taken_ms
                if owed and not row.home and row.index not in here and waited_ms > grace_ms:
                    yield found_at(row, id=row.id, hours=waited_ms // _HOUR_MS)


def slow_witness(look: Look) -> Iterator[Anomaly]:
    """A checkpoint longer without a quorum of witnesses than the arrangement allows.

    A journal in which nothing happens waits for nobody: what counts is from when a checkpoint
    was made until a quorum had signed it, and not the time between two of them.
    """
    limit_s = look.settings.witness_s
    if not limit_s:
        return
    for journal in look.journals:
        waiting: deque[Row] = deque()
        for row in look.rows(journal.node, ("kind", "checkpoint")):
            until_ms, earliest = row.taken_ms, waiting[0] if waiting else None
            while waiting and waiting[0].version <= row.cosigned:
                waiting.popleft()
            is_met = earliest is not None and (not waiting or waiting[0] is not earliest)
            waiting.append(row)
            if is_met and row.at_s is not None:
                until_ms = min(until_ms, row.at_s * 1000)
            if earliest is None or not (is_met or _is_last(look, row)):
                continue
            late_ms = until_ms - earliest.taken_ms
            if late_ms > limit_s * 1000:
                # While it lasts, it is one find: of the first that waited.
                pairs, hours = ("kind", "checkpoint"), late_ms // _HOUR_MS
                yield found_at(row, pairs, entries=[earliest.index], hours=hours)


def _is_last(look: Look, row: Row) -> bool:
    """Tell whether no later checkpoint is there: then nobody has vouched since."""
    (journal,) = (each for each in look.journals if each.node == row.journal)
    values = look.index.values(journal, "kind")
    (bits,) = (look.index.bits(journal, each) for each in values if each.value == "checkpoint")
    return row.index == bits.bit_length() - 1


def clock_skew(look: Look) -> Iterator[Anomaly]:
    """Taken in here before the other node says that it was recorded there."""
    for journal in look.journals:
        for kind in ("accepted", "acknowledged", "granted", "trust-received"):
            for row in look.rows(journal.node, ("kind", kind)):
                ahead_ms = row.home_ms - row.taken_ms
                if row.home and ahead_ms > look.settings.skew_s * 1000:
                    yield found_at(row, home=row.home, seconds=ahead_ms // 1000)


def unacknowledged(look: Look) -> Iterator[Anomaly]:
    """A FLASH that a recipient did not see to in time; by each journal's own recipients."""
    target_ms = look.settings.flash_s * 1000
    for journal in look.journals:
        pairs = (("kind", "accepted"), ("precedence", "flash"))
        for row in look.rows(journal.node, *pairs):
            if row.verb not in {"new", "update"} or look.now_ms - row.taken_ms <= target_ms:
                continue
            seen = _seen_to(look, row)
            # Who is of another nation, whose journal is here as well, is told of there.
            homes = set(look.nodes) - {journal.node}
            for name in row.to:
                is_elsewhere = name.partition(".")[0] in homes
                late = seen.get(name, look.now_ms) - row.taken_ms > target_ms
                if late and not is_elsewhere:
                    minutes = target_ms // 60_000
                    yield found_at(
                        row, ("id", row.id), id=row.id, endpoint=name, minutes=minutes
                    )


def _seen_to(look: Look, row: Row) -> dict[str, int]:
    """Return when each recipient first said more than that it was delivered."""
    found: dict[str, int] = {}
    for ack in look.named("id", row.id, (row.journal,)):
        if ack.kind == "acknowledged" and any(map(is_seen_to, ack.outcome)):  # type: ignore[arg-type]
            found[ack.endpoint] = min(ack.taken_ms, found.get(ack.endpoint, ack.taken_ms))
    return found


def refusal_burst(look: Look) -> Iterator[Anomaly]:
    """Many refusals of one endpoint in a short time; told once until it is quiet again."""
    most, span_ms = look.settings.burst, look.settings.burst_s * 1000
    for journal in look.journals:
        recent: dict[str, deque[Row]] = {}
        told: set[str] = set()
        for row in look.rows(journal.node, ("kind", "refused")):
            window = recent.setdefault(row.endpoint, deque())
            window.append(row)
            while window[0].taken_ms < row.taken_ms - span_ms:
                window.popleft()
            if len(window) < most:
                told.discard(row.endpoint)
            elif row.endpoint not in told:
                told.add(row.endpoint)
                who = (("kind", "refused"), ("endpoint", row.endpoint))
                yield found_at(
                    row,
                    *(who if row.endpoint else who[:1]),
                    entries=[each.index for each in window],
                    endpoint=row.endpoint or "-",
                    count=len(window),
                    minutes=look.settings.burst_s // 60,
                )


def bad_keys(look: Look) -> Iterator[Anomaly]:
    """Something signed by a key that was not valid, or is nobody's, was refused for it."""
    for journal in look.journals:
        codes = tuple(("code", code) for code in _KEY_CODES)
        for row in look.rows(journal.node, ("kind", "refused"), *codes):
            yield found_at(row, endpoint=row.endpoint or row.home or "-", code=row.code)


def reverted(look: Look) -> Iterator[Anomaly]:
    """The arrangement was changed, and soon says again what it said before, by any way."""
    span_ms = look.settings.reverted_days * _DAY_S * 1000
    for journal in look.journals:
        # By what it said: what changed that, the last time that it said so.
        changed_by: dict[str, Row] = {}
        before = ""
        for row in look.rows(journal.node, ("kind", "trust")):
            if not row.agreed:
                continue
            changed_by[before] = row
            changed, before = changed_by.get(row.agreed), row.agreed
            if changed is not None and row.taken_ms - changed.taken_ms <= span_ms:
                at = (changed.index, row.index)
                yield found_at(row, entries=at, first=changed.index)


def one_sided(look: Look) -> Iterator[Anomaly]:
    """Much crosses one way, and nothing the other; one find, of where that began."""
    since_ms = look.now_ms - look.settings.one_sided_days * _DAY_S * 1000
    for journal in look.journals:
        came, went, last, began = 0, 0, None, None
        for row in look.rows(journal.node, ("kind", "accepted")):
            is_recent = row.taken_ms >= since_ms
            if row.home:
                came, last, began = came + is_recent, row, began or row
            elif any(name.partition(".")[0] != row.nation for name in row.to):
                went, began = went + is_recent, None
        if last and began and came >= look.settings.one_sided and not went:
            pairs = (("kind", "accepted"), ("outcome", "received"))
            yield found_at(
                last,
                *pairs,
                entries=[began.index],
                count=came,
                giver=last.home,
                taker=journal.node,
                days=look.settings.one_sided_days,
            )


def never_purged(look: Look) -> Iterator[Anomaly]:
    """Held longer than its header says, and nobody ordered that it be destroyed."""
    for journal in look.journals:
        ordered = {row.of for row in look.rows(journal.node, ("kind", "purge-ordered"))}
        for row in look.rows(journal.node, ("kind", "accepted")):
            over_s = journal.taken_ms // 1000 - (row.retain_until or journal.taken_ms)
            if row.index not in ordered and over_s > look.settings.purge_days * _DAY_S:
                yield found_at(row, ("id", row.id), id=row.id, days=over_s // _DAY_S)


def unordered(look: Look) -> Iterator[Anomaly]:
    """Somebody says that something was destroyed, which no order is of."""
    for journal in look.journals:
        orders = {row.index: row for row in look.rows(journal.node, ("kind", "purge-ordered"))}
        about = {row.id for row in orders.values()}
        for row in look.rows(journal.node, ("outcome", "purged")):
            is_node = row.kind == "purged"
            lost = [each for each in row.orders if each not in orders]
            if lost or (not is_node and row.id not in about):
                who = journal.node if is_node else member_of(row.endpoint)
                yield found_at(row, who=who)
