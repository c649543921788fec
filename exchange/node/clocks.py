"""Run the clocks of boarding requests: told, reminded, and pronounced once silence is proved.

What is to be told when stands in the table of what is due, so a restart loses nothing. What
proves silence is a checkpoint of the node that is asked, with all held that it owes here up to
it: our own newest one, or what a link says that it covered (``cover``).
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import msgspec
import structlog

from exchange.broker import clocking, due, holding
from exchange.broker.due import FIRST
from exchange.broker.records import Found
from exchange.errors import Code, ExchangeError, Fault
from exchange.journal import terms
from exchange.model import objects
from exchange.model.codec import b64
from exchange.model.identity import uuid7
from exchange.seal import notices

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exchange.broker.due import Due
    from exchange.broker.holding import Find, Target
    from exchange.broker.settle import Ledger
    from exchange.model.ticking import Ticking
    from exchange.node.crossed import HomeHeads
    from exchange.node.ports import Store
    from exchange.node.settings import Settings
    from exchange.node.writer import Writer

# In one step: each is signed.
MOST: Final = 32

_log = structlog.get_logger("exchange.node")


class _Covered(NamedTuple):
    """A checkpoint, its date, and a time: what is entered after it was taken in no sooner.

    The date alone is not enough: what came in time may be entered under the next one.
    """

    note: bytes
    dated: int
    through: int


class Clocks:
    """Looks after what boarding requests wait for; ``step`` does the next piece of it."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        settings: Settings,
        own: Callable[[], bytes | None],
        crossed: Callable[[], HomeHeads | None],
    ) -> None:
        """Prepare.

        Args:
            store: what is kept.
            writer: enters what is told.
            settings: the node's.
            own: returns our newest checkpoint that counts, if there is one.
            crossed: returns what is known of our endpoints' inboxes at other nodes.
        """
        self._store = store
        self._writer = writer
        self._settings = settings
        self._own = own
        self._crossed = crossed
        self._covered: dict[str, _Covered] = {}
        self._tried: dict[int, tuple[int, int]] = {}

    def cover(self, node: str, note: bytes, through: int) -> None:
        """Hear that all is held that another node owes here up to a checkpoint of its journal.

        An entry under it was taken in at ``through`` (seconds UTC), and all later ones no
        sooner. One that does not hold, or that no quorum vouches for where one must, covers
        nothing.
        """
        try:
            view = self._writer.homes.newest(node)
            dated = terms.of(note, node, view).dated(note)
        except ExchangeError as error:
            _log.error("clocks", node=node, code=error.code.value)
            return
        before = self._covered.get(node)
        if before is None or (through, dated) > (before.through, before.dated):
            self._covered[node] = _Covered(note, dated, through)

    async def run(self, interval_s: float) -> None:
        """Take a step once an interval, until cancelled; what fails is tried again then."""
        while True:
            try:
                await self.step()
            except ExchangeError as error:
                _log.error("clocks", code=error.code.value)
            await asyncio.sleep(interval_s)

    async def step(self) -> None:
        """Tell who is to be told, and pronounce what silence came to.

        Raises:
            Fault: what is due cannot be read.
        """
        for what, do in ((due.CLOCK, self._tell), (due.SILENT, self._pronounce)):
            for row in await self._due(what):
                try:
                    await do(row)
                except ExchangeError as error:
                    # One that fails keeps no other one waiting; it has its turn again.
                    _log.error("clocks", code=error.code.value, of=row.index)

    async def _due(self, what: int) -> list[Due]:
        now = self._writer.stamp() // 1000
        rows = await self._store.due(what, now, MOST, self._tried.pop(what, FIRST))
        if len(rows) == MOST:
            self._tried[what] = rows[-1].place
        return rows

    async def _tell(self, row: Due) -> None:
        found = await self._found(row)
        known = clocking.ticking(row, found, self._writer.view, self._settings.node)
        if known is None:
            raise Fault(Code.STORE_FAILED, reason="no request is due", found=row.index)
        notice = self._notice(found, (row.cause, row.rule), known[0])
        raw = await asyncio.to_thread(self._signed, notice)

        def made(ledger: Ledger, _: Find) -> int | None:
            return clocking.tell(ledger, row, found, notice, raw)

        await self._writer.enter(made, row=row)

    async def _pronounce(self, row: Due) -> None:
        found = await self._found(row)
        target = holding.read(found)
        if target is None:
            raise Fault(Code.STORE_FAILED, reason="no request is due", found=row.index)
        wanted = clocking.lookups(target)
        known = await self._store.find(wanted)
        told = clocking.begun(target.digest, known.get)
        covered = None if told is None else self._newest(told.node)
        if told is None or covered is None or min(covered[1:]) <= told.due:
            # Undetermined: nothing proves yet that nobody answered.
            return
        if await asyncio.to_thread(self._may_lack, target.header.endpoint, told):
            # It stays so: what was sent and may not be read here may be the answer.
            _log.warning("boarding", reason="not all that came could be taken in", of=row.index)
            return
        proved = _with(told, covered)
        notice = self._notice(found, clocking.outcome(row), proved)
        raw = await asyncio.to_thread(self._signed, notice)

        def missing(known: Mapping[bytes, Found | None]) -> list[bytes]:
            return [key for key in wanted if key not in known]

        made = partial(_pronounced, row, target, notice, raw)
        index = await self._writer.enter(made, missing, row)
        if index is not None:
            _log.info("boarding", about=notice.about, code=notice.code, entry=index)

    def _may_lack(self, endpoint: str, told: Ticking) -> bool:
        """Tell whether anything that the node asked sent the requester since is not here."""
        if told.node == self._settings.node:
            return False
        known = self._crossed()
        if known is None:
            return True
        places = known.places(told.node, endpoint)
        return any(each.index > told.index and not each.order for each in places)

    def _newest(self, node: str) -> _Covered | None:
        """Return the newest checkpoint of a node under which all is here that it owes here."""
        if node != self._settings.node:
            return self._covered.get(node)
        note = self._own()
        if note is None:
            return None
        # Of our own journal all is known: the group that this is entered in is later still.
        dated = terms.of(note, node, self._writer.view).dated(note)
        return _Covered(note, dated, dated)

    async def _found(self, row: Due) -> Found:
        rows = await self._store.read(row.index, 1)
        if not rows or rows[0].index != row.index:
            raise Fault(Code.STORE_FAILED, reason="nothing is due", found=row.index)
        return Found(row.index, rows[0].entry)

    def _notice(self, found: Found, says: tuple[str, str], clock: Ticking) -> objects.Notice:
        target, settings = holding.read(found), self._settings
        if target is None:
            raise Fault(Code.STORE_FAILED, reason="no request is due", found=found.index)
        header, now_ms = target.header, settings.clock_ms()
        about, code = says
        return objects.Notice(
            v="xb1",
            suite=self._writer.rings.signer(self._writer.view).suite,
            id=uuid7(now_ms, settings.randomness(10)),
            node=settings.node,
            of=objects.Subject(header.endpoint, header.id, target.digest),
            about=cast("objects.News", about),
            recipient=None,
            code=code,
            at=now_ms // 1000,
            clock=clock,
        )

    def _signed(self, notice: objects.Notice) -> bytes:
        return notices.sign(notice, self._writer.rings.signer(self._writer.view))


def _with(told: Ticking, covered: _Covered) -> Ticking:
    return msgspec.structs.replace(told, note=b64(covered.note), dated=covered.dated)


def _pronounced(  # noqa: PLR0913, PLR0917  (each is part of the question)
    row: Due,
    target: Target,
    notice: objects.Notice,
    raw: bytes,
    ledger: Ledger,
    find: Find,
) -> int | None:
    return clocking.pronounce(ledger, row, target, notice, raw, find)
