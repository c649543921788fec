"""What the console reads of a mirror: as verification does, and how long it is."""

from __future__ import annotations

from typing import Protocol

from exchange.audit import forked, verify


class Source(verify.Source, forked.Source, Protocol):
    """A mirror, or a node's own file. Raises ``Fault`` if it cannot be read."""

    def size(self) -> int:
        """Return how many entries there are."""
