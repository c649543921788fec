"""Made-up questions about choices of feeds: some would pass, most are changed in one place."""

from __future__ import annotations

from tests.policy import worlds
from tests.policy.worlds import Dice, Json


def asked(dice: Dice, world: Json, now: int) -> Json:
    """One endpoint, and the feeds that it chooses."""
    chooser = dice.one(world["directory"])
    name = chooser["endpoint"] if dice.chance(93) else "pa.senan/nadie"
    return {
        "act": "subscribe",
        "now": now,
        "header": None,
        "recipient": name,
        "feeds": _feeds(dice, world, chooser["member"]),
        "given": None,
        "here": [],
        "rate": None,
    }


def _feeds(dice: Dice, world: Json, member: str) -> list[str]:
    agreed = world["arrangement"]
    readable = [
        feed["name"] for feed in (agreed["feeds"] if agreed else ()) if member in feed["read"]
    ]
    chosen = dice.some(readable) if readable else []
    if dice.chance(30):
        # Of the arrangement or not, to be read or not; after others, or alone.
        chosen.append(dice.one((*worlds.FEEDS, "air")))
    return sorted(set(chosen))
