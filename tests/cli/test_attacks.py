"""A real node and a real witness: set back, forked, cut off; who raises the alarm.

Each attack is by whoever has the node's folder and its keys: the strongest there is.
"""

from __future__ import annotations

import json
import shutil
import time

import pytest

from exchange.cli import output
from exchange.store.witnessed import EVIDENCE
from tests.cli.exercise import OPS, WATCH, Exercise
from tests.cli.watching import Watch, watched


class Scene:
    """An exercise with one witness, both running; and its node's folder as it was once."""

    def __init__(self, folder) -> None:
        self.watch = Watch(folder / "witness")
        self.exercise: Exercise = watched(folder / "exercise", self.watch)
        self.old = folder / "old"
        self.watch.start()
        self.exercise.start()

    def end(self) -> None:
        self.exercise.stop()
        self.watch.stop()

    def keep(self) -> None:
        """Take a copy of the node's folder, as a backup would be, at rest."""
        self.exercise.stop()
        shutil.copytree(self.exercise.place.node, self.old)
        self.exercise.start()

    def put_back(self) -> None:
        self.exercise.stop()
        shutil.rmtree(self.exercise.place.node)
        shutil.copytree(self.old, self.exercise.place.node)

    def witnessed(self):
        """Post, and wait until the witness vouches for it."""
        told = self.exercise.post("--witnessed")
        assert told["witnessed"] is not None, self.exercise.log.read_text()
        return told

    def evidence(self):
        return sorted((self.watch.state.memory / EVIDENCE).glob("*.evidence"))

    def check(self, path):
        logs = self.watch.folder / "logs.policy"
        words = ["witness", "check", str(path), "--logs", str(logs), "--json"]
        return self.exercise.run(*words)

    def diary(self, event):
        """Wait until the node's diary has an event."""
        for _ in range(600):
            for line in self.exercise.log.read_text().splitlines():
                if line.startswith("{") and json.loads(line)["event"] == event:
                    return json.loads(line)
            time.sleep(0.05)
        raise AssertionError(self.exercise.log.read_text())


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """For all tests that attack nothing."""
    scene = Scene(tmp_path_factory.mktemp("honest"))
    yield scene
    scene.end()


@pytest.fixture
def scene(tmp_path):
    scene = Scene(tmp_path)
    yield scene
    scene.end()


def test_a_receipt_is_witnessed_and_says_by_whom_and_when(honest):
    told = honest.witnessed()
    assert (told["quorum"], told["unwitnessed"]) == ("witnesses", False)
    assert told["witnessed"]["by"] == ["us/witness"]
    assert told["witnessed"]["size"] > told["index"]
    traced = honest.exercise.at(OPS, "trace", told["id"], "--json").json
    assert traced["witnessed"]["by"] == ["us/witness"]
    for lang, words in (
        ("en", "Witnessed by us/witness"),
        ("es", "Atestiguado por us/witness"),
    ):
        assert words in honest.exercise.at(OPS, "--lang", lang, "trace", told["id"]).out


def test_without_waiting_a_receipt_says_that_witnesses_are_asked_for(honest):
    told = honest.exercise.post("--yes")
    assert (told["quorum"], told["witnessed"]) == ("witnesses", None)
    ran = honest.exercise.at(OPS, "--lang", "en", "post", honest.exercise.draft(), "--yes")
    assert "Not witnessed yet" in ran.out


def test_where_none_was_agreed_on_every_receipt_says_so(exercise):
    told = exercise.post("--witnessed")
    assert (told["quorum"], told["witnessed"]) == ("none", None)
    for lang, words in (("en", "quorum none"), ("es", "Sin testigos")):
        assert words in exercise.at(OPS, "--lang", lang, "trace", told["id"]).out


def test_that_nothing_is_missing_is_proved_under_what_was_witnessed(honest):
    honest.witnessed()
    reading = honest.exercise.copy_context(WATCH)
    proof = honest.exercise.at(reading, "inbox", "--prove", "--json").json["proof"]
    assert proof["quorum"] == "witnesses"
    assert proof["witnessed"]["by"] == ["us/witness"]
    ran = honest.exercise.at(reading, "--lang", "es", "inbox", "--prove")
    assert "Atestiguado por us/witness" in ran.out


def test_an_auditor_counts_what_was_cosigned(honest, tmp_path):
    for _ in range(2):
        honest.witnessed()
    state, kept = honest.exercise.place.node, tmp_path / "kept.note"
    saved = honest.exercise.at(OPS, "audit", "checkpoint", str(kept), "--cosigned", "--json")
    anchor = honest.exercise.place.founded.anchor
    words = ["audit", "verify", str(state / "journal.db"), "--anchor", anchor]
    told = honest.exercise.run(*words, "--checkpoint", str(kept), "--json")
    assert told.code == 0, told.out
    assert told.json["cosigned"] >= 2
    assert told.json["witnessed"] >= saved.json["size"]
    assert "witnesses: a quorum up to" in honest.exercise.run(*words).out


def test_a_node_set_back_to_an_old_backup_does_not_start(scene):
    scene.keep()
    scene.witnessed()
    scene.put_back()
    words = ["up", "--state", str(scene.exercise.place.node), "--listen", "127.0.0.1:0"]
    told = scene.exercise.run(*words, "--json")
    assert (told.code, told.json["error"]["code"]) == (output.EXIT_FAULT, "journal-behind")


def test_a_node_set_back_unseen_stops_when_its_witness_is_back_which_keeps_the_evidence(scene):
    scene.keep()
    for _ in range(3):
        scene.witnessed()
    scene.watch.stop()
    scene.put_back()
    scene.exercise.start()
    assert scene.exercise.post()["index"] > 0
    scene.watch.start()
    assert scene.diary("journal-behind")["level"] == "critical"
    refused = scene.exercise.at(OPS, "post", scene.exercise.draft(), "--yes", "--json")
    assert refused.json["error"]["code"] == "journal-behind"
    (path,) = scene.evidence()
    told = scene.check(path)
    assert (told.code, told.json["proves"]) == (output.EXIT_TAMPERED, "rolled-back")


def test_a_forked_journal_is_cosigned_by_nobody_and_convicts_its_node(scene):
    scene.keep()
    size = scene.witnessed()["witnessed"]["size"]
    while size & (size - 1) == 0:
        # From a power of two on, a proof does not tell of the past that it leads on from.
        size = scene.witnessed()["witnessed"]["size"]
    reading = scene.exercise.copy_context(WATCH)
    scene.exercise.at(reading, "inbox", "--prove", "--json")
    scene.watch.stop()
    scene.put_back()
    scene.exercise.start()
    for _ in range(12):
        scene.exercise.post()
    # The reader who was shown the other branch sees it first.
    for _ in range(40):
        told = scene.exercise.at(reading, "inbox", "--prove", "--json")
        # Until the node that was put back has signed anything, there is no proof to be had.
        if told.code == output.EXIT_TAMPERED:
            break
        time.sleep(0.25)
    assert told.code == output.EXIT_TAMPERED
    assert told.json["error"]["code"] in {"head-went-back", "item-withheld"}
    scene.watch.start()
    assert scene.diary("journal-forked")["level"] == "critical"
    assert "rewritten" in scene.watch.log.read_text()
    (path,) = scene.evidence()
    told = scene.check(path)
    assert (told.code, told.json["proves"]) == (output.EXIT_TAMPERED, "rewritten")


def test_a_witness_that_is_away_is_told_by_its_age_and_hinders_nobody(scene):
    scene.witnessed()
    scene.watch.stop()
    told = scene.exercise.post()
    assert told["sent"]
    assert scene.diary("witness")["code"] == "node-unreachable"
    scene.watch.start()
    scene.witnessed()
