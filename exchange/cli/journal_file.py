"""A journal's file as an auditor reads it: step by step, and never written to."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self, TypeVar

from exchange.audit.groups import Group
from exchange.audit.verify import Stored
from exchange.errors import Code, Fault

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence

    from exchange.broker.due import Due
    from exchange.node.ports import (
        Batch,
        ChasedRow,
        Head,
        Outcome,
        PressingRow,
        RowCounts,
    )
    from exchange.store.sqlite import SqliteStore


T = TypeVar("T")


class Blocking:
    """A store read step by step, for code that is not asynchronous.

    A store without threads never waits for the event loop: its coroutines end at their first
    step, which is a hundred times quicker than a loop that is run for each of them.
    """

    def __init__(self, store: SqliteStore) -> None:
        """Read this store; use as a context manager, which closes it."""
        self._store = store
        self._runner = asyncio.Runner()
        self._has_threads = store.has_threads

    @property
    def path(self) -> Path:
        """Where the file lies that is read, which may be a copy."""
        return self._store.path

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the store."""
        self._runner.run(self._store.close())
        self._runner.close()

    def _run(self, asked: Coroutine[Any, Any, T]) -> T:
        if self._has_threads:
            return self._runner.run(asked)
        try:
            asked.send(None)
        except StopIteration as done:
            result: T = done.value
            return result
        asked.close()
        message = "a store without threads waited"
        raise RuntimeError(message)

    def size(self) -> int:
        """Return how many entries there are."""
        return self._run(self._store.head()).size

    def read(self, first: int, limit: int) -> Sequence[Stored]:
        """Return at most ``limit`` entries from index ``first`` on."""
        rows = self._run(self._store.read(first, limit))
        return [Stored(row.index, row.entry, row.leaf) for row in rows]

    def append(self, batch: Batch, expect: int) -> Outcome:
        """Append a batch, where the store was opened to be written."""
        return self._run(self._store.append(batch, expect))

    def blob(self, digest: str) -> bytes | None:
        """Return a blob by digest."""
        return self._run(self._store.blob(digest))

    def group(self, index: int) -> Group | None:
        """Return the commit group that holds an entry; a mirror has no statements."""
        row = self._run(self._store.group(index))
        return None if row is None else Group(row.first, row.count, row.statement)

    def find(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Return the index that each key leads to."""
        found = self._run(self._store.find(keys))
        return {key: each.index for key, each in found.items()}

    def inbox(self, endpoint: str, after: int, limit: int) -> list[tuple[int, int]]:
        """Return (index, position) of an inbox's rows with an index over ``after``."""
        rows = self._run(self._store.inbox(endpoint, after, limit))
        return [(row.index, row.position) for row in rows]

    def heads(self) -> dict[str, int]:
        """Return how many entries each inbox says it holds."""
        return self._run(self._store.positions())

    def snapshot(self) -> bytes:
        """Return the newest snapshot of inbox heads, as kept."""
        return self._run(self._store.heads())

    def head(self) -> Head:
        """Return how far the journal says it goes."""
        return self._run(self._store.head())

    def counts(self) -> RowCounts:
        """Return how many rows the derived tables hold."""
        return self._run(self._store.counts())

    def agreeing(self, *, is_whole: bool) -> int:
        """Return how many tables of the file agree with their own indexes."""
        return self._run(self._store.agreeing(is_whole=is_whole))

    def kinds(self, first: int, limit: int) -> list[str]:
        """Return under which kind each entry from index ``first`` on is kept."""
        return self._run(self._store.kinds(first, limit))

    def pressing(self, now: int) -> list[PressingRow]:
        """Return all that presses in any inbox."""
        return self._run(self._store.pressing(now))

    def chased(self, now: int) -> list[ChasedRow]:
        """Return whose acknowledgement of what is chased."""
        return self._run(self._store.chased(now))

    def due(self) -> list[Due]:
        """Return all that comes due."""
        return self._run(self._store.all_due())

    def newest(self, kind: str) -> int | None:
        """Return the index of the newest entry of a kind."""
        row = self._run(self._store.newest(kind))
        return None if row is None else row.index

    def hashes(self, level: int, first: int, count: int) -> bytes:
        """Return neighbours of one row of the tree, joined."""
        return self._run(self._store.hashes(level, first, count))


def opened(file: Path) -> Blocking:
    """Return a journal's file, to be read and never written; use as a context manager."""
    from exchange.store.sqlite import SqliteStore  # noqa: PLC0415

    return Blocking(SqliteStore.open(file, read_only=True, has_threads=False))


@contextmanager
def at_one_moment(file: Path) -> Iterator[Blocking]:
    """Give a journal's file as it is now: a copy of it, where a node may be writing to it.

    Read while it grows, entries and tables of different moments would contradict each other,
    and an honest node would look like one that tampers.

    Raises:
        Fault: ``other-file``: it was never a journal, by all that is left of it; or it cannot
            be opened as one.
    """
    from exchange.store.file import copy, log_of  # noqa: PLC0415

    _must_look_like_one(file)
    if not log_of(file).exists():
        with opened(file) as source:
            yield source
        return
    with TemporaryDirectory(prefix="exchange-") as folder:
        copy(file, Path(folder) / file.name)
        with opened(Path(folder) / file.name) as source:
            yield source


# How every file of SQLite begins, and where its header names the program whose it is
# (sqlite.org/fileformat.html).
_BEGINS, _WHOSE = b"SQLite format 3\0", slice(68, 72)


def _must_look_like_one(file: Path) -> None:
    """Hold a file to what is left of a journal, however damaged: its first bytes, or its log.

    A slip in a file's name is no tampering. What was cut down to nothing cannot be told from
    such a slip, and is not taken for a journal either.
    """
    from exchange.store.file import APPLICATION_ID, log_of  # noqa: PLC0415

    try:
        with file.open("rb") as opened:
            header = opened.read(100)
    except OSError:
        return  # who opens it as a journal says what is the matter
    ours = header[_WHOSE] == APPLICATION_ID.to_bytes(4)
    if not (header.startswith(_BEGINS) or ours or log_of(file).exists()):
        raise Fault(Code.OTHER_FILE, name=str(file))


def to_rebuild_from(file: Path) -> Blocking:
    """Return a journal's file, perhaps of an older version, to rebuild it from its entries."""
    from exchange.store.sqlite import SqliteStore  # noqa: PLC0415

    return Blocking(SqliteStore.to_rebuild_from(file))


# SQLite's names for what is the matter with a file's surroundings (sqlite.org/rescode.html).
_AROUND = (
    "SQLITE_BUSY",
    "SQLITE_CANTOPEN",
    "SQLITE_FULL",
    "SQLITE_LOCKED",
    "SQLITE_NOMEM",
    "SQLITE_PERM",
    "SQLITE_READONLY",
)


def says_nothing_of_it(fault: Fault) -> bool:
    """Tell whether a fault says nothing of what stands in a journal's file.

    A newer program wrote it, say, or somebody holds it, or we may not read it, or it is another
    file; or it is the auditor's own that is the matter: then nobody has tampered with it, as
    far as is known. All else that keeps it from being read is of the file.
    """
    if fault.code in (Code.JOURNAL_VERSION, Code.OTHER_FILE, Code.FILE, Code.STATE_OTHER):
        return True
    return str(fault.facts.get("reason", "")).startswith(_AROUND)


def may_lack_newest(file: Path) -> bool:
    """Tell whether a file's newest entries may lie in a log that was not copied with it."""
    from exchange.store.file import log_of  # noqa: PLC0415

    with file.open("rb") as journal:
        header = journal.read(20)
    # The version to read with, 2 for a write-ahead log (sqlite.org/fileformat.html).
    return header[18:20] == b"\x02\x02" and not log_of(file).exists()
