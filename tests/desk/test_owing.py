"""The board of requests: who owes an answer, seen from who asks and from who is asked."""

from __future__ import annotations

import pytest

from exchange.desk import boards, owing
from tests.builders import COAST, OPS, WATCH
from tests.desk.test_boards import DUE, reply, request


def line(*items, endpoint=WATCH, posted=(), now=0, lang="en"):
    (found,) = owing.lines(boards.requests(items), endpoint, posted, lang, now)
    return found


@pytest.mark.parametrize(("endpoint", "is_mine"), [(WATCH, True), (COAST, True), (OPS, False)])
def test_who_is_asked_owes_an_answer(endpoint, is_mine):
    assert line(request(1), endpoint=endpoint).is_mine is is_mine


def test_who_replied_owes_nothing_more_while_another_does():
    asked = request(1)
    said = reply(2, asked, {1: "answered"}, WATCH)
    assert [line(asked, said, endpoint=each).is_mine for each in (WATCH, COAST)] == [
        False,
        True,
    ]


def test_nobody_owes_anything_once_each_question_has_an_outcome():
    asked = request(1)
    found = line(asked, reply(2, asked, {1: "answered", 2: "refused"}), endpoint=COAST)
    assert (found.is_over, found.is_mine, found.state, found.open) == (
        True,
        False,
        "partial",
        0,
    )


def test_what_was_posted_from_here_is_ours_to_wait_for():
    asked = request(1)
    found = line(asked, endpoint=OPS, posted=[asked.digest], now=DUE)
    assert (found.is_ours, found.is_mine, found.state, found.open) == (True, False, "late", 2)


def test_title_is_in_the_readers_language():
    assert line(request(1), lang="es").title != line(request(1), lang="en").title
