"""A boarding request stands as the clock of who is asked says; silence only when proved."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from exchange import resources
from exchange.errors import Code, Refusal
from exchange.model.codes import load
from exchange.model.header import Reference
from exchange.model.trust import Clock
from exchange.policy import boarding, book
from exchange.policy.boarding import Case, Known, Reason, State, case, due_at, is_reply, urged
from exchange.render import agreement
from tests import builders
from tests.builders import NOW, OPS, WATCH, WATCH_DESK

WORLD = builders.world()
DUE = NOW + 7200
KNOWN = Known(silence="deemed-consent", reminders=(50, 75), received=NOW, due=DUE, apart_s=600)
CLOCK = Clock("salas-becker", 120, "deemed-consent", reminders=[50, 75])


def agreed(*clocks: Clock) -> Any:
    return msgspec.structs.replace(WORLD.arrangement, clocks=list(clocks))


def request(**changes: Any) -> Any:
    members = {"type": "brq", "regime": "salas-becker", "to": [WATCH], "due": None}
    return WORLD.header(**{**members, **changes})


@pytest.mark.parametrize(
    ("known", "at", "state", "reason"),
    [
        # The clock runs.
        ({}, NOW, "open", None),
        ({}, NOW + 3599, "open", None),
        ({}, NOW + 3600, "reminded", None),
        ({}, DUE, "reminded", None),
        ({"due": None}, DUE + 1, "open", None),
        # Its time is over, and nothing proves yet that nobody answered.
        ({}, DUE + 1, "undetermined", "not-covered"),
        ({"covered": DUE}, DUE + 1, "undetermined", "not-covered"),
        ({"silence": "express"}, DUE + 1, "undetermined", "not-covered"),
        # Silence is proved.
        ({"covered": DUE + 1}, DUE + 1, "deemed-consent", None),
        ({"covered": DUE + 1, "silence": "deemed-refusal"}, DUE + 1, "deemed-refusal", None),
        ({"covered": DUE + 1, "silence": "express"}, DUE + 1, "overdue", None),
        # By the clock of who is asked, wherever that of who looks is.
        ({"covered": DUE + 1}, NOW, "deemed-consent", None),
        # Whether it took the request in is not shown.
        ({"received": None}, DUE + 1, "undetermined", "not-shown"),
        ({"received": None, "covered": DUE + 1}, DUE + 1, "undetermined", "not-shown"),
        ({"received": None, "is_declined": True}, NOW, "undetermined", "declined-there"),
        ({"received": None, "replies": (NOW,)}, NOW, "answered", None),
        # A reply stops it: at its last second too, and the first of two.
        ({"replies": (NOW + 9,)}, NOW + 9, "answered", None),
        ({"replies": (DUE,), "covered": DUE + 1}, DUE + 1, "answered", None),
        ({"replies": (DUE + 9, NOW + 9), "covered": DUE + 9}, DUE + 9, "answered", None),
        # A late one does not, where silence meant something; where it did not, it answers.
        ({"replies": (DUE + 1,), "covered": DUE + 1}, DUE + 1, "deemed-consent", None),
        ({"replies": (DUE + 1,)}, DUE + 1, "undetermined", "not-covered"),
        ({"replies": (DUE + 1,), "silence": "express"}, DUE + 1, "answered", None),
        (
            {"replies": (DUE + 1,), "silence": "express", "covered": DUE + 1},
            DUE + 1,
            "answered",
            None,
        ),
        # Consent that stands in advance waits for nobody.
        ({"silence": "advance-standing", "received": None}, DUE + 1, "standing", None),
        ({"silence": "advance-standing", "replies": (NOW,)}, NOW, "answered", None),
        # Withdrawn, nothing is deemed; reported, it is over.
        ({"is_withdrawn": True, "covered": DUE + 1}, DUE + 1, "withdrawn", None),
        ({"is_withdrawn": True, "replies": (NOW,)}, NOW, "withdrawn", None),
        ({"reported": DUE + 9, "covered": DUE + 1}, DUE + 9, "reported", None),
    ],
)
def test_case_stands_as_its_clock_says(known, at, state, reason):
    found = case(msgspec.structs.replace(KNOWN, **known), at)
    assert (found.state, found.reason) == (state, reason)


def test_result_keeps_how_the_case_stood():
    known = msgspec.structs.replace(KNOWN, reported=DUE + 9, covered=DUE + 1)
    assert case(known, DUE + 9).basis == "deemed-consent"
    assert case(KNOWN, NOW).basis is None


def test_first_reply_is_told_and_whether_it_came_late():
    late = msgspec.structs.replace(KNOWN, replies=(DUE + 5, DUE + 1))
    told = case(late, DUE + 9)
    assert (told.replied, told.is_late) == (DUE + 1, True)
    just = msgspec.structs.replace(KNOWN, replies=(DUE,))
    assert (case(just, DUE).replied, case(just, DUE).is_late) == (DUE, False)


def test_next_reminder_is_known_until_there_is_none():
    told = [case(KNOWN, at).next_reminder for at in (NOW, NOW + 3600, NOW + 5400)]
    assert told == [NOW + 3600, NOW + 5400, None]


def test_overdue_is_alarmed_at_once_and_then_each_time_its_precedence_allows():
    known = msgspec.structs.replace(KNOWN, silence="express", covered=DUE + 1)
    told = [case(known, at) for at in (DUE + 1, DUE + 599, DUE + 600)]
    assert [(each.overdue_s, each.alarms) for each in told] == [(1, 1), (599, 1), (600, 2)]
    often = case(msgspec.structs.replace(known, apart_s=0), DUE + 120)
    assert often.alarms == 3


def test_time_is_what_was_agreed_or_more_and_never_less():
    terms = boarding.terms(request(), agreed(CLOCK))
    assert terms is not None
    assert due_at(terms, NOW, None) == DUE
    assert due_at(terms, NOW, NOW + 60) == DUE
    assert due_at(terms, NOW, DUE + 60) == DUE + 60


def test_under_a_regime_without_a_clock_nothing_is_ever_deemed():
    other = msgspec.structs.replace(CLOCK, regime="other")
    terms = boarding.terms(request(), agreed(other))
    assert terms is not None
    assert (terms.silence, terms.minutes) == ("express", None)
    assert due_at(terms, NOW, NOW + 60) == NOW + 60
    assert due_at(terms, NOW, None) is None


def test_what_is_agreed_for_the_nation_asked_goes_before_what_is_for_either():
    theirs = msgspec.structs.replace(CLOCK, asked="us", minutes=30)
    ours = msgspec.structs.replace(CLOCK, asked="pa", minutes=45)
    told = boarding.terms(request(), agreed(CLOCK, theirs, ours))
    assert told is not None
    assert (told.minutes, told.asked) == (30, "us")
    back = boarding.terms(request(endpoint=WATCH, to=[OPS]), agreed(ours, theirs))
    assert back is not None
    assert (back.minutes, back.asked) == (45, "pa")
    none = boarding.terms(request(), agreed(ours))
    assert none is not None
    assert none.minutes is None


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "voi"},
        {"regime": None},
        {"verb": "correct"},
        {"to": [builders.DESK]},
    ],
)
def test_no_clock_runs_for_what_asks_nobody_abroad(changes):
    assert boarding.terms(request(**changes), agreed(CLOCK)) is None


def test_reply_is_one_by_who_was_asked_to_this_very_request():
    asked, named = request(to=[WATCH]), "A" * 43

    def reply(**changes: Any) -> Any:
        refs = [Reference("answers", asked.id, named)]
        said = {"type": "brp", "verb": "reply", "endpoint": WATCH_DESK, "to": [OPS]}
        return WORLD.header(**{**said, "refs": refs, **changes})

    # Another endpoint of a member that was asked may say so.
    assert is_reply(reply(), asked, named)
    assert not is_reply(reply(), asked, "B" * 43)
    assert not is_reply(
        reply(refs=[Reference("answers", builders.new_id(), named)]), asked, named
    )
    assert not is_reply(reply(refs=[]), asked, named)
    assert not is_reply(reply(type="rpy"), asked, named)
    assert not is_reply(reply(verb="new"), asked, named)
    assert not is_reply(reply(endpoint=builders.COAST), asked, named)
    assert not is_reply(reply(endpoint=OPS), asked, named)
    # A result is by either side.
    for by in (OPS, WATCH_DESK):
        said = {"type": "brr", "verb": "new", "endpoint": by}
        assert is_reply(reply(**said), asked, named, boarding.RESULT)
    said["endpoint"] = builders.COAST
    assert not is_reply(reply(**said), asked, named, "brr")
    # As a reply no result is ever read.
    assert not is_reply(reply(type="brr", endpoint=OPS), asked, named, "brr")


@pytest.mark.parametrize(
    ("clocks", "at"),
    [
        ([CLOCK, msgspec.structs.replace(CLOCK, regime="none")], "/clocks/1/regime"),
        ([msgspec.structs.replace(CLOCK, reminders=[75, 50])], "/clocks/0/reminders"),
        ([CLOCK, msgspec.structs.replace(CLOCK, minutes=5)], "/clocks/1"),
    ],
)
def test_clock_that_would_bind_nobody_is_not_agreed(clocks, at):
    with pytest.raises(Refusal) as refusal:
        book.must_cohere(agreed(*clocks))
    assert (refusal.value.code, refusal.value.at) == (Code.WRONG_VALUE, at)
    book.must_cohere(agreed(CLOCK, msgspec.structs.replace(CLOCK, asked="pa")))


def test_arrangement_without_clocks_is_spelled_as_before_and_with_them_is_told():
    assert b"clocks" not in msgspec.json.encode(WORLD.arrangement)
    before = WORLD.view
    after = msgspec.structs.replace(before, arrangement=agreed(CLOCK))
    told = "\n".join(agreement.changes(before, after, "es"))
    assert "plazos para responder a un abordaje > salas-becker" in told
    assert "el silencio significa: consentimiento" in told


def test_each_state_and_reason_has_words_and_no_other_has():
    lists = load(resources.read).lists
    assert set(lists["case-states"]) == set(get_args(State))
    assert set(lists["case-reasons"]) == set(get_args(Reason))


def test_case_of_nothing_known_is_undetermined():
    assert case(Known(), NOW) == Case(state="undetermined", reason="not-shown")


def test_nobody_answers_is_urged_at_reminders_at_targets_and_when_it_is_over():
    known = Known(received=NOW, due=NOW + 7200, reminders=(50,), apart_s=1800)
    at = {0: 0, 1799: 0, 1800: 1, 3599: 1, 3600: 3, 7200: 5, 7201: 6, 8999: 6, 9000: 7}
    assert {late: urged(known, NOW + late) for late in at} == at
    assert urged(Known(), NOW) == 0
    no_time = msgspec.structs.replace(known, due=None)
    assert urged(no_time, NOW + 3600) == 2
