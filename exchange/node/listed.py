"""The logs that a node's own witness serves: of every node of the directory, as in force now.

A key that is handed over comes in with the trust entry that lists it, and begins the next ring;
no file is edited, and no ring is ever forgotten: evidence may have to convict by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from exchange.journal.logkeys import PREFIX, log_keys, origin_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.journal.note import VerifierKey
    from exchange.model.view import View

Ring = tuple["VerifierKey", ...]


class ListedLogs(Mapping[str, tuple[Ring, ...]]):
    """By origin, each log's rings of keys in the order of their handing over."""

    def __init__(self, view: Callable[[], View]) -> None:
        """Look in this view, anew each time."""
        self._view = view

    def __getitem__(self, origin: str) -> tuple[Ring, ...]:
        """Return a log's rings."""
        if not origin.startswith(PREFIX):
            raise KeyError(origin)
        tenures = self._view().tenures[origin.removeprefix(PREFIX)]
        rings = (tuple(log_keys(node)) for _, node in tenures)
        # A document changes for other reasons too: the same keys again are no other ring.
        return tuple(dict.fromkeys(rings))

    def __iter__(self) -> Iterator[str]:
        """Yield each log's origin."""
        return map(origin_of, self._view().tenures)

    def __len__(self) -> int:
        """Return how many logs there are."""
        return len(self._view().tenures)
