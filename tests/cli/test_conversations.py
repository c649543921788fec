"""Requests and their answers, from draft to reader; and who may be told of people."""

from __future__ import annotations

import json

import pytest

from tests.cli.exercise import OPS, WATCH, Exercise

TLP = "/marking/tlp"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    exercise = Exercise(tmp_path_factory.mktemp("talk") / "exercise")
    exercise.start()
    yield exercise
    exercise.stop()


def posted(made, context, *words):
    ran = made.at(context, *words, "--yes", "--json")
    assert ran.code == 0, (ran.out, ran.err)
    return ran.json


def refused(made, context, *words):
    ran = made.at(context, *words, "--json")
    assert ran.code == 1
    return ran.json["error"]["code"], ran.json["error"]["at"]


def to(made, name, **changes):
    """A draft for whoever is at the other end."""
    other = {'to = ["us.jiatfs/watch"]': 'to = ["pa.senan/ops"]'} if ".en." in name else {}
    return made.draft(name, **other, **changes)


def test_a_boarding_is_asked_for_answered_and_reported(made):
    request = posted(made, WATCH, "post", to(made, "brq-2.en.toml"))
    reply = posted(made, OPS, "reply", request["id"], to(made, "brp-1.es.toml"))
    result = posted(made, WATCH, "post", to(made, "brr-2.en.toml"), "--target", request["id"])
    read = made.at(WATCH, "read", reply["id"], "--json").json
    assert read["header"]["refs"][0]["id"] == request["id"]
    assert read["bulletin"]["content"]["target"]["id"] == request["id"]
    read = made.at(OPS, "read", result["id"], "--json").json
    (named,) = read["header"]["refs"]
    assert (read["header"]["verb"], named["rel"], named["id"]) == (
        "new",
        "answers",
        request["id"],
    )
    assert read["bulletin"]["content"]["target"]["id"] == request["id"]


def test_consent_is_asked_for_and_answered(made):
    seizure = posted(made, WATCH, "post", to(made, "szr-2.en.toml"))
    asked = posted(made, OPS, "post", to(made, "con-1.es.toml"), "--target", seizure["id"])
    answer = posted(made, WATCH, "reply", asked["id"], to(made, "con-2.en.toml"))
    read = made.at(OPS, "read", answer["id"], "--json").json
    assert read["bulletin"]["content"]["target"]["id"] == asked["id"]


def test_a_boarding_without_a_request_is_reported_too(made, tmp_path):
    draft = json.loads(made.at(OPS, "draft", "brr", "--seed", "1").out)
    draft["bulletin"]["content"].pop("target")
    draft["bulletin"]["content"]["vessel"] = {"vessel_type": "go-fast"}
    draft["post"]["to"] = ["us.jiatfs/watch"]
    (tmp_path / "brr.json").write_text(json.dumps(draft))
    result = posted(made, OPS, "post", str(tmp_path / "brr.json"))
    read = made.at(WATCH, "read", result["id"], "--json").json
    assert "target" not in read["bulletin"]["content"]


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        (
            "ocn-1.es.toml",
            {'tlp = "amber"': 'tlp = "green"'},
            ("persons-audience", "/marking/tlp"),
        ),
        (
            "smg-1.es.toml",
            {'tlp = "red"': 'tlp = "amber"'},
            ("protected-persons", "/marking/tlp"),
        ),
        (
            "smg-1.es.toml",
            {'"PAN", "USA"': '"PAN", "USA", "VEN"'},
            ("asylum-to-origin", "/marking/releasable_to"),
        ),
    ],
)
@pytest.mark.parametrize("words", [["check"], ["check", "--offline"], ["post", "--yes"]])
def test_who_may_not_be_told_of_people_is_named_before_anything_is_sealed(
    made, name, changes, told, words
):
    assert refused(made, OPS, words[0], to(made, name, **changes), *words[1:]) == told


def test_no_key_is_shown_of_a_window(made):
    window = posted(made, OPS, "post", to(made, "dcf-1.es.toml"))
    read = made.at(WATCH, "read", window["id"], "--json")
    assert "window_key" not in read.out
    assert read.json["bulletin"]["content"]["deconfliction_step"] == "open"
