"""What presses does not wait: not for a checkpoint, nor for a page, nor for what is asked."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace

import msgspec
import pytest

from exchange.journal.checkpoint import parse
from exchange.link import gathering
from exchange.link.pages import Asked
from exchange.link.waiting import Waiting
from exchange.store.memory import MemoryStore
from tests.builders import DESK, OPS, WATCH, border
from tests.link.bordered import bordered
from tests.link.test_foretelling import MOST, subscribed
from tests.node.running import Gate

HOUR_S = 3600.0
PATIENCE_S = 20.0


@asynccontextmanager
async def checkpointing(side):
    """A node that makes a checkpoint each hour, and sooner for what presses."""
    task = asyncio.ensure_future(side.node.checkpoints.run(HOUR_S))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_flash_for_the_other_nation_is_under_a_checkpoint_at_once():
    async with bordered() as both, checkpointing(both.pa), asyncio.timeout(PATIENCE_S):
        bell = both.pa.node.checkpoints.bell
        await both.pa.post(border().envelope(precedence="routine"))
        answer = await both.pa.post(border().envelope(precedence="flash"))
        await bell.wait()
        assert parse(both.pa.node.newest).size > answer.receipt.index


async def test_flash_of_our_own_and_what_does_not_press_wait_for_their_turn():
    async with bordered() as both:
        hurried = both.pa.node.checkpoints._is_hurried
        await both.pa.post(border().envelope(to=[DESK], precedence="flash"))
        await both.pa.post(border().envelope(precedence="priority"))
        assert not hurried.is_set()
        await both.pa.post(border().envelope(precedence="immediate"))
        assert hurried.is_set()


async def test_many_that_press_share_a_checkpoint():
    async with bordered() as both, checkpointing(both.pa), asyncio.timeout(PATIENCE_S):
        checkpoints, made = both.pa.node.checkpoints, []
        checkpoints.signed = made.append
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for _ in range(40):
            last = await both.pa.post(border().envelope(precedence="flash"))
        while not made or parse(made[-1]).size <= last.receipt.index:
            await checkpoints.bell.wait()
        # One at once, and one at the end of each floor.
        assert len(made) <= 2 + (loop.time() - begun) / 0.2


async def test_who_waits_at_the_link_is_told_when_a_checkpoint_is_made():
    async with bordered() as both, asyncio.timeout(PATIENCE_S):
        await both.settle()
        peer, at = both.us.puller._far, both.us.puller.pulled
        peer.wait_s = 30
        asked = asyncio.ensure_future(peer.entries(at.after, at.size))
        sealed = border().envelope()
        await both.pa.post(sealed)
        await both.pa.sign()
        page = await asked
        assert [each.raw.partition(b"\n")[2] for each in page.items][-1] == sealed.header


async def test_page_has_no_more_than_was_asked_for():
    async with bordered() as both:
        await both.settle()
        peer, at = both.us.puller._far, both.us.puller.pulled
        for _ in range(5):
            await both.pa.post(border().envelope(precedence="routine"))
        await both.pa.post(border().envelope(precedence="flash"))
        await both.pa.sign()
        page = await peer.entries(at.after, at.size, Asked(trust=10**6, most=2))
        assert [each.is_ahead for each in page.items] == [True, False, False]
        page = await peer.entries(at.after, at.size, Asked(trust=10**6))
        assert len(page.items) == 6


async def posted(both, count=5):
    """Post so many, of which two go on a page; return their headers."""
    made = [border().envelope(precedence="routine") for _ in range(count)]
    for each in made:
        await both.pa.post(each)
    await both.pa.sign()
    return [each.header for each in made]


class Requests:
    """Counts what is asked for at Panama's link."""

    def __init__(self, peer):
        self._entries = peer.entries
        self.after = []
        self.came = asyncio.Event()
        peer.entries = self

    async def __call__(self, after, since, asked):
        self.after.append(after)
        self.came.set()
        return await self._entries(after, since, asked)


async def test_next_page_is_asked_for_while_one_is_taken_in(monkeypatch):
    monkeypatch.setattr(gathering, "MAX_ITEMS", 2)
    gates = []

    def store():
        gates.append(Gate(MemoryStore()))
        return gates[-1]

    async with bordered(store=store) as both, asyncio.timeout(PATIENCE_S):
        await both.settle()
        headers = await posted(both)
        asked = Requests(both.us.puller._far)
        gates[1].shut()
        pulling = asyncio.ensure_future(both.us.puller.pull())
        while len(asked.after) < 2:
            asked.came.clear()
            await asked.came.wait()
        assert await both.us.inbox(WATCH) == []
        gates[1].open.set()
        await pulling
        while await both.us.puller.pull():
            pass
        assert [each.object for each in await both.us.inbox(WATCH)] == headers
        # None was asked for twice.
        assert len(set(asked.after)) == len(asked.after)


async def test_page_that_was_asked_for_is_dropped_where_a_file_brought_more(monkeypatch):
    monkeypatch.setattr(gathering, "MAX_ITEMS", 2)
    async with bordered() as both, asyncio.timeout(PATIENCE_S):
        await both.settle()
        headers = await posted(both)
        asked = Requests(both.us.puller._far)
        await both.us.puller.pull()
        assert both.us.puller._coming is not None
        # As one that was taken in meanwhile.
        at = both.us.puller.pulled
        page = await asked._entries(at.after, at.size, Asked(trust=10**6, most=1))
        await both.us.puller.take(SimpleNamespace(node="pa"), page, [])
        while await both.us.puller.pull():
            pass
        assert [each.object for each in await both.us.inbox(WATCH)] == headers


@pytest.mark.parametrize("is_alone", [True, False])
async def test_page_of_trust_alone_is_no_try_of_what_waits(is_alone):
    async with bordered(trust_bytes=MOST) as both:
        await both.settle()
        await subscribed(both.pa, 1, 12 if is_alone else 1)
        await both.pa.sign()
        puller = both.us.puller
        # Something that waits and is due; what it is of will not come.
        waits = Waiting(of=1, code="kept-quota", since=0, until=0)
        puller.pulled = msgspec.structs.replace(puller.pulled, waiting={10**9: waits})
        await puller.pull()
        (kept,) = puller.pulled.waiting.values()
        assert kept.tries == (1 if is_alone else 2)


async def test_poster_of_ours_is_told_nothing_of_flash_that_crossed(monkeypatch):
    monkeypatch.setattr(gathering, "MAX_ITEMS", 2)
    async with bordered() as both:
        await both.settle()
        await posted(both)
        await both.pa.post(border().envelope(precedence="flash"))
        await both.settle()
        assert await both.pa.inbox(OPS) == []
