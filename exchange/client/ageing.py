"""What in an inbox waits too long for somebody, as far as is known here who saw to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.client.reading import Delivered
from exchange.model import objects
from exchange.policy.ageing import is_seen_to, overdue_s
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from exchange.client.outbox import Outbox
    from exchange.client.reading import Item
    from exchange.model.trust import Arrangement


def seen_to(acks: Outbox) -> set[str]:
    """Return the header digests of what was acknowledged from here, as somebody sees to it."""
    return SeenTo(acks).digests()


class SeenTo:
    """What was acknowledged from here, for whoever asks again: each is read once."""

    def __init__(self, acks: Outbox) -> None:
        """Read an outbox of acknowledgements, that of other commands on this machine, too."""
        self._acks = acks
        self._read: dict[str, objects.Acknowledgement | None] = {}

    def of(self, named: str) -> list[tuple[str, objects.Acknowledgement]]:
        """Return what was said from here of a bulletin, by its header digest, with its id."""
        said = sorted(self._said(), key=lambda each: each[0])
        return [(name, ack) for name, ack in said if ack.of.header_digest == named]

    def digests(self) -> set[str]:
        """Return the header digests of what somebody saw to."""
        return {ack.of.header_digest for _, ack in self._said() if is_seen_to(ack.outcome)}

    def _said(self) -> list[tuple[str, objects.Acknowledgement]]:
        """Return what waits or was taken; what the node refused since was not said."""
        there = {*self._acks.waiting(), *self._acks.sent()}
        for gone in self._read.keys() - there:
            del self._read[gone]
        for identity in there - self._read.keys():
            envelope = self._acks.envelope(identity)
            self._read[identity] = None if envelope is None else _ack(envelope.header)
        return [(identity, ack) for identity, ack in self._read.items() if ack is not None]


def _ack(raw: bytes) -> objects.Acknowledgement:
    return objects.decode_acknowledgement(jws.read(raw, objects.MAX_OBJECT_BYTES).payload)


def overdue(
    items: Iterable[Item],
    seen: Collection[str],
    cancelled: Collection[int],
    arrangement: Arrangement,
    now: int,
) -> dict[int, int]:
    """Return which bulletins of an inbox are overdue, and for how long (seconds), by index.

    Args:
        items: of the inbox.
        seen: digests of what was seen to, from ``seen_to``.
        cancelled: indexes of what is no more.
        arrangement: in force.
        now: seconds UTC.
    """
    found = {}
    for item in items:
        if not isinstance(item, Delivered) or item.digest in seen or item.index in cancelled:
            continue
        late_s = overdue_s(arrangement, item.header.precedence, item.taken_ms, now)
        if late_s is not None:
            found[item.index] = late_s
    return found
