"""Who audits is audited: what auditors were shown is gathered, and entered once a minute.

    shown at a front > told to the writer's process, once a second > gathered > one entry each

A killed node loses what was shown in the last minute, with fronts a second more; one that is
stopped enters it first. Only what is more than bookkeeping is gathered (``broker.audited``).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import structlog

from exchange.broker import audited
from exchange.errors import Code, Fault, Refusal
from exchange.model.shown import joined

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.broker.holding import Find
    from exchange.broker.settle import Ledger
    from exchange.model.shown import Shown, ShownAs
    from exchange.model.view import View
    from exchange.node.writer import Writer

# From when an auditor is first shown something to when that is entered (seconds): the most that
# a killed node forgets. Shorter would fill journals, where auditors follow what is new: of each
# at most one entry so often, and none while there is nothing new.
GATHER_S = 60
# An entry is not dated before what it tells of: tried again where the newest time there is
# still is, because others wait who came earlier (seconds).
_AGAIN_S = 0.05
# A front may have read what is durable, and our writer has not heard of yet: of so many, it is
# asked again when they are entered. Protects memory from a front that lies.
_MAX_AHEAD = 1000
# A node that is stopped waits no longer for its last entries: its store may be what hangs.
_LAST_S = 5

_log = structlog.get_logger("exchange.node")


class Told(NamedTuple):
    """What one auditor was shown, by kind, and when (ms UTC)."""

    since_ms: int
    until_ms: int
    reads: dict[ShownAs, Shown]


class Reads:
    """What auditors were shown and nobody was told of yet; at most three numbers of each."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        """Begin without any; by this clock what is added is dated."""
        self._clock_ms = clock_ms
        self._told: dict[str, Told] = {}
        # Set while there is something.
        self.some = asyncio.Event()

    def add(self, auditor: str, shown: Shown) -> None:
        """Note what an auditor is shown."""
        now = self._clock_ms()
        self._join(auditor, Told(now, now, {shown.what: shown}))

    def take(self) -> dict[str, Told]:
        """Return all of it, and begin anew."""
        taken, self._told = self._told, {}
        self.some.clear()
        return taken

    def put_back(self, auditor: str, told: Told) -> None:
        """Have what was taken, and could not be passed on, be taken once more."""
        self._join(auditor, told)

    def _join(self, auditor: str, more: Told) -> None:
        had = self._told.get(auditor, more._replace(reads={}))
        reads = dict(had.reads)
        for what, shown in more.reads.items():
            reads[what] = joined(reads[what], shown) if what in reads else shown
        since, until = min(had.since_ms, more.since_ms), max(had.until_ms, more.until_ms)
        self._told[auditor] = Told(since, until, reads)
        self.some.set()


class Auditing:
    """Enters what auditors were shown: one entry of each, as bookkeeping."""

    def __init__(self, reads: Reads, writer: Writer, view: Callable[[], View]) -> None:
        """Enter what is gathered in ``reads``; ``view`` is what is in force."""
        self._reads, self._writer, self._view = reads, writer, view
        self._listed: set[str] = set()
        self._ahead: list[tuple[str, Shown]] = []
        self._one_at_a_time = asyncio.Lock()
        self.rearranged()

    def rearranged(self) -> None:
        """Look who is an auditor: also who is struck off may have been shown something."""
        self._listed.update(
            name
            for name, standing in self._view().endpoints.items()
            if "auditor" in standing.endpoint.roles
        )

    def hear(self, auditor: str, shown: Shown) -> None:
        """Take over what a front says that it showed; nothing of who was never an auditor.

        Each is judged before it is joined to others: what a front invents harms no honest one.
        """
        if auditor not in self._listed:
            _log.critical("no-auditor", caller=auditor)
        elif audited.could_be(shown, self._writer.size):
            self._reads.add(auditor, shown)
        elif len(self._ahead) < _MAX_AHEAD and audited.could_be(shown, shown.last + 1):
            self._ahead.append((auditor, shown))
            self._reads.some.set()
        else:
            _refused(auditor)

    async def run(self) -> None:
        """Enter what was gathered, a minute after its first, until cancelled."""
        while True:
            await self._reads.some.wait()
            await asyncio.sleep(GATHER_S)
            await self.enter()

    async def enter(self) -> None:
        """Enter what was gathered; what cannot be written now is kept for the next time."""
        async with self._one_at_a_time:
            self._hear_again()
            for auditor, told in self._reads.take().items():
                try:
                    await self._enter(auditor, told)
                except Fault as fault:
                    self._reads.put_back(auditor, told)
                    _log.error("audit-read", code=fault.code.value)

    def _hear_again(self) -> None:
        ahead, self._ahead = self._ahead, []
        for auditor, shown in ahead:
            if audited.could_be(shown, self._writer.size):
                self._reads.add(auditor, shown)
            else:
                _refused(auditor)

    async def _enter(self, auditor: str, told: Told) -> None:
        is_early = True

        def made(ledger: Ledger, _: Find) -> int | None:
            nonlocal is_early
            is_early = ledger.taken_ms < told.until_ms
            return None if is_early else _note(ledger, auditor, told)

        await self._writer.enter(made)
        while is_early:
            await asyncio.sleep(_AGAIN_S)
            await self._writer.enter(made)

    async def finish(self) -> None:
        """Enter what there is before nothing is written any more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_S):
                await self.enter()


def _note(ledger: Ledger, auditor: str, told: Told) -> int | None:
    try:
        return audited.note(ledger, auditor, told.since_ms, told.until_ms, told.reads.values())
    except Refusal as refusal:
        _refused(auditor, refusal.at)
        return None


def _refused(auditor: str, at: str = "") -> None:
    """Tell of nonsense, most likely a front's: no audit is to find it in a journal."""
    _log.critical("audit-read", code=Code.BAD_PROOF.value, at=at, caller=auditor)
