"""What an endpoint holds of its inbox, folded as the node folds what it owes.

Kept in memory, from the first item on: a chain says of all items before one, too.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from exchange.journal.heads import EMPTY, InboxHead
from exchange.journal.tree import leaf_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.model.wire import InboxItem


class Held:
    """The head after each item that came, in order, none left out."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._indexes: list[int] = []
        self._heads = [EMPTY]
        # Position of the first item that was shown again and was another; None where none was.
        self.changed: int | None = None

    @property
    def count(self) -> int:
        """How many items are held."""
        return len(self._indexes)

    @property
    def cursor(self) -> int:
        """The index of the newest item; -1 before any."""
        return self._indexes[-1] if self._indexes else -1

    def take(self, page: Sequence[InboxItem]) -> None:
        """Take in what came, and note whether what came before is the same as it was then.

        Nothing is raised, as no item blocks the next one: who proves looks at ``changed``.
        What does not go on where this ends (one began to follow in the middle) is passed over.
        """
        for item in page:
            if item.position > self.count:
                return
            leaf = leaf_hash(item.entry.encode())
            head = self._heads[item.position].after(item.index, leaf)
            if item.position == self.count:
                self._indexes.append(item.index)
                self._heads.append(head)
            elif self._heads[item.position + 1] != head and self.changed is None:
                self.changed = item.position

    def before(self, index: int) -> InboxHead:
        """Return the head over all that is held and came before a journal index."""
        return self._heads[bisect_left(self._indexes, index)]

    def after(self, count: int) -> InboxHead | None:
        """Return the head over the first ``count`` items, if so many are held."""
        return self._heads[count] if count <= self.count else None
