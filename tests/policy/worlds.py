"""Documents in force, made up: an arrangement, a directory and a trust inbox, as plain JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
Json = dict[str, Any]

TYPES = ("voi", "szr", "brq", "rfi", "smg", "cor", "can", "rpy", "brp")
STATUSES = ("actual", "exercise", "test")
TLP = ("red", "amber+strict", "amber", "green", "clear")
HANDLING = ("h0", "h1", "h2", "h3")
DECLARATIONS = ("must-purge", "persons", "protected-person")
SUITES = ("xb1-h", "xb1-c", "xb1-ch")
PRECEDENCES = ("flash", "immediate", "priority", "routine")
FEEDS = ("maritime", "requests", "networks", "dialogue")
REGIMES = ("salas-becker", "convention-17", "express")
MEMBERS = ("pa.senan", "pa.minsa", "pa.snm", "us.jiatfs", "us.uscg", "us.dea")
ROLES = ("poster", "reader", "releaser", "auditor", "operator")


class Dice:
    """Choices from one seed."""

    def __init__(self, below: Callable[[int], int]) -> None:
        self.below = below

    def one(self, of: Sequence[T]) -> T:
        return of[self.below(len(of))]

    def some(self, of: Sequence[T], least: int = 0) -> list[T]:
        """Any of them, at least so many, in their order."""
        count = least + self.below(len(of) - least + 1)
        places = list(range(len(of)))
        chosen = sorted(places.pop(self.below(len(places))) for _ in range(count))
        return [of[place] for place in chosen]

    def chance(self, percent: int) -> bool:
        return self.below(100) < percent


def make(dice: Dice, number: int) -> Json:
    """One world; every seventeenth has no arrangement."""
    directory = _directory(dice)
    return {
        "world": number,
        "arrangement": None if number % 17 == 16 else _arrangement(dice, directory),
        "directory": directory,
        "heads": [f"head-{number}-{place}" for place in range(1 + dice.below(6))],
    }


def _directory(dice: Dice) -> list[Json]:
    found = []
    for member in MEMBERS:
        for desk in dice.some(("ops", "watch", "desk"), 1):
            usual = ["poster", "reader", *dice.some(ROLES[2:])]
            found.append(
                {
                    "endpoint": f"{member}/{desk}",
                    "member": member,
                    "nation": member[:2],
                    "status": "suspended" if dice.chance(7) else "active",
                    "roles": usual if dice.chance(80) else dice.some(ROLES),
                }
            )
    return found


def _arrangement(dice: Dice, directory: list[Json]) -> Json:
    agreed: Json = {
        "schemas": dice.some(("1.0", "1.1", "2.0"), 1),
        "regimes": dice.some(REGIMES),
        "limits": {
            "lifetime_s": dice.one((3600, 86_400, 90 * 86_400)),
            "skew_s": dice.one((0, 300)),
        },
        "feeds": [_feed(dice, name) for name in dice.some(FEEDS, 2)],
    }
    if dice.chance(85):
        agreed["categories"] = _categories(dice, agreed, directory)
    if dice.chance(60):
        agreed["four_eyes"] = [dice.one(_marks(agreed)) for _ in range(1 + dice.below(3))]
    if dice.chance(70):
        names = ("endpoint", "member", "urgent_endpoint", "urgent_member")
        agreed["budgets"] = {
            name: {"burst": 1 + dice.below(4), "every_ms": dice.one((1, 999, 1000, 60_000))}
            for name in names
        }
    if dice.chance(70):
        body = dice.one((5000, 30_000))
        agreed["sizes"] = {"body": body, "attachment": 9000, "attachments": 12_000}
    return agreed


def _feed(dice: Dice, name: str) -> Json:
    feed: Json = {
        "name": name,
        "types": dice.some(TYPES, 4),
        "post": dice.some(MEMBERS, 3),
        "read": dice.some(MEMBERS, 3),
    }
    for bound, all_, least in (
        ("statuses", STATUSES, 1),
        ("tlp", TLP, 2),
        ("handling", HANDLING, 0),
    ):
        if dice.chance(50):
            feed[bound] = dice.some(all_, least)
    return feed


def _marks(agreed: Json) -> list[str]:
    types = sorted({each for feed in agreed["feeds"] for each in feed["types"]})
    return [
        *(f"tlp:{each}" for each in TLP),
        *(f"status:{each}" for each in STATUSES),
        *(f"precedence:{each}" for each in PRECEDENCES),
        *(f"type:{each}" for each in types),
        *(f"feed:{feed['name']}" for feed in agreed["feeds"]),
        *(f"regime:{each}" for each in agreed["regimes"]),
        *(f"handling:{each}" for each in HANDLING),
        *(f"declares:{each}" for each in DECLARATIONS),
        "originator-control:yes",
    ]


def _categories(dice: Dice, agreed: Json, directory: list[Json]) -> list[Json]:
    marks = _marks(agreed)
    who = [*MEMBERS, *MEMBERS, *(each["endpoint"] for each in directory)]
    return [
        {
            "name": f"category-{number}",
            "kind": dice.one(("restrictive", "permissive")),
            "values": [
                {
                    "name": f"value-{place}",
                    "marks": [dice.one(marks) for _ in range(2 + dice.below(4))],
                    # Most have it, or hardly anything would ever pass.
                    "holders": [each for each in who if dice.chance(65)],
                }
                for place in range(1 + dice.below(3))
            ],
        }
        for number in range(1 + dice.below(3))
    ]
