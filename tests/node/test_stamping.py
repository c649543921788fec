"""A node signs what belongs together and that it is the newest: when due, and no oftener."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from exchange.model import entry as entries
from exchange.seal.software import SoftwareSigner
from exchange.store.memory import MemoryStore
from tests.builders import DAY, MINSA, OPS, suspended, world
from tests.node.running import Clock, journal, post, running, until

FOUNDING = world().documents[:-1]  # without the node's own


def stamps(found):
    told = [each.facts for each in found if isinstance(each.facts, entries.Trust)]
    return [each for each in told if each.name == "timestamps/pa"]


async def test_each_change_is_stamped_once_and_a_stamp_calls_for_none():
    async with running(documents=FOUNDING, checkpoint_s=0.01) as node:
        await until(lambda: node.view.version_of("timestamps/pa") == 1)
        await post(node, world().amended(OPS, suspended), MINSA)
        await until(lambda: node.view.version_of("timestamps/pa") == 2)
        # Checkpoints of the stamps go on meanwhile; none of them calls for another stamp.
        size = node.size
        await until(lambda: node.size > size)
        assert not await node.stamper.stamp()
        found = await journal(node)
        assert [each.version for each in stamps(found)] == [1, 2]
        assert node.view.files["snapshots/pa"].version == 2


async def test_idle_node_renews_its_timestamp_once_a_day_well_before_it_ends():
    clock = Clock()
    async with running(clock=clock, documents=FOUNDING) as node:
        assert await node.stamper.stamp()
        first = node.view.files["timestamps/pa"]
        assert first.expires * 1000 - clock.ms == 3 * DAY * 1000
        for ms, is_due in ((DAY * 1000 - 1, False), (1, True), (DAY * 1000 - 1, False)):
            clock.ms += ms
            assert await node.stamper.stamp() == is_due
        assert node.view.version_of("timestamps/pa") == 2


async def test_nothing_is_stamped_before_both_nations_have_spoken():
    async with running(documents=FOUNDING[:-1]) as node:
        assert not await node.stamper.stamp()
        await post(node, FOUNDING[-1], "")
        assert await node.stamper.stamp()


async def test_node_that_the_root_does_not_list_says_so_and_writes_nothing():
    secrets = world().founder.new_node("pa")
    other = SoftwareSigner.of(secrets.of("sign"))
    with capture_logs() as logs:
        async with running(documents=FOUNDING, signer=other) as node:
            size = node.size
            assert [await node.stamper.stamp() for _ in range(3)] == [False] * 3
            assert node.size == size
    assert [each["event"] for each in logs if each.get("part") == "timestamp"] == ["not-listed"]


async def test_two_that_stamp_at_once_are_one_and_a_refusal():
    async with running(documents=FOUNDING) as node:
        both = await asyncio.gather(node.stamper.stamp(), node.stamper.stamp())
        assert sorted(both) == [False, True]
        assert node.view.version_of("timestamps/pa") == 1


async def test_reopened_node_goes_on_from_its_last():
    store = MemoryStore()
    async with running(store, documents=FOUNDING) as node:
        assert await node.stamper.stamp()
    async with running(store.reopen(), documents=FOUNDING) as node:
        assert not await node.stamper.stamp()
        assert node.view.version_of("timestamps/pa") == 1
