"""An endpoint's inbox: everything owed, in order, and nothing left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.client import gapless, lost, opening, purging, reading
from exchange.model import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from exchange.client.agency import Agency
    from exchange.client.bodies import Bodies
    from exchange.client.held import Held
    from exchange.client.opening import Ours
    from exchange.client.reading import Consented, Delivered, Item
    from exchange.errors import Fault
    from exchange.model.header import Header


# Says so, in the facts of an entry.
_CONSENT = '"kind":"consented"'
_GRANT = '"kind":"granted"'


class Shown(NamedTuple):
    """An inbox as it is known here.

    ``away`` is the fault that kept the node from being asked, and ``as_of_ms`` when it was
    heard last (ms UTC); None where this is all there is.
    """

    items: list[Item]
    as_of_ms: int | None = None
    away: Fault | None = None


class Inbox:
    """Reads what is owed to one endpoint, and holds its node to owing all of it.

    What came is held: only what is new is asked for.
    """

    def __init__(
        self, agency: Agency, held: Held, bodies: Bodies, ours: Callable[[], Ours]
    ) -> None:
        """Prepare; nothing is asked before the first call.

        Args:
            agency: has the session, and brings the trust log up to date.
            held: what came so far, from the first item on; it grows with what comes.
            bodies: has what items name.
            ours: the endpoint, what it opens with, and the trust log that it follows.
        """
        self.held = held
        self._agency = agency
        self._bodies = bodies
        self._ours = ours
        # When the last item that came was taken in.
        self._since_ms = 0
        # What originators said of passing on, among the first so many items.
        self._consents: list[Consented] = []
        self._looked = 0
        # Those of them that did not verify when they were looked at.
        self._unverified: list[wire.InboxItem] = []
        # What was to be purged when the inbox was looked at last.
        self.orders = purging.Orders()
        # Headers of what was in it then, by their digests.
        self.headers: dict[str, Header] = {}

    async def _fetched(self) -> int:
        """Hold the next page, held to its promise, and return how many items it had.

        Raises:
            Refusal: ``inbox-gap``: positions have a gap; ``item-withheld``: they stop before
                the total that the node itself tells; something owed was left out.
        """
        held = self.held
        page = await self._agency.transport.get_as(
            wire.InboxPage, "/v1/inbox", after=held.cursor, limit=wire.MAX_PAGE, wait=0
        )
        if page.items or page.total > held.count:
            # The trust documents before it first: without them nothing that is held would
            # verify, and they say what is lost.
            await self._agency.view()
            first = page.items[0] if page.items else None
            upto, place = (first.index, first.position) if first else (None, page.total)
            lost.set_on(self._agency, upto, place)
        if not page.items:
            gapless.must_be_all(held.count, page.total)
            return 0
        node, view = self._agency.profile.node, self._agency.trust.newest
        # What stands behind a loss is asked for again, once that is passed.
        lost.must_not_be_among(page.items, view, node)
        come = next(lost.parts(page.items, view, node))
        gapless.must_be_gapless(come, held.count, held.cursor)
        ours = self._ours()
        items = reading.verify_all(come, ours.endpoint, ours.trust, self._since_ms)
        self._since_ms = reading.taken_ms(items[-1], self._since_ms)
        held.take(come, reading.sound(items))
        return len(come)

    async def fill(self, count: int) -> None:
        """Fetch until so many items are held, or there are no more; nothing is opened.

        Raises:
            Refusal: ``inbox-gap``, ``item-withheld``.
        """
        while self.held.count < count:
            if not await self._fetched():
                return

    def consents(self) -> list[Consented]:
        """Return what originators said of passing on, as far as it is held here, in order."""
        ours, fresh = self._ours(), self.held.items(self._looked)
        told = [each for each in fresh if _CONSENT in each.entry.partition("\n")[0]]
        # What does not verify says nothing, and must not hide what comes after it, such as a
        # withdrawal. It may verify later, with a document that was missing.
        again, self._unverified = [*self._unverified, *told], []
        for item in again:
            found = reading.verify(item, ours.endpoint, ours.trust)
            if isinstance(found, reading.Consented):
                self._consents.append(found)
            elif isinstance(found, reading.Locked):
                self._unverified.append(item)
        self._consents.sort(key=lambda each: each.position)
        self._looked = fresh[-1].position + 1 if fresh else self._looked
        return self._consents

    def is_given_by_colleague(self, header_digest: str, endpoint: str) -> bool:
        """Tell whether a colleague granted a bulletin to somebody, by what is held here."""
        ours = self._ours()
        told = [e for e in self.held.items() if _GRANT in e.entry.partition("\n")[0]]
        found = (reading.verify(each, ours.endpoint, ours.trust) for each in told)
        return any(
            isinstance(each, reading.Granted)
            and not each.is_passed_on
            and (each.grant.of.header_digest, each.grant.to) == (header_digest, endpoint)
            for each in found
        )

    async def everything(self) -> list[Item]:
        """Fetch what is new, and return the whole inbox as it is now.

        Raises:
            Refusal: ``inbox-gap``, ``item-withheld``: something owed was left out.
            Fault: the node is away.
        """
        # Also where it is empty: whose key is about to end is to be told on every look.
        await self._agency.view()
        while await self._fetched():
            pass
        return await self._opened(ask=True)

    async def anew(self, places: Iterable[int]) -> list[Item]:
        """Return what is held at these positions, verified and opened anew.

        What locked it (the node was away, say) may have passed.

        Raises:
            Refusal, Fault: as ``everything``.
        """
        await self._agency.view()
        ours, now = self._ours(), self._agency.world.now()
        found: list[Item] = []
        held = [item for place in places for item in self.held.items(place, 1)]
        try:
            for each in held:
                item = reading.verify(each, ours.endpoint, ours.trust)
                found.append(await opening.opened(item, ours, self._bodies, now))
        finally:
            self._bodies.flush()
        return found

    def over(self, items: Sequence[Item]) -> list[Delivered]:
        """Return those of opened items that are to be read no more by now, without their text.

        Nobody is asked; on disk nothing is destroyed by this: see ``purging``.

        Args:
            items: all of the inbox that is known: orders to purge are among them.
        """
        now = self._agency.world.now()
        # What is opened from here on is held to the same.
        self.orders = purging.orders(items, now)
        ours = self._ours()
        found: list[Delivered] = []
        for item in items:
            if not isinstance(item, reading.Delivered):
                continue
            why, before = opening.over(item, ours, now), item.locked
            if why is None or (before and (before.code, before.at) == (why.code, why.at)):
                continue
            found.append(
                msgspec.structs.replace(
                    item, bulletin=None, not_understood=[], opened=None, locked=why
                )
            )
        return found

    async def as_held(self) -> list[Item]:
        """Return the inbox as far as it is held here; nobody is asked.

        What was not fetched yet is locked, by a fault that passes.
        """
        self._agency.trust.recall()
        return await self._opened(ask=False)

    async def _opened(self, *, ask: bool) -> list[Item]:
        ours, now = self._ours(), self._agency.world.now()
        items = reading.verify_all(self.held.items(), ours.endpoint, ours.trust)
        self.orders = purging.orders(items, now)
        self.headers = {
            each.digest: each.header for each in items if isinstance(each, reading.Delivered)
        }
        ours = ours._replace(orders=self.orders, held=self.headers)
        self._bodies.may_ask = ask
        try:
            found = [await opening.opened(item, ours, self._bodies, now) for item in items]
            return lost.once(found, {each.position for each in self.held.lost()})
        finally:
            self._bodies.may_ask = True
            self._bodies.flush()
