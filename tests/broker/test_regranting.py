"""A recipient lost its keys: it may be granted again what it holds, under a key of its own."""

from __future__ import annotations

import os
from typing import Any

import msgspec
import pytest

from exchange.broker.records import Recorded
from exchange.errors import Code
from exchange.model.header import Blob
from exchange.model.identity import Jwk, digest
from exchange.model.trust import EndpointKey
from exchange.seal.close import Envelope, wrap
from exchange.seal.open import SoftwareOpener
from exchange.seal.software import new_opening
from tests.books import Book
from tests.broker.test_granting import cancel, facts, journal, owed, posted, refusal
from tests.builders import DAY, NOW, WATCH, WATCH_DESK, Closed, refers, world

# When the watch's old keys are over, and what is granted is granted.
OVER, LATER = NOW + 600, NOW + 900
FRESH = [SoftwareOpener(new_opening("xb1-h", os.urandom)).key for _ in range(3)]


def rekeyed(endpoint: str, *keys: tuple[Jwk, int], over: int = OVER) -> bytes:
    """The endpoint's old opening keys end; these are listed, each until its time."""

    def change(each: Any) -> Any:
        kept = [
            msgspec.structs.replace(key, until=over) if key.use == "enc" else key
            for key in each.keys
        ]
        more = [EndpointKey("enc", jwk, NOW - DAY, until) for jwk, until in keys]
        return msgspec.structs.replace(each, keys=[*kept, *more])

    return world().amended(endpoint, change)


def regrant(closed: Closed, jwk: Jwk, to: str = WATCH) -> Envelope:
    """A grant wrapped to another key than the one of the founding."""
    wrapped = msgspec.json.encode(wrap(closed.key, closed.header, jwk))
    blob = Blob(digest(wrapped), len(wrapped))
    return world().grant(closed, to, wrap=blob)._replace(body=wrapped)


def book_of(closed: Closed, *keys: tuple[Jwk, int], over: int = OVER) -> Book:
    end = NOW + 90 * DAY
    listed = keys or tuple((jwk, end) for jwk in FRESH)
    return journal(closed.envelope, documents=(rekeyed(WATCH, *listed, over=over),))


@pytest.fixture
def closed() -> Closed:
    return world().closed()


def test_recipient_whose_keys_are_over_is_granted_it_again(closed: Closed) -> None:
    book = book_of(closed)
    settled = posted(book, regrant(closed, FRESH[0]), at=LATER)
    assert isinstance(settled, Recorded), settled
    assert (facts(book).kid, owed(book)) == (FRESH[0].kid, [WATCH])


def test_recipient_with_a_valid_key_holds_it_already(closed: Closed) -> None:
    book = book_of(closed)
    settled = posted(book, regrant(closed, FRESH[0]), at=OVER - 1)
    assert refusal(settled) == (Code.ALREADY_HELD, "/to")


def test_each_key_is_granted_it_once(closed: Closed) -> None:
    book = book_of(closed)
    posted(book, regrant(closed, FRESH[0]), at=LATER)
    again = posted(book, regrant(closed, FRESH[0]), at=LATER)
    assert refusal(again) == (Code.ALREADY_HELD, "/to")


def test_key_that_was_granted_it_and_is_valid_stands_in_the_way_of_another(
    closed: Closed,
) -> None:
    book = book_of(closed)
    posted(book, regrant(closed, FRESH[0]), at=LATER)
    again = posted(book, regrant(closed, FRESH[1]), at=LATER)
    assert refusal(again) == (Code.ALREADY_HELD, "/to")


def test_keys_may_be_lost_more_than_once(closed: Closed) -> None:
    end = NOW + 90 * DAY
    book = book_of(closed, (FRESH[0], LATER + 1), (FRESH[1], LATER + 3), (FRESH[2], end))
    for key, at in ((0, LATER), (1, LATER + 1), (2, LATER + 3)):
        settled = posted(book, regrant(closed, FRESH[key]), at=at)
        assert isinstance(settled, Recorded), (key, settled)
        again = posted(book, regrant(closed, FRESH[key]), at=at)
        assert refusal(again) == (Code.ALREADY_HELD, "/to"), key


def test_who_was_granted_it_as_a_late_recipient_may_be_granted_it_again(
    closed: Closed,
) -> None:
    end = NOW + 90 * DAY
    late = rekeyed(WATCH_DESK, (FRESH[0], end))
    book = journal(closed.envelope, documents=(late,))
    posted(book, world().grant(closed))
    again = posted(book, regrant(closed, FRESH[0], WATCH_DESK), at=OVER - 1)
    assert refusal(again) == (Code.ALREADY_HELD, "/to")
    settled = posted(book, regrant(closed, FRESH[0], WATCH_DESK), at=LATER)
    assert isinstance(settled, Recorded), settled


def test_who_holds_it_twice_is_told_once_of_its_cancellation(closed: Closed) -> None:
    book = book_of(closed)
    posted(book, regrant(closed, FRESH[0]), at=LATER)
    posted(book, cancel(closed.envelope, to=[WATCH_DESK]), at=LATER)
    assert owed(book).count(WATCH) == 1


def test_cancelled_bulletin_is_not_granted_again_either(closed: Closed) -> None:
    book = book_of(closed)
    posted(book, cancel(closed.envelope))
    settled = posted(book, regrant(closed, FRESH[0]), at=LATER)
    assert refusal(settled)[0] is Code.TARGET_CANCELLED


def test_who_sees_to_a_flash_bulletin_is_not_pressed_nor_chased_twice() -> None:
    closed = world().closed(precedence="flash")
    correction = world().envelope(
        type="cor", verb="correct", refs=refers("corrects", closed.envelope)
    )
    book = book_of(closed)
    posted(book, correction)
    ledger = book.ledger()
    for to, jwk, is_pressed in (
        (WATCH, FRESH[0], False),
        (WATCH_DESK, world().key(WATCH_DESK), True),
    ):
        arrival = world().arrival(regrant(closed, jwk, to), None, LATER)
        assert isinstance(book.settle(ledger, arrival), Recorded)
        record = ledger.records[-1]
        assert bool(record.pressing) is is_pressed
        assert (record.chased is not None) is is_pressed
