"""Cases of subscriptions: an endpoint's standing choice of feeds."""

from __future__ import annotations

from typing import Any

from exchange.errors import Code
from exchange.model.trust import Category, CategoryValue
from tests import builders
from tests.builders import AUDIT, COAST, WATCH, World
from tests.vectors import forging
from tests.vectors.case import Case, Posted


def _closed(world: World) -> bytes:
    """An arrangement that keeps what is on a feed to one agency."""
    label: Any = {"es": "EJERCICIO", "en": "EXERCISE"}
    value = CategoryValue("maritime", ["feed:maritime"], ["pa.senan"])
    return world.rearranged(categories=[Category("need", label, "restrictive", [value])])


SUBSCRIPTIONS = [
    Case(
        "subscription-category-not-held",
        "a subscription to a feed of which every bulletin bears a category that it lacks",
        Code.CATEGORY_NOT_HELD,
        "/feeds/0",
        lambda w: Posted(w.arrival(w.subscription()), (_closed(w),)),
    ),
    Case(
        "subscription-beyond-entitlement",
        "a subscription to a feed that the member may not read",
        Code.MAY_NOT_READ,
        "/feeds/1",
        lambda w: w.subscription(COAST, ["maritime", "requests"]),
    ),
    Case(
        "subscription-of-no-reader",
        "a subscription of an endpoint without the reader's role",
        Code.MISSING_ROLE,
        "/endpoint",
        lambda w: w.subscription(AUDIT),
    ),
    Case(
        "subscription-to-no-feed",
        "a subscription to a feed that there is not",
        Code.UNKNOWN_FEED,
        "/feeds/0",
        lambda w: w.subscription(COAST, ["air"]),
    ),
    Case(
        "subscription-unsorted",
        "a subscription to a feed twice",
        Code.WRONG_VALUE,
        "/feeds",
        lambda w: w.subscription(WATCH, ["maritime", "maritime"]),
    ),
    Case(
        "subscription-of-another",
        "another endpoint's subscription",
        Code.NOT_YOURS,
        "/endpoint",
        lambda w: w.arrival(w.subscription(COAST), caller=WATCH),
    ),
    Case(
        "subscription-version-gap",
        "a subscription that skips a version",
        Code.STALE_VERSION,
        "/version",
        lambda w: w.subscription(version=2),
    ),
    Case(
        "subscription-forged",
        "a subscription signed by another endpoint",
        Code.UNKNOWN_KEY,
        "/signatures/0",
        lambda w: w.arrival(
            forging.signed(
                w,
                forging.payload_of(w.subscription()),
                ((COAST, 0), (COAST, 1)),
                typ=builders.objects.SUBSCRIPTION_TYP,
            )
        ),
    ),
]
