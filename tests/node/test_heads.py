"""Inbox heads in the journal: under each checkpoint, right, and never a reason for more."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from exchange.broker.heads import Inboxes, step
from exchange.errors import Code, Fault, Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal.heads import EMPTY, Snapshot
from exchange.journal.logkeys import log_keys
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model.codec import b64, unb64
from exchange.node.checkpoints import AGAIN_S
from exchange.node.heads import Heads, stored
from exchange.store.memory import MemoryStore
from exchange.store.sqlite import SqliteStore
from tests.builders import COAST, WATCH, suspended, world
from tests.faults import Failure, FaultyStore
from tests.node.running import Clock, journal, post, running
from tests.node.test_opening import alter


async def kinds(node):
    return [entries.kind_of(each.facts) for each in await journal(node)]


async def found_in(node):
    """The inbox heads of a journal, each with its index."""
    return [
        (index, each.facts)
        for index, each in enumerate(await journal(node))
        if isinstance(each.facts, entries.InboxHeads)
    ]


async def test_each_checkpoint_covers_heads_that_were_written_right_before_it():
    async with running() as node:
        for _ in range(2):
            await post(node, world().envelope())
            note = await node.checkpoints.checkpoint()
            (index, facts), told = (await found_in(node))[-1], await kinds(node)
            assert told[index : index + 2] == ["inbox-heads", "checkpoint"]
            assert (facts.size, c2sp.parse(note).size) == (index, index + 1)


async def test_idle_node_writes_neither_heads_nor_checkpoints():
    async with running() as node:
        await post(node, world().envelope())
        await node.checkpoints.checkpoint()
        size = node.size
        for _ in range(3):
            await node.checkpoints.checkpoint()
        assert node.size == size


async def test_root_is_over_what_is_owed_to_each_endpoint_of_the_directory():
    async with running() as node:
        await post(node, world().envelope(to=[WATCH]))
        await post(node, world().envelope(to=[WATCH, COAST]))
        await node.checkpoints.checkpoint()
        rows = await node.store.read(0, 999)
        found = await stored(node.store)
    assert found is not None
    heads = dict.fromkeys(["trust", *world().view.endpoints], EMPTY)
    for row in rows[: found.snapshot.size]:
        for owed in entries.owed_by(entries.decode(row.entry).facts):
            heads[owed.endpoint] = heads[owed.endpoint].after(row.index, leaf_hash(row.entry))
    assert found.tree.heads == heads
    assert [heads[each].count for each in (WATCH, COAST, "trust")] == [
        2,
        1,
        len(world().documents),
    ]
    facts = entries.decode(found.entry).facts
    assert facts.root == b64(found.tree.root)
    # Salted by what no endpoint is shown.
    assert isinstance(entries.decode(rows[facts.seed].entry).facts, entries.UNSHOWN)


async def test_heads_go_on_over_a_restart_without_reading_what_they_cover():
    store = MemoryStore()
    async with running(store) as node:
        for _ in range(3):
            await post(node, world().envelope())
        await node.checkpoints.checkpoint()
        covered = node.size

    class Watching:
        """Notes from where entries were read."""

        def __init__(self, inner):
            self.inner, self.firsts = inner, []

        async def read(self, first, limit):
            self.firsts.append((first, limit))
            return await self.inner.read(first, limit)

        def __getattr__(self, name):
            return getattr(self.inner, name)

    again = Watching(store.reopen())
    async with running(again, documents=[]) as node:
        again.firsts.clear()
        await post(node, world().envelope(to=[WATCH]))
        await node.checkpoints.checkpoint()
        # From the heads entry on: it, its checkpoint and what came after.
        assert min(first for first, _ in again.firsts) == covered - 2
        found = await stored(node.store)
        assert found.tree.heads[WATCH].count == 4


SPOILT = [
    "DELETE FROM heads",
    "UPDATE heads SET snapshot = x'7b7d'",
    "UPDATE heads SET snapshot = CAST(replace(snapshot, 'watch\",1', 'watch\",0') AS BLOB)",
]


@pytest.mark.parametrize("statement", SPOILT)
async def test_snapshot_that_is_gone_or_spoilt_is_rebuilt_from_the_entries(tmp_path, statement):
    path = tmp_path / "journal.db"
    async with running(SqliteStore.open(path)) as node:
        await post(node, world().envelope(to=[WATCH]))
        await node.checkpoints.checkpoint()
    alter(path, statement)
    with capture_logs() as logs:
        async with running(SqliteStore.open(path), documents=[]) as node:
            await node.checkpoints.checkpoint()
            found = await stored(node.store)
            assert found.tree.heads[WATCH].count == 1
            assert len(await found_in(node)) == 2
    # What was spoilt is told; what was never there is no news.
    told = [each for each in logs if each["event"] == "inbox-heads"]
    assert bool(told) == statement.startswith("UPDATE")


async def test_spoilt_snapshot_is_not_served(tmp_path):
    path = tmp_path / "journal.db"
    async with running(SqliteStore.open(path)) as node:
        await post(node, world().envelope(to=[WATCH]))
        note = await node.checkpoints.checkpoint()
    alter(path, SPOILT[2])
    store = SqliteStore.open(path, read_only=True)
    with pytest.raises(Fault) as caught:
        await Heads(store).under(note)
    assert caught.value.code is Code.STORE_FAILED
    await store.close()


async def test_heads_are_kept_with_the_checkpoint_and_not_before():
    """Between the two, what is served still fits the checkpoint that is served."""
    faulty = FaultyStore(MemoryStore())
    async with running(faulty) as node:
        first = await node.checkpoints.checkpoint()
        await post(node, world().envelope())
        note = node.writer.note
        node.writer.note = failing_at(faulty, note)
        with pytest.raises(Fault):
            await node.checkpoints.checkpoint()
        node.writer.note = note
        assert len(await found_in(node)) == 2
        served, found = await node.heads.under(node.newest)
        assert (served, found.snapshot.at) == (first, (await found_in(node))[0][0])
        # Made good by the next, with the heads that are there.
        second = await node.checkpoints.checkpoint()
        assert (await node.heads.under(second))[1].snapshot.at == (await found_in(node))[1][0]
        assert len(await found_in(node)) == 2


def failing_at(faulty, note):
    async def noted(make, heads=b""):
        if heads:
            faulty.fail(Failure.REFUSE)
        return await note(make, heads)

    return noted


async def test_served_with_a_checkpoint_over_them_though_an_older_one_was_named():
    async with running() as node:
        first = await node.checkpoints.checkpoint()
        await post(node, world().envelope())
        second = await node.checkpoints.checkpoint()
        # As in a front that was not told of the second one yet.
        assert (await node.heads.under(first))[0] == second
        assert (await node.heads.under(None))[0] == second


async def test_no_checkpoint_no_heads():
    async with running() as node:
        with pytest.raises(Refusal) as caught:
            await node.heads.under(None)
        assert caught.value.code is Code.NOT_FOUND


async def test_what_comes_between_heads_and_checkpoint_is_covered_by_the_next():
    async with running() as node:
        note = node.writer.note
        came = []

        async def noted(make, heads=b""):
            index = await note(make, heads)
            if not came:
                came.append(await post(node, world().envelope(to=[WATCH])))
            return index

        node.writer.note = noted
        await node.checkpoints.checkpoint()
        assert (await stored(node.store)).tree.heads[WATCH].count == 0
        await node.checkpoints.checkpoint()
        assert (await stored(node.store)).tree.heads[WATCH].count == 1
        size = node.size
        await node.checkpoints.checkpoint()
        assert node.size == size


async def test_idle_checkpoint_is_dated_anew_once_a_minute_and_not_recorded():
    clock = Clock()
    async with running(clock=clock) as node:
        first = await node.checkpoints.checkpoint()
        size, keys = node.size, log_keys(node.view.nodes["pa"])
        clock.ms += (AGAIN_S - 1) * 1000
        assert await node.checkpoints.checkpoint() == first
        clock.ms += 1000
        again = await node.checkpoints.checkpoint()
        old, new = (
            c2sp.verify(each, origin="exchange/pa", required=keys) for each in (first, again)
        )
        assert old.checkpoint == new.checkpoint
        assert new.at(keys[1]) == old.at(keys[1]) + AGAIN_S
        assert (node.newest, node.size) == (again, size)
        assert (await node.heads.under(again))[0] == again


async def test_two_attempts_at_the_same_time_are_one_after_the_other():
    async with running() as node:
        await post(node, world().envelope(to=[WATCH]))
        one, other = await asyncio.gather(
            node.checkpoints.checkpoint(), node.checkpoints.checkpoint()
        )
        assert one == other
        assert len(await found_in(node)) == 1


async def test_endpoint_that_left_the_directory_has_no_leaf_and_is_remembered():
    async with running() as node:
        await post(node, world().envelope(to=[WATCH, COAST]))
        await node.checkpoints.checkpoint()
        snapshot = (await stored(node.store)).snapshot
    names = [name for name, *_ in snapshot.mapped]
    assert names == sorted(["trust", *world().view.endpoints])
    without = Snapshot.of(9, 9, snapshot.inboxes(), [each for each in names if each != COAST])
    assert [name for name, *_ in without.others] == [COAST]
    # Suspended, it is still in the directory.
    assert COAST in world().later(world().amended(COAST, suspended)).endpoints


def test_place_that_is_not_the_next_one_is_refused():
    made = Inboxes()
    owed = entries.Acknowledged(
        digest="A" * 43,
        of=0,
        owed=[entries.Owed(WATCH, 1)],
        salt="A" * 22,
        taken_ms=1,
        view=-1,
    )
    with pytest.raises(Refusal) as caught:
        made.fold(step(bytes(32), owed))
    assert (caught.value.code, caught.value.at) == (Code.BAD_PROOF, "/owed")


def test_without_an_unshown_entry_there_is_nothing_to_salt_with():
    assert Inboxes().map(world().view) is None
    made = Inboxes()
    opened = entries.EpochOpened(node="pa", epoch=1, salt=b64(bytes(16)), taken_ms=1, view=-1)
    made.fold(step(bytes(32), opened))
    assert made.seed == (0, unb64(opened.salt))
