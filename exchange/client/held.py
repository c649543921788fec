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
    from collections.abc import Sequence

    from exchange.client.cabinet import Cabinet

_DRAWER = "item"


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
        found = [self._item(position) for position in range(first, min(end, kept))]
        loose = self._loose[max(first - kept, 0) : max(end - kept, 0)]
        return [*(item for item in found if item is not None), *loose]

    def position_after(self, index: int) -> int | None:
        """Return the position of what comes next after a journal index that is held."""
        self._read()
        if index < 0:
            return 0
        place = bisect_right(self._indexes, index)
        return place if place and self._indexes[place - 1] == index else None

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
        while (item := self._item(len(self._indexes))) is not None:
            self._fold(item)

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
