"""Whether an endpoint may choose feeds: judged when its choice comes, and when it is used.

The part of the table in ``docs/policy.md`` on choices. An entitlement can end while a choice
stands: who is sealed to is asked anew each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from exchange.errors import Code, Refusal
from exchange.policy.book import book

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.model.view import Standing, View
    from exchange.policy.book import Book

    ChoiceRule = Callable[["Choice"], None]
    FeedRule = Callable[["Choice", str, str], None]


class Choice(NamedTuple):
    """One question: who chooses which feeds, and under which arrangement."""

    standing: Standing
    feeds: Sequence[str]
    book: Book


def decide(endpoint: str, feeds: Sequence[str], view: View) -> None:
    """Decide on an endpoint's choice of feeds.

    Args:
        endpoint: who chooses; verified.
        feeds: those that it chooses, in place of all before.
        view: the trust documents in force here.

    Raises:
        Refusal: by the first rule that does not permit it.
    """
    agreed = book(view)
    choice = Choice(view.standing(endpoint), feeds, agreed)
    for rule in ON_CHOICE:
        rule(choice)
    for place, feed in enumerate(feeds):
        for each in ON_FEED:
            each(choice, feed, f"/feeds/{place}")


def subscribers(feed: str, view: View) -> list[str]:
    """Return the endpoints that chose a feed and are entitled to it now, sorted.

    Raises:
        Refusal: ``unknown-feed``; ``trust-invalid`` before there is an arrangement.
    """
    book(view).feed(feed, "/feed")
    chosen = (name for name, each in view.subscriptions.items() if feed in each.feeds)
    return sorted(name for name in chosen if is_entitled(name, feed, view))


def is_entitled(endpoint: str, feed: str, view: View) -> bool:
    """Tell whether an endpoint may choose a feed, for who lists them."""
    try:
        decide(endpoint, [feed], view)
    except Refusal:
        return False
    return True


def entitled(endpoint: str, feeds: Sequence[str], view: View) -> list[str]:
    """Return those of some feeds that an endpoint may choose, in their order."""
    return [feed for feed in feeds if is_entitled(endpoint, feed, view)]


def _role(choice: Choice) -> None:
    # To choose nothing any more is open to who reads no more.
    if choice.feeds and "reader" not in choice.standing.endpoint.roles:
        raise Refusal(Code.MISSING_ROLE, "/endpoint", name="reader")


def _feed(choice: Choice, feed: str, at: str) -> None:
    choice.book.feed(feed, at)


def _read(choice: Choice, feed: str, at: str) -> None:
    if choice.standing.member.member not in choice.book.feeds[feed].read:
        raise Refusal(Code.MAY_NOT_READ, at, name=feed)


def _restrictive(choice: Choice, feed: str, at: str) -> None:
    """What every bulletin of a feed bears, each of its readers must hold."""
    mine = (choice.standing.endpoint.id, choice.standing.member.member)
    for category in choice.book.on_feed(feed):
        for value, holders in category.values:
            if holders.isdisjoint(mine):
                named = f"{category.name}/{value}"
                raise Refusal(Code.CATEGORY_NOT_HELD, at, name=feed, expected=named)


ON_CHOICE: Final[tuple[ChoiceRule, ...]] = (_role,)
ON_FEED: Final[tuple[FeedRule, ...]] = (_feed, _read, _restrictive)
