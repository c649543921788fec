"""Ship each commit group to a second place, behind the commit, which it never holds up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import structlog

from exchange.errors import Code, Fault
from exchange.model import entry as entries
from exchange.node.ports import Shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from exchange.model.header import Blob
    from exchange.node.ports import GroupRow, Second, Store

# What is synced together: a backlog costs no sync for each of its groups. Bounds memory.
_GROUPS, _BYTES = 64, 4 * 1024 * 1024
_RETRY_S = 1.0

_log = structlog.get_logger("exchange.node")


class Lag(NamedTuple):
    """How far the second place is: entries that it can give back, and whether it fails."""

    shipped: int
    is_failing: bool


class Shipper:
    """Follows the journal; ``wake`` tells it of more, ``run`` ends only when cancelled."""

    def __init__(self, store: Store, second: Second, replaced: Callable[[Fault], None]) -> None:
        """Ship from this journal to there; ``begin`` reads how far that is.

        ``replaced`` is called when another copy of this node has taken the place over.
        """
        self.lag = Lag(0, is_failing=False)
        self._store = store
        self._second = second
        self._shipped = 0
        # Up to where all that was shipped before can be read, once that was looked through.
        self._readable: int | None = None
        self._replaced = replaced
        self._bell = asyncio.Event()
        # Nothing is purged between reading what is to be shipped and shipping it.
        self._turn = asyncio.Lock()

    async def begin(self, size: int, epoch: int) -> None:
        """Read how far the second place is, and that the journal is no shorter; take it over.

        Raises:
            Fault: ``journal-behind``: entries that were shipped are not in the journal;
                ``node-replaced``; or the second place is not there.
        """
        shipped = await asyncio.to_thread(self._second.size)
        if shipped > size:
            raise Fault(Code.JOURNAL_BEHIND, expected=shipped, found=size)
        await asyncio.to_thread(self._second.claim, epoch)
        self._tell(shipped)
        self._bell.set()

    def _tell(self, shipped: int, *, is_failing: bool = False) -> None:
        """Say how far it is; behind a gap nothing can be given back, whatever is shipped."""
        self._shipped = shipped
        gap = self._readable
        self.lag = Lag(shipped if gap is None else gap, is_failing or gap is not None)

    def wake(self) -> None:
        """Hear that more is durable."""
        self._bell.set()

    async def _look_through(self) -> None:
        """Read, once, all that was shipped before; what cannot be read is counted no more."""
        before, readable, groups = self._shipped, 0, self._second.groups()
        try:
            while more := await asyncio.to_thread(_counted, groups):
                readable += more
        except Fault as fault:
            _log.error("second-place", code=fault.code.value, readable=readable)
        if readable < before:
            _log.error("second-place-gap", readable=readable, shipped=before)
            self._readable = readable
            self._tell(self._shipped)

    async def run(self) -> None:
        """Ship whatever is durable, in order, until cancelled; what fails is tried again.

        It ends where another copy of this node took over: nothing more is to be written.
        """
        looking = asyncio.ensure_future(self._look_through())
        try:
            await self._follow()
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            await self._bell.wait()
            self._bell.clear()
            try:
                await self._ship()
            except Fault as fault:
                if not self.lag.is_failing:
                    _log.error("second-place", code=fault.code.value, shipped=self._shipped)
                self._tell(self._shipped, is_failing=True)
                if fault.code is Code.NODE_REPLACED:
                    self._replaced(fault)
                    return
                self._bell.set()
                await asyncio.sleep(_RETRY_S)

    async def finish(self) -> None:
        """Ship what is left when nothing more will be written; a fault leaves it for later."""
        try:
            # An append that was given up may have gone through.
            shipped = await asyncio.to_thread(self._second.size)
            self._tell(shipped)
            await self._ship()
        except Fault as fault:
            _log.error("second-place", code=fault.code.value, shipped=self._shipped)

    async def _ship(self) -> None:
        while await self._ship_next():
            pass

    async def _ship_next(self) -> bool:
        async with self._turn:
            groups = await self._next()
            if groups:
                await asyncio.to_thread(self._second.append, groups)
                last = groups[-1]
                self._tell(last.first + len(last.entries))
        return bool(groups)

    async def purge(self, gone: Mapping[int, Collection[str]]) -> None:
        """Destroy what was purged here in the second place too; what is not shipped never is.

        ``gone`` are digests by the entries that they came with: each commit group there has a
        copy of its own of what several name.

        Raises:
            Fault: it cannot be done there now.
        """
        async with self._turn:
            await asyncio.to_thread(self._second.purge, gone)

    async def _next(self) -> list[Shipped]:
        """Return the groups that come next, as many as are synced together."""
        found: list[Shipped] = []
        first, held = self._shipped, 0
        while len(found) < _GROUPS and held < _BYTES:
            row = await self._store.group(first)
            if row is None:
                break
            group = await self._read(row)
            found.append(group)
            first += row.count
            held += sum(map(len, group.entries)) + sum(map(len, group.blobs))
        return found

    async def _read(self, row: GroupRow) -> Shipped:
        rows = await self._store.read(row.first, row.count)
        kept = [each.entry for each in rows]
        blobs = [await self._store.blob(blob.digest) for each in kept for blob in named(each)]
        # What was purged here is not shipped either.
        return Shipped(row.first, row.statement, kept, [each for each in blobs if each])


def _counted(groups: Iterator[Shipped]) -> int:
    """Return how many entries come next, of a bounded piece; 0 at the end."""
    count = held = 0
    for group in groups:
        count += len(group.entries)
        held += sum(map(len, group.entries)) + sum(map(len, group.blobs))
        if held >= _BYTES:
            break
    return count


def named(entry: bytes) -> list[Blob]:
    """Return what lies beside an entry: a body, a wrapped key, a document, or nothing."""
    match entries.decode(entry).facts:
        case entries.Accepted(blobs=blobs) | entries.Drafted(blobs=blobs):
            return blobs[:1]
        case (
            entries.Granted(wrap=blob)
            | entries.Trust(document=blob)
            | entries.TrustReceived(document=blob)
        ):
            return [blob]
        case _:
            return []
