"""Whom an entry makes the node chase, and whose chase it ends: as settling it says."""

from __future__ import annotations

from typing import Any

from exchange.broker.chasing import NO_TARGET, Chased
from exchange.broker.records import Record
from tests.books import Book
from tests.broker.amending import WORLD, cancelling, correcting, updating
from tests.builders import COAST, DAY, NOW, OPS, WATCH, WATCH_DESK

KEPT, LONGER = NOW + 40 * DAY, NOW + 50 * DAY


def last(book: Book, what: Any) -> Record:
    ledger = book.ledger()
    book.settle(ledger, WORLD.arrival(what))
    (record,) = ledger.records
    book.commit(ledger)
    return record


def test_correction_is_chased_of_every_holder_until_its_target_is_kept_no_more():
    book, sent = Book(), WORLD.closed(to=[WATCH], retain_until=KEPT)
    last(book, sent.envelope)
    last(book, WORLD.grant(sent, WATCH_DESK))
    record = last(
        book, correcting(sent.envelope, to=[COAST], precedence="flash", retain_until=LONGER)
    )
    assert record.chased == Chased(0, KEPT, book.base, (COAST, WATCH, WATCH_DESK))
    record = last(book, cancelling(sent.envelope, to=[WATCH], precedence="routine"))
    assert record.chased == Chased(3, KEPT, book.base, (WATCH, WATCH_DESK))


def test_whoever_posts_it_is_not_chased():
    book, sent = Book(), WORLD.envelope(to=[OPS, WATCH])
    last(book, sent)
    record = last(book, cancelling(sent, to=[WATCH]))
    assert record.chased is not None
    assert record.chased.endpoints == (WATCH,)


def test_what_comes_before_its_target_is_chased_of_its_recipients():
    sent = WORLD.envelope(to=[WATCH])
    record = last(Book(), correcting(sent, to=[COAST], precedence="priority"))
    kept = record.chased
    assert kept is not None
    assert (kept.rank, kept.target, kept.endpoints) == (2, NO_TARGET, (COAST,))


def test_who_learns_of_it_by_the_late_targets_entry_is_chased_by_that_one():
    for early in (cancelling, correcting):
        book, sent = Book(), WORLD.envelope(to=[WATCH, COAST], retain_until=KEPT)
        last(book, early(sent, to=[COAST], precedence="immediate"))
        assert last(book, sent).chased == Chased(1, KEPT, NO_TARGET, (WATCH,))


def test_who_has_one_early_correction_and_not_the_other_is_chased_by_the_late_target():
    book, sent = Book(), WORLD.envelope(to=[WATCH, COAST], retain_until=KEPT)
    last(book, correcting(sent, to=[WATCH, COAST], precedence="flash"))
    last(book, correcting(sent, to=[COAST], precedence="priority"))
    assert last(book, sent).chased == Chased(2, KEPT, NO_TARGET, (WATCH,))
    # Who was owed all of them is chased by each of those alone.
    book, sent = Book(), WORLD.envelope(to=[WATCH, COAST], retain_until=KEPT)
    for _ in range(2):
        last(book, correcting(sent, to=[WATCH, COAST]))
    assert last(book, sent).chased is None
    # What is cancelled besides is not corrected any more.
    book, sent = Book(), WORLD.envelope(to=[WATCH, COAST], retain_until=KEPT)
    last(book, correcting(sent, to=[COAST], precedence="flash"))
    last(book, cancelling(sent, to=[WATCH, COAST], precedence="routine"))
    assert last(book, sent).chased is None


def test_who_is_granted_what_was_corrected_is_chased_by_the_grant():
    book, sent = Book(), WORLD.closed(to=[WATCH], retain_until=KEPT)
    last(book, sent.envelope)
    assert last(book, WORLD.grant(sent, COAST)).chased is None
    last(book, correcting(sent.envelope, precedence="routine"))
    last(book, correcting(sent.envelope, precedence="priority"))
    record = last(book, WORLD.grant(sent, WATCH_DESK))
    assert record.chased == Chased(2, KEPT, book.base, (WATCH_DESK,))


def test_bulletin_and_update_are_not_chased():
    book, sent = Book(), WORLD.envelope()
    assert last(book, sent).chased is None
    record = last(book, updating(sent))
    assert (record.chased, record.over) == (None, ())


def test_cancelling_ends_the_chase_of_what_is_cancelled_and_of_its_corrections():
    book, sent = Book(), WORLD.envelope()
    last(book, sent)
    assert last(book, correcting(sent)).over == ()
    assert last(book, cancelling(sent)).over == (book.base,)


def test_correction_of_what_is_cancelled_is_not_chased():
    book, sent = Book(), WORLD.envelope()
    last(book, sent)
    last(book, cancelling(sent))
    assert last(book, correcting(sent)).chased is None


def test_second_cancellation_of_the_same_is_chased_beside_the_first():
    book, sent = Book(), WORLD.envelope()
    last(book, sent)
    last(book, cancelling(sent))
    record = last(book, cancelling(sent))
    assert record.chased is not None
    assert record.over == ()


def test_correction_withdrawn_before_it_came_is_chased_only_of_who_was_not_told():
    book, sent = Book(), WORLD.envelope(to=[WATCH, COAST], retain_until=KEPT)
    correction = correcting(sent, to=[WATCH], retain_until=LONGER)
    last(book, sent)
    last(book, cancelling(correction, to=[WATCH], precedence="flash"))
    assert last(book, correction).chased == Chased(0, LONGER, NO_TARGET, (COAST,))


def test_bulletin_that_comes_after_its_cancellation_ends_the_chase_of_its_corrections():
    book, sent = Book(), WORLD.envelope()
    last(book, correcting(sent))
    last(book, cancelling(sent))
    assert last(book, sent).over == (book.base,)
