"""Where the arrangement asks for an officer, people name one; machines attest as before."""

from __future__ import annotations

import pytest

from exchange.broker.records import Recorded, Rejected
from exchange.errors import Code
from exchange.model import entry as entries
from tests import builders
from tests.books import Book
from tests.builders import MINSA

WORLD = builders.world()


def acknowledged(outcome, officer, *, is_agreed=True):
    book, sent = Book(), WORLD.envelope()
    book.post(WORLD.arrival(sent))
    if is_agreed:
        agreed = WORLD.rearranged(officers=["opened", "actioned"])
        book.post(WORLD.arrival(agreed, MINSA))
    ack = WORLD.ack(sent, outcome=outcome, officer=officer)
    (settled,) = book.post(WORLD.arrival(ack))
    return settled, entries.decode(book.entries[-1]).facts


@pytest.mark.parametrize("outcome", ["opened", "actioned"])
def test_acknowledgement_that_names_nobody_is_refused_and_journaled(outcome):
    settled, facts = acknowledged(outcome, None)
    assert isinstance(settled, Rejected)
    assert settled.refusal.code is Code.OFFICER_REQUIRED
    assert (settled.refusal.at, settled.refusal.facts["name"]) == ("/officer", outcome)
    assert isinstance(facts, entries.Refused)


@pytest.mark.parametrize(
    ("outcome", "officer", "is_agreed"),
    [
        ("opened", "watch-1", True),
        # Not asked for: by the arrangement, or of a machine.
        ("opened", None, False),
        *(
            (outcome, None, True)
            for outcome in ("delivered", "unreadable", "purged", "partial")
        ),
    ],
)
def test_others_are_taken(outcome, officer, is_agreed):
    settled, facts = acknowledged(outcome, officer, is_agreed=is_agreed)
    assert isinstance(settled, Recorded)
    assert isinstance(facts, entries.Acknowledged)
