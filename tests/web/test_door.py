from __future__ import annotations

import pytest

from exchange.errors import Code, Refusal
from exchange.web.door import Door
from tests.web.trial import Clock, randomness

TWELVE_HOURS_MS = 12 * 3600 * 1000


def door(clock=None, **how):
    return Door(randomness(), clock or Clock(), "es", **how)


def refused(code, call, *given):
    with pytest.raises(Refusal) as told:
        call(*given)
    assert told.value.code is code


def test_a_link_opens_one_session_and_no_second():
    made = door()
    link = made.link()
    assert made.session(made.enter(link)).lang == "es"
    refused(Code.PAGE_LINK, made.enter, link)


def test_a_new_link_ends_the_one_before():
    made = door()
    first, second = made.link(), made.link()
    refused(Code.PAGE_LINK, made.enter, first)
    made.enter(second)


@pytest.mark.parametrize("guess", ["", "AAAA", "\u0130", "x" * 10_000])
def test_a_guess_opens_nothing_and_leaves_the_link_good(guess):
    made = door()
    link = made.link()
    refused(Code.PAGE_LINK, made.enter, guess)
    made.enter(link)


def test_without_a_link_nobody_comes_in():
    refused(Code.PAGE_LINK, door().enter, "")


def test_an_unknown_cookie_is_no_session():
    made = door()
    made.enter(made.link())
    refused(Code.PAGE_SESSION, made.session, "")


def test_a_session_lasts_twelve_hours_after_it_was_last_used():
    clock = Clock()
    made = door(clock)
    opened = made.enter(made.link())
    clock.ms += TWELVE_HOURS_MS - 1
    made.session(opened)
    clock.ms += TWELVE_HOURS_MS - 1
    made.session(opened)
    clock.ms += TWELVE_HOURS_MS
    refused(Code.PAGE_SESSION, made.session, opened)


def test_who_leaves_is_out():
    made = door()
    opened = made.enter(made.link())
    made.leave(opened)
    refused(Code.PAGE_SESSION, made.session, opened)


def test_the_ninth_session_ends_the_first():
    made = door()
    opened = [made.enter(made.link()) for _ in range(9)]
    refused(Code.PAGE_SESSION, made.session, opened[0])
    made.session(opened[1])


def test_each_run_has_a_host_of_its_own_under_localhost():
    names = randomness()
    first, second = (Door(names, Clock(), "es").host for _ in range(2))
    assert first != second
    assert first.endswith(".localhost")
    assert door(is_plain=True).host == "127.0.0.1"


def test_asking_whether_a_session_is_good_has_it_last_no_longer():
    clock = Clock()
    made = door(clock)
    opened = made.enter(made.link())
    clock.ms += TWELVE_HOURS_MS - 1
    assert made.is_in(opened)
    clock.ms += 1
    assert not made.is_in(opened)
    assert not made.is_in("guess")
    again = made.enter(made.link())
    made.leave(again)
    assert not made.is_in(again)
