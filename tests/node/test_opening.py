"""Opening a journal: it goes on where it was, or it is not served at all."""

from __future__ import annotations

import sqlite3

import pytest
from structlog.testing import capture_logs

from exchange.cli.serve import log_signers, take_in_files
from exchange.errors import Code, Fault
from exchange.journal.checkpoint import parse
from exchange.model import entry as entries
from exchange.store.memory import MemoryStore
from exchange.store.sqlite import SqliteStore
from tests.builders import COAST, MINSA, NOW_MS, OPS, WATCH, suspended, world
from tests.faults import Failure, FaultyStore
from tests.node.running import Clock, journal, post, running


async def written(path, *, checkpoint=True):
    """A journal with a suspension, an acknowledgement and a checkpoint; its size and root."""
    async with running(SqliteStore.open(path)) as node:
        envelope = world().envelope(to=[WATCH])
        await post(node, envelope)
        await post(node, world().amended(COAST, suspended), MINSA)
        await post(node, world().ack(envelope))
        if checkpoint:
            await node.checkpoints.checkpoint()
        return node.writer.size


def alter(path, statement, *values):
    with sqlite3.connect(path) as connection:
        changed = connection.execute(statement, values).rowcount
    connection.close()
    assert changed > 0


async def code_of_opening(path, clock=None, **changes):
    with pytest.raises(Fault) as caught:
        async with running(SqliteStore.open(path), clock, **changes):
            pass
    return caught.value.code


async def test_reopened_journal_goes_on_where_it_was(tmp_path):
    path = tmp_path / "journal.db"
    size = await written(path)
    async with running(SqliteStore.open(path), documents=[]) as node:
        assert (node.writer.size, node.writer.epoch) == (size + 1, 2)
        assert not node.writer.view.endpoints[COAST].is_active
        assert node.writer.view.position == len(world().documents) + 1
        assert node.writer.inbox_total(WATCH) == 1
        assert parse(node.checkpoints.newest).size == size - 1
        answer = await post(node, world().envelope(to=[WATCH]))
        facts = (await journal(node))[answer.receipt.index].facts
        assert facts.owed == [entries.Owed(WATCH, 1)]


async def test_trust_documents_that_lie_there_still_change_nothing(tmp_path):
    path = tmp_path / "journal.db"
    size = await written(path)
    async with running(SqliteStore.open(path)) as node:
        assert node.writer.size == size + 1


async def test_journal_that_lost_its_end_is_not_opened(tmp_path):
    path = tmp_path / "journal.db"
    size = await written(path)
    alter(path, "DELETE FROM entry WHERE idx >= ?", size - 2)
    assert await code_of_opening(path) is Code.STORE_FAILED


async def test_journal_shorter_than_its_newest_checkpoint_is_not_opened():
    # Everything agrees with itself, as in a copy from before the checkpoint: only the note,
    # kept, tells. (The frontier is that of the shorter journal, too.)
    store = MemoryStore()
    async with running(store) as node:
        await post(node, world().envelope())
        short = (node.writer.frontier, node.writer.size)
        await post(node, world().envelope())
        note = await node.checkpoints.checkpoint()
        made = (await journal(node))[-1]
    assert note
    kept = store._tables
    frontier, size = short
    kept.entries[size - 1] = entries.encode(made.facts)
    kept.newest["checkpoint"] = size - 1
    del kept.entries[size:]
    del kept.rows[0][size * 32 :]
    kept.frontier = frontier.encode()
    with pytest.raises(Fault) as caught:
        async with running(store.reopen()):
            pass
    # The second bulletin, and the inbox heads before the checkpoint.
    assert (caught.value.code, caught.value.facts["expected"]) == (Code.STORE_FAILED, size + 2)


async def test_checkpoint_under_another_nodes_keys_is_not_opened(tmp_path):
    path = tmp_path / "journal.db"
    await written(path)
    # The same statement, well signed, by keys that are not this node's.
    others = log_signers("pa", world().founder.new_node("pa"))
    with pytest.raises(Fault) as caught:
        async with running(SqliteStore.open(path), log=others):
            pass
    assert caught.value.code is Code.BAD_CHECKPOINT


async def test_altered_hash_is_not_opened(tmp_path):
    path = tmp_path / "journal.db"
    await written(path)
    alter(path, "UPDATE hashes SET run = zeroblob(length(run)) WHERE at = 3")
    assert await code_of_opening(path) is Code.STORE_FAILED


@pytest.mark.parametrize("change", ["dropped", "not JSON", "another time"])
async def test_altered_trust_entry_is_not_opened(tmp_path, change):
    path = tmp_path / "journal.db"
    await written(path)
    where = "WHERE idx = (SELECT max(idx) FROM inbox WHERE endpoint = 'trust')"
    if change == "dropped":
        alter(path, f"DELETE FROM inbox {where} AND endpoint = 'trust'")  # noqa: S608
    elif change == "not JSON":
        alter(path, f"UPDATE entry SET bytes = x'00' {where}")  # noqa: S608
    else:
        # One digit of the time since when the document is in force.
        sql = "replace(CAST(bytes AS TEXT), '\"taken_ms\":1', '\"taken_ms\":2')"
        alter(path, f"UPDATE entry SET bytes = CAST({sql} AS BLOB) {where}")  # noqa: S608
    assert await code_of_opening(path) in {Code.STORE_FAILED, Code.MALFORMED}


async def test_altered_trust_document_is_not_opened(tmp_path):
    path = tmp_path / "journal.db"
    await written(path)
    # Validly signed, and another: which of two a nation signed is not for a file to say.
    other = world().signed(world().view.nodes["pa"], ["pa"])
    alter(path, "UPDATE blob SET bytes = ? WHERE id = 3", other)
    assert await code_of_opening(path) is Code.STORE_FAILED


async def test_withheld_trust_document_is_not_opened(tmp_path):
    path = tmp_path / "journal.db"
    await written(path)
    alter(path, "DELETE FROM blob WHERE id = 3")
    assert await code_of_opening(path) is Code.STORE_FAILED


async def test_journal_of_another_anchor_is_not_opened(tmp_path):
    path = tmp_path / "journal.db"
    await written(path)
    assert await code_of_opening(path, anchor="A" * 43) is Code.TRUST_INVALID


async def test_clock_behind_the_journal_is_not_trusted(tmp_path):
    path = tmp_path / "journal.db"
    await written(path)
    assert await code_of_opening(path, Clock(NOW_MS - 5_001)) is Code.JOURNAL_AHEAD
    async with running(SqliteStore.open(path), Clock(NOW_MS - 5_000)) as node:
        answer = await post(node, world().envelope(to=[WATCH]))
        assert (await journal(node))[answer.receipt.index].facts.taken_ms == NOW_MS


async def test_document_that_was_overtaken_is_told_of_and_one_that_does_not_hold_is_named(
    tmp_path,
):
    overtaken, stray = tmp_path / "0005.trust", tmp_path / "0006.trust"
    # Validly signed, of the version that is in force, and another document.
    overtaken.write_bytes(world().amended(OPS, suspended))
    stray.write_bytes(b"EXERCISE")
    known = tmp_path / "0001.trust"
    known.write_bytes(world().documents[0])
    async with running() as node:
        await post(node, world().amended(MINSA, suspended), "")
        size = node.size
        with capture_logs() as logs:
            await take_in_files(node, [known, overtaken])
        assert [(each["event"], each["file"]) for each in logs] == [
            ("trust-overtaken", str(overtaken))
        ]
        assert node.size == size
        with pytest.raises(Fault) as caught:
            await take_in_files(node, [overtaken, stray])
        assert (caught.value.code, caught.value.facts["name"]) == (Code.TRUST_FILE, str(stray))
        assert "malformed" in str(caught.value.facts["reason"])


async def test_file_of_another_application_is_not_opened(tmp_path):
    path = tmp_path / "journal.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE somebody (data)")
    connection.close()
    with pytest.raises(Fault) as caught:
        SqliteStore.open(path)
    assert caught.value.code is Code.STORE_FAILED


async def test_node_that_could_not_open_lets_go_of_its_store(tmp_path):
    faulty = FaultyStore(SqliteStore.open(tmp_path / "journal.db"))
    faulty.fail(Failure.REFUSE)
    with pytest.raises(Fault) as caught:
        async with running(faulty):
            pass
    assert caught.value.code is Code.STORE_FAILED
    async with running(SqliteStore.open(tmp_path / "journal.db")) as node:
        assert node.is_ready
