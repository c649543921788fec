"""Cases of what an arrangement bounds: what a feed carries, categories, sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from exchange.errors import Code
from exchange.model.header import Marking
from exchange.model.trust import Category, CategoryValue, Sizes
from tests import builders
from tests.builders import World
from tests.vectors.case import Case, Posted

_H1 = Marking("amber", ["PAN", "USA"], ["h1"], originator_control=False)


def _after(document: Callable[[World], bytes], **changes: Any) -> Callable[[World], Posted]:
    return lambda world: Posted(world.arrival(world.envelope(**changes)), (document(world),))


def _bounded(**bounds: Any) -> Callable[[World], bytes]:
    """An arrangement by which the maritime feed carries no more than this."""

    def document(world: World) -> bytes:
        first, *others = builders.feeds()
        return world.rearranged(feeds=[msgspec.structs.replace(first, **bounds), *others])

    return document


def _category(kind: Any, *holders: str) -> Callable[[World], bytes]:
    """An arrangement with one category, borne by what is TLP:AMBER."""
    value = CategoryValue("amber", ["tlp:amber"], list(holders))
    label: Any = {"es": "EJERCICIO", "en": "EXERCISE"}
    return lambda world: world.rearranged(categories=[Category("need", label, kind, [value])])


def _unnamed(world: World) -> Posted:
    sent = world.envelope()
    ack = world.arrival(world.ack(sent, officer=None))
    return Posted(ack, (world.rearranged(officers=["opened"]),), (world.arrival(sent),))


POLICY = [
    Case(
        "acknowledgement-without-officer",
        "an acknowledgement that names nobody, where the arrangement asks for an officer",
        Code.OFFICER_REQUIRED,
        "/officer",
        _unnamed,
    ),
    Case(
        "status-on-another-feed",
        "an exercise on a feed that carries real events alone",
        Code.STATUS_NOT_ON_FEED,
        "/status",
        _after(_bounded(statuses=["actual"])),
    ),
    Case(
        "tlp-on-another-feed",
        "TLP:AMBER on a feed that carries what is green or clear",
        Code.MARKING_NOT_ON_FEED,
        "/marking/tlp",
        _after(_bounded(tlp=["green", "clear"])),
    ),
    Case(
        "handling-on-another-feed",
        "a handling code on a feed that carries none of them",
        Code.MARKING_NOT_ON_FEED,
        "/marking/handling/0",
        _after(_bounded(handling=[]), marking=_H1),
    ),
    Case(
        "category-not-held",
        "a recipient that lacks a restrictive category, after one that holds it",
        Code.CATEGORY_NOT_HELD,
        "/to/1",
        _after(_category("restrictive", "us.jiatfs")),
    ),
    Case(
        "no-category-held",
        "a recipient that holds none of a permissive category's values",
        Code.NO_CATEGORY_HELD,
        "/to/0",
        _after(_category("permissive", "us.uscg")),
    ),
    Case(
        "larger-than-agreed",
        "a body larger than the arrangement allows",
        Code.OVERSIZED,
        "/body/size",
        _after(lambda w: w.rearranged(sizes=Sizes(100, 100, 100))),
    ),
]
