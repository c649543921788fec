"""A choice of feeds replaces the one before: never without saying what ends by it."""

from __future__ import annotations

import pytest

from tests.cli.exercise import WATCH, Exercise

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


def test_unknown_feed_is_refused_before_anybody_is_asked(both):
    ran = both.at(WATCH, "subscribe", "maritime", "weather", "--json")
    error = ran.json["error"]
    assert (ran.code, error["code"], error["at"]) == (1, "unknown-feed", "/feeds/1")
    assert subscribed(both) == BOTH
