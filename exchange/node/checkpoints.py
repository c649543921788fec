"""Sign how long the journal is and what its root is: read back first, then signed, then shown."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from exchange.errors import Code, Fault
from exchange.journal import checkpoint as c2sp
from exchange.journal.proofs import frontier_at
from exchange.journal.tree import Frontier, leaf_hash
from exchange.model import entry as entries
from exchange.node.stored import with_hashes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.broker.settle import Ledger
    from exchange.model.entry import Facts
    from exchange.node.ports import Store
    from exchange.node.writer import Writer

_PAGE = 512


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
        self._store = store
        self._writer = writer
        self._origin = origin
        self._signers = signers
        self._clock_ms = clock_ms
        self._read = Frontier()
        self._covered = 0

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
        """Checkpoint when there is news, at most once an interval, until cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            await self.checkpoint()

    async def checkpoint(self) -> bytes | None:
        """Sign the journal as it is now, if anything but bookkeeping is new; return the note.

        Raises:
            Fault: what is stored is not what the tree was grown from: nothing is signed.
        """
        target = self._writer.frontier
        if not await self._read_back(target.size):
            return self.newest
        # The root that is signed is that of the bytes on disk, not of those once in memory.
        if self._read.root() != target.root():
            raise Fault(Code.STORE_FAILED, found=target.size)
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
        self._covered, self.newest = target.size, note
        return note

    async def _read_back(self, size: int) -> bool:
        """Read entries up to ``size`` again; tell whether any new one is news."""
        has_news = False
        while self._read.size < size:
            rows = await self._store.read(self._read.size, min(_PAGE, size - self._read.size))
            if not rows:
                raise Fault(Code.STORE_FAILED, found=self._read.size)
            for row in rows:
                if row.index >= self._covered:
                    facts = entries.decode(row.entry).facts
                    has_news = has_news or not isinstance(facts, entries.BOOKKEEPING)
            self._read = self._read.extend([leaf_hash(row.entry) for row in rows])
        return has_news
