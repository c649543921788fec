"""What is told ahead of a backlog is held to the entries: real files, altered with SQL."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing

import pytest

from exchange.audit import tables
from exchange.audit.verify import Verifier
from exchange.cli.journal_file import opened
from exchange.store.comparing import differences
from exchange.store.sqlite import SqliteStore
from tests.builders import COAST, NOW, WATCH, refers, world
from tests.node.running import Clock, post, running


def failed(report):
    return {check.name for check in report.checks if not check.ok}


def held(report):
    return {check.name: check.held for check in report.checks}


@pytest.fixture(scope="module")
def pressing(tmp_path_factory):
    """FLASH to two, of whom one acknowledged; IMMEDIATE; one cancelled; one expired."""
    path, clock = tmp_path_factory.mktemp("pressing") / "journal.db", Clock()

    async def write():
        async with running(SqliteStore.open(path), clock) as node:
            flash = world().envelope(to=[WATCH, COAST], precedence="flash")
            await post(node, flash)
            await post(node, world().ack(flash))
            await post(node, world().envelope(to=[COAST], precedence="immediate"))
            gone = world().envelope(to=[WATCH], precedence="flash")
            await post(node, gone)
            cancel = {"type": "can", "verb": "cancel", "refs": refers("cancels", gone)}
            await post(node, world().envelope(to=[WATCH], **cancel))
            await post(node, world().envelope(to=[WATCH], precedence="flash", expires=NOW + 60))
            clock.ms += 61_000
            await post(node, world().envelope(to=[WATCH]))
            await node.checkpoints.checkpoint()

    asyncio.run(write())
    return path


def pressing_of(path):
    with opened(path) as source:
        return Verifier(source, world().anchor, lambda _: None).run()


@pytest.mark.parametrize("page", [1, tables.PAGE])
def test_what_presses_is_held_to_the_entries(pressing, monkeypatch, page):
    monkeypatch.setattr(tables, "PAGE", page)
    report = pressing_of(pressing)
    assert (report.ok, held(report)["pressing"]) == (True, 2)
    # What expired lies there until the next one comes, and is told to nobody.
    with closing(sqlite3.connect(pressing)) as connection:
        assert connection.execute("SELECT count(*) FROM urgent").fetchone() == (3,)


ANOTHER_RANK = """
INSERT INTO urgent SELECT endpoint, 0, idx, taken_ms, until FROM urgent WHERE rank = 1
"""
ANOTHER_INBOX = """
INSERT INTO urgent SELECT 'us.jiatfs/watch', rank, idx, taken_ms, until FROM urgent
WHERE endpoint = 'us.uscg/ops' AND rank = 0
"""


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM urgent WHERE rank = 0",
        "DELETE FROM urgent WHERE rank = 1",
        "UPDATE urgent SET until = until + 1 WHERE rank = 0",
        "UPDATE urgent SET taken_ms = taken_ms - 1 WHERE rank = 1",
        "UPDATE urgent SET rank = 0 WHERE rank = 1",
        "UPDATE urgent SET idx = idx + 1 WHERE rank = 1",
        "UPDATE urgent SET endpoint = 'us.oig/audit' WHERE rank = 1",
        "UPDATE urgent SET until = 'x' WHERE rank = 1",
        ANOTHER_RANK,
        ANOTHER_INBOX,
    ],
)
def test_what_presses_and_is_not_told_or_told_wrongly_is_found(pressing, tmp_path, statement):
    path = tmp_path / "copy.db"
    shutil.copy(pressing, path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(statement).rowcount != 0
        connection.commit()
    assert failed(pressing_of(path)) == {"pressing"}
    found = differences(pressing, path)
    assert [name for name, rows in found.items() if rows] == ["urgent"]
    assert not any(differences(pressing, pressing).values())


def test_row_that_has_expired_may_be_there_or_not(pressing, tmp_path):
    path = tmp_path / "copy.db"
    shutil.copy(pressing, path)
    with closing(sqlite3.connect(path)) as connection:
        expired = "DELETE FROM urgent WHERE until < (SELECT max(until) FROM urgent)"
        assert connection.execute(expired).rowcount == 1
        connection.commit()
    assert pressing_of(path).ok
    assert not any(differences(pressing, path).values())
