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
    found = set()
    for identity in (*acks.waiting(), *acks.sent()):
        envelope = acks.envelope(identity)
        if envelope is None:
            continue
        signed = jws.read(envelope.header, objects.MAX_OBJECT_BYTES)
        ack = objects.decode_acknowledgement(signed.payload)
        if is_seen_to(ack.outcome):
            found.add(ack.of.header_digest)
    return found


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
