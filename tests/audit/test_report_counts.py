"""What a report counts at its edges: of grants, versions, and what is at home and abroad."""

from __future__ import annotations

from contextlib import ExitStack

import msgspec

from exchange.audit.report.making import Asked, make
from exchange.cli.journal_file import opened
from tests.audit.half_year import PERIOD, later, posted
from tests.audit.traded import written
from tests.builders import COAST, DESK, OPS, WATCH, border, feeds, refers, suspended

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


def test_recipients_at_home_of_what_also_went_abroad_are_in_the_annex(tmp_path):
    async def play(both, _):
        land = border()
        mixed = land.envelope(to=sorted([WATCH, DESK]))
        await posted(both.pa, mixed)
        await both.settle()
        later(both, 20)
        await posted(both.pa, land.ack(mixed, DESK), DESK)
        await both.settle()

    shared, annex, _ = reports(tmp_path, play)
    assert shared.table("agencies").rows == (("pa.senan", 1, 0), ("us.jiatfs", 0, 1))
    assert annex.table("agencies").rows == (("pa.senan", 0, 1),)
    assert (len(shared.table("types").rows), annex.table("types").rows) == (1, ())
    assert (times(shared, "opened")[0], times(annex, "opened")) == (0, (1, 20, 20, 20, 20))


def test_what_was_refused_abroad_and_read_at_home_is_in_the_annex_alone(tmp_path):
    async def play(both, _):
        land = border()
        await posted(both.us, land.amended(COAST, suspended), "")
        both_of_them = sorted([COAST, DESK])
        half = land.envelope(to=both_of_them, precedence="flash", observed=None)
        await posted(both.pa, half)
        # Refused abroad, and nobody else has it.
        await posted(both.pa, land.envelope(to=[COAST], observed=None))
        later(both, 30)
        await both.settle()
        await posted(both.pa, land.ack(half, DESK), DESK)
        await both.settle()

    shared, annex, _ = reports(tmp_path, play)
    assert shared.table("types").rows == ()
    assert shared.table("refusals").rows == (("endpoint-suspended", 0, 2),)
    assert annex.table("types").rows == (("voi", 1),)
    assert annex.table("agencies").rows == (("pa.senan", 1, 1),)
    assert [row for row in annex.table("precedence").rows if row[1]] == [("flash", 1)]
    assert [row for row in annex.table("months").rows if row[1]] == [("2026-11", 1)]
    # One recipient, once; and what was refused there did not cross.
    assert [row for row in annex.table("reached").rows if row[1]] == [("flash", 1, 1, 1, 0)]
    assert (times(annex, "crossed")[0], times(shared, "crossed")[0]) == (0, 0)
    # As entries both stand with what crossed.
    kinds = [{row[0]: row[1] for row in each.table("kinds").rows} for each in (shared, annex)]
    assert [each.get("accepted", 0) for each in kinds] == [2, 0]


def test_a_request_that_was_refused_abroad_and_answered_at_home_is_in_the_annex(tmp_path):
    async def play(both, _):
        land, feed = border(), feeds()[0]
        more = msgspec.structs.replace(feed, types=sorted([*feed.types, "rfi", "rpy"]))
        for side in (both.pa, both.us):
            await posted(side, land.rearranged(feeds=[more, *feeds()[1:]]), "")
        await posted(both.us, land.amended(COAST, suspended), "")
        await posted(both.pa, land.amended(DESK, _posts), "")
        due = both.clock.ms // 1000 + 900
        # One that nobody has abroad; and one that somebody has, who does not answer.
        for abroad in (COAST, WATCH):
            asked = land.envelope(to=sorted([abroad, DESK]), type="rfi", due=due)
            await posted(both.pa, asked)
            later(both, 100)
            refs = refers("answers", asked)
            said = {"endpoint": DESK, "type": "rpy", "verb": "reply", "refs": refs}
            await posted(both.pa, land.envelope(to=[OPS], **said), DESK)
        await both.settle()

    shared, annex, _ = reports(tmp_path, play)
    assert annex.table("answers").rows == (("pa", 1, 1, 1, *[0] * 5, 100, 100, 100),)
    # What was answered at home alone is no answer here, and the request is asked here alone.
    (asked, _) = shared.table("answers").rows
    assert asked[:3] == ("pa", 1, 0)


def _posts(endpoint):
    return msgspec.structs.replace(endpoint, roles=["poster", "reader"])


def test_a_correction_to_both_nations_is_one_in_both_reports_together(tmp_path):
    """Its holders abroad are counted in the shared report, those at home in the annex."""

    async def play(both, _):
        land = border()
        to = sorted([WATCH, DESK])
        flawed = land.envelope(to=to)
        await posted(both.pa, flawed)
        await both.settle()
        refs = refers("corrects", flawed)
        correction = land.envelope(to=to, type="cor", verb="correct", refs=refs)
        await posted(both.pa, correction)
        await both.settle()
        later(both, 40)
        await posted(both.us, land.ack(correction, WATCH), WATCH)
        await both.settle()

    shared, annex, _ = [made.table("corrections").rows[0] for made in reports(tmp_path, play)]
    assert (shared[1] + annex[1], shared[2], annex[2]) == (1, 1, 1)
