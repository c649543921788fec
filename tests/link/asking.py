"""A boarding request over the border, under a clock that both nations agreed on."""

from __future__ import annotations

from typing import Any

import msgspec

from exchange.model.trust import Clock
from tests.builders import NOW, OPS, WATCH, border, feeds, refers
from tests.link.bordered import Border

MINUTES = 120
DUE = NOW + MINUTES * 60
DEEMED = Clock("salas-becker", MINUTES, "deemed-consent", reminders=[50])


async def agree(both: Border, clock: Clock = DEEMED) -> None:
    """Agree on a clock, and on a feed that carries such a case."""
    land = border()
    feed = feeds()[0]
    types = sorted([*feed.types, "brp", "brq", "brr"])
    agreed = land.rearranged(
        clocks=[clock], feeds=[msgspec.structs.replace(feed, types=types), *feeds()[1:]]
    )
    for side in (both.pa, both.us):
        await side.post(agreed, "")
    await both.settle()


async def begin(both: Border, clock: Clock = DEEMED, *, told: bool = True) -> Any:
    """Agree on a clock, and ask the other nation's node from Panama's."""
    await agree(both, clock)
    request = border().envelope(type="brq", regime="salas-becker", due=None, to=[WATCH])
    await both.pa.post(request)
    await both.settle(2)
    if told:
        await step(both)
    return request


async def step(both: Border) -> None:
    await both.settle(2)
    for side in (both.us, both.pa):
        await side.node.clocks.step()
    await both.settle(2)


def reply(request: Any, **changes: Any) -> Any:
    said = {"endpoint": WATCH, "type": "brp", "verb": "reply", "to": [OPS], "regime": None}
    refs = refers("answers", request)
    return border().envelope(**{**said, "refs": refs, "observed": None, **changes})
