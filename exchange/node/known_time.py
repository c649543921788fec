"""How late it is for certain, kept apart from the journal over a restart.

What a node writes bears the time of its own clock. Were that known at the next start, a clock
that is wrong would vouch for itself.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

import structlog

from exchange.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from exchange.node.clock import Clock
    from exchange.node.ports import Pledge

KEEP_S: Final = 60
_SPELLED: Final = re.compile(rb"\d{1,16}\n")

_log = structlog.get_logger("exchange.node")


class KnownTime:
    """Keeps what a clock is sure of, and tells a later one."""

    def __init__(self, clock: Clock, kept: Pledge | None) -> None:
        """Keep it there; None: in simulations only."""
        self._clock = clock
        self._kept = kept
        self._newest_ms = 0
        self._one = asyncio.Lock()

    async def begin(self, written_ms: int) -> None:
        """Tell the clock how late it was.

        Args:
            written_ms: the newest time that this node wrote anywhere. It counts where none is
                kept: the folder is older than that file, or was made of a backup. One that
                cannot be read tells nothing, so somebody has to bear the clock out.

        Raises:
            Fault: there is one, and it cannot be had.
        """
        raw = None if self._kept is None else await self._kept.newest()
        if raw is None:
            self._clock.know(written_ms)
        elif _SPELLED.fullmatch(raw):
            self._newest_ms = int(raw)
            self._clock.know(self._newest_ms)

    async def hold(
        self,
        told_ms: int,
        *,
        is_right: bool,
        ask: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Have a clock that is far ahead of all that is known borne out, or do not begin.

        Args:
            told_ms: the newest time that others told, milliseconds UTC; 0: none.
            is_right: somebody says so, or nothing is lost by it.
            ask: has others bear it out, if there are any.

        Raises:
            Fault: ``clock-ahead``: what it wrote could not be taken back, and what is purged
                by it is gone; or as ``keep``.
        """
        self._clock.know(told_ms)
        if is_right:
            self._clock.bear_out()
        if self._clock.is_far and ask is not None:
            await ask()
        self._clock.must_be_near()
        # Before anything is written at this clock's time: that would count where none is kept.
        await self.keep()

    async def keep(self) -> None:
        """Keep how late it is by now, if that is news.

        Raises:
            Fault: it cannot be written.
        """
        # Two at once would be in each other's way in the file.
        async with self._one:
            sure_ms = self._clock.sure_ms()
            if self._kept is not None and sure_ms > self._newest_ms:
                await self._kept.keep(b"%d\n" % sure_ms)
                self._newest_ms = sure_ms

    async def keep_on(self) -> None:
        """Do the same; where it fails, what was kept before destroys nothing too soon."""
        try:
            await self.keep()
        except Fault as fault:
            _log.error("known-time", code=fault.code.value)

    async def run(self) -> None:
        """Keep it once a minute, until cancelled."""
        while True:
            await self.keep_on()
            await asyncio.sleep(KEEP_S)
