"""What the store has of the past for a group: looked up first, and where that leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.broker import records, settle
from exchange.broker.lookups import lookups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.broker.intake import Considered
    from exchange.node.arrivals import Pending
    from exchange.node.notes import Wanted
    from exchange.node.ports import Store


class Looked:
    """All that was looked up for one group. Nothing else is written while it lasts."""

    def __init__(self, store: Store) -> None:
        """Begin without any."""
        self.known: dict[bytes, records.Found | None] = {}
        self._store = store

    async def follow(self, asking: Sequence[Wanted]) -> None:
        """Look up in rounds, until none of them asks for more."""
        while wanted := [key for asks in asking for key in asks(self.known)]:
            await self._look_up(wanted)

    async def place(
        self, ledger: settle.Ledger, considered: Considered, pending: Pending
    ) -> records.Settled:
        """Settle one; what it is led to by others of its own group is looked up now."""
        arrival = (pending.arrival.caller, pending.arrival.raw, pending.arrival.body)
        while True:
            try:
                return ledger.settle(considered, arrival, self.known, pending.held)
            except records.NotLookedUp as missing:
                wanted = lookups(considered, ledger.over(self.known)) or [missing.key]
            await self._look_up(wanted)

    async def _look_up(self, wanted: list[bytes]) -> None:
        found = await self._store.find(wanted)
        self.known.update((key, found.get(key)) for key in wanted)
