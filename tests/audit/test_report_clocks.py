"""Questions and boarding cases as a report counts them: facts made by hand, one case each."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from exchange.audit.report.clocks import answers, boardings
from exchange.audit.report.counting import Counted, corrections, refusals, response, volumes
from exchange.audit.report.shared import Fact, Named
from exchange.audit.rows import Row
from exchange.errors import Code, Refusal
from exchange.model.ticking import Ticking
from exchange.policy.boarding import State

COVERED = {"pa": 9_000_000, "us": 10_000_000}
STATES = get_args(State)


def fact(by, kind, at_s, **given):
    """A bulletin by Panama's or the other nation's one agency, to the other, that crossed."""
    there_s = given.pop("there_s", at_s)
    refused = given.pop("refused", "")
    other = "us" if by == "pa" else "pa"
    known = {"verb": "new", "status": "actual", "precedence": "routine", "id": f"{by}-{at_s}"}
    row = Row(
        by, at_s, at_s * 1000, "accepted", ("accepted",), origin=f"{by}.one", type=kind,
        to=(f"{other}.two/desk",), **{**known, **given},
    )  # fmt: skip
    there = Row(other, at_s, there_s * 1000, "refused" if refused else "accepted", code=refused)
    return Fact(
        row, (f"{other}.two/desk",), there, None, named(row.id),
        tuple((relation, named(of)) for relation, of in row.refs),
    )  # fmt: skip


def named(identity, header="h"):
    return Named(identity, header)


def answer(kind, at_s, of, origin="us.two", **given):
    made = fact("us", kind, at_s, refs=(("answers", of),), verb="reply", **given)
    return made._replace(row=msgspec.structs.replace(made.row, origin=origin))


def counted(*facts):
    return Counted(facts, (), ("pa", "us"), 0, 100_000_000, "actual")


def ticking(of, due, silence):
    row = Row("us", 1, 1000, "notice", ("clock",), id=of)
    return Fact(row, (), None, Ticking("r", silence, "us", 1, 1, due, "", 0), named(of))


DEEMED = ticking("pa-1", 100, "deemed-consent")


def test_answers_are_held_to_the_time_that_the_request_gives():
    asked = [fact("pa", "rfi", at, due=due) for at, due in ((1, 100), (2, 100), (3, 8000))]
    asked += [
        fact("pa", "rfi", 4, due=9500),
        fact("pa", "rfi", 5),
        fact("pa", "rfi", 6, due=90),
        fact("pa", "rfi", 7),
    ]
    told = answers(
        counted(
            *asked,
            answer("rpy", 100, "pa-1"),
            answer("rpy", 101, "pa-2"),
            # Who gave no time can be answered neither in it nor late.
            answer("rpy", 102, "pa-7"),
            # By somebody whom nobody asked; and refused by the node of who asked.
            answer("rpy", 50, "pa-3", origin="us.three"),
            answer("rpy", 51, "pa-3", refused="not-releasable"),
            fact("pa", "can", 60, verb="cancel", refs=(("cancels", "pa-6"),)),
        ),
        COVERED,
    )
    row = dict(zip((each.name for each in told.columns), told.rows[0], strict=True))
    assert row == {
        "nation": "pa", "asked": 7, "answered": 3, "in_time": 1, "late": 1, "untimed": 1,
        "open": 2, "overdue": 1, "withdrawn": 1, "p50": 99, "p90": 99, "max": 99,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ((answer("brp", 100, "pa-1"),), "answered"),
        (
            (ticking("pa-1", 100, "deemed-consent"), answer("brp", 101, "pa-1")),
            "deemed-consent",
        ),
        ((DEEMED, answer("brp", 100, "pa-1")), "answered"),
        ((ticking("pa-1", 100, "deemed-refusal"),), "deemed-refusal"),
        ((ticking("pa-1", 100, "express"),), "overdue"),
        ((ticking("pa-1", 20_000, "deemed-consent"),), "open"),
        ((ticking("pa-1", 100, "advance-standing"),), "standing"),
        ((answer("brp", 100, "pa-1", origin="us.three"),), "open"),
        ((fact("pa", "can", 9, verb="cancel", refs=(("cancels", "pa-1"),)),), "withdrawn"),
        ((fact("pa", "brr", 9, refs=(("answers", "pa-1"),)),), "reported"),
    ],
)
def test_a_boarding_case_stands_as_officers_see_it(facts, state):
    _, cases = boardings(counted(fact("pa", "brq", 1, there_s=3), *facts), COVERED)
    assert [row for row in cases.rows if any(row[1:])] == [(state, 0, 1)]
    assert [row[0] for row in cases.rows] == list(STATES)


@pytest.mark.parametrize(
    ("relation", "by", "header", "is_over"),
    [
        ("cancels", "pa.one", "h", True),
        ("supersedes", "pa.one", "h", True),
        # By the one who owes the answer; and of another bulletin that has the same id.
        ("cancels", "us.two", "h", False),
        ("cancels", "pa.one", "other", False),
    ],
)
def test_nobody_ends_a_request_but_who_asked(relation, by, header, is_over):
    made = fact(by[:2], "can", 60, verb="cancel")
    row = msgspec.structs.replace(made.row, origin=by)
    over = made._replace(row=row, refs=((relation, named("pa-1", header)),))
    asked = counted(fact("pa", "rfi", 1, due=100), over)
    # A newer version is the same request still.
    is_withdrawn = is_over and relation == "cancels"
    assert answers(asked, COVERED).rows[0][6:9] == (0, int(not is_withdrawn), int(is_withdrawn))
    deemed = counted(fact("pa", "brq", 1), DEEMED, over)
    state = "withdrawn" if is_over else "deemed-consent"
    assert {row[0] for row in boardings(deemed, COVERED)[1].rows if any(row[1:])} == {state}


def test_an_updated_request_counts_once_and_a_cancelled_answer_not_at_all():
    update = fact("pa", "rfi", 5, verb="update", due=300, refs=(("supersedes", "pa-1"),))
    asked = (fact("pa", "rfi", 1, due=100), update, fact("pa", "rfi", 6, due=100))
    reply, other = answer("rpy", 200, "pa-1"), answer("rpy", 90, "pa-6")
    undone = fact("us", "can", 95, verb="cancel", refs=(("cancels", "us-90"),))
    undone = undone._replace(row=msgspec.structs.replace(undone.row, origin="us.two"))
    told = answers(counted(*asked, reply, other, undone), COVERED).rows[0]
    assert told[1:9] == (2, 1, 1, 0, 0, 0, 1, 0)
    assert told[9:] == (199, 199, 199)
    over = fact("pa", "can", 9, verb="cancel", refs=(("cancels", "pa-5"),))
    assert answers(counted(*asked[:2], over), COVERED).rows[0][1:9] == (1, 0, 0, 0, 0, 0, 0, 1)


@pytest.mark.parametrize(
    ("facts", "count", "state"),
    [
        # Two versions, and a reply to one of them: the time is from when the first came.
        ((answer("brp", 100, "pa-9"),), (1, 1, 97, 97, 97), "answered"),
        ((answer("brp", 7, "pa-1"),), (1, 1, 4, 4, 4), "answered"),
        ((), (1, 0, None, None, None), "open"),
        (
            (fact("pa", "brr", 20, refs=(("answers", "pa-1"),)),),
            (1, 0, *[None] * 3),
            "reported",
        ),
        # By the clock of the newest, and whoever cancels that one withdraws it.
        ((ticking("pa-9", 50, "express"),), (1, 0, None, None, None), "overdue"),
        (
            (fact("pa", "can", 30, verb="cancel", refs=(("cancels", "pa-9"),)),),
            (1, 0, None, None, None),
            "withdrawn",
        ),
    ],
)
def test_a_boarding_request_counts_once_with_all_its_versions(facts, count, state):
    first = fact("pa", "brq", 1, there_s=3)
    newer = fact("pa", "brq", 9, verb="update", refs=(("supersedes", "pa-1"),))
    told, cases = boardings(counted(first, newer, *facts), COVERED)
    assert told.rows[1][1:] == count
    assert [row for row in cases.rows if any(row[1:])] == [(state, 0, 1)]


def test_a_version_that_the_node_asked_refused_takes_no_place():
    first = fact("pa", "brq", 1, there_s=3)
    newer = fact("pa", "brq", 9, verb="update", refs=(("supersedes", "pa-1"),), refused="no")
    told, cases = boardings(counted(first, newer, DEEMED), COVERED)
    assert told.rows[1][1:] == (1, 0, None, None, None)
    assert [row[0] for row in cases.rows if any(row[1:])] == ["deemed-consent"]
    # Refused first, and mended: it was there from then on.
    mended = (
        fact("pa", "brq", 1, refused="no"),
        fact("pa", "brq", 9, verb="update", refs=(("supersedes", "pa-1"),), there_s=10),
    )
    told, cases = boardings(counted(*mended, answer("brp", 30, "pa-9")), COVERED)
    assert told.rows[1][1:] == (1, 1, 20, 20, 20)
    assert [row[0] for row in cases.rows if any(row[1:])] == ["answered"]


def test_how_soon_a_sighting_was_told_is_of_the_new_one_and_not_of_its_versions():
    told = [fact("pa", "voi", 1060, observed=1000)]
    for verb, at_s in (("update", 41_000), ("correct", 42_000), ("reply", 43_000)):
        refs = (("supersedes", "pa-1060"),)
        told.append(fact("pa", "voi", at_s, verb=verb, refs=refs, observed=1000))
    times, _ = response(counted(*told))
    assert [row for row in times.rows if row[2] and row[0] == "accepted"] == [
        ("accepted", of, 1, 60, 60, 60, 60) for of in ("", "routine")
    ]


def test_of_two_bulletins_with_one_id_each_has_its_own_acknowledgements_and_answers():
    one, twin = fact("pa", "rfi", 1), fact("pa", "rfi", 2, id="pa-1", precedence="flash")
    twin = twin._replace(about=named("pa-1", "other"))
    row = Row("us", 9, 9000, "acknowledged", ("opened",), id="pa-1", endpoint="us.two/desk")
    seen = Fact(row, (), None, None, twin.about)
    reply = answer("rpy", 50, "pa-1")._replace(refs=(("answers", twin.about),))
    every = counted(one, twin, seen, reply)
    assert answers(every, COVERED).rows[0][1:7] == (2, 1, 0, 0, 1, 1)
    reached = {row[0]: row[1:] for row in [*response(every)][1].rows}
    assert (reached["flash"], reached["routine"]) == ((1, 1, 1, 0), (2, 0, 0, 0))


def test_what_is_of_a_nation_without_a_column_is_not_left_out_in_silence():
    with pytest.raises(Refusal) as refused:
        list(volumes(counted(fact("fr", "voi", 1))))
    assert (refused.value.code, refused.value.at) == (Code.WRONG_VALUE, "/nation")


def test_a_request_that_was_refused_there_is_undetermined_and_has_no_time():
    asked, cases = boardings(counted(fact("pa", "brq", 1, refused="not-releasable")), COVERED)
    assert [row for row in cases.rows if any(row[1:])] == [("undetermined", 0, 1)]
    assert asked.rows[1] == ("us", 1, 0, None, None, None)


def test_reply_is_timed_from_when_the_node_asked_took_the_request_in():
    both = (fact("pa", "brq", 1, there_s=31), answer("brp", 91, "pa-1"))
    assert boardings(counted(*both), COVERED)[0].rows[1] == ("us", 1, 1, 60, 60, 60)


def test_whole_seconds_are_rounded_once_in_every_table():
    asked = {kind: fact("pa", kind, 10) for kind in ("brq", "rfi")}
    replies = answer("brp", 12, "pa-10"), answer("rpy", 12, "pa-10")
    for late_ms, seconds in ((1, 0), (999, 0), (1000, 1), (1999, 1)):
        # Both a moment before a second is full.
        for kind, reply in zip(asked, replies, strict=True):
            there, taken_ms = (
                msgspec.structs.replace(asked[kind].there, taken_ms=10_999),
                10_999,
            )
            row = msgspec.structs.replace(asked[kind].row, taken_ms=taken_ms)
            late = msgspec.structs.replace(reply.row, taken_ms=taken_ms + late_ms)
            both = asked[kind]._replace(row=row, there=there), reply._replace(row=late)
            if kind == "brq":
                found = boardings(counted(*both), COVERED)[0].rows[1]
            else:
                found = answers(counted(*both), COVERED).rows[0]
            assert found[-3:] == (seconds,) * 3, kind


@pytest.mark.parametrize(
    ("by", "counts"),
    [("us.two", (1, 90, 90, 90)), ("pa.one", (1, 30, 30, 30))],
)
def test_a_reply_that_its_author_cancelled_has_no_time_and_the_case_stays_answered(by, counts):
    undone = fact("us", "can", 65, verb="cancel", refs=(("cancels", "us-61"),))
    undone = undone._replace(row=msgspec.structs.replace(undone.row, origin=by))
    asked = fact("pa", "brq", 1, there_s=31)
    told = counted(asked, answer("brp", 61, "pa-1"), undone, answer("brp", 121, "pa-1"))
    replied, cases = boardings(told, COVERED)
    assert replied.rows[1][2:] == counts
    assert [row for row in cases.rows if any(row[1:])] == [("answered", 0, 1)]
    alone = boardings(counted(*told.facts[:3]), COVERED)
    assert (alone[0].rows[1][2], alone[1]) == (int(by != "us.two"), cases)


def test_a_recipient_that_was_declined_is_a_refusal_and_the_last_holder_ends_the_clock():
    cor = fact("pa", "cor", 10, verb="correct")
    cor = cor._replace(
        owed=("us.two/a", "us.two/b"),
        there=Row("us", 1, 10_000, "accepted", declined=(("us.two/c", "key-not-valid"),)),
    )

    def seen(at_s, name, outcome):
        row = Row(
            "us", at_s, at_s * 1000, "acknowledged", (outcome,), id="pa-10", endpoint=name
        )
        return Fact(row, (), None, None, named("pa-10"))

    first = counted(cor, seen(20, "us.two/a", "opened"), seen(30, "us.two/b", "delivered"))
    assert refusals(first).rows == (("key-not-valid", 0, 1),)
    assert corrections(first).rows[0] == ("correct", 1, 2, 2, 1, 0, None, None, None)
    whole = counted(*first.facts, seen(45, "us.two/b", "actioned"))
    assert corrections(whole).rows[0] == ("correct", 1, 2, 2, 2, 1, 35, 35, 35)
