"""``package``, ``audit package`` and ``audit verify`` of one, at the command line."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from exchange.evidence import archive
from tests.cli.exercise import AUDIT, OPS, WATCH, Exercise
from tests.evidence import judges


@pytest.fixture(scope="module")
def exercise(tmp_path_factory):
    made = Exercise(tmp_path_factory.mktemp("packaging") / "exercise")
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def posted(exercise):
    identity = exercise.post()["id"]
    ran = exercise.at(WATCH, "ack", identity, "--outcome", "opened", "--json")
    assert ran.code == 0, ran
    exercise.signed(ran.json["index"])
    return identity


@pytest.fixture(scope="module")
def mirror(exercise, posted, tmp_path_factory):
    file = tmp_path_factory.mktemp("mirror") / "mirror.db"
    assert exercise.at(AUDIT, "audit", "mirror", str(file)).code == 0
    assert posted
    return file


def verdict(file):
    raw = Path(file).read_bytes()
    assert judges.own(raw, None) == judges.script(raw, None)
    return judges.own(raw, None)


@pytest.mark.parametrize("damaged", [b"", b"\xff", b'{"kind":"lost"}\n'])
def test_what_cannot_be_read_is_refused_and_not_packed(exercise, mirror, tmp_path, damaged):
    file, out = shutil.copy(mirror, tmp_path / "damaged.db"), tmp_path / "package.zip"
    with closing(sqlite3.connect(file)) as db:
        at = db.execute("SELECT idx FROM entry WHERE kind = 'accepted'").fetchone()[0]
        db.execute("UPDATE entry SET bytes = ? WHERE idx = ?", (damaged, at))
        db.commit()
    words = ("audit", "package", str(at), "--from", str(file), "--out", str(out), "--json")
    ran = exercise.run(*words)
    assert (ran.code, out.exists()) == (1, False)
    assert ran.json["error"]["code"] in {"malformed", "missing", "missing-member"}


def test_auditor_makes_one_from_a_mirror_without_content(exercise, posted, mirror, tmp_path):
    out = str(tmp_path / "package.zip")
    words = ["audit", "package", posted, "--from", str(mirror), "--out", out]
    ran = exercise.run(*words, "--json")
    assert ran.code == 0, ran
    assert (ran.json["id"], ran.json["content"], ran.json["acknowledgements"]) == (
        posted,
        False,
        1,
    )
    assert verdict(out) == "unanchored"
    found = archive.unpack(Path(out).read_bytes())
    assert not {"body.json", "salt.bin"} & found.keys()
    again = exercise.run(*words)
    assert again.code == 2, "nothing is written over"


def test_it_is_verified_where_journals_are_and_ends_as_documented(
    exercise, posted, mirror, tmp_path
):
    out = tmp_path / "package.zip"
    words = ["audit", "package", posted, "--from", str(mirror), "--out", str(out), "--json"]
    trusted = exercise.run(*words).json["anchor"]
    ran = exercise.run("audit", "verify", str(out), "--anchor", trusted, "--json")
    assert (ran.code, ran.json["ok"], ran.json["anchored"]) == (0, True, True)
    assert [step["number"] for step in ran.json["steps"]] == list(range(1, 13))
    assert exercise.run("audit", "verify", str(out)).code == 6
    raw = out.read_bytes()
    out.write_bytes(raw[: len(raw) // 2])
    ran = exercise.run("--lang", "en", "audit", "verify", str(out))
    assert ran.code == 5
    assert "TAMPERED" in ran.out
    # The part at which it was cut.
    parts = list(archive.unpack(raw))
    (cut,) = [line.split()[1] for line in ran.out.splitlines() if "malformed" in line]
    assert cut.removeprefix("/") in parts


def test_what_is_not_there_is_told(exercise, mirror, tmp_path):
    out = tmp_path / "package.zip"
    ran = exercise.run(
        "audit", "package", "0", "--from", str(mirror), "--out", str(out), "--json"
    )
    assert ran.code == 1
    assert ran.json["error"]["code"] == "not-found"
    unknown = "01a229f1-2800-75fe-ab66-ffc86f38d952"
    ran = exercise.run(
        "audit", "package", unknown, "--from", str(mirror), "--out", str(out), "--json"
    )
    assert ran.json["error"]["code"] == "not-found"
    twice = ["--from", str(mirror), "--from", str(mirror)]
    assert exercise.run("audit", "package", "0", *twice, "--out", str(out)).code == 2
    assert not out.exists()


def test_originator_makes_one_with_the_receipt(exercise, posted, tmp_path):
    out = tmp_path / "own.zip"
    ran = exercise.at(OPS, "package", posted, "--out", str(out), "--json")
    assert ran.code == 0, ran
    assert (ran.json["acknowledgements"], ran.json["content"]) == (1, False)
    assert verdict(out) == "unanchored"
    assert "pa/receipt.json" in archive.unpack(out.read_bytes())


def test_recipient_puts_the_text_in_only_where_asked_to(exercise, posted, tmp_path):
    out = tmp_path / "closed.zip"
    assert exercise.at(WATCH, "package", posted, "--out", str(out)).code == 0
    assert "body.json" not in archive.unpack(out.read_bytes())
    out = tmp_path / "open.zip"
    ran = exercise.at(
        WATCH, "--lang", "en", "package", posted, "--out", str(out), "--with-body"
    )
    assert ran.code == 0, ran
    assert "IT HOLDS THE TEXT" in ran.out
    found = archive.unpack(out.read_bytes())
    assert b"EXERCISE GAVIOTA" in found["body.json"]
    assert verdict(out) == "unanchored"


def test_who_does_not_hold_it_gets_none(exercise, posted, tmp_path):
    out = tmp_path / "none.zip"
    ran = exercise.at(AUDIT, "package", posted, "--out", str(out), "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "not-found")
    assert not out.exists()


def test_originator_puts_the_text_in_by_the_key_that_it_kept(exercise, posted, tmp_path):
    out = tmp_path / "own-open.zip"
    ran = exercise.at(OPS, "package", posted, "--out", str(out), "--with-body", "--json")
    assert (ran.code, ran.json["content"]) == (0, True), ran
    assert b"EXERCISE GAVIOTA" in archive.unpack(out.read_bytes())["body.json"]
    assert verdict(out) == "unanchored"
