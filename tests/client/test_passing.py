"""A no that passes is no last word: it locks nothing, and nothing sealed is thrown away."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from aiohttp import web

from exchange.client import following
from exchange.client.attesting import attestable
from exchange.errors import Code, Fault, Refusal
from tests.api.serving import serving
from tests.builders import WATCH
from tests.client.dealing import agency, draft, fronted, lied_to
from tests.client.streams import relayed
from tests.client.test_streaming import _problem

FEW, MANY = 3, 1000


def refusing(door, liar, path, code, left):
    """A front that refuses what is asked under a path, so many times."""

    async def handle(request):
        if request.path.startswith(path) and left[0]:
            left[0] -= 1
            return _problem(door, code)
        return await liar.handle(request)

    return handle


def noting(line, seconds):
    """The same agency, which notes how long it would wait, and does not."""

    async def pause(pause_s):
        seconds.append(pause_s)

    line.world = msgspec.structs.replace(line.world, pause=pause)
    line.attachments._pause = line.bodies._pause = pause
    return line


async def sent(url, tmp_path):
    async with agency(url, tmp_path / "sender") as sender:
        await sender.post(await sender.prepare(draft()))


async def test_an_item_that_may_not_be_fetched_just_now_is_tried_again(tmp_path):
    async with lied_to() as (door, liar, _):
        await sent(door.url, tmp_path)
        handle = refusing(door, liar, "/v1/blobs", Code.TOO_MANY, [FEW])
        async with fronted(handle) as url, agency(url, tmp_path / "reader", WATCH) as line:
            seconds = []
            (item,) = await noting(line, seconds).everything()
            assert item.bulletin is not None
            assert seconds == [1.0, 2.0, 4.0]


async def test_while_it_stays_so_nothing_is_locked_and_a_follower_goes_on(tmp_path):
    async with lied_to() as (door, liar, _):
        await sent(door.url, tmp_path)
        left = [MANY]
        handle = refusing(door, liar, "/v1/blobs", Code.TOO_MANY, left)
        async with fronted(handle) as url, agency(url, tmp_path / "reader", WATCH) as line:
            with pytest.raises(Fault) as told:
                await noting(line, []).everything()
            assert told.value.code is Code.TOO_MANY
            troubles = []

            def trouble(error, _seconds):
                troubles.append(error.code)
                if len(troubles) == 2:
                    left[0] = 0

            items = line.follow(trouble=trouble)
            item = await anext(items)
            await items.aclose()
            assert item.bulletin is not None
            assert attestable(item)[0] == "opened"
            assert troubles == [Code.TOO_MANY] * 2


@pytest.mark.parametrize("is_listening", [False, True])
async def test_item_that_a_passing_fault_locked_is_told_again_once_it_opens(
    tmp_path, is_listening
):
    async with relayed() as (door, relay, _):
        for name in "ab":
            await sent(door.url, tmp_path / name)
        left = [MANY]
        refuses = refusing(door, relay, "/v1/blobs", Code.STORE_FAILED, left)

        async def handle(request):
            if request.path == "/v1/events":
                left[0] = 0
            return await refuses(request)

        async with fronted(handle) as url, agency(url, tmp_path / "reader", WATCH) as line:
            items = line.follow()
            locked = await anext(items)
            assert (locked.locked.code, locked.bulletin) == (Code.STORE_FAILED, None)
            with pytest.raises(Fault):
                attestable(locked)
            if not is_listening:
                left[0] = 0
            # It blocks nothing that comes after it, and is not forgotten.
            told = [locked]
            while sum(bool(item.bulletin) for item in told) < 2:
                told.append(await asyncio.wait_for(anext(items), 20))
            order = [item.index - locked.index for item in told]
            assert order == ([0, 1, 0, 1] if is_listening else [0, 1, 0])
            # Once: nothing more comes but what is new.
            waiting = asyncio.ensure_future(anext(items))
            await sent(door.url, tmp_path / "c")
            assert (await asyncio.wait_for(waiting, 20)).index == locked.index + 2
            await items.aclose()


async def test_fault_that_locks_one_item_after_another_is_the_node_s(tmp_path, monkeypatch):
    monkeypatch.setattr(following, "_MOST_AGAIN", 1)
    async with lied_to() as (door, liar, _):
        for name in "ab":
            await sent(door.url, tmp_path / name)
        left, troubles = [MANY], []
        handle = refusing(door, liar, "/v1/blobs", Code.STORE_FAILED, left)

        def trouble(error, _seconds):
            troubles.append(error.code)
            left[0] = 0

        async with fronted(handle) as url, agency(url, tmp_path / "reader", WATCH) as line:
            items = noting(line, []).follow(trouble=trouble)
            told = [await asyncio.wait_for(anext(items), 20) for _ in range(3)]
            await items.aclose()
        assert [bool(item.bulletin) for item in told] == [False, True, True]
        assert told[0].index == told[1].index == told[2].index - 1
        assert troubles == [Code.UNAVAILABLE]


@pytest.mark.parametrize("code", [Code.ENDPOINT_SUSPENDED, Code.BAD_TOKEN, Code.MISSING_ROLE])
async def test_no_that_says_nothing_of_an_item_does_not_lock_it(tmp_path, code):
    async with lied_to() as (door, liar, _):
        await sent(door.url, tmp_path)
        handle = refusing(door, liar, "/v1/blobs", code, [MANY])
        async with fronted(handle) as url, agency(url, tmp_path / "reader", WATCH) as line:
            with pytest.raises(Refusal) as told:
                await line.everything()
            assert told.value.code is code


async def test_no_of_a_newer_node_locks_an_item_and_lets_nobody_attest_that(tmp_path):
    async with lied_to() as (door, liar, _):
        await sent(door.url, tmp_path)

        async def handle(request):
            answer = await liar.handle(request)
            if not request.path.startswith("/v1/blobs"):
                return answer
            no = _problem(door, Code.NOT_FOUND)
            told = {**msgspec.json.decode(no.body), "code": "of-next-year", "status": 410}
            return web.Response(body=msgspec.json.encode(told), status=410)

        async with fronted(handle) as url, agency(url, tmp_path / "reader", WATCH) as line:
            (item,) = await line.everything()
            assert item.locked.code is Code.NOT_UNDERSTOOD
            with pytest.raises(Fault):
                attestable(item)


def attached(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"EXERCISE" * 1000)
    return [path]


@pytest.mark.parametrize("code", [Code.TOO_MANY, Code.OFFSET_MISMATCH, Code.ENDPOINT_SUSPENDED])
async def test_what_was_refused_for_now_stays_and_is_posted_as_it_is(tmp_path, code):
    async with lied_to() as (door, liar, _):
        left = [MANY]
        handle = refusing(door, liar, "/v1/uploads", code, left)
        async with fronted(handle) as url, agency(url, tmp_path / "sender") as line:
            prepared = await noting(line, []).prepare(draft(), attach=attached(tmp_path))
            with pytest.raises(Fault) as told:
                await line.post(prepared)
            assert told.value.code is code
            box = line.world.outbox
            assert box.waiting() == [prepared.header.id]
            kept = box.envelope(prepared.header.id)
            left[0] = 0
            assert len(await line.resume()) == 1
            assert box.sent() == [prepared.header.id]
            assert box.envelope(prepared.header.id) == kept


@pytest.mark.parametrize("code", [Code.OVERSIZED, Code.KEPT_QUOTA])
async def test_what_was_refused_for_good_is_let_go(tmp_path, code):
    async with lied_to() as (door, liar, _):
        handle = refusing(door, liar, "/v1/uploads", code, [MANY])
        async with fronted(handle) as url, agency(url, tmp_path / "sender") as line:
            prepared = await line.prepare(draft(), attach=attached(tmp_path))
            with pytest.raises(Refusal) as told:
                await line.post(prepared)
            assert told.value.code is code
            assert line.world.outbox.waiting() == []


async def test_what_cannot_even_be_sealed_leaves_nothing(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "sender") as line:
        files = attached(tmp_path)
        prepared = await line.prepare(draft(), attach=files)
        files[0].write_bytes(b"another length")
        with pytest.raises((Refusal, Fault)):
            await line.post(prepared)
        assert line.world.outbox.waiting() == []
