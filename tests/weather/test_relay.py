"""The same behind a TCP relay, which takes no root rights, and is tried on every machine."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.weather.land import Land
from tests.weather.relay import Weather

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def kind() -> str:
    return "relay"


async def test_stalled_cut_and_shut_it_carries_all_in_the_end(
    land: Land, count: int, tell: Callable[[str, str], None]
) -> None:
    async with land.met() as both:
        for name, weather in (
            ("flapping", Weather(flaps=(700, 500))),
            ("lossy", Weather(delay_ms=40, loss=0.05)),
            ("slow", Weather(delay_ms=300)),
        ):
            both.weather(weather)
            await both.across(count)
            told = f"{name}: whole {await both.come():.1f} s after the last post"
            tell("relay", told)
        both.weather(Weather(shut=["us"]))
        await both.across(count)
        assert await both.count("pa.exercise/alfa") < both.owed("pa.exercise/alfa")
        both.weather()
        tell("relay", f"one way: whole {await both.come():.1f} s after it was over")
        await both.must_be_whole()
        await both.vouched()
