"""Wake those who wait for their inbox, and nobody else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exchange.node.ports import InboxRow, Store


class Inboxes:
    """Reads inboxes by cursor; long polls wait here without asking the store again."""

    def __init__(self, store: Store) -> None:
        """Read from ``store``."""
        self._store = store
        self._bells: dict[str, asyncio.Event] = {}

    def ring(self, endpoints: Iterable[str]) -> None:
        """Wake whoever waits for one of these inboxes; they have grown."""
        for endpoint in endpoints:
            bell = self._bells.pop(endpoint, None)
            if bell is not None:
                bell.set()

    def wake(self) -> None:
        """Let everybody who waits look again whether it still may: who may has changed."""
        self.ring(list(self._bells))

    async def read(
        self,
        endpoint: str,
        after: int,
        limit: int,
        wait_s: float,
        must_stand: Callable[[], None] = lambda: None,
    ) -> list[InboxRow]:
        """Return an inbox's entries after a cursor; wait for the first of them if need be.

        Args:
            endpoint: whose inbox.
            after: index of the last entry already had; -1 for none.
            limit: at most so many.
            wait_s: how long to wait when there is nothing yet, in seconds.
            must_stand: asked whenever the wait is woken; what it raises ends the wait.
        """
        until = asyncio.get_running_loop().time() + wait_s
        while True:
            # The bell is hung before looking: what is committed in between rings it.
            bell = self._bells.setdefault(endpoint, asyncio.Event())
            rows = await self._store.inbox(endpoint, after, limit)
            if rows or wait_s <= 0:
                return rows
            try:
                async with asyncio.timeout_at(until):
                    await bell.wait()
            except TimeoutError:
                return []
            must_stand()
