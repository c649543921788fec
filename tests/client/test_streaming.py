"""Following over a stream: a link may break anywhere, and nothing is lost or comes twice."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import pytest
from aiohttp import web

from exchange.client import following
from exchange.errors import Code, Fault, Refusal
from tests.api.serving import serving
from tests.builders import MINSA, WATCH, suspended, world
from tests.client.dealing import agency
from tests.client.streams import relayed
from tests.node.running import Clock, post, until


class Pauses:
    """Lets no time pass, and keeps how much it would have been."""

    def __init__(self):
        self.seconds = []

    async def __call__(self, seconds):
        self.seconds.append(seconds)
        await asyncio.sleep(0)


@asynccontextmanager
async def following_at(url, tmp_path, clock=None, after=-1, trouble=following.untroubled):
    async with agency(url, tmp_path / "reader", WATCH, clock) as line:
        pauses = Pauses()
        line.world = msgspec.structs.replace(line.world, pause=pauses)
        items = line.follow(after, trouble)
        try:
            yield items, pauses
        finally:
            await items.aclose()


async def filled(door, count):
    return [
        (await post(door.node, world().envelope(to=[WATCH]))).receipt.index
        for _ in range(count)
    ]


async def taken(items, count):
    async with asyncio.timeout(20):
        return [(await anext(items)).index for _ in range(count)]


def listeners(door):
    return sum(lane.listeners for lane in door.node.ring._lanes.values())


async def test_what_comes_is_heard_over_one_stream_and_not_asked_for_again(tmp_path):
    async with relayed() as (door, relay, url), following_at(url, tmp_path) as (items, pauses):
        old = await filled(door, 2)
        assert await taken(items, 2) == old
        waiting = asyncio.ensure_future(anext(items))
        await until(lambda: listeners(door) == 1)
        asked = len(relay.asked_for("/v1/inbox"))
        (new,) = await filled(door, 1)
        assert (await asyncio.wait_for(waiting, 10)).index == new
        more = await filled(door, 5)
        assert await taken(items, 5) == more
        assert len(relay.asked_for("/v1/inbox")) == asked
        assert len(relay.asked_for("/v1/events")) == 1
        assert pauses.seconds == []


def _has_streams(relay, count):
    return relay.streams == count


@pytest.mark.parametrize("part", ["before", "within", "behind"])
async def test_stream_cut_at_every_event_loses_none_and_doubles_none(tmp_path, part):
    async with relayed() as (door, relay, url), following_at(url, tmp_path) as (items, pauses):

        def told(_, event):
            if b"event: entry" not in event:
                return event
            whole = len(event) if part == "behind" else len(event) // 2
            return b":" if part == "before" else event[:whole] + b":"

        relay.told = told
        for count in range(1, 9):
            waiting = asyncio.ensure_future(anext(items))
            # Every stream is cut at its first entry, and every entry is the first of one.
            await until(partial(_has_streams, relay, count))
            (index,) = await filled(door, 1)
            assert (await asyncio.wait_for(waiting, 20)).index == index
        waiting = asyncio.ensure_future(anext(items))
        await until(lambda: relay.streams == 9)
        assert len(pauses.seconds) == 8
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_node_without_streams_is_asked_by_long_polls(tmp_path):
    async with relayed() as (door, relay, url), following_at(url, tmp_path) as (items, pauses):
        relay.instead = [_problem(door, Code.NOT_FOUND)]
        waiting = asyncio.ensure_future(anext(items))
        await until(lambda: bool(door.node.inboxes._bells))
        (index,) = await filled(door, 1)
        assert (await asyncio.wait_for(waiting, 10)).index == index
        rest = await filled(door, 2)
        assert await taken(items, 2) == rest
        waiting, asked = asyncio.ensure_future(anext(items)), len(relay.asked)
        await until(lambda: len(relay.asked) > asked)
        assert "wait=25" in relay.asked[-1]
        (index,) = await filled(door, 1)
        assert (await asyncio.wait_for(waiting, 10)).index == index
        assert len(relay.asked_for("/v1/events")) == 1
        assert pauses.seconds == []


async def test_too_many_streams_are_waited_for_by_a_long_poll(tmp_path):
    async with relayed() as (door, relay, url), following_at(url, tmp_path) as (items, _):
        relay.instead = [_problem(door, Code.TOO_MANY)]
        waiting = asyncio.ensure_future(anext(items))
        await until(lambda: bool(door.node.inboxes._bells))
        (index,) = await filled(door, 1)
        assert (await asyncio.wait_for(waiting, 10)).index == index
        waiting = asyncio.ensure_future(anext(items))
        await until(lambda: listeners(door) == 1)
        (index,) = await filled(door, 1)
        assert (await asyncio.wait_for(waiting, 10)).index == index


def _problem(door, code):
    from exchange.api import problems  # noqa: PLC0415
    from exchange.api.routes import CODES  # noqa: PLC0415

    return problems.response(problems.problem(Refusal(code), door.app[CODES]))


@pytest.mark.parametrize("path", ["/v1/session", "/v1/inbox", "/v1/trust"])
async def test_node_that_is_too_busy_is_waited_for_with_pauses_and_told(tmp_path, path):
    told, clock = [], Clock()
    trouble = lambda *each: told.append(each)  # noqa: E731
    async with relayed(clock=clock) as (door, relay, url):
        async with following_at(url, tmp_path, clock, trouble=trouble) as (items, pauses):
            (index,) = await filled(door, 1)
            assert await taken(items, 1) == [index]
            # So that a session, too, is needed once more.
            clock.ms += 3601 * 1000
            relay.refused[path] = [_problem(door, Code.TOO_MANY) for _ in range(9)]
            (index,) = await filled(door, 1)
            assert await taken(items, 1) == [index]
        assert not relay.refused[path]
        assert [pause for _, pause in told] == pauses.seconds
        assert {error.code for error, _ in told} == {Code.TOO_MANY}
        assert pauses.seconds[8] > 30


async def test_session_refused_on_the_way_to_a_stream_says_nothing_of_streams(tmp_path):
    async with relayed() as (door, relay, url), following_at(url, tmp_path) as (items, pauses):
        (index,) = await filled(door, 1)
        assert await taken(items, 1) == [index]
        relay.instead = [_problem(door, Code.BAD_TOKEN)]
        relay.refused["/v1/session"] = [_problem(door, Code.TOO_MANY)]
        waiting = asyncio.ensure_future(anext(items))
        await until(lambda: listeners(door) == 1)
        assert not [each for each in relay.asked if "wait=25" in each]
        assert len(pauses.seconds) == 1
        (index,) = await filled(door, 1)
        assert (await asyncio.wait_for(waiting, 10)).index == index


async def test_node_without_an_inbox_is_not_asked_again_and_again(tmp_path):
    async with relayed() as (door, relay, url), following_at(url, tmp_path) as (items, pauses):
        (index,) = await filled(door, 1)
        assert await taken(items, 1) == [index]
        relay.refused["/v1/inbox"] = [_problem(door, Code.NOT_FOUND)]
        with pytest.raises(Refusal) as caught:
            await asyncio.wait_for(anext(items), 10)
        assert (caught.value.code, pauses.seconds) == (Code.NOT_FOUND, [])


async def test_node_that_is_too_busy_from_the_beginning_is_not_waited_for(tmp_path):
    async with relayed() as (door, relay, url), following_at(url, tmp_path) as (items, pauses):
        relay.refused["/v1/session"] = [_problem(door, Code.TOO_MANY)]
        with pytest.raises(Refusal) as caught:
            await anext(items)
        assert (caught.value.code, pauses.seconds) == (Code.TOO_MANY, [])


async def test_node_that_was_never_there_is_not_waited_for(tmp_path):
    async with serving() as door:
        url = door.url
    async with following_at(url, tmp_path) as (items, pauses):
        with pytest.raises(Fault) as caught:
            await anext(items)
        assert (caught.value.code, pauses.seconds) == (Code.NODE_UNREACHABLE, [])


async def test_node_that_goes_away_is_tried_again_ever_more_rarely_and_never_in_step(tmp_path):
    told = []
    async with relayed() as (door, relay, url):
        async with following_at(url, tmp_path, trouble=lambda *each: told.append(each)) as (
            items,
            pauses,
        ):
            (index,) = await filled(door, 1)
            assert await taken(items, 1) == [index]
            away = [web.Response(status=503) for _ in range(12)]
            relay.instead = list(away)
            waiting = asyncio.ensure_future(anext(items))
            await until(lambda: listeners(door) == 1)
            (index,) = await filled(door, 1)
            assert (await asyncio.wait_for(waiting, 10)).index == index
        assert len(pauses.seconds) == len(away)
        bounds = [min(0.5 * 2**tried, 60) for tried in range(len(away))]
        assert all(
            bound / 2 <= each <= bound
            for each, bound in zip(pauses.seconds, bounds, strict=True)
        )
        shares = {each / bound for each, bound in zip(pauses.seconds, bounds, strict=True)}
        assert len(shares) > len(away) // 2
        assert [pause for _, pause in told] == pauses.seconds
        assert {error.code for error, _ in told} == {Code.UNAVAILABLE}


async def test_stream_that_ends_at_once_is_not_opened_without_a_pause(tmp_path):
    async with relayed() as (door, relay, url), following_at(url, tmp_path) as (items, pauses):
        # Each hangs up behind its first beat, twelve times over.
        relay.told = lambda number, event: event if number >= 12 else event + b":"
        waiting = asyncio.ensure_future(anext(items))
        await until(lambda: relay.streams == 13)
        assert pauses.seconds[-1] > pauses.seconds[0]
        assert len(pauses.seconds) == 12
        await filled(door, 1)
        await asyncio.wait_for(waiting, 10)


async def test_gap_in_a_stream_is_no_silence(tmp_path):
    async with relayed() as (door, relay, url), following_at(url, tmp_path) as (items, _):
        relay.told = lambda _, event: b"" if b'"position":1,' in event else event
        waiting = asyncio.ensure_future(taken(items, 3))
        await until(lambda: listeners(door) == 1)
        await filled(door, 3)
        with pytest.raises(Refusal) as caught:
            await asyncio.wait_for(waiting, 10)
        assert (caught.value.code, caught.value.at) == (Code.INBOX_GAP, "/position")


async def test_end_that_a_stream_withholds_is_noticed_by_the_total(tmp_path):
    async with relayed() as (door, relay, url), following_at(url, tmp_path) as (items, _):
        (index,) = await filled(door, 1)
        assert await taken(items, 1) == [index]
        relay.told = lambda _, event: event.replace(b'"total":1', b'"total":2')
        with pytest.raises(Refusal) as caught:
            await asyncio.wait_for(anext(items), 10)
        assert (caught.value.code, caught.value.at) == (Code.ITEM_WITHHELD, "/total")


@pytest.mark.parametrize(
    "nonsense",
    [
        b"no field\n\n",
        b"event: entry\ndata: {}\n\n",
        b"event: beat\ndata: x\n\n",
        b"event: entry\ndata: " + b"[" * 60_000 + b"\n\n",
        b'event: entry\ndata: {"x":' + b"[" * 60_000 + b"\n\n",
        b'event: entry\ndata: {"entry":"\xff"}\n\n',
    ],
    ids=["no event", "no item", "no beat", "no object", "too deep", "no text"],
)
async def test_nonsense_in_a_stream_is_a_broken_link(tmp_path, nonsense):
    async with relayed() as (door, relay, url), following_at(url, tmp_path) as (items, pauses):
        relay.told = lambda number, event: event if number else nonsense
        waiting = asyncio.ensure_future(anext(items))
        await until(lambda: relay.streams == 2)
        (index,) = await filled(door, 1)
        assert (await asyncio.wait_for(waiting, 10)).index == index
        assert len(pauses.seconds) == 1


async def test_event_of_a_newer_node_is_passed_over(tmp_path):
    async with relayed() as (door, relay, url), following_at(url, tmp_path) as (items, pauses):
        relay.told = lambda _, event: b"event: newer\ndata: 1\n\n" + event
        waiting = asyncio.ensure_future(anext(items))
        await until(lambda: listeners(door) == 1)
        (index,) = await filled(door, 1)
        assert (await asyncio.wait_for(waiting, 10)).index == index
        assert pauses.seconds == []


async def test_reader_that_is_suspended_is_told_so(tmp_path):
    async with relayed() as (door, _, url), following_at(url, tmp_path) as (items, _):
        waiting = asyncio.ensure_future(taken(items, 2))
        await until(lambda: listeners(door) == 1)
        await post(door.node, world().amended(WATCH, suspended), MINSA)
        with pytest.raises(Refusal) as caught:
            await asyncio.wait_for(waiting, 10)
        assert caught.value.code is Code.ENDPOINT_SUSPENDED


async def test_session_that_ends_is_opened_anew_and_the_stream_goes_on(tmp_path):
    clock, told = Clock(), []
    async with relayed(clock=clock) as (door, relay, url):
        reading = following_at(url, tmp_path, clock, trouble=lambda *each: told.append(each))
        async with reading as (items, _):
            (index,) = await filled(door, 1)
            assert await taken(items, 1) == [index]
            waiting = asyncio.ensure_future(anext(items))
            await until(lambda: listeners(door) == 1)
            clock.ms += 3601 * 1000
            (index,) = await filled(door, 1)
            assert (await asyncio.wait_for(waiting, 10)).index == index
            assert len(relay.asked_for("/v1/session")) == 2
            # That happens every hour, and nothing is wrong.
            assert told == []


async def test_token_that_is_turned_down_again_and_again_is_told(tmp_path):
    told = []
    trouble = lambda *each: told.append(each[0].code)  # noqa: E731
    async with relayed() as (door, relay, url):
        async with following_at(url, tmp_path, trouble=trouble) as (items, _):
            relay.instead = [_problem(door, Code.BAD_TOKEN) for _ in range(6)]
            waiting = asyncio.ensure_future(anext(items))
            await until(lambda: listeners(door) == 1)
            await filled(door, 1)
            await asyncio.wait_for(waiting, 10)
        assert told == [Code.BAD_TOKEN] * 2
