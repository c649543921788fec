"""``outbox fetch``: what is not in this outbox says how it comes here, and does."""

from __future__ import annotations

import shutil

import pytest

from exchange.cli.home import MAIL, Home
from tests.cli.exercise import OPS

FETCH = "exchange outbox fetch ID"


@pytest.fixture(scope="module")
def second(exercise):
    """The same endpoint at another machine, with its keys and none of its mail."""
    name = exercise.copy_context(OPS)
    folder = Home(exercise.place.home).current(name).folder
    shutil.rmtree(folder / MAIL, ignore_errors=True)
    yield name
    shutil.rmtree(folder)


def test_what_is_not_here_is_fetched_as_it_is_told_and_then_traced_and_a_target(
    exercise, second
):
    seizure = exercise.draft("szr-1.es.toml")
    sent = exercise.at(OPS, "post", seizure, "--yes", "--json").json
    identity = sent["id"]
    draft = exercise.draft("can-2.en.toml")
    for words, at in (
        (("trace", identity), "/outbox"),
        (("post", draft, "--target", identity, "--yes"), "/target"),
    ):
        error = exercise.at(second, *words, "--json").json["error"]
        assert (error["code"], error["at"]) == ("not-found", at)
        assert FETCH in error["hint"]["en"]
        assert FETCH in error["hint"]["es"]
        assert FETCH in exercise.at(second, *words).err
    for is_new in (True, False):
        ran = exercise.at(second, "outbox", "fetch", identity, "--json")
        assert ran.json == {"id": identity, "index": sent["index"], "fetched": is_new}
    assert exercise.at(second, "trace", identity, "--json").json["index"] == sent["index"]
    # Its text is not here: by that a correction is not judged, as where the text is purged.
    correction = exercise.draft("cor-1.es.toml")
    assert exercise.at(second, "confirm", identity).code == 0
    error = exercise.at(second, "post", correction, "--target", identity, "--yes", "--json")
    assert error.json["error"]["code"] == "correction-unchecked"
    assert "--dry-run --unchecked" in error.json["error"]["es"]["next"]
    unsent = (correction, "--target", identity, "--dry-run", "--unchecked")
    for at, is_told in ((second, True), (OPS, False)):
        assert ("unchecked" in exercise.at(at, "post", *unsent, "--json").json) is is_told
        assert (
            "not checked here" in exercise.at(at, "--lang", "en", "post", *unsent).out
        ) is is_told
    for words in ((correction, "--unchecked"), (draft,)):
        assert exercise.at(second, "post", *words, "--target", identity, "--yes").code == 0
    # The first machine is told of both by the node, and believes their signatures.
    (recipient,) = exercise.at(OPS, "trace", identity, "--json").json["recipients"]
    assert {"corrected", "cancelled"} <= {each["step"] for each in recipient["steps"]}
    missing = exercise.at(second, "outbox", "fetch", "nothing", "--json")
    assert (missing.code, missing.json["error"]["code"]) == (1, "not-found")
    assert "hint" not in missing.json["error"]
    for words in (("fetch",), ("send", identity)):
        assert exercise.at(second, "outbox", *words).code == 2
