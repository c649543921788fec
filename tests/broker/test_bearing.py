"""What bears on a bulletin: held to it, told with it, owed to whoever holds it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exchange.broker.records import Recorded, Rejected
from exchange.errors import Code
from exchange.model.header import Reference
from tests import builders
from tests.books import Book
from tests.broker.amending import DESK_US, WORLD, cancelling, correcting, facts, owed, updating
from tests.builders import COAST, DESK, OPS, WATCH, Envelope, new_id


def linked(book: Book, index: int) -> list[int]:
    """What an entry says came before it and bears on it."""
    told = facts(book, index)
    links = (told.cancelled_by, told.corrected_by, told.superseded_by)
    return [each for each in links if each not in {None, msgspec.UNSET}]


@pytest.mark.parametrize("in_one_group", [True, False])
@pytest.mark.parametrize("amend", [cancelling, correcting, updating])
def test_amendment_is_owed_to_every_holder_of_its_target(
    amend: Any, in_one_group: bool
) -> None:
    book, target = Book(), WORLD.envelope(to=[WATCH, COAST])
    amendment = amend(target, to=[DESK_US])
    arrivals = [WORLD.arrival(target), WORLD.arrival(amendment)]
    if in_one_group:
        book.post(*arrivals)
    else:
        for arrival in arrivals:
            book.post(arrival)
    assert owed(book, book.base + 1) == {DESK_US: 0, WATCH: 1, COAST: 1}
    assert facts(book, book.base + 1).target == book.base
    assert facts(book, book.base).cancelled_by is None


def test_correction_of_a_correction_is_owed_to_the_holders_of_both() -> None:
    book, target = Book(), WORLD.envelope(to=[WATCH])
    first = correcting(target, to=[COAST])
    second = correcting(first, to=[DESK_US])
    book.post(*(WORLD.arrival(each) for each in (target, first, second)))
    assert owed(book, book.base + 2).keys() == {DESK_US, COAST, WATCH}


@pytest.mark.parametrize("in_one_group", [True, False])
def test_cancellation_before_its_target_is_told_with_the_target(in_one_group: bool) -> None:
    book, target = Book(), WORLD.envelope()
    arrivals = [WORLD.arrival(cancelling(target)), WORLD.arrival(target)]
    if in_one_group:
        book.post(*arrivals)
    else:
        for arrival in arrivals:
            book.post(arrival)
    assert facts(book, book.base).target is None
    assert facts(book, book.base + 1).cancelled_by == book.base


@pytest.mark.parametrize("in_one_group", [True, False])
@pytest.mark.parametrize(
    ("amend", "link"), [(correcting, "corrected_by"), (updating, "superseded_by")]
)
def test_what_bears_on_a_bulletin_before_it_is_told_with_it(
    amend: Any, link: str, in_one_group: bool
) -> None:
    book, target = Book(), WORLD.envelope()
    # The target names the first; of corrections the others as well, each says something else.
    arrivals = [WORLD.arrival(each) for each in (amend(target), amend(target), target)]
    if in_one_group:
        book.post(*arrivals)
    else:
        for arrival in arrivals:
            book.post(arrival)
    told = facts(book, book.base + 2)
    links = {"corrected_by": msgspec.UNSET, "superseded_by": msgspec.UNSET, link: book.base}
    assert {name: getattr(told, name) for name in links} == links
    also = [book.base + 1] if link == "corrected_by" else msgspec.UNSET
    assert (told.cancelled_by, told.corrected_also_by) == (None, also)


MISNAMED = [("cancels", cancelling), ("corrects", correcting), ("supersedes", updating)]


def misnaming(relation: Any, amend: Any, target: Envelope) -> Envelope:
    """What names a target by its digest and another id: refused where the target is here."""
    refs = [Reference(relation, new_id(), builders.digest(target.header))]
    made: Envelope = amend(target, refs=refs)
    return made


@pytest.mark.parametrize(("relation", "amend"), MISNAMED)
def test_what_comes_early_under_another_id_is_not_linked(relation: Any, amend: Any) -> None:
    book, target = Book(), WORLD.envelope()
    wrong, right = misnaming(relation, amend, target), amend(target)
    book.post(*(WORLD.arrival(each) for each in (wrong, target)))
    assert not linked(book, book.base + 1)
    # Nor does it keep what names the target rightly from being found.
    book = Book()
    book.post(*(WORLD.arrival(each) for each in (wrong, right, target)))
    assert linked(book, book.base + 2) == [book.base + 1]


@pytest.mark.parametrize(("type_", "is_linked"), [("szr", False), ("voi", True)])
def test_early_update_is_linked_where_it_is_of_its_target_s_type(
    type_: str, is_linked: bool
) -> None:
    book, target = Book(), WORLD.envelope(type="voi")
    for each in (updating(target, type=type_), target):
        assert isinstance(book.post(WORLD.arrival(each))[0], Recorded)
    told = facts(book, book.base + 1).superseded_by
    assert told == (book.base if is_linked else msgspec.UNSET)


@pytest.mark.parametrize("target_first", [True, False])
def test_cancellation_under_another_id_stops_no_update_and_no_grant(target_first: bool) -> None:
    book, closed = Book(), WORLD.closed()
    target = closed.envelope
    wrong = misnaming("cancels", cancelling, target)
    for each in (target, wrong) if target_first else (wrong, target):
        book.post(WORLD.arrival(each))
    for each in (updating(target), WORLD.grant(closed)):
        assert isinstance(book.post(WORLD.arrival(each))[0], Recorded)
    # One that names it rightly comes after it, and counts.
    book.post(WORLD.arrival(cancelling(target)))
    for each in (updating(target), WORLD.grant(closed, DESK)):
        settled = book.post(WORLD.arrival(each))[0]
        assert isinstance(settled, Rejected)
        assert settled.refusal.code == Code.TARGET_CANCELLED


@pytest.mark.parametrize("amend", [correcting, updating])
def test_what_comes_after_its_target_links_back_alone(amend: Any) -> None:
    book, target = Book(), WORLD.envelope()
    book.post(WORLD.arrival(target), WORLD.arrival(amend(target)))
    assert not linked(book, book.base)
    assert facts(book, book.base + 1).target == book.base


@pytest.mark.parametrize("target_first", [True, False])
def test_update_of_what_was_cancelled_is_refused(target_first: bool) -> None:
    book, target = Book(), WORLD.envelope()
    before = [target, cancelling(target)] if target_first else [cancelling(target)]
    for each in before:
        book.post(WORLD.arrival(each))
    settled = book.post(WORLD.arrival(updating(target)))[0]
    assert isinstance(settled, Rejected)
    assert settled.refusal.code == Code.TARGET_CANCELLED
    assert settled.refusal.facts["found"] == book.base + len(before) - 1


def test_update_of_an_update_is_owed_to_the_holders_of_all() -> None:
    book, first = Book(), WORLD.envelope(to=[WATCH])
    second = updating(first, to=[COAST])
    third = updating(second, to=[DESK_US])
    book.post(*(WORLD.arrival(each) for each in (first, second, third)))
    assert owed(book, book.base + 2).keys() == {DESK_US, COAST, WATCH}


def test_target_cancelled_twice_names_the_first() -> None:
    book, target = Book(), WORLD.envelope()
    first, second = cancelling(target), cancelling(target)
    book.post(*(WORLD.arrival(each) for each in (first, second, target)))
    assert facts(book, book.base + 2).cancelled_by == book.base
    later = cancelling(target)
    book.post(WORLD.arrival(later))
    assert facts(book, book.base + 3).target == book.base + 2


def test_target_cancelled_again_in_another_group_takes_no_key_twice() -> None:
    """A store refuses a whole group over one key that is taken."""
    book, target = Book(), WORLD.envelope()
    for each in (target, cancelling(target), cancelling(target)):
        book.post(WORLD.arrival(each))
    assert [facts(book, book.base + n).target for n in (1, 2)] == [book.base, book.base]


def test_another_member_s_cancellation_that_comes_first_cancels_nothing() -> None:
    book, target = Book(), WORLD.envelope()
    book.post(WORLD.arrival(cancelling(target, endpoint=COAST, to=[WATCH])))
    book.post(WORLD.arrival(target))
    assert facts(book, book.base + 1).cancelled_by is None


def test_another_endpoint_of_the_same_member_cancels() -> None:
    book, target = Book(), WORLD.envelope(endpoint=WATCH, to=[OPS])
    cancellation = cancelling(target, endpoint=DESK_US, to=[OPS])
    book.post(WORLD.arrival(target), WORLD.arrival(cancellation))
    assert facts(book, book.base + 1).target == book.base


def test_correction_of_what_is_not_here_is_taken() -> None:
    book = Book()
    assert book.post(WORLD.arrival(correcting(WORLD.envelope())))[0].index == book.base
    assert facts(book, book.base).target is None
