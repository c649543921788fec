"""What crosses and could not be taken in yet, for bytes that lack: it waits, and nothing else.

An attachment for which there is no room here, or that is damaged at home, holds up its own
bulletin and what is about that (a grant of it, say), and nothing that comes after. Each is
asked for again by its number, less and less often, until it comes or its home has it no more.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, Final

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
# Protects the memory of our node: each takes some 500 bytes. Beyond it nothing more is taken
# from there before some of it came.
MAX_WAITING: Final = 100_000
_FIRST_S: Final = 30
_LONGEST_S: Final = 900
# So many turns may be of no use any more.
_SPARE: Final = 1000
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


class Queue:
    """All that waits over a link, found by what it waits for and by when it is due.

    It is gone through as a whole once, where it is begun; a page changes of it what it changes.
    """

    def __init__(self, waiting: dict[int, Waiting]) -> None:
        """Begin with what waits, by what it crosses before; that is changed by ``change``."""
        self.waiting = waiting
        # Which of them wait for the bytes of one bulletin.
        self._for: dict[int, set[int]] = {}
        # By when they are due. Of what was changed since, an older place stays until its turn.
        self._turns: list[tuple[int, int]] = []
        for index, each in waiting.items():
            self._for.setdefault(each.of, set()).add(index)
        self._order()

    def _order(self) -> None:
        self._turns = [(each.until, index) for index, each in self.waiting.items()]
        heapify(self._turns)

    def of(self, bulletin: int) -> Collection[int]:
        """Return which of them wait for the bytes of a bulletin."""
        return self._for.get(bulletin, ())

    def due(self, now: int) -> list[int]:
        """Return what is to be asked for again with the next page: what is due longest."""
        found: list[tuple[int, int]] = []
        while self._turns and self._turns[0][0] <= now and len(found) < MAX_AGAIN:
            until, index = heappop(self._turns)
            each = self.waiting.get(index)
            if each is not None and each.until == until and (until, index) not in found:
                found.append((until, index))
        for each_turn in found:
            # It is due until it was asked for: the page may not come.
            heappush(self._turns, each_turn)
        return sorted(index for _, index in found)

    def change(self, changed: Mapping[int, Waiting | None]) -> None:
        """Take over what is otherwise now; None: it waits no more."""
        for index, each in changed.items():
            if (last := self.waiting.pop(index, None)) is not None:
                those = self._for[last.of]
                those.discard(index)
                if not those:
                    del self._for[last.of]
            if each is not None:
                self.waiting[index] = each
                self._for.setdefault(each.of, set()).add(index)
                heappush(self._turns, (each.until, index))
        if len(self._turns) > 2 * len(self.waiting) + _SPARE:
            self._order()


class Waits:
    """What waits, while one page is taken in; each is kept under what it crosses before.

    The queue stays as it is until the page was taken in: then it takes ``changed`` over.
    """

    def __init__(self, queue: Queue, now: int, cuts: dict[int, int] | None = None) -> None:
        """Begin with what waited before; ``cuts`` is how often each was cut, and goes on."""
        self.changed: dict[int, Waiting | None] = {}
        self._queue = queue
        # What waits since for the bytes of one bulletin.
        self._for: dict[int, set[int]] = {}
        self._count = len(queue.waiting)
        self._now = now
        self._cuts = {} if cuts is None else cuts
        self._tried: set[int] = set()

    def was_ordered(self, bulletin: int) -> bool:
        """Tell whether the order to purge what waited was shown: no wonder it is gone."""
        waiting = self._queue.waiting
        return any(waiting[index].is_ordered for index in self._queue.of(bulletin))

    def _get(self, index: int) -> Waiting | None:
        if index in self.changed:
            return self.changed[index]
        return self._queue.waiting.get(index)

    def _of(self, bulletin: int) -> list[int]:
        """Return what waits by now for the bytes of a bulletin."""
        here = [each for each in self._queue.of(bulletin) if each not in self.changed]
        return [*here, *self._for.get(bulletin, ())]

    def lacks(self, item: Offered, here: Collection[str]) -> Waiting | None:
        """Return what waits of the bulletin that an item is about; None where nothing does.

        ``here`` are the nations that our node serves.
        """
        of = _about(item, here) if self._count else None
        first = None if of is None else min(self._of(of), default=None)
        return None if first is None else self._get(first)

    def put(self, item: Offered, code: str, of: int) -> None:
        """Have an item wait for the bytes of a bulletin; again, longer than before.

        Raises:
            Fault: too many wait: what comes must wait at home.
        """
        last = self._get(item.by)
        if last is None and self._count >= MAX_WAITING:
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
        if self._count and self._get(item.index) is not None:
            self._set(item.index, None)
        self._cuts.pop(item.index, None)
        if self._count and isinstance(item.facts, entries.Accepted):
            for index in self._of(item.index):
                # What is about it is asked for at once, and told with no reason of its own.
                self._alter(index, of=-1, until=self._now)

    def _alter(self, index: int, **changes: Any) -> None:
        if (each := self._get(index)) is not None:
            self._set(index, msgspec.structs.replace(each, **changes))

    def _set(self, index: int, waiting: Waiting | None) -> None:
        last = self._get(index)
        if index in self.changed and last is not None:
            self._for[last.of].discard(index)
        self._count += (waiting is not None) - (last is not None)
        self.changed[index] = waiting
        if waiting is not None:
            self._for.setdefault(waiting.of, set()).add(index)

    def is_stuck(self, item: Offered) -> bool:
        """Count that an item was cut without a byte more; tell whether that was too often."""
        self._cuts[item.index] = self._cuts.get(item.index, 0) + 1
        return self._cuts[item.index] >= _CUTS

    def end(self, asked: Sequence[int], items: Iterable[Offered]) -> None:
        """End the page: what was ``asked`` for and did not come waits longer."""
        told = {each.facts.of for each in items if isinstance(each.facts, entries.PurgeOrdered)}
        for index in [index for of in told for index in self._of(of)]:
            # It is asked for once more, to be found gone.
            self._alter(index, is_ordered=True, until=self._now)
        for index in asked:
            each = self._get(index)
            if each is None or each.of in told or index in self._tried:
                continue
            if each.until <= self._now:
                self._alter(index, tries=each.tries + 1, until=self._now + _LONGEST_S)


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
