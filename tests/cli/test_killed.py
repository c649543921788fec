"""Whoever is killed at any point may begin again: one bulletin, one acknowledgement."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.cli.exercise import OPS, ROOT, WATCH

# So many things a post does to its outbox: every one of them is a point to die at.
LEAST = 9


def killed(exercise, at: int, *words: str) -> int:
    return subprocess.run(
        [sys.executable, "-P", "-m", "tests.cli.dying", str(at), *words],
        env=exercise.environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        timeout=60,
        check=False,
    ).returncode


def held(exercise, context, kind):
    items = exercise.at(context, "inbox", "--json").json["items"]
    return [item for item in items if item["kind"] == kind]


@pytest.mark.parametrize("half", [0, 1])
def test_post_killed_at_any_point_and_run_again_is_one_bulletin(exercise, half):
    at = half
    while True:
        draft = exercise.draft("voi-1.es.toml", GAVIOTA=f"GAVIOTA {at}")
        words = ["--context", OPS, "post", draft, "--yes", "--json"]
        before = len(held(exercise, WATCH, "bulletin"))
        code = killed(exercise, at, *words)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        again = exercise.run(*words)
        assert (again.code, again.json["sent"]) == (0, True)
        after = held(exercise, WATCH, "bulletin")
        assert len(after) == before + 1, f"killed at {at}"
        assert after[-1]["id"] == again.json["id"]
        assert all(row["index"] for row in exercise.at(OPS, "outbox", "--json").json["outbox"])
        at += 2
    assert at > LEAST


def test_acknowledgement_killed_at_any_point_and_said_again_is_one(exercise):
    at = 0
    while True:
        identity = exercise.post()["id"]
        words = ["--context", WATCH, "ack", identity, "--officer", "guardia-1", "--json"]
        code = killed(exercise, at, *words)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        again = exercise.run(*words)
        acks = [
            each for each in held(exercise, OPS, "acknowledgement") if each["id"] == identity
        ]
        assert [each["index"] for each in acks] == [again.json["index"]], f"killed at {at}"
        assert again.json["of"] == identity
        at += 1
    assert at > LEAST


def test_same_draft_posted_twice_on_purpose_is_two_bulletins(exercise):
    first, second = exercise.post(), exercise.post()
    assert first["id"] != second["id"]
    assert "again" not in second


def test_what_waits_is_resolved_before_another_draft_is_sealed(exercise):
    waiting = exercise.draft("voi-1.es.toml", GAVIOTA="GAVIOTA WAITING")
    words = ["--context", OPS, "post", waiting, "--yes", "--json"]
    left, at = "", 0
    while not left:
        # The first point at which something is sealed and has no receipt.
        assert killed(exercise, at, *words) == -signal.SIGKILL
        rows = exercise.at(OPS, "outbox", "--json").json["outbox"]
        (left,) = [row["id"] for row in rows if row["index"] is None] or [""]
        at += 1
    other = exercise.draft("szr-1.es.toml")
    ran = exercise.at(OPS, "--lang", "en", "post", other, "--yes")
    assert ran.code == 0
    assert f"{left} had no answer" in ran.out
    assert ran.out.index("it is entry") < ran.out.index("Receipt:")
    again = exercise.run(*words).json
    assert (again["id"], again["again"]) == (left, True)


def test_old_trouble_keeps_no_new_bulletin_from_being_posted(exercise):
    """A receipt that does not hold what was kept stays so, however often it is asked for."""
    posting = exercise.copy_context(OPS)
    box = exercise.place.home / "contexts" / posting / "outbox"
    old = exercise.at(posting, "post", exercise.draft(), "--yes", "--json").json["id"]
    (box / f"{old}.receipt").unlink()
    sealed = box / f"{old}.sealed"
    sealed.write_bytes(sealed.read_bytes().replace(b"\n", b" \n", 1))
    ran = exercise.at(posting, "--lang", "en", "post", exercise.draft("szr-1.es.toml"), "--yes")
    assert (ran.code, "Receipt:" in ran.out) == (0, True)
    assert f"{old} STILL HAS NO RECEIPT" in ran.err
    assert "bad-proof" in ran.err
    resumed = exercise.at(posting, "--lang", "es", "outbox", "--resume")
    assert resumed.code == 3
    assert f"{old} SIGUE SIN RECIBO" in resumed.err
