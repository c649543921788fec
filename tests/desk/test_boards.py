"""The boards: who owes which answer by when, and how the initiatives stand."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from exchange.desk import boards
from exchange.model.bulletin.requests import Answer
from exchange.model.header import Reference
from tests.builders import COAST, WATCH
from tests.desk.test_shelf import delivered
from tests.model.bulletins import example

DUE = 2_000_000_000


def request(index, n=2, due=DUE):
    made = example("rfi")
    questions = [
        msgspec.structs.replace(made.content.questions[0], n=place + 1) for place in range(n)
    ]
    reply_by = datetime.fromtimestamp(due, UTC)
    content = msgspec.structs.replace(made.content, questions=questions, reply_by=reply_by)
    bulletin = msgspec.structs.replace(made, content=content)
    return delivered(index, bulletin=bulletin, type="rfi", to=[WATCH, COAST])


def reply(index, to, outcomes, endpoint=WATCH):
    made = example("rpy")
    answers = [Answer(n, outcome) for n, outcome in outcomes.items()]
    content = msgspec.structs.replace(made.content, answers=answers)
    bulletin = msgspec.structs.replace(made, content=content)
    refs = [Reference("answers", to.header.id, to.digest)]
    header = {"type": "rpy", "verb": "reply", "endpoint": endpoint, "refs": refs}
    return delivered(index, bulletin=bulletin, **header)


def board(*items):
    (found,) = boards.requests(items)
    return found


@pytest.mark.parametrize(
    ("replies", "state", "silent"),
    [
        ([], "open", (WATCH, COAST)),
        ([{1: "answered"}], "open", (COAST,)),
        ([{1: "answered", 2: "answered"}], "answered", (COAST,)),
        ([{1: "answered", 2: "no-trace"}], "answered", (COAST,)),
        ([{1: "answered", 2: "refused"}], "partial", (COAST,)),
        ([{1: "refused", 2: "refused"}], "refused", (COAST,)),
        ([{1: "no-trace", 2: "no-trace"}], "no-trace", (COAST,)),
        ([{1: "no-trace", 2: "refused"}, {1: "answered", 2: "partial"}], "partial", ()),
        ([{1: "answered", 2: "answered"}, {1: "refused", 2: "no-trace"}], "answered", ()),
    ],
)
def test_request_is_over_when_each_question_has_an_outcome(replies, state, silent):
    asked = request(1)
    said = [
        reply(place + 2, asked, outcomes, endpoint)
        for place, (outcomes, endpoint) in enumerate(zip(replies, (WATCH, COAST), strict=False))
    ]
    found = board(asked, *said)
    assert found.state(DUE - 1) == state
    assert found.silent == silent
    assert found.state(DUE) == ("late" if state == "open" else state)


def test_answer_to_what_was_not_asked_settles_nothing():
    asked = request(1, n=1)
    assert board(asked, reply(2, asked, {2: "answered"})).state(0) == "open"
    assert board(asked, reply(2, asked, {1: "no-trace", 2: "refused"})).state(0) == "no-trace"


def test_reply_to_another_request_answers_nothing():
    asked, other = request(1), request(2)
    found = boards.requests([asked, other, reply(3, other, {1: "answered", 2: "answered"})])
    assert [each.state(0) for each in found] == ["open", "answered"]


def test_what_is_due_soonest_comes_first_and_what_is_withdrawn_is_not_owed():
    late, soon = request(1, due=DUE), request(2, due=DUE - 100)
    gone = request(3, due=5)
    withdrawal = delivered(
        4, type="can", verb="cancel", refs=[Reference("cancels", gone.header.id, gone.digest)]
    )
    found = boards.requests([late, soon, gone, withdrawal])
    assert [each.item.index for each in found] == [2, 1]


def dialogue(index, states, end=0):
    made = example("dlg")
    first = made.content.initiatives[0]
    initiatives = [
        msgspec.structs.replace(
            first,
            initiative=msgspec.structs.replace(first.initiative, text=text),
            initiative_state=state,
            due=datetime.fromtimestamp(due, UTC) if due else None,
        )
        for text, (state, due) in states.items()
    ]
    period = msgspec.structs.replace(
        made.content.meeting.period, end=datetime.fromtimestamp(end, UTC)
    )
    meeting = msgspec.structs.replace(made.content.meeting, period=period)
    content = msgspec.structs.replace(made.content, initiatives=initiatives, meeting=meeting)
    bulletin = msgspec.structs.replace(made, content=content)
    return delivered(index, bulletin=bulletin, type="dlg")


def test_initiatives_are_those_of_the_newest_record_with_their_past():
    older = dialogue(9, {"EXERCISE one": ("proposed", 0), "EXERCISE gone": ("agreed", 0)}, 100)
    newer = dialogue(2, {"EXERCISE two": ("agreed", 0), "EXERCISE one": ("under-way", 50)}, 200)
    found = boards.initiatives([older, newer])
    told = [(each.initiative.initiative.text, each.before) for each in found]
    assert told == [("EXERCISE one", ("proposed",)), ("EXERCISE two", ())]
    assert [each.is_late(50) for each in found] == [True, False]
    assert [each.is_late(49) for each in found] == [False, False]


def test_what_is_done_is_not_late():
    (found,) = boards.initiatives([dialogue(1, {"EXERCISE": ("done", 50)})])
    assert not found.is_late(100)
    assert boards.initiatives([]) == []
