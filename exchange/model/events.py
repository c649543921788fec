"""What a stream of events is made of: server-sent events, as the HTML standard has them.

An event in its place carries its journal index as ``id``, so that is what a listener comes back
with (``Last-Event-ID``). Whatever else is told has no id: no cursor ever moves by it.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from exchange.model.identity import Count

MEDIA_TYPE = "text/event-stream"
LAST_HEADER = "Last-Event-ID"
# After so long without a word a listener is told how it stands (seconds). Protects who listens
# from a link that died and does not say so; most relays forget a silent one after a minute.
BEAT_S = 15
# No event is nearly that long: an entry is under 64 KiB, and JSON at most doubles it.
MAX_EVENT_BYTES = 512 * 1024


class Beat(msgspec.Struct, frozen=True):
    """Everything there is was told, and this is how much the inbox holds."""

    total: Count


class Event(NamedTuple):
    """One event as it came: its name, and its data as JSON."""

    name: str
    data: bytes


def shared(index: int, entry: bytes) -> bytes:
    """Return what is the same of an entry's event for all to whom it is owed."""
    return b',"index":%d,"entry":%b}\n\n' % (index, msgspec.json.encode(entry.decode()))


def in_place(position: int, index: int, rest: bytes) -> bytes:
    """Return an entry's event in its place in one inbox; ``rest`` is from ``shared``."""
    return b'id: %d\nevent: entry\ndata: {"position":%d%b' % (index, position, rest)


def ahead(precedence: str, position: int, rest: bytes) -> bytes:
    """Return an entry's event ahead of its place, where it comes again."""
    return b'event: ahead\ndata: {"precedence":"%b","position":%d%b' % (
        precedence.encode(),
        position,
        rest,
    )


def told(name: Literal["beat", "problem"], value: msgspec.Struct) -> bytes:
    """Return an event that is no entry's."""
    # JSON of ours holds no line feed.
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(value))


class Reader:
    """Takes a stream apart as it comes, in any pieces."""

    def __init__(self) -> None:
        """Begin."""
        self._come = bytearray()

    def read(self, piece: bytes) -> list[Event]:
        """Return the events that are whole with this piece.

        Raises:
            ValueError: one is longer than any event may be, or a line is no field.
        """
        self._come += piece
        *whole, rest = self._come.split(b"\n\n")
        if max(map(len, (*whole, rest))) > MAX_EVENT_BYTES:
            message = "an event is too long"
            raise ValueError(message)
        self._come = bytearray(rest)
        return [event for block in whole if (event := _event(bytes(block))) is not None]


def _event(block: bytes) -> Event | None:
    fields: dict[bytes, bytes] = {}
    for line in block.split(b"\n"):
        name, colon, value = line.partition(b":")
        # A line that begins with a colon is a comment.
        if name and not colon:
            message = "not a field"
            raise ValueError(message)
        fields[name] = value.removeprefix(b" ")
    if b"data" not in fields:
        return None
    return Event(fields.get(b"event", b"message").decode("ascii", "replace"), fields[b"data"])
