"""What an author is told before anything is sent: what to weigh, and what to write anew."""

from __future__ import annotations

import msgspec
import pytest

from exchange.client.compose import prepare
from exchange.model.identity import uuid7
from tests import builders
from tests.builders import NOW, world
from tests.cli.exercise import OPS
from tests.client.dealing import draft
from tests.model.bulletins import CODES

ACTUAL = {'status = "exercise"': 'status = "actual"'}
PAST = {"2026-11-25T18:00:00Z": "2025-11-25T18:00:00Z"}
WAYS = [["check"], ["post", "--dry-run"], ["post", "--yes"]]


def found(answer):
    return {(each["code"], each["at"]) for each in answer.json["warnings"]}


@pytest.mark.parametrize("words", WAYS)
def test_real_event_within_an_exercise_is_warned_of(exercise, words):
    path = exercise.draft(**ACTUAL)
    assert ("actual-in-exercise", "/post/status") in found(
        exercise.at(OPS, *words, path, "--json")
    )
    for lang, said in (("es", "el arreglo es un EJERCICIO"), ("en", "an EXERCISE: its")):
        ran = exercise.at(OPS, "--lang", lang, *words, path)
        assert (ran.code, said in ran.out) == (0, True)
    as_it_was = exercise.at(OPS, *words, exercise.draft(), "--json")
    assert "actual-in-exercise" not in {code for code, _ in found(as_it_was)}


@pytest.mark.parametrize(
    ("is_exercise", "codes"), [(True, ["actual-in-exercise"]), (False, [])]
)
def test_arrangement_says_whether_it_is_an_exercise(is_exercise, codes):
    read = draft()
    post = msgspec.structs.replace(read.post, status="actual")
    prepared = prepare(
        msgspec.structs.replace(read, post=post),
        world().later(world().rearranged(exercise=is_exercise)),
        endpoint=builders.OPS,
        identity=uuid7(NOW * 1000, bytes(10)),
        now=NOW,
        codes=CODES,
    )
    assert [each.code for each in prepared.warnings] == codes


@pytest.mark.parametrize("words", [["check", "--offline"], *WAYS])
def test_question_to_be_answered_by_a_time_that_is_past_is_warned_of(exercise, words):
    path = exercise.draft("rfi-1.es.toml", **PAST)
    warned = ("due-before-issue", "/content/reply_by")
    assert warned in found(exercise.at(OPS, *words, path, "--json"))
    for lang, said in (("es", "anterior a la hora de emisión"), ("en", "before the time of")):
        ran = exercise.at(OPS, "--lang", lang, *words, path)
        assert (ran.code, said in ran.out) == (0, True)


@pytest.mark.parametrize("words", [["check", "--offline"], *WAYS])
def test_template_left_as_it_is_is_refused_and_names_the_place(exercise, words):
    path = exercise.folder / "template.toml"
    path.write_text(exercise.run("draft", "rfi").out, "utf-8")
    before = exercise.at(OPS, "outbox", "--json").json
    error = exercise.at(OPS, *words, str(path), "--json").json["error"]
    assert (error["code"], error["at"]) == ("placeholder", "/bulletin/title/text")
    for lang, said in (("es", "aún no hay nada escrito"), ("en", "is written here yet")):
        ran = exercise.at(OPS, "--lang", lang, *words, str(path))
        assert (ran.code, ran.out, said in ran.err) == (1, "", True)
    assert exercise.at(OPS, "outbox", "--json").json == before


def test_a_target_is_not_ignored_in_silence_where_no_node_is_asked(exercise):
    draft = exercise.draft("rpy-1.es.toml")
    for lang, said in (("es", "no va con --offline"), ("en", "does not go with --offline")):
        ran = exercise.run("--lang", lang, "check", "--offline", "--target", "1", draft)
        assert (ran.code, said in ran.err) == (2, True)
