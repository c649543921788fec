"""A reader is told what was updated and corrected, and which corrections do not match."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from exchange.cli import bearing as shown
from exchange.client.bearing import Mark
from exchange.client.kept import KeptKeys
from exchange.errors import Code, Refusal
from exchange.model.header import Relation
from tests.cli.exercise import OPS, WATCH


def posted(exercise, name, *more, **changes):
    ran = exercise.at(OPS, "post", exercise.draft(name, **changes), "--yes", "--json", *more)
    assert ran.code == 0, ran.out
    return ran.json


def read(exercise, identity, lang="en"):
    ran = exercise.at(WATCH, "--lang", lang, "read", identity)
    assert ran.code == 0, ran.err
    return ran.out


@pytest.fixture(scope="module")
def seizure(exercise):
    return posted(exercise, "szr-1.es.toml")


@pytest.fixture(scope="module")
def corrected(exercise, seizure):
    return posted(exercise, "cor-1.es.toml", "--target", seizure["id"])


def test_update_supersedes_its_target_and_says_so(exercise):
    first = posted(exercise, "voi-1.es.toml")
    second = posted(exercise, "voi-1.es.toml", "--target", first["id"])
    assert second["verb"] == "update"
    assert f"!!! SUPERSEDED BY ENTRY {second['index']} !!!" in read(exercise, first["id"])
    assert f"REEMPLAZADO POR EL ASIENTO {second['index']}" in read(exercise, first["id"], "es")
    rows = exercise.at(WATCH, "--lang", "en", "inbox", "--json").json["items"]
    states = {row["id"]: row["state_text"] for row in rows}
    assert f"superseded by entry {second['index']}" in states[first["id"]]
    assert f"supersedes entry {first['index']}" in states[second["id"]]
    words = [{row["id"]: row["state"] for row in rows}]
    spanish = exercise.at(WATCH, "--lang", "es", "inbox", "--json").json["items"]
    words.append({row["id"]: row["state"] for row in spanish})
    assert words[0] == words[1]
    assert (words[0][first["id"]], words[0][second["id"]]) == ("superseded", "open")
    told = exercise.at(WATCH, "read", first["id"], "--json").json
    assert (told["superseded_by"], told["corrected_by"]) == ([second["index"]], [])


def test_author_who_takes_the_text_out_is_told_what_came_after_it(
    exercise, seizure, corrected, tmp_path
):
    """One's own bulletins are in no inbox of one's own: the outbox tells."""
    exercise.signed(corrected["index"])
    words = ("package", seizure["id"], "--with-body", "--out", str(tmp_path / "p.zip"))
    ran = exercise.at(OPS, "--lang", "en", *words)
    assert ran.code == 0, ran
    assert f"!!! CORRECTED BY ENTRY {corrected['index']} !!!" in ran.err


def test_author_s_own_cancellation_is_the_reason_why_the_text_is_gone(exercise, tmp_path):
    first = posted(exercise, "szr-1.es.toml")
    second = posted(exercise, "can-1.es.toml", "--target", first["id"])
    words = ("package", first["id"], "--with-body", "--out", str(tmp_path / "p.zip"), "--json")
    ran = exercise.at(OPS, *words)
    error = ran.json["error"]
    assert (error["code"], error["facts"]["entry"]) == (
        "content-key-gone",
        second["index"],
    )
    assert f"entry {second['index']} cancelled it" in error["en"]["what"]
    assert f"el asiento {second['index']} lo canceló" in error["es"]["what"]
    assert not (tmp_path / "p.zip").exists()


def test_update_from_packages_to_a_guess_is_warned_of_as_it_is_read(exercise, seizure):
    guess = (
        'qualifier = "estimate", count = "field", value = 34, unit = "kg", basis = "estimated"'
    )
    packed = 'qualifier = "exact", count = "field", packages = 34'
    told = posted(exercise, "szr-1.es.toml", "--target", seizure["id"], **{packed: guess})
    found = exercise.at(WATCH, "read", told["id"], "--json").json["warnings"]
    for warnings in (told["warnings"], found):
        assert [(each["code"], each["at"]) for each in warnings] == [
            ("packages-to-weight", "/content/drugs/0/quantity/value")
        ]
    for lang in ("es", "en"):
        assert f"!!! {found[0][lang]} !!!" in read(exercise, told["id"], lang)
    # Nor does it leave this program without a word.
    ran = exercise.at(WATCH, "--lang", "en", "export", told["id"], "--to", "csv")
    assert "DOUBTED: read first" in ran.err
    assert "DOUBTED // EXERCISE" in ran.out
    assert exercise.at(WATCH, "read", seizure["id"], "--json").json["warnings"] == []


def test_update_of_what_cannot_be_updated_is_refused_before_it_is_sealed(exercise, seizure):
    draft = exercise.draft("voi-1.es.toml")
    ran = exercise.at(OPS, "post", draft, "--target", seizure["id"], "--yes", "--json")
    error = ran.json["error"]
    assert (ran.code, error["code"], error["at"]) == (1, "target-mismatch", "/bulletin/type")
    theirs = exercise.draft("szr-1.es.toml", **{"us.jiatfs/watch": "pa.senan/ops"})
    ran = exercise.at(WATCH, "post", theirs, "--target", seizure["id"], "--yes", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "target-mismatch")
    assert ran.json["error"]["at"] == "/target"
    new = exercise.draft(
        "szr-1.es.toml", **{'status = "exercise"': 'status = "exercise"\nverb = "new"'}
    )
    ran = exercise.at(OPS, "post", new, "--target", seizure["id"], "--yes", "--json")
    assert (ran.json["error"]["code"], ran.json["error"]["at"]) == (
        "verb-type-mismatch",
        "/post/verb",
    )


def test_correction_is_shown_beside_what_it_corrects(exercise, seizure, corrected):
    shown = read(exercise, corrected["id"])
    assert f"Held to entry {seizure['index']}: it said what" in shown
    _, _, difference = shown.partition("Held to entry")
    assert "Before:" in difference
    assert "811.4 kg" in difference
    told = exercise.at(WATCH, "read", corrected["id"], "--json").json["correction"]
    assert (told["holds"], told["of"], told["unfounded"]) == (True, seizure["index"], [])
    assert told["changes"][0]["pointer"].startswith("/content/drugs/0")


def test_corrected_bulletin_shows_what_became_of_it(exercise, seizure, corrected):
    shown = read(exercise, seizure["id"])
    assert f"!!! CORRECTED BY ENTRY {corrected['index']} !!!" in shown
    _, _, after = shown.partition(f"Corrected by entry {corrected['index']}:")
    assert "811.4 kg" in after
    told = exercise.at(WATCH, "read", seizure["id"], "--json").json
    assert told["corrected_by"] == [corrected["index"]]


@pytest.mark.parametrize(
    ("lang", "loud", "says"),
    [("en", "DOES NOT MATCH", "The bulletin says"), ("es", "NO CONCUERDA", "El boletín dice")],
)
def test_correction_that_does_not_match_is_said_to_loudly(exercise, lang, loud, says):
    target = posted(exercise, "szr-1.es.toml")
    lie = {'count = "field", packages = 34': 'count = "field", packages = 36'}
    draft = exercise.draft("cor-1.es.toml", **lie)
    # Its author is told before anything is sent, where what it corrects can be opened.
    for verb in (("check",), ("post", "--yes")):
        ran = exercise.at(OPS, verb[0], draft, "--target", target["id"], "--json", *verb[1:])
        assert (ran.code, ran.json["error"]["code"]) == (1, "target-mismatch")
        assert ran.json["error"]["at"] == "/bulletin/content/changes/1"
    with exercise.mail(OPS, purge=False) as cabinet:
        KeptKeys(cabinet).destroy(target["id"])
    wrong = posted(exercise, "cor-1.es.toml", "--target", target["id"], "--unchecked", **lie)
    shown = read(exercise, wrong["id"], lang)
    assert loud in shown
    assert says in shown
    assert "34 " in shown.partition(says)[2]
    told = exercise.at(WATCH, "read", wrong["id"], "--json").json["correction"]
    assert (told["holds"], told["problem"]["code"]) == (False, "target-mismatch")
    assert told["unfounded"][0]["found"]["packages"] == 34


def test_state_of_a_bulletin_is_one_word_and_what_ends_it_comes_first():
    readable: Any = SimpleNamespace(locked=None)
    locked: Any = SimpleNamespace(locked=Refusal(Code.NOT_FOUND))
    relations: tuple[Relation, ...] = ("corrects", "supersedes", "cancels")
    marks = [Mark(relation, place) for place, relation in enumerate(relations)]
    found = [shown.state(readable, marks[:n]) for n in range(4)]
    assert found == ["open", "corrected", "superseded", "cancelled"]
    assert shown.state(locked, marks) == "locked"
