"""What crosses and could not be taken in yet, for bytes that lack: it waits, and nothing else.

An attachment for which there is no room here, or that is damaged at home, holds up its own
bulletin and what is about that (a grant of it, say), and nothing that comes after. Each is
asked for again by its number, less and less often, until it comes or its home has it no more.
"""

from __future__ import annotations

from heapq import nsmallest
from typing import TYPE_CHECKING, Final

import msgspec

from exchange.broker import peering
from exchange.errors import Code, Fault
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from exchange.link.pages import Offered

# Asked for again with one page.
MAX_AGAIN: Final = 8
# Protects the memory of our node, and what it looks through with each page: each takes some
# 300 bytes. Beyond it nothing more is taken from there before some of it came.
MAX_WAITING: Final = 100_000
_FIRST_S: Final = 30
_LONGEST_S: Final = 900
# Cut so often without a byte more, it is that attachment and not the link.
_CUTS: Final = 3


class Waiting(msgspec.Struct, frozen=True):
    """Something that is not here yet.

    Args:
        of: the bulletin in the other journal whose bytes lack.
        code: why.
        since: when it was told of first, seconds UTC.
        until: when it is asked for again.
        tries: how often it was.
        is_ordered: the order to purge that bulletin was shown: it may be there no more.
    """

    of: int
    code: str
    since: int
    until: int
    tries: int = 1
    is_ordered: bool = False


def due(waiting: Mapping[int, Waiting], now: int) -> list[int]:
    """Return what is to be asked for again with the next page: what is due longest, first."""
    found = ((each.until, index) for index, each in waiting.items() if each.until <= now)
    return sorted(index for _, index in nsmallest(MAX_AGAIN, found))


class Waits:
    """What waits, while one page is taken in; each is kept under what it crosses before."""

    def __init__(
        self, before: Mapping[int, Waiting], now: int, cuts: dict[int, int] | None = None
    ) -> None:
        """Begin with what waited before; ``cuts`` is how often each was cut, and goes on."""
        self._waiting = dict(before)
        # Which of them wait for the bytes of one bulletin.
        self._for: dict[int, set[int]] = {}
        for index, each in before.items():
            self._for.setdefault(each.of, set()).add(index)
        self._now = now
        self._cuts = {} if cuts is None else cuts
        self._tried: set[int] = set()
        # Of these an order to purge was shown before: that they are gone accuses nobody.
        self.ordered = frozenset(each.of for each in before.values() if each.is_ordered)

    def lacks(self, item: Offered, here: Collection[str]) -> Waiting | None:
        """Return what waits of the bulletin that an item is about; None where nothing does.

        ``here`` are the nations that our node serves.
        """
        of = _about(item, here) if self._waiting else None
        first = None if of is None else min(self._for.get(of, ()), default=None)
        return None if first is None else self._waiting[first]

    def put(self, item: Offered, code: str, of: int) -> None:
        """Have an item wait for the bytes of a bulletin; again, longer than before.

        Raises:
            Fault: too many wait: what comes must wait at home.
        """
        last = self._waiting.get(item.by)
        if last is None and len(self._waiting) >= MAX_WAITING:
            raise Fault(Code.UNAVAILABLE, "/waiting", name=code, limit=MAX_WAITING)
        tries = 1 if last is None else last.tries + (item.by not in self._tried)
        self._tried.add(item.by)
        self._set(
            item.by,
            Waiting(
                of,
                code,
                self._now if last is None else last.since,
                self._now + min(_FIRST_S << min(tries - 1, 16), _LONGEST_S),
                tries,
                last is not None and last.is_ordered,
            ),
        )

    def came(self, item: Offered) -> None:
        """Note that an item is here, or will never be: nothing waits for it any more."""
        gone = self._waiting.pop(item.index, None)
        if gone is not None:
            self._for[gone.of].discard(item.index)
        self._cuts.pop(item.index, None)
        if isinstance(item.facts, entries.Accepted):
            for index in sorted(self._for.get(item.index, ())):
                # What is about it is asked for at once, and told with no reason of its own.
                each = self._waiting[index]
                self._set(index, msgspec.structs.replace(each, of=-1, until=self._now))

    def _set(self, index: int, waiting: Waiting) -> None:
        if (last := self._waiting.get(index)) is not None:
            self._for[last.of].discard(index)
        self._waiting[index] = waiting
        self._for.setdefault(waiting.of, set()).add(index)

    def is_stuck(self, item: Offered) -> bool:
        """Count that an item was cut without a byte more; tell whether that was too often."""
        self._cuts[item.index] = self._cuts.get(item.index, 0) + 1
        return self._cuts[item.index] >= _CUTS

    def kept(self, asked: Sequence[int], items: Iterable[Offered]) -> dict[int, Waiting]:
        """Return what waits after a page: what was ``asked`` for and did not come, longer."""
        told = {each.facts.of for each in items if isinstance(each.facts, entries.PurgeOrdered)}
        for index, each in list(self._waiting.items()):
            if each.of in told:
                # It is asked for once more, to be found gone.
                self._waiting[index] = msgspec.structs.replace(
                    each, is_ordered=True, until=self._now
                )
            elif index in asked and index not in self._tried and each.until <= self._now:
                self._waiting[index] = msgspec.structs.replace(
                    each, tries=each.tries + 1, until=self._now + _LONGEST_S
                )
        return self._waiting


def _about(item: Offered, here: Collection[str]) -> int | None:
    """Return the entry of the other journal without which one can not be settled here.

    A release may come before what it is of, and must, before a grant. So may a correction, to
    whom it is addressed; those who only hold what it corrects are to hold that first.
    """
    match item.facts:
        case entries.Accepted(target=int(of)):
            signed = jws.read(entries.decode(item.raw).object, headers.MAX_HEADER_BYTES)
            to = headers.decode(signed.payload).to
            return None if any(peering.is_here(each, here) for each in to) else of
        case (
            entries.Acknowledged(of=of)
            | entries.Granted(of=of)
            | entries.Noticed(of=of)
            | entries.Confirmed(of=of)
            | entries.Consented(of=of)
            | entries.Requested(of=of)
        ):
            return of
        case _:
            return None
