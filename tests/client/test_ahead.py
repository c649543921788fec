"""FLASH over a backlog: read first, once, and held to what then stands in its place."""

from __future__ import annotations

import asyncio

import pytest

from exchange.client import following
from exchange.errors import Code, Refusal
from exchange.node import ring
from tests.api.serving import serving
from tests.builders import COAST, WATCH, world
from tests.client.dealing import agency, lied_to
from tests.client.streams import relayed
from tests.node.running import post, until

PAGE = 3


@pytest.fixture(autouse=True)
def _short_pages(monkeypatch):
    monkeypatch.setattr(following, "_PAGE", PAGE)


def reader(url, tmp_path):
    return agency(url, tmp_path / "reader", WATCH)


async def sent(door, *precedences, to=(WATCH,)):
    envelopes = [world().envelope(precedence=each, to=sorted(to)) for each in precedences]
    answers = await asyncio.gather(*(post(door.node, each) for each in envelopes))
    return [answer.receipt.index for answer in answers]


async def sent_at_once(door, *precedences):
    """The same, and the ring sees none of them before all are there."""
    read, all_there = door.node.store.read, asyncio.Event()

    async def held(*args):
        await all_there.wait()
        return await read(*args)

    door.node.store.read = held
    found = await sent(door, *precedences)
    all_there.set()
    door.node.store.read = read
    return found


async def taken(items, count):
    async with asyncio.timeout(20):
        return [(each.index, each.ahead) for each in [await anext(items) for _ in range(count)]]


async def test_flash_behind_a_backlog_is_read_first_and_once(tmp_path):
    async with serving() as door, reader(door.url, tmp_path) as line:
        backlog = await sent(door, *["routine"] * 10)
        flash, immediate = await sent(door, "flash", "immediate")
        (after,) = await sent(door, "routine")
        items = line.follow()
        found = await taken(items, 13)
        assert found == [
            (flash, True),
            (immediate, True),
            *((index, False) for index in (*backlog, after)),
        ]
        (last,) = await sent(door, "routine")
        assert await taken(items, 1) == [(last, False)]
        await items.aclose()


async def test_flash_that_comes_amid_a_backlog_is_read_with_the_next_page(tmp_path):
    async with serving() as door, reader(door.url, tmp_path) as line:
        backlog = await sent(door, *["routine"] * 9)
        items = line.follow()
        assert await taken(items, 2) == [(index, False) for index in backlog[:2]]
        (flash,) = await sent(door, "flash")
        rest = await taken(items, 8)
        assert rest.index((flash, True)) == 1
        assert [each for each in rest if not each[1]] == [(each, False) for each in backlog[2:]]
        await items.aclose()


async def test_flash_is_heard_first_over_a_stream_that_is_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(ring, "WRITE_BYTES", 1)
    async with relayed() as (door, _, url), reader(url, tmp_path) as line:
        items = line.follow()
        waiting = asyncio.ensure_future(taken(items, 6))
        await until(lambda: bool(door.node.ring._lanes))
        # A write takes one of them, so five are behind it.
        *backlog, flash = await sent_at_once(door, *["routine"] * 5, "flash")
        found = await asyncio.wait_for(waiting, 20)
        assert found == [(flash, True), *((index, False) for index in backlog)]
        (last,) = await sent(door, "routine")
        assert await taken(items, 1) == [(last, False)]
        await items.aclose()


@pytest.mark.parametrize("cut_at", range(1, 7))
async def test_stream_cut_while_flash_is_ahead_shows_it_once(tmp_path, monkeypatch, cut_at):
    monkeypatch.setattr(ring, "WRITE_BYTES", 1)
    async with relayed() as (door, relay, url), reader(url, tmp_path) as line:
        seen = []

        def told(number, event):
            if number or b"event: beat" in event:
                return event
            seen.append(event)
            return event + b":" if len(seen) == cut_at else event

        relay.told = told
        items = line.follow()
        waiting = asyncio.ensure_future(taken(items, 6))
        await until(lambda: bool(door.node.ring._lanes))
        *backlog, flash = await sent_at_once(door, *["routine"] * 5, "flash")
        found = await asyncio.wait_for(waiting, 20)
        assert sorted(found) == sorted([(flash, True), *((index, False) for index in backlog)])
        assert len(seen) == cut_at
        (last,) = await sent(door, "routine")
        assert await taken(items, 1) == [(last, False)]
        await items.aclose()


def changed(change):
    def pages(path, value):
        if path == "/v1/inbox" and value.get("ahead"):
            change(value["ahead"][0])
        return value

    return pages


async def test_what_is_shown_ahead_and_never_comes_is_no_silence(tmp_path):
    async with lied_to() as (door, liar, url), reader(url, tmp_path) as line:
        await sent(door, *["routine"] * PAGE)
        # Of this one the node says that it is ours, ahead; it is owed to somebody else.
        (other,) = await sent(door, "flash", to=(COAST,))
        await sent(door, "flash")
        liar.change = changed(lambda told: told.update(index=other))
        items = line.follow()
        with pytest.raises(Refusal) as caught:
            await taken(items, 6)
        assert (caught.value.code, caught.value.at) == (Code.BAD_PROOF, "/ahead")


async def test_what_is_shown_ahead_is_what_comes_in_its_place(tmp_path):
    async with lied_to() as (door, liar, url), reader(url, tmp_path) as line:
        await sent(door, *["routine"] * PAGE, "flash")
        liar.change = changed(lambda told: told.update(entry=told["entry"] + "x"))
        items = line.follow()
        with pytest.raises(Refusal) as caught:
            await taken(items, PAGE + 2)
        assert (caught.value.code, caught.value.at) == (Code.BAD_PROOF, "/ahead")
