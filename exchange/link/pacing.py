"""How much to ask for at once: what presses waits for the page that is being taken in.

A page is to take no longer than a fraction of a second, whether our node is slow or the line
is. How far it is to the other node makes no page shorter: that every page waits for.
"""

from __future__ import annotations

from typing import Final

from exchange.link.pages import MAX_ITEMS

# So long one page is to take (seconds). FLASH waits for one that is taken in and for the next,
# which was asked for meanwhile; within a second there is room for as much again.
AIM_S: Final = 0.2
_FIRST: Final = 64
# However slow: each page costs a round trip, and bookkeeping here. A shorter one says nothing
# of what an entry takes.
_LEAST: Final = 32
# One page says little: so much of what was known before is kept.
_KEPT: Final = 0.5


class Pace:
    """Reckons from the pages that came how long the next may be."""

    def __init__(self) -> None:
        """Begin carefully: nothing is known of the link, nor of the load here."""
        # What an entry takes to come, and to be taken in (seconds).
        self._fetching_s = self._taking_s = 0.0

    @property
    def most(self) -> int:
        """How many entries the next page may have."""
        slower = max(self._fetching_s, self._taking_s)
        return round(min(max(AIM_S / slower, _LEAST), MAX_ITEMS)) if slower else _FIRST

    def fetched(self, items: int, seconds: float) -> None:
        """Hear how long the bytes of a page took to come, from the first to the last."""
        self._fetching_s = _smoothed(self._fetching_s, items, seconds)

    def taken(self, items: int, seconds: float) -> None:
        """Hear how long a page took to be taken in."""
        self._taking_s = _smoothed(self._taking_s, items, seconds)


def _smoothed(known_s: float, items: int, seconds: float) -> float:
    """Return what an entry takes, as far as one more page changes that."""
    if items < _LEAST:
        return known_s
    each_s = seconds / items
    return _KEPT * known_s + (1 - _KEPT) * each_s if known_s else each_s
