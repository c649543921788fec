"""Checkpoints: only over news, only over what is on disk, shown only once they are durable."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from exchange.errors import Code, Fault
from exchange.journal import checkpoint as c2sp
from exchange.journal.note import SignatureType, VerifierKey
from exchange.journal.tree import leaf_hash, root_of
from exchange.model import entry as entries
from exchange.model.codec import unb64
from exchange.node import ports
from exchange.store.memory import MemoryStore
from exchange.store.sqlite import SqliteStore
from tests.builders import world
from tests.faults import Failure, FaultyStore
from tests.node.running import Gate, journal, post, running, until
from tests.node.test_opening import alter

ALTERED = "UPDATE entry SET bytes = CAST(bytes || ' ' AS BLOB) WHERE idx = ?"


async def test_checkpoint_is_made_only_when_there_is_news():
    async with running() as node:
        first = await node.checkpoints.checkpoint()
        size = node.writer.size
        assert await node.checkpoints.checkpoint() == first
        assert node.writer.size == size
        await post(node, world().envelope())
        second = await node.checkpoints.checkpoint()
        # The bulletin, and the inbox heads that cover it.
        assert c2sp.parse(second).size == size + 2


async def test_fresh_epoch_is_no_news():
    store = MemoryStore()
    async with running(store) as node:
        first = await node.checkpoints.checkpoint()
    async with running(store.reopen(), documents=[]) as node:
        assert await node.checkpoints.checkpoint() == first


async def test_checkpoint_is_of_the_entries_and_verifies_with_the_nodes_published_keys():
    async with running() as node:
        await post(node, world().envelope())
        note = await node.checkpoints.checkpoint()
        written = [row.entry for row in await node.store.read(0, 999)]
        published = node.writer.view.nodes["pa"].log
    found = c2sp.parse(note)
    assert found.root == root_of([leaf_hash(each) for each in written[: found.size]])
    assert entries.decode(written[found.size]).facts.note.encode() == note
    verified = c2sp.verify(note, origin="exchange/pa", required=keys_of(published))
    assert verified.checkpoint == found


def keys_of(published):
    """The log's keys, from what the trust document says alone."""
    first, second = published
    return [
        VerifierKey("exchange/pa", SignatureType.ED25519, unb64(first.x)),
        VerifierKey("exchange/pa", SignatureType.ML_DSA_44, unb64(second.pub)),
    ]


async def test_checkpoint_is_shown_only_once_it_is_durable():
    gate = Gate(MemoryStore())
    async with running(gate) as node:
        gate.shut()
        making = asyncio.ensure_future(node.checkpoints.checkpoint())
        await until(lambda: bool(gate.batches))
        assert node.checkpoints.newest is None
        gate.open.set()
        assert await making == node.checkpoints.newest


async def test_altered_entry_is_found_before_signing_and_the_alarm_is_raised(tmp_path):
    path = tmp_path / "journal.db"
    async with running(SqliteStore.open(path)) as node:
        before = await node.checkpoints.checkpoint()
        answer = await post(node, world().envelope())
        alter(path, ALTERED, answer.receipt.index)
        with capture_logs() as diary:
            node._start("checkpoints", node.checkpoints.run(0))
            await until(lambda: not node.is_ready)
            await until(lambda: len(diary) > 1)
        assert node.checkpoints.newest == before
        alarms = [line for line in diary if line["log_level"] == "critical"]
        assert [(each["part"], each["code"]) for each in alarms] == [
            ("checkpoints", "store-failed")
        ]


async def test_altered_entry_stays_unsigned_after_a_restart(tmp_path):
    path = tmp_path / "journal.db"
    async with running(SqliteStore.open(path)) as node:
        first = await node.checkpoints.checkpoint()
        answer = await post(node, world().envelope())
    alter(path, ALTERED, answer.receipt.index)
    async with running(SqliteStore.open(path), documents=[]) as node:
        for _ in range(2):
            with pytest.raises(Fault) as caught:
                await node.checkpoints.checkpoint()
            assert caught.value.code is Code.STORE_FAILED
        assert not node.is_ready
        assert node.checkpoints.newest == first


async def test_failed_attempt_is_made_good_by_the_next():
    faulty = FaultyStore(MemoryStore())
    async with running(faulty) as node:
        faulty.fail(Failure.REFUSE)
        with pytest.raises(Fault):
            await node.checkpoints.checkpoint()
        assert node.is_ready
        note = await node.checkpoints.checkpoint()
        assert note is not None
        assert c2sp.parse(note).size == len(await journal(node)) - 1


async def test_full_disk_does_not_end_the_checkpoints():
    faulty = FaultyStore(MemoryStore())
    async with running(faulty) as node:
        faulty.fail(Failure.REFUSE)
        node._start("checkpoints", node.checkpoints.run(0))
        await until(lambda: node.checkpoints.newest is not None)
        # The next attempt wrote the heads, then the checkpoint over them.
        *_, refused, one, other = faulty.appended
        assert isinstance(refused, ports.Refused)
        assert isinstance(one, ports.Done)
        assert isinstance(other, ports.Done)
        assert node.is_ready


async def test_news_before_a_restart_is_still_news_after_it():
    store = MemoryStore()
    async with running(store) as node:
        first = await node.checkpoints.checkpoint()
        await post(node, world().envelope())
    async with running(store.reopen(), documents=[]) as node:
        assert await node.checkpoints.checkpoint() != first


async def test_what_comes_while_a_checkpoint_is_made_is_news_for_the_next():
    async with running() as node:
        await post(node, world().envelope())
        record = node.checkpoints._record_heads

        async def late(view):
            await post(node, world().envelope())
            return await record(view)

        node.checkpoints._record_heads = late
        first = c2sp.parse(await node.checkpoints.checkpoint()).size
        node.checkpoints._record_heads = record
        assert c2sp.parse(await node.checkpoints.checkpoint()).size > first
        assert node.checkpoints._covered > first
