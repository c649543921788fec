"""A half-year in an hour, on two nodes: what a report counts, few enough to count by hand.

Times are of the nodes' clock, which stands still until it is moved. EXERCISE.
"""

from __future__ import annotations

import msgspec

from tests.builders import (
    COAST,
    DESK,
    NOW,
    OPS,
    WATCH,
    border,
    feeds,
    refers,
    suspended,
)
from tests.link.asking import DEEMED, reply, step
from tests.link.bordered import Border, Side

PERIOD = ("2026-07-01", "2026-12-31")


async def posted(side: Side, what, caller: str | None = None):
    answer = await side.post(what, caller)
    assert answer.refusal is None, answer.refusal
    return what


async def half_year(both: Border, ids: dict[str, str]) -> None:
    await _boarding(both)
    await _sightings(both)
    await _amended(both)
    await _requests(both)
    await _refused(both, ids)
    later(both, 3600)
    # Each node shows that it is there an hour later: silence is of that hour, then.
    for side, author in ((both.pa, OPS), (both.us, WATCH)):
        late = border().envelope(endpoint=author, to=[OPS, WATCH], feed="nowhere")
        assert (await side.post(late, author)).refusal is not None
    await step(both)


def later(both: Border, seconds: int) -> None:
    both.clock.ms += seconds * 1000


async def _boarding(both: Border) -> None:
    """A request that is answered 600 s after it was taken in where it is asked."""
    land, feed = border(), feeds()[0]
    types = sorted([*feed.types, "brp", "brq", "brr", "rfi", "rpy"])
    more = [msgspec.structs.replace(feed, types=types), *feeds()[1:]]
    for side in (both.pa, both.us):
        await posted(side, land.rearranged(clocks=[DEEMED], feeds=more), "")
    await both.settle()
    asked = land.envelope(type="brq", regime="salas-becker", due=None, to=[WATCH])
    await posted(both.pa, asked)
    await step(both)
    later(both, 600)
    await posted(both.us, reply(asked), WATCH)
    await both.settle()


async def _sightings(both: Border) -> None:
    """One FLASH seen to in steps; one that crosses after 30 s; and one that stays at home."""
    land = border()
    flash = land.envelope(to=[WATCH], precedence="flash", observed=NOW - 360)
    await posted(both.pa, flash)
    await both.settle()
    for after, outcome in ((60, "delivered"), (240, "opened"), (600, "actioned")):
        later(both, after)
        await posted(both.us, land.ack(flash, WATCH, outcome=outcome), WATCH)
    routine = land.envelope(to=[WATCH, COAST], precedence="routine")
    await posted(both.pa, routine)
    later(both, 30)
    await both.settle()
    later(both, 70)
    await posted(both.us, land.ack(routine, COAST), COAST)
    home = land.envelope(to=[DESK], precedence="immediate")
    await posted(both.pa, home)
    later(both, 20)
    await posted(both.pa, land.ack(home, DESK), DESK)
    await both.settle()


async def _amended(both: Border) -> None:
    """A correction opened after 80 s by its one holder; a cancellation that one of two gets."""
    land = border()
    flawed = land.envelope(to=[WATCH], precedence="priority")
    await posted(both.pa, flawed)
    await both.settle()
    cor = land.envelope(to=[WATCH], type="cor", verb="correct", refs=refers("corrects", flawed))
    await posted(both.pa, cor)
    later(both, 40)
    await both.settle()
    later(both, 40)
    await posted(both.us, land.ack(cor, WATCH), WATCH)
    wrong = land.envelope(to=[WATCH, COAST], precedence="priority")
    await posted(both.pa, wrong)
    can = land.envelope(
        to=[WATCH, COAST], type="can", verb="cancel", refs=refers("cancels", wrong)
    )
    await posted(both.pa, can)
    await both.settle()
    later(both, 10)
    await posted(both.us, land.ack(can, WATCH, outcome="delivered"), WATCH)
    await both.settle()


async def _requests(both: Border) -> None:
    """Two requests: one answered after 600 s, one that nobody answers in its time."""
    land, now = border(), both.clock.ms // 1000
    asked = land.envelope(to=[WATCH], type="rfi", due=now + 900)
    await posted(both.pa, asked)
    await posted(both.pa, land.envelope(to=[WATCH], type="rfi", due=now + 900))
    await both.settle()
    later(both, 600)
    await posted(both.us, reply(asked, type="rpy"), WATCH)
    await both.settle()


async def _refused(both: Border, ids: dict[str, str]) -> None:
    """Refused at home, and refused abroad: whom it is for is suspended there already."""
    land = border()
    answer = await both.pa.post(land.envelope(to=[WATCH], feed="nowhere"))
    assert answer.refusal is not None
    await posted(both.us, land.amended(COAST, suspended), "")
    await posted(both.pa, land.envelope(to=[COAST]))
    await both.settle()
    ids["none"] = ""


# What stands in the shared report, counted from the above: rows by table.
SHARED = {
    "types": [
        ("brp", 0, 1),
        ("brq", 1, 0),
        ("can", 1, 0),
        ("cor", 1, 0),
        ("rfi", 2, 0),
        ("rpy", 0, 1),
        ("voi", 4, 0),
    ],
    "agencies": [("pa.senan", 9, 2), ("us.jiatfs", 2, 9), ("us.uscg", 0, 3)],
    "precedence": [("flash", 1, 0), ("immediate", 0, 0), ("priority", 7, 2), ("routine", 1, 0)],
    "months": [
        *((f"2026-{month:02}", 0, 0) for month in (7, 8, 9, 10)),
        ("2026-11", 9, 2),
        ("2026-12", 0, 0),
    ],
    "status": [("actual", 0, 0), ("exercise", 10, 2), ("test", 0, 0)],
    "reached": [
        ("flash", 1, 1, 1, 1),
        ("immediate", 0, 0, 0, 0),
        ("priority", 11, 2, 1, 0),
        ("routine", 2, 1, 1, 0),
    ],
    "corrections": [
        ("correct", 1, 1, 1, 1, 1, 80, 80, 80),
        ("cancel", 1, 2, 1, 0, 0, None, None, None),
    ],
    "answers": [
        ("pa", 2, 1, 1, 0, 0, 0, 1, 0, 600, 600, 600),
        ("us", *[0] * 8, None, None, None),
    ],
    "boardings": [("pa", 0, 0, None, None, None), ("us", 1, 1, 600, 600, 600)],
    "refusals": [("endpoint-suspended", 0, 1)],
}
# Of all precedences together: count, median, 90th and 95th percentile, longest.
TIMES = {
    "accepted": (1, 960, 960, 960, 960),
    "crossed": (11, 0, 30, 40, 40),
    "delivered": (4, 60, 100, 100, 100),
    "opened": (3, 100, 300, 300, 300),
    "actioned": (1, 900, 900, 900, 900),
}
# And in Panama's annex.
ANNEX = {
    "types": [("voi", 1)],
    "reached": [
        ("flash", 0, 0, 0, 0),
        ("immediate", 1, 1, 1, 0),
        ("priority", 0, 0, 0, 0),
        ("routine", 0, 0, 0, 0),
    ],
    "refusals": [("unknown-feed", 2)],
    "answers": [("pa", *[0] * 8, None, None, None)],
}
