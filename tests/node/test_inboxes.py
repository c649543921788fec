"""Inboxes: gapless, by cursor, and a wait that ends with the commit it waits for."""

from __future__ import annotations

import asyncio

from exchange.store.memory import MemoryStore
from tests.builders import COAST, NOW, OPS, WATCH, WATCH_DESK, refers, world
from tests.node.running import Gate, post, running, until


async def test_positions_have_no_gap_and_indexes_grow():
    async with running() as node:
        for to in ([WATCH], [COAST], [WATCH, COAST], [WATCH]):
            await post(node, world().envelope(to=sorted(to)))
        rows = await node.inboxes.read(WATCH, -1, 99, 0)
        assert [row.position for row in rows] == [0, 1, 2]
        assert node.writer.inbox_total(WATCH) == 3
        after = await node.inboxes.read(WATCH, rows[0].index, 1, 0)
        assert after == rows[1:2]


async def test_long_poll_ends_with_the_commit_that_it_waits_for():
    gate = Gate(MemoryStore())
    async with running(gate) as node:
        polls = [asyncio.ensure_future(node.inboxes.read(WATCH, -1, 9, 30)) for _ in range(3)]
        other = asyncio.ensure_future(node.inboxes.read(COAST, -1, 9, 30))
        await until(lambda: WATCH in node.inboxes._bells)
        gate.shut()
        posting = post(node, world().envelope(to=[WATCH]))
        await until(lambda: bool(gate.batches))
        assert not any(poll.done() for poll in polls)
        gate.open.set()
        index = (await posting).receipt.index
        for poll in polls:
            assert [row.index for row in await asyncio.wait_for(poll, 5)] == [index]
        assert not other.done()
        other.cancel()


async def test_what_is_committed_while_a_poll_begins_is_not_missed():
    class Slow(Gate):
        """Answers an inbox only when told to: the commit comes in between."""

        def __init__(self, inner):
            super().__init__(inner)
            self.asked, self.answer = asyncio.Event(), asyncio.Event()

        async def inbox(self, *args):
            rows = await self.inner.inbox(*args)
            if args[0] == WATCH:
                self.asked.set()
                await self.answer.wait()
            return rows

    slow = Slow(MemoryStore())
    async with running(slow) as node:
        poll = asyncio.ensure_future(node.inboxes.read(WATCH, -1, 9, 30))
        await slow.asked.wait()
        await post(node, world().envelope(to=[WATCH]))
        slow.answer.set()
        assert len(await asyncio.wait_for(poll, 5)) == 1


async def test_poll_that_waits_in_vain_returns_nothing():
    async with running() as node:
        assert await node.inboxes.read(OPS, -1, 9, 0.01) == []


async def test_nothing_waits_any_more_once_what_was_granted_is_cancelled():
    async with running() as node:
        closed = world().closed(precedence="flash", to=[WATCH], expires=NOW + 600)
        await post(node, closed.envelope)
        await post(node, world().grant(closed, WATCH_DESK))
        assert await node.store.urgent(WATCH_DESK, (-1, -1), NOW, 9)
        changes = {"type": "can", "verb": "cancel", "refs": refers("cancels", closed.envelope)}
        await post(node, world().envelope(to=[WATCH], precedence="routine", **changes))
        assert await node.store.urgent(WATCH_DESK, (-1, -1), NOW, 9) == []
