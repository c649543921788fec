"""What an endpoint holds of its inbox: on disk, and folded as the node folds what it owes.

From the first item on: a chain says of all items before one, too. What is held is read again
in its order, so that a row that was lost, or is damaged, is fetched anew, with all that comes
after it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

import msgspec

from exchange.client.cabinet import FILE
from exchange.errors import Code, Fault
from exchange.journal.heads import EMPTY, InboxHead
from exchange.journal.tree import leaf_hash
from exchange.model.wire import InboxItem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exchange.client.cabinet import Cabinet

_DRAWER = "item"
_HOLES = "hole"


class _Hole(msgspec.Struct, frozen=True):
    """Places of this inbox whose entries are declared lost: from one on, to before another.

    ``end`` is one more than the index of the last of those entries. What came of them stays
    in its place here; the chain goes on behind it from what stands before it.
    """

    begin: int
    behind: int
    end: int


class Held:
    """The items that came, in order, none left out, and the head after each."""

    def __init__(self, cabinet: Cabinet, realm: str) -> None:
        """Hold items in a cabinet; they are read when they are first asked for.

        Args:
            cabinet: the endpoint's.
            realm: names node and anchor: what another node told is not mixed with it.
        """
        self._cabinet = cabinet
        self._realm = realm
        self._is_read = False
        self._indexes: list[int] = []
        self._heads = [EMPTY]
        # The last ones, from the first that did not verify: not kept, so asked for again later.
        self._loose: list[InboxItem] = []
        self._changed: int | None = None
        self._holes: list[_Hole] = []
        # By the beginning of each, up to which place it has items.
        self._filled: dict[int, int] = {}

    @property
    def changed(self) -> int | None:
        """Position of the first item that was shown again and was another; or None."""
        return self._changed

    @property
    def count(self) -> int:
        """How many items are held."""
        self._read()
        return len(self._indexes)

    @property
    def cursor(self) -> int:
        """The index of the newest item; -1 before any."""
        self._read()
        return self._indexes[-1] if self._indexes else -1

    def take(self, page: Sequence[InboxItem], sound: int) -> None:
        """Take in what came, and note whether what came before is the same as it was then.

        Nothing is raised, as no item blocks the next one: who proves looks at ``changed``.
        What does not go on where this ends (one began to follow in the middle) is passed over.

        Args:
            page: in order.
            sound: how many of them verified, up to the first that did not. From there on none
                is kept on disk: the node may have been wrong, and tell it rightly later.

        Raises:
            Fault: ``mail-failed``: it cannot be kept.
        """
        fresh: list[InboxItem] = []
        for place, item in enumerate(page):
            if item.position > self.count:
                break
            if item.position == self.count:
                plain = InboxItem(item.position, item.index, item.entry)
                self._fold(plain)
                is_loose = self._loose or place >= sound
                (self._loose if is_loose else fresh).append(plain)
            elif self._heads[item.position + 1] != self._after(item):
                self._changed = item.position if self._changed is None else self._changed
        if fresh:
            with self._cabinet.change():
                for item in fresh:
                    name = self._name(item.position)
                    self._cabinet.put(_DRAWER, name, msgspec.json.encode(item))

    def items(self, first: int = 0, limit: int | None = None) -> list[InboxItem]:
        """Return items from a position on, in order; at most so many."""
        end = self.count if limit is None else min(self.count, first + limit)
        kept = self.count - len(self._loose)
        found = [self._item(position) for position in self._places(first, min(end, kept))]
        loose = self._loose[max(first - kept, 0) : max(end - kept, 0)]
        return [*(item for item in found if item is not None), *loose]

    def _places(self, first: int, end: int) -> Iterator[int]:
        """Yield the places in which something is held, from one on, to before another."""
        while (first := self.next_place(first)) < end:
            yield first
            first += 1

    def position_after(self, index: int) -> int | None:
        """Return the position of what comes next after a journal index that is held."""
        self._read()
        if index < 0:
            return 0
        place = bisect_right(self._indexes, index)
        is_held = place and self._indexes[place - 1] == index
        return self.next_place(place) if is_held else None

    def next_place(self, position: int) -> int:
        """Return the next place from one on in which an item is, or is to come."""
        for hole in self._holes:
            if self._filled[hole.begin] <= position < hole.behind:
                return hole.behind
        return position

    def lost(self) -> list[InboxItem]:
        """Return what came of entries that were declared lost since."""
        self._read()
        spans = [range(begin, end) for begin, end in self._filled.items()]
        found = (self._item(each) for span in spans for each in span)
        return [each for each in found if each is not None]

    @property
    def passed(self) -> int:
        """One more than the last index of what is lost and was passed; -1 before any."""
        self._read()
        return self._holes[-1].end if self._holes else -1

    def set_on(self, first: int, end: int) -> None:
        """Go on behind entries that are declared lost, from all that is held before them.

        What came of them is kept, and stays in its place; it is no part of the chain any more.

        Args:
            first: the index of the first of them.
            end: one more than that of the last; more than ``passed``.

        Raises:
            Fault: ``mail-failed``: it cannot be kept.
        """
        self._read()
        # What did not verify cannot be asked for again.
        kept = self.count - len(self._loose)
        del self._indexes[kept:], self._heads[kept + 1 :]
        self._loose.clear()
        begin = bisect_left(self._indexes, first)
        hole = _Hole(begin, begin + end - first, end)
        known = [each for each in self._holes if each.end < end]
        with self._cabinet.change():
            self._cabinet.put(_HOLES, self._realm, msgspec.json.encode([*known, hole]))
        self._read_on(hole.behind, end)
        self._pass_over(hole)

    def _pass_over(self, hole: _Hole) -> None:
        """Have the heads go on behind a hole; those in it are as they were, as far as held."""
        before = self._heads[hole.begin]
        self._filled[hole.begin] = len(self._indexes)
        self._holes.append(hole)
        for position in range(len(self._indexes), hole.behind):
            self._indexes.append(hole.end - 1)
            self._heads.append(before.set_on(position + 1))
        self._heads[hole.behind] = before.set_on(hole.behind)

    def before(self, index: int) -> InboxHead:
        """Return the head over all that is held and came before a journal index."""
        self._read()
        return self._heads[bisect_left(self._indexes, index)]

    def after(self, count: int) -> InboxHead | None:
        """Return the head over the first ``count`` items, if so many are held."""
        return self._heads[count] if count <= self.count else None

    def _read(self) -> None:
        if self._is_read:
            return
        self._is_read = True
        for hole in self._known_holes():
            self._read_on(hole.begin, hole.end)
            if self.count < hole.begin:
                # One before it is fetched anew, and then it is come upon again.
                return
            self._read_on(hole.behind, hole.end)
            self._pass_over(hole)
        self._read_on()

    def _read_on(self, limit: int | None = None, end: int | None = None) -> None:
        """Read what is kept on disk from here on, up to a place, and before an index."""
        while limit is None or len(self._indexes) < limit:
            item = self._item(len(self._indexes))
            if item is None or (end is not None and item.index >= end):
                return
            self._fold(item)

    def _known_holes(self) -> list[_Hole]:
        found = self._cabinet.get_sound(_HOLES, self._realm)
        return [] if found is None else msgspec.json.decode(found, type=list[_Hole])

    def _fold(self, item: InboxItem) -> None:
        self._heads.append(self._after(item))
        self._indexes.append(item.index)

    def _after(self, item: InboxItem) -> InboxHead:
        leaf = leaf_hash(item.entry.encode())
        return self._heads[item.position].after(item.index, leaf)

    def _item(self, position: int) -> InboxItem | None:
        found = self._cabinet.get_sound(_DRAWER, self._name(position))
        if found is None:
            return None
        try:
            return msgspec.json.decode(found, type=InboxItem)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Fault(Code.MAIL_DAMAGED, name=FILE, found=_DRAWER) from error

    def _name(self, position: int) -> str:
        return f"{self._realm}\n{position}"
