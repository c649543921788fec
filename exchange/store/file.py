"""The SQLite file of a journal: who may write it, what it says of itself, how it is opened.

Every connection is made here, so that what durability hangs on is set, and read back, in one
place: write-ahead log, and a sync of it in every commit (``synchronous=FULL``; with NORMAL,
151 of 200 simulated power cuts lost rows that had been acknowledged, with FULL none of 400).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exchange.errors import Code, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# In the file's header: whose it is, and of which version (sqlite.org/pragma.html).
APPLICATION_ID: Final = int.from_bytes(b"xb1j")
VERSION: Final = 8
# Its entries, statements and blobs are kept as they are now; its keys are others, or nothing in
# it says what comes due, or its blobs are found by an index of their own: it serves nothing any
# more but to rebuild a journal from.
OLDER: Final = (3, 4, 5, 6, 7)

PAGE_BYTES: Final = 16384
# Pages in the log (4 MiB) before they are copied into the file. With 1000 it cost the same,
# but p99 of groups of 64 was 19 ms instead of 9.
CHECKPOINT_PAGES: Final = 256
# The log is cut back to this after an unusually large commit.
LOG_BYTES: Final = 64 * 1024 * 1024
# A group of 512 fits, so nothing spills before the commit. Readers hold inner pages only.
WRITER_CACHE_KIB: Final = 32 * 1024
READER_CACHE_KIB: Final = 4 * 1024
# How long to wait for another process (a backup, someone's shell), in seconds.
BUSY_S: Final = 5.0

# entry    the journal; what follows can be rebuilt from it, except blobs and statements
# hashes   the tree's rows in runs of neighbours; ``at`` is row * 2**48 + number of the first
# fresh    keys on their way to table ``key``, see ``inserting``; a key is in one of the two
# blob_fresh, blob_key   the same for blobs: from a digest to a row of ``blob``. An index of
#          ``blob`` itself wrote up to a page for each bulletin (28 to 40 us of it)
# newest   the newest entry of each kind: nobody scans for it
# heads    the newest snapshot of inbox heads (``journal.heads``): in one piece, of one moment
# due      what comes due of which entry, when and why: ``broker.due``
# named    blobs that more than one entry names, and any attachment: how many still do
# inbox    one tree serves the cursor (an index) and proves by its order that places are gapless
_TABLES: Final = """
CREATE TABLE entry (idx INTEGER PRIMARY KEY, kind TEXT NOT NULL, bytes BLOB NOT NULL);
CREATE TABLE hashes (at INTEGER PRIMARY KEY, run BLOB NOT NULL);
CREATE TABLE fresh (key BLOB PRIMARY KEY, idx INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE key (key BLOB PRIMARY KEY, idx INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE inbox (
    endpoint TEXT, idx INTEGER, position INTEGER NOT NULL, PRIMARY KEY (endpoint, idx)
) WITHOUT ROWID;
CREATE TABLE inbox_head (endpoint TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE heads (id INTEGER PRIMARY KEY CHECK (id = 0), snapshot BLOB NOT NULL);
CREATE TABLE newest (kind TEXT PRIMARY KEY, idx INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE due (
    idx INTEGER, what INTEGER, at INTEGER NOT NULL, cause TEXT NOT NULL, rule TEXT NOT NULL,
    agreed INTEGER NOT NULL, PRIMARY KEY (idx, what)
) WITHOUT ROWID;
CREATE INDEX due_at ON due (what, at);
CREATE TABLE named (digest TEXT PRIMARY KEY, live INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE blob (id INTEGER PRIMARY KEY, digest TEXT NOT NULL, bytes BLOB NOT NULL);
CREATE TABLE blob_fresh (key TEXT PRIMARY KEY, idx INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE blob_key (key TEXT PRIMARY KEY, idx INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE grp (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, statement BLOB NOT NULL);
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    epoch INTEGER NOT NULL, taken_ms INTEGER NOT NULL, frontier BLOB NOT NULL,
    fresh INTEGER NOT NULL, swept BLOB NOT NULL,
    blob_fresh INTEGER NOT NULL, blob_swept TEXT NOT NULL
);
INSERT INTO meta VALUES (0, 0, 0, x'', 0, x'', 0, '')
"""
# Where a file's blobs have an index of their own, it is read as if its keys were all young.
_AS_NOW: Final = """
CREATE TEMP VIEW blob_fresh AS SELECT digest AS key, id AS idx FROM main.blob;
CREATE TEMP VIEW blob_key AS SELECT digest AS key, id AS idx FROM main.blob WHERE 0
"""
_KEYED_BLOBS: Final = 8

# Also made in a file that was there before this table was: of what it holds already, nothing
# is told ahead, and nobody is counted as chased.
# urgent   what presses, by inbox and rank; a row goes with its acknowledgement, or expires
_URGENT: Final = """
CREATE TABLE IF NOT EXISTS urgent (
    endpoint TEXT, rank INTEGER, idx INTEGER, taken_ms INTEGER NOT NULL,
    until INTEGER NOT NULL, PRIMARY KEY (endpoint, rank, idx)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS urgent_until ON urgent (until)
"""
# chased   whose acknowledgement of which entry is chased, and what that is about; a row goes
#          with the acknowledgement, with what it is about, or at the end of retention
_CHASED: Final = """
CREATE TABLE IF NOT EXISTS chased (
    endpoint TEXT, idx INTEGER, target INTEGER NOT NULL, rank INTEGER NOT NULL,
    taken_ms INTEGER NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (endpoint, idx)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS chased_idx ON chased (idx);
CREATE INDEX IF NOT EXISTS chased_target ON chased (target)
"""


def reason_of(error: BaseException) -> str:
    """Return SQLite's own name for an error: it is stable, and never holds content."""
    return getattr(error, "sqlite_errorname", None) or type(error).__name__


@contextmanager
def faults(path: Path | None = None) -> Iterator[None]:
    """Turn SQLite's errors into ours; where a file is being opened, it is named.

    Raises:
        Fault: ``store-failed``, with SQLite's name for what happened.
    """
    try:
        yield
    # A number that SQLite cannot hold was counted from one in the file; and what it says of a
    # damaged file has that file's own text in it.
    except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
        named = {} if path is None else {"name": path.name}
        raise Fault(Code.STORE_FAILED, **named, reason=reason_of(error)) from error


class WriterLock:
    """The right to write one file: held by one process, given back even when it is killed."""

    def __init__(self, path: Path) -> None:
        """Take it.

        Raises:
            Fault: another process holds it, or the folder cannot be written.
        """
        try:
            self._handle = os.open(f"{path.resolve()}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Fault(Code.STORE_FAILED, reason="the folder cannot be written") from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._handle)
            raise Fault(Code.JOURNAL_IN_USE, name=str(path)) from error

    def release(self) -> None:
        """Let another process write. The lock's file stays: removing it would be a race."""
        os.close(self._handle)


def connect_writer(path: Path) -> sqlite3.Connection:
    """Return the writing connection; create the tables in a file that is new.

    All that an earlier process left in the log is moved into the file and synced first. So
    what is read from here on is durable, even if a sync failed before: the kernel may report a
    failed sync once and then call the lost pages clean; copying makes them dirty again.

    Raises:
        Fault: the file is not ours, or cannot be written durably.
    """
    with faults(path), _closing_on_error(_connect(path, "rw")) as connection:
        is_new = _require_ours(connection, path, may_be_new=True)
        if is_new:
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        _set(connection, "journal_mode", "WAL", "wal")
        # macOS syncs to the platter only on request; elsewhere this changes nothing.
        _set(connection, "fullfsync", "ON", 1)
        _set(connection, "checkpoint_fullfsync", "ON", 1)
        _set(connection, "synchronous", "FULL", 2)
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
        connection.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
        if is_new:
            _create(connection)
        for statement in (*_URGENT.split(";"), *_CHASED.split(";")):
            connection.execute(statement)
        if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise Fault(Code.STORE_FAILED, reason="a reader holds up the write-ahead log")
        return connection


def log_of(path: Path) -> Path:
    """Return where a file's write-ahead log lies, if it has one."""
    file = path.resolve()
    return file.with_name(f"{file.name}-wal")


def connect_reader(
    path: Path, *, is_live: bool, may_be_older: bool = False
) -> sqlite3.Connection:
    """Return a connection that cannot write.

    Args:
        path: the file.
        is_live: this process writes it. Otherwise, where no log lies beside the file, it is
            taken for a copy that nobody writes, and read without locks: nothing is put beside.
        may_be_older: a file of a version in ``OLDER`` will do: to rebuild from.

    Raises:
        Fault: there is no such file, or it is not ours.
    """
    # Beside the file itself: a link to it may lie anywhere.
    mode = "ro" if is_live or log_of(path).exists() else "ro&immutable=1"
    with faults(path), _closing_on_error(_connect(path, mode)) as connection:
        known = OLDER if may_be_older else ()
        _require_ours(connection, path, may_be_new=False, or_older=known)
        connection.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")
        if connection.execute("PRAGMA user_version").fetchone()[0] < _KEYED_BLOBS:
            for statement in _AS_NOW.split(";"):
                connection.execute(statement)
        return connection


def copy(path: Path, to: Path) -> None:
    """Copy a journal as it is at one moment, while it may be written; page by page, unjudged.

    Raises:
        Fault: it is not a journal of this version, or cannot be read; or no room for the copy.
    """
    with faults(), closing(connect_reader(path, is_live=False)) as source:
        create_private(to)
        with closing(sqlite3.connect(to)) as target:
            source.backup(target)


def scrub(connection: sqlite3.Connection) -> bool:
    """Leave nothing in the log of what was deleted; return False where a reader is in the way.

    Nobody is waited for: the writing connection has more to do.
    """
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        (is_busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_S * 1000)}")
    return not is_busy


def create_private(path: Path) -> None:
    """Make an empty file that only its owner may read, unless there is one.

    Raises:
        Fault: it cannot be made.
    """
    try:
        # Never opened when it is there: closing it would drop SQLite's locks on it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise Fault(Code.STORE_FAILED, reason="the file cannot be written") from error


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_S,
        isolation_level=None,  # transactions begin and end where it is written
        check_same_thread=False,  # each has its own thread; only closing comes from another
    )
    # The file may come from somebody else: trust no function or page that it names.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


@contextmanager
def _closing_on_error(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def _require_ours(
    connection: sqlite3.Connection,
    path: Path,
    *,
    may_be_new: bool,
    or_older: Sequence[int] = (),
) -> bool:
    """Return whether the file is still empty; raise unless it is that, or ours."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application == APPLICATION_ID and version in (VERSION, *or_older):
        return False
    if application == APPLICATION_ID:
        reason = "another version of this program wrote the file"
        raise Fault(Code.JOURNAL_VERSION, reason=reason, found=version, known=VERSION)
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application or version or tables or not may_be_new:
        raise Fault(Code.STORE_FAILED, name=path.name, reason="the file is not a journal")
    return True


def _set(connection: sqlite3.Connection, name: str, value: str, expected: str | int) -> None:
    """Set a pragma and read it back: SQLite keeps the old value where it cannot follow."""
    connection.execute(f"PRAGMA {name} = {value}")
    (found,) = connection.execute(f"PRAGMA {name}").fetchone()
    if found != expected:
        raise Fault(Code.STORE_FAILED, reason=f"{name} is not {value} here", found=found)


def must_be_plain(connection: sqlite3.Connection) -> None:
    """Hold a file to the tables that a journal has: nothing is computed as it is read.

    What SQLite keeps for itself may be there, and what younger programs add may not be.

    Raises:
        Fault: a table, a view or a trigger is another, or none of ours.
    """
    # What SQLite keeps for itself: statistics, and indexes of which it made no statement.
    statement = (
        "SELECT type, name, sql FROM sqlite_schema"
        " WHERE NOT (type = 'table' AND name IN ('sqlite_stat1', 'sqlite_stat4'))"
        " AND NOT (type = 'index' AND sql IS NULL)"
    )
    with closing(sqlite3.connect(":memory:")) as own:
        for each in (*_TABLES.split(";"), *_URGENT.split(";"), *_CHASED.split(";")):
            own.execute(each)
        ours = set(own.execute(statement))
    found = set(connection.execute(statement))
    if other := sorted(str(name) for _, name, _ in found - ours):
        reason = "a table is none of a journal's"
        raise Fault(Code.STORE_FAILED, reason=reason, name=other[0][:64])
    older = {each for each in ours if each[1].startswith(("urgent", "chased"))}
    if lacking := sorted(str(name) for _, name, _ in ours - older - found):
        raise Fault(Code.STORE_FAILED, reason="a table is missing", name=lacking[0])


def _create(connection: sqlite3.Connection) -> None:
    """Tables and marks come in one transaction: a file is never half ours."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in _TABLES.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")
