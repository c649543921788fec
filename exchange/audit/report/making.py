"""A report put together: every table of the template, in its order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from exchange.audit.query import moment
from exchange.audit.report import clocks, counting
from exchange.audit.report.counting import STATUSES, Counted
from exchange.audit.report.figures import SHARED, TEMPLATE, Column, Report, Table
from exchange.audit.report.marks import up
from exchange.audit.report.shared import share
from exchange.errors import Code, Refusal
from exchange.render.times import zulu

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from exchange.audit.report.shared import Held, Shared, Source


_NAMED: Final = re.compile(r"([a-z0-9][a-z0-9.+-]*):([1-9][0-9]{0,14})")


class Asked(NamedTuple):
    """What a report is asked for.

    Attributes:
        since: the first day or second of the period, UTC, as a search has it.
        until: the last day, as a whole, or the second before which it ends.
        anchor: the digest of the first root from which the mirrors were verified.
        status: of the bulletins to count; empty: ``exercise`` where that was agreed on, else
            ``actual``.
        annex: the node whose national annex is wanted; empty: what is shared.
        sizes: by node, where to stop.
    """

    since: str
    until: str
    anchor: str
    status: str = ""
    annex: str = ""
    sizes: Mapping[str, int] = {}


def sizes(text: str) -> dict[str, int]:
    """Return where to stop, by node, as ``pa:240,us:181`` says it; empty: nowhere is named.

    Raises:
        Refusal: ``wrong-value``, at ``/sizes``.
    """
    found: dict[str, int] = {}
    for each in text.split(",") if text else ():
        named = _NAMED.fullmatch(each.strip())
        if named is None or named[1] in found:
            raise Refusal(Code.WRONG_VALUE, "/sizes", expected="pa:240,us:181", found=each[:48])
        found[named[1]] = int(named[2])
    return found


def make(sources: Iterable[Source], asked: Asked) -> Report:
    """Return the report of two verified mirrors.

    Raises:
        Refusal: ``wrong-value``, at what was asked for and cannot be; ``bad-checkpoint``.
        Fault: a mirror cannot be read.
    """
    since_ms, before_ms = moment(asked.since, "/from")[0], moment(asked.until, "/to")[1]
    if before_ms <= since_ms:
        raise Refusal(Code.WRONG_VALUE, "/to")
    if asked.status and asked.status not in STATUSES:
        raise Refusal(Code.WRONG_VALUE, "/status")
    both = share(sources, asked.sizes, asked.annex)
    nations = tuple(each.nation for each in both.held if asked.annex in {"", each.node})
    counted = Counted(
        facts=both.facts,
        also=both.also,
        nations=nations,
        since_ms=since_ms,
        before_ms=before_ms,
        status=asked.status or _usual_status(both),
    )
    return Report(
        template=TEMPLATE,
        scope=asked.annex or SHARED,
        since=zulu(since_ms // 1000),
        before=zulu(before_ms // 1000),
        status=counted.status,
        whole=all(
            each.covered_ms >= before_ms and not _still_owed(both, counted, each.node)
            for each in both.held
        ),
        anchor=asked.anchor,
        tables=tuple(_tables(both, counted, is_shared=not asked.annex)),
    )


def _usual_status(both: Shared) -> str:
    is_exercise = any(each.agreed and each.agreed.exercise for each in both.held)
    return "exercise" if is_exercise else "actual"


def _tables(both: Shared, counted: Counted, *, is_shared: bool) -> Iterator[Table]:
    covered_ms = {each.nation: each.covered_ms for each in both.held}
    yield from counting.volumes(counted)
    yield from counting.response(counted)
    yield counting.corrections(counted)
    yield clocks.answers(counted, covered_ms)
    if is_shared:
        # One nation asks the other: within one of them nobody is asked.
        yield from clocks.boardings(counted, covered_ms)
    yield counting.refusals(counted)
    yield counting.events(counted)
    yield _witnesses(both, counted)
    yield _verified(both, counted)


def _witnesses(both: Shared, counted: Counted) -> Table:
    rows = []
    for each in both.held:
        since_ms = max(counted.since_ms, each.first_ms)
        until_ms = min(counted.before_ms, each.covered_ms)
        found = up(each.marks, _limit_s(each), since_ms, until_ms, counted.before_ms)
        rows.append((each.node, until_ms, *found))
    columns = (
        *(Column("nation", "nation"), Column("until", "time"), Column("checkpoints")),
        *(Column("cosigned_in_time"), Column("undecided"), Column("longest", "seconds")),
        *(Column("down", "seconds"), Column("unknown", "seconds"), Column("up", "share")),
    )
    return Table("witnesses", columns, tuple(rows))


def _limit_s(held: Held) -> int:
    agreed = held.agreed
    return agreed.witnesses.limit_s if agreed is not None and agreed.witnesses else 0


def _still_owed(both: Shared, counted: Counted, node: str) -> int:
    """Return how many entries of the period are owed across, and had not come by the end."""
    return sum(1 for at_ms in both.owed_ms[node] if counted.holds(at_ms))


def _earlier(both: Shared, counted: Counted, node: str) -> int:
    """Return how many bulletins from before the period were taken in there only during it.

    They belong to an earlier report, and may be in none that was made so far.
    """
    taken = both.taken_ms[node]
    return sum(1 for home, there in taken if home < counted.since_ms and counted.holds(there))


def _verified(both: Shared, counted: Counted) -> Table:
    """Say on what it all rests: sizes, roots, who cosigned them, and what crossed."""
    rows = []
    for each in both.held:
        vouched = each.vouched
        rows.append(
            (
                *(each.node, each.size, each.root, each.covered_ms),
                " ".join(vouched.by) if vouched else None,
                vouched.at * 1000 if vouched else None,
                *(both.crossed[each.node], both.waiting[each.node], both.overtaken[each.node]),
                *(_still_owed(both, counted, each.node), _earlier(both, counted, each.node)),
                each.lost,
            )
        )
    columns = (
        *(Column("nation", "nation"), Column("size"), Column("root", "text")),
        *(Column("covered", "time"), Column("witnesses", "text"), Column("cosigned", "time")),
        *(Column("crossed"), Column("waiting"), Column("overtaken")),
        *(Column("still_owed"), Column("earlier"), Column("lost")),
    )
    return Table("verified", columns, tuple(rows))
