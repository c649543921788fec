"""A journal in this process: the whole contract of a store, and nothing that outlives it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from exchange.broker.due import FIRST
from exchange.broker.pressing import RANKS
from exchange.broker.records import Found
from exchange.errors import Code, Fault
from exchange.journal.tree import HASH_BYTES
from exchange.model.entry import attached_in, decode, kind_of
from exchange.model.lost import skipped_in
from exchange.node import ports
from exchange.store import rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.broker.due import Due
    from exchange.broker.records import Record


# Stands for the entry of a place in an inbox that was lost.
_NOWHERE = -1


class _Tables:
    """What is kept; changed only by ``MemoryStore._insert``, which cannot fail half way."""

    def __init__(self) -> None:
        self.epoch = 0
        self.taken_ms = 0
        self.frontier = b""
        self.heads = b""
        self.entries: list[bytes] = []
        self.rows: dict[int, bytearray] = {0: bytearray()}
        self.keys: dict[bytes, int] = {}
        self.inboxes: dict[str, list[int]] = {}
        # Endpoint, rank and index of what presses; when it was taken (ms), and until when (s).
        self.urgent: dict[tuple[str, int, int], tuple[int, int]] = {}
        # Endpoint and index of what is chased; its target, rank, taken (ms), and until (s).
        self.chased: dict[tuple[str, int], tuple[int, int, int, int]] = {}
        self.newest: dict[str, int] = {}
        self.groups: list[ports.GroupRow] = []
        self.blobs: dict[str, bytes] = {}
        self.due: dict[tuple[int, int], Due] = {}
        # How many entries name a blob and are not to be purged.
        self.live: Counter[str] = Counter()


class MemoryStore:
    """Meets ``node.ports.Store`` for tests, simulations and a node that need not remember.

    To be used from one event loop: no method waits, so each is one step for all others.
    """

    def __init__(self) -> None:
        self._tables = _Tables()
        self._is_closed = False

    def reopen(self) -> MemoryStore:
        """Return an open store on the same journal, as after a restart of the process."""
        other = MemoryStore()
        other._tables = self._tables
        return other

    async def head(self) -> ports.Head:
        """Return how far the journal goes."""
        kept = self._opened()
        return ports.Head(len(kept.entries), kept.epoch, kept.taken_ms, kept.frontier)

    async def append(self, batch: ports.Batch, expect: int) -> ports.Outcome:
        """Append a batch where the journal's size is ``expect``."""
        if self._is_closed:
            return ports.Refused("the store is closed")
        kept = self._tables
        if batch.epoch < kept.epoch:
            return ports.Fenced(kept.epoch)
        size, count = len(kept.entries), len(batch.records)
        if size != expect:
            stands = kept.entries[expect : expect + count] if expect >= 0 else []
            same = bool(stands) and stands == [record.entry for record in batch.records]
            return ports.Duplicate(size) if same else ports.HeadMoved(size)
        try:
            rules.require_whole(batch, expect)
            held = {name: len(inbox) for name, inbox in kept.inboxes.items()}
            rules.counts_after(batch, held)
            if any(key in kept.keys for record in batch.records for key in record.keys):
                return ports.Refused("a key is taken already")
        except ValueError as error:
            return ports.Refused(str(error))
        self._insert(batch, expect)
        return ports.Done(expect + count)

    def _insert(self, batch: ports.Batch, first: int) -> None:
        kept = self._tables
        for index, record in enumerate(batch.records, first):
            kept.entries.append(record.entry)
            kept.newest[kind_of(record.facts)] = index
            kept.keys.update(dict.fromkeys(record.keys, index))
            for owed in record.owed:
                kept.inboxes.setdefault(owed.endpoint, []).append(index)
            for skip in skipped_in(record.facts):
                inbox = kept.inboxes.setdefault(skip.endpoint, [])
                inbox += [_NOWHERE] * (skip.position - len(inbox))
            kept.heads = record.heads or kept.heads
            if record.blob is not None:
                kept.blobs.setdefault(record.blob[0].digest, record.blob[1])
            self._keep_due(record)
        self._press(batch, first)
        self._chase(batch, first)
        kept.rows[0] += b"".join(batch.leaves)
        for tile in batch.tiles:
            row = kept.rows.setdefault(tile.level + 1, bytearray())
            row += tile.root
        kept.groups.append(ports.GroupRow(first, len(batch.records), batch.statement))
        kept.epoch, kept.taken_ms = batch.epoch, batch.taken_ms
        kept.frontier = batch.frontier

    def _keep_due(self, record: Record) -> None:
        kept = self._tables
        for gone in record.undue:
            kept.due.pop(gone, None)
        kept.due.update({(row.index, row.what): row for row in record.due})
        kept.live.update(blob.digest for blob in attached_in(record.facts))
        if record.blob is not None:
            kept.live[record.blob[0].digest] += 1
        for digest in record.gone:
            kept.live[digest] -= 1
            if kept.live[digest] <= 0:
                del kept.live[digest]
                kept.blobs.pop(digest, None)

    def _press(self, batch: ports.Batch, first: int) -> None:
        urgent, now = self._tables.urgent, batch.taken_ms // 1000
        if rows := rules.urgent_rows(batch, first):
            for gone in [key for key, (_, until) in urgent.items() if until <= now]:
                del urgent[gone]
            urgent.update({(name, rank, at): (ms, s) for name, rank, at, ms, s in rows})
        for record in batch.records:
            for endpoint, index in record.seen_to:
                for rank in range(len(RANKS)):
                    urgent.pop((endpoint, rank, index), None)

    def _chase(self, batch: ports.Batch, first: int) -> None:
        kept, now = self._tables, batch.taken_ms // 1000
        if rows := rules.chased_rows(batch, first):
            kept.chased = {key: row for key, row in kept.chased.items() if row[3] > now}
            kept.chased.update({(row[0], row[1]): row[2:] for row in rows})
        for index, record in enumerate(batch.records, first):
            gone = [
                key
                for key, row in kept.chased.items()
                if key in record.seen_to
                or (key[1] < index and {key[1], row[0]} & set(record.over))
            ]
            for key in gone:
                del kept.chased[key]

    async def read(self, first: int, limit: int) -> list[ports.Row]:
        """Return at most ``limit`` entries from index ``first`` on, in order."""
        size = len(self._opened().entries)
        first = max(first, 0)
        return [self._row(index) for index in range(first, min(size, first + limit))]

    async def inbox(self, endpoint: str, after: int, limit: int) -> list[ports.InboxRow]:
        """Return an inbox's entries with an index over ``after`` (-1: all), in order."""
        kept = self._opened()
        indexes = kept.inboxes.get(endpoint, [])
        rows = [
            ports.InboxRow(position, index, kept.entries[index])
            for position, index in enumerate(indexes)
            if index > after
        ]
        return rows[: max(limit, 0)]

    async def urgent(
        self, endpoint: str, after: Sequence[int], now: int, limit: int
    ) -> list[ports.UrgentRow]:
        """Return what presses in an inbox."""
        kept, found = self._opened(), []
        for rank, index in enumerate(after):
            at = sorted(
                key[2]
                for key, (_, until) in kept.urgent.items()
                if key[:2] == (endpoint, rank) and key[2] > index and until > now
            )
            for each in at[: max(limit, 0)]:
                position = kept.inboxes[endpoint].index(each)
                row = ports.InboxRow(position, each, kept.entries[each])
                found.append(ports.UrgentRow(rank, row))
        return found

    async def waiting(self, now: int) -> list[tuple[int, int]]:
        """Return (rank, taken in ms) of all that presses."""
        urgent = self._opened().urgent.items()
        return [(rank, taken) for (_, rank, _), (taken, until) in urgent if until > now]

    async def pressing(self, now: int) -> list[ports.PressingRow]:
        """Return all that presses in any inbox."""
        urgent = self._opened().urgent.items()
        return sorted(ports.PressingRow(*key, *told) for key, told in urgent if told[1] > now)

    async def chased(self, now: int) -> list[ports.ChasedRow]:
        """Return whose acknowledgement of what is chased."""
        chased = self._opened().chased.items()
        return [
            ports.ChasedRow(endpoint, index, rank, taken_ms, target, until)
            for (endpoint, index), (target, rank, taken_ms, until) in chased
            if until > now
        ]

    async def due(
        self, what: int, now: int, limit: int, after: tuple[int, int] = FIRST
    ) -> list[Due]:
        """Return what is due by now for one purpose, after a place, the oldest first."""
        rows = [row for row in self._opened().due.values() if row.what == what]
        over = [row for row in rows if row.at <= now and row.place > after]
        return sorted(over, key=lambda row: row.place)[: max(limit, 0)]

    async def is_due(self, row: Due) -> bool:
        """Tell whether a row of what comes due stands as it is."""
        return self._opened().due.get((row.index, row.what)) == row

    async def all_due(self) -> list[Due]:
        """Return all that comes due, in order of its members."""
        return sorted(self._opened().due.values())

    async def still_named(self, digests: Sequence[str]) -> frozenset[str]:
        """Return which of these digests an entry names that is not to be purged."""
        return frozenset(digests) & self._opened().live.keys()

    async def scrub(self) -> bool:
        """Leave nothing of what was deleted: there is nothing here that outlives it."""
        return True

    async def positions(self) -> dict[str, int]:
        """Return how many entries each inbox holds; inboxes without any are absent."""
        return {name: len(inbox) for name, inbox in self._opened().inboxes.items()}

    async def heads(self) -> bytes:
        """Return the newest snapshot of inbox heads; empty before any."""
        return self._opened().heads

    async def find(self, keys: Sequence[bytes]) -> dict[bytes, Found]:
        """Return the entries that these keys lead to; unknown keys are absent."""
        kept = self._opened()
        return {
            key: Found(kept.keys[key], kept.entries[kept.keys[key]])
            for key in keys
            if key in kept.keys
        }

    async def newest(self, kind: str) -> ports.Row | None:
        """Return the newest entry of a kind, if there is one."""
        index = self._opened().newest.get(kind)
        return None if index is None else self._row(index)

    async def group(self, index: int) -> ports.GroupRow | None:
        """Return the commit group that holds an entry, if there is such an entry."""
        for group in reversed(self._opened().groups):
            if group.first <= index:
                return group if index < group.first + group.count else None
        return None

    async def hashes(self, level: int, first: int, count: int) -> bytes:
        """Return neighbours of one row of the tree, joined: ``journal.tiles.Hashes.read``."""
        row = self._opened().rows.get(level, bytearray())
        if not 0 <= first <= first + count <= len(row) // HASH_BYTES:
            raise Fault(
                Code.STORE_FAILED, reason="hashes are missing", level=level, first=first
            )
        return bytes(row[first * HASH_BYTES : (first + count) * HASH_BYTES])

    async def blob(self, digest: str) -> bytes | None:
        """Return a blob by digest, or None."""
        return self._opened().blobs.get(digest)

    async def blobs(self, digests: Sequence[str]) -> dict[str, bytes]:
        """Return blobs by digest; those that are not here are absent."""
        kept = self._opened().blobs
        return {each: kept[each] for each in digests if each in kept}

    async def counts(self) -> ports.RowCounts:
        """Return how many rows there are."""
        kept = self._opened()
        return ports.RowCounts(
            keys=len(kept.keys),
            places=sum(each != _NOWHERE for inbox in kept.inboxes.values() for each in inbox),
            groups=len(kept.groups),
            kinds=len(kept.newest),
            hashes=sum(map(len, kept.rows.values())) // HASH_BYTES,
        )

    async def agreeing(self, *, is_whole: bool) -> int:  # noqa: ARG002
        """Return 0: nothing here is kept twice."""
        return 0

    async def kinds(self, first: int, limit: int) -> list[str]:
        """Return under which kind each entry from index ``first`` on is kept."""
        rows = await self.read(first, limit)
        return [kind_of(decode(row.entry).facts) for row in rows]

    async def close(self) -> None:
        """Answer no more; ``reopen`` goes on with the same journal."""
        self._is_closed = True

    def _opened(self) -> _Tables:
        if self._is_closed:
            raise Fault(Code.STORE_FAILED, reason="the store is closed")
        return self._tables

    def _row(self, index: int) -> ports.Row:
        kept = self._tables
        leaf = kept.rows[0][index * HASH_BYTES : (index + 1) * HASH_BYTES]
        return ports.Row(index, kept.entries[index], bytes(leaf))
