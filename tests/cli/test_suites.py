"""Two agencies of different suites, with the command line, a node process and an audit."""

from __future__ import annotations

import json

import pytest

from tests.cli.exercise import OPS, WATCH, Exercise


@pytest.fixture(scope="module")
def exercise(tmp_path_factory):
    made = Exercise(tmp_path_factory.mktemp("suites") / "x", ops="xb1-ch", watch="xb1-c")
    made.start()
    yield made
    made.stop()


def test_bulletin_goes_from_one_suite_to_another_and_back(exercise):
    receipt = exercise.post()
    read = exercise.at(WATCH, "read", receipt["id"], "--json")
    assert read.code == 0, read.err
    assert exercise.at(WATCH, "ack", receipt["id"], "--officer", "w-1").code == 0
    seen = exercise.at(OPS, "trace", receipt["id"], "--json")
    assert "opened" in seen.out, seen.err
    for context, algs in (
        (OPS, {"ES384", "ML-DSA-87", "HPKE-9-KE", "HPKE-10-KE", "HPKE-13-KE"}),
        (WATCH, {"ML-DSA-87", "HPKE-9-KE", "HPKE-10-KE", "HPKE-13-KE"}),
    ):
        shown = exercise.at(context, "keys", "show", "--json").json["keys"]
        assert {key["alg"] for key in shown} == algs
        assert all(key["until"] != "-" for key in shown)
        assert exercise.at(context, "doctor").code == 0


def test_audit_replays_bulletins_of_every_suite(exercise):
    receipt = exercise.post()
    # Before the first checkpoint nobody has signed any of it.
    exercise.signed(receipt["index"])
    anchor = exercise.place.founded.anchor
    journal = str(exercise.place.node / "journal.db")
    ran = exercise.run("audit", "verify", journal, "--anchor", anchor, "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["size"] > receipt["index"]
