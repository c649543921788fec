"""A view hides rows, never what is owed; and always says how many it hides."""

from __future__ import annotations

import pytest

from exchange.cli import output
from tests.cli.exercise import OPS, WATCH


@pytest.fixture(scope="module")
def sent(exercise):
    vessel = exercise.post()["id"]
    draft = exercise.draft("szr-1.es.toml")
    seizure = exercise.at(OPS, "post", draft, "--yes", "--json").json["id"]
    return vessel, seizure


def seen(exercise, *more):
    return exercise.at(WATCH, "inbox", *more, "--json").json


def test_view_shows_what_fits_and_counts_the_rest(exercise, sent):
    vessel, seizure = sent
    saved = exercise.at(WATCH, "view", "save", "seizures", "--type", "szr", "--json").json
    assert (saved["name"], saved["types"], saved["feeds"]) == ("seizures", ["szr"], [])
    whole, part = seen(exercise), seen(exercise, "--view", "seizures")
    assert "hidden" not in whole
    ids = {item["id"] for item in part["items"]}
    assert (seizure in ids, vessel in ids) == (True, False)
    assert part["hidden"] == len(whole["items"]) - len(part["items"]) > 0
    assert part["items"] == [item for item in whole["items"] if item["id"] in ids]
    # What is owed, and what is to be acknowledged, is told whole.
    assert part["to_acknowledge"] == whole["to_acknowledge"]
    for lang, words in (("es", "ocultos"), ("en", "hidden")):
        out = exercise.at(WATCH, "--lang", lang, "inbox", "--view", "seizures").out
        assert f"{part['hidden']} {words}" in out


def test_count_is_shown_where_nothing_is_hidden_and_where_all_is(exercise, sent):
    assert exercise.at(WATCH, "view", "save", "all").code == 0
    assert seen(exercise, "--view", "all")["hidden"] == 0
    assert "0 hidden" in exercise.at(WATCH, "--lang", "en", "inbox", "--view", "all").out
    assert exercise.at(WATCH, "view", "save", "none", "--from", "us.oig").code == 0
    told = exercise.at(WATCH, "--lang", "en", "inbox", "--view", "none").out
    assert "hidden" in told
    assert "The inbox is empty" not in told
    assert seen(exercise, "--view", "none")["hidden"] >= len(sent)


def test_views_are_one_endpoint_s_and_are_forgotten_by_name(exercise):
    assert exercise.at(WATCH, "view", "save", "mine", "--precedence", "flash").code == 0
    names = [
        each["name"] for each in exercise.at(WATCH, "view", "list", "--json").json["views"]
    ]
    assert "mine" in names
    ran = exercise.at(OPS, "inbox", "--view", "mine", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (output.EXIT_REFUSED, "not-found")
    assert exercise.at(WATCH, "view", "drop", "mine").code == 0
    for words in (("view", "drop", "mine"), ("inbox", "--view", "mine")):
        ran = exercise.at(WATCH, *words, "--json")
        assert (ran.code, ran.json["error"]["code"]) == (output.EXIT_REFUSED, "not-found")
    for name in ("Mine", "../mine", "-", "x" * 41):
        assert exercise.at(WATCH, "view", "save", "--", name).code == 2
