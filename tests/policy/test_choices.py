"""Who may be sent what is on a feed may choose it; a choice that stands entitles to nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exchange.broker.records import Recorded, Rejected
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model.trust import Category, CategoryValue
from exchange.policy import choices, rules
from tests import builders
from tests.books import Book
from tests.builders import AUDIT, COAST, MINSA, NOW, OPS, WATCH, feeds, suspended

WORLD = builders.world()
LABEL: Any = {"es": "EJERCICIO", "en": "EXERCISE"}
replace = msgspec.structs.replace


def said(endpoint: str, chosen: list[str], *documents: bytes) -> tuple[Code, str] | None:
    try:
        choices.decide(endpoint, chosen, WORLD.later(*documents))
    except Refusal as refusal:
        return refusal.code, refusal.at
    return None


def closed(kind: Any, *holders: str, mark: str = "feed:maritime") -> bytes:
    value = CategoryValue("v", [mark, "tlp:red"], list(holders))
    return WORLD.rearranged(categories=[Category("need", LABEL, kind, [value])])


def roleless(endpoint: str) -> bytes:
    return WORLD.amended(endpoint, lambda each: replace(each, roles=["poster"]))


@pytest.mark.parametrize("endpoint", builders.ENDPOINTS)
@pytest.mark.parametrize("feed", feeds(), ids=lambda feed: feed.name)
def test_one_may_choose_what_one_may_be_sent_and_nothing_else(endpoint, feed):
    header = WORLD.header(feed=feed.name)
    try:
        rules.may_receive(header, WORLD.view, NOW, endpoint, "")
    except Refusal:
        found = said(endpoint, [feed.name])
        assert found in {(Code.MAY_NOT_READ, "/feeds/0"), (Code.MISSING_ROLE, "/endpoint")}
    else:
        assert said(endpoint, [feed.name]) is None


def test_each_feed_is_judged_and_the_first_that_is_not_permitted_is_named():
    assert said(COAST, ["maritime", "requests"]) == (Code.MAY_NOT_READ, "/feeds/1")
    assert said(COAST, ["air", "requests"]) == (Code.UNKNOWN_FEED, "/feeds/0")
    assert said(WATCH, ["maritime", "requests"]) is None


def test_nothing_may_be_chosen_by_everybody_who_is_active():
    assert said(AUDIT, []) is None
    assert said(AUDIT, ["maritime"]) == (Code.MISSING_ROLE, "/endpoint")
    off = WORLD.amended(COAST, suspended)
    assert said(COAST, [], off) == (Code.ENDPOINT_SUSPENDED, "/endpoint")
    assert said("pa.senan/nadie", []) == (Code.UNKNOWN_ENDPOINT, "/endpoint")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (closed("restrictive", WATCH), None),
        (closed("restrictive", "us.jiatfs"), None),
        (closed("restrictive", COAST), (Code.CATEGORY_NOT_HELD, "/feeds/0")),
        # What another feed bears says nothing of this one, nor does what one marking bears.
        (closed("restrictive", COAST, mark="feed:requests"), None),
        (closed("restrictive", COAST, mark="status:test"), None),
        # One may hold another value of it that a bulletin bears as well.
        (closed("permissive", COAST), None),
    ],
)
def test_restrictive_category_of_a_feed_is_asked_of_who_chooses_it(document, expected):
    assert said(WATCH, ["maritime"], document) == expected


def test_subscribers_are_those_who_are_entitled_now():
    chosen = [WORLD.subscription(), WORLD.subscription(COAST)]
    narrower = [
        replace(feed, read=["us.uscg"]) if feed.name == "maritime" else feed for feed in feeds()
    ]
    for documents, expected in (
        ([], [WATCH, COAST]),
        ([WORLD.amended(COAST, suspended)], [WATCH]),
        ([WORLD.rearranged(feeds=narrower)], [COAST]),
        ([closed("restrictive", COAST)], [COAST]),
        ([roleless(COAST)], [WATCH]),
        ([WORLD.subscription(COAST, [], version=2)], [WATCH]),
    ):
        assert choices.subscribers("maritime", WORLD.later(*chosen, *documents)) == expected
    assert choices.subscribers("requests", WORLD.later(*chosen)) == []
    with pytest.raises(Refusal) as refused:
        choices.subscribers("air", WORLD.view)
    assert refused.value.code is Code.UNKNOWN_FEED


def test_of_what_was_chosen_that_is_left_which_may_still_be():
    before = ["maritime", "requests"]
    assert choices.entitled(WATCH, before, WORLD.view) == before
    view = WORLD.later(closed("restrictive", COAST))
    assert choices.entitled(WATCH, before, view) == ["requests"]
    assert choices.entitled(COAST, [*before, "air"], view) == ["maritime"]


@pytest.mark.parametrize(
    ("endpoint", "chosen", "document", "code", "at"),
    [
        (COAST, ["maritime", "requests"], None, Code.MAY_NOT_READ, "/feeds/1"),
        (COAST, ["air"], None, Code.UNKNOWN_FEED, "/feeds/0"),
        (AUDIT, ["maritime"], None, Code.MISSING_ROLE, "/endpoint"),
        (WATCH, ["maritime"], closed("restrictive", COAST), Code.CATEGORY_NOT_HELD, "/feeds/0"),
    ],
)
def test_choice_beyond_entitlement_is_refused_and_journaled(
    endpoint, chosen, document, code, at
):
    book = Book()
    if document is not None:
        book.post(WORLD.arrival(document, MINSA))
    before = book.view
    (settled,) = book.post(WORLD.arrival(WORLD.subscription(endpoint, chosen), endpoint))
    assert isinstance(settled, Rejected)
    facts = entries.decode(book.entries[settled.index - book.base]).facts
    assert isinstance(facts, entries.Refused)
    assert (facts.code, facts.at, facts.caller) == (code.value, at, endpoint)
    # Nothing is in force of it, and its version is still free.
    assert book.view is before
    (again,) = book.post(WORLD.arrival(WORLD.subscription(endpoint, []), endpoint))
    assert isinstance(again, Recorded)


def test_choice_that_stands_beyond_entitlement_is_sealed_to_by_nobody():
    """Folded by who trusts no node: such a one let it in against the rules."""
    view = WORLD.later(WORLD.subscription(COAST, ["maritime", "requests"]))
    assert view.subscriptions[COAST].feeds == ["maritime", "requests"]
    assert choices.subscribers("requests", view) == []
    assert choices.subscribers("maritime", view) == [COAST]
    assert OPS not in choices.subscribers("maritime", view)
