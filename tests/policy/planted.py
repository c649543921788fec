"""Faults to plant in the rules, each for as long as its context lasts.

An oracle that agrees with any of them was not asked enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

import msgspec

from exchange.errors import Refusal
from exchange.model.header import WRAP_BYTES
from exchange.model.identity import member_of
from exchange.policy import book, choices, limits, releasing, rules

Fault = Callable[[], AbstractContextManager[None]]
FAULTS: dict[str, Fault] = {}


def fault(plant: Callable[[], Iterator[None]]) -> Callable[[], AbstractContextManager[None]]:
    made = contextmanager(plant)
    FAULTS[plant.__name__.replace("_", "-")] = made
    return made


@contextmanager
def instead(table: Any, rule: Callable[..., None], *others: Any) -> Iterator[None]:
    """Put other rules in the place of one, for whatever it is asked."""
    changed = {
        act: tuple(new for each in rows for new in (others if each is rule else (each,)))
        for act, rows in table.items()
    }
    with patch.dict(table, changed):
        yield


def _holds(to: Any, holders: frozenset[str]) -> bool:
    return to.name in holders or to.standing.member.member in holders


@fault
def suspended_recipients() -> Iterator[None]:
    """A recipient that is suspended may have it."""

    def known(endpoint: str, view: Any, at: str) -> Any:
        found = view.endpoints.get(endpoint)
        return found if found is not None else whole(endpoint, view, at)

    whole = rules.known_recipient
    with patch.object(rules, "known_recipient", known):
        yield


@fault
def releasable_to_authors_nation() -> Iterator[None]:
    """Releasability is asked of the author's nation, not of the recipient's."""

    def wrong(asked: Any, to: Any) -> None:
        nation = {"pa": "PAN", "us": "USA"}[asked.header.origin[:2]]
        if nation not in asked.header.marking.releasable_to:
            whole(asked, to)

    whole = rules._releasable
    with instead(rules.ON_RECIPIENT, whole, wrong):
        yield


@fault
def first_recipient_only() -> Iterator[None]:
    """Nobody but the first in ``to`` is judged."""

    def wrong(asked: Any, name: str, at: str) -> None:
        if asked.act != "accept" or at == "/to/0":
            whole(asked, name, at)

    whole = rules._judge
    with patch.object(rules, "_judge", wrong):
        yield


@fault
def restrictive_as_permissive() -> Iterator[None]:
    """One value of a restrictive category is taken to be enough."""

    def wrong(asked: Any, to: Any) -> None:
        for each in asked.borne:
            if not any(_holds(to, holders) for _, holders in each.values):
                whole(asked, to)

    whole = rules._restrictive
    with instead(rules.ON_RECIPIENT, whole, wrong):
        yield


@fault
def one_permissive_category_for_all() -> Iterator[None]:
    """A value of one permissive category opens the others as well."""

    def wrong(asked: Any, to: Any) -> None:
        values = (each.values for each in asked.borne if each.is_permissive)
        if not any(_holds(to, holders) for some in values for _, holders in some):
            whole(asked, to)

    whole = rules._permissive
    with instead(rules.ON_RECIPIENT, whole, wrong):
        yield


@fault
def consent_forgotten_by_colleagues() -> Iterator[None]:
    """Originator control ends at a colleague of who holds it."""

    def wrong(asked: Any, to: Any) -> None:
        given = asked.given
        if given is None or member_of(given.by) != member_of(to.name):
            whole(asked, to)

    whole = rules._onward
    with instead(rules.ON_RECIPIENT, whole, wrong):
        yield


def _consenting(wrong: Callable[[Any, int], tuple[Any, int]]) -> Iterator[None]:
    """The originator's word, and when it counts, are taken for others."""

    def must(consent: Any, when: int, *place: str) -> None:
        whole(*wrong(consent, when), *place)

    whole = rules.must_consent
    with patch.object(rules, "must_consent", must):
        yield


@fault
def consent_never_withdrawn() -> Iterator[None]:
    """What was consented to once is consented to."""
    yield from _consenting(
        lambda consent, when: (
            rules.Consent(when + 1) if consent.until is None else consent,
            when,
        )
    )


@fault
def consent_a_second_longer() -> Iterator[None]:
    """What is given at the very second at which consent ends is still given by it."""
    yield from _consenting(lambda consent, when: (consent, when - 1))


@fault
def consent_of_anybody_for_ever() -> Iterator[None]:
    """That there was a word is enough, whatever it said."""
    with patch.object(rules, "must_consent", lambda *_: None):
        yield


@fault
def consent_judged_where_none_is_asked_for() -> Iterator[None]:
    """What the marking lets go freely is held by a consent that is over."""

    def wrong(asked: Any, to: Any) -> None:
        given = asked.given
        if given is not None and given.consent and to.name not in asked.header.to:
            rules.must_consent(given.consent, given.at, to.at, to.name)
        whole(asked, to)

    whole = rules._onward
    with instead(rules.ON_RECIPIENT, whole, wrong):
        yield


@fault
def expired_a_second_late() -> Iterator[None]:
    """What expires at this very second is still taken."""

    def wrong(asked: Any) -> None:
        header = asked.header
        if header.expires == asked.now:
            header = msgspec.structs.replace(header, expires=header.expires + 1)
        whole(asked._replace(header=header))

    whole = rules._times
    with instead(rules.ON_BULLETIN, whole, wrong):
        yield


@fault
def flash_in_one_budget() -> Iterator[None]:
    """FLASH and cancellations go by the same budgets as the rest."""
    with patch.object(limits, "is_urgent", lambda *_: False):
        yield


@fault
def poster_by_member_alone() -> Iterator[None]:
    """Any endpoint of a member that may post may."""

    def wrong(asked: Any) -> None:
        if asked.header.origin not in asked.book.feeds[asked.header.feed].post:
            whole(asked)

    whole = rules._post
    with instead(rules.ON_BULLETIN, whole, wrong):
        yield


@fault
def kind_before_handling() -> Iterator[None]:
    """Two rules stand in another order: something is refused for another reason."""
    with (
        instead(rules.ON_BULLETIN, rules._kind),
        instead(rules.ON_BULLETIN, rules._handling, rules._kind, rules._handling),
    ):
        yield


@fault
def marks_of_no_declaration() -> Iterator[None]:
    """What a header declares bears no category."""

    def wrong(self: Any, header: Any) -> Any:
        return whole(self, msgspec.structs.replace(header, declares=[]))

    whole = book.Book.borne
    with patch.object(book.Book, "borne", wrong):
        yield


@fault
def choice_judged_by_its_first_feed() -> Iterator[None]:
    """Who is entitled to the first feed that it chooses is taken to be so to all."""

    def wrong(endpoint: str, feeds: Any, view: Any) -> None:
        whole(endpoint, feeds[:1], view)

    whole = choices.decide
    with patch.object(choices, "decide", wrong):
        yield


@fault
def released_by_its_author() -> Iterator[None]:
    """Who wrote it may release it, with the role."""

    def wrong(asked: Any) -> None:
        header = msgspec.structs.replace(asked.header, endpoint="pa.snm/other")
        whole(asked._replace(header=header))

    whole = releasing.of_bulletin
    with instead(rules.AT_LAST, whole, wrong):
        yield


@fault
def feed_s_category_forgotten_in_choices() -> Iterator[None]:
    """Whoever a feed's own category keeps from all that is on it may choose it."""
    rest = tuple(each for each in choices.ON_FEED if each is not choices._restrictive)
    with patch.object(choices, "ON_FEED", rest):
        yield


@fault
def released_once_for_all() -> Iterator[None]:
    """Whoever released it then may be suspended by now, or have the role no more."""

    def wrong(asked: Any) -> None:
        try:
            whole(asked)
        except Refusal:
            home(asked)

    whole, home = releasing.of_bulletin, releasing.from_abroad
    with instead(rules.AT_LAST, whole, wrong):
        yield


@fault
def cancellations_carry_files_without_a_release() -> Iterator[None]:
    """What cancels goes out whatever it carries."""

    def wrong(self: Any, header: Any, holders: Any) -> Any:
        return whole(self, msgspec.structs.replace(header, attachments=[]), holders)

    whole = book.Book.needs_release
    with patch.object(book.Book, "needs_release", wrong):
        yield


@fault
def cancellations_wait_for_a_release() -> Iterator[None]:
    """What cancels must be released as the rest."""

    def wrong(self: Any, header: Any, holders: Any) -> Any:
        return whole(self, msgspec.structs.replace(header, verb="new"), holders)

    whole = book.Book.needs_release
    with patch.object(book.Book, "needs_release", wrong):
        yield


@fault
def cancellations_as_long_as_they_like() -> Iterator[None]:
    """What cancels goes out without a release whatever it says."""
    with patch.object(book, "PLAIN_BODY_BYTES", 1 << 20):
        yield


@fault
def cancellations_to_anybody() -> Iterator[None]:
    """What cancels goes out without a release to whom its author likes."""

    def wrong(self: Any, header: Any, _: Any) -> Any:
        return whole(self, header, header.to)

    whole = book.Book.needs_release
    with patch.object(book.Book, "needs_release", wrong):
        yield


@fault
def cancellations_of_what_is_not_here() -> Iterator[None]:
    """What cancels goes out without a release if nobody can say who holds its target."""

    def wrong(self: Any, header: Any, holders: Any) -> Any:
        return whole(self, header, header.to if holders is None else holders)

    whole = book.Book.needs_release
    with patch.object(book.Book, "needs_release", wrong):
        yield


@fault
def cancellations_have_room_for_the_longest_keys() -> Iterator[None]:
    """What cancels may be longer than the wrapped keys of its suite account for."""
    with patch.dict(WRAP_BYTES, dict.fromkeys(WRAP_BYTES, 2560)):
        yield


@fault
def grants_look_at_no_release() -> Iterator[None]:
    """Whoever had one reader released gives it to others."""
    with instead(rules.AT_LAST, releasing.of_grant):
        yield


def _audience(wrong: Callable[[Any, Any, Any], tuple[Any, Any]]) -> Iterator[None]:
    """To whom it is new is judged of another giving."""

    def is_new(header: Any, given: Any, recipient: Any, view: Any) -> bool:
        if given is None:
            return False
        return whole(header, *wrong(header, given, recipient), view)

    whole = releasing.is_new_audience
    with patch.object(releasing, "is_new_audience", is_new):
        yield


@fault
def grants_to_holders_wait_for_a_release() -> Iterator[None]:
    """Who lost a key must be released for once more."""
    yield from _audience(lambda _, given, to: (given._replace(holds=False), to))


@fault
def passing_on_waits_for_a_release() -> Iterator[None]:
    """What another member passes on needs a release of the originator's."""
    yield from _audience(
        lambda header, given, to: (given._replace(by=f"{header.origin}/x"), to)
    )


@fault
def granters_release_their_own_grants() -> Iterator[None]:
    """Who signs the grant may release it, if another wrote the bulletin."""

    def wrong(asked: Any) -> None:
        by = asked.released
        if by is not None and asked.given is not None and asked.given.by in by:
            asked = asked._replace(released=None) if may(asked) else asked
        whole(asked)

    def may(asked: Any) -> bool:
        return asked.given.by != asked.header.endpoint and releasing._may(
            asked.given.by, asked.header, asked.view
        )

    whole = releasing.of_grant
    with instead(rules.AT_LAST, whole, wrong):
        yield


@fault
def releases_asked_of_a_delivery() -> Iterator[None]:
    """What was released when it was taken in must be so anew when it is delivered."""
    with patch.dict(rules.AT_LAST, {"deliver": (releasing.of_bulletin,)}):
        yield
