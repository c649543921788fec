"""Of whom an acknowledgement is chased is held to the entries: real files, altered with SQL."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing

import pytest

from exchange.audit.verify import Verifier
from exchange.cli.journal_file import opened
from exchange.store.comparing import differences
from exchange.store.sqlite import SqliteStore
from tests.builders import COAST, NOW, WATCH, refers, world
from tests.node.running import Clock, post, running


def cancels(target, **changes):
    usual = {"type": "can", "verb": "cancel", "to": [WATCH, COAST]}
    return world().envelope(refs=refers("cancels", target), **{**usual, **changes})


def corrects(target, **changes):
    usual = {"type": "cor", "verb": "correct", "to": [WATCH, COAST]}
    return world().envelope(refs=refers("corrects", target), **{**usual, **changes})


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """Chased of two; of one of two; ended by a cancellation; come early; retained no more."""
    path, clock = tmp_path_factory.mktemp("chased") / "journal.db", Clock()

    async def write():
        async with running(SqliteStore.open(path), clock) as node:
            bulletins = [world().envelope(to=[WATCH, COAST]) for _ in range(4)]
            short = {"expires": NOW + 60, "retain_until": NOW + 60}
            over = world().envelope(to=[WATCH], **short)
            early = world().envelope(to=[WATCH, COAST])
            for each in (*bulletins, over):
                await post(node, each)
            seen = cancels(bulletins[1])
            for each in (
                cancels(bulletins[0]),
                seen,
                world().ack(seen),
                corrects(bulletins[2]),
                cancels(bulletins[2]),
                corrects(early),
                corrects(early),
                early,
                cancels(over, to=[WATCH], **short),
            ):
                answer = await post(node, each)
                assert answer.refusal is None, answer.refusal
            clock.ms += 61_000
            await post(node, world().envelope(to=[WATCH]))
            await node.checkpoints.checkpoint()

    asyncio.run(write())
    return path


def verified(path):
    with opened(path) as source:
        return Verifier(source, world().anchor, lambda _: None).run()


def failed(report):
    return {check.name for check in report.checks if not check.ok}


def test_who_is_chased_is_held_to_the_entries(journal):
    report = verified(journal)
    assert failed(report) == set()
    (held,) = [check.held for check in report.checks if check.name == "chased"]
    with closing(sqlite3.connect(journal)) as connection:
        rows = connection.execute("SELECT count(*) FROM chased").fetchone()[0]
        due = "SELECT count(*) FROM chased WHERE until > (SELECT taken_ms / 1000 FROM meta)"
        now = connection.execute(due).fetchone()[0]
    # What is retained no more lies there until the next one comes, and is counted nowhere.
    assert held == now == rows - 1 > 4


FIRST = "idx = (SELECT min(idx) FROM chased) AND endpoint = 'us.jiatfs/watch'"
OF_ANOTHER = """
INSERT INTO chased SELECT 'us.oig/audit', idx, target, rank, taken_ms, until FROM chased
WHERE endpoint = 'us.uscg/ops' LIMIT 1
"""


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM chased WHERE {0}",
        "UPDATE chased SET until = until + 1 WHERE {0}",
        "UPDATE chased SET taken_ms = taken_ms - 1 WHERE {0}",
        "UPDATE chased SET rank = 0 WHERE {0}",
        "UPDATE chased SET idx = idx - 1 WHERE {0}",
        "UPDATE chased SET target = target + 1 WHERE {0}",
        "UPDATE chased SET endpoint = 'us.oig/audit' WHERE {0}",
        "UPDATE chased SET until = 'x' WHERE {0}",
        OF_ANOTHER,
    ],
)
def test_who_is_chased_and_is_not_counted_or_counted_wrongly_is_found(
    journal, tmp_path, statement
):
    path = tmp_path / "copy.db"
    shutil.copy(journal, path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(statement.format(FIRST)).rowcount != 0
        connection.commit()
    assert failed(verified(path)) == {"chased"}
    found = differences(journal, path)
    assert [name for name, rows in found.items() if rows] == ["chased"]
    assert not any(differences(journal, journal).values())
