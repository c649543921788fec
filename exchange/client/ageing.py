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
        self._read: set[str] = set()
        self._found: set[str] = set()
        self._said: dict[str, list[tuple[str, objects.Acknowledgement]]] = {}

    def of(self, named: str) -> list[tuple[str, objects.Acknowledgement]]:
        """Return what was said from here of a bulletin, by its header digest, with its id."""
        self.digests()
        return sorted(self._said.get(named, []), key=lambda each: each[0])

    def digests(self) -> set[str]:
        """Return the header digests of what somebody saw to."""
        for identity in {*self._acks.waiting(), *self._acks.sent()} - self._read:
            self._read.add(identity)
            envelope = self._acks.envelope(identity)
            if envelope is None:
                continue
            signed = jws.read(envelope.header, objects.MAX_OBJECT_BYTES)
            ack = objects.decode_acknowledgement(signed.payload)
            self._said.setdefault(ack.of.header_digest, []).append((identity, ack))
            if is_seen_to(ack.outcome):
                self._found.add(ack.of.header_digest)
        return self._found


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
