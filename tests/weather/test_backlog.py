"""FLASH is pushed ahead of a backlog that waits to cross, however long that is.

What is asserted is order alone: what came before what. EXCHANGE_WEATHER_BACKLOG=100000 takes a
quarter of an hour.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.weather.land import PA, US, Land, Meeting, Posted, until
from tests.weather.relay import Weather

COUNT = int(os.environ.get("EXCHANGE_WEATHER_BACKLOG", "2000"))
# A short backlog crosses a slow line, so that it takes a while; a long one takes that anyway.
SLOW_BYTES_S = 2_000_000 if COUNT <= 10_000 else 0
WITHIN_S = 60 + COUNT / 20
pytestmark = pytest.mark.timeout(2 * WITHIN_S + 300)


async def test_flash_is_in_the_inbox_abroad_before_a_backlog_that_was_there_first(
    land: Land, tell: Callable[[str, str], None]
) -> None:
    alfa, bravo, echo = PA[0], PA[1], US[0]
    async with land.met() as both:
        both.weather(Weather(shut=["pa", "us"]))
        await both.post(alfa, [echo], COUNT, "routine")
        (early,) = await both.post(bravo, [echo], 1, "flash")
        await _under_a_checkpoint(both, early)
        both.weather(Weather(delay_ms=40, bytes_s=SLOW_BYTES_S))
        begun_s = await until(lambda: _has(both, echo, 2), 120)
        at = await both.count(echo)
        (late,) = await both.post(bravo, [echo], 1, "flash")
        crossed_s = await until(lambda: _shows(both, echo, late), 120)
        came_s = await both.come(echo, within_s=WITHIN_S)
        await both.must_be_whole()
        order = await both.order(echo)
    first, second = (order.index(each.id) for each in (early, late))
    # What was there before the link came back is told first of all; what comes while the
    # backlog crosses, before its end. What of the backlog was there, was there before.
    assert first == 0
    assert at <= second < COUNT
    tell("backlog", f"of {COUNT}; the first came {begun_s:.1f} s after the link was back")
    tell("backlog", f"FLASH posted with {at} there came {second - at} later, {crossed_s:.1f} s")
    tell("backlog", f"all of it {came_s:.1f} s after that")


async def _under_a_checkpoint(both: Meeting, posted: Posted) -> None:
    async def is_so() -> bool:
        return await both.size(PA[1]) > posted.receipt.index

    await until(is_so, 60)


async def _has(both: Meeting, endpoint: str, count: int) -> bool:
    return await both.count(endpoint) >= count


async def _shows(both: Meeting, endpoint: str, posted: Posted) -> bool:
    return posted.id in await both.pressing(endpoint)
