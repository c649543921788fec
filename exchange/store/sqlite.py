"""A journal in one SQLite file: the embedded default. One thread writes, a few others read.

A process that does nothing but write needs no threads: they would only take the interpreter
from each other (300 us a bulletin instead of 350 in groups of 20).
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from exchange.broker.due import FIRST
from exchange.errors import Code, Fault
from exchange.node import ports
from exchange.store import file, inserting, selecting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike

    from exchange.broker.due import Due
    from exchange.broker.records import Found

P = ParamSpec("P")
T = TypeVar("T")

READERS = 3


class SqliteStore:
    """Meets ``node.ports.Store``; made by ``open``, given back by ``close``.

    A commit whose outcome is not known ends the writing connection. The next ``append`` opens
    another, and with it settles what became of that commit, before it does anything else.
    """

    def __init__(
        self,
        path: Path,
        lock: file.WriterLock | None,
        writer: sqlite3.Connection | None,
        *,
        has_threads: bool = True,
    ) -> None:
        """Take over what ``open`` opened."""
        self.path = self._path = path
        self._lock = lock
        self._is_live = lock is not None
        self._may_be_older = False
        self._writer = writer
        self._is_closed = False
        self.has_threads = has_threads
        self._writing = _threads(1, "store-write") if has_threads else None
        self._reading = _threads(READERS, "store-read") if has_threads else None
        self._local = threading.local()
        self._readers: set[sqlite3.Connection] = set()

    @classmethod
    def open(
        cls, path: str | PathLike[str], *, read_only: bool = False, has_threads: bool = True
    ) -> SqliteStore:
        """Open a journal, or begin one; cost does not grow with its length.

        Args:
            path: the file. ``-wal``, ``-shm`` and ``.lock`` beside it belong to it.
            read_only: for audits of copies: nothing is written, and nobody is locked out. A
                file without its ``-wal`` must not be written by others meanwhile.
            has_threads: work in threads, so that the event loop never waits for the disk.

        Raises:
            Fault: another process writes to it, it is not a journal of this version, or it
                cannot be read or written durably.
        """
        where = Path(path)
        if read_only:
            file.connect_reader(where, is_live=False).close()
            return cls(where, None, None, has_threads=has_threads)
        lock = file.WriterLock(where)
        try:
            file.create_private(where)
            writer = file.connect_writer(where)
            return cls(where, lock, writer, has_threads=has_threads)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def follow(cls, path: str | PathLike[str], *, has_threads: bool = True) -> SqliteStore:
        """Read a journal that another process of this node writes at the same time.

        Raises:
            Fault: it is not a journal of this version, or cannot be read.
        """
        store = cls(Path(path), None, None, has_threads=has_threads)
        store._is_live = True
        file.connect_reader(Path(path), is_live=True).close()
        return store

    @classmethod
    def to_rebuild_from(cls, path: str | PathLike[str]) -> SqliteStore:
        """Read entries, statements and blobs; an older version of the file will do.

        Raises:
            Fault: it is not a journal, or cannot be read.
        """
        store = cls(Path(path), None, None)
        store._may_be_older = True
        file.connect_reader(Path(path), is_live=False, may_be_older=True).close()
        return store

    async def append(self, batch: ports.Batch, expect: int) -> ports.Outcome:
        """Append a batch where the journal's size is ``expect``.

        When the caller is cancelled the write goes on to its end; appends after it wait.
        """
        if self._is_closed or self._lock is None:
            return ports.Refused("the store is closed" if self._lock else "opened to read only")
        if self._writing is None:
            return self._append(batch, expect)
        loop = asyncio.get_running_loop()
        return await asyncio.shield(
            loop.run_in_executor(self._writing, self._append, batch, expect)
        )

    def _append(self, batch: ports.Batch, expect: int) -> ports.Outcome:
        """Runs in the one thread that writes."""
        try:
            if self._writer is None:
                self._writer = file.connect_writer(self._path)
        except Fault as fault:
            # This batch may be the one whose commit failed: it may still be found to stand.
            return ports.Unknown(str(fault))
        outcome = inserting.append(self._writer, batch, expect)
        if isinstance(outcome, ports.Unknown):
            self._writer.close()
            self._writer = None
        return outcome

    async def head(self) -> ports.Head:
        """Return how far the journal goes."""
        return await self._read(selecting.head)

    async def read(self, first: int, limit: int) -> list[ports.Row]:
        """Return at most ``limit`` entries from index ``first`` on, in order."""
        return await self._read(selecting.read, first, limit)

    async def inbox(self, endpoint: str, after: int, limit: int) -> list[ports.InboxRow]:
        """Return an inbox's entries with an index over ``after`` (-1: all), in order."""
        return await self._read(selecting.inbox, endpoint, after, limit)

    async def urgent(
        self, endpoint: str, after: Sequence[int], now: int, limit: int
    ) -> list[ports.UrgentRow]:
        """Return what presses in an inbox."""
        return await self._read(selecting.urgent, endpoint, after, now, limit)

    async def waiting(self, now: int) -> list[tuple[int, int]]:
        """Return (rank, taken in ms) of all that presses."""
        return await self._read(selecting.waiting, now)

    async def pressing(self, now: int) -> list[ports.PressingRow]:
        """Return all that presses in any inbox."""
        return await self._read(selecting.pressing, now)

    async def chased(self, now: int) -> list[ports.ChasedRow]:
        """Return whose acknowledgement of what is chased."""
        return await self._read(selecting.chased, now)

    async def due(
        self, what: int, now: int, limit: int, after: tuple[int, int] = FIRST
    ) -> list[Due]:
        """Return what is due by now for one purpose, after a place, the oldest first."""
        return await self._read(selecting.due, what, now, limit, after)

    async def is_due(self, row: Due) -> bool:
        """Tell whether a row of what comes due stands as it is."""
        return await self._read(selecting.is_due, row)

    async def all_due(self) -> list[Due]:
        """Return all that comes due, in order of its members."""
        return await self._read(selecting.all_due)

    async def still_named(self, digests: Sequence[str]) -> frozenset[str]:
        """Return which of these digests an entry names that is not to be purged."""
        return await self._read(selecting.still_named, digests)

    async def scrub(self) -> bool:
        """Leave nothing in the file, or beside it, of what was deleted, if that can be now."""
        if self._is_closed or self._lock is None:
            raise Fault(Code.STORE_FAILED, reason="the store is closed or only read")
        if self._writing is None:
            return self._scrub()
        return await asyncio.get_running_loop().run_in_executor(self._writing, self._scrub)

    def _scrub(self) -> bool:
        """Runs in the one thread that writes."""
        if self._writer is None:
            return False
        with file.faults():
            return file.scrub(self._writer)

    async def positions(self) -> dict[str, int]:
        """Return how many entries each inbox holds; inboxes without any are absent."""
        return await self._read(selecting.positions)

    async def heads(self) -> bytes:
        """Return the newest snapshot of inbox heads; empty before any."""
        return await self._read(selecting.heads)

    async def find(self, keys: Sequence[bytes]) -> dict[bytes, Found]:
        """Return the entries that these keys lead to; unknown keys are absent."""
        return await self._read(selecting.find, keys)

    async def newest(self, kind: str) -> ports.Row | None:
        """Return the newest entry of a kind, if there is one."""
        return await self._read(selecting.newest, kind)

    async def group(self, index: int) -> ports.GroupRow | None:
        """Return the commit group that holds an entry, if there is such an entry."""
        return await self._read(selecting.group, index)

    async def hashes(self, level: int, first: int, count: int) -> bytes:
        """Return neighbours of one row of the tree, joined: ``journal.tiles.Hashes.read``."""
        return await self._read(selecting.hashes, level, first, count)

    async def blob(self, digest: str) -> bytes | None:
        """Return a blob by digest, or None."""
        return (await self.blobs([digest])).get(digest)

    async def blobs(self, digests: Sequence[str]) -> dict[str, bytes]:
        """Return blobs by digest; those that are not here are absent."""
        return await self._read(selecting.blobs, digests)

    async def counts(self) -> ports.RowCounts:
        """Return how many rows there are; reads the tables."""
        return await self._read(selecting.row_counts)

    async def agreeing(self, *, is_whole: bool) -> int:
        """Return how many tables agree with their own indexes."""
        return await self._read(selecting.agreeing, is_whole)

    async def kinds(self, first: int, limit: int) -> list[str]:
        """Return under which kind each entry from index ``first`` on is kept."""
        return await self._read(selecting.kinds, first, limit)

    async def close(self) -> None:
        """Finish what is being written, then release everything; again is harmless."""
        if not self._is_closed:
            self._is_closed = True
            await asyncio.shield(asyncio.to_thread(self._release))

    def _release(self) -> None:
        for threads in (self._writing, self._reading):
            if threads is not None:
                threads.shutdown()
        # The writer is the last to close: it moves the log into the file, and no reader may.
        try:
            with file.faults():
                for connection in self._readers:
                    connection.close()
                if self._writer is not None:
                    self._writer.close()
        finally:
            if self._lock is not None:
                self._lock.release()

    async def _read(
        self,
        select: Callable[Concatenate[sqlite3.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        if self._is_closed:
            raise Fault(Code.STORE_FAILED, reason="the store is closed")

        def selected() -> T:
            with file.faults():
                return self._selected(lambda reader: select(reader, *args, **kwargs))

        if self._reading is None:
            return selected()
        return await asyncio.get_running_loop().run_in_executor(self._reading, selected)

    def _selected(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Work with this thread's connection; one that failed is replaced the next time."""
        reader: sqlite3.Connection | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = file.connect_reader(
                self._path, is_live=self._is_live, may_be_older=self._may_be_older
            )
            self._readers.add(reader)
        try:
            return work(reader)
        except sqlite3.Error:
            self._local.reader = None
            self._readers.discard(reader)
            reader.close()
            raise


def _threads(count: int, name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix=name)
