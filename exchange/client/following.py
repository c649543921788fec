"""Follow an inbox for ever: over pages while behind, then over a stream of events.

A link may break after any byte. What was yielded moves the place, nothing else does; so after
a break it goes on with the next item, whatever was on its way: none is lost, none comes twice.

What presses comes ahead of a backlog, and again in its place: there it is held to be the same,
and is not yielded a second time.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.client import gapless, lost, reading
from exchange.client.answers import decoded
from exchange.client.reading import Delivered, Locked
from exchange.client.transport import error_of, is_away
from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.model import events, wire
from exchange.model.identity import digest
from exchange.model.wire import AheadItem, InboxItem

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from exchange.client.agency import Agency
    from exchange.client.reading import Item
    from exchange.model.header import Precedence

    # Called with what broke, and in how many seconds it is tried again; at once where it is 0,
    # and what is held here is told meanwhile.
    Trouble = Callable[[ExchangeError, float], None]

# Asked for in one go while behind.
_PAGE = 64
# Between two attempts (seconds): from half of the first to twice as long each time.
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 60.0
# Told as locked by a fault that may pass, and to be told again; no more than that is passed by.
_MOST_AGAIN = 256
# How long one long poll waits, where there is no stream.
WAIT_S = 25


def untroubled(_error: ExchangeError, _pause_s: float) -> None:
    """Tell nobody."""


class Place:
    """How far one who follows has come."""

    def __init__(self, after: int, expect: int | None) -> None:
        """Begin after a cursor; the next item has position ``expect``, if that is known."""
        self.after = after
        self.expect = expect
        self.since_ms = 0
        # The last that was told ahead, by precedence; and what has still to come in its place.
        self.pressed: dict[Precedence, int] = {"flash": -1, "immediate": -1}
        self._ahead: dict[int, str] = {}

    def passed(self, item: Item) -> None:
        """Go on behind an item."""
        self.after, self.expect = item.index, item.position + 1
        self.since_ms = reading.taken_ms(item, self.since_ms)

    def is_new(self, come: AheadItem) -> bool:
        """Tell whether an item told ahead was neither passed nor told before."""
        return come.index > self.after and come.index not in self._ahead

    def told_ahead(self, come: AheadItem) -> None:
        """Remember what was told ahead: exactly this has to come in its place."""
        self._ahead[come.index] = digest(come.entry.encode())
        before = self.pressed.get(come.precedence, -1)
        self.pressed[come.precedence] = max(before, come.index)

    def was_told(self, come: InboxItem) -> bool:
        """Tell whether an item that comes in its place was told ahead.

        Raises:
            Refusal: ``bad-proof``: what was told ahead is not what stands in its place.
        """
        missed = min(self._ahead, default=come.index)
        if missed < come.index:
            raise Refusal(Code.BAD_PROOF, "/ahead", expected=missed, found=come.index)
        told = self._ahead.get(come.index)
        if told is not None and told != digest(come.entry.encode()):
            raise Refusal(Code.BAD_PROOF, "/ahead", found=come.index)
        return told is not None

    def forget(self, index: int) -> None:
        """It came in its place."""
        self._ahead.pop(index, None)


async def begin(agency: Agency, after: int) -> Place:
    """Return the place after a cursor, with the position that comes next if it is known."""
    expect = agency.inbox.held.position_after(after)
    if expect is not None:
        return Place(after, expect)
    page = await agency.transport.get_as(wire.InboxPage, "/v1/inbox", after=after - 1, limit=1)
    if page.items and page.items[0].index == after:
        return Place(after, page.items[0].position + 1)
    # A cursor that is no item of ours (somebody else's entry, say): begin with what comes.
    return Place(after, None)


class Follower:
    """See the module."""

    def __init__(self, agency: Agency, place: Place, trouble: Trouble) -> None:
        """Follow the agency's inbox from a place on."""
        self._agency = agency
        self._transport = agency.transport
        self._place = place
        self._trouble = trouble
        self._failed = 0
        # Once the node has answered, it is waited for whenever it is away.
        self._was_there = False
        # Long polls still to come before a stream is tried (again).
        self._polls = 0.0
        # What was told as locked by a fault that may pass, as it was before opening; by index.
        self._again: dict[int, Item] = {}

    async def items(self) -> AsyncGenerator[Item, None]:
        """Yield each item once, in order; what a passing fault locks, once more when it opens.

        Raises:
            Refusal: ``inbox-gap``, ``item-withheld``: something owed was left out; or what the
                node refuses.
            Fault: the node is away, and was so from the beginning.
        """
        while True:
            try:
                async with aclosing(self._round()) as items:
                    async for item in items:
                        yield item
            except ExchangeError as error:
                await self._bear(error)

    async def _round(self) -> AsyncGenerator[Item, None]:
        """Yield what is held, then what there is, then what comes until the stream breaks."""
        async with aclosing(self._retried()) as items:
            async for item in items:
                yield item
        is_there = True
        while here := self._here():
            ahead = await self._pressing(here[-1].index) if is_there else []
            is_there = ahead is not None
            items = self._taken([*(ahead or []), *here], is_held=not ahead)
            async with aclosing(items):
                async for item in items:
                    yield item
        page = await self._page(_PAGE, wait_s=0 if self._polls < 1 else WAIT_S)
        self._was_there = True
        if not page.items:
            await self._all_of(page.total)
        async with aclosing(self._taken([*page.ahead, *page.items])) as items:
            async for item in items:
                yield item
        if self._polls:
            self._polls -= 1
        elif not page.items:
            async with aclosing(self._streamed()) as items:
                async for item in items:
                    yield item

    def _here(self) -> list[InboxItem]:
        """Return what comes next, as far as it is held here: nobody is asked for it."""
        expect = self._place.expect
        return [] if expect is None else self._agency.inbox.held.items(expect, _PAGE)

    async def _pressing(self, beyond: int) -> list[AheadItem] | None:
        """Return what presses beyond a journal index: it must not wait for all that is held.

        None where the node is away.
        """
        try:
            page = await self._page(1)
        except Fault as fault:
            if not is_away(fault):
                raise
            if not self._was_there:
                # Said once, before the first; from here on the node is waited for.
                self._was_there = True
                self._trouble(fault, 0)
            return None
        self._was_there = True
        # It begins with what is held: shown otherwise now, that is noted.
        self._agency.inbox.held.take(page.items, 0)
        return [each for each in page.ahead if each.index > beyond]

    async def _page(self, limit: int, wait_s: int = 0) -> wire.InboxPage:
        place = self._place
        return await self._transport.get_as(
            wire.InboxPage,
            "/v1/inbox",
            after=place.after,
            limit=limit,
            wait=wait_s,
            **place.pressed,
        )

    async def _streamed(self) -> AsyncGenerator[Item, None]:
        reader, beats = events.Reader(), 0
        pieces = self._transport.stream(
            "/v1/events", after=self._place.after, **self._place.pressed
        )
        async with aclosing(pieces):
            piece = await self._first(pieces)
            if self._polls:
                return
            while piece is not None:
                come = _read(reader, piece)
                async with aclosing(self._taken(come.items)) as items:
                    async for item in items:
                        yield item
                if come.total is not None:
                    await self._all_of(come.total)
                    beats += 1
                    if beats > 1:
                        self._failed = 0
                    async with aclosing(self._retried()) as items:
                        async for item in items:
                            yield item
                if come.problem is not None:
                    raise come.problem
                piece = await anext(pieces, None)
        # Streams have no end: the node was stopped, or something in between hung up.
        raise Fault(Code.NODE_UNREACHABLE, name=self._agency.profile.url)

    async def _first(self, pieces: AsyncGenerator[bytes, None]) -> bytes | None:
        """Return the first piece of a stream; or note that long polls have to do instead."""
        try:
            return await anext(pieces, None)
        except Refusal as refusal:
            # Without a session it was not the stream that was refused.
            if not self._transport.is_in_session:
                raise
            if refusal.code is Code.NOT_FOUND:
                self._polls = float("inf")  # a node without streams
            elif refusal.code is Code.TOO_MANY:
                self._polls = 1
            else:
                raise
            return None

    async def _taken(
        self, come: Sequence[InboxItem], *, is_held: bool = False
    ) -> AsyncGenerator[Item, None]:
        """Verify, open and yield what came, and go on behind what stands in its place.

        Of what is held here the trust documents are held as well.
        """
        if not come:
            return
        agency = self._agency
        if is_held:
            agency.trust.recall()
        else:
            await agency.view()
            lost.must_not_be_among(come, agency.trust.newest, agency.profile.node)
        for part in lost.parts(come, agency.trust.newest, agency.profile.node):
            async with aclosing(self._part(part)) as items:
                async for item in items:
                    yield item
        agency.bodies.flush()

    async def _part(self, come: Sequence[InboxItem]) -> AsyncGenerator[Item, None]:
        """Take what came, none of it before a loss that the rest stands behind."""
        agency, place = self._agency, self._place
        in_place = [each for each in come if not isinstance(each, AheadItem)]
        if in_place:
            self._set_on(in_place[0].index, in_place[0].position)
        items = reading.verify_all(
            in_place, agency.profile.endpoint, agency.trust, place.since_ms
        )
        gapless.must_be_gapless(items, place.expect, place.after)
        agency.inbox.held.take(in_place, reading.sound(items))
        verified = {item.index: item for item in items}
        for each in come:
            if isinstance(each, AheadItem):
                if place.is_new(each):
                    yield await self._ahead(each)
                continue
            item = verified[each.index]
            was_told = place.was_told(each)
            opened = item if was_told else await self._opened(item)
            place.passed(item)
            place.forget(each.index)
            self._failed = 0
            if not was_told and not await lost.opened_before(agency, opened, item.index):
                yield opened

    def _set_on(self, upto: int | None, position: int) -> None:
        """Go on behind what is declared lost, where what comes next stands behind it."""
        held, place = self._agency.inbox.held, self._place
        is_held = place.expect is not None and place.expect <= held.count
        lost.set_on(self._agency, upto, position)
        if is_held and place.expect is not None:
            place.expect = held.next_place(place.expect)
        elif lost.crossed(self._agency, place.after, upto):
            # Who began in the middle does not know how many came before the loss.
            place.expect = None

    async def _all_of(self, total: int) -> None:
        """Hold a node that has no more to what it says, once what is lost is known."""
        expect = self._place.expect
        if expect is not None and total > expect:
            await self._agency.view()
            self._set_on(None, total)
        gapless.must_be_all(self._place.expect, total)

    async def _ahead(self, come: AheadItem) -> Item:
        agency = self._agency
        item = reading.verify(come, agency.profile.endpoint, agency.trust)
        opened = await self._opened(item)
        self._place.told_ahead(come)
        self._failed = 0
        return msgspec.structs.replace(opened, ahead=True)

    async def _opened(self, item: Item) -> Item:
        """Return an item opened, or locked; if by what may pass, it is tried again later.

        Raises:
            Fault: too many are so: it is the node, and no single item.
        """
        opened = await self._agency.opened(item)
        if _may_pass(opened):
            if len(self._again) >= _MOST_AGAIN:
                raise Fault(Code.UNAVAILABLE, limit=_MOST_AGAIN)
            self._again[item.index] = item
        return opened

    async def _retried(self) -> AsyncGenerator[Item, None]:
        """Yield what opens by now of what did not, or is locked for good."""
        for index, item in list(self._again.items()):
            opened = await self._agency.opened(item)
            if not _may_pass(opened):
                del self._again[index]
                yield opened

    async def _bear(self, error: ExchangeError) -> None:
        """Wait before the next attempt.

        Raises:
            Refusal, Fault: what does not pass by itself.
        """
        is_ended = error.code is Code.BAD_TOKEN
        is_busy = is_away(error) or error.code is Code.TOO_MANY
        if not is_ended and not (is_busy and self._was_there):
            raise error
        # Half of it is drawn: else all who were cut off would be back in the same moment.
        longest = min(_FIRST_PAUSE_S * 2.0**self._failed, _LONGEST_PAUSE_S)
        drawn = int.from_bytes(self._agency.world.randomness(2)) / 0x10000
        pause_s = longest * (1 + drawn) / 2
        # Tokens end every hour: that is told only where a new one does not help.
        if not is_ended or self._failed:
            self._trouble(error, pause_s)
        self._failed += 1
        await self._agency.world.pause(pause_s)


def _may_pass(item: Item) -> bool:
    return isinstance(item, Delivered | Locked) and isinstance(item.locked, Fault)


class _Come(NamedTuple):
    """What a piece of a stream holds: items, how much there is if it said so, and its end."""

    items: list[InboxItem]
    total: int | None
    problem: ExchangeError | None


def _read(reader: events.Reader, piece: bytes) -> _Come:
    """Take a piece of a stream apart.

    Raises:
        Fault: it is none.
    """
    try:
        come = reader.read(piece)
    except ValueError as error:
        raise Fault(Code.UNAVAILABLE, expected="events") from error
    items: list[InboxItem] = []
    total, problem = None, None
    for event in come:
        match event.name:
            case "entry":
                items.append(decoded(event.data, InboxItem))
            case "ahead":
                items.append(decoded(event.data, AheadItem))
            case "beat":
                total = decoded(event.data, events.Beat).total
            case "problem":
                problem = error_of(event.data, 0)
            case _:
                pass  # of a newer node
    return _Come(items, total, problem)
