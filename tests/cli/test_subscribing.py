"""A choice of feeds replaces the one before: never without saying what ends by it."""

from __future__ import annotations

import pytest

from exchange.model.bulletin import TYPES
from tests.cli.exercise import AUDIT, DESK, WATCH, Exercise

BOTH = ["maritime", "requests"]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """An exercise of two feeds, its node running."""
    made = Exercise(tmp_path_factory.mktemp("two"), feeds=("maritime", "requests"))
    made.start()
    yield made
    assert made.stop() == 0, made.log.read_text()


@pytest.fixture
def both(two):
    """The same, the watch subscribed to both; nobody was asked, since nothing ended."""
    told = two.at(WATCH, "subscribe", *BOTH, "--json").json
    assert (told["feeds"], told["ended"]) == (BOTH, [])
    return two


def subscribed(exercise):
    return exercise.at(WATCH, "subscribe", "--json").json["feeds"]


def test_nothing_ends_where_nobody_can_be_asked(both):
    for lang, said in (("es", "Nadie puede confirmar"), ("en", "Nobody is here to confirm")):
        ran = both.run("--lang", lang, "--context", WATCH, "subscribe", "maritime")
        assert (ran.code, said in ran.err) == (2, True)
    assert subscribed(both) == BOTH


def test_what_ends_is_told(both):
    ran = both.at(WATCH, "subscribe", "maritime", "--yes", "--json")
    assert (ran.json["feeds"], ran.json["ended"]) == (["maritime"], ["requests"])
    for lang, said in (("es", "Terminado: maritime."), ("en", "Ended: maritime.")):
        assert both.at(WATCH, "subscribe", "maritime", "--yes").code == 0
        ran = both.run("--lang", lang, "--context", WATCH, "subscribe", "requests", "--yes")
        assert (ran.code, said in ran.out) == (0, True)


def test_none_was_asked_for_and_asks_nothing(both):
    assert both.at(WATCH, "subscribe", "--none", "--json").json["ended"] == BOTH
    assert subscribed(both) == []


def test_one_is_ended_and_the_others_stay(both):
    told = both.at(WATCH, "unsubscribe", "maritime", "--json").json
    assert (told["feeds"], told["ended"]) == (["requests"], ["maritime"])
    assert subscribed(both) == ["requests"]
    again = both.at(WATCH, "unsubscribe", "requests", "maritime", "--json")
    error = again.json["error"]
    assert (again.code, error["code"], error["at"]) == (1, "not-found", "/feeds/1")
    assert subscribed(both) == ["requests"]
    for lang, said in (("es", "Suscrito a: (ninguno)"), ("en", "Subscribed to: (none)")):
        assert both.at(WATCH, "subscribe", "requests").code == 0
        ran = both.run("--lang", lang, "--context", WATCH, "unsubscribe", "requests")
        assert (ran.code, said in ran.out) == (0, True)


def test_feeds_say_what_they_carry_who_posts_and_reads_and_what_is_chosen(both):
    assert both.at(WATCH, "subscribe", "maritime", "--yes").code == 0
    maritime, requests = both.at(WATCH, "feeds", "--json").json["feeds"]
    assert maritime["types"] == sorted(TYPES)
    assert maritime["post"] == maritime["read"] == ["pa.senan", "us.jiatfs"]
    said = ("may_post", "may_read", "subscribed")
    assert [maritime[name] for name in said] == [True, True, True]
    assert [requests[name] for name in said] == [True, True, False]
    assert maritime["subscribers"] == ["us.jiatfs/watch"]
    desk = both.at(DESK, "feeds", "--json").json["feeds"][0]
    assert [desk[name] for name in said] == [False, True, False]
    audit = both.at(AUDIT, "feeds", "--json").json["feeds"][0]
    assert [audit[name] for name in said] == [False, False, False]
    for lang, heads in (
        ("es", ("envían", "leen", "sí")),
        ("en", ("posted by", "read by", "yes")),
    ):
        out = both.run("--lang", lang, "--context", WATCH, "feeds").out
        assert all(head in out for head in (*heads, "pa.senan"))


def test_choice_beyond_entitlement_is_refused_before_anything_is_signed(both):
    ran = both.at(AUDIT, "subscribe", "maritime", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "missing-role")


def test_unknown_feed_is_refused_before_anybody_is_asked(both):
    ran = both.at(WATCH, "subscribe", "maritime", "weather", "--json")
    error = ran.json["error"]
    assert (ran.code, error["code"], error["at"]) == (1, "unknown-feed", "/feeds/1")
    assert subscribed(both) == BOTH
