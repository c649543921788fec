"""What waits for the writer, in the order in which it came, until it has been considered."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import groupby, takewhile
from typing import TYPE_CHECKING

import msgspec

from exchange.broker import intake

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.errors import Fault
    from exchange.model.header import Blob
    from exchange.model.view import View
    from exchange.node.considering import Threads
    from exchange.node.served import Answer

# Handed over together: handing over costs as much as a tenth of a verification.
MICRO_BATCH = 64
# A group costs some 4 ms whatever is in it (a signature, a commit), so a small one waits while
# fronts say that more is coming; and not for long, since a front may die on the way.
ENOUGH = 128
_GATHER_S = 0.05
# While one micro-batch is worked on, the next one waits at its door.
_DEPTH = 2


class Pending(msgspec.Struct, eq=False):
    """One arrival, who waits for its answer, and what was concluded of it so far."""

    arrival: intake.Arrival
    reply: Callable[[Answer | Fault], None]
    considered: intake.Considered | None = None
    # Refused before it could be taken apart: no view and no time makes that another answer.
    is_final: bool = False
    # Which of its attachments are here, as of when it is settled.
    held: frozenset[Blob] = frozenset()

    def holds_at(self, taken_ms: int) -> bool:
        """Tell whether what was concluded holds at the time it will be taken.

        Fronts stamp in parallel, so stamps come a little out of order, and taken times never
        decrease. Rules count in whole seconds: within its second a conclusion holds.
        """
        stamp = self.arrival.taken_ms
        if stamp >= taken_ms:
            return True
        if stamp // 1000 != taken_ms // 1000:
            return False
        self.restamp(taken_ms)
        return True

    def restamp(self, taken_ms: int) -> None:
        """Let it be taken at this time, whatever was concluded of it."""
        self.arrival = self.arrival._replace(taken_ms=taken_ms)
        if self.considered is not None:
            self.considered = self.considered._replace(taken_ms=taken_ms)


class _MicroBatch(msgspec.Struct, eq=False):
    """Arrivals that are considered together, and what will be concluded of each."""

    pending: list[Pending]
    # None when each was considered before it came here.
    found: asyncio.Future[list[intake.Considered | None]] | None

    @property
    def is_done(self) -> bool:
        return self.found is None or self.found.done()


class Arrivals:
    """Takes arrivals, has them considered in parallel, and gives them in order."""

    def __init__(
        self, pool: Threads, view: Callable[[], View], ready: Callable[[], None]
    ) -> None:
        """Call ``ready`` whenever something may have become ready to be taken."""
        self._pool = pool
        self._view = view
        self._ready = ready
        self._waiting: deque[Pending] = deque()
        self._under_way: deque[_MicroBatch] = deque()
        self._will_dispatch = False
        # How many are considered again at once, and under which view that was last done.
        self._again_at_once, self._again_under = 1, -1
        # How many fronts consider now, and hand on next (``Fronts``).
        self.coming: Callable[[], int] = lambda: 0
        # Told when that did not come in time.
        self.gave_up: Callable[[], None] = lambda: None
        self._came = asyncio.Event()

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits here."""
        return not (self._waiting or self._under_way)

    @property
    def is_ready(self) -> bool:
        """Whether the first of them has been considered."""
        return bool(self._under_way) and self._under_way[0].is_done

    def put(self, pending: Pending) -> None:
        """Take in an arrival that is yet to be considered."""
        self._waiting.append(pending)
        self._dispatch_soon()

    def put_considered(self, pending: Sequence[Pending]) -> None:
        """Take in what a front considered; what it could not conclude on is considered here."""
        for missing, run in groupby(pending, lambda each: each.considered is None):
            batch = list(run)
            self._begin(_MicroBatch(batch, self._consider(batch) if missing else None))

    async def gather(self) -> None:
        """Wait while there are few and fronts say that they hand on more; not for long.

        Those that did not by then are not waited for again before they hand something on.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + _GATHER_S
        while self.coming() and self._count_ready() < ENOUGH:
            if loop.time() >= until:
                self.gave_up()
                return
            self._came.clear()
            timer = loop.call_at(until, self._came.set)
            await self._came.wait()
            timer.cancel()

    def _count_ready(self) -> int:
        ready = takewhile(lambda each: each.is_done, self._under_way)
        return sum(len(each.pending) for each in ready)

    async def take(self, most: int) -> list[Pending]:
        """Return what is ready, in order; whole micro-batches, until there are ``most``."""
        ready: list[Pending] = []
        while len(ready) < most and self.is_ready:
            ready += await self._decided(self._under_way.popleft())
        return ready

    async def fresh(
        self, ready: list[Pending], taken_ms: int
    ) -> tuple[list[Pending], list[Pending]]:
        """Have considered again what was under a view or in a second no longer the newest.

        Args:
            ready: in order.
            taken_ms: taken time of the newest entry.

        Returns:
            What may be settled now, and what must come again after it.
        """
        newest = self._view().index
        for place, each in enumerate(ready):
            if each.considered is None:
                continue  # its consideration broke; it is answered when the group is settled
            if each.is_final:
                each.restamp(max(taken_ms, each.arrival.taken_ms))
                each.considered = each.considered._replace(view=newest)
            elif each.considered.view != newest or not each.holds_at(taken_ms):
                end = place + self._at_once(newest)
                again = await self._again(ready[place:end], taken_ms)
                return ready[:place] + again, ready[end:]
            taken_ms = each.arrival.taken_ms
        return ready, []

    def _at_once(self, view: int) -> int:
        """Return how many to consider again: few after a change, since the next may follow.

        Somebody's many subscriptions in one batch would otherwise each send back all the rest.
        """
        if view != self._again_under:
            self._again_at_once, self._again_under = 1, view
        else:
            self._again_at_once = min(2 * self._again_at_once, MICRO_BATCH)
        return self._again_at_once

    def clear(self) -> None:
        """Forget everything: whoever waited has been answered."""
        self._waiting.clear()
        self._under_way.clear()

    def _dispatch_soon(self) -> None:
        # What arrives in one turn of the loop is handed over together.
        if not self._will_dispatch:
            self._will_dispatch = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        """Hand waiting arrivals over, as many micro-batches as can be worked on."""
        self._will_dispatch = False
        ways = self._pool.ways
        free = _DEPTH * ways - sum(not each.is_done for each in self._under_way)
        while self._waiting and free > 0:
            # Shared out, so that no way stands idle beside a long micro-batch.
            count = min(-(-len(self._waiting) // min(ways, free)), MICRO_BATCH)
            batch = [self._waiting.popleft() for _ in range(count)]
            self._begin(_MicroBatch(batch, self._consider(batch)))
            free -= 1

    def _begin(self, micro: _MicroBatch) -> None:
        self._under_way.append(micro)
        self._came.set()
        if micro.found is None:
            self._ready()
        else:
            micro.found.add_done_callback(self._considered)

    def _considered(self, found: asyncio.Future[list[intake.Considered | None]]) -> None:
        if not found.cancelled():
            found.exception()  # heard: a writer that has stopped will not ask
        self._came.set()
        self._ready()
        if self._waiting:
            self._dispatch_soon()

    def _consider(
        self, pending: Sequence[Pending]
    ) -> asyncio.Future[list[intake.Considered | None]]:
        return self._pool.consider([each.arrival for each in pending], self._view())

    async def _decided(self, micro: _MicroBatch) -> list[Pending]:
        """Return arrivals with what was concluded of them; None where nothing could be."""
        if micro.found is not None:
            for each, conclusion in zip(micro.pending, await micro.found, strict=True):
                if not each.is_final:
                    each.considered = conclusion
        return micro.pending

    async def _again(self, pending: list[Pending], taken_ms: int) -> list[Pending]:
        # Each at its own time: a new one would make all that came meanwhile stale in turn.
        for each in pending:
            taken_ms = max(taken_ms, each.arrival.taken_ms)
            each.restamp(taken_ms)
        return await self._decided(_MicroBatch(pending, self._consider(pending)))


def fitting(ready: Sequence[Pending], most: int) -> int:
    """Return how many of the first arrivals have at most so many bytes; one at least."""
    held = 0
    for place, each in enumerate(ready):
        held += len(each.arrival.raw) + len(each.arrival.body)
        if place and held > most:
            return place
    return len(ready)
