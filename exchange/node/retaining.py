"""Purge what is over: ordered in the journal, then done in every place, then attested there.

    due > [purge-ordered entry: body and wrapped keys go with that commit] > log scrubbed,
    second place, attachments > [purged entry]

Whoever dies in between is gone on with at the next start: an order that is not attested is done
again, and that does no harm. A step does a bounded piece of work, beside that of the writer.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import structlog

from exchange.broker import due, holding, keys, retaining
from exchange.broker.due import FIRST
from exchange.broker.records import Found
from exchange.broker.releasing import Submission
from exchange.errors import Code, ExchangeError, Fault
from exchange.model import entry as entries
from exchange.model import objects
from exchange.model.identity import uuid7
from exchange.node import shipping
from exchange.seal import notices

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from exchange.broker.due import Due
    from exchange.broker.holding import Find, Target
    from exchange.broker.settle import Ledger
    from exchange.node.ports import Kept, Row
    from exchange.node.settings import Settings
    from exchange.node.shipping import Shipper
    from exchange.node.writer import Writer

T = TypeVar("T")

# In one step: orders; bytes of bodies that are overwritten in one commit, beside which others'
# arrivals wait; reviews, each of which is signed; and orders that are carried out.
MOST_ORDERS: Final = 32
MOST_BYTES: Final = 1024 * 1024
MOST_REVIEWS: Final = 8
MOST_DONE: Final = 32

_log = structlog.get_logger("exchange.node")


class _Ordered(NamedTuple):
    """An order in the journal: its own entry, those that it is of, and what they name."""

    at: int
    indexes: tuple[int, ...]
    doomed: retaining.Doomed


class Retainer:
    """Looks after what is due; ``step`` does the next piece of it."""

    def __init__(
        self, kept: Kept, writer: Writer, settings: Settings, shipper: Shipper | None
    ) -> None:
        """Prepare; nothing is done before the first step."""
        self._store, self._blobs = kept
        self._writer = writer
        self._settings = settings
        self._shipper = shipper
        # By purpose the place of what was tried last, where there was more.
        self._tried: dict[int, tuple[int, int]] = {}
        # Orders that are carried out, and not attested while a copy of the journal lies aside.
        self._unattested: set[int] = set()

    async def run(self, interval_s: float) -> None:
        """Take a step once an interval, until cancelled; what fails is tried again then."""
        while True:
            try:
                await self.step()
            except ExchangeError as error:
                _log.error("retention", code=error.code.value)
            await asyncio.sleep(interval_s)

    async def step(self) -> None:
        """Order what is due, ask who is to be asked, and carry out what was ordered.

        Raises:
            Fault: something of it could not be done now.
        """
        for what in (due.PURGE, due.SILENCE):
            await self._order(what)
        await self._review(await self._due(due.REVIEW, MOST_REVIEWS))
        await self._carry_out(await self._due(due.ORDER, MOST_DONE))

    async def _due(self, what: int, most: int) -> list[Due]:
        """Return what is due after what was tried last, and then from the first on again.

        Else as many as cannot be done now as one step has room for would be tried for ever.
        """
        now = self._writer.stamp() // 1000
        rows = await self._store.due(what, now, most, self._tried.pop(what, FIRST))
        if len(rows) == most:
            self._tried[what] = rows[-1].place
        return [row for row in rows if what == due.ORDER or self._is_over(row)]

    def _is_over(self, row: Due) -> bool:
        """Tell whether its time came for certain; what somebody decided waits for no time."""
        return (
            row.cause in ("cancelled", "decided")
            or row.at * 1000 <= self._writer.clock.sure_ms()
        )

    # -- ordering -----------------------------------------------------------------------------

    async def _order(self, what: int) -> None:
        targets: list[tuple[Due, Target | Submission]] = []
        size = 0
        for row in await self._due(what, MOST_ORDERS):
            target = await self._readable(row, self._doomed)
            if target is None:
                continue
            size += _size(target)
            if targets and size > MOST_BYTES:
                self._tried[what] = targets[-1][0].place
                break
            targets.append((row, target))
        # At once, so that they come into one group.
        made = await asyncio.gather(
            *(
                self._writer.enter(
                    partial(_ordered, row, target),
                    partial(retaining.wanted, target.digest),
                    row,
                )
                for row, target in targets
            )
        )
        if count := sum(index is not None for index in made):
            _log.info("purge-ordered", count=count)

    async def _readable(self, row: Due, read: Callable[[int], Awaitable[T]]) -> T | None:
        """Return what a row is about; None where that cannot be read: others do not wait."""
        try:
            return await read(row.index)
        except ExchangeError as error:
            _log.error("retention", code=error.code.value, entry=row.index)
            return None

    async def _doomed(self, index: int) -> Target | Submission:
        target = retaining.of(Found(index, await self._entry(index)))
        if target is None:
            raise Fault(Code.STORE_FAILED, reason="no bulletin is due", found=index)
        return target

    async def _target(self, index: int) -> Target:
        target = holding.read(Found(index, await self._entry(index)))
        if target is None:
            raise Fault(Code.STORE_FAILED, reason="no bulletin is due", found=index)
        return target

    async def _entry(self, index: int) -> bytes:
        rows = await self._store.read(index, 1)
        if not rows or rows[0].index != index:
            raise Fault(Code.STORE_FAILED, reason="nothing is due", found=index)
        return rows[0].entry

    # -- asking -------------------------------------------------------------------------------

    async def _review(self, rows: Sequence[Due]) -> None:
        for row in rows:
            target = await self._readable(row, self._target)
            if target is None:
                continue
            raw = await asyncio.to_thread(self._notice, row, target)

            def made(
                ledger: Ledger, _: Find, row: Due = row, to: Target = target, raw: bytes = raw
            ) -> int | None:
                return retaining.review(ledger, row, to, raw)

            await self._writer.enter(made, row=row)

    def _notice(self, row: Due, target: Target) -> bytes:
        header, settings = target.header, self._settings
        now_ms = settings.clock_ms()
        notice = objects.Notice(
            v="xb1",
            suite=settings.signer.suite,
            id=uuid7(now_ms, settings.randomness(10)),
            node=settings.node,
            of=objects.Subject(header.endpoint, header.id, target.digest),
            about="review",
            recipient=None,
            code=row.rule,
            at=now_ms // 1000,
        )
        return notices.sign(notice, settings.signer)

    # -- carrying out -------------------------------------------------------------------------

    async def _carry_out(self, rows: Sequence[Due]) -> None:
        if not rows:
            return
        if not (aside := self._settings.aside()):
            self._unattested.clear()
        wanted = [row.index for row in rows if row.index not in self._unattested]
        ordered = [each for at in wanted if (each := await self._without_attached(at))]
        if not ordered or not await self._store.scrub():
            # A reader was in the way: soon it is not.
            return
        named = {name for each in ordered for name in each.doomed.kept}
        if self._shipper is not None:
            left = await self._store.still_named(sorted(named))
            gone = {
                index: frozenset(each.doomed.kept) - await self._beside(index, left)
                for each in ordered
                for index in each.indexes
            }
            await self._shipper.purge(gone)
        every = sorted({*named, *(name for each in ordered for name in each.doomed.attached)})
        over = frozenset(every) - await self._store.still_named(every)
        orders = [each.at for each in ordered]
        if aside:
            # Their bytes may be in there. What was done is not done each interval again.
            _log.error("retention", aside=list(aside), orders=orders)
            self._unattested.update(orders)
            return
        await self._writer.enter(lambda to, _: retaining.attest(to, orders, sorted(over)))
        _log.info("purged", orders=len(orders), blobs=len(over))

    async def _beside(self, index: int, left: frozenset[str]) -> set[str]:
        """Return which of these others of an entry's commit group name, and keep."""
        group = await self._store.group(index) if left else None
        if group is None:
            return set()
        return {
            blob.digest
            for row in await self._store.read(group.first, group.count)
            for blob in shipping.named(row.entry)
            if blob.digest in left and not await self._is_ordered(row)
        }

    async def _is_ordered(self, row: Row) -> bool:
        """Tell whether the purge was ordered of what an entry brings, or grants."""
        facts = entries.decode(row.entry).facts
        of = facts.of if isinstance(facts, entries.Granted) else row.index
        target = await self._target(of)
        return bool(await self._store.find([keys.purge(target.digest)]))

    async def _read(self, index: int) -> _Ordered:
        facts = entries.decode(await self._entry(index)).facts
        if not isinstance(facts, entries.PurgeOrdered):
            raise Fault(Code.STORE_FAILED, reason="no order is due", found=index)
        granted = [Found(each, await self._entry(each)) for each in facts.grants]
        doomed = retaining.doomed(await self._doomed(facts.of), granted)
        return _Ordered(index, (facts.of, *facts.grants), doomed)

    async def _without_attached(self, index: int) -> _Ordered | None:
        """Return an order whose attachments are gone; None where one cannot be purged now."""
        try:
            ordered = await self._read(index)
            await self._purge_attached(ordered.doomed.attached)
        except ExchangeError as error:
            # Others are not to wait for it.
            _log.error("retention", code=error.code.value, order=index)
            return None
        return ordered

    async def _purge_attached(self, digests: Sequence[str]) -> None:
        for digest in digests:
            # Nobody records one meanwhile that is about to go.
            async with self._writer.keeping:
                if digest not in await self._store.still_named([digest]):
                    await self._blobs.purge(digest)


def _size(target: Target | Submission) -> int:
    """Return how many bytes are to be overwritten."""
    if isinstance(target, Submission):
        return target.draft.body.size if target.draft.body else 0
    return target.header.body.size


def _ordered(row: Due, target: Target | Submission, ledger: Ledger, find: Find) -> int | None:
    return retaining.order(ledger, row, target, find)
