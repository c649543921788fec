"""Two mirrors of one node: the longer is taken, or it is a fork, named, with what convicts."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing

import pytest
from click.testing import CliRunner

from exchange.audit.console.background import Background
from exchange.audit.forked import longest
from exchange.cli.journal_file import opened
from exchange.cli.main import cli
from exchange.cli.serve import log_signers
from exchange.errors import Refusal
from exchange.journal import forks
from exchange.store.sqlite import SqliteStore
from tests.builders import WATCH, world
from tests.console.opened import setup
from tests.node.running import Clock, post, running


@pytest.fixture(scope="module")
def pasts(tmp_path_factory):
    """One node's journal, as it was once, and two pasts that it told from there on."""
    folder, land = tmp_path_factory.mktemp("pasts"), world()
    common = [land.envelope(to=[WATCH]) for _ in range(3)]

    async def write(name, most):
        async with running(SqliteStore.open(folder / f"{name}.db"), Clock()) as node:
            for each in common:
                await post(node, each)
            if name == "one":
                for end in (".db", ".db-wal"):
                    shutil.copy(folder / f"one{end}", folder / f"once{end}")
            first = node.size
            for _ in range(most):
                await post(node, land.envelope(to=[WATCH]))
            if name != "unsigned":
                await node.checkpoints.checkpoint()
            return first

    # Of one size, and of another: what a node signed is of either.
    firsts = {asyncio.run(write(*each)) for each in (("one", 2), ("two", 2), ("unsigned", 1))}
    assert asyncio.run(write("more", 9)) in firsts
    (first,) = firsts
    for file in folder.glob("*.db"):
        with closing(sqlite3.connect(file)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder, first


def taken(folder, *names, kept=None):
    """Which of these is taken of the node; ``kept`` gets what is kept as evidence."""
    with ExitStack() as stack:
        sources = [stack.enter_context(opened(folder / f"{name}.db")) for name in names]

        def keep(raw, kind):
            if kept is not None:
                kept.append(raw)
            return kind

        return names[longest(sources, keep)["pa"]]


def test_of_a_mirror_and_its_beginning_the_longer_is_taken(pasts):
    folder, _ = pasts
    assert taken(folder, "once", "one") == taken(folder, "one", "once") == "one"
    assert taken(folder, "one", "one") == "one"
    assert taken(folder, "once", "two", "once") == "two"


@pytest.mark.parametrize("other", ["two", "more"])
def test_two_pasts_that_a_node_signed_are_a_fork_that_its_own_signatures_prove(pasts, other):
    folder, first = pasts
    kept = []
    for names in (("one", other), (other, "one")):
        with pytest.raises(Refusal) as refused:
            taken(folder, *names, kept=kept)
        assert (refused.value.code, refused.value.facts["found"]) == ("journal-forked", first)
        assert refused.value.facts["evidence"] == "evidence"
    keys = [each.key for each in log_signers("pa", world().node)]
    for raw in kept:
        proved = forks.check(forks.read(raw), "exchange/pa", [keys])
        assert proved == ("forked" if other == "two" else "rewritten")


def test_what_a_node_did_not_sign_accuses_nobody_and_is_an_alarm_all_the_same(pasts, tmp_path):
    folder, first = pasts
    kept = []
    with pytest.raises(Refusal) as refused:
        taken(folder, "one", "unsigned", kept=kept)
    assert (refused.value.code, refused.value.facts) == ("mirrors-differ", {"found": first})
    for name in ("once.db", "one.db"):
        shutil.copy(folder / name, tmp_path / name)
    with closing(sqlite3.connect(tmp_path / "one.db")) as db:
        db.execute("UPDATE hashes SET run = zeroblob(length(run)) WHERE at = 0")
        db.commit()
    with pytest.raises(Refusal, match="mirrors-differ"):
        taken(tmp_path, "once", "one", kept=kept)
    assert kept == []


def test_no_report_is_made_of_two_pasts_and_the_fork_is_named(pasts, tmp_path, monkeypatch):
    folder, first = pasts
    monkeypatch.setenv("EXCHANGE_HOME", str(tmp_path))
    files = [str(shutil.copy(folder / name, tmp_path)) for name in ("one.db", "two.db")]
    period = ("--from", "2026-07-01", "--to", "2026-12-31", "--out", str(tmp_path / "out"))
    words = ("audit", "report", *files, "--anchor", world().anchor, *period)
    ran = CliRunner().invoke(cli, ["--lang", "en", *words])
    assert (ran.exit_code, (tmp_path / "out").exists()) == (5, False), ran.output
    assert "journal-forked" in ran.output
    assert str(first) in ran.output


def test_console_shows_neither_of_two_pasts(pasts, tmp_path):
    folder, first = pasts
    files = [folder / f"{name}.db" for name in ("one", "two")]
    for names, shown in ((files, None), ([folder / "once.db", files[0]], files[0])):
        background = Background(setup(names, tmp_path / f"{shown is None}.index"))
        if shown is None:
            with pytest.raises(Refusal) as refused:
                asyncio.run(background.fold(lambda *_: None))
            assert refused.value.facts["found"] == first
        else:
            asyncio.run(background.fold(lambda *_: None))
        assert background.nodes == ({} if shown is None else {"pa": shown})
        asyncio.run(background.close())


def test_command_line_names_the_fork_and_keeps_both_checkpoints(pasts, tmp_path):
    folder, first = pasts
    files = [shutil.copy(folder / name, tmp_path / name) for name in ("one.db", "two.db")]
    for words in (("search",), ("verify", "--mirror")):
        ran = subprocess.run(
            [sys.executable, "-m", "exchange", "audit", *words, *files, "--json"],
            capture_output=True, text=True, timeout=90, check=False,
            env={**os.environ, "EXCHANGE_HOME": str(tmp_path)},
        )  # fmt: skip
        error = json.loads(ran.stdout)["error"]
        assert (ran.returncode, error["code"]) == (5, "journal-forked")
        assert error["facts"]["found"] == first
        (evidence,) = (tmp_path / "one.db.evidence").iterdir()
        assert error["facts"]["evidence"] == str(evidence)
        evidence.unlink()
