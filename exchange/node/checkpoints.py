"""Sign how long the journal is and what its root is: read back, then signed, then shown.

    read back > [inbox-heads entry] > read back > sign > [checkpoint entry, snapshot] > shown

Each checkpoint has an inbox-heads entry under it, so an endpoint can prove that it lacks
nothing of what is owed to it. When nothing is new the newest one is signed again, with the
time, and not recorded: an idle node writes nothing, and one that is frozen is seen to be old.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import structlog

from exchange.broker.heads import Inboxes, step
from exchange.errors import Code, Fault, Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal.note import SignatureType, parse_note, split_timestamp
from exchange.journal.proofs import frontier_at
from exchange.journal.stored import leaf_of
from exchange.journal.tree import Frontier
from exchange.model import entry as entries
from exchange.model.codec import b64
from exchange.node import heads
from exchange.node.stored import with_hashes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.broker.settle import Ledger
    from exchange.model.entry import Facts
    from exchange.model.view import View
    from exchange.node.ports import Row, Store
    from exchange.node.settings import Settings
    from exchange.node.writer import Writer

_PAGE = 512
# When nothing is new, the newest checkpoint is signed again as often as this.
AGAIN_S = 60
# Between two checkpoints that are made for what presses (seconds): a flood of FLASH costs the
# journal no more than ten entries of bookkeeping a second, and the processor no more of it.
_FLOOR_S = 0.2

_log = structlog.get_logger("exchange.node")


class _Begun(NamedTuple):
    """A checkpoint under way: how much its heads cover, their snapshot, and what is signed."""

    covered: int
    snapshot: bytes
    target: Frontier


class Checkpointer:
    """Makes a checkpoint at most once an interval, when there is news to cover."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        origin: str,
        signers: Callable[[View, int], Sequence[c2sp.Signer]],
        settings: Settings,
    ) -> None:
        """Begin without a checkpoint; ``resume`` reads the newest one.

        Args:
            store: holds the journal.
            writer: of the journal.
            origin: the journal's name in its checkpoints.
            signers: returns who signs one of a size, under a view.
            settings: of the node.
        """
        self._pledge = settings.pledge
        self.newest: bytes | None = None
        self.is_sound = True
        self._store = store
        self._writer = writer
        self._origin = origin
        self._signers = signers
        self._clock_ms = settings.clock_ms
        self._read = Frontier()
        self._inboxes = Inboxes()
        # How much the inbox heads under the newest checkpoint cover, and where the newest
        # entry stands that is more than bookkeeping: beyond that there is news.
        self._covered = 0
        self._news_at = -1
        self._signed_s = 0
        # Heard by whoever has it cosigned; and what was cosigned of an earlier one, if it is
        # news (``Witnessing.lines``).
        self.signed: Callable[[bytes], None] = lambda _: None
        self.cosigned: Callable[[], entries.Cosigned | msgspec.UnsetType] = lambda: (
            msgspec.UNSET
        )
        # Rings for whoever waits for another checkpoint; hung up anew then.
        self.bell = asyncio.Event()
        # Something presses that is to be under a checkpoint before the interval is over.
        self._is_hurried = asyncio.Event()
        # Its inbox-heads entry is written, and its checkpoint is not.
        self._begun: _Begun | None = None
        self._one_at_a_time = asyncio.Lock()

    async def resume(self) -> None:
        """Continue after the newest checkpoint of the journal, trusting its verified root.

        Where the store has no snapshot of the heads that holds, the first checkpoint reads the
        whole journal and folds them anew.
        """
        row = await self._store.newest("checkpoint")
        facts = entries.decode(row.entry).facts if row is not None else None
        if not isinstance(facts, entries.Checkpointed):
            return
        self.newest, self._signed_s = facts.note.encode(), facts.taken_ms // 1000
        try:
            stored = await heads.stored(self._store)
        except Fault as fault:
            _log.warning("inbox-heads", code=fault.code.value)
            stored = None
        if stored is not None and stored.snapshot.size <= facts.size:
            self._covered = stored.snapshot.size
            self._inboxes = Inboxes(self._covered, stored.snapshot.inboxes())
            # What that checkpoint covers was compared with its root at opening.
            self._read = await with_hashes(self._store, partial(frontier_at, self._covered))
        await self._take_up_pledge(self.newest)

    async def _take_up_pledge(self, newest: bytes) -> None:
        """Go on from the time that was signed last, which may be later than any entry's."""
        kept = None if self._pledge is None else await self._pledge.newest()
        if kept is not None:
            self._signed_s = max(self._signed_s, self._dated(kept))
        elif self._pledge is not None:
            # Written before there was a place for it, or by a journal just rebuilt.
            await self._pledge.keep(newest)

    def _dated(self, note: bytes) -> int:
        """Return when we signed a checkpoint, seconds UTC; it was verified at opening."""
        size = c2sp.parse(note).size
        for key in (each.key for each in self._signers(self._writer.view, size)):
            signature = parse_note(note).by(key)
            if key.type is SignatureType.ML_DSA_44 and signature is not None:
                return split_timestamp(key, signature)[0]
        return 0

    @property
    def signed_s(self) -> int:
        """When one was signed last, seconds UTC; 0 for never."""
        return self._signed_s

    async def run(self, interval_s: float) -> None:
        """Checkpoint when there is news, at most once an interval, until cancelled.

        Where it was to ``hurry``, sooner; but never within the floor of the last one.

        Raises:
            Fault: the journal is not what it was: no later attempt would sign it either.
        """
        while True:
            await self._rest(interval_s)
            try:
                await self.checkpoint()
            except Fault as fault:
                _log.error("checkpoint", code=fault.code.value, size=self._writer.size)
                # A full disk may have room again; an altered entry stays altered.
                if not self.is_sound:
                    raise

    def hurry(self) -> None:
        """Have a checkpoint made at once: the other nation is told what is under one alone."""
        self._is_hurried.set()

    async def _rest(self, interval_s: float) -> None:
        """Wait for an interval; for the floor only, where something presses meanwhile."""
        loop = asyncio.get_running_loop()
        floor = loop.time() + min(_FLOOR_S, interval_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(interval_s):
                await self._is_hurried.wait()
        self._is_hurried.clear()
        await asyncio.sleep(max(floor - loop.time(), 0))

    def _show(self, note: bytes) -> None:
        """Have everybody know of a checkpoint that was made."""
        self.newest = note
        self.signed(note)
        bell, self.bell = self.bell, asyncio.Event()
        bell.set()

    async def checkpoint(self) -> bytes | None:
        """Sign the journal as it is now, if anything but bookkeeping is new; return the note.

        Raises:
            Fault: what is stored is not what the tree was grown from: nothing is signed.
        """
        async with self._one_at_a_time:
            return await self._checkpoint()

    async def _checkpoint(self) -> bytes | None:
        view = self._writer.view
        await self._read_back()
        if self._begun is None:
            if self._news_at < self._covered:
                return await self._signed_again()
            covered = self._inboxes.size
            snapshot = await self._record_heads(view)
            self._begun = _Begun(covered, snapshot, await self._read_back())
        note = await self._finish(self._begun)
        self._begun = None
        return note

    async def pass_loss(self) -> None:
        """Sign at once where what was declared lost is behind the newest checkpoint.

        Others saw newer ones, which were lost: an older one must not be shown to them again.

        Raises:
            Fault: as ``checkpoint``.
        """
        lost, signed = await self._store.newest("lost"), await self._store.newest("checkpoint")
        if lost is not None and (signed is None or signed.index < lost.index):
            await self.checkpoint()

    async def shown(self) -> bytes:
        """Return a checkpoint that proves whose journal this is, and says nothing new.

        It is the newest; of a journal that has none, one of what is durable, kept nowhere and
        dated like its newest entry: a copy from before the first one must be asked about too,
        and a shorter journal under a later date would convict whoever only restored it.
        """
        if self.newest is not None:
            return self.newest
        edge = self._writer.frontier
        (row,) = await self._store.read(edge.size - 1, 1)
        statement = c2sp.Checkpoint(self._origin, edge.size, edge.root())
        signers = self._signers(self._writer.view, edge.size)
        taken_s = entries.decode(row.entry).facts.taken_ms // 1000
        return await asyncio.to_thread(c2sp.sign, statement, signers, taken_s)

    async def _finish(self, begun: _Begun) -> bytes:
        """Sign and keep what was begun; where that fails it is gone on with, not begun anew."""
        size, root = begun.target.size, begun.target.root()
        note = await self._sign(c2sp.Checkpoint(self._origin, size, root))

        # Before anybody sees it: a journal that comes back shorter must not go on.
        if self._pledge is not None:
            await self._pledge.keep(note)

        def made(ledger: Ledger) -> Facts:
            cosigned = self.cosigned()
            return entries.Checkpointed(
                size=size, note=note.decode(), cosigned=cosigned, **_common(ledger)
            )

        await self._writer.note(made, begun.snapshot)
        self._covered = begun.covered
        self._show(note)
        return note

    async def _record_heads(self, view: View) -> bytes:
        """Write the inbox-heads entry of what was read back; return the snapshot to keep.

        Args:
            view: in force there.
        """
        size, found = self._inboxes.size, await asyncio.to_thread(self._inboxes.map, view)
        if found is None:
            raise self._unsound(size)
        seed, tree = found

        def made(ledger: Ledger) -> Facts:
            return entries.InboxHeads(
                size=size, seed=seed, root=b64(tree.root), **_common(ledger)
            )

        at = await self._writer.note(made)
        return self._inboxes.snapshot(at, view).encode()

    async def _signed_again(self) -> bytes | None:
        """Say once a minute that the newest checkpoint still is the newest."""
        if self._writer.fault is not None:
            # Who may write no more has nothing to say of the journal either.
            return self.newest
        if self.newest is not None and self._clock_ms() // 1000 >= self._signed_s + AGAIN_S:
            note = await self._sign(c2sp.parse(self.newest))
            if self._pledge is not None:
                await self._pledge.keep(note)
            self._show(note)
        return self.newest

    async def _sign(self, statement: c2sp.Checkpoint) -> bytes:
        # Never before the time that was signed last: a shorter journal dated later convicts.
        now = max(self._clock_ms() // 1000, self._signed_s)
        signers = self._signers(self._writer.view, statement.size)
        note = await asyncio.to_thread(c2sp.sign, statement, signers, now)
        self._signed_s = now
        return note

    async def _read_back(self) -> Frontier:
        """Read again what is durable and was not read yet; return the tree's edge after it.

        Raises:
            Fault: the root of the bytes on disk is not that of those once in memory.
        """
        target = self._writer.frontier
        while self._read.size < target.size:
            limit = min(_PAGE, target.size - self._read.size)
            rows = await self._store.read(self._read.size, limit)
            if not rows:
                raise self._unsound(self._read.size)
            leaves = [leaf_of(row.entry) for row in rows]
            for row, leaf in zip(rows, leaves, strict=True):
                self._fold(row, leaf)
            self._read = self._read.extend(leaves)
            # A store without threads never lets go of the loop: others go on here.
            await asyncio.sleep(0)
        if self._read.size != target.size or self._read.root() != target.root():
            raise self._unsound(target.size)
        return target

    def _fold(self, row: Row, leaf: bytes) -> None:
        try:
            facts = entries.decode(row.entry).facts
            self._inboxes.fold(step(leaf, facts))
        except Refusal:
            raise self._unsound(row.index) from None
        if not isinstance(facts, entries.BOOKKEEPING):
            self._news_at = row.index

    def _unsound(self, index: int) -> Fault:
        self.is_sound = False
        return Fault(Code.STORE_FAILED, found=index)


def _common(ledger: Ledger) -> dict[str, Any]:
    return {"salt": ledger.salt(), "taken_ms": ledger.taken_ms, "view": ledger.view}
