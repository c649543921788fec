"""A bulletin is called by its entry's number wherever it is called by its id."""

from __future__ import annotations

import re

import pytest

from tests.cli.exercise import OPS, WATCH


def test_entry_numbers_do_for_a_target_a_reply_and_a_trace(exercise):
    posted = exercise.post()
    index = str(posted["index"])
    assert exercise.at(OPS, "trace", index, "--json").json["id"] == posted["id"]
    assert posted["id"] in exercise.at(OPS, "trace", index).out
    update = exercise.at(
        OPS, "post", exercise.draft(), "--target", index, "--yes", "--json"
    ).json
    told = exercise.at(WATCH, "read", posted["id"], "--json").json
    assert told["superseded_by"] == [update["index"]]
    request = exercise.at(OPS, "post", exercise.draft("rfi-1.es.toml"), "--yes", "--json").json
    answer = exercise.draft("rpy-1.es.toml")
    ran = exercise.at(WATCH, "reply", str(request["index"]), answer, "--yes", "--json")
    assert ran.code == 0, ran.out
    assert request["id"] in exercise.at(WATCH, "read", ran.json["id"], "--json").out
    for words in (
        ["trace", "999999"],
        ["post", exercise.draft(), "--yes", "--target", "999999"],
    ):
        ran = exercise.at(OPS, *words, "--json")
        assert (ran.code, ran.json["error"]["code"]) == (1, "not-found")


@pytest.mark.parametrize(("lang", "said"), [("en", "supersedes"), ("es", "reemplaza")])
def test_watch_says_what_an_entry_does_to_another(exercise, lang, said):
    posted = exercise.post()
    words = ["--target", posted["id"], "--yes", "--json"]
    update = exercise.at(OPS, "post", exercise.draft(), *words).json
    after = ["--after", str(update["index"] - 1), "--count", "1"]
    line = exercise.at(WATCH, "--lang", lang, "watch", *after).out
    assert re.search(rf"{said}[a-z ]* {posted['index']}\b", line), line


@pytest.mark.parametrize("count", ["0", "-1"])
def test_watching_for_fewer_than_one_is_a_slip(exercise, count):
    assert exercise.at(WATCH, "watch", "--count", count).code == 2
