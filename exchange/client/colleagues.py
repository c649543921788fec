"""Which entries of colleagues correct what is ours, as our node told last.

Such a correction is in no inbox of ours, and in no outbox (``elsewhere``). While the node is
away, what it told before is all that is known of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from exchange.client.cabinet import Cabinet

DRAWER: Final = "colleagues"


class Colleagues:
    """One row for each node: by the id of what is ours, the entries that correct it."""

    def __init__(self, cabinet: Cabinet, realm: str) -> None:
        """Keep it in a cabinet; ``realm`` names node and anchor."""
        self._cabinet = cabinet
        self._realm = realm

    def known(self) -> dict[str, list[int]]:
        """Return what was told last; of what is not named, there was none, or nobody asked."""
        found = self._cabinet.get_sound(DRAWER, self._realm)
        return {} if found is None else msgspec.json.decode(found, type=dict[str, list[int]])

    def keep(self, told: Mapping[str, Sequence[int]], own: Collection[str]) -> None:
        """Keep what was told, in the place of what was told before of the same.

        Args:
            told: by id; empty where there is no such correction (any more).
            own: ids of all that was posted from here: of others nothing is kept.
        """
        before = self.known()
        after = {
            name: [*entries]
            for name, entries in (before | {**told}).items()
            if entries and name in own
        }
        if after != before:
            self._cabinet.put(DRAWER, self._realm, msgspec.json.encode(after))
