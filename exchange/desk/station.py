"""One officer's station: the inbox, kept up with the node, and what was done with it here.

One task follows the node, one proves now and again that nothing is missing, and one destroys
what is over (``retaining``). All say what goes wrong instead of ending: a desk that shows
nothing new would look like a quiet watch.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from exchange.client import ageing, losses
from exchange.client.proving import MAX_AGE_S
from exchange.client.reading import Delivered, Locked
from exchange.client.transport import is_away
from exchange.desk.lasting import Lasting
from exchange.desk.ours import Ours
from exchange.desk.retaining import Retaining
from exchange.desk.shelf import Shelf
from exchange.errors import Code, ExchangeError, Fault, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from exchange.client.agency import Agency
    from exchange.client.proving import Proven
    from exchange.client.reading import Item
    from exchange.desk.shelf import Row
    from exchange.model.codes import Codes
    from exchange.model.header import Precedence
    from exchange.model.objects import Outcome

# How often it is proved that nothing is missing: as often as an idle node signs anew.
PROVE_S: Final = 60
# After an error that is none of the link's, which the follower bears by itself.
_AGAIN_S: Final = 5
_READ: Final = "desk-read"
# So much of what was locked is judged anew at once; the rest the next time.
_ANEW: Final = 256
# What arrived last is told to open pages by name; more is a glance at the inbox.
_TOLD: Final = 20
# What a node answers whoever is an endpoint no more: the desk closes, and asks again.
_TURNED_AWAY: Final = frozenset(
    {Code.ENDPOINT_SUSPENDED, Code.UNKNOWN_ENDPOINT, Code.UNKNOWN_KEY, Code.KEY_NOT_VALID}
)
_log = structlog.get_logger("exchange.desk")


class Arrived(NamedTuple):
    """One thing that came: the how manieth since the desk was opened, and its entry."""

    number: int
    entry: int


class Station:
    """What all pages of the desk look at.

    Attributes:
        agency: the endpoint's dealings with its node, entered.
        shelf: what is held.
        officer: who has the watch; named in what is attested. None where nobody was named.
        trouble: why the node is not heard just now; None while it is.
        unproven: why it gives no heads, though it is heard; None while it does.
        proven: what was proved last; None before.
        alarm: why it does not hold that nothing is missing; None while it does.
        arrived: what came since the desk was opened, the newest last; a few. By its entry
            alone: what is destroyed stands nowhere else.
        came, flash_came: how much came since, and how many FLASH of it: a few of many may not
            name them all. ``run`` tells these from the counts of another time.
        stuck: why something that is to be destroyed is here still; None where nothing is.
        aside: what kept here was damaged and put aside; None where nothing was in a month.
        retaining: destroys what is over.
        on_news: called when anything of the above changed; told whether that is news.
        keep_officer: called with who has the watch from now on.
        views: where the endpoint's saved views lie on this machine; None: nowhere.
    """

    def __init__(
        self, agency: Agency, codes: Codes, officer: str | None, views: Path | None = None
    ) -> None:
        """Prepare; ``fill`` first."""
        self.agency = agency
        self.codes = codes
        self.officer = officer
        self.shelf = Shelf(codes, self._target_s)
        self.trouble: ExchangeError | None = None
        # Stays until the node gives something again: one that is away since says nothing new.
        self.turned_away: ExchangeError | None = None
        self._broken: ExchangeError | None = None
        self.proven: Proven | None = None
        self.alarm: ExchangeError | None = None
        self.arrived: deque[Arrived] = deque(maxlen=_TOLD)
        self.came = self.flash_came = 0
        self.run = str(agency.world.clock_ms())
        self.stuck: ExchangeError | None = None
        self.unproven: ExchangeError | None = None
        self.aside: ExchangeError | None = None
        # Since when it gives no heads; and since when nothing at all came from it.
        self._lasting = Lasting(agency.world.cabinet)
        # Set where the node was away and is heard again: that is no time to wait for a minute.
        self._back = asyncio.Event()
        self.on_news: Callable[[bool], None] = lambda _is_news: None
        self.keep_officer: Callable[[str], None] = lambda _officer: None
        self.views = views
        self.ours = Ours(agency, codes)
        self.seen = ageing.SeenTo(agency.world.outbox.acks)
        self.retaining = Retaining(self)
        self._last = -1

    def now(self) -> int:
        """Return the time, in seconds UTC."""
        return self.agency.world.now()

    def _target_s(self, precedence: Precedence) -> int:
        return self.agency.trust.newest.agreed().target_s(precedence)

    def is_exercise(self) -> bool:
        """Tell whether all that flows here is an exercise, by the arrangement."""
        arrangement = self.agency.trust.newest.arrangement
        return arrangement is not None and arrangement.exercise

    @property
    def wrong(self) -> list[ExchangeError]:
        """All that goes wrong just now, of the link first."""
        every = (self.trouble, self.unproven, self.stuck, self.aside)
        return [each for each in every if each is not None]

    @property
    def closed(self) -> ExchangeError | None:
        """Why nobody may look at anything here any more; None while the desk is open.

        By the trust documents, as far as they are known here, or by the node's word: who is
        turned away there is told nothing new, and a desk that is behind is no desk.
        """
        if self.turned_away is not None:
            return self.turned_away
        endpoint = self.agency.profile.endpoint
        standing = self.agency.trust.newest.endpoints.get(endpoint)
        if standing is None:
            return Refusal(Code.UNKNOWN_ENDPOINT, name=endpoint)
        if not standing.is_active:
            return Refusal(Code.ENDPOINT_SUSPENDED, name=endpoint)
        return None

    # -- keeping up ---------------------------------------------------------------------

    async def fill(self) -> None:
        """Take what is held, and what the node has, if it answers.

        Raises:
            Refusal, Fault: as ``Agency.known``.
        """
        shown = await self.agency.known()
        self.trouble = shown.away
        marks, _ = losses.put_aside(self.agency.world.cabinet, _READ, lambda: ())
        self.shelf.read |= {value.decode() for value in marks}
        self._look_for_losses()
        self._lasting.take_up(self.now())
        self._take(shown.items)

    async def keep_up(self) -> None:
        """Follow the node, prove, and destroy what is over, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._prove())
            tasks.create_task(self.retaining.keep())

    async def _follow(self) -> None:
        while True:
            try:
                async for item in self.agency.follow(self._last, self._troubled):
                    self._heard()
                    self._broken = None
                    self._arrive(item)
            except ExchangeError as error:
                if isinstance(error, Refusal) and error.code not in _TURNED_AWAY:
                    # What came does not hold: an alarm until something comes that does.
                    self._broken = self.alarm = error
                self._troubled(error, _AGAIN_S)
            await asyncio.sleep(_AGAIN_S)

    def _troubled(self, error: ExchangeError, _pause_s: float) -> None:
        is_news = self.trouble is None or self.trouble.code is not error.code
        self._note(error)
        self.on_news(is_news)

    def _note(self, error: ExchangeError) -> None:
        self.trouble = error
        if error.code in _TURNED_AWAY:
            self.turned_away = error

    def _heard(self) -> None:
        if self.trouble is not None:
            self.trouble = self.turned_away = None
            self._back.set()
            # What waits to be said of what was destroyed meanwhile is said.
            self.retaining.ordered()
            self.on_news(True)

    def _arrive(self, item: Item) -> None:
        # Who gives this is not away, whatever else it answers.
        self._lasting.is_heard()
        for row in self._take([item]):
            self.came += 1
            self.flash_came += row.is_flash
            self.arrived.append(Arrived(self.came, row.item.index))
        self.retaining.came(item)

    async def _prove(self) -> None:
        while True:
            self._back.clear()
            await self.prove()
            await self.unlock()
            with suppress(TimeoutError):
                async with asyncio.timeout(PROVE_S):
                    await self._back.wait()

    async def prove(self) -> None:
        """Prove that nothing is missing; what does not hold is an alarm until it does."""
        before = self.alarm
        self._look_for_losses()
        try:
            self.proven = await self.agency.prove()
        except ExchangeError as error:
            alarm: ExchangeError | None = error
            if is_away(error):
                alarm = await self._not_proven(error)
            elif error.code is Code.NOT_FOUND and not self._has_proved():
                # So it is with a young node; and with one that never shows what it signed.
                alarm = await self._not_proven(Fault(Code.NO_CHECKPOINT))
            if alarm is None:
                return
            self.alarm = alarm
            _log.warning("not proven", code=alarm.code.value)
        else:
            self.unproven = None
            self._lasting.end()
            self.alarm = self._broken
            self._heard()
        # That it holds anew is told to open pages, and makes none of them old.
        self.on_news((before and before.code) != (self.alarm and self.alarm.code))

    def _look_for_losses(self) -> None:
        """Take up what was damaged here and put aside, so that nobody overlooks it."""
        with suppress(Fault):
            found = losses.listed(self.agency.world.cabinet)
            drawers = sorted({each.drawer for each in found if each.how == "aside"})
            self.aside = Fault(Code.MAIL_ASIDE, found=", ".join(drawers)) if drawers else None

    def _has_proved(self) -> bool:
        """Tell whether a checkpoint was ever seen here, before this desk was opened, too."""
        profile, seen = self.agency.profile, self.agency.world.seen
        before = None if seen is None else seen.read(profile.anchor, profile.node)
        return self.proven is not None or before is not None

    async def _not_proven(self, error: ExchangeError) -> Refusal | None:
        """Note that the node gives no heads; return an alarm if it has for long given all else.

        Whoever withholds something may well say of the heads alone that they are not to be had,
        and be away for a moment now and then. So being away ends nothing, unless it lasts as
        long as heads may be missing.
        """
        now = self.now()
        limit = MAX_AGE_S + self.agency.trust.newest.agreed().limits.skew_s
        is_away = await self._is_away_now()
        since = self._lasting.since
        begun = now if since.unproven is None else since.unproven
        gone = now if is_away and since.away is None else since.away
        if gone is not None and now - gone > limit:
            begun = now
        self._lasting.note(begun, gone if is_away else None, now)
        self.unproven = None if is_away else error
        found = now - begun
        # Where nothing was ever held, nothing can be missing that anybody knows of.
        if found <= limit or not (self.proven or self._has_proved() or self.shelf.items()):
            self.on_news(False)
            return None
        if self.proven is not None:
            found = now - self.proven.signed
        return Refusal(Code.STALE_HEAD, "/signed", found=found, limit=limit)

    async def _is_away_now(self) -> bool:
        """Tell whether the node gives nothing else either."""
        try:
            await self.agency.view()
        except ExchangeError as away:
            self._troubled(away, PROVE_S)
            return True
        self._heard()
        return False

    async def unlock(self) -> None:
        """Judge anew what is locked by what may have passed: the node was away, say."""
        shut = [
            item.position
            for item in self.shelf.items()
            if isinstance(item, Delivered | Locked) and isinstance(item.locked, Fault)
        ]
        if not shut:
            return
        # Away still, or again: the next time.
        with suppress(ExchangeError):
            self.take(await self.agency.inbox.anew(shut[:_ANEW]))

    def take(self, items: Iterable[Item]) -> None:
        """Show items as they are now: judged anew, or destroyed.

        How far the node was followed is said by what came from it, and by none of these.
        """
        if self.shelf.take(items):
            self.on_news(True)

    def settle(self) -> None:
        """Take up what became of what was acknowledged: what was refused since is unsaid."""
        seen = self.seen.digests()
        if seen != self.shelf.acknowledged:
            self.shelf.acknowledged = seen
            self.on_news(False)

    def _take(self, items: Iterable[Item]) -> list[Row]:
        self.shelf.acknowledged = self.seen.digests()
        made = self.shelf.take(items)
        self._last = max([self._last, *(row.item.index for row in made if not row.item.ahead)])
        if made:
            self.on_news(True)
        return made

    # -- what an officer does -----------------------------------------------------------

    def was_read(self, row: Row) -> bool:
        """Tell whether a row was looked at here."""
        return self.shelf.key(row) in self.shelf.read

    def read(self, row: Row) -> None:
        """Remember that a row was looked at, for as long as its bulletin is kept."""
        if self.was_read(row):
            return
        key = self.shelf.key(row)
        self.shelf.read.add(key)
        until = row.item.header.retain_until if isinstance(row.item, Delivered) else 0
        self.agency.world.cabinet.put(_READ, key, key.encode(), until)

    async def acknowledge(self, item: Delivered, outcome: Outcome) -> None:
        """Acknowledge a bulletin to its originator, in the name of who has the watch.

        Raises:
            Refusal: as ``Agency.acknowledge``.
            Fault: as there; but where the node is away it waits, signed, and counts as said.
        """
        try:
            await self.agency.acknowledge(item, outcome, self.officer)
        except ExchangeError as error:
            if not is_away(error):
                raise
            self._note(error)
        self.shelf.acknowledged = self.seen.digests()
        self.on_news(False)

    def take_watch(self, officer: str) -> None:
        """Have another officer on watch: named in what is attested from here on."""
        self.keep_officer(officer)
        self.officer = officer
        self.on_news(True)
