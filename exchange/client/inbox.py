"""An endpoint's inbox, page by page: everything owed, in order, and nothing left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.client import opening, reading
from exchange.model import wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from exchange.client.held import Held
    from exchange.client.opening import Ours
    from exchange.client.reading import Item
    from exchange.client.transport import Transport
    from exchange.model.view import View


class Inbox:
    """Reads what is owed to one endpoint, and holds its node to owing all of it."""

    def __init__(
        self,
        ours: Ours,
        transport: Transport,
        view: Callable[[], Awaitable[View]],
        held: Held,
    ) -> None:
        """Prepare; nothing is asked before the first call.

        Args:
            ours: the endpoint, what it opens with, and the trust log that it follows.
            transport: its session.
            view: brings the trust log up to date, and holds it to what was seen before.
            held: what came so far, from the first item on; it grows with what comes.
        """
        self.held = held
        self._ours = ours
        self._transport = transport
        self._view = view

    async def page(
        self,
        after: int,
        *,
        expect: int | None = None,
        since_ms: int = 0,
        limit: int = 64,
        wait_s: int = 0,
    ) -> list[Item]:
        """Return what the inbox holds after a cursor, verified, opened where it is sealed.

        Args:
            after: journal index of the last item already had; -1 for none.
            expect: position of the next item, where it is known: one more than the last had.
            since_ms: when the item before was taken in, where it is known.
            limit: at most so many.
            wait_s: how long the node may wait for the first one, in seconds.

        Raises:
            Refusal: ``inbox-gap``: positions have a gap; ``item-withheld``: they stop before
                the total that the node itself tells; something owed was left out.
        """
        raw = await self._fetched(after, expect, limit, wait_s)
        if raw:
            await self._view()
        ours = self._ours
        items = reading.verify_all(raw, ours.endpoint, ours.trust, since_ms)
        return [await opening.opened(item, ours, self._transport) for item in items]

    async def _fetched(
        self, after: int, expect: int | None, limit: int = wire.MAX_PAGE, wait_s: int = 0
    ) -> list[wire.InboxItem]:
        """Return a page as the node gave it, held to its promise alone."""
        first = 0 if after < 0 else expect
        page = await self._transport.get_as(
            wire.InboxPage, "/v1/inbox", after=after, limit=limit, wait=wait_s
        )
        reading.must_be_gapless(page.items, first, after)
        if not page.items:
            reading.must_be_all(first, page.total)
        self.held.take(page.items)
        return page.items

    async def fill(self, count: int) -> None:
        """Fetch until so many items are held, or there are no more; nothing is opened.

        Raises:
            Refusal: as ``page``.
        """
        while self.held.count < count:
            if not await self._fetched(self.held.cursor, self.held.count):
                return

    async def everything(self) -> list[Item]:
        """Return the whole inbox as it is now."""
        # Also where it is empty: whose key is about to end is to be told on every look.
        await self._view()
        items: list[Item] = []
        since_ms = 0
        while more := await self.page(
            items[-1].index if items else -1,
            expect=len(items),
            since_ms=since_ms,
            limit=wire.MAX_PAGE,
        ):
            items += more
            since_ms = max(reading.taken_ms(item, since_ms) for item in more)
        return items
