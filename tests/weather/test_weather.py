"""Two nodes go on in any weather: nothing lost, doubled or reordered, and both whole after it.

Of every case: each node goes on taking in what its own agencies post, each sender's order is
kept in each inbox, both have all of it after it is over, and how soon is told as a figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.weather.land import PA, US, Land, Meeting
from tests.weather.relay import Weather

Tell = Callable[[str, str], None]
WEEK_DAYS = 7
WEEK_S = WEEK_DAYS * 86_400
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(autouse=True)
def _calm(land: Land) -> Iterator[None]:
    """Each case begins with good weather, and leaves that."""
    land.border.weather(Weather())
    yield
    land.border.weather(Weather())


async def _heals(both: Meeting, case: str, tell: Tell) -> None:
    """Have good weather: all comes across and is vouched for, and the books agree."""
    both.weather()
    come_s = await both.come()
    await both.must_be_whole()
    vouched_s = come_s + await both.vouched()
    tell(case, f"whole {come_s:.1f} s after it was over, vouched for {vouched_s:.1f} s after")


async def test_in_good_weather_all_comes_and_is_vouched_for(
    land: Land, count: int, tell: Tell, tmp_path: Path
) -> None:
    async with land.met() as both:
        posted = await both.across(count)
        await _heals(both, "calm", tell)
        for poster, its in posted.items():
            vouched = await both.witnessed(its[-1], poster, tmp_path / poster[:2])
            assert vouched is not None
            assert vouched.by == ["pa-witness", "us-witness"]
            assert not its[-1].is_marked


async def test_a_link_down_for_a_week_loses_nothing(
    land: Land, count: int, tell: Tell, tmp_path: Path
) -> None:
    async with land.met() as both:
        both.weather(Weather(shut=["pa", "us"]))
        early = await both.across(count)
        noticed_s = max([await both.is_down(side) for side in land.sides])
        tell("week", f"both nodes told that the link is down after {noticed_s:.1f} s at most")
        land.moved(WEEK_DAYS)
        late = await both.across(count)
        for side in land.sides:
            age_s = await both.unwitnessed_s(side)
            assert WEEK_S <= age_s < WEEK_S + 600
            tell("week", f"{side} told that nobody vouched for {age_s} s")
        # Within what was agreed a receipt is as ever; past it, the receipt says so.
        assert not any(each.is_marked for its in early.values() for each in its)
        assert all(each.is_marked for its in late.values() for each in its)
        last = late[PA[0]][-1]
        assert await both.witnessed(last, PA[0], tmp_path / "before") is None
        await _heals(both, "week", tell)
        assert await both.witnessed(last, PA[0], tmp_path / "after") is not None
        again = await both.across(1)
        assert not any(each.is_marked for its in again.values() for each in its)


async def test_packets_that_go_one_way_only_lose_nothing(
    land: Land, count: int, tell: Tell
) -> None:
    async with land.met() as both:
        both.weather(Weather(shut=["us"]))
        await both.across(count)
        for each in (*PA, *US):
            assert await both.count(each) < both.owed(each)
        await _heals(both, "one way", tell)


async def test_who_may_call_goes_on_pulling_from_who_may_not(
    land: Land, count: int, tell: Tell
) -> None:
    async with land.met() as both:
        both.weather(Weather(mute=["us"]))
        # Those that are open stay so: until these are gone.
        both.weather(Weather(mute=["us"], shut=["pa", "us"]))
        await both.across(count)
        await both.is_down("pa")
        await both.is_down("us")
        both.weather(Weather(mute=["us"]))
        tell("mute", f"who may call was whole after {await both.come(*PA):.1f} s")
        assert [await both.count(each) for each in US] != [both.owed(each) for each in US]
        await _heals(both, "mute", tell)


async def test_a_link_that_comes_and_goes_carries_all(
    land: Land, count: int, tell: Tell
) -> None:
    async with land.met() as both:
        both.weather(Weather(flaps=(700, 500)))
        for _ in range(4):
            await both.across(count // 4)
        tell("flapping", f"whole {await both.come():.1f} s after the last post, still flapping")
        await _heals(both, "flapping", tell)


async def test_lost_packets_lose_no_bulletin(land: Land, count: int, tell: Tell) -> None:
    async with land.met() as both:
        both.weather(Weather(delay_ms=20, loss=0.1))
        await both.across(count)
        tell("lossy", f"whole {await both.come():.1f} s after the last post, 10 % lost")
        await _heals(both, "lossy", tell)


async def test_a_slow_link_carries_all(land: Land, count: int, tell: Tell) -> None:
    async with land.met() as both:
        for round_ms, bytes_s in ((80, 0), (600, 100_000)):
            both.weather(Weather(delay_ms=round_ms // 2, bytes_s=bytes_s))
            await both.across(count)
            come_s = await both.come()
            rate = f"{bytes_s // 1000} kB/s" if bytes_s else "any rate"
            tell("slow", f"whole {come_s:.1f} s after the last post, {round_ms} ms, {rate}")
            vouched_s = come_s + await both.vouched()
            tell("slow", f"vouched for {vouched_s:.1f} s after the last post, {round_ms} ms")
        await _heals(both, "slow", tell)


async def test_clocks_within_two_minutes_hinder_nothing(
    land: Land, count: int, tell: Tell
) -> None:
    async with land.met() as both:
        land.sides["pa"].offset.set(land.sides["pa"].offset() + 90_000)
        _sessions_end(land)
        await both.across(count)
        await _heals(both, "skew 90 s", tell)


async def test_clocks_further_apart_stop_the_link_and_neither_node(
    land: Land, count: int, tell: Tell
) -> None:
    async with land.met() as both:
        land.sides["pa"].offset.set(land.sides["pa"].offset() + 300_000)
        _sessions_end(land)
        for side in land.sides:
            await both.is_down(side)
        posted = await both.across(count)
        assert not any(each.is_marked for its in posted.values() for each in its)
        for side in land.sides:
            tell("skew 6 min", f"{side}: nobody vouched for {await both.unwitnessed_s(side)} s")
        us = land.sides["us"]
        us.offset.set(us.offset() + 390_000)
        await _heals(both, "skew 6 min", tell)


def _sessions_end(land: Land) -> None:
    """Let an hour pass for everybody, so that each node has to prove anew who it is."""
    land.moved(2 / 24)
