"""An auditor's verbs at the command line, on two nodes' journals and on a node that runs."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from exchange.audit.verify import Verifier
from exchange.cli import auditing, verdict
from exchange.cli.journal_file import opened
from exchange.cli.main import cli
from exchange.model import entry as entries
from exchange.model.shown import Shown
from tests.audit.test_resuming import robbed
from tests.audit.traded import everything, written
from tests.builders import DESK, WATCH, border
from tests.cli.exercise import AUDIT, OPS

# Any use of the network ends the process: an audit is of files.
BLOCKED = """
import socket, sys
def refuse(*_):
    raise SystemExit("the network was used")
sys.addaudithook(lambda event, _: refuse() if event in BLOCKED_EVENTS else None)
from exchange.cli import main
sys.argv = ["exchange", *sys.argv[1:]]
main()
""".replace("BLOCKED_EVENTS", '("socket.connect", "socket.bind", "socket.getaddrinfo")')


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    return written(tmp_path_factory.mktemp("traded"), everything)


def run(traded, *words, lang="en"):
    ran = subprocess.run(
        [sys.executable, "-c", BLOCKED, "--lang", lang, *map(str, words)],
        capture_output=True, text=True, timeout=110, check=False,
        env={**os.environ, "EXCHANGE_HOME": str(traded.pa.parent)},
    )  # fmt: skip
    assert "network" not in ran.stderr
    return ran


def test_the_guard_against_the_network_does_end_what_uses_it():
    code = BLOCKED.partition("from exchange")[0] + "socket.create_connection(('127.0.0.1', 9))"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode != 0
    assert "network was used" in ran.stderr


def test_what_an_auditor_was_shown_is_listed_in_words():
    facts = entries.AuditRead(
        salt="A" * 22, taken_ms=1, view=-1, auditor="us.jiatfs/audit", since_ms=0, until_ms=1,
        reads=[Shown("entries", 2, 0, 9, 12), Shown("proofs", 1, 3, 3, 1)],
    )  # fmt: skip
    row = auditing._row(7, entries.encode(facts))
    told = ("us.jiatfs/audit", "entries 0-9x12 proofs 3-3x1")
    assert (row["who"], row["told"]) == told


def test_search_in_words_json_and_csv(traded):
    told = json.loads(
        run(traded, "audit", "search", *traded.files, "--type", "voi", "--json").stdout
    )
    assert told["total"] == len(told["rows"]) > 5
    assert "type=voi" in told["query"]
    again = run(traded, "audit", "search", *traded.files, "--query", told["query"], "--json")
    assert json.loads(again.stdout)["rows"] == told["rows"]
    table = run(traded, "audit", "search", *traded.files, "--type", "voi", "--csv").stdout
    rows = list(csv.DictReader(io.StringIO(table)))
    assert {(row["journal"], int(row["index"])) for row in rows} == {
        (row["journal"], row["index"]) for row in told["rows"]
    }
    for lang, said in (("es", "asientos."), ("en", "entries.")):
        assert said in run(traded, "audit", "search", traded.pa, lang=lang).stdout
    assert run(traded, "audit", "search", traded.pa, "--query", "x=1", "--json").returncode == 1
    assert run(traded, "audit", "search", traded.pa, "--from", "then", "--json").returncode == 1


def test_story_in_words_and_json(traded):
    identity = traded.ids["crossed"]
    told = json.loads(run(traded, "audit", "story", identity, *traded.files, "--json").stdout)
    assert {"accepted", "received", "opened", "granted", "cancels"} <= {
        step["step"] for step in told["steps"]
    }
    said = run(traded, "audit", "story", identity, *traded.files, lang="es").stdout
    assert "asiento" in said
    assert len(said.splitlines()) == len(told["steps"]) + 1
    assert run(traded, "audit", "story", "none", traded.pa, "--json").returncode == 1


def test_anomalies_and_export(traded, tmp_path):
    told = json.loads(run(traded, "audit", "anomalies", *traded.files, "--json").stdout)
    (rule,) = [each for each in told["rules"] if each["rule"] == "key-outside-validity"]
    each = rule["found"][0]
    assert each["es"] != each["en"]
    led = run(traded, "audit", "search", *traded.files, "--query", each["query"], "--json")
    assert each["entries"][0] in {row["index"] for row in json.loads(led.stdout)["rows"]}
    assert "--query" in run(traded, "audit", "anomalies", *traded.files, lang="es").stdout
    assert run(traded, "audit", "anomalies", traded.pa, "--rule", "none").returncode == 2
    words = ("audit", "export", *traded.files, "--siem", "cef", "--to", tmp_path / "siem")
    first, again = (json.loads(run(traded, *words, "--json").stdout)["written"] for _ in "12")
    assert first["pa"] > 10
    assert again == {"pa": 0, "us": 0}


@pytest.mark.parametrize("guide", ["auditing.md", "auditing.es.md"])
def test_what_the_guide_does_offline_is_done(traded, tmp_path, guide, monkeypatch):
    """In its order, on mirrors of both nodes, with the network blocked."""
    for file in traded.files:
        for end in ("", "-wal"):
            if (part := Path(f"{file}{end}")).exists():
                shutil.copy(part, tmp_path / part.name)
        robbed(tmp_path / file.name)
    text = (Path(__file__).parents[2] / "docs" / guide).read_text("utf-8")
    verbs = "verify|search|anomalies|story|log|package|export"
    offline = rf"(?m)^    exchange (audit (?:{verbs}) .*?)(?:\s+#.*)?$"
    # A proof is asked of a node: that is played beside one that runs, in ``./run border``.
    lines = [line for line in re.findall(offline, text) if "entry.proof" not in line]
    assert len(lines) >= 10
    monkeypatch.chdir(tmp_path)
    named = {"ANCHOR": border().anchor, "ID": traded.ids["crossed"], "INDEX": "3"}
    for line in lines:
        words = [named.get(word, word) for word in line.split()]
        ran = run(traded, *words)
        assert (ran.returncode, bool(ran.stdout)) == (0, True), (line, ran.stdout, ran.stderr)


def test_verify_in_parts_says_from_where(traded, tmp_path):
    words = (
        "audit",
        "verify",
        traded.pa,
        "--anchor",
        border().anchor,
        "--state",
        tmp_path / "s",
    )
    assert run(traded, *words).returncode == 2
    told = json.loads(run(traded, *words, "--mirror", "--ways", "1", "--json").stdout)
    assert (told["ok"], told["since"]) == (True, 0)


def alter(file, statement):
    with closing(sqlite3.connect(file)) as db:
        assert db.execute(statement).rowcount != 0, statement
        db.commit()
    return file


def judged(*words):
    """How the command ends, and what it says."""
    told = ("--lang", "en", "audit", "verify", "--anchor", border().anchor)
    ran = CliRunner().invoke(cli, [*told, *map(str, words)])
    return ran.exit_code, ran.output


async def domestic_first(both, _):
    for to in (DESK, WATCH):
        assert (await both.pa.post(border().envelope(to=[to]))).refusal is None


@pytest.fixture
def mirrors(traded, tmp_path):
    """A mirror of each, of a node that was started more than once."""
    for file in traded.files:
        for end in ("", "-wal"):
            if (part := Path(f"{file}{end}")).exists():
                shutil.copy(part, tmp_path / part.name)
        robbed(alter(tmp_path / file.name, "UPDATE meta SET epoch = 9"))
    return tmp_path / "pa.db", tmp_path / "us.db"


def test_mirror_that_was_altered_is_altered_whether_or_not_it_is_said_to_be_one(mirrors):
    pa, us = mirrors
    code, said = judged(pa)
    assert (code, "say --mirror" in said) == (3, True), said
    assert judged(pa, "--mirror")[0] == 0
    with opened(pa) as source:
        report = Verifier(source, border().anchor, lambda _: None).run()
    for is_said in (False, True):
        asked = msgspec.structs.replace(report, mirror=is_said)
        assert verdict.may_be_mirror(asked) != is_said
    bad = pa.with_name("altered.db")
    for statement, *said_to_be in (
        ("UPDATE meta SET taken_ms = taken_ms + 1", "--mirror"),
        ("UPDATE grp SET statement = x'0102' WHERE first = 0", "--mirror"),
        ("UPDATE grp SET statement = x'0102' WHERE first = 0",),
        ("UPDATE inbox_head SET count = count + 1",),
        ("UPDATE inbox_head SET count = count + 1", "--mirror"),
    ):
        alter(shutil.copy(pa, bad), statement)
        code, said = judged(bad, *said_to_be)
        assert (code, "TAMPERED." in said) == (5, True), (statement, said)
    assert judged(us, bad, "--mirror")[0] == 5
    words = ("--from", "2020-01-01", "--to", "2020-01-02", "--anchor", border().anchor)
    told = ["audit", "report", str(us), str(bad), *words, "--out", str(pa.with_name("r.json"))]
    assert CliRunner().invoke(cli, ["--lang", "en", *told]).exit_code == 5


def test_file_that_is_altered_is_told_beside_one_that_may_be_a_mirror(traded, mirrors):
    whole, us = traded.pa, mirrors[1]
    code, said = judged(whole, us)
    assert (code, "say --mirror" in said) == (3, True), said
    bad = mirrors[0].with_name("altered.db")
    with closing(sqlite3.connect(whole)) as source, closing(sqlite3.connect(bad)) as copy:
        source.backup(copy)
    alter(bad, "UPDATE inbox_head SET count = count + 1")
    for files in ((bad, us), (us, bad)):
        code, said = judged(*files)
        assert (code, said.count("TAMPERED."), said.count("NOT SAID")) == (5, 1, 1), said
    # Each holds by itself, and they are of two pasts.
    (other := bad.with_name("other")).mkdir()
    robbed(file := written(other, domestic_first).us)
    code, said = judged(whole, file)
    assert (code, said.count("TAMPERED."), said.count("NOT SAID")) == (5, 0, 1), said


def test_two_journals_of_one_node_are_not_held_to_each_other(traded, tmp_path):
    """Nothing crosses from a node to itself: to say that all holds would say it of a fork."""
    copy = shutil.copy(traded.pa, tmp_path / "copy.db")
    if (wal := Path(f"{traded.pa}-wal")).exists():
        shutil.copy(wal, f"{copy}-wal")
    words = ("audit", "verify", traded.pa, copy, "--mirror", "--anchor", border().anchor)
    told = run(traded, *words)
    assert told.returncode == 2, told.stdout


def looks(exercise, words):
    """What so many looks say, each of a new start."""
    for _ in range(20):
        yield exercise.run("--lang", "en", *words).out


def test_watch_follows_a_node_and_says_each_thing_once(exercise, tmp_path):
    file = tmp_path / "mirror.db"
    words = ("audit", "watch", f"{AUDIT}={file}", "--times", "1", "--every", "1")
    exercise.post()
    first = exercise.run(*words, "--json")
    assert first.code == 0, first.err
    looked = [json.loads(line) for line in first.out.splitlines()]
    assert looked[0]["new"] == looked[0]["size"] > 0
    exercise.post()
    second = exercise.run(*words, "--json")
    again = [json.loads(line) for line in second.out.splitlines()]
    assert again[0]["size"] > looked[0]["size"]
    assert again[0]["new"] == again[0]["size"] - looked[0]["size"]
    said = [each["anomaly"]["en"] for each in looked[1:]]
    assert not {each["anomaly"]["en"] for each in again[1:]} & set(said)
    refused = exercise.run("audit", "watch", f"{OPS}={tmp_path / 'o.db'}", "--times", "1")
    # Who starts it by a clock learns of it; and a person, in words.
    assert refused.code == 1
    assert "missing-role" in refused.err
    assert "auditor" in refused.err
    assert not (tmp_path / "o.db").exists()
    # That it is followed is said at the first look, though nothing is new: once the node has
    # signed for what was posted, which is an entry too.
    assert any("entries, 0 of them new" in said for said in looks(exercise, words))
    assert exercise.run("audit", "watch", "nothing", "--times", "1").code == 2
