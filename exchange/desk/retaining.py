"""Nothing is at the desk for longer than it may be kept: neither on disk nor in memory.

It is looked at when the desk opens, at each order to purge, soon after something came, and each
hour. What fails is told on every page and tried again soon, not at the next order.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from exchange.client import purging
from exchange.client.reading import PurgeOrdered
from exchange.errors import Code, ExchangeError, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.client.reading import Item
    from exchange.desk.station import Station

# After something failed, or came; and so many of these are an hour, at most, between two looks.
SOON_S: Final = 60.0
_AN_HOUR: Final = 60
_log = structlog.get_logger("exchange.desk")


class Retaining:
    """Destroys what is over, for one station.

    Attributes:
        soon_s: how soon what failed is tried again; sixty times that is the longest pause.
        destroyed: called after each look, for whoever else has texts in memory.
    """

    def __init__(self, station: Station) -> None:
        """Begin with what was ordered while no desk was open."""
        self.soon_s = SOON_S
        self.destroyed: Callable[[], None] = lambda: None
        self._station = station
        self._wake = asyncio.Event()
        self._is_ordered = True
        self._has_come = False

    def ordered(self) -> None:
        """Have all orders looked at, at once."""
        self._is_ordered = True
        self._wake.set()

    def came(self, item: Item) -> None:
        """Hear what came: an order to purge is looked at now, anything else soon."""
        self._has_come = True
        if isinstance(item, PurgeOrdered):
            self.ordered()

    async def keep(self) -> None:
        """Look, again and again, until cancelled."""
        while True:
            self._wake.clear()
            await self._tried()
            await self._due()

    async def _due(self) -> None:
        """Return when it is to be looked again."""
        for _ in range(_AN_HOUR):
            with suppress(TimeoutError):
                # Not `wait_for`, which in Python 3.11 may lose that it is to end.
                async with asyncio.timeout(self.soon_s):
                    await self._wake.wait()
            if self._wake.is_set() or self._has_come or self._station.stuck is not None:
                return
        # What no node took of it is said again, and an order may have come of age.
        self._is_ordered = True

    async def _tried(self) -> None:
        why: ExchangeError | None = None
        try:
            await self.look()
        except ExchangeError as error:
            why = error
        except Exception as error:  # noqa: BLE001  (a defect of ours: told, and tried again)
            why = Fault(Code.INTERNAL)
            _log.error("not destroyed", error=type(error).__name__)
        station = self._station
        is_news = (station.stuck and station.stuck.code) is not (why and why.code)
        station.stuck = why
        if why is not None:
            _log.warning("not destroyed", code=why.code.value)
        if is_news:
            station.on_news(False)

    async def look(self) -> None:
        """Destroy what is over by now; say so of what a node ordered to be purged.

        Raises:
            Fault: ``mail-failed``, ``mail-damaged``: something that is over may be here still.
        """
        station, world = self._station, self._station.agency.world
        self._has_come = False
        # Memory first: what cannot be written keeps no text on a page.
        station.take(station.agency.inbox.over(station.shelf.items()))
        self.destroyed()
        is_ordered, self._is_ordered = self._is_ordered, False
        try:
            purging.purge(world.cabinet, world.clock_ms())
            if is_ordered:
                await purging.attest(station.agency, station.shelf.items())
                station.ours.drop()
        except BaseException:
            self._is_ordered |= is_ordered
            raise
