"""What a verification remembers of a long journal, in a file that it can go on from.

Keys of all entries, and what comes due, are looked up here instead of being held. All that was
written since the last ``save`` is forgotten when it is closed, or killed: what is there is of
one moment. The file is the auditor's own, and says what was verified: keep it as such.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final, Self

import msgspec

from exchange.broker.due import Due
from exchange.errors import Code, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_APPLICATION: Final = 0x58415644
_VERSION: Final = 1
# Keys that are not written yet; so many take less than a megabyte.
_YOUNG: Final = 4096
_SCHEMA: Final = (
    "CREATE TABLE key (name BLOB PRIMARY KEY, idx INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE due (idx INTEGER, what INTEGER, row BLOB, PRIMARY KEY (idx, what))",
    "CREATE TABLE state (one INTEGER PRIMARY KEY, state BLOB NOT NULL)",
)
_DUE: Final = msgspec.json.Decoder(Due)


def has_begun(path: Path | None) -> bool:
    """Tell whether a file remembers something of a verification.

    Raises:
        Fault: ``file``: it is another kind of file, or in use.
    """
    if path is None or not path.exists():
        return False
    with Memory.open(path) as memory:
        return memory.state() is not None


class Memory:
    """One file; made by ``open``, given back by ``close``.

    Attributes:
        is_kept: it is gone on with one day; else there is no use in saving a state.
        keys: which entry each key leads to.
        due: what comes due, by entry and purpose.
    """

    def __init__(self, db: sqlite3.Connection, *, is_kept: bool = True) -> None:
        """Take over what ``open`` opened."""
        self._db = db
        self.is_kept = is_kept
        self.keys = Keys(db)
        self.due = Dues(db)

    @classmethod
    def open(cls, path: Path, *, is_kept: bool = True) -> Self:
        """Open a file, or begin one.

        Raises:
            Fault: ``file``: it is another kind of file, is in use, or cannot be written.
        """
        try:
            db = sqlite3.connect(path, isolation_level=None, timeout=1)
            mark = db.execute("PRAGMA application_id").fetchone()[0]
            names = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if names and mark != _APPLICATION:
                raise Fault(Code.FILE, name=str(path), found="no state")
            db.execute("PRAGMA cache_size = -65536")
            if not names:
                db.execute(f"PRAGMA application_id = {_APPLICATION}")
                db.execute("BEGIN IMMEDIATE")
                for statement in _SCHEMA:
                    db.execute(statement)
                db.execute("COMMIT")
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", type(error).__name__)
            raise Fault(Code.FILE, name=str(path), found=name) from error
        return cls(db, is_kept=is_kept)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget what was not saved, and close the file."""
        self._db.execute("ROLLBACK")
        self._db.close()

    def state(self) -> bytes | None:
        """Return what was saved last."""
        found = self._db.execute("SELECT state FROM state").fetchone()
        return found[0] if found else None

    def save(self, state: bytes) -> None:
        """Keep a state, with all keys and all that comes due as they are now."""
        self.keys.flush()
        self._db.execute("INSERT OR REPLACE INTO state VALUES (1, ?)", (state,))
        self._db.execute("COMMIT")
        self._db.execute("BEGIN IMMEDIATE")

    def clear(self) -> None:
        """Forget everything."""
        self.keys.clear()
        for table in ("key", "due", "state"):
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608


class Keys:
    """Which entry each key leads to, as far as a replay asks."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Keep them here."""
        self._db = db
        self._young: dict[bytes, int] = {}

    def get(self, key: bytes) -> int | None:
        """Return the entry that a key leads to."""
        if key in self._young:
            return self._young[key]
        found = self._db.execute("SELECT idx FROM key WHERE name = ?", (key,)).fetchone()
        return found[0] if found else None

    def __setitem__(self, key: bytes, index: int) -> None:
        """Have a key lead to an entry."""
        self._young[key] = index
        if len(self._young) >= _YOUNG:
            self.flush()

    def flush(self) -> None:
        """Write what is young."""
        rows = sorted(self._young.items())
        self._db.executemany("INSERT OR REPLACE INTO key VALUES (?, ?)", rows)
        self._young.clear()

    def clear(self) -> None:
        """Forget what is young."""
        self._young.clear()


class Dues:
    """What comes due, as far as a replay asks."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Keep it here."""
        self._db = db

    def get(self, key: tuple[int, int]) -> Due | None:
        """Return a row by entry and purpose."""
        query = "SELECT row FROM due WHERE idx = ? AND what = ?"
        found = self._db.execute(query, key).fetchone()
        return _DUE.decode(found[0]) if found else None

    def pop(self, key: tuple[int, int], default: None = None) -> None:
        """Take a row out."""
        self._db.execute("DELETE FROM due WHERE idx = ? AND what = ?", key)
        return default

    def __setitem__(self, key: tuple[int, int], row: Due) -> None:
        """Put a row in."""
        values = (*key, msgspec.json.encode(row))
        self._db.execute("INSERT OR REPLACE INTO due VALUES (?, ?, ?)", values)

    def values(self) -> Iterator[Due]:
        """Yield every row."""
        for (row,) in self._db.execute("SELECT row FROM due"):
            yield _DUE.decode(row)
