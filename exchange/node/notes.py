"""What a node enters of its own accord: taken into a group before anybody's arrivals."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from exchange.broker import records, settle
from exchange.model import entry as entries

if TYPE_CHECKING:
    from exchange.broker.due import Due
    from exchange.broker.holding import Find
    from exchange.errors import Fault

Known = Mapping[bytes, records.Found | None]
# Returns the keys that are to be looked up besides those that were, as ``lookups`` does.
Wanted = Callable[[Known], list[bytes]]


class Note(NamedTuple):
    """What is to be looked up; what makes an entry with that, or none; and who waits for it.

    ``row`` is what it is made for: where that does not stand any more, nothing is made.
    """

    make: Callable[[settle.Ledger, Find], int | None]
    wanted: Wanted
    done: asyncio.Future[int | None]
    row: Due | None


class Notes:
    """Those that wait, and those of the group under way."""

    def __init__(self) -> None:
        """Begin without any."""
        self._waiting: deque[Note] = deque()
        # Each with the entry that it made, once it did.
        self._taken: list[tuple[Note, int | None]] = []

    def __bool__(self) -> bool:
        """Tell whether any waits."""
        return bool(self._waiting)

    def put(
        self,
        make: Callable[[settle.Ledger, Find], int | None],
        wanted: Wanted,
        row: Due | None = None,
    ) -> Note:
        """Have one wait for the next group."""
        done: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        note = Note(make, wanted, done, row)
        self._waiting.append(note)
        return note

    def take(self) -> None:
        """Begin a group; what comes later is of the next one: nothing is looked up for it."""
        self._taken = [(note, None) for note in self._waiting]
        self._waiting.clear()

    async def drop_stale(self, stands: Callable[[Due], Awaitable[bool]]) -> None:
        """Drop those that are made for what is due no more: an entry came in between."""
        left = []
        for note, index in self._taken:
            if note.row is None or await stands(note.row):
                left.append((note, index))
            elif not note.done.done():
                note.done.set_result(None)
        self._taken = left

    def asking(self) -> list[Wanted]:
        """Return what tells the keys that the group's notes need."""
        return [note.wanted for note, _ in self._taken]

    def settle(self, ledger: settle.Ledger, known: Known) -> None:
        """Make their entries. Whoever asked for one may be gone: then it is not made.

        Raises:
            Refusal: nobody could read one of them back, and what follows it would never be
                under a checkpoint. The group is to be thrown away.
        """
        find = ledger.finder(known)
        left = [note for note, _ in self._taken if not note.done.done()]
        self._taken = [(note, note.make(ledger, find)) for note in left]
        # Only what is entered of our own accord: objects were read when they came.
        for record in ledger.records:
            entries.decode(record.entry)

    def tell(self) -> None:
        """Tell who waits for the group's that it is durable."""
        for note, index in self._taken:
            if not note.done.done():
                note.done.set_result(index)
        self._taken = []

    def again(self) -> None:
        """Have the group's be made again, before others."""
        self._waiting.extendleft(note for note, _ in reversed(self._taken))
        self._taken = []

    def give_up(self, fault: Fault) -> None:
        """Tell who waits for the group's that it was not written."""
        for note, _ in self._taken:
            if not note.done.done():
                note.done.set_exception(fault)
        self._taken = []

    def stop(self, fault: Fault) -> None:
        """Tell everybody that nothing is written any more."""
        self.give_up(fault)
        self.take()
        self.give_up(fault)
