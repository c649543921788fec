"""What a report counts at its edges: of grants, versions, and what is at home and abroad."""

from __future__ import annotations

from contextlib import ExitStack

from exchange.audit.report.making import Asked, make
from exchange.cli.journal_file import opened
from tests.audit.half_year import PERIOD, later, posted
from tests.audit.traded import written
from tests.builders import DESK, WATCH, border

ASKED = Asked(*PERIOD, border().anchor)


def reports(folder, play):
    """The shared report of what is played, and the annex of each node."""
    traded = written(folder, play)
    with ExitStack() as stack:
        sources = [stack.enter_context(opened(file)) for file in traded.files]
        return [make(sources, ASKED._replace(annex=annex)) for annex in ("", "pa", "us")]


def times(report, stage):
    """Count, median, 90th and 95th percentile and longest, of all precedences together."""
    (found,) = [row[2:] for row in report.table("times").rows if row[:2] == (stage, "")]
    return found


def test_what_crosses_by_a_grant_days_later_is_no_slow_crossing(tmp_path):
    async def play(both, _):
        land = border()
        home = land.closed(to=[DESK], precedence="routine")
        await posted(both.pa, home.envelope)
        await posted(both.pa, land.envelope(to=[WATCH]))
        later(both, 60)
        await both.settle()
        later(both, 5 * 86_400)
        await posted(both.pa, land.grant(home, WATCH))
        await both.settle()

    shared, *_ = reports(tmp_path, play)
    assert shared.table("types").rows == (("voi", 2, 0),)
    assert times(shared, "crossed") == (1, 60, 60, 60, 60)
