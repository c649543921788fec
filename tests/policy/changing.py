"""Changes of made-up questions to policy: what each is for, and what several of them need."""

from __future__ import annotations

from collections.abc import Callable

from tests.policy.worlds import Dice, Json

NOW = 1_796_000_000

Change = Callable[[Dice, Json, Json], None]

NOTHING: Json = {
    "schemas": ["1.0"],
    "regimes": [],
    "limits": {"lifetime_s": 3600, "skew_s": 0},
    "feeds": [
        {"name": "maritime", "types": ["voi"], "post": ["pa.senan"], "read": ["us.uscg"]}
    ],
}


class Changes:
    """What may be changed of a question, with the act that it is for; none: of any."""

    def __init__(self) -> None:
        self.made: list[tuple[str, Change]] = []

    def of(self, *acts: str) -> Callable[[Change], Change]:
        """Add a function: to change questions of these acts; twice named, twice as often."""

        def add(made: Change) -> Change:
            self.made.extend((act, made) for act in acts or ("",))
            return made

        return add


def is_active(endpoint: Json) -> bool:
    return bool(endpoint["status"] == "active")


def may_release(endpoint: Json, header: Json, signer: str) -> bool:
    return (
        is_active(endpoint)
        and "releaser" in endpoint["roles"]
        and endpoint["member"] == header["origin"]
        and endpoint["endpoint"] != signer
    )


def by_(dice: Dice, asked: Json, by: str, percent: int) -> Json:
    """Given by somebody; of which the originator said something in so many of a hundred."""
    at = asked["now"] if asked["act"] == "grant" else NOW - dice.one((0, 1, 600))
    untils = (None, at - 1, at, at + 1, at + 1, at + 600, at + 600, NOW - 1)
    consent = {"until": dice.one(untils)} if dice.chance(percent) else None
    return {"by": by, "at": at, "consent": consent, "holds": dice.chance(15)}
