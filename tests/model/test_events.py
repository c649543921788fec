"""Events on the wire: what is written is read, in whatever pieces it comes."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.model import events, wire

STREAM = (
    events.in_place(0, 7, events.shared(7, b'{"kind":"x"}\n{"payload":"y"}'))
    + b": a comment\n\n"
    + events.told("beat", events.Beat(1))
    + events.in_place(1, 9, events.shared(9, "ñ".encode()))
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_events_are_the_same_in_whatever_pieces_they_come(cuts):
    at = [0, *sorted(cuts), len(STREAM)]
    reader = events.Reader()
    found = [event for begin, end in pairwise(at) for event in reader.read(STREAM[begin:end])]
    assert [event.name for event in found] == ["entry", "beat", "entry"]
    item = msgspec.json.decode(found[0].data, type=wire.InboxItem)
    assert item == wire.InboxItem(0, 7, '{"kind":"x"}\n{"payload":"y"}')
    assert msgspec.json.decode(found[1].data, type=events.Beat).total == 1


def test_only_an_event_in_its_place_moves_the_cursor():
    assert events.in_place(0, 7, events.shared(7, b"x")).startswith(b"id: 7\n")
    assert b"id:" not in events.told("beat", events.Beat(1))


def test_event_without_an_end_is_not_waited_for():
    with pytest.raises(ValueError, match="too long"):
        events.Reader().read(b"x" * (events.MAX_EVENT_BYTES + 1))


@given(st.binary(max_size=200))
def test_any_bytes_are_events_or_an_error(noise):
    try:
        found = events.Reader().read(noise + b"\n\n")
    except ValueError:
        return
    assert all(isinstance(event, events.Event) for event in found)
