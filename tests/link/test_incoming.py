"""Files put beside a node: taken in by its own process, at once or at its next start."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from exchange.cli import incoming
from exchange.cli.incoming import Incoming
from exchange.errors import Code, Refusal
from exchange.link import parcels
from tests.builders import WATCH, border
from tests.link.bordered import bordered
from tests.link.test_carrying import Stick
from tests.node.running import until


@pytest.fixture
def stick(tmp_path):
    return Stick(tmp_path)


async def until_over(places):
    async with asyncio.timeout(10):
        while not all((found := incoming.outcome(each)) and found.is_over for each in places):  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_what_was_put_while_the_node_was_down_is_taken_in_order_when_it_runs(
    stick, tmp_path
):
    land = border()
    async with bordered() as both:
        places = []
        for _ in range(2):
            await both.pa.post(land.envelope())
            after = -1 if not places else parcels.read(places[0]).parcel.cursor
            await stick.export(both.pa, "us", after)
            contents = parcels.read(stick.written[0])
            places.append(incoming.put(tmp_path, stick.written[0], contents))
            assert incoming.outcome(places[-1]) is None
        assert await both.us.inbox(WATCH) == []
        task = asyncio.create_task(Incoming(tmp_path, "us", {"pa": both.us.puller}).run())
        await until_over(places)
        for place in places:
            incoming.outcome(place).must_be_well()
            incoming.forget(place)
            # It is said first, and then taken away.
            await until(lambda gone=place: not gone.exists())
        assert len(await both.us.inbox(WATCH)) == 2
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_refusal_is_told_to_who_brought_it_and_the_next_file_is_taken(stick, tmp_path):
    land = border()
    async with bordered() as both:
        await both.pa.post(land.envelope())
        await stick.export(both.pa, "us")
        node = Incoming(tmp_path, "us", {})
        place = incoming.put(tmp_path, stick.written[0], parcels.read(stick.written[0]))
        with pytest.raises(Refusal) as caught:
            (await node.take(place)).must_be_well()
        assert caught.value.code is Code.EXPORT_OTHER
        # Cut after it was put here.
        place = incoming.put(tmp_path, stick.written[0], parcels.read(stick.written[0]))
        place.write_bytes(place.read_bytes()[:-5])
        node = Incoming(tmp_path, "us", {"pa": both.us.puller})
        with pytest.raises(Refusal) as caught:
            (await node.take(place)).must_be_well()
        assert caught.value.code is Code.BAD_EXPORT
        assert incoming.outcome(place).is_over
        place = incoming.put(tmp_path, stick.written[0], parcels.read(stick.written[0]))
        assert (await node.take(place)).here == both.us.puller.pulled.after
        assert len(await both.us.inbox(WATCH)) == 1
