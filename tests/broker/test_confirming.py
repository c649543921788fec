"""What still holds is confirmed by who wrote it, once it is here and was not withdrawn."""

from __future__ import annotations

import pytest

from exchange.broker import keys
from exchange.broker.records import Found, Recorded, Rejected
from exchange.errors import Code
from exchange.model import entry as entries
from tests import builders
from tests.books import Book
from tests.builders import DESK, OPS, digest
from tests.confirmed import confirmation
from tests.vectors import confirming
from tests.vectors.case import Case, answer, posted

WORLD = builders.world()


@pytest.mark.parametrize("case", confirming.CONFIRMATIONS, ids=lambda case: case.name)
def test_is_refused(case: Case) -> None:
    made = posted(case, WORLD)
    settled, _ = answer(made, WORLD.later(*made.documents))
    assert isinstance(settled, Rejected), case.name
    assert (settled.refusal.code, settled.refusal.at) == (case.code, case.at)


@pytest.mark.parametrize("case", confirming.ACCEPT, ids=lambda case: case.name)
def test_is_let_in_and_owed_to_the_author_where_a_colleague_says_so(case: Case) -> None:
    made = posted(case, WORLD)
    settled, book = answer(made, WORLD.later(*made.documents))
    assert isinstance(settled, Recorded)
    facts = entries.decode(book.entries[-1]).facts
    assert isinstance(facts, entries.Confirmed)
    expected = [OPS] if made.arrival.caller == DESK else []
    assert [each.endpoint for each in facts.owed] == expected


def test_what_was_ordered_to_be_purged_is_confirmed_no_more() -> None:
    sent, book = WORLD.envelope(), Book()
    book.post(WORLD.arrival(sent))
    book.known[keys.purge(digest(sent.header))] = Found(book.base, book.entries[0])
    (settled,) = book.post(WORLD.arrival(confirmation(WORLD, sent)))
    assert isinstance(settled, Rejected)
    assert settled.refusal.code == Code.PURGED
