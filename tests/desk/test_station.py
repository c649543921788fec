"""The link of a desk: what is told while the node is away or gives no heads, and then mends."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from exchange.client.ageing import SeenTo
from exchange.client.proving import MAX_AGE_S
from exchange.client.seen import SeenHead
from exchange.client.transport import AWAY
from exchange.desk import news
from exchange.desk.holding import Holding
from exchange.desk.kept_drafts import KeptDrafts
from exchange.desk.lasting import Lasting, Since
from exchange.desk.station import Station
from exchange.errors import Code, Refusal
from exchange.web import door
from exchange.web.words import load
from tests.builders import DAY, MINSA, WATCH, suspended, world
from tests.client.dealing import forget_bodies
from tests.desk.desked import OFFICER, desked
from tests.desk.watching import delivered
from tests.node.running import post, until
from tests.web.trial import CODES

HEADS = "/v1/heads"
LIMIT_S = MAX_AGE_S + world().view.agreed().limits.skew_s
DESK = Path(news.__file__).with_name("locale")
WEB = Path(door.__file__).with_name("locale")


@asynccontextmanager
async def task(running):
    made = asyncio.ensure_future(running)
    try:
        yield
    finally:
        made.cancel()
        with suppress(asyncio.CancelledError):
            await made


@asynccontextmanager
async def sending(desk):
    """What the desk sends by itself, as often as it can."""
    made = Holding(desk.line, KeptDrafts(desk.line.world.cabinet), lambda: OFFICER)
    made.retry_s, made.settled = 0.001, desk.station.settle
    running = made.run(None)
    await anext(running)
    yield made
    with pytest.raises(StopAsyncIteration):
        await anext(running)


# -- what was locked ------------------------------------------------------------------------


async def test_what_was_locked_by_an_offline_start_opens_when_the_node_answers(tmp_path):
    async with desked(tmp_path) as desk:
        index = await desk.post()
        await desk.line.everything()
        forget_bodies(desk.line)
        desk.front.away()
        await desk.station.fill()
        assert desk.station.trouble is not None
        assert not desk.station.shelf.row(index).title
        await desk.station.unlock()
        assert not desk.station.shelf.row(index).title
        desk.front.back()
        async with task(desk.station._prove()):
            await until(lambda: desk.station.shelf.row(index).title)


async def test_node_that_is_heard_again_is_asked_at_once(tmp_path):
    async with desked(tmp_path) as desk:
        desk.front.away()
        async with task(desk.station._prove()):
            await until(lambda: desk.station.trouble is not None)
            desk.front.back()
            await desk.door.node.checkpoints.checkpoint()
            # Its next look is a minute away.
            desk.station._heard()
            await until(lambda: desk.station.proven is not None)


# -- what is proved -------------------------------------------------------------------------


async def test_node_that_gives_no_heads_but_all_else_is_an_alarm(tmp_path):
    async with desked(tmp_path) as desk:
        station, limit = desk.station, MAX_AGE_S + world().view.agreed().limits.skew_s
        await desk.door.node.checkpoints.checkpoint()
        await station.prove()
        assert news.is_complete(station)
        desk.front.shut = (HEADS,)
        await station.prove()
        assert (station.trouble, station.alarm) == (None, None)
        assert [each.code for each in station.wrong] == [Code.UNAVAILABLE]
        assert not news.is_complete(station)
        desk.clock.ms += limit * 1000
        await station.prove()
        assert station.alarm is None
        desk.clock.ms += 1000
        await station.prove()
        assert station.alarm.code is Code.STALE_HEAD
        desk.front.back()
        await desk.door.node.checkpoints.checkpoint()
        await station.prove()
        assert (station.wrong, station.alarm) == ([], None)


async def test_node_that_is_away_for_a_moment_puts_no_alarm_off(tmp_path):
    async with desked(tmp_path) as desk:
        await desk.door.node.checkpoints.checkpoint()
        await desk.station.prove()
        for _ in range(2):
            desk.front.shut = (HEADS,)
            await desk.station.prove()
            desk.clock.ms += (LIMIT_S - 10) * 1000
            desk.front.away()
            await desk.station.prove()
        assert desk.station.alarm.code is Code.STALE_HEAD


async def test_node_that_gives_what_is_new_and_nothing_else_is_an_alarm(tmp_path):
    async with desked(tmp_path) as desk:
        for index in range(3):
            desk.front.away()
            await desk.station.prove()
            desk.station._arrive(delivered(index))
            desk.clock.ms += (LIMIT_S - 10) * 1000
        await desk.station.prove()
        assert desk.station.alarm.code is Code.STALE_HEAD


async def test_node_that_says_for_ever_that_it_signed_nothing_is_told_and_then_an_alarm(
    tmp_path,
):
    async with desked(tmp_path) as desk:
        desk.front.instead = {HEADS: "/v1/no-such"}
        await desk.station.prove()
        assert desk.station.unproven.code is Code.NO_CHECKPOINT
        desk.clock.ms += (LIMIT_S + 1) * 1000
        await desk.station.prove()
        # Nothing is held, so nothing is known to be missing.
        assert desk.station.alarm is None
        await desk.post()
        await desk.hear()
        await desk.station.prove()
        assert desk.station.alarm.code is Code.STALE_HEAD


async def test_node_that_is_away_for_long_is_no_alarm(tmp_path):
    async with desked(tmp_path) as desk:
        desk.front.shut = (HEADS,)
        await desk.station.prove()
        desk.front.away()
        await desk.station.prove()
        desk.clock.ms += 3_600_000
        await desk.station.prove()
        desk.front.shut = (HEADS,)
        await desk.station.prove()
        assert desk.station.alarm is None


async def test_no_restart_puts_an_alarm_off(tmp_path):
    """Nor does it raise one: a night in which no desk was open is a minute of it."""
    async with withholding(tmp_path) as desk:
        await desk.station.prove()
        for _ in range(LIMIT_S // 60):
            assert await restarted(desk, 60) is None
        left = LIMIT_S % 60 + 1
        assert await restarted(desk, left - 1) is None
        assert await restarted(desk, 1) is Code.STALE_HEAD
        desk.front.back()
        await desk.door.node.checkpoints.checkpoint()
        assert await restarted(desk, 1) is None
        desk.front.shut = (HEADS,)
        assert await restarted(desk, 86_400) is None
        assert await restarted(desk, 86_400) is None


@pytest.mark.parametrize("looked_s", [0, 365 * DAY], ids=["right since", "ahead"])
async def test_clock_that_was_ahead_puts_no_alarm_off(tmp_path, looked_s):
    async with withholding(tmp_path) as desk:
        # As a desk left it: times a year from now.
        now, ahead = desk.station.now(), desk.station.now() + 365 * DAY
        kept = {"unproven": ahead, "away": ahead, "looked": now + looked_s}
        cabinet = desk.line.world.cabinet
        cabinet.put("desk-unproven", "", json.dumps(kept).encode())
        lasting = Lasting(cabinet)
        lasting.take_up(now)
        assert lasting.since == Since(now, now, now)
        lasting.note(ahead, ahead, now)
        assert lasting.since == Since(now, now, now)
        cabinet.put("desk-unproven", "", json.dumps(kept).encode())
        for _ in range(LIMIT_S // 60 + 1):
            assert await restarted(desk, 60) is None
        assert await restarted(desk, 60) is Code.STALE_HEAD


async def test_clock_that_is_ahead_for_a_moment_puts_no_alarm_off(tmp_path):
    async with withholding(tmp_path) as desk:
        desk.clock.ms += 365 * DAY * 1000
        await desk.station.prove()
        desk.clock.ms -= 365 * DAY * 1000
        await desk.station.prove()
        desk.clock.ms += (LIMIT_S + 1) * 1000
        await desk.station.prove()
        assert desk.station.alarm.code is Code.STALE_HEAD


@asynccontextmanager
async def withholding(tmp_path):
    """A desk that proved once, at a node that gives no heads any more."""
    async with desked(tmp_path, seen=SeenHead(tmp_path / "head")) as desk:
        await desk.door.node.checkpoints.checkpoint()
        await desk.station.prove()
        desk.front.shut = (HEADS,)
        yield desk


async def restarted(desk, seconds):
    """Open the desk anew after a time, and prove; the code of its alarm."""
    desk.clock.ms += seconds * 1000
    again = Station(desk.line, CODES, OFFICER)
    await again.fill()
    await again.prove()
    return again.alarm and again.alarm.code


async def test_heads_that_are_gone_after_a_restart_are_an_alarm(tmp_path):
    async with desked(tmp_path, seen=SeenHead(tmp_path / "head")) as desk:
        desk.front.instead = {HEADS: "/v1/no-such"}
        await desk.station.prove()
        # So it is with a young node.
        assert desk.station.alarm is None
        desk.front.instead = {}
        await desk.door.node.checkpoints.checkpoint()
        await desk.station.prove()
        again = Station(desk.line, CODES, OFFICER)
        await again.fill()
        desk.front.instead = {HEADS: "/v1/no-such"}
        await again.prove()
        assert again.alarm.code is Code.NOT_FOUND


async def test_who_was_suspended_stays_so_when_the_node_is_away(tmp_path):
    async with desked(tmp_path) as desk:
        station = desk.station
        async with task(station._follow()):
            await post(desk.door.node, world().amended(WATCH, suspended), MINSA)
            await until(lambda: station.closed is not None)
        # By the node's word alone: the document is not shown to who is turned away.
        assert desk.line.trust.newest.endpoints[WATCH].is_active
        desk.front.away()
        await station.prove()
        assert station.trouble.code in AWAY
        assert station.closed.code is Code.ENDPOINT_SUSPENDED


# -- what is acknowledged -------------------------------------------------------------------


async def test_acknowledgement_given_while_the_node_is_away_is_sent_when_it_is_back(tmp_path):
    async with desked(tmp_path) as desk:
        index = await desk.post()
        await desk.hear()
        row, acks = desk.station.shelf.row(index), desk.line.world.outbox.acks
        desk.front.away()
        await desk.station.acknowledge(row.item, "opened")
        (waiting,) = acks.waiting()
        assert row.digest in desk.station.shelf.acknowledged
        async with sending(desk):
            await until(lambda: acks.waits(waiting).tries > 1)
            desk.front.back()
            await until(lambda: acks.receipt(waiting) is not None)
        assert acks.waiting() == []


async def test_acknowledgement_that_the_node_refused_is_unsaid(tmp_path):
    async with desked(tmp_path) as desk:
        first, second = await desk.post(), await desk.post()
        await desk.hear()
        station, acks = desk.station, desk.line.world.outbox.acks
        one, other = station.shelf.row(first), station.shelf.row(second)
        await station.acknowledge(one.item, "opened")
        desk.front.away()
        await station.acknowledge(other.item, "opened")
        assert station.shelf.acknowledged == {one.digest, other.digest}
        (waiting,) = acks.waiting()
        (sent,) = acks.sent()
        acks.refuse(waiting, Refusal(Code.OFFICER_REQUIRED), acks.receipt(sent))
        async with sending(desk):
            await until(lambda: station.shelf.acknowledged == {one.digest})
        assert "unacknowledged" in station.shelf.states(other, station.now())
        assert station.seen.of(other.digest) == []


async def test_what_another_command_acknowledged_is_seen_to_and_each_is_read_once(
    tmp_path, monkeypatch
):
    async with desked(tmp_path) as desk:
        first, second = await desk.post(), await desk.post()
        await desk.hear()
        one, other = desk.station.shelf.row(first), desk.station.shelf.row(second)
        acks = desk.line.world.outbox.acks
        seen = SeenTo(acks)
        assert seen.digests() == set()
        await desk.line.acknowledge(one.item, "opened", "watch-2")
        assert seen.digests() == {one.digest}
        read, plain = [], acks.envelope
        monkeypatch.setattr(acks, "envelope", lambda each: read.append(each) or plain(each))
        await desk.line.acknowledge(other.item, "delivered")
        # That it was delivered a machine says: nobody saw to it.
        assert seen.digests() == {one.digest}
        assert [ack.officer for _, ack in seen.of(one.digest)] == ["watch-2"]
        assert [ack.outcome for _, ack in seen.of(other.digest)] == ["delivered"]
        assert len(read) == 1


async def test_no_burst_hides_that_a_flash_came(tmp_path):
    async with desked(tmp_path) as desk:
        station = desk.station
        station._arrive(delivered(1, precedence="flash"))
        for index in range(2, 60):
            station._arrive(delivered(index, precedence="routine"))
        told = news.told(station, load([WEB, DESK]), "en", is_locked=False)
        assert (told["came"], told["flash_came"]) == (59, 1)
        # There is no room to name it among what came; it stands above all pages.
        assert 1 not in [each["index"] for each in told["arrived"]]
        assert [each["index"] for each in told["flash"]] == [1]


async def test_what_presses_is_told_as_new_whatever_its_entry(tmp_path):
    async with desked(tmp_path) as desk:
        for index in (50, 3):
            desk.station._arrive(delivered(index, precedence="flash"))
        told = news.arrived(desk.station, "en")
        assert [(each["number"], each["index"]) for each in told] == [(1, 50), (2, 3)]
