"""Promises to who runs a node or an agency: a kill at any moment loses and doubles nothing."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys

import pytest

from tests.cli.exercise import OPS, ROOT, WATCH, Exercise

# Posts what is on the command line and is killed: before it is sent, or when it was answered.
KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from exchange.cli.home import Home
from exchange.model.draft import read_draft

home, draft, when = sys.argv[1:]

async def main():
    async with Home(Path(home)).current("pa.senan-ops").agency() as agency:
        post = agency.transport.post

        async def killed(path, data):
            if when == "after":
                await post(path, data)
            os.kill(os.getpid(), signal.SIGKILL)

        agency.transport.post = killed
        read = read_draft(Path(draft).read_bytes(), toml=True)
        await agency.post(await agency.prepare(read))

asyncio.run(main())
"""


@pytest.fixture(scope="session")
def founded(tmp_path_factory):
    return Exercise(tmp_path_factory.mktemp("founded") / "exercise")


@pytest.fixture
def exercise(founded, tmp_path):
    made = founded.copy(tmp_path / "exercise")
    made.start()
    yield made
    made.stop()


def inbox(exercise):
    return exercise.at(WATCH, "inbox", "--json").json["items"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_agency_killed_while_posting_resumes_to_one_entry(exercise, when):
    done = subprocess.run(
        [sys.executable, "-P", "-c", KILLED, str(exercise.place.home), exercise.draft(), when],
        env=exercise.environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert len(inbox(exercise)) == (0 if when == "before" else 1)
    (row,) = exercise.at(OPS, "outbox", "--json").json["outbox"]
    assert row["index"] is None
    (settled,) = exercise.at(OPS, "outbox", "--resume", "--json").json["outbox"]
    (item,) = inbox(exercise)
    assert (item["id"], item["index"]) == (row["id"], settled["index"])


def test_node_killed_goes_on_where_it_was_and_answers_the_same(exercise):
    first = exercise.post()
    before = inbox(exercise)
    traced = exercise.at(OPS, "trace", first["id"], "--json").json
    assert exercise.stop(signal.SIGKILL) == -signal.SIGKILL
    down = exercise.at(OPS, "trace", first["id"], "--json")
    # What is known here, as of when.
    assert (down.code, down.json["id"], "as_of" in down.json) == (7, first["id"], True)
    exercise.start()
    assert inbox(exercise) == before
    assert exercise.at(OPS, "trace", first["id"], "--json").json == traced
    second = exercise.post()
    assert second["index"] > first["index"]
    assert [item["position"] for item in inbox(exercise)] == [0, 1]


def test_node_asked_to_stop_stops_cleanly_and_soon(exercise):
    exercise.post()
    assert exercise.stop() == 0
    told = [json.loads(line) for line in exercise.log.read_text().splitlines()[1:]]
    assert [line["event"] for line in told][-1] == "stopping"
    assert not [line for line in told if line["level"] in {"error", "critical"}]


def up_again(exercise):
    words = [
        "up",
        "--state",
        str(exercise.place.node),
        "--listen",
        f"127.0.0.1:{exercise.port}",
    ]
    return subprocess.run(
        [sys.executable, "-P", "-m", "exchange", *words, "--json"],
        env=exercise.environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        timeout=30,
        check=False,
    )


def test_second_node_on_one_folder_is_refused_and_the_first_goes_on(exercise):
    second = up_again(exercise)
    assert second.returncode == 3
    assert json.loads(second.stdout)["error"]["code"] == "journal-in-use"
    assert exercise.post()["sent"]


@pytest.mark.parametrize("what", ["journal", "anchor", "certificate", "trust"])
def test_node_whose_folder_was_altered_does_not_start(exercise, what):
    exercise.post()
    exercise.stop()
    folder = exercise.place.node
    if what == "journal":
        with sqlite3.connect(folder / "journal.db") as connection:
            connection.execute("DELETE FROM entry WHERE idx = (SELECT max(idx) FROM entry)")
        connection.close()
    elif what == "anchor":
        settings = json.loads((folder / "node.json").read_bytes())
        settings["anchor"] = "A" * 43
        (folder / "node.json").write_text(json.dumps(settings))
    elif what == "certificate":
        (folder / "certificate.pem").write_text("none")
    else:
        (folder / "trust" / "9999.trust").write_bytes(b"no document")
    started = up_again(exercise)
    assert started.returncode in {1, 3}, started
    assert json.loads(started.stdout)["error"]["code"]
    assert b"Traceback" not in started.stderr


def test_bound_of_what_is_kept_is_the_operator_s_and_holds_after_a_restart(exercise, tmp_path):
    exercise.stop()
    path = exercise.place.node / "node.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "kept_bytes": 200_000}))
    exercise.start()
    film = tmp_path / "film.mp4"
    film.write_bytes(bytes(150_000))
    words = ("post", exercise.draft(), "--yes", "--json")
    assert exercise.at(OPS, *words, "--attach", str(film)).code == 0
    for _ in range(2):
        full = exercise.at(OPS, *words, "--attach", str(film))
        assert (full.code, full.json["error"]["code"]) == (1, "kept-quota")
        assert full.json["error"]["facts"] == {"limit": 200_000}
        exercise.stop(signal.SIGKILL)
        exercise.start()
    # A bulletin goes all the same; and nothing that was refused waits to be sent again.
    assert exercise.at(OPS, *words).code == 0
    assert all(row["index"] for row in exercise.at(OPS, "outbox", "--json").json["outbox"])
