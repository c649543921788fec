"""What an entry says was shown to an auditor could have been shown, and is spelled one way."""

from __future__ import annotations

from functools import reduce

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.broker.audited import KEPT_MS, could_be, is_bookkeeping, must_hold
from exchange.errors import Refusal
from exchange.journal.tiles import TILE_WIDTH
from exchange.model import entry as entries
from exchange.model.shown import MAX_REQUESTS, MOST_SHOWN, Shown, joined
from exchange.model.wire import MAX_PAGE
from tests.builders import AUDIT, NOW_MS

READ = Shown("entries", 2, 0, 3, 5)
FACTS = entries.AuditRead(
    salt="A" * 22,
    taken_ms=NOW_MS,
    view=3,
    auditor=AUDIT,
    since_ms=NOW_MS,
    until_ms=NOW_MS,
    reads=[READ, Shown("proofs", 1, 3, 3, 1)],
)


def test_what_could_be_shown_holds_and_is_bookkeeping():
    must_hold(FACTS, 4)
    assert is_bookkeeping(entries.encode(FACTS))
    common = {"salt": "A" * 22, "taken_ms": NOW_MS, "view": 3}
    refused = entries.Refused(caller="", digest="A", size=0, code="", at="", **common)
    assert not is_bookkeeping(entries.encode(refused))


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"since_ms": NOW_MS + 1}, "/since_ms"),
        ({"since_ms": NOW_MS - KEPT_MS - 1}, "/since_ms"),
        ({"until_ms": NOW_MS + 1}, "/until_ms"),
        ({"reads": []}, "/reads"),
        ({"reads": [Shown("proofs", 1, 0, 0, 1), READ]}, "/reads"),
        ({"reads": [READ, READ]}, "/reads"),
        ({"reads": [Shown("entries", 1, 0, 4, 5)]}, "/reads/0"),
        ({"reads": [Shown("entries", 1, 3, 2, 5)]}, "/reads/0"),
        ({"reads": [READ, Shown("proofs", 2, 0, 2, 1)]}, "/reads/1"),
        ({"reads": [Shown("entries", 0, 0, 2, 1)]}, "/reads/0"),
        ({"reads": [Shown("entries", 1, 0, 2, 4)]}, "/reads/0"),
        ({"reads": [Shown("tiles", 10**6 + 1, 0, 2, 10**6 + 1)]}, "/reads/0"),
    ],
)
def test_what_could_not_be_shown_is_named(changes, at):
    with pytest.raises(Refusal) as caught:
        must_hold(msgspec.structs.replace(FACTS, **changes), 4)
    assert (caught.value.code, caught.value.at) == ("bad-proof", at)


def test_page_and_tile_are_no_larger_than_what_can_be_shown_at_a_time():
    assert max(MAX_PAGE, TILE_WIDTH) == MOST_SHOWN
    assert could_be(Shown("entries", 1, 0, 299, 256), 300)
    assert not could_be(Shown("entries", 1, 0, 299, 257), 300)


READS = st.builds(
    lambda requests, first, more, count: Shown(
        "entries", requests, first, first + more, max(requests, count)
    ),
    st.integers(1, MAX_REQUESTS),
    st.integers(0, 600),
    st.integers(0, 399),
    st.integers(1, MAX_REQUESTS * MOST_SHOWN),
).filter(lambda read: could_be(read, 1000))


@given(st.lists(READS, min_size=1, max_size=9))
def test_what_could_be_shown_can_be_said_in_all(reads):
    facts = msgspec.structs.replace(FACTS, reads=[reduce(joined, reads)])
    must_hold(facts, 1000)
    assert entries.decode(entries.encode(facts)).facts == facts
