"""What is counted of a set of entries: volumes, response times, corrections, refusals, events.

Pure: facts in, tables out. A bulletin belongs to the period in which its home took it in; what
came of it is counted up to the journals' sizes, however late it came.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from exchange.audit.report.figures import SPREAD, Column, Table, percentile, seconds, spread
from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from exchange.audit.report.figures import Cell
    from exchange.audit.report.shared import Fact, Named
    from exchange.audit.rows import Row

PRECEDENCES: Final = ("flash", "immediate", "priority", "routine")
STATUSES: Final = ("actual", "exercise", "test")
STAGES: Final = ("accepted", "crossed", "delivered", "opened", "actioned")
# What an acknowledgement shows beside what it says: who acted has opened, who opened has it.
_SHOWS: Final[dict[str, tuple[str, ...]]] = {
    "delivered": ("delivered",),
    "unreadable": ("delivered",),
    "opened": ("delivered", "opened"),
    "partial": ("delivered", "opened"),
    "schema-invalid": ("delivered", "opened"),
    "actioned": ("delivered", "opened", "actioned"),
    "purged": (),
}
# Of these, new versions come every few hours, and nothing changes by them.
_NO_NEWS: Final = ("timestamps/", "snapshots/")

Seen = dict[str, dict[str, int]]


class Counted(NamedTuple):
    """What to count.

    Attributes:
        facts: the entries.
        also: bulletins that went abroad as well, with those of their recipients who are at
            home: what became of them there is counted here. The bulletins themselves are
            counted elsewhere, unless they were refused there and so are counted nowhere else.
        nations: in which order columns stand.
        since_ms: the first millisecond of the period; ``before_ms``: the first one after it.
        status: of the bulletins that count.
    """

    facts: tuple[Fact, ...]
    also: tuple[Fact, ...]
    nations: tuple[str, ...]
    since_ms: int
    before_ms: int
    status: str

    def holds(self, at_ms: int) -> bool:
        """Tell whether a moment is in the period."""
        return self.since_ms <= at_ms < self.before_ms

    def is_within(self, row: Row) -> bool:
        """Tell whether an entry was taken in at its home in the period."""
        return self.holds(row.taken_ms)

    def of_period(self, kind: str) -> Iterator[Fact]:
        """Yield the period's entries of a kind."""
        return (
            each for each in self.facts if each.row.kind == kind and self.is_within(each.row)
        )

    def bulletins(self) -> list[Fact]:
        """Return the bulletins that count: of this status, and not refused there.

        Refused there, and owed to somebody at home: then they count with what is at home.
        """
        found = [each for each in self.facts if self._is_asked(each) and not is_refused(each)]
        return found + [each for each in self.kept() if self._is_asked(each)]

    def kept(self) -> list[Fact]:
        """Return what was refused there, and reached those at home all the same."""
        return [each for each in self.also if each.owed and is_refused(each)]

    def elsewhere(self) -> list[Fact]:
        """Return bulletins that count elsewhere and have recipients here."""
        return [
            each
            for each in self.also
            if self._is_asked(each) and each.owed and not is_refused(each)
        ]

    def _is_asked(self, fact: Fact) -> bool:
        row = fact.row
        return row.kind == "accepted" and row.status == self.status and self.is_within(row)

    def seen(self) -> dict[Named | None, Seen]:
        """Return when each bulletin was first shown to be seen: by name, endpoint and stage."""
        found: dict[Named | None, Seen] = {}
        for each in self.facts:
            if each.row.kind != "acknowledged":
                continue
            by = found.setdefault(each.about, {}).setdefault(each.row.endpoint, {})
            for stage in _SHOWS.get(each.row.outcome[0], ()):
                by[stage] = min(each.row.taken_ms, by.get(stage, each.row.taken_ms))
        return found


def is_refused(fact: Fact) -> bool:
    """Tell whether the other nation's node refused what crossed."""
    return fact.there is not None and fact.there.kind == "refused"


def _nations(nations: Iterable[str]) -> tuple[Column, ...]:
    return tuple(Column(f"nation.{each}") for each in nations)


def _by_nation(
    column: Column,
    nations: tuple[str, ...],
    facts: Iterable[Fact],
    value: Callable[[Row], str],
    every: Iterable[str] = (),
) -> Table:
    """Count by a value and by the nation in whose journal it is; ``every`` has a row anyway.

    Raises:
        Refusal: as ``by_column``.
    """
    counts = Counter((value(each.row), each.row.journal) for each in facts)
    known = tuple(every)
    found = sorted({of for of, _ in counts} - set(known))
    return Table(
        column.name, (column, *_nations(nations)), by_column((*known, *found), nations, counts)
    )


def by_column(
    values: Iterable[str], nations: Sequence[str], counts: Mapping[tuple[str, str], int]
) -> tuple[tuple[Cell, ...], ...]:
    """Return a row for each value, with what is counted of it in each nation's column.

    Raises:
        Refusal: ``wrong-value``: one is of a nation that has no column. Counted in none, it
            would be as if it had never been.
    """
    if strange := {nation for _, nation in counts} - set(nations):
        raise Refusal(Code.WRONG_VALUE, "/nation", found=" ".join(sorted(strange)))
    return tuple((each, *(counts[each, nation] for nation in nations)) for each in values)


def volumes(counted: Counted) -> Iterator[Table]:
    """Count bulletins by type, agency, precedence and month, and entries of each kind."""
    found, nations = counted.bulletins(), counted.nations
    yield _by_nation(Column("types", "types"), nations, found, lambda row: row.type)
    yield _agencies(found, counted.elsewhere())
    column = Column("precedence", "precedence")
    yield _by_nation(column, nations, found, lambda row: row.precedence, PRECEDENCES)
    column = Column("months", "month")
    yield _by_nation(column, nations, found, _month_of, _months(counted))
    within = [each for each in counted.facts if counted.is_within(each.row)]
    yield _by_nation(Column("kinds", "kind"), nations, within, lambda row: row.kind)
    accepted = counted.of_period("accepted")
    column = Column("status", "status")
    yield _by_nation(column, nations, accepted, lambda row: row.status, STATUSES)


def _month_of(row: Row) -> str:
    return _month(row.taken_ms)


def _month(milliseconds: int) -> str:
    return dt.datetime.fromtimestamp(milliseconds // 1000, dt.UTC).strftime("%Y-%m")


def _months(counted: Counted) -> list[str]:
    """Return every month that the period touches."""
    found, at = [], counted.since_ms
    while at < counted.before_ms:
        found.append(_month(at))
        begun = dt.datetime.fromtimestamp(at // 1000, dt.UTC).replace(
            day=1, hour=0, minute=0, second=0
        )
        after = (begun + dt.timedelta(days=32)).replace(day=1)
        at = int(after.timestamp()) * 1000
    return found


def _agencies(found: Sequence[Fact], elsewhere: Sequence[Fact]) -> Table:
    posted, received = Counter(each.row.origin for each in found), Counter[str]()
    for each in (*found, *elsewhere):
        received.update({name.partition("/")[0] for name in each.owed})
    rows = tuple((name, posted[name], received[name]) for name in sorted({*posted, *received}))
    columns = (Column("agencies", "text"), Column("posted"), Column("received"))
    return Table("agencies", columns, rows)


# -- how soon -------------------------------------------------------------------------------


def response(counted: Counted) -> Iterator[Table]:
    """Count how soon bulletins reached their recipients, by stage and precedence."""
    times: dict[tuple[str, str], list[int]] = {}
    reached: Counter[tuple[str, str]] = Counter()
    recipients: Counter[str] = Counter()
    seen = counted.seen()
    for each in counted.bulletins():
        row, there = each.row, each.there
        # A newer version repeats when it was observed: it was told of already.
        if row.observed is not None and row.verb == "new":
            _add(times, "accepted", row, row.taken_ms - row.observed * 1000)
        # By a later grant it came for nobody whom it names: it had not been on its way since.
        if there is not None and each.owed and not is_refused(each):
            _add(times, "crossed", row, there.taken_ms - row.taken_ms)
    for each in (*counted.bulletins(), *counted.elsewhere()):
        row, by = each.row, seen.get(each.about, {})
        for name in each.owed:
            recipients[row.precedence] += 1
            for stage, at in sorted(by.get(name, {}).items()):
                reached[row.precedence, stage] += 1
                _add(times, stage, row, at - row.taken_ms)
    yield _times(times)
    columns = ("recipients", "delivered", "opened", "actioned")
    yield Table(
        "reached",
        (Column("precedence", "precedence"), *map(Column, columns)),
        tuple(
            (each, recipients[each], *(reached[each, stage] for stage in columns[1:]))
            for each in PRECEDENCES
        ),
    )


def _add(times: dict[tuple[str, str], list[int]], stage: str, row: Row, ms: int) -> None:
    for precedence in ("", row.precedence):
        times.setdefault((stage, precedence), []).append(ms)


def _times(times: Mapping[tuple[str, str], list[int]]) -> Table:
    rows = []
    for stage in STAGES:
        for precedence in ("", *PRECEDENCES):
            found = sorted(seconds(each) for each in times.get((stage, precedence), ()))
            shares = (percentile(found, each) for each in (50, 90, 95, 100))
            rows.append((stage, precedence, len(found), *shares))
    columns = (
        *(Column("stage", "stage"), Column("precedence", "precedence"), Column("count")),
        *(SPREAD[0], SPREAD[1], Column("p95", "seconds"), SPREAD[2]),
    )
    return Table("times", columns, tuple(rows))


# -- corrections, refusals, events ---------------------------------------------------------


def corrections(counted: Counted) -> Table:
    """Count corrections and cancellations, and how soon every holder had seen each."""
    seen, rows = counted.seen(), []
    for verb in ("correct", "cancel"):
        holders = reached = opened = complete = 0
        last: list[int] = []
        # Of what also went abroad its holders at home are counted here, and it itself there.
        own = sum(1 for each in counted.bulletins() if each.row.verb == verb)
        both = (*counted.bulletins(), *counted.elsewhere())
        for each in (one for one in both if one.row.verb == verb):
            by = seen.get(each.about, {})
            times = [by.get(name, {}) for name in each.owed]
            holders += len(times)
            reached += sum(1 for one in times if "delivered" in one)
            opened += sum(1 for one in times if "opened" in one)
            if times and all("opened" in one for one in times):
                complete += 1
                last.append(max(one["opened"] for one in times) - each.row.taken_ms)
        rows.append((verb, own, holders, reached, opened, complete, *spread(last)))
    counts = ("bulletins", "holders", "delivered", "opened", "complete")
    columns = (Column("correction", "correction"), *map(Column, counts), *SPREAD)
    return Table("corrections", columns, tuple(rows))


def refusals(counted: Counted) -> Table:
    """Count refusals by code and by the nation whose node said no.

    Of what crossed: a whole bulletin, or one recipient of it. Refusals at home keep no status.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for each in counted.facts:
        judged = each.there or each.row
        if not counted.is_within(each.row) or each.row.status not in {"", counted.status}:
            continue
        if judged.kind == "refused":
            counts[judged.code, judged.journal] += 1
        for _, code in judged.declined:
            counts[code, judged.journal] += 1
    columns = (Column("refusals", "refusals"), *_nations(counted.nations))
    found = sorted({code for code, _ in counts})
    return Table("refusals", columns, by_column(found, counted.nations, counts))


def events(counted: Counted) -> Table:
    """List what changed the rules, the directory or a node in the period."""
    rows = []
    for each in counted.facts:
        row = each.row
        is_event = row.kind in {"trust", "epoch-opened"} and not row.rule.startswith(_NO_NEWS)
        if is_event and counted.is_within(row):
            rows.append((row.taken_ms, row.journal, row.index, row.kind, row.rule, row.version))
    columns = (
        *(Column("time", "time"), Column("nation", "nation"), Column("entry")),
        *(Column("kind", "kind"), Column("document", "document"), Column("version")),
    )
    return Table("events", columns, tuple(sorted(rows)))
