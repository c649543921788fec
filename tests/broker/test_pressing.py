"""What presses, and until when: as settling an arrival says of it."""

from __future__ import annotations

import pytest

from exchange.broker.pressing import Pressing
from tests.books import Book
from tests.builders import COAST, NOW, WATCH, WATCH_DESK, refers, world

LATER = NOW + 600


def last(book, what, caller=None):
    ledger = book.ledger()
    book.settle(ledger, world().arrival(what, caller))
    (record,) = ledger.records
    book.commit(ledger)
    return record


@pytest.mark.parametrize(("precedence", "rank"), [("flash", 0), ("immediate", 1)])
def test_flash_and_immediate_press_on_all_whom_they_are_owed_to(precedence, rank):
    sent = world().envelope(precedence=precedence, to=[WATCH, COAST], expires=LATER)
    record = last(Book(), sent)
    assert record.pressing == Pressing(rank, LATER, (WATCH, COAST))


@pytest.mark.parametrize("precedence", ["priority", "routine"])
def test_the_others_wait_their_turn(precedence):
    assert last(Book(), world().envelope(precedence=precedence)).pressing is None


@pytest.mark.parametrize("outcome", ["opened", "actioned", "unreadable", "purged"])
def test_whoever_acknowledges_is_pressed_no_more(outcome):
    book, sent = Book(), world().envelope(precedence="flash", to=[WATCH, COAST])
    last(book, sent)
    record = last(book, world().ack(sent, WATCH, outcome=outcome))
    assert record.seen_to == ((WATCH, book.base),)


def test_that_a_machine_has_it_is_not_that_somebody_saw_to_it():
    book, sent = Book(), world().envelope(precedence="flash", to=[WATCH])
    last(book, sent)
    assert last(book, world().ack(sent, WATCH, outcome="delivered")).seen_to == ()


def test_what_is_cancelled_presses_nobody():
    book, sent = Book(), world().envelope(precedence="flash", to=[WATCH, COAST])
    last(book, sent)
    changes = {"type": "can", "verb": "cancel", "refs": refers("cancels", sent)}
    record = last(book, world().envelope(to=[WATCH], precedence="flash", **changes))
    assert record.seen_to == ((WATCH, book.base), (COAST, book.base))
    # The cancellation itself does, and on every holder.
    assert record.pressing.endpoints == (WATCH, COAST)


def test_what_is_cancelled_does_not_press_whom_it_was_granted_to():
    book = Book()
    closed = world().closed(precedence="flash", to=[WATCH], expires=LATER)
    last(book, closed.envelope)
    last(book, world().grant(closed, WATCH_DESK))
    changes = {"type": "can", "verb": "cancel", "refs": refers("cancels", closed.envelope)}
    record = last(book, world().envelope(to=[WATCH], precedence="flash", **changes))
    assert {(WATCH, book.base), (WATCH_DESK, book.base + 1)} <= set(record.seen_to)


def test_correction_leaves_its_target_pressing():
    book, sent = Book(), world().envelope(precedence="flash", to=[WATCH])
    last(book, sent)
    changes = {"type": "cor", "verb": "correct", "refs": refers("corrects", sent)}
    assert last(book, world().envelope(to=[WATCH], **changes)).seen_to == ()


def test_what_was_cancelled_before_it_came_presses_nobody():
    book, sent = Book(), world().envelope(precedence="flash", to=[WATCH])
    changes = {"type": "can", "verb": "cancel", "refs": refers("cancels", sent)}
    last(book, world().envelope(to=[WATCH], **changes))
    assert last(book, sent).pressing is None


def test_grant_presses_on_its_recipient_until_that_one_acknowledges():
    book = Book()
    closed = world().closed(precedence="flash", to=[WATCH], expires=LATER)
    last(book, closed.envelope)
    record = last(book, world().grant(closed, WATCH_DESK))
    assert record.pressing == Pressing(0, LATER, (WATCH_DESK,))
    record = last(book, world().ack(closed.envelope, WATCH_DESK))
    assert (WATCH_DESK, book.base + 1) in record.seen_to
