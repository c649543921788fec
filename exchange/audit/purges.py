"""Purges, held to their orders: nothing goes without one, and each is carried out in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from exchange.errors import Code, Refusal
from exchange.model import entry as entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from exchange.model.entry import Facts

# So long after its order something may still be there (ms): a day, as the second place may be
# away, or the node.
IN_TIME_MS: Final = 86_400_000


class _Gone(NamedTuple):
    """What orders were of that a node says it carried out, and in which entry it says so."""

    at: int
    digests: frozenset[str]


class Carried(msgspec.Struct, frozen=True):
    """What is carried on: of each order what it is of, and what was said of it."""

    ordered: dict[int, int]
    orders: int
    done: int
    open: dict[int, int]
    doomed: dict[int, list[str]]
    gone: list[tuple[int, list[str]]]


class Purges:
    """Follows a journal.

    Attributes:
        orders: so many were given.
        ordered: entries of bulletins and grants that were ordered to be purged, with the order.
        done: so many orders were carried out, as the node says.
    """

    def __init__(self) -> None:
        """Begin before entry 0."""
        self.ordered: dict[int, int] = {}
        self.orders = self.done = 0
        self._open: dict[int, int] = {}
        self._doomed: dict[int, frozenset[str]] = {}
        self._gone: list[_Gone] = []

    def carried(self) -> Carried:
        """Return what is carried on."""
        doomed = {order: sorted(names) for order, names in self._doomed.items()}
        gone = [(each.at, sorted(each.digests)) for each in self._gone]
        return Carried(self.ordered, self.orders, self.done, self._open, doomed, gone)

    def carry_on(self, carried: Carried) -> None:
        """Go on with it."""
        self.ordered, self._open = dict(carried.ordered), dict(carried.open)
        self.orders, self.done = carried.orders, carried.done
        self._doomed = {order: frozenset(names) for order, names in carried.doomed.items()}
        self._gone = [_Gone(at, frozenset(names)) for at, names in carried.gone]

    def add(self, index: int, facts: Facts, doomed: frozenset[str] = frozenset()) -> None:
        """Tell of the next entry, which replayed; of an order, also what it is of."""
        match facts:
            case entries.PurgeOrdered():
                self.orders += 1
                self._open[index] = facts.taken_ms
                self._doomed[index] = doomed
                self.ordered.update(dict.fromkeys((facts.of, *facts.grants), index))
            case entries.Purged():
                self.done += len(facts.orders)
                for each in facts.orders:
                    self._open.pop(each, None)
                # Not what it lists: who lists nothing would have carried out everything.
                gone = [self._doomed.pop(each, frozenset()) for each in facts.orders]
                self._gone.append(_Gone(index, frozenset().union(*gone)))
            case _:
                pass

    def check_time(self, now_ms: int) -> None:
        """Hold orders to their time.

        Raises:
            Refusal: ``purge-overdue``, at the first that is not done.
        """
        for index, taken_ms in self._open.items():
            if now_ms - taken_ms > IN_TIME_MS:
                raise Refusal(Code.PURGE_OVERDUE, "/orders", found=index)

    def check_gone(
        self, has: Callable[[str], bool], named: Callable[[Iterable[str]], Mapping[str, int]]
    ) -> None:
        """Hold what was ordered, and carried out as a node says, to what is there.

        Args:
            has: tells whether bytes of a digest are there.
            named: returns which of these digests an entry names that is not ordered to be
                purged, and the first that does.

        Raises:
            Refusal: ``not-purged``: it is there all the same.
        """
        here = [(each.at, name) for each in self._gone for name in each.digests if has(name)]
        if not here:
            return
        again = named({name for _, name in here})
        for index, name in here:
            if name not in again:
                raise Refusal(Code.NOT_PURGED, "/digests", digest=name, found=index)
