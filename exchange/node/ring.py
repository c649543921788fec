"""What is new, read and encoded once for all who listen; a listener is a cursor and no more.

Entries that somebody listens for are kept in the order of the journal, within bounds, and what
is dropped is dropped for all. Whoever is behind that reads the journal until it has caught up:
so who stalls keeps nothing here and is waited for by nobody.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from exchange.broker.pressing import RANKS
from exchange.errors import Code, ExchangeError, Fault
from exchange.model import events
from exchange.model.entry import owed_in
from exchange.model.wire import MAX_AHEAD
from exchange.node.considering import broken

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from exchange.node.ports import Row, Store

# Kept for all listeners together: protects the memory of a front.
RING_BYTES = 16 * 1024 * 1024
# Told in one write. A poor link takes seconds for it, and what is urgent waits for no longer.
WRITE_BYTES = 64 * 1024
# Read in one go: for the ring, and for one who is behind.
ROWS = 256
BEHIND = 32


NOTHING_PRESSED = (-1,) * len(RANKS)


class Cursors(NamedTuple):
    """How far a reader of an inbox is: an index, -1 before the first.

    ``pressed`` has for each rank the index of the last entry that was told ahead.
    """

    after: int
    pressed: tuple[int, ...] = NOTHING_PRESSED


class _Event(NamedTuple):
    """An entry in one inbox, at this index; ``rest`` is shared by all inboxes that it is in."""

    at: int
    position: int
    rest: bytes


class _Lane:
    """What of the ring is in one inbox: every entry of it whose index is over ``floor``."""

    def __init__(self, floor: int) -> None:
        self.floor = floor
        self.events: list[_Event] = []
        self.listeners = 0
        self.bell = asyncio.Event()

    def ring(self) -> None:
        """Wake who waits; the next to wait hangs up a new bell."""
        self.bell.set()
        self.bell = asyncio.Event()

    def drop(self, index: int) -> None:
        """Keep nothing up to an index."""
        del self.events[: bisect_right(self.events, index, key=lambda event: event.at)]
        self.floor = max(self.floor, index)


class Ring:
    """See the module. Used in the event loop's thread only."""

    def __init__(self, store: Store) -> None:
        """Read from ``store`` what ``grew`` tells of."""
        self._store = store
        self._lanes: dict[str, _Lane] = {}
        self._slots: deque[tuple[int, int, list[str]]] = deque()
        self._held = 0
        # Entries before ``_next`` are in the ring or concern nobody here.
        self._next = 0
        self._size = 0
        self._filling: asyncio.Task[None] | None = None
        self.is_closed = False

    @property
    def is_even(self) -> bool:
        """Whether the ring holds all that there is."""
        return self._next == self._size

    def grew(self, size: int, endpoints: Collection[str]) -> None:
        """Take note that the journal has this size now, and that these inboxes grew."""
        self._size = size
        if self._filling is not None:
            return
        if self._lanes and not self._lanes.keys().isdisjoint(endpoints):
            self._filling = asyncio.get_running_loop().create_task(self._fill())
        else:
            self._next = size

    def wake(self) -> None:
        """Let every listener look again: who may hear has changed, or that anybody may."""
        for lane in self._lanes.values():
            lane.ring()

    async def close(self) -> None:
        """Tell nothing more; every listener is woken to see that."""
        self.is_closed = True
        self.wake()
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)

    @contextmanager
    def listening(self, endpoint: str, after: Cursors, size: int) -> Iterator[Listener]:
        """Listen to an inbox from a cursor on.

        Args:
            endpoint: whose.
            after: what is already had.
            size: of the journal now.
        """
        if not self._lanes:
            self._next = self._size = size
            self._slots.clear()
            self._held = 0
        lane = self._lanes.setdefault(endpoint, _Lane(self._size - 1))
        lane.listeners += 1
        try:
            yield Listener(self, self._store, endpoint, lane, after)
        finally:
            lane.listeners -= 1
            if not lane.listeners:
                del self._lanes[endpoint]

    async def _fill(self) -> None:
        """Read what is new until there is no more of it."""
        try:
            while self._next < self._size:
                # What is durable but not told of yet waits: who comes now would miss it.
                rows = await self._store.read(self._next, min(ROWS, self._size - self._next))
                if not rows:
                    raise Fault(Code.STORE_FAILED, found=self._next)  # noqa: TRY301
                self._add(rows)
        except Exception as error:  # noqa: BLE001  (whoever listens reads for itself, and sees)
            if not isinstance(error, ExchangeError):
                broken("ring", error)
            self._next = self._size
            for lane in self._lanes.values():
                lane.drop(self._size - 1)
            self.wake()
        finally:
            self._filling = None

    def _add(self, rows: Sequence[Row]) -> None:
        grown: set[str] = set()
        for row in rows:
            owed = [each for each in owed_in(row.entry) if each.endpoint in self._lanes]
            if not owed:
                continue
            rest = events.shared(row.index, row.entry)
            for each in owed:
                lane = self._lanes[each.endpoint]
                if row.index > lane.floor:
                    lane.events.append(_Event(row.index, each.position, rest))
            names = [each.endpoint for each in owed]
            grown.update(names)
            self._slots.append((row.index, len(rest), names))
            self._held += len(rest)
        self._next = rows[-1].index + 1
        self._trim()
        for name in grown & self._lanes.keys():
            self._lanes[name].ring()

    def _trim(self) -> None:
        while self._held > RING_BYTES:
            index, size, names = self._slots.popleft()
            self._held -= size
            for name in names:
                if name in self._lanes:
                    self._lanes[name].drop(index)


class Listener:
    """One who listens: how far it is, and where to look for more."""

    def __init__(
        self, ring: Ring, store: Store, endpoint: str, lane: _Lane, after: Cursors
    ) -> None:
        """Begin after a cursor; ``Ring.listening`` makes one."""
        self._ring = ring
        self._store = store
        self.endpoint = endpoint
        self._lane = lane
        self._after, pressed = after
        # Of each rank, the last that was told ahead.
        self._pressed = list(pressed)

    @property
    def has_more(self) -> bool:
        """Whether there may be something to tell at once."""
        events_ = self._lane.events
        newest = events_[-1].at if events_ else self._lane.floor
        return self._after < newest

    @property
    def is_even(self) -> bool:
        """Whether it was given all that there is."""
        return self._ring.is_even and not self.has_more

    async def more(self, now: int) -> bytes:
        """Return events that come next, as much as one write should take; none if none.

        Where there is more behind them, what presses in it is told before them.

        Args:
            now: seconds UTC.

        Raises:
            Fault: the store does not answer.
        """
        if self._after < self._lane.floor:
            some = self._some(await self._behind())
        else:
            events_ = self._lane.events
            place = bisect_right(events_, self._after, key=lambda event: event.at)
            some = self._some(events_[place : place + ROWS])
        return await self._ahead(now) + some if self.has_more else some

    async def _ahead(self, now: int) -> bytes:
        after = [max(at, self._after) for at in self._pressed]
        rows = await self._store.urgent(self.endpoint, after, now, MAX_AHEAD)
        for each in rows:
            self._pressed[each.rank] = each.row.index
        return b"".join(
            events.ahead(RANKS[rank], row.position, events.shared(row.index, row.entry))
            for rank, row in ((each.rank, each.row) for each in rows)
        )

    async def _behind(self) -> list[_Event]:
        # Looked at first: of what is committed while the store is asked, the ring knows.
        floor = self._lane.floor
        rows = await self._store.inbox(self.endpoint, self._after, BEHIND)
        if not rows:
            self._after = floor
        return [
            _Event(row.index, row.position, events.shared(row.index, row.entry)) for row in rows
        ]

    def _some(self, come: Sequence[_Event]) -> bytes:
        """Join what is to be told, at least one, and move on behind it."""
        parts: list[bytes] = []
        size = 0
        for each in come:
            size += len(each.rest)
            if parts and size > WRITE_BYTES:
                break
            parts.append(events.in_place(each.position, each.at, each.rest))
            self._after = each.at
        return b"".join(parts)

    async def wait(self, seconds: float) -> bool:
        """Wait until there may be more; False when there was nothing for so long."""
        if self.has_more or self.is_closed:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._lane.bell.wait()
        except TimeoutError:
            return False
        return True

    @property
    def is_closed(self) -> bool:
        """Whether nothing more will be told at all."""
        return self._ring.is_closed
