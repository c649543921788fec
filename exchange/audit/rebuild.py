"""Rebuild a journal from its entries: every derived table anew, by the rules that made it.

Each entry is judged again, which gives its keys and places; the tree is grown from its bytes;
statements and blobs are taken over, held to their entries. What is not as the rules give it
ends the rebuilding: a journal that was altered is not made to look whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from exchange.audit.groups import Group, Groups, Place
from exchange.broker.replay import Replayer
from exchange.errors import Code, Fault, Refusal
from exchange.journal.proofs import root_at
from exchange.journal.stored import leaf_of
from exchange.journal.tiles import MemoryHashes
from exchange.model import entry as entries
from exchange.model.identity import digest
from exchange.model.view import View
from exchange.node.ports import Batch, Done, Shipped, TileRoot
from exchange.node.shipping import named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from exchange.audit.verify import Stored
    from exchange.broker.records import Record
    from exchange.node.ports import Outcome


class Source(Protocol):
    """A journal of which only entries, statements and blobs are believed."""

    def read(self, first: int, limit: int) -> Sequence[Stored]:
        """Return at most ``limit`` entries from index ``first`` on, in order."""

    def group(self, index: int) -> Group | None:
        """Return the commit group that holds an entry."""

    def blob(self, digest: str) -> bytes | None:
        """Return a blob by digest, or None."""


class Target(Protocol):
    """An empty journal to be written."""

    def read(self, first: int, limit: int) -> Sequence[Stored]:
        """Return at most ``limit`` entries from index ``first`` on, in order."""

    def append(self, batch: Batch, expect: int) -> Outcome:
        """Append a batch where the journal's size is ``expect``."""


class Rebuilt(msgspec.Struct, frozen=True):
    """How far it came: entries written, bodies that were not to be had, and why it ended."""

    size: int
    missing: int
    first: int | None = None
    code: str | None = None
    at: str = ""


def groups_of(source: Source) -> Iterator[Shipped]:
    """Return a journal's commit groups, as they are shipped, to its end or to what is lost."""
    first = 0
    while (row := source.group(first)) is not None and row.first == first:
        stored = source.read(first, row.count)
        if len(stored) != row.count:
            return
        kept = [each.entry for each in stored]
        blobs = [source.blob(blob.digest) for each in kept for blob in named(each)]
        yield Shipped(first, row.statement, kept, [each for each in blobs if each])
        first += row.count


class Rebuilder:
    """Takes groups in order and writes them, with everything derived from them."""

    def __init__(self, target: Target, anchor: str, told: Callable[[int], None]) -> None:
        """Write an empty journal, trusting the anchor alone; ``told`` hears how far it is."""
        self._target = target
        self._told = told
        self._blobs: dict[str, bytes] = {}
        self._replayer = Replayer(View(anchor=anchor), self._entry_at, self._blobs.get)
        self._hashes = MemoryHashes()
        self._young: list[bytes] = []
        self._written = self._epoch = 0
        # Entries whose body was not to be had, and was not ordered to be purged, so far.
        self._missing: set[int] = set()
        self._node = ""
        self._group: Group | None = None
        self._signed = Groups(lambda _: self._group, is_mirror=False)

    def run(self, groups: Iterable[Shipped]) -> Rebuilt:
        """Return how far it came; what it finds in a group never raises.

        Raises:
            Fault: the source cannot be read, or the target not be written.
        """
        for group in groups:
            try:
                batch = self._batch(group)
            except Refusal as refusal:
                return self._ended(refusal)
            outcome = self._target.append(batch, self._written)
            if not isinstance(outcome, Done):
                raise Fault(Code.STORE_FAILED, found=self._written, reason=str(outcome))
            self._written += len(group.entries)
            self._young = []
            self._told(self._written)
        self._signed.finish(self._replayer.view)
        try:
            self._replayer.finish()
            self._must_be_signed()
        except Refusal as refusal:
            return self._ended(refusal)
        return Rebuilt(self._written, len(self._missing))

    @property
    def view(self) -> View:
        """What is in force at the end of what was written."""
        return self._replayer.view

    def root_at(self, size: int) -> bytes:
        """Return the root of the first ``size`` entries that were written."""
        return root_at(size, self._hashes)

    def _ended(self, why: Refusal) -> Rebuilt:
        """Tell at which entry it broke off; for a statement, at its group's first."""
        signed = self._signed.first
        first = self._written + len(self._young) if signed is None else signed[0]
        if self._signed.unsigned is not None:
            first = self._signed.unsigned
        return Rebuilt(self._written, len(self._missing), first, why.code.value, why.at)

    def _batch(self, group: Shipped) -> Batch:
        self._blobs.clear()
        self._blobs.update((digest(each), each) for each in group.blobs)
        records, leaves = [], []
        self._group = Group(group.first, len(group.entries), group.statement)
        for index, raw in enumerate(group.entries, group.first):
            self._signed.begin(index, self._replayer.view)
            leaves.append(leaf_of(raw))
            records.append(self._record(raw))
            self._signed.end(leaves[-1], Place(self._replayer.view, self._node, self._epoch))
        self._must_be_signed()
        tiles = self._hashes.extend(leaves)
        return Batch(
            epoch=self._epoch,
            records=records,
            leaves=leaves,
            tiles=[TileRoot(tile.level, tile.index, tile.root) for tile in tiles],
            frontier=self._hashes.frontier.encode(),
            taken_ms=records[-1].facts.taken_ms,
            statement=group.statement,
        )

    def _must_be_signed(self) -> None:
        """The first groups are signed for by a node that is in force only later."""
        if self._signed.unsigned is not None:
            raise Refusal(Code.BAD_PROOF, "/group", found=self._signed.unsigned)
        if self._signed.first is not None:
            _, error = self._signed.first
            raise Refusal(error.code, error.at, **error.facts)

    def _record(self, raw: bytes) -> Record:
        index = self._replayer.size
        record = self._replayer.step(raw).record
        self._young.append(raw)
        if isinstance(record.facts, entries.EpochOpened):
            self._node, self._epoch = record.facts.node, record.facts.epoch
        if isinstance(record.facts, entries.PurgeOrdered):
            self._missing -= {record.facts.of, *record.facts.grants}
        for blob in named(raw):
            data = self._blobs.get(blob.digest)
            # Purged, or never shipped: its entry stands all the same.
            if data is None:
                self._missing.add(index)
            record = record._replace(blob=None if data is None else (blob, data))
        return record

    def _entry_at(self, index: int) -> bytes:
        if index >= self._written:
            return self._young[index - self._written]
        return self._target.read(index, 1)[0].entry
