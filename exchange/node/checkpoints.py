"""Sign how long the journal is and what its root is: read back, then signed, then shown."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import structlog

from exchange.errors import Code, Fault, Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal.proofs import frontier_at
from exchange.journal.tree import Frontier, leaf_hash
from exchange.model import entry as entries
from exchange.node.stored import with_hashes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.broker.settle import Ledger
    from exchange.model.entry import Facts
    from exchange.node.ports import Row, Store
    from exchange.node.writer import Writer

_PAGE = 512

_log = structlog.get_logger("exchange.node")


def origin_of(node: str) -> str:
    """Return the name under which a node's journal signs its checkpoints (C2SP origin)."""
    return f"exchange/{node}"


class Checkpointer:
    """Makes a checkpoint at most once an interval, when there is news to cover."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        origin: str,
        signers: Sequence[c2sp.Signer],
        clock_ms: Callable[[], int],
    ) -> None:
        """Begin without a checkpoint; ``resume`` reads the newest one."""
        self.newest: bytes | None = None
        self.is_sound = True
        self._store = store
        self._writer = writer
        self._origin = origin
        self._signers = signers
        self._clock_ms = clock_ms
        self._read = Frontier()
        self._covered = 0
        self._has_news = False

    async def resume(self) -> None:
        """Continue after the newest checkpoint of the journal, trusting its verified root."""
        row = await self._store.newest("checkpoint")
        if row is not None:
            facts = entries.decode(row.entry).facts
            if isinstance(facts, entries.Checkpointed):
                self.newest, self._covered = facts.note.encode(), facts.size
                # What that checkpoint covers was compared with its root at opening.
                self._read = await with_hashes(self._store, partial(frontier_at, self._covered))

    async def run(self, interval_s: float) -> None:
        """Checkpoint when there is news, at most once an interval, until cancelled.

        Raises:
            Fault: the journal is not what it was: no later attempt would sign it either.
        """
        while True:
            await asyncio.sleep(interval_s)
            try:
                await self.checkpoint()
            except Fault as fault:
                _log.error("checkpoint", code=fault.code.value, size=self._writer.size)
                # A full disk may have room again; an altered entry stays altered.
                if not self.is_sound:
                    raise

    async def checkpoint(self) -> bytes | None:
        """Sign the journal as it is now, if anything but bookkeeping is new; return the note.

        Raises:
            Fault: what is stored is not what the tree was grown from: nothing is signed.
        """
        target = self._writer.frontier
        await self._read_back(target.size)
        # The root that is signed is that of the bytes on disk, not of those once in memory.
        if self._read.size != target.size or self._read.root() != target.root():
            raise self._unsound(target.size)
        if not self._has_news:
            return self.newest
        statement = c2sp.Checkpoint(self._origin, target.size, target.root())
        note = await asyncio.to_thread(
            c2sp.sign, statement, self._signers, self._clock_ms() // 1000
        )

        def made(ledger: Ledger) -> Facts:
            return entries.Checkpointed(
                size=target.size,
                note=note.decode(),
                salt=ledger.salt(),
                taken_ms=ledger.taken_ms,
                view=ledger.view,
            )

        await self._writer.note(made)
        self._covered, self.newest, self._has_news = target.size, note, False
        return note

    async def _read_back(self, size: int) -> None:
        """Read entries up to ``size`` again, and remember whether any new one is news."""
        while self._read.size < size:
            rows = await self._store.read(self._read.size, min(_PAGE, size - self._read.size))
            if not rows:
                raise self._unsound(self._read.size)
            for row in rows:
                if row.index >= self._covered:
                    self._has_news = self._has_news or self._is_news(row)
            self._read = self._read.extend([leaf_hash(row.entry) for row in rows])

    def _is_news(self, row: Row) -> bool:
        try:
            return not isinstance(entries.decode(row.entry).facts, entries.BOOKKEEPING)
        except Refusal:
            raise self._unsound(row.index) from None

    def _unsound(self, index: int) -> Fault:
        self.is_sound = False
        return Fault(Code.STORE_FAILED, found=index)
