"""One life after another of a journal whose power is cut, by seed; and what must hold of it.

The statements are those of ``store.file`` and ``store.inserting``, run by another build of
SQLite upon ``disk.Disk``. What is left is opened and read by the store itself, as a node does.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import apsw

from exchange.broker.records import Record
from exchange.errors import Fault
from exchange.journal.proofs import root_at
from exchange.journal.tiles import MemoryHashes
from exchange.model import entry as entries
from exchange.model.codec import b64
from exchange.model.identity import digest
from exchange.node import ports
from exchange.store import file, inserting
from exchange.store.sqlite import SqliteStore
from tests.crash.dice import Dice
from tests.crash.disk import Disk, PowerCut
from tests.crash.exercise import Broken
from tests.store.samples import Scribe, common

_NAME = "journal.db"
_SHARE = 50  # seeds that one process tries before it is given more
_OWED = ("pa.senan/desk", "us.uscg/miami", "us.dea/desk")


class _Answer:
    """What ``sqlite3`` gives back for a statement, of what ``apsw`` does."""

    def __init__(self, connection: apsw.Connection, cursor: Any) -> None:
        self._connection, self._cursor = connection, cursor

    def fetchone(self) -> Any:
        return self._cursor.fetchone()

    def fetchall(self) -> Any:
        return self._cursor.fetchall()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cursor)

    @property
    def rowcount(self) -> int:
        return self._connection.changes()


class _Connection:
    """As much of ``sqlite3.Connection`` as the store uses, upon the disk in memory."""

    def __init__(self, disk: Disk, synchronous: str) -> None:
        self._inner = apsw.Connection(_NAME, vfs=disk.name)
        self._synchronous = synchronous
        # Without shared memory SQLite can keep a log for one connection only.
        self.execute("PRAGMA locking_mode = EXCLUSIVE")

    def execute(self, statement: str, values: Sequence[object] = ()) -> _Answer:
        if statement == "PRAGMA synchronous = FULL":
            statement = f"PRAGMA synchronous = {self._synchronous}"
        elif statement == "PRAGMA synchronous":
            statement = "SELECT 2"
        return _Answer(self._inner, self._inner.execute(statement, values or None))

    def executemany(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        for row in rows:
            self.execute(statement, row)

    @property
    def in_transaction(self) -> bool:
        return self._inner.in_transaction

    def close(self) -> None:
        self._inner.close(force=True)


class Claims:
    """What was told to the world of one journal: acknowledged groups, signed checkpoints."""

    def __init__(self) -> None:
        self.scribe = Scribe()
        self.acknowledged: list[Record] = []
        self.under_way: ports.Batch | None = None
        self.notes: list[tuple[int, bytes]] = []

    def next(self, dice: Dice) -> ports.Batch:
        """The group that is still under way; else a new one, now and then with a checkpoint."""
        if self.under_way is None:
            names = [f"{self.scribe.size + n}" for n in range(1 + dice.below(4))]
            records = [
                self.scribe.accepted(name, *dice.some(_OWED), size=32 + dice.below(9000))
                for name in names
            ]
            if dice.below(3) == 0 and self.acknowledged:
                records.append(self._checkpoint())
            self.under_way = self.scribe.batch(*records)
        return self.under_way

    def _checkpoint(self) -> Record:
        """Sign what is durable, before the note of it is: as a node does."""
        size, root = self.scribe.size, self.scribe.frontier.root()
        self.notes.append((size, root))
        note = f"exercise/{size}/{b64(root)}"
        facts = entries.Checkpointed(size=size, note=note, **common(note))
        return Record(facts, entries.encode(facts))

    def done(self) -> None:
        assert self.under_way is not None
        self.acknowledged += self.under_way.records
        self.under_way = None


class Told(NamedTuple):
    """What was tried with one seed, or many: lives, those that ended in the midst, groups."""

    lives: int = 0
    interrupted: int = 0
    groups: int = 0


def run(seed: str, folder: Path, synchronous: str = "FULL") -> Told:
    """Cut the power of one journal a few times, and check what is found each time.

    Raises:
        Broken: something that was acknowledged or signed does not hold.
    """
    dice, claims, told = Dice(seed), Claims(), Told()
    disk = Disk(f"disk-{seed}")
    with _shape(disk, dice.fork("shape"), synchronous):
        for life in range(1 + dice.below(3)):
            fate = dice.fork(f"life {life}")
            # Early, and it dies while it is made or recovers; late, and it has nothing to do.
            disk.left = fate.below(fate.pick((40, 150, 600)))
            groups = _live(claims, fate)
            told = Told(told.lives + 1, told.interrupted + disk.is_dead, told.groups + groups)
            check(disk.cut(fate), claims, folder)
    disk.unregister()
    return told


@contextmanager
def _shape(disk: Disk, dice: Dice, synchronous: str) -> Iterator[None]:
    """Put the store upon the disk, in a shape that brings its rarer doings forward."""
    shape: list[tuple[Any, str, Any]] = [
        # A cut in the midst of another one's handling: SQLite was told of both.
        (sys, "unraisablehook", lambda _told: None),
        (file, "_connect", lambda _path, _mode: _Connection(disk, synchronous)),
        (file, "PAGE_BYTES", dice.pick((4096, 16384))),
        (file, "CHECKPOINT_PAGES", dice.pick((8, 32, 256))),
        (inserting, "FRESH_LEAST", dice.pick((0, 1024))),
        (inserting, "SWEEP_KEYS", dice.pick((3, 512))),
    ]
    whole = [(module, name, getattr(module, name)) for module, name, _ in shape]
    for module, name, value in shape:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in whole:
            setattr(module, name, value)


def _live(claims: Claims, dice: Dice) -> int:
    """Append groups until the power goes or there is nothing more to do."""
    groups, connection = 0, None
    try:
        connection = file.connect_writer(Path(_NAME))
        for _ in range(1 + dice.below(8)):
            batch = claims.next(dice)
            outcome = inserting.append(connection, batch, len(claims.acknowledged))
            if not isinstance(outcome, ports.Done | ports.Duplicate):
                break
            claims.done()
            groups += 1
        if dice.below(4) == 0:
            connection.close()
            connection = None
    except PowerCut:
        pass
    finally:
        if connection is not None:
            _let_go(connection)
    return groups


def _let_go(connection: Any) -> None:
    """The process is gone with the power: what closing would write is never written."""
    with suppress(PowerCut):
        connection._inner.close(force=True)


def check(found: dict[str, bytes], claims: Claims, folder: Path) -> None:
    """Open what the cut left, as a node does, and hold it to what was told."""
    for name in (_NAME, f"{_NAME}-wal", f"{_NAME}-shm"):
        (folder / name).unlink(missing_ok=True)
    for name, data in found.items():
        (folder / name).write_bytes(data)
    with _real():
        asyncio.run(_check(folder / _NAME, claims))


async def _check(path: Path, claims: Claims) -> None:
    store = SqliteStore.open(path, has_threads=False)
    try:
        batch = claims.under_way
        more = list(batch.records) if batch else []
        size = (await store.head()).size
        least = len(claims.acknowledged)
        if size not in (least, least + len(more)):
            raise Broken("acknowledged-stands", f"{size} found, {least} acknowledged")
        await _holds(store, [*claims.acknowledged, *more][:size], claims)
        if batch is not None:
            # Nobody knows what became of it: posted again unchanged, it stands once.
            outcome = await store.append(batch, least)
            if not isinstance(outcome, ports.Done | ports.Duplicate):
                raise Broken("exactly-once", type(outcome).__name__)
            await _holds(store, [*claims.acknowledged, *more], claims)
    finally:
        await store.close()


@contextmanager
def _real() -> Iterator[None]:
    """The file system and SQLite of this machine, while a disk in memory is in their place."""
    placed, file._connect = file._connect, _CONNECT
    try:
        yield
    finally:
        file._connect = placed


_CONNECT = file._connect


async def _holds(store: SqliteStore, records: Sequence[Record], claims: Claims) -> None:
    head, tree = await store.head(), MemoryHashes()
    rows = await store.read(0, len(records) + 1)
    if [row.entry for row in rows] != [record.entry for record in records]:
        raise Broken("receipts-stand", f"{len(rows)} found, {len(records)} expected")
    tree.extend([row.leaf for row in rows])
    if rows and tree.frontier.encode() != head.frontier:
        raise Broken("root-reproduces", f"{len(rows)} entries")
    for size, root in claims.notes:
        # The last note may have been signed and its own entry lost; what it covers may not.
        if size > len(rows) or root_at(size, tree) != root:
            raise Broken("checkpoint-is-prefix", f"signed {size}, found {len(rows)}")
    wanted = {key: index for index, each in enumerate(records) for key in each.keys}
    found = {key: each.index for key, each in (await store.find(list(wanted))).items()}
    if found != wanted:
        raise Broken("keys-lead-home", f"{len(found)} of {len(wanted)} keys")
    for endpoint in _OWED:
        owed = [
            (place.position, index)
            for index, record in enumerate(records)
            for place in record.owed
            if place.endpoint == endpoint
        ]
        inbox = await store.inbox(endpoint, -1, len(records) + 1)
        if [(row.position, row.index) for row in inbox] != owed:
            raise Broken("inbox-gapless", endpoint)
    for record in records:
        if record.blob and digest(await store.blob(record.blob[0].digest) or b"") != (
            record.blob[0].digest
        ):
            raise Broken("blobs-there", record.blob[0].digest)


class Trial(NamedTuple):
    """What became of many seeds: how much was tried, and what broke, by seed."""

    told: Told
    broken: list[tuple[str, str, str]]


def run_many(seeds: Sequence[str], synchronous: str = "FULL") -> Trial:
    """Try all of these; runs in a process of its own."""
    tried, broken = Told(), []
    memory = Path("/dev/shm")  # noqa: S108  (only how the files are read; nothing is shared)
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        for seed in seeds:
            try:
                told = run(seed, Path(folder), synchronous)
            except (Broken, Fault, AssertionError) as error:
                check = error.check if isinstance(error, Broken) else "reopens"
                broken.append((seed, check, str(error)))
            else:
                tried = Told(*(a + b for a, b in zip(tried, told, strict=True)))
    return Trial(tried, broken)


def run_on_all_cores(seeds: Sequence[str], synchronous: str = "FULL") -> Trial:
    """Share the seeds out among as many processes as there are cores."""
    shares = [seeds[at : at + _SHARE] for at in range(0, len(seeds), _SHARE)]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        trials = list(pool.map(run_many, shares, repeat(synchronous)))
    told = Told(*(sum(counts) for counts in zip(*(each.told for each in trials), strict=True)))
    return Trial(told, [found for each in trials for found in each.broken])
