"""What presses: FLASH and IMMEDIATE, told ahead of any backlog until somebody has seen to it.

The order of the journal does not change by it. For each inbox there is a short table of what
presses; a row goes when its endpoint acknowledges, when the bulletin is cancelled, or when it
expires. So the table never holds more than what was posted within one lifetime of a header.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exchange.broker.bearing import Bearing
    from exchange.model.header import Header, Precedence

# In the order in which they are told.
RANKS: Final[tuple[Precedence, ...]] = ("flash", "immediate")


class Pressing(NamedTuple):
    """An entry that presses: its rank, until when (seconds UTC), and in which inboxes."""

    rank: int
    until: int
    endpoints: tuple[str, ...]


def of(header: Header, endpoints: Iterable[str]) -> Pressing | None:
    """Return how a bulletin presses in these inboxes, if it does."""
    if header.precedence not in RANKS:
        return None
    return Pressing(RANKS.index(header.precedence), header.expires, tuple(endpoints))


def dropped_by(header: Header, held: Bearing) -> tuple[tuple[str, int], ...]:
    """Return (endpoint, index) of what a bulletin cancels: nobody need hurry for it now."""
    if header.verb != "cancel" or held.target is None:
        return ()
    # On whom it was granted to, it presses as the grant.
    return (*((endpoint, held.target) for endpoint in held.holders), *held.granted)
