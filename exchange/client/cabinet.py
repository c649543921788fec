"""What an endpoint keeps of its mail, in one SQLite file: drawers of named rows, all sealed.

In the clear are only how many rows each drawer has, how long they are, in which order they
came, and the day on which one is to be destroyed. What was committed survives a kill and a
power cut: write-ahead log, and a sync of it in every commit (``synchronous=FULL``).

What SQLite deletes is overwritten (``secure_delete``), also in the log: see ``sweep``.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from exchange.client.files import sync_folder
from exchange.client.losses import DRAWER as LOSSES
from exchange.client.losses import Loss
from exchange.client.losses import keeping as loss_row
from exchange.client.rowseal import RowSeal
from exchange.errors import Code, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

FILE, _LOCK = "mail.db", "mail.lock"
# In the file's header: whose it is, and of which version (sqlite.org/pragma.html).
APPLICATION_ID: Final = int.from_bytes(b"xb1m")
VERSION: Final = 1
# How long to wait for another command of the same endpoint, in seconds.
_BUSY_S: Final = 10.0
_DAY_S: Final = 86_400
# Before the name of the drawer of a row that was put aside.
ASIDE: Final = "aside."
# Names of SQLite's errors, or how they begin: no free space and no other try mends these.
_DAMAGED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")

# row   ``seq`` is the order in which they came; ``due`` a day since 1970, where one is set
# whose the storage key that all of it is sealed under, by a name that tells nothing of it
_TABLES: Final = """
CREATE TABLE row (
    seq INTEGER PRIMARY KEY, drawer TEXT NOT NULL, name BLOB NOT NULL, due INTEGER,
    sealed BLOB NOT NULL, UNIQUE (drawer, name)
);
CREATE INDEX row_order ON row (drawer);
CREATE INDEX row_due ON row (drawer, due) WHERE due IS NOT NULL;
CREATE TABLE whose (id INTEGER PRIMARY KEY CHECK (id = 0), key BLOB NOT NULL)
"""
_SET: Final = (("journal_mode", "WAL", "wal"), ("synchronous", "FULL", 2),
               ("fullfsync", "ON", 1), ("secure_delete", "ON", 1))  # fmt: skip


class Cabinet:
    """The drawers of one endpoint; opened when they are first used, and again after ``close``.

    Not for several threads, nor across an ``await`` in a ``change``: other commands wait.
    """

    def __init__(
        self, folder: Path, keys: Sequence[bytes], randomness: Callable[[int], bytes]
    ) -> None:
        """Use this folder, which is made when it is needed.

        Args:
            folder: holds ``mail.db``, and sealed attachments on their way.
            keys: storage keys, one of which the file is sealed under; the first for a new one.
            randomness: returns that many unpredictable bytes.
        """
        self.folder = folder
        self._keys = keys
        self._randomness = randomness
        self._opened: tuple[sqlite3.Connection, RowSeal] | None = None
        # Called once, when it is first opened, before anybody else may open it.
        self.on_open: Callable[[], None] = lambda: None
        # Called at once with what was found damaged, or ran out; it is listed here as well.
        self.on_loss: Callable[[Loss], None] = lambda _: None

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        if self._opened is not None:
            self._opened[0].close()
            self._opened = None

    @property
    def _connection(self) -> sqlite3.Connection:
        return self._open()[0]

    @property
    def seal(self) -> RowSeal:
        """What the rows are sealed and named with."""
        return self._open()[1]

    # -- rows -------------------------------------------------------------------------------

    @contextmanager
    def change(self) -> Iterator[None]:
        """All that is changed inside becomes durable at once, or not at all.

        Raises:
            Fault: ``mail-failed``: it could not be written; nothing was changed.
        """
        if self._connection.in_transaction:
            yield  # part of a greater change
        else:
            with self._transaction(self._connection):
                yield

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[None]:
        with self._faults():
            connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            with self._faults():
                connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def put(self, drawer: str, name: str, value: bytes, until: int = 0) -> None:
        """Write a row, in the place of the one of that name if there is one.

        Args:
            drawer: of which kind; in the clear.
            name: by which it is found again.
            value: what it holds.
            until: when it is to be destroyed, in seconds UTC; 0 for never.
        """
        row = self._row(drawer, name, value, until)
        with self.change(), self._faults():
            self._connection.execute(
                "INSERT INTO row (drawer, name, due, sealed) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (drawer, name) DO UPDATE SET due = excluded.due,"
                " sealed = excluded.sealed",
                row,
            )

    def add(self, drawer: str, name: str, value: bytes, until: int = 0) -> None:
        """Write a row, unless there is one of that name."""
        if not self.has(drawer, name):
            self.put(drawer, name, value, until)

    def get(self, drawer: str, name: str) -> bytes | None:
        """Return what a row holds; None where there is none.

        Raises:
            Fault: ``mail-damaged``; or ``mail-failed``.
        """
        named = self.seal.name(drawer, name)
        with self._faults():
            found = self._connection.execute(
                "SELECT due, sealed FROM row WHERE drawer = ? AND name = ?", (drawer, named)
            ).fetchone()
        return None if found is None else self._plain(drawer, named, *found)[1]

    def get_sound(self, drawer: str, name: str) -> bytes | None:
        """Return what a row holds; a damaged one is dropped and told of: there is none.

        For what can be had again from elsewhere.
        """
        try:
            return self.get(drawer, name)
        except Fault as fault:
            if fault.code is not Code.MAIL_DAMAGED:
                raise
        self.drop(drawer, name)
        self.lose(Loss(drawer, "again"))
        return None

    def has(self, drawer: str, name: str) -> bool:
        """Tell whether there is a row of that name."""
        key = (drawer, self.seal.name(drawer, name))
        with self._faults():
            found = self._connection.execute(
                "SELECT 1 FROM row WHERE drawer = ? AND name = ?", key
            ).fetchone()
        return found is not None

    def drop(self, drawer: str, name: str) -> None:
        """Delete a row, if there is one of that name."""
        key = (drawer, self.seal.name(drawer, name))
        with self.change(), self._faults():
            self._connection.execute("DELETE FROM row WHERE drawer = ? AND name = ?", key)

    def rows(self, drawer: str) -> list[tuple[int, bytes]]:
        """Return until when each row of a drawer is kept, and what it holds, in their order.

        Raises:
            Fault: ``mail-damaged``: one of them; or ``mail-failed``.
        """
        return [self._plain(drawer, *row) for row in self._all(drawer)]

    def sound(self, drawer: str) -> tuple[list[bytes], list[bytes]]:
        """Return what the undamaged rows of a drawer hold, and how the others are named."""
        values, damaged = [], []
        for named, due, sealed in self._all(drawer):
            try:
                values.append(self._plain(drawer, named, due, sealed)[1])
            except Fault:
                damaged.append(named)
        return values, damaged

    def _all(self, drawer: str) -> list[tuple[bytes, int | None, bytes]]:
        with self._faults():
            return self._connection.execute(
                "SELECT name, due, sealed FROM row WHERE drawer = ? ORDER BY seq", (drawer,)
            ).fetchall()

    def put_aside(self, drawer: str, damaged: Sequence[bytes]) -> None:
        """Take rows out of the way as they are, so that none is lost."""
        with self.change(), self._faults():
            self._connection.executemany(
                "UPDATE OR REPLACE row SET drawer = ? WHERE drawer = ? AND name = ?",
                [(f"{ASIDE}{drawer}", drawer, named) for named in damaged],
            )

    def take_overdue(self, drawer: str, now: int) -> tuple[list[bytes], list[bytes]]:
        """Delete the rows whose time is over by ``now``.

        Returns:
            What they held; and how those were named that are damaged. They go as well, by the
            day that stands beside them: one of them keeps no other here past its time.
        """
        with self._faults():
            rows = self._connection.execute(
                "SELECT seq, name, due, sealed FROM row WHERE drawer = ? AND due <= ?"
                " ORDER BY seq",
                (drawer, now // _DAY_S),
            ).fetchall()
        over, values, damaged = [], [], []
        for seq, named, due, sealed in rows:
            try:
                until, value = self._plain(drawer, named, due, sealed)
            except Fault:
                damaged.append(named)
            else:
                if until > now:
                    continue
                values.append(value)
            over.append((seq,))
        if over:
            with self.change(), self._faults():
                self._connection.executemany("DELETE FROM row WHERE seq = ?", over)
        return values, damaged

    def set_days_right(self) -> int:
        """Have the day beside every row be the one inside its seal; return how many were not.

        The day is how overdue rows are found, and lies in the clear. Somebody who can write
        to the file could have a row stay by moving it, or go.
        """
        wrong = []
        with self.change(), self._faults():
            for seq, drawer, named, due, sealed in self._connection.execute(
                "SELECT seq, drawer, name, due, sealed FROM row"
            ):
                # What is damaged otherwise is told of by whoever looks for it.
                with suppress(ValueError):
                    day = _day(self.seal.open(drawer, named, sealed)[0])
                    if day != due:
                        wrong.append((day, seq))
            self._connection.executemany("UPDATE row SET due = ? WHERE seq = ?", wrong)
        return len(wrong)

    def date(self, drawer: str, until: int) -> None:
        """Have those rows of a drawer go at a time that were to be kept for ever."""
        with self._faults():
            rows = self._connection.execute(
                "SELECT seq, name, sealed FROM row WHERE drawer = ? AND due IS NULL", (drawer,)
            ).fetchall()
        for seq, named, sealed in rows:
            _, value = self._plain(drawer, named, None, sealed)
            dated = (_day(until), self.seal.seal(drawer, named, value, until), seq)
            with self.change(), self._faults():
                self._connection.execute(
                    "UPDATE row SET due = ?, sealed = ? WHERE seq = ?", dated
                )

    def lose(self, loss: Loss) -> None:
        """List what was lost, and tell of it."""
        self.put(LOSSES, *loss_row(loss, self._randomness))
        self.on_loss(loss)

    def sweep(self) -> None:
        """Empty the log, which still holds what was deleted; later, if others are reading."""
        with self._faults():
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _row(
        self, drawer: str, name: str, value: bytes, until: int
    ) -> tuple[str, bytes, int | None, bytes]:
        named = self.seal.name(drawer, name)
        return drawer, named, _day(until), self.seal.seal(drawer, named, value, until)

    def _plain(
        self, drawer: str, named: bytes, due: int | None, sealed: bytes
    ) -> tuple[int, bytes]:
        try:
            until, value = self.seal.open(drawer, named, sealed)
        except ValueError as error:
            raise Fault(Code.MAIL_DAMAGED, name=FILE, found=drawer) from error
        # The day in the clear is only to find it by; the seal says until when it is kept.
        if due != _day(until):
            raise Fault(Code.MAIL_DAMAGED, name=FILE, found=drawer)
        return until, value

    # -- the file ---------------------------------------------------------------------------

    def _open(self) -> tuple[sqlite3.Connection, RowSeal]:
        if self._opened is None:
            with self._alone(), self._faults():
                connection = self._connected()
                try:
                    self._opened = connection, self._unlocked(connection)
                    self.on_open()
                except BaseException:
                    self._opened = None
                    connection.close()
                    raise
        return self._opened

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other commands from opening the file, while it is made or taken over."""
        try:
            self.folder.mkdir(0o700, parents=True, exist_ok=True)
            handle = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._failed(type(error).__name__) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _connected(self) -> sqlite3.Connection:
        path = self.folder / FILE
        try:
            # Never opened when it is there: closing it would drop SQLite's locks on it.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            sync_folder(self.folder)
        except FileExistsError:
            pass
        except OSError as error:
            raise self._failed(type(error).__name__) from error
        connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        for name, value, expected in _SET:
            connection.execute(f"PRAGMA {name} = {value}")
            if connection.execute(f"PRAGMA {name}").fetchone()[0] != expected:
                connection.close()
                raise self._failed(name)
        return connection

    def _unlocked(self, connection: sqlite3.Connection) -> RowSeal:
        """Return the seal that a file is under; a new one is put under the first key.

        Raises:
            Fault: ``mail-locked``: under a key that is not here; ``mail-failed``: not ours.
        """
        seals = [RowSeal(key, self._randomness) for key in self._keys]
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if (application, version, tables) == (0, 0, 0) and seals:
            _create(connection, seals[0])
        elif (application, version) != (APPLICATION_ID, VERSION):
            raise self._failed("version")
        (key,) = connection.execute("SELECT key FROM whose").fetchone()
        for seal in seals:
            if seal.key_id == key:
                return seal
        raise Fault(Code.MAIL_LOCKED, name=str(self.folder))

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            # SQLite's own name for an error is stable, and never holds content.
            reason = getattr(error, "sqlite_errorname", None) or type(error).__name__
            if reason.startswith(_DAMAGED):
                raise Fault(Code.MAIL_DAMAGED, name=f"{FILE} ({reason})") from error
            raise self._failed(reason) from error

    def _failed(self, reason: str) -> Fault:
        return Fault(Code.MAIL_FAILED, name=str(self.folder / FILE), found=reason)


def _day(until: int) -> int | None:
    """Return the day on which a row is to go, in days since 1970; None for never."""
    return until // _DAY_S if until else None


def _create(connection: sqlite3.Connection, seal: RowSeal) -> None:
    """Tables and marks come in one transaction: a file is never half ours."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in _TABLES.split(";"):
        connection.execute(statement)
    connection.execute("INSERT INTO whose VALUES (0, ?)", (seal.key_id,))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def is_there(folder: Path) -> bool:
    """Tell whether something is kept in a folder already."""
    with suppress(OSError):
        return (folder / FILE).stat().st_size > 0
    return False
