"""A mirror is gone on with, and only where all that it holds is what its node still says."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.exercise import AUDIT, OPS, Exercise


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    return Exercise(tmp_path_factory.mktemp("founded") / "exercise")


@pytest.fixture(scope="module")
def running(founded, tmp_path_factory):
    """A node that journals a bulletin now and then."""
    made = founded.copy(tmp_path_factory.mktemp("running") / "exercise")
    made.start()
    # A mirror of a journal that nothing is signed for yet does not verify.
    deadline = time.monotonic() + 30
    while not (made.place.node / "signed.note").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield made
    assert made.stop() == 0, made.log.read_text()


def mirror(exercise, file):
    return exercise.at(AUDIT, "audit", "mirror", str(file), "--json")


def verified(exercise, file):
    anchor = exercise.place.founded.anchor
    return exercise.run("audit", "verify", str(file), "--mirror", "--anchor", anchor).code


def test_file_without_groups_and_bodies_is_not_called_altered_until_it_is_said_what_it_is(
    running, tmp_path
):
    file = tmp_path / "mirror.db"
    assert mirror(running, file).code == 0
    words = ("audit", "verify", str(file), "--anchor", running.place.founded.anchor, "--json")
    ran = running.run(*words)
    assert (ran.code, ran.json["error"]["code"]) == (3, "mirror-unsaid")
    # What is amiss besides is amiss, whichever of the two it is.
    changed = "CAST(replace(bytes, 'epoch', 'epuch') AS BLOB)"
    alter(file, f"UPDATE entry SET bytes = {changed} WHERE idx = 0")  # noqa: S608
    assert running.run(*words).code == 5


def test_what_was_kept_elsewhere_is_named_by_what_is_the_matter_with_it(running, tmp_path):
    file, index = tmp_path / "mirror.db", running.post()["index"]
    running.signed(index)
    assert mirror(running, file).code == 0
    note = running.place.node / "signed.note"
    proof = tmp_path / "proof"
    ran = running.at(AUDIT, "audit", "proof", str(index), "--out", str(proof))
    assert ran.code == 0, ran.out + ran.err
    lines = proof.read_text().splitlines(keepends=True)
    other = [f"index {index - 1}\n" if each == f"index {index}\n" else each for each in lines]
    unsigned = [each for each in note.read_text().splitlines(True) if not each.startswith("—")]
    for name, text, first, said in (
        ("index", other, index - 1, "does not prove that entry as it is here"),
        ("unsigned", unsigned, None, "lacks its node's signature"),
        ("cut", lines[:3], None, "lacks its node's signature"),
    ):
        given = tmp_path / name
        given.write_text("".join(text))
        words = ("audit", "verify", str(file), "--mirror", "--checkpoint", str(given))
        words += ("--anchor", running.place.founded.anchor)
        ran = running.run(*words, "--json")
        (check,) = [each for each in ran.json["checks"] if not each["ok"]]
        assert (ran.code, check["name"], check["first"]) == (5, "kept", first), name
        told = running.run("--lang", "en", *words).out
        assert (said in told, "Nothing against this journal." in told) == (True, True), name
    # Where anything else does not hold, nothing is said in the journal's favour.
    worse = shutil.copy(file, tmp_path / "worse.db")
    alter(worse, "UPDATE inbox_head SET count = count + 1")
    words = ("audit", "verify", str(worse), *words[3:5], str(tmp_path / "index"), *words[6:])
    ran = running.run("--lang", "en", *words)
    assert (ran.code, "What was kept elsewhere does not prove" in ran.out) == (5, True), ran.out
    assert "against this journal" not in ran.out
    # A good proof, and the entry altered: it is what tells so, and is not blamed for it.
    words = ("audit", "verify", str(file), *words[3:])
    change = "CAST(replace(bytes, 'taken_ms', 'taken_mz') AS BLOB)"
    alter(file, f"UPDATE entry SET bytes = {change} WHERE idx = {index}")  # noqa: S608
    words = (*words[:4], "--checkpoint", str(proof), *words[6:])
    ran = running.run("--lang", "en", *words)
    assert (ran.code, "against this journal" in ran.out) == (5, False), ran.out


def alter(file, *statements):
    with closing(sqlite3.connect(file)) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount != 0, statement
        connection.commit()


def test_folder_that_is_missing_is_made(running, tmp_path):
    ran = mirror(running, tmp_path / "some" / "where" / "mirror.db")
    assert ran.json["size"] == ran.json["new"] > 0
    assert verified(running, tmp_path / "some" / "where" / "mirror.db") == 0


def test_mirror_takes_only_what_is_new_and_is_verified_whole(running, tmp_path):
    file = tmp_path / "mirror.db"
    first = mirror(running, file).json
    index = running.post()["index"]
    again = mirror(running, file).json
    assert again["size"] == first["size"] + again["new"]
    assert again["size"] > index >= first["size"]
    assert verified(running, file) == 0
    for lang, said in (("es", "de ellos nuevos"), ("en", "of them new")):
        assert said in running.at(AUDIT, "--lang", lang, "audit", "mirror", str(file)).out
    assert verified(running, file) == 0


def test_who_may_not_mirror_leaves_no_file_behind(running, tmp_path):
    ran = running.at(OPS, "audit", "mirror", str(tmp_path / "new" / "mirror.db"), "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "missing-role")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET bytes = CAST(replace(bytes, 'taken_ms', 'tb') AS BLOB) WHERE idx = 5",
        "UPDATE hashes SET run = zeroblob(length(run)) WHERE at = 0",
    ],
)
def test_mirror_that_was_altered_is_not_gone_on_with(running, tmp_path, statement):
    file = tmp_path / "mirror.db"
    mirror(running, file)
    alter(file, statement)
    before = file.read_bytes()
    ran = mirror(running, file)
    assert (ran.code, ran.json["error"]["code"]) == (1, "mirror-mismatch")
    # Nor does who watches take the file's state for the node's word.
    ran = running.run("audit", "watch", f"{AUDIT}={file}", "--times", "1", "--json")
    assert (ran.code, '"mirror-mismatch"' in ran.out) == (1, True)
    assert file.read_bytes() == before


def test_node_s_own_journal_is_never_written_as_a_mirror(running, founded, tmp_path):
    stopped = founded.copy(tmp_path / "stopped")
    shutil.copytree(running.place.node, stopped.place.node, dirs_exist_ok=True)
    ran = mirror(running, stopped.place.node / "journal.db")
    error = ran.json["error"]
    assert (ran.code, error["code"], error["at"]) == (1, "mirror-mismatch", "/statement")


def test_another_course_of_the_same_journal_is_found_out(tmp_path):
    """One node with one set of keys, and two pasts: what was mirrored of the first is kept."""
    founded, file = Exercise(tmp_path / "founded"), tmp_path / "mirror.db"
    first, second = (founded.copy(tmp_path / name) for name in ("first", "second"))
    first.start()
    first.post()
    first.signed()
    held = mirror(first, file).json["size"]
    assert first.stop() == 0
    second.start()
    for _ in range(2):
        index = second.post()["index"]
    second.signed(index)
    ran = mirror(second, file)
    assert second.stop() == 0
    error = ran.json["error"]
    assert (ran.code, error["code"]) == (5, "journal-forked")
    assert Path(error["facts"]["evidence"]).read_text().startswith("exchange-evidence@v1\n")
    assert error["facts"]["evidence"].startswith(f"{file}.evidence/")
    assert verified(first, file) == 0
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT max(idx) + 1 FROM entry").fetchone() == (held,)
