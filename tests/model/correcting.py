"""Corrections of the examples, with values of every other place: for tests to judge."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from itertools import count as counting
from typing import Any, NamedTuple

from exchange.model.bulletin.shape import steps
from tests.model.bulletins import NAMES, plain, put
from tests.model.test_bulletin_schemas import places

OTHER = "0192f3a0-0000-7000-8000-0000000000fe"
# What a careless or a hostile hand writes; 5 and 0 are cells that may be shown, 3 is none.
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 3, 5, -1, 1.5, 3.0, 1e300, 10**30),
    *("", " ", "x", "A\nB", "\u200b", "x" * 201, "A" * 43, "2026-02-30T00:00:00Z", "XXX"),
    *([], {}, [[]], [None], ["A\nB"], [1.0], {"n": 3}, {"lang": "es", "text": "A"}),
    {"lang": "es", "text": "A", "translations": None},
)
# Written null, never left out.
NULLABLE = frozenset({"observed", "due", "regime", "grading", "remarks"})


class Told(NamedTuple):
    """A correction of one place of an example, and that example with the value there."""

    name: str
    pointer: str
    correction: dict[str, Any]
    direct: dict[str, Any]


def correcting(name, *changed, declares=("persons", "protected-person")):
    """A correction of an example, with these changes: pointer, before and after."""
    target = plain(name)
    values = plain("cor-1") | {"id": OTHER, "declares": list(declares)}
    values["content"]["target"] = {name: target[name] for name in ("id", "origin", "type")}
    values["content"]["changes"] = [
        dict(zip(("pointer", "before", "after"), each, strict=True)) for each in changed
    ]
    return values


class Luck:
    """Draws, the same for the same seed on every machine."""

    def __init__(self, seed: str) -> None:
        self._bytes = (sha256(f"{seed} {each}".encode()).digest() for each in counting())

    def choice(self, among: Sequence[Any]) -> Any:
        return among[int.from_bytes(next(self._bytes), "big") % len(among)]

    def once_in(self, often: int) -> bool:
        return bool(self.choice(range(often)) == 0)


@cache
def _values() -> tuple[Any, ...]:
    return tuple(value for name in NAMES for _, value in places(plain(name)))


def told(name: str, count: int, seed: int) -> Iterator[Told]:
    """Yield corrections of an example: a place gets another's value, or its own one changed."""
    luck = Luck(f"{name} {seed}")
    found = [(at, value) for at, value in places(plain(name)) if "/translations" not in at]
    for _ in range(count):
        pointer, before = luck.choice(found)
        after = copy.deepcopy(luck.choice(ODD if luck.once_in(2) else _values()))
        if isinstance(before, dict | list) and before and not luck.once_in(3):
            after = _changed(before, after, luck)
        if json.dumps(after) == json.dumps(before):
            continue
        correction = correcting(name, (pointer, before, after))
        gone = after is None and pointer[1:] not in NULLABLE
        there = ... if gone and isinstance(_holder(name, pointer), dict) else after
        yield Told(name, pointer, correction, put(plain(name), pointer, copy.deepcopy(there)))


def _holder(name: str, pointer: str) -> Any:
    here: Any = plain(name)
    for step in steps(pointer)[:-1]:
        here = here[int(step)] if isinstance(here, list) else here[step]
    return here


def _changed(value: Any, part: Any, luck: Luck) -> Any:
    """Return a value with one part inside it changed, taken out or added."""
    other = copy.deepcopy(value)
    inside = [at for at, _ in places(other)]
    at = luck.choice(inside)
    if luck.once_in(5):
        holder = at.rpartition("/")[0]
        here = other
        for step in steps(holder):
            here = here[int(step)] if isinstance(here, list) else here[step]
        if isinstance(here, dict):
            here["n" if luck.once_in(2) else "face"] = part
        else:
            here.append(part)
        return other
    return put(other, at, ... if luck.once_in(5) else part)
