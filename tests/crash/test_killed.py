"""Whoever is killed at any point may begin again: one bulletin, one acknowledgement.

At any point: before and after each commit, and each thing done to a file. See ``dying``.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys

import pytest

from exchange.client.outbox import Outbox
from exchange.seal.close import Envelope
from tests.cli.exercise import OPS, ROOT, WATCH, Exercise

# So many things a post does to its mail that stay: every one of them is a point to die at.
LEAST = 6


class Lives:
    """Commands that are killed, each a fork of one process that has imported what they need."""

    def __init__(self, exercise):
        self.out = exercise.folder / "out"
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.crash.dying"],
            env=exercise.environment(PYTHONPATH=str(ROOT)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __call__(self, at, *words):
        """How it ended, and what it had said until then."""
        self.process.stdin.write(json.dumps([at, str(self.out), *words]) + "\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        return code, self.out.read_text("utf-8")


@pytest.fixture(scope="module")
def exercise(tmp_path_factory):
    made = Exercise(tmp_path_factory.mktemp("killed"))
    made.start()
    yield made
    assert made.stop() == 0, made.log.read_text()


@pytest.fixture(scope="module")
def killed(exercise):
    lives = Lives(exercise)
    yield lives
    lives.process.communicate(timeout=30)
    assert lives.process.returncode == 0


def mail(exercise, context):
    """What a context holds, by the two drawers that decide: what was sealed, and what waits."""
    with exercise.mail(context) as kept:
        box = Outbox(kept)
        ids = [*box.waiting(), *box.sent()]
        return {each: box.envelope(each) for each in ids}


def held(exercise, context, kind):
    items = exercise.at(context, "inbox", "--json").json["items"]
    return [item for item in items if item["kind"] == kind]


def test_post_killed_at_any_point_and_run_again_is_one_bulletin(exercise, killed):
    """The oracle: nothing lost, nothing posted twice, nothing sealed twice."""
    at = 0
    while True:
        draft = exercise.draft("voi-1.es.toml", GAVIOTA=f"GAVIOTA {at}")
        words = ["--context", OPS, "post", draft, "--yes", "--json"]
        before, had = len(held(exercise, WATCH, "bulletin")), mail(exercise, OPS)
        code, said = killed(at, *words)
        left = mail(exercise, OPS)
        # Nothing that was there is lost or another, and at most this one was added.
        assert had.items() <= left.items()
        assert len(left) <= len(had) + 1
        if not said:
            # Nobody was told, so it is said again; and what was sealed is not sealed again.
            again = exercise.run(*words)
            assert again.code == 0, again.out
            assert again.json["sent"] is True, again.out
            said = again.out
        assert left.items() <= mail(exercise, OPS).items()
        assert len(mail(exercise, OPS)) == len(had) + 1
        after = held(exercise, WATCH, "bulletin")
        assert len(after) == before + 1, f"killed at {at}"
        assert after[-1]["id"] == json.loads(said)["id"]
        assert all(row["index"] for row in exercise.at(OPS, "outbox", "--json").json["outbox"])
        if code == 0:
            break
        assert code == -signal.SIGKILL
        at += 1
    assert at > LEAST


def test_acknowledgement_killed_at_any_point_and_said_again_is_one(exercise, killed):
    at = 0
    while True:
        identity = exercise.post()["id"]
        words = ["--context", WATCH, "ack", identity, "--officer", "guardia-1", "--json"]
        code, _ = killed(at, *words)
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


def test_what_waits_is_resolved_before_another_draft_is_sealed(exercise, killed):
    waiting = exercise.draft("voi-1.es.toml", GAVIOTA="GAVIOTA WAITING")
    words = ["--context", OPS, "post", waiting, "--yes", "--json"]
    left, at = "", 0
    while not left:
        # The first point at which something is sealed and has no receipt.
        assert killed(at, *words)[0] == -signal.SIGKILL
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
    old = exercise.at(posting, "post", exercise.draft(), "--yes", "--json").json["id"]
    with exercise.mail(posting) as kept:
        box = Outbox(kept)
        header, body = box.envelope(old)
        box.keep(old, Envelope(header + b" ", body))
        kept.drop("posted.sent", old)
        kept.drop("posted.receipt", old)
    ran = exercise.at(posting, "--lang", "en", "post", exercise.draft("szr-1.es.toml"), "--yes")
    assert (ran.code, "Receipt:" in ran.out) == (0, True)
    assert f"{old} STILL HAS NO RECEIPT" in ran.err
    assert "bad-proof" in ran.err
    resumed = exercise.at(posting, "--lang", "es", "outbox", "--resume")
    assert resumed.code == 3
    assert f"{old} SIGUE SIN RECIBO" in resumed.err


# -- while the node is away ----------------------------------------------------------------


def test_queueing_killed_at_any_point_and_run_again_seals_one_that_is_sent_once(
    exercise, killed
):
    """The oracle: one bulletin, of the very bytes that were sealed first, if any were."""
    at = 0
    while True:
        draft = exercise.draft("voi-1.es.toml", GAVIOTA=f"GAVIOTA QUEUED {at}")
        words = ["--context", OPS, "post", draft, "--yes", "--queue", "--json"]
        before, had = len(held(exercise, WATCH, "bulletin")), mail(exercise, OPS)
        code, _ = killed(at, *words)
        left = mail(exercise, OPS)
        assert had.items() <= left.items()
        again = exercise.run(*words)
        assert (again.code, again.json["queued"]) == (0, True)
        assert left.items() <= mail(exercise, OPS).items()
        assert len(mail(exercise, OPS)) == len(had) + 1, f"killed at {at}"
        assert len(held(exercise, WATCH, "bulletin")) == before
        sent = exercise.at(OPS, "outbox", "send", "--json")
        assert (sent.code, [row for row in sent.json["outbox"] if not row["index"]]) == (0, [])
        after = held(exercise, WATCH, "bulletin")
        assert len(after) == before + 1
        assert after[-1]["id"] == again.json["id"]
        if code == 0:
            break
        assert code == -signal.SIGKILL
        at += 1
    assert at >= 4


def test_sending_killed_at_any_point_and_begun_again_sends_each_once(exercise, killed):
    at = 0
    while True:
        before, queued = len(held(exercise, WATCH, "bulletin")), []
        for number in range(2):
            draft = exercise.draft("voi-1.es.toml", GAVIOTA=f"GAVIOTA SENT {at} {number}")
            ran = exercise.at(OPS, "post", draft, "--yes", "--queue", "--json")
            queued.append(ran.json["id"])
        sealed = mail(exercise, OPS)
        code = killed(at, "--context", OPS, "outbox", "send")[0]
        assert mail(exercise, OPS) == sealed, f"killed at {at}"
        assert exercise.at(OPS, "outbox", "send").code == 0
        after = held(exercise, WATCH, "bulletin")[before:]
        assert [item["id"] for item in after] == queued
        if code == 0:
            break
        assert code == -signal.SIGKILL
        at += 1
    assert at >= 4


def test_reading_killed_at_any_point_holds_each_item_once(exercise, killed):
    """What is held is whole: proved by the node's own head, and readable as before."""
    exercise.post("--attach", str(file_of(exercise)))
    # Other tests leave an item that nobody can open.
    locked = locked_in(exercise.at(WATCH, "inbox", "--json"))
    at = 0
    while True:
        reading = exercise.copy_context(WATCH)
        shutil.rmtree(exercise.place.home / "contexts" / reading / "mail")
        code = killed(at, "--context", reading, "inbox", "--json")[0]
        proved = exercise.at(reading, "inbox", "--prove", "--json")
        assert proved.code == 0, f"killed at {at}: {proved}"
        positions = [item["position"] for item in proved.json["items"]]
        assert positions == list(range(len(positions)))
        assert locked_in(proved) == locked, f"killed at {at}"
        if code == 0:
            break
        assert code == -signal.SIGKILL
        at += 1
    assert at >= 4


def locked_in(ran):
    return {
        item["index"]: item["locked"]["code"]
        for item in ran.json["items"]
        if item.get("locked")
    }


def file_of(exercise):
    path = exercise.folder / "photo.jpg"
    path.write_bytes(bytes(1000))
    return path
