"""``audit report`` as it is typed: by two auditors, by the guide, of what was altered."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from click.testing import CliRunner

from exchange.cli.main import cli
from tests.audit.half_year import half_year
from tests.audit.traded import written
from tests.builders import border
from tests.cli.exercise import ROOT

PERIOD = ("--from", "2026-07-01", "--to", "2026-12-31")


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    made = written(tmp_path_factory.mktemp("half-year"), half_year)
    for file in made.files:
        with closing(sqlite3.connect(file)) as db:
            db.execute("PRAGMA journal_mode = DELETE")
    return made


def report(folder, *words, lang="en", **environment):
    command = [sys.executable, "-P", "-m", "exchange", "--lang", lang, "audit", "report"]
    known = {"EXCHANGE_HOME": str(folder), "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        [*command, *map(str, words), "--anchor", border().anchor, *PERIOD],
        capture_output=True, text=True, timeout=110, check=False, cwd=folder,
        env={**os.environ, **known},
    )  # fmt: skip


def test_two_auditors_have_the_same_bytes_wherever_they_are(traded, tmp_path):
    """Each with copies of its own, named in another order, in another time zone and locale."""
    made = {}
    for nation, zone, place, lang in (
        ("pa", "America/Panama", "es_PA.UTF-8", "es"),
        ("us", "Asia/Tokyo", "C", "en"),
    ):
        folder = tmp_path / nation
        folder.mkdir()
        files = [shutil.copy(file, folder / file.name) for file in traded.files]
        ordered = files if nation == "pa" else files[::-1]
        out = folder / "report.json"
        words = (*ordered, "--format", "json", "--out", out, "--json")
        hashed = str(len(made))
        ran = report(folder, *words, lang=lang, TZ=zone, LC_ALL=place, PYTHONHASHSEED=hashed)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        made[nation] = (json.loads(ran.stdout), out.read_bytes())
    (pa, one), (us, other) = made.values()
    assert one == other
    assert pa["sha256"] == us["sha256"] == hashlib.sha256(one).hexdigest()
    assert pa["sizes"] == us["sizes"]


@pytest.mark.parametrize(
    ("until", "said"),
    [("2026-12-31", "NOT FINAL: of at least one journal, what is looked at"), ("", "")],
)
def test_why_it_is_not_final_is_said_as_the_report_says_it(traded, tmp_path, until, said):
    until, out = until or "2026-11-30T01:00:00Z", str(tmp_path / "report.html")
    words = ["--lang", "en", "audit", "report", *map(str, traded.files), "--out", out]
    words += ["--anchor", border().anchor, "--from", "2026-07-01", "--to", until]
    ran = CliRunner().invoke(cli, words)
    assert ran.exit_code == 0, ran.output
    assert ("NOT FINAL" in ran.output) == bool(said)
    assert said in ran.output


def test_nothing_is_written_of_what_was_tampered_with(traded, tmp_path):
    files = [shutil.copy(file, tmp_path / file.name) for file in traded.files]
    with closing(sqlite3.connect(files[1])) as db:
        (raw,) = db.execute("SELECT bytes FROM entry WHERE idx = 9").fetchone()
        changed = raw.replace(b'"taken_ms":1', b'"taken_ms":2', 1)
        assert changed != raw
        db.execute("UPDATE entry SET bytes = ? WHERE idx = 9", (changed,))
        db.commit()
    out = tmp_path / "report.html"
    ran = report(tmp_path, *files, "--out", out)
    assert ran.returncode == 5, ran.stdout + ran.stderr
    assert "TAMPERED" in ran.stdout
    assert not out.exists()


@pytest.mark.parametrize("guide", ["reports.md", "reports.es.md"])
def test_commands_of_the_guide_do_what_it_says(traded, tmp_path, monkeypatch, guide):
    text = (ROOT / "docs" / guide).read_text("utf-8")
    # As installed or from a checkout; how its mirrors come about is tried by the demonstration.
    lines = re.findall(r"(?m)^    (?:exchange|\./run) (.*?)(?:\s+#.*)?$", text)
    lines = [line for line in lines if "audit report" in line]
    assert len(lines) >= 6
    for file in traded.files:
        shutil.copy(file, tmp_path / file.name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EXCHANGE_HOME", str(tmp_path))
    said, named = {}, "pa:1,us:1"
    for line in lines:
        words = line.replace("ANCHOR", border().anchor).replace("pa:PA,us:US", named).split()
        ran = CliRunner().invoke(cli, words)
        assert ran.exit_code == 0, (line, ran.output)
        out = words[words.index("--out") + 1]
        assert (tmp_path / out).stat().st_size > 1000
        said[out] = ran.output.split()[-1]
        named = re.findall(r"--sizes (\S+)", ran.output)[-1]
    shared = {digest for out, digest in said.items() if not out.startswith(("annex", "anexo"))}
    assert len(shared) == 1
    assert {
        hashlib.sha256(each.read_bytes()).hexdigest() for each in tmp_path.glob("*.json")
    } == (shared)


@pytest.mark.parametrize(
    "words",
    [
        ("pa.db",),
        ("pa.db", "pa.db"),
        ("pa.db", "us.db", "--sizes", "pa"),
        ("pa.db", "us.db", "--sizes", "pa:1,pa:2"),
    ],
)
def test_a_command_line_that_makes_no_sense(traded, tmp_path, monkeypatch, words):
    monkeypatch.chdir(traded.pa.parent)
    rest = ("--anchor", border().anchor, *PERIOD, "--out", str(tmp_path / "o"))
    assert CliRunner().invoke(cli, ["audit", "report", *words, *rest]).exit_code == 2
    assert not (tmp_path / "o").exists()
