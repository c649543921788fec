"""Who may read a feed may ask for what was sealed before; nothing is granted by itself."""

from __future__ import annotations

import pytest

from exchange.broker.records import Recorded, Rejected
from exchange.model import entry as entries
from tests import builders
from tests.books import Book
from tests.builders import DESK, OPS, WATCH, WATCH_DESK, digest
from tests.requested import answer, request
from tests.vectors import requesting
from tests.vectors.case import Case, posted
from tests.vectors.case import answer as answered

WORLD = builders.world()
OWED = {
    "request": [OPS],
    "request-of-one": [WATCH],
    "answer-declined": [WATCH],
    "answer-granted": [WATCH, OPS],
}


@pytest.mark.parametrize("case", requesting.REQUESTS, ids=lambda case: case.name)
def test_is_refused(case: Case) -> None:
    made = posted(case, WORLD)
    settled, book = answered(made, WORLD.later(*made.documents))
    assert isinstance(settled, Rejected), case.name
    assert (settled.refusal.code, settled.refusal.at) == (case.code, case.at)
    # And journaled, by its digest.
    facts = entries.decode(book.entries[-1]).facts
    assert isinstance(facts, entries.Refused)
    assert facts.digest == digest(made.arrival.raw)


@pytest.mark.parametrize("case", requesting.ACCEPT, ids=lambda case: case.name)
def test_is_let_in_and_owed_to_whom_it_concerns(case: Case) -> None:
    made = posted(case, WORLD)
    settled, book = answered(made, WORLD.later(*made.documents))
    assert isinstance(settled, Recorded)
    facts = entries.decode(book.entries[-1]).facts
    assert isinstance(facts, entries.Requested)
    assert [each.endpoint for each in facts.owed] == OWED[case.name]


def test_request_and_answer_grant_nothing():
    book, closed = Book(), WORLD.closed(to=[WATCH])
    raw = request(WORLD, WATCH_DESK)
    said = answer(WORLD, raw, step="granted", reason=None)
    for each in (closed.envelope, raw, said):
        (settled,) = book.post(WORLD.arrival(each))
        assert isinstance(settled, Recorded)
    # The asker is still no holder: its acknowledgement is of nothing that it is owed.
    (settled,) = book.post(WORLD.arrival(WORLD.ack(closed.envelope, WATCH_DESK)))
    assert isinstance(settled, Rejected)
    (settled,) = book.post(WORLD.arrival(WORLD.grant(closed, WATCH_DESK)))
    assert isinstance(settled, Recorded)


def test_node_says_the_same_of_what_is_there_and_what_is_not():
    """Nobody learns by asking whether there is such a bulletin."""
    found = []
    for sent in (True, False):
        book, closed = Book(), WORLD.closed(to=[WATCH])
        identity = builders.decoded(closed.envelope.header).id
        if sent:
            book.post(WORLD.arrival(closed.envelope))
        raw = request(WORLD, DESK, WATCH, bulletin=identity)
        (settled,) = book.post(WORLD.arrival(raw))
        facts = entries.decode(book.entries[-1]).facts
        found.append((type(settled), facts.of, [each.endpoint for each in facts.owed]))
    assert found[0] == found[1]
