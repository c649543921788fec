"""Which entries of our journal cross to nobody, as far as they were recorded by this process.

While a node takes in what another one has for it, its own journal grows by that, and by its
bookkeeping. None of it goes back: the other node, which follows, need not have it read again.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from exchange.broker import peering
from exchange.model import entry as entries

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from exchange.broker.records import Record
    from exchange.model.entry import Facts
    from exchange.node.node import Node

# So many stretches are remembered; what is forgotten is read, as it always can be.
_MOST: Final = 4096


class Quiet:
    """Remembers stretches of entries of which none crosses, to whomever."""

    def __init__(self, node: Node) -> None:
        """Hear of each group that this node records from now on."""
        self._node = node
        # Where each begins, and where the next entry is that may cross: in order.
        self._begins: list[int] = []
        self._ends: list[int] = []
        self._here: Collection[str] = ()
        node.writer.follow(self._hear)

    def through(self, index: int) -> int:
        """Return the next entry, from one on, that may cross."""
        place = bisect_right(self._begins, index) - 1
        return max(index, self._ends[place]) if place >= 0 else index

    def _hear(self, records: Sequence[Record]) -> None:
        here = peering.nations_of(self._node.name, self._node.view)
        if here != self._here:
            # Who is at home elsewhere may have been here, and the other way round.
            self._begins, self._ends, self._here = [], [], here
        first = self._node.size - len(records)
        for index, record in enumerate(records, first):
            if _may_cross(record.facts, here):
                continue
            if self._ends and self._ends[-1] == index:
                self._ends[-1] = index + 1
            else:
                self._begins.append(index)
                self._ends.append(index + 1)
        if len(self._begins) > 2 * _MOST:
            del self._begins[:-_MOST], self._ends[:-_MOST]


def _may_cross(facts: Facts, here: Collection[str]) -> bool:
    """Tell whether an entry may cross to anybody (``peering.is_for``)."""
    if isinstance(facts, entries.Trust):
        return True
    if entries.home_of(facts) is not None:
        return False
    if isinstance(facts, entries.Confirmed):
        # Wherever its bulletin is held, though it is owed to nobody there.
        return True
    return any(not peering.is_here(each.endpoint, here) for each in entries.owed_by(facts))
