"""Who has the watch is named in what an endpoint attests, and shown to its originator."""

from __future__ import annotations

import pytest

from tests.cli.exercise import OPS, WATCH


@pytest.fixture
def watch(exercise):
    yield exercise
    assert exercise.at(WATCH, "officer", "--none").code == 0


def named(exercise, identity):
    story = exercise.at(OPS, "trace", identity, "--json").json
    (recipient,) = story["recipients"]
    return [each["officer"] for each in recipient["acknowledgements"]]


def test_officer_of_the_settings_is_named_and_shown_in_the_trace(watch):
    assert watch.at(WATCH, "officer", "--json").json["officer"] is None
    assert watch.at(WATCH, "officer", "cpl-perez", "--json").json["officer"] == "cpl-perez"
    posted = watch.post()
    assert watch.at(WATCH, "ack", posted["id"]).code == 0
    assert named(watch, posted["id"]) == ["cpl-perez"]
    for lang, words in (("es", "De guardia: cpl-perez."), ("en", "On watch: cpl-perez.")):
        assert words in watch.at(WATCH, "--lang", lang, "officer").out
        assert "(cpl-perez)" in watch.at(OPS, "--lang", lang, "trace", posted["id"]).out
    # Another is named once, and the settings stay.
    again = watch.at(WATCH, "ack", posted["id"], "--outcome", "actioned", "--officer", "sgt-2")
    assert again.code == 0
    assert named(watch, posted["id"]) == ["cpl-perez", "sgt-2"]
    assert watch.at(WATCH, "officer", "--json").json["officer"] == "cpl-perez"
    # Of another endpoint it says nothing.
    assert watch.at(OPS, "officer", "--json").json["officer"] is None


def test_who_has_left_is_named_no_more(watch):
    assert watch.at(WATCH, "officer", "cpl-perez").code == 0
    assert watch.at(WATCH, "officer", "--none", "--json").json["officer"] is None
    posted = watch.post()
    assert watch.at(WATCH, "ack", posted["id"]).code == 0
    assert named(watch, posted["id"]) == [None]


@pytest.mark.parametrize("name", ["José", "a b", "x" * 41, "../x", ""])
def test_what_no_acknowledgement_could_say_is_no_officer(watch, name):
    ran = watch.at(WATCH, "officer", name)
    assert ran.code == 2
    assert watch.at(WATCH, "officer", "--json").json["officer"] is None


def test_name_and_none_are_not_both_said(watch):
    assert watch.at(WATCH, "officer", "cpl-perez", "--none").code == 2
