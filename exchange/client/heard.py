"""When the node was heard last: what is shown while it is away says as of when it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exchange.client.cabinet import Cabinet

_DRAWER = "heard"
# Noted no more often than this: a note costs a sync of the disk.
_EVERY_MS = 60_000


class Heard:
    """One row with the time, for each node."""

    def __init__(self, cabinet: Cabinet, realm: str) -> None:
        """Keep it in a cabinet; ``realm`` names node and anchor."""
        self._cabinet = cabinet
        self._realm = realm

    def now(self, now_ms: int) -> None:
        """Note that the node answers now."""
        before = self.last_ms()
        if before is None or not before <= now_ms < before + _EVERY_MS:
            self._cabinet.put(_DRAWER, self._realm, str(now_ms).encode())

    def last_ms(self) -> int | None:
        """Return when it answered last, if it ever did (ms UTC)."""
        found = self._cabinet.get_sound(_DRAWER, self._realm)
        return None if found is None else int(found)
