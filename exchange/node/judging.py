"""Judge what comes from another node as at its home: in the fronts, else in threads here.

Two signature checks take most of what an entry costs, and hang on nothing but its bytes and on
what was in force at its home. So the fronts judge, side by side and ahead of time: as soon as a
page is here, while the one before it is still settled and committed. What is in force there,
and all that depends on order, stays with this process. All that a front says is yes or no; what
an entry comes to is read here, in its own bytes. A no is not believed, nor is silence: that
entry is judged again here, and here it is said why.
"""

from __future__ import annotations

import asyncio
import pickle
from collections import Counter, deque
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import structlog

from exchange.broker import again, peering
from exchange.errors import Refusal
from exchange.model import entry as entries
from exchange.node import frames

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from exchange.broker.intake import Considered, Decision
    from exchange.broker.peering import Crossing
    from exchange.model.entry import Home
    from exchange.model.view import View
    from exchange.node.settings import Settings
    from exchange.node.writer import Writer

_log = structlog.get_logger("exchange.node")

# Judged in one go: others wait for a front that long, at most; and said in one message (see
# ``node.front`` for what larger ones cost).
_SLICE: Final = 16
_SLICE_BYTES: Final = 96 * 1024
# What is in force at a home, as a front holds it: now, and for what came before that.
VIEWS: Final = 2
# No front said anything for so long: that many times what a slice takes on a machine that is
# busy with others. And so long for all of a page: one that drips is no better.
_SILENCE_S: Final = 0.25
_PAGE_S: Final = 2.0
# A front that kept a page waiting is asked nothing for so long, nor before it has answered all.
_PASSED_OVER_S: Final = 60.0


class Asked(NamedTuple):
    """A slice that is judged under one view of its home."""

    node: str
    view: View
    # The same view as a front is told of it.
    pickled: bytes
    here: Collection[str]
    crossings: Sequence[Crossing]


class Way(Protocol):
    """A front, as one that judges."""

    @property
    def under_way(self) -> int:
        """How many it was asked for and did not answer."""

    @property
    def is_passed_over(self) -> bool:
        """Whether it kept others waiting, and is not to be asked for a while."""

    def pass_over(self) -> None:
        """Wait for it no more: what it was asked is answered with nothing."""

    def judge(self, asked: Asked) -> asyncio.Future[list[bool]]:
        """Return whether each is borne out, in order; fewer, or none, where it cannot."""


class Asking:
    """Asks one front over its wire; meets ``Way``."""

    def __init__(self, say: Callable[[frames.FromWriter], None]) -> None:
        """Begin with nothing asked."""
        self._say = say
        self._tickets = 0
        self._open: dict[int, tuple[asyncio.Future[list[bool]], int]] = {}
        # Which views it has: it forgets in the same order.
        self._views: deque[tuple[str, int]] = deque(maxlen=VIEWS)
        self._is_lost = False
        # When it was last waited for in vain, by the loop's clock.
        self._vain_s: float | None = None

    @property
    def under_way(self) -> int:
        """See ``Way``."""
        return sum(count for _, count in self._open.values())

    @property
    def is_passed_over(self) -> bool:
        """See ``Way``."""
        if self._vain_s is None:
            return False
        since_s = asyncio.get_running_loop().time() - self._vain_s
        return bool(self._open) or since_s < _PASSED_OVER_S

    def pass_over(self) -> None:
        """See ``Way``; what it says yet is heard, and believed no more."""
        self._vain_s = asyncio.get_running_loop().time()
        for found, _ in self._open.values():
            if not found.done():
                found.set_result([])

    def judge(self, asked: Asked) -> asyncio.Future[list[bool]]:
        """See ``Way``."""
        self._vain_s = None
        found: asyncio.Future[list[bool]] = asyncio.get_running_loop().create_future()
        if self._is_lost:
            found.set_result([])
            return found
        named = (asked.node, asked.view.index)
        if named not in self._views:
            self._views.append(named)
            self._say(frames.HomeView(*named, asked.pickled))
        self._tickets += 1
        self._open[self._tickets] = (found, len(asked.crossings))
        items = [frames.Crossed(e.home.index, e.entry, e.body) for e in asked.crossings]
        self._say(frames.Judge(self._tickets, *named, sorted(asked.here), items))
        return found

    def heard(self, ticket: int, said: list[bool]) -> None:
        """Take an answer in."""
        found, _ = self._open.pop(ticket, (None, 0))
        if found is not None and not found.done():
            found.set_result(said)

    def lost(self) -> None:
        """Take it that nothing more is said."""
        self._is_lost = True
        for ticket in list(self._open):
            self.heard(ticket, [])


class _Begun(NamedTuple):
    """What a front was asked of an entry, and its place in the answer."""

    crossing: Crossing
    view: View
    here: Collection[str]
    way: Way
    said: asyncio.Future[list[bool]]
    place: int

    def decision(self) -> Decision | None:
        """Return what it comes to, where a front said yes and nothing read here says no.

        That the body is the one that it names was looked at before, by this process.
        """
        said = self.said.result()
        if not any(said[self.place : self.place + 1]):
            return None
        try:
            return peering.claimed(self.crossing, self.view, self.here)
        except Refusal:
            return None


class Judging:
    """Judges for one node what comes from the others."""

    def __init__(self, writer: Writer, settings: Settings) -> None:
        """Judge in threads, until there are fronts: ``ways`` returns those that are well."""
        self.ways: Callable[[], Sequence[Way]] = tuple
        self._writer = writer
        self._settings = settings
        # Of the page that is taken in, and of the one after it.
        self._before: dict[Home, _Begun] = {}
        self._begun: dict[Home, _Begun] = {}
        self._pickled: dict[tuple[str, int], bytes] = {}

    def begin(self, crossings: Sequence[Crossing]) -> None:
        """Have what will be given to ``judge`` judged ahead; nothing is kept of earlier ones.

        Nothing of these is proved yet, and nothing comes of it: they are bytes.
        """
        self._before, self._begun = self._begun, self._asked(crossings)

    async def judge(self, crossings: Sequence[Crossing]) -> list[Considered | Refusal]:
        """Return what each comes to; a refusal: it does not bear out what it says.

        What is in force at their home is in force before any of them.
        """
        ahead = [self._ahead(each) for each in crossings]
        pairs = list(zip(crossings, ahead, strict=True))
        now = self._asked([each for each, known in pairs if known is None])
        begun = [known or now.get(each.home) for each, known in pairs]
        await _answered([each for each in begun if each is not None])
        decisions = [each.decision() if each else None for each in begun]
        for each in crossings:
            self._before.pop(each.home, None)
            self._begun.pop(each.home, None)
        taken_ms, view = self._writer.stamp(), self._writer.view
        rest = [crossings[at] for at, decision in enumerate(decisions) if decision is None]
        judged = iter(await self._here(rest, view, taken_ms))
        return [
            next(judged)
            if decision is None
            else peering.concluded(each, decision, view, taken_ms)
            for each, decision in zip(crossings, decisions, strict=True)
        ]

    async def _here(
        self, crossings: Sequence[Crossing], view: View, taken_ms: int
    ) -> list[Considered | Refusal]:
        """Judge in threads of this process."""
        loop, here = asyncio.get_running_loop(), self._nations()
        work = partial(_judged, writer=self._writer, view=view, taken_ms=taken_ms, here=here)
        judging = [
            loop.run_in_executor(self._settings.executor, work, crossings[at : at + _SLICE])
            for at in range(0, len(crossings), _SLICE)
        ]
        return [each for part in await asyncio.gather(*judging) for each in part]

    def _ahead(self, crossing: Crossing) -> _Begun | None:
        """Return what was begun of just this, where its home's trust bears that out by now.

        Of what is in force there more may be known than when it was begun.
        """
        begun = self._before.get(crossing.home) or self._begun.get(crossing.home)
        if begun is None or begun.crossing != crossing or begun.here != self._nations():
            return None
        return begun if self._under(crossing) is not None else None

    def _asked(self, crossings: Sequence[Crossing]) -> dict[Home, _Begun]:
        """Ask fronts of these, as far as they may tell, and there are any."""
        begun: dict[Home, _Begun] = {}
        ways, here = [each for each in self.ways() if not each.is_passed_over], self._nations()
        if not ways:
            return begun
        viewed = [(each, view) for each in crossings if (view := self._under(each)) is not None]
        # Telling a view costs more than judging the few entries that stand under it alone: the
        # rest of a page of many views is judged here.
        most = {which for which, _ in Counter(map(_of, viewed)).most_common(VIEWS)}
        viewed = [each for each in viewed if _of(each) in most]
        viewed.sort(key=_of)
        for _, group in groupby(viewed, _of):
            pairs = list(group)
            node, view = pairs[0][0].home.node, pairs[0][1]
            for part in _slices([each for each, _ in pairs]):
                way = min(ways, key=lambda each: each.under_way)
                said = way.judge(Asked(node, view, self._spelled(node, view), here, part))
                for place, each in enumerate(part):
                    begun[each.home] = _Begun(each, view, here, way, said, place)
        return begun

    def _under(self, crossing: Crossing) -> View | None:
        """Return what fronts may judge an entry under; None where they may not."""
        if not isinstance(peering.facts_of(crossing), again.Told):
            return None
        try:
            return peering.under(crossing, self._writer.homes)
        except Refusal:
            return None

    def _spelled(self, node: str, view: View) -> bytes:
        spelled = self._pickled.get((node, view.index))
        if spelled is None:
            spelled = pickle.dumps(view)
            while len(self._pickled) >= VIEWS:
                del self._pickled[next(iter(self._pickled))]
            self._pickled[node, view.index] = spelled
        return spelled

    def _nations(self) -> Collection[str]:
        return peering.nations_of(self._settings.node, self._writer.view)


def _of(viewed: tuple[Crossing, View]) -> tuple[str, int]:
    crossing, view = viewed
    return crossing.home.node, view.index


async def _answered(begun: Sequence[_Begun]) -> None:
    """Wait until each was answered; pass a front over that keeps silent, and go on."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _PAGE_S
    waits = {each.said: each.way for each in begun if not each.said.done()}
    while waits:
        left = min(_SILENCE_S, until - loop.time())
        done, _ = await asyncio.wait(waits, timeout=left, return_when="FIRST_COMPLETED")
        for each in done:
            del waits[each]
        if waits and not done:
            for way in set(waits.values()):
                way.pass_over()
            _log.warning("front-silent", slices=len(waits))
            return


def _slices(crossings: Sequence[Crossing]) -> Iterator[list[Crossing]]:
    part: list[Crossing] = []
    held = 0
    for each in crossings:
        part.append(each)
        held += len(each.entry) + len(each.body or b"")
        if len(part) == _SLICE or held >= _SLICE_BYTES:
            yield part
            part, held = [], 0
    if part:
        yield part


def _judged(
    crossings: Sequence[Crossing],
    *,
    writer: Writer,
    view: View,
    taken_ms: int,
    here: Collection[str],
) -> list[Considered | Refusal]:
    found: list[Considered | Refusal] = []
    for each in crossings:
        try:
            found.append(peering.consider(each, writer.homes, view, taken_ms, here))
        except Refusal as refusal:
            found.append(refusal)
    return found


class Assessor:
    """A front's half: judges what the writer's process asks of it, a slice at a time."""

    def __init__(self, say: Callable[[frames.FromFront], None]) -> None:
        """Begin with no view of any home."""
        self._say = say
        self._views: dict[tuple[str, int], View] = {}
        self._asked: deque[frames.Judge] = deque()

    def hear(self, message: frames.HomeView | frames.Judge) -> None:
        """Take in what the writer's process says."""
        match message:
            case frames.HomeView():
                self._learn(message)
            case frames.Judge():
                # Soon: between two slices there is a look at the sockets.
                self._asked.append(message)
                asyncio.get_running_loop().call_soon(self._next)

    def _learn(self, told: frames.HomeView) -> None:
        """Take in what is in force at a home; the oldest that is known is forgotten."""
        if len(self._views) == VIEWS:
            del self._views[next(iter(self._views))]
        self._views[told.node, told.index] = pickle.loads(told.view)  # noqa: S301  (from the node's own process)

    def _next(self) -> None:
        asked = self._asked.popleft()
        view = self._views.get((asked.node, asked.view))
        found = [_is_borne_out(each, asked, view) for each in asked.items]
        self._say(frames.Judged(asked.ticket, found))


def _is_borne_out(item: frames.Crossed, asked: frames.Judge, view: View | None) -> bool:
    if view is None:
        return False
    crossing = peering.Crossing(entries.Home(asked.node, item.index), item.entry, item.body)
    try:
        peering.borne_out(crossing, view, asked.here)
    except Exception:  # noqa: BLE001  (a no, or a defect of ours: told where it is judged again)
        return False
    return True
