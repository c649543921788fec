"""The verb ``journal`` on a real node's folder: how far it is, checked, rebuilt, put back."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sqlite3
import time
from contextlib import closing

import pytest
from click.testing import CliRunner

from exchange.cli import world as cli_world
from exchange.cli.main import cli
from tests.cli.exercise import Exercise


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """An exercise whose node has a second place, has taken bulletins, and is stopped."""
    made = Exercise(tmp_path_factory.mktemp("exercise"))
    node = made.place.node
    settings = json.loads((node / "node.json").read_bytes())
    (node / "second").mkdir()
    (node / "node.json").write_text(json.dumps({**settings, "second": "second"}))
    made.start()
    for _ in range(2):
        assert made.at("pa.senan-ops", "post", made.draft(), "--yes", "--json").code == 0
    made.signed()
    assert made.stop() == 0
    return made


@pytest.fixture
def node(stopped, tmp_path):
    """A copy of its folder, to do anything to."""
    return shutil.copytree(stopped.place.node, tmp_path / "node")


def told(stopped, node, *words):
    ran = stopped.run("journal", *words, "--state", str(node), "--json")
    return ran.code, ran.json


def alter(path, statement):
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(statement).rowcount != 0
        connection.commit()


def test_status_says_how_far_each_place_is(stopped, node):
    code, said = told(stopped, node, "status")
    assert (code, said["ok"], said["lag"]) == (0, True, said["size"] - said["second"])
    assert 0 < said["signed"] <= said["size"]
    assert said["second"] > 0
    for lang, word in (("es", "segundo lugar"), ("en", "second place")):
        ran = stopped.run("--lang", lang, "journal", "status", "--state", str(node))
        assert word in ran.out


def test_status_of_a_journal_cut_short_ends_with_five(stopped, node):
    alter(node / "journal.db", "DELETE FROM entry WHERE idx > 3")
    code, said = told(stopped, node, "status")
    assert (code, said["ok"], said["size"]) == (5, False, 4)


@pytest.mark.parametrize(("lang", "words"), [("en", "DAMAGED"), ("es", "DAÑADO")])
def test_second_place_that_is_damaged_is_counted_as_far_as_it_can_be_read(
    stopped, node, lang, words
):
    (file,) = (node / "second").glob("*.groups")
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    code, said = told(stopped, node, "status")
    assert (code, said["damaged"], 0 < said["second"] < said["size"]) == (3, True, True)
    ran = stopped.run("--lang", lang, "journal", "status", "--state", str(node))
    assert words in ran.out
    # What stands before the damage can be had all the same.
    out = str(node / "rebuilt.db")
    _, rebuilt = told(stopped, node, "rebuild", "--second", "--out", out)
    assert rebuilt["rebuilt"]["size"] == said["second"]


def test_tables_that_hold_are_said_to_be_equal(stopped, node):
    code, said = told(stopped, node, "check")
    assert (code, said["ok"], sum(said["differing"].values())) == (0, True, 0)
    assert sorted(each.name for each in node.iterdir() if each.is_dir()) == sorted(
        each.name for each in stopped.place.node.iterdir() if each.is_dir()
    )


def test_table_that_differs_is_named_in_both_languages(stopped, node):
    alter(node / "journal.db", "DELETE FROM inbox WHERE position = 1")
    code, said = told(stopped, node, "check")
    assert (code, said["ok"]) == (5, False)
    assert [name for name, rows in said["differing"].items() if rows] == ["inbox"]
    for lang, word in (("es", "DIFIERE"), ("en", "DIFFERS")):
        ran = stopped.run("--lang", lang, "journal", "check", "--state", str(node))
        (line,) = [line for line in ran.out.splitlines() if word in line]
        assert line.split()[1] == "inbox"


@pytest.mark.parametrize("from_second", [False, True])
def test_rebuilt_journal_is_put_back_and_the_node_goes_on(stopped, node, tmp_path, from_second):
    new, journal = tmp_path / "new.db", node / "journal.db"
    if from_second:
        # A node that was asked to stop has shipped all.
        assert told(stopped, node, "status")[1]["lag"] == 0
        for path in node.glob("journal.db*"):
            path.unlink()
    else:
        alter(journal, "DELETE FROM inbox WHERE position = 1")
    words = ["--second"] if from_second else []
    code, said = told(stopped, node, "rebuild", "--out", str(new), *words)
    assert (code, said["ok"], said["rebuilt"]["missing"]) == (0, True, 0)
    new.replace(journal)
    assert told(stopped, node, "check")[0] == 0
    assert told(stopped, node, "status")[1]["ok"]


def test_nothing_is_overwritten(stopped, node, tmp_path):
    taken = tmp_path / "taken.db"
    taken.write_bytes(b"exercise")
    code, said = told(stopped, node, "rebuild", "--out", str(taken))
    assert (code, said["error"]["code"]) == (3, "file")
    assert taken.read_bytes() == b"exercise"


def test_without_a_second_place_it_says_so(stopped, node, tmp_path):
    settings = json.loads((node / "node.json").read_bytes())
    (node / "node.json").write_text(json.dumps({**settings, "second": ""}))
    code, _ = told(stopped, node, "rebuild", "--second", "--out", str(tmp_path / "new.db"))
    assert code == 2
    assert told(stopped, node, "status")[1]["second"] is None


def until(holds):
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_node_whose_second_place_is_not_mounted_starts_only_when_it_is_said_to_be_lost(
    stopped, tmp_path
):
    made = stopped.copy(tmp_path / "exercise")
    second = made.place.node / "second"
    second.rename(tmp_path / "disk")
    second.mkdir()
    up = ("up", "--state", str(made.place.node), "--listen", "127.0.0.1:0")
    for lang, word in (("es", "Monte el disco"), ("en", "Mount the disk")):
        ran = made.run("--lang", lang, *up)
        assert (ran.code, word in ran.err, "--second-anew" in ran.err) == (3, True, True)
    assert list(second.iterdir()) == []
    made.start("--second-anew")
    assert made.stop() == 0
    code, said = told(made, made.place.node, "status")
    assert (code, said["lag"]) == (0, 0)


def test_node_with_an_older_journal_does_not_start_and_says_what_to_do(tmp_path):
    made = Exercise(tmp_path / "exercise")
    node = made.place.node
    made.start()
    assert made.stop() == 0
    shutil.copy(node / "journal.db", tmp_path / "older.db")
    made.start()
    note = node / "signed.note"
    until(note.exists)
    signed = note.read_bytes()
    assert made.at("pa.senan-ops", "post", made.draft(), "--yes", "--json").code == 0
    until(lambda: note.read_bytes() != signed)
    assert made.stop() == 0
    (tmp_path / "older.db").replace(node / "journal.db")
    ran = made.run("up", "--state", str(node), "--listen", "127.0.0.1:0", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "journal-behind")
    assert "journal rebuild" in ran.json["error"]["en"]["next"]
    assert "journal rebuild" in ran.json["error"]["es"]["next"]


def test_a_running_node_is_left_alone(stopped):
    stopped.start()
    try:
        assert (
            told(stopped, stopped.place.node, "check")[1]["error"]["code"] == "journal-in-use"
        )
    finally:
        assert stopped.stop(signal.SIGTERM) == 0


@pytest.fixture
def a_year_late(monkeypatch):
    """The machine's clock, for what runs in this process."""
    ms = cli_world.clock_ms
    monkeypatch.setattr(cli_world, "clock_ms", lambda: ms() + 365 * 86_400_000)


def test_first_start_of_a_node_takes_no_founding_in_by_a_clock_that_is_far_ahead(
    tmp_path, monkeypatch
):
    made = Exercise(tmp_path / "exercise")
    up = ["up", "--state", str(made.place.node), "--listen", "127.0.0.1:0", "--until-eof"]
    ms = cli_world.clock_ms
    # What nobody signed tells no time, though it is but left aside as overtaken.
    folder = made.place.node / "trust"
    last = max(folder.iterdir()).read_bytes()
    issued = re.search(rb'"issued":(\d+)', last)
    later = str(int(issued[1]) + 365 * 86_400).encode()
    (folder / "0009-copy.trust").write_bytes(last.replace(issued[1], later))
    with monkeypatch.context() as patched:
        patched.setattr(cli_world, "clock_ms", lambda: ms() + 365 * 86_400_000)
        ran = CliRunner().invoke(cli, ["--lang", "en", *up], env=made.environment())
    assert (ran.exit_code, "--clock-is-right" in ran.output) == (3, True)
    # The machine's own clock is right, and the ceremony is not lost.
    (folder / "0009-copy.trust").unlink()
    made.start()
    assert made.at("pa.senan-ops", "post", made.draft(), "--yes", "--json").code == 0
    assert made.stop(signal.SIGTERM) == 0
    # What was certain while it ran outlasts it.
    kept = int((made.place.node / "known-time").read_text())
    assert abs(kept - ms()) < 60_000


@pytest.mark.usefixtures("a_year_late")
def test_node_whose_clock_is_far_ahead_starts_at_its_operator_s_word_alone(stopped, tmp_path):
    made = stopped.copy(tmp_path / "exercise")
    up = ["up", "--state", str(made.place.node), "--listen", "127.0.0.1:0", "--until-eof"]
    before = (made.place.node / "journal.db").read_bytes()

    def run(*words, lang="en"):
        # As containers have it where nobody says it.
        env = made.environment(EXCHANGE_CLOCK_IS_RIGHT="")
        return CliRunner().invoke(cli, ["--lang", lang, *up, *words], env=env)

    for lang in ("es", "en"):
        ran = run(lang=lang)
        assert (ran.exit_code, "--clock-is-right" in ran.output) == (3, True)
    assert (made.place.node / "journal.db").read_bytes() == before
    ran = run("--clock-is-right")
    assert ran.exit_code == 0, ran.output
    # Its journal has that time from now on: the machine's own clock is behind it.
    ran = made.run("--lang", "en", *up)
    assert (ran.code, "founded anew" in " ".join(ran.err.split())) == (3, True)
