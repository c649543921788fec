"""Made-up questions to policy: ``python -m tests.policy.cases --seed 1 --count 100000``.

JSON lines as ``docs/policy.md`` tells. A case begins as something that would pass, and is
changed in up to three places: on a rule's very edge, where it has one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import chain

from exchange.cli.world import picks
from tests.policy import choosing, releases, worlds
from tests.policy.changing import NOTHING, NOW, Changes, by_, is_active, may_release
from tests.policy.worlds import Dice, Json

WORLDS = 170
_VERB_OF = {"cor": "correct", "can": "cancel", "rpy": "reply", "brp": "reply"}
_REL_OF = {
    "update": "supersedes",
    "correct": "corrects",
    "cancel": "cancels",
    "reply": "answers",
}
CHANGES = Changes()
ACTS = ("accept", "accept", "grant", "deliver", "ingress", "subscribe")


def lines(seed: int, count: int) -> Iterator[Json]:
    """Worlds first, then cases."""
    dice = Dice(picks(seed))
    made = [worlds.make(dice, number) for number in range(WORLDS)]
    return chain(made, (case(dice, dice.one(made), number) for number in range(count)))


def case(dice: Dice, world: Json, number: int) -> Json:
    """One question under a world."""
    act = dice.one(ACTS)
    if act == "subscribe":
        return {"case": number, "world": world["world"], **choosing.asked(dice, world, NOW)}
    asked = _passing(dice, world, act)
    every = (*CHANGES.made, *releases.CHANGES.made)
    fit = [change for act, change in every if act in ("", asked["act"])]
    for _ in range(dice.one((0, 0, 1, 1, 1, 1, 2, 3))):
        dice.one(fit)(dice, asked, world)
    asked["header"]["to"] = sorted(set(asked["header"]["to"]))
    return {"case": number, "world": world["world"], **asked}


# -- what would pass, but for categories ------------------------------------------------------


def _passing(dice: Dice, world: Json, act: str) -> Json:
    agreed, directory = world["arrangement"] or NOTHING, world["directory"]
    feed = dice.one(agreed["feeds"])
    here = dice.one((["pa"], ["us"]))
    may_post = [
        each
        for each in directory
        if each["member"] in feed["post"] and "poster" in each["roles"] and is_active(each)
    ]
    if act == "ingress":
        may_post = [each for each in may_post if each["nation"] not in here]
    author = dice.one(may_post or directory)
    may_read = [
        each
        for each in directory
        if each["member"] in feed["read"] and "reader" in each["roles"] and is_active(each)
    ] or directory
    header = _header(dice, agreed, feed, author)
    header["trust"] = _newest(world)
    header["to"] = [dice.one(may_read)["endpoint"] for _ in range(1 + dice.below(3))]
    asked: Json = {
        "act": act,
        "now": NOW,
        "header": header,
        "recipient": None,
        "given": None,
        "here": here if act == "ingress" else [],
        "rate": None,
        "released": None,
        "holders": None,
    }
    if act == "ingress":
        ours = [each for each in may_read if each["nation"] in here] or may_read
        asked["recipient"] = dice.one(ours)["endpoint"]
        header["to"].append(asked["recipient"])
    elif act != "accept":
        asked["recipient"] = dice.one(may_read)["endpoint"]
        if act == "deliver":
            header["to"].append(asked["recipient"])
    if act == "grant" or (act == "deliver" and dice.chance(40)):
        _given(dice, asked, world)
        if asked["recipient"] in header["to"] and dice.chance(90):
            header["to"] = [each for each in header["to"] if each != asked["recipient"]]
            header["to"] = header["to"] or [author["endpoint"]]
    _released(dice, asked, directory)
    if act in {"accept", "ingress"} and header["verb"] == "cancel" and dice.chance(50):
        asked["holders"] = [*header["to"], dice.one(directory)["endpoint"]]
    if act == "accept" and dice.chance(40):
        asked["rate"] = {
            "now_ms": NOW * 1000 + dice.below(1000),
            "endpoint": dice.one((0, NOW * 1000 - 1, NOW * 1000 + 500)),
            "member": dice.one((0, NOW * 1000 - 1, NOW * 1000 + 500)),
        }
    return asked


def _released(dice: Dice, asked: Json, directory: Sequence[Json]) -> None:
    act, header = asked["act"], asked["header"]
    if act in {"accept", "grant", "ingress"} and dice.chance(85):
        signer = asked["given"]["by"] if asked["given"] else header["endpoint"]
        fit = [each["endpoint"] for each in directory if may_release(each, header, signer)]
        asked["released"] = [dice.one(fit)] if fit else []
    if act == "deliver":
        # Told or not, it is not looked at there.
        some = [dice.one(directory)["endpoint"]]
        asked["released"] = dice.one((None, [], some, [asked["header"]["endpoint"]]))


def _newest(world: Json) -> Json:
    place = len(world["heads"]) - 1
    return {"position": place, "head": world["heads"][place]}


def _header(dice: Dice, agreed: Json, feed: Json, author: Json) -> Json:
    type_ = dice.one(feed["types"])
    verb = _VERB_OF.get(type_) or dice.one(("new", "new", "update"))
    tlp = dice.one(feed.get("tlp", worlds.TLP))
    issued = NOW - dice.one((0, 60, 3000))
    lifetime = 3100 + dice.below(agreed["limits"]["lifetime_s"] - 3100)
    fine = ["must-purge"] if tlp in ("green", "clear") else ["must-purge", "persons"]
    strict = tlp in ("red", "amber+strict")
    return {
        "suite": dice.one(worlds.SUITES),
        "origin": author["member"],
        "endpoint": author["endpoint"],
        "type": type_,
        "schema": dice.one(agreed["schemas"]),
        "verb": verb,
        "status": dice.one(feed.get("statuses", worlds.STATUSES)),
        "feed": feed["name"],
        "to": [],
        "marking": {
            "tlp": tlp,
            "releasable_to": ["PAN", "USA"],
            "handling": dice.some(feed.get("handling", worlds.HANDLING)),
            "originator_control": dice.chance(25),
        },
        "declares": dice.some([*fine, "protected-person"] if strict else fine),
        "precedence": dice.one(worlds.PRECEDENCES),
        "issued": issued,
        "expires": issued + lifetime,
        "retain_until": issued + lifetime + dice.one((0, 1, 86_400)),
        "regime": dice.one([None, *agreed["regimes"]]),
        "refs": [{"rel": _REL_OF[verb]}] if verb in _REL_OF else [],
        "body": {"size": 900 + dice.below(4000)},
        "attachments": [{"size": 1 + dice.below(4000)} for _ in range(dice.below(3))],
    }


def _given(dice: Dice, asked: Json, world: Json) -> None:
    header = asked["header"]
    colleagues = [
        each["endpoint"] for each in world["directory"] if each["member"] == header["origin"]
    ]
    others = [each["endpoint"] for each in world["directory"]]
    by = dice.one((header["endpoint"], dice.one(colleagues), dice.one(others)))
    asked["given"] = by_(dice, asked, by, 20)


# -- what is changed --------------------------------------------------------------------------


@CHANGES.of()
def feed_(dice: Dice, asked: Json, _: Json) -> None:
    asked["header"]["feed"] = dice.one((*worlds.FEEDS, "air"))


@CHANGES.of("accept", "ingress")
def type_(dice: Dice, asked: Json, _: Json) -> None:
    asked["header"]["type"] = dice.one(worlds.TYPES)


@CHANGES.of("accept", "ingress")
def verb(dice: Dice, asked: Json, _: Json) -> None:
    asked["header"]["verb"] = dice.one(("new", "update", "correct", "cancel", "reply"))


@CHANGES.of("accept", "ingress")
def refs(dice: Dice, asked: Json, _: Json) -> None:
    rels = ("supersedes", "corrects", "cancels", "answers")
    asked["header"]["refs"] = [{"rel": dice.one(rels)} for _ in range(dice.below(4))]


@CHANGES.of("accept", "ingress")
def second_target(_: Dice, asked: Json, __: Json) -> None:
    asked["header"]["refs"] = asked["header"]["refs"] * 2


@CHANGES.of("accept", "ingress")
def status(dice: Dice, asked: Json, _: Json) -> None:
    asked["header"]["status"] = dice.one(worlds.STATUSES)


@CHANGES.of()
def tlp(dice: Dice, asked: Json, _: Json) -> None:
    asked["header"]["marking"]["tlp"] = dice.one(worlds.TLP)


@CHANGES.of()
def handling(dice: Dice, asked: Json, _: Json) -> None:
    asked["header"]["marking"]["handling"] = dice.some(worlds.HANDLING)


@CHANGES.of()
def originator_control(dice: Dice, asked: Json, _: Json) -> None:
    asked["header"]["marking"]["originator_control"] = dice.chance(50)


@CHANGES.of()
def releasable(dice: Dice, asked: Json, _: Json) -> None:
    nations = dice.some(("FRA", "PAN", "USA"), 1)
    asked["header"]["marking"]["releasable_to"] = nations


@CHANGES.of("accept", "ingress")
def declares(dice: Dice, asked: Json, _: Json) -> None:
    asked["header"]["declares"] = dice.some(worlds.DECLARATIONS)


@CHANGES.of("accept", "ingress")
def schema(dice: Dice, asked: Json, _: Json) -> None:
    asked["header"]["schema"] = dice.one(("1.0", "1.1", "2.0", "9.9"))


@CHANGES.of("accept", "ingress")
def regime(dice: Dice, asked: Json, _: Json) -> None:
    asked["header"]["regime"] = dice.one((None, *worlds.REGIMES, "unheard-of"))


@CHANGES.of("accept", "ingress")
def lifetime(dice: Dice, asked: Json, world: Json) -> None:
    header, limit = asked["header"], (world["arrangement"] or NOTHING)["limits"]["lifetime_s"]
    header["expires"] = header["issued"] + dice.one((-1, 0, 1, limit, limit + 1))
    header["retain_until"] = header["expires"] + dice.one((-1, 0, 1))


@CHANGES.of()
def retained(dice: Dice, asked: Json, _: Json) -> None:
    asked["header"]["retain_until"] = dice.one(
        (NOW - 1, NOW, NOW + 1, asked["header"]["expires"], asked["header"]["expires"] - 1)
    )


@CHANGES.of("accept")
def expired(dice: Dice, asked: Json, _: Json) -> None:
    header = asked["header"]
    header["expires"] = NOW + dice.one((-1, 0, 1))
    header["issued"] = header["expires"] - 60
    header["retain_until"] = header["expires"] + 60


@CHANGES.of("accept")
def early(dice: Dice, asked: Json, world: Json) -> None:
    header, skew = asked["header"], (world["arrangement"] or NOTHING)["limits"]["skew_s"]
    header["issued"] = NOW + skew + dice.one((-1, 0, 1))
    header["expires"] = header["issued"] + 600
    header["retain_until"] = header["expires"]


@CHANGES.of("accept")
def trust_point(dice: Dice, asked: Json, world: Json) -> None:
    heads = world["heads"]
    position = dice.below(len(heads) + 2)
    head = heads[min(position, len(heads) - 1)] if dice.chance(70) else "head-of-another"
    asked["header"]["trust"] = {"position": position, "head": head}


@CHANGES.of("accept", "ingress")
def body(dice: Dice, asked: Json, _: Json) -> None:
    asked["header"]["body"]["size"] = dice.one((0, 5000, 5001, 524_288, 524_289))


@CHANGES.of("accept", "ingress")
def attachments(dice: Dice, asked: Json, _: Json) -> None:
    most = dice.one(((9000, 12_000), (135_266_304, 2_164_260_864)))
    one, all_ = most
    asked["header"]["attachments"] = [
        {"size": each}
        for each in dice.one(
            (
                (one,),
                (1, one + 1),
                (one, all_ - one),
                (one, 1, all_ - one),
                (one,) * 16,
                (all_ // 16 + 1,) * 16,
            )
        )
    ]


@CHANGES.of()
def author(dice: Dice, asked: Json, world: Json) -> None:
    each = dice.one(world["directory"])
    asked["header"].update(origin=each["member"], endpoint=each["endpoint"])


@CHANGES.of("ingress")
def late(dice: Dice, asked: Json, _: Json) -> None:
    """It expired on its way over the border, and may be past its retention as well."""
    times = (NOW - 600, NOW - dice.below(3), NOW + dice.one((-1, 0, 1)))
    asked["header"].update(zip(("issued", "expires", "retain_until"), times, strict=True))


@CHANGES.of("accept", "grant", "deliver", "ingress")
def stranger(dice: Dice, asked: Json, _: Json) -> None:
    """Some endpoint that is in no directory, in one of the places where one is named."""
    name = dice.one(("pa.senan/nadie", "us.uscg/nobody", "pa.nadie/ops"))
    match asked["act"]:
        case "accept" if dice.chance(50):
            asked["header"].update(origin=name.partition("/")[0], endpoint=name)
        case "accept":
            asked["header"]["to"].append(name)
        case "grant" if dice.chance(50):
            asked["given"]["by"] = name
        case _:
            asked["recipient"] = name


@CHANGES.of("accept")
def recipients(dice: Dice, asked: Json, world: Json) -> None:
    chosen = [dice.one(world["directory"])["endpoint"] for _ in range(1 + dice.below(3))]
    asked["header"]["to"] = chosen


@CHANGES.of("grant", "deliver", "ingress")
def recipient(dice: Dice, asked: Json, world: Json) -> None:
    asked["recipient"] = dice.one(world["directory"])["endpoint"]
    if dice.chance(50):
        asked["header"]["to"].append(asked["recipient"])


@CHANGES.of("grant", "deliver", "ingress")
def given(dice: Dice, asked: Json, world: Json) -> None:
    _given(dice, asked, world)
    if dice.chance(60):
        left = [each for each in asked["header"]["to"] if each != asked["recipient"]]
        asked["header"]["to"] = left or [asked["header"]["endpoint"]]


@CHANGES.of("deliver", "ingress")
def not_given(_: Dice, asked: Json, __: Json) -> None:
    asked["given"] = None


# Of what comes from abroad most is refused before it comes to this: so it is asked more often.
@CHANGES.of("grant", "deliver", "ingress", "ingress", "ingress", "ingress")
def passed_on(dice: Dice, asked: Json, world: Json) -> None:
    """By another member, to a colleague or to anybody."""
    others = [
        each for each in world["directory"] if each["member"] != asked["header"]["origin"]
    ]
    by = dice.one(others)
    mine = [each for each in world["directory"] if each["member"] == by["member"]]
    asked["given"] = by_(dice, asked, by["endpoint"], 50)
    asked["recipient"] = dice.one(mine if dice.chance(50) else world["directory"])["endpoint"]
    left = [each for each in asked["header"]["to"] if each != asked["recipient"]]
    asked["header"]["to"] = left or [asked["header"]["endpoint"]]
    if dice.chance(50):
        asked["header"]["marking"]["originator_control"] = False
        asked["header"]["marking"]["handling"] = dice.some(("h0", "h1"))


@CHANGES.of("ingress")
def here(dice: Dice, asked: Json, _: Json) -> None:
    asked["here"] = dice.one((["pa"], ["us"], ["pa", "us"], []))


@CHANGES.of("ingress")
def suspended_(dice: Dice, asked: Json, world: Json) -> None:
    off = [each["endpoint"] for each in world["directory"] if not is_active(each)]
    asked["recipient"] = dice.one([*off, "pa.senan/nadie"])
    asked["header"]["to"].append(asked["recipient"])


@CHANGES.of("accept", "grant", "deliver")
def suspended(dice: Dice, asked: Json, world: Json) -> None:
    off = [each["endpoint"] for each in world["directory"] if not is_active(each)]
    if not off:
        return
    name = dice.one(off)
    match asked["act"]:
        case "accept" if dice.chance(50):
            asked["header"].update(origin=name.partition("/")[0], endpoint=name)
        case "accept":
            asked["header"]["to"].append(name)
        case "grant" if dice.chance(50):
            asked["given"]["by"] = name
        case _:
            asked["recipient"] = name


@CHANGES.of("accept")
def rate(dice: Dice, asked: Json, world: Json) -> None:
    """At the edge of one of the budgets, or over it."""
    agreed = (world["arrangement"] or {}).get("budgets")
    now_ms = NOW * 1000 + dice.below(1000)
    asked["rate"] = {"now_ms": now_ms, "endpoint": 0, "member": 0}
    if agreed is None:
        agreed = {
            "endpoint": {"burst": 250_000, "every_ms": 2},
            "member": {"burst": 500_000, "every_ms": 1},
            "urgent_endpoint": {"burst": 20_000, "every_ms": 20},
            "urgent_member": {"burst": 40_000, "every_ms": 10},
        }
    for name in dice.some(("endpoint", "member"), 1):
        budget = agreed[dice.one((name, f"urgent_{name}"))]
        room = (budget["burst"] - 1) * budget["every_ms"]
        asked["rate"][name] = now_ms + room + dice.one((-1000, -1, 0, 1, 999, 1000, 1001, 5000))


def main() -> None:
    """Write worlds and cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100_000)
    given_ = parser.parse_args()
    for line in lines(given_.seed, given_.count):
        sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
