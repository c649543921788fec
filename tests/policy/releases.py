"""Changes of made-up questions around releases: of bulletins, grants and cancellations."""

from __future__ import annotations

from tests.policy.changing import NOTHING, Changes, by_, may_release
from tests.policy.worlds import Dice, Json

CHANGES = Changes()
# By suite, the bytes of one wrapped key; as ``docs/policy.md`` says them.
WRAPS = {"xb1-h": 1668, "xb1-c": 2266, "xb1-ch": 2395}


@CHANGES.of("accept", "grant", "grant", "ingress")
def released(dice: Dice, asked: Json, world: Json) -> None:
    """By nobody, by anybody, by colleagues of any standing, or by who signed it."""
    header, names = asked["header"], [each["endpoint"] for each in world["directory"]]
    colleagues = [each for each in names if each.startswith(f"{header['origin']}/")]
    signers = (header["endpoint"], asked["given"]["by"] if asked["given"] else names[0])
    some = (*signers, *colleagues, *colleagues, dice.one(names), "pa.snm/none")
    asked["released"] = [dice.one(some) for _ in range(dice.below(3))]


@CHANGES.of("accept", "grant")
def released_by_no_releaser(dice: Dice, asked: Json, world: Json) -> None:
    """By a colleague who is suspended, or has not the role; or by who signed it."""
    header = asked["header"]
    signer = asked["given"]["by"] if asked["given"] else header["endpoint"]
    mine = [each for each in world["directory"] if each["member"] == header["origin"]]
    unfit = [each["endpoint"] for each in mine if not may_release(each, header, signer)]
    asked["released"] = [dice.one(unfit)] if unfit else []


@CHANGES.of("accept", "accept", "accept", "ingress")
def cancelling(dice: Dice, asked: Json, world: Json) -> None:
    """Something, at the edge of what waits for nobody: its length, and to whom."""
    header, feeds = asked["header"], (world["arrangement"] or NOTHING)["feeds"]
    if not any(each["name"] == header["feed"] and "can" in each["types"] for each in feeds):
        return
    header.update(type="can", verb="cancel", refs=[{"rel": "cancels"}])
    header["attachments"] = [{"size": 1}] if dice.chance(10) else []
    to = list(dict.fromkeys(header["to"]))
    header["body"]["size"] = (
        16_384 + WRAPS[header["suite"]] * len(to) + dice.one((-1, 0, 1, -9000))
    )
    someone = dice.one(world["directory"])["endpoint"]
    asked["holders"] = dice.one((None, to, [*to, someone], to[1:], [someone], []))


@CHANGES.of("grant", "grant", "ingress")
def to_a_new_audience(dice: Dice, asked: Json, world: Json) -> None:
    """By a colleague of its author's, to one whom it was not released for; or nearly so."""
    header = asked["header"]
    mine = [each for each in world["directory"] if each["member"] == header["origin"]]
    by = dice.one(mine)["endpoint"] if mine else header["endpoint"]
    asked["given"] = {**by_(dice, asked, by, 10), "holds": dice.chance(30)}
    left = [each for each in header["to"] if each != asked["recipient"]]
    header["to"] = left or [header["endpoint"]]
