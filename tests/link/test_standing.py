"""How a link is, and since when: what is told of a peer that answers, or does not."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from exchange.errors import Code, Fault, Refusal
from exchange.link import pulling
from exchange.link.pulling import Puller
from exchange.model import wire
from tests.builders import NOW
from tests.node.running import Clock, running


class Far:
    """A node that has nothing for us, as long as it is there."""

    node = "us"

    def __init__(self) -> None:
        self.is_there = True
        self.trouble: Exception | None = None
        self.asked = asyncio.Event()

    async def entries(self, after: int, *_: object) -> wire.LinkPage:
        self.asked.set()
        await asyncio.sleep(0)
        if self.trouble is not None:
            raise self.trouble
        if not self.is_there:
            raise Fault(Code.NODE_UNREACHABLE, name=self.node)
        return wire.LinkPage([], after, "", [])


class Nothing:
    def recall(self, _):
        return None


@pytest.fixture
async def link(monkeypatch):
    monkeypatch.setattr(pulling, "_REST_S", 0.001)
    clock, far = Clock(), Far()
    async with running(clock=clock) as node:
        yield Puller(far, node, Nothing()), far, clock


async def _until(link, far, wanted):
    """Run it until it is as wanted."""
    task = asyncio.create_task(link.run())
    async with asyncio.timeout(10):
        while not wanted(link):
            far.asked.clear()
            await far.asked.wait()
    return task


async def _end(task):
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_link_says_why_it_is_down_and_since_when(link):
    puller, far, clock = link
    assert (puller.is_up, puller.since) == (False, NOW)
    clock.ms += 5_000
    task = await _until(puller, far, lambda each: each.is_up)
    assert (puller.since, puller.why) == (NOW + 5, None)
    clock.ms += 7_000
    far.is_there = False
    async with asyncio.timeout(10):
        while puller.is_up:
            far.asked.clear()
            await far.asked.wait()
    assert puller.since == NOW + 12
    assert puller.why.code is Code.NODE_UNREACHABLE
    await _end(task)


async def test_when_all_was_here_last_is_counted_while_it_answers_and_no_longer(link):
    puller, far, clock = link
    clock.ms += 5_000
    task = await _until(puller, far, lambda each: each.is_up and each.whole_at == NOW + 5)
    far.is_there = False
    async with asyncio.timeout(10):
        while puller.is_up:
            far.asked.clear()
            await far.asked.wait()
    whole_at = puller.whole_at
    clock.ms += 60_000
    for _ in range(2):
        far.asked.clear()
        await far.asked.wait()
    assert puller.whole_at == whole_at
    await _end(task)


async def test_a_link_that_ended_is_not_up(link):
    puller, far, _ = link
    task = await _until(puller, far, lambda each: each.is_up)
    await _end(task)
    assert not puller.is_up


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (OSError("nobody thought of it"), Code.INTERNAL),
        # A newer program wrote what ours does not know: no accusation.
        (Refusal(Code.NOT_UNDERSTOOD, "/kind"), Code.NOT_UNDERSTOOD),
    ],
)
async def test_what_proves_nothing_against_a_node_is_said_and_tried_again(link, trouble, code):
    puller, far, _ = link
    far.trouble = trouble
    task = await _until(puller, far, lambda each: each.why is not None)
    assert (puller.is_up, puller.why.code, puller.trouble) == (False, code, None)
    far.trouble = None
    async with asyncio.timeout(10):
        while not puller.is_up:
            far.asked.clear()
            await far.asked.wait()
    await _end(task)
