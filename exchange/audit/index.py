"""A local index beside the mirrors of one or both nodes: what is searched, counted and told.

Derived and never trusted: every row names the entry that it was read from, and the whole file
can be thrown away and made again. Only entries that are new are read. Each journal in it is
bound to its mirror by size and root: a mirror that does not go on from what is here is refused,
so that no journal of a node ever takes the place of another unseen; and so is one whose tree is
not of its entries, before any of them is kept.

A facet's value is a set of entries (``bitmaps``), so that what a search finds is the
intersection of a few numbers, and a count is one instruction for each word of them.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from hashlib import blake2b
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, Self

import msgspec

from exchange.audit import bitmaps
from exchange.audit.agreed import Agreed
from exchange.audit.rows import Context, Row, read
from exchange.errors import Code, Fault, Refusal
from exchange.evidence.making import node_of
from exchange.journal.proofs import root_at
from exchange.journal.stored import leaf_of
from exchange.journal.tree import Frontier
from exchange.model import entry as entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from exchange.audit.verify import Stored

# Changed whenever rows or facets are: an index of another version is made anew.
VERSION: Final = 4
# So that no other file is ever taken for one, and thrown away (sqlite.org/fileformat.html).
_APPLICATION: Final = 0x58414944
_PAGE: Final = 256
_COMMIT: Final = 8192
_DAY_MS: Final = 86_400_000
_SCHEMA: Final = """
CREATE TABLE journal (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
    frontier BLOB NOT NULL, taken_ms INTEGER NOT NULL);
CREATE TABLE value (
    id INTEGER PRIMARY KEY, journal INTEGER NOT NULL, facet TEXT NOT NULL,
    value TEXT NOT NULL, total INTEGER NOT NULL, UNIQUE (journal, facet, value));
CREATE TABLE piece (
    value INTEGER NOT NULL, number INTEGER NOT NULL, bits BLOB NOT NULL,
    PRIMARY KEY (value, number)) WITHOUT ROWID;
CREATE TABLE row (
    journal INTEGER NOT NULL, idx INTEGER NOT NULL, taken_ms INTEGER NOT NULL,
    row BLOB NOT NULL, PRIMARY KEY (journal, idx)) WITHOUT ROWID;
CREATE TABLE named (
    name INTEGER NOT NULL, journal INTEGER NOT NULL, idx INTEGER NOT NULL,
    PRIMARY KEY (name, journal, idx)) WITHOUT ROWID;
CREATE TABLE day (
    journal INTEGER NOT NULL, day INTEGER NOT NULL, first INTEGER NOT NULL,
    PRIMARY KEY (journal, day)) WITHOUT ROWID;
"""
_ROW: Final = msgspec.json.Decoder(Row)


class Source(Protocol):
    """A mirror, or a journal's file. Raises ``Fault`` if it cannot be read."""

    def size(self) -> int:
        """Return how many entries there are."""

    def read(self, first: int, limit: int) -> Sequence[Stored]:
        """Return at most ``limit`` entries from index ``first`` on, in order."""

    def blob(self, digest: str) -> bytes | None:
        """Return a trust document by digest, if it is there."""

    def hashes(self, level: int, first: int, count: int) -> bytes:
        """Return neighbours of one row of the tree, joined."""


class Journal(NamedTuple):
    """A journal in the index: whose it is, how many entries, and the time of the newest."""

    id: int
    node: str
    size: int
    taken_ms: int


class Folded(NamedTuple):
    """What folding a mirror in came to: whose it is, how many entries, how many are new."""

    node: str
    size: int
    new: int


class Value(NamedTuple):
    """A value of a facet in one journal, and of how many entries it is there."""

    id: int
    value: str
    total: int


class Index:
    """One file; made by ``open``. One writes at a time; any number read.

    A connection is used by one thread at a time: who serves many opens one for each.
    """

    def __init__(self, connection: sqlite3.Connection, *, cached: int = 2000) -> None:
        """Take over what ``open`` opened; ``cached`` sets of entries stay in memory."""
        self._db = connection
        self._cached = cached
        # By value and the size of its journal, so that none is of an earlier moment.
        self._bits: OrderedDict[tuple[int, int], int] = OrderedDict()

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Self:
        """Open an index; one that is not there, or of another version, is begun.

        Raises:
            Fault: ``file``: it cannot be read or written, or is none.
        """
        try:
            uri = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rwc'}"
            db = sqlite3.connect(uri, uri=True, check_same_thread=False)
            db.execute("PRAGMA cache_size = -65536")
            found = _version(db)
            if found != VERSION and not read_only:
                _begin(db, path)
            elif found != VERSION:
                raise Fault(Code.FILE, name=str(path), found=f"version {found}")
        except sqlite3.Error as error:
            raise Fault(Code.FILE, name=str(path), found=_why(error)) from error
        return cls(db)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # -- reading -----------------------------------------------------------------------

    def journals(self) -> list[Journal]:
        """Return the journals in it, by the names of their nodes; of none is nothing here."""
        found = self._db.execute(
            "SELECT id, node, size, taken_ms FROM journal WHERE size > 0 ORDER BY node"
        )
        return [Journal(*row) for row in found]

    def row(self, journal: Journal, index: int) -> Row | None:
        """Return the row of an entry."""
        found = self._db.execute(
            "SELECT row FROM row WHERE journal = ? AND idx = ?", (journal.id, index)
        ).fetchone()
        return _ROW.decode(found[0]) if found else None

    def rows(self, journal: Journal, indexes: Iterable[int]) -> Iterator[Row]:
        """Yield the rows of these entries, in their order."""
        for index in indexes:
            if (row := self.row(journal, index)) is not None:
                yield row

    def named(self, name: str, value: str) -> list[tuple[str, int]]:
        """Return the (node, index) of rows by ``id``, ``target``, ``thread`` or ``digest``."""
        found = self._db.execute(
            "SELECT node, idx FROM named JOIN journal ON journal.id = named.journal"
            " WHERE name = ? ORDER BY node, idx",
            (_hash(name, value),),
        )
        return [(node, index) for node, index in found]

    def values(self, journal: Journal, facet: str) -> list[Value]:
        """Return the values that a facet has in a journal, by name."""
        found = self._db.execute(
            "SELECT id, value, total FROM value WHERE journal = ? AND facet = ? ORDER BY value",
            (journal.id, facet),
        )
        return [Value(*row) for row in found]

    def bits(self, journal: Journal, value: Value) -> int:
        """Return the set of a journal's entries that have a value."""
        key = (value.id, journal.size)
        if key in self._bits:
            self._bits.move_to_end(key)
            return self._bits[key]
        found = bitmaps.joined(
            self._db.execute("SELECT number, bits FROM piece WHERE value = ?", (value.id,))
        )
        self._bits[key] = found
        if len(self._bits) > self._cached:
            self._bits.popitem(last=False)
        return found

    def first_at(self, journal: Journal, ms: int) -> int:
        """Return the first entry that was taken in at this time or later; else the size."""
        low, high = 0, journal.size
        while low < high:
            middle = (low + high) // 2
            taken_ms = self._db.execute(
                "SELECT taken_ms FROM row WHERE journal = ? AND idx = ?", (journal.id, middle)
            ).fetchone()[0]
            low, high = (middle + 1, high) if taken_ms < ms else (low, middle)
        return low

    def days(self, journal: Journal) -> list[tuple[int, int, int]]:
        """Return each day (ms UTC at which it begins) with its first entry and its end."""
        found = self._db.execute(
            "SELECT day, first FROM day WHERE journal = ? ORDER BY day", (journal.id,)
        ).fetchall()
        ends = [first for _, first in found[1:]] + [journal.size]
        return [
            (day * _DAY_MS, first, end) for (day, first), end in zip(found, ends, strict=True)
        ]

    # -- folding -----------------------------------------------------------------------

    def fold(
        self, source: Source, told: Callable[[int, int], None], *, is_held: bool = True
    ) -> Folded:
        """Take in what is new of a mirror.

        What is committed stays: whoever breaks it off goes on from there.

        Args:
            source: the mirror.
            told: hears how many entries of how many are done.
            is_held: whether it is held to its own tree. Not, for an index that is thrown away:
                to show what a file says that does not hold.

        Raises:
            Refusal: ``bad-proof``: its first entry does not say whose journal it is;
                ``mirror-mismatch``: its hashes are not of its entries, so it does not hold;
                ``index-longer``: it holds fewer entries than are here; ``mirrors-differ``, an
                alarm: what is here is not its beginning.
            Fault: the mirror, or the index, cannot be read or written.
        """
        node, size = node_of(source), source.size()
        try:
            journal = self._bound(node, source, size, is_held=is_held)
            folder = _Folder(self, self._db, journal, source, is_held=is_held)
            while folder.size < size:
                folder.take(min(_COMMIT, size - folder.size))
                told(folder.size, size)
        except sqlite3.Error as error:
            raise Fault(Code.FILE, name="index", found=_why(error)) from error
        return Folded(node, size, size - journal.size)

    def _bound(self, node: str, source: Source, size: int, *, is_held: bool) -> Journal:
        """Return a journal as far as it is here, which is the mirror's beginning."""
        found = self._db.execute(
            "SELECT id, node, size, taken_ms, frontier FROM journal WHERE node = ?", (node,)
        ).fetchone()
        if found is not None:
            journal, frontier = Journal(*found[:4]), Frontier.decode(found[4])
            if journal.size > size:
                raise Refusal(
                    Code.INDEX_LONGER, "/index", name=node, expected=journal.size, found=size
                )
            if is_held and _root(journal.size, source) != frontier.root():
                raise Refusal(Code.MIRRORS_DIFFER, "/index", name=node)
            return journal
        with self._db:
            made = self._db.execute(
                "INSERT INTO journal (node, size, frontier, taken_ms) VALUES (?, 0, ?, 0)"
                " RETURNING id",
                (node, Frontier().encode()),
            ).fetchone()
        return Journal(made[0], node, 0, 0)


class _Hashes:
    """The tree of a source, as ``root_at`` asks for it."""

    def __init__(self, source: Source) -> None:
        self.read = source.hashes


def _root(size: int, source: Source) -> bytes:
    return root_at(size, _Hashes(source))


class _Folder:
    """Reads entries into rows and sets, and commits them group by group."""

    def __init__(
        self,
        index: Index,
        db: sqlite3.Connection,
        journal: Journal,
        source: Source,
        *,
        is_held: bool,
    ) -> None:
        self.size, self._is_held = journal.size, is_held
        self._index, self._db, self._journal, self._source = index, db, journal, source
        frontier = db.execute("SELECT frontier FROM journal WHERE id = ?", (journal.id,))
        self._frontier = Frontier.decode(frontier.fetchone()[0])
        self._agreed = Agreed(source.blob)
        self._young: dict[int, Row] = {}
        self._by_id: dict[str, Row] = {}
        self._values: dict[tuple[str, str], int] = {}
        self._placed_ms = journal.taken_ms
        self._take_up()

    def _take_up(self) -> None:
        """Know again which trust documents are in force."""
        for value in self._index.values(self._journal, "kind"):
            if value.value == "trust":
                for index in bitmaps.places(self._index.bits(self._journal, value)):
                    self._agreed.add(
                        index, entries.decode(self._source.read(index, 1)[0].entry)
                    )

    def take(self, count: int) -> None:
        """Take in so many entries, as one commit."""
        rows, leaves, end = [], [], self.size + count
        while self.size < end:
            page = self._source.read(self.size, min(_PAGE, end - self.size))
            if not page or page[0].index != self.size:
                raise Refusal(Code.BAD_PROOF, "/index", expected=self.size)
            for stored in page:
                rows.append(self._row(stored.index, stored.entry))
                leaves.append(leaf_of(stored.entry))
            self.size += len(page)
        self._frontier = self._frontier.extend(leaves)
        if self._is_held and self._frontier.root() != _root(self.size, self._source):
            # Kept, it would be held against the honest mirror one day.
            raise _untrue(self._source, self.size - count, leaves)
        with self._db:
            self._keep(rows)
        self._young.clear()
        self._by_id.clear()

    def _row(self, index: int, raw: bytes) -> Row:
        context = Context(self._journal.node, self._agreed.version, self._row_at, self._row_of)
        row = read(index, raw, context)
        if row.kind == "trust":
            before = self._agreed.content
            self._agreed.add(index, entries.decode(raw))
            if self._agreed.content != before:
                row = msgspec.structs.replace(row, agreed=self._agreed.content)
        self._young[index] = row
        if row.id and row.kind == "accepted":
            self._by_id.setdefault(row.id, row)
        return row

    def _row_at(self, index: int) -> Row | None:
        return self._young.get(index) or self._index.row(self._journal, index)

    def _row_of(self, identity: str) -> Row | None:
        if identity in self._by_id:
            return self._by_id[identity]
        journals = {each.node: each for each in self._index.journals()}
        found = [
            self._index.row(journals[node], index)
            for node, index in self._index.named("id", identity)[:4]
        ]
        known = [row for row in found if row is not None and row.id == identity and row.type]
        return known[0] if known else None

    def _placed(self, rows: Sequence[Row]) -> list[int]:
        """Return at which time each row is found: of one that went back, or has none, the last.

        An honest journal's time never decreases, and searches rely on that.
        """
        return list(accumulate((row.taken_ms for row in rows), max, initial=self._placed_ms))[
            1:
        ]

    def _keep(self, rows: Sequence[Row]) -> None:
        own, sets, placed = self._journal.id, _Sets(rows), self._placed(rows)
        self._db.executemany(
            "INSERT INTO row VALUES (?, ?, ?, ?)",
            [
                (own, row.index, ms, msgspec.json.encode(row))
                for row, ms in zip(rows, placed, strict=True)
            ],
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO named VALUES (?, ?, ?)",
            sorted((_hash(*name), own, row.index) for row in rows for name in row.names()),
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO day VALUES (?, ?, ?)",
            [(own, ms // _DAY_MS, row.index) for row, ms in zip(rows, placed, strict=True)],
        )
        for name, pieces in sets.by_value.items():
            self._add(self._value(name), pieces)
        self._db.execute(
            "UPDATE journal SET size = ?, frontier = ?, taken_ms = ? WHERE id = ?",
            (self.size, self._frontier.encode(), placed[-1], own),
        )
        self._placed_ms = placed[-1]

    def _value(self, name: tuple[str, str]) -> int:
        if name not in self._values:
            own = (self._journal.id, *name)
            self._db.execute("INSERT OR IGNORE INTO value VALUES (NULL, ?, ?, ?, 0)", own)
            found = self._db.execute(
                "SELECT id FROM value WHERE journal = ? AND facet = ? AND value = ?", own
            )
            self._values[name] = found.fetchone()[0]
        return self._values[name]

    def _add(self, value: int, pieces: dict[int, list[int]]) -> None:
        for number, places in pieces.items():
            found = self._db.execute(
                "SELECT bits FROM piece WHERE value = ? AND number = ?", (value, number)
            ).fetchone()
            bits = bitmaps.unpacked(found[0]) if found else bytearray(bitmaps.PIECE_BYTES)
            for place in places:
                bits[place >> 3] |= 1 << (place & 7)
            self._db.execute(
                "INSERT OR REPLACE INTO piece VALUES (?, ?, ?)",
                (value, number, bitmaps.packed(bits)),
            )
            self._db.execute(
                "UPDATE value SET total = total + ? WHERE id = ?", (len(places), value)
            )


def _untrue(source: Source, first: int, leaves: Sequence[bytes]) -> Refusal:
    """Say that a tree is not of its entries, and the first that has another leaf there."""
    for at, leaf in enumerate(leaves, first):
        if source.hashes(0, at, 1) != leaf:
            return Refusal(Code.MIRROR_MISMATCH, "/leaf", found=at)
    return Refusal(Code.MIRROR_MISMATCH, "/root")


class _Sets:
    """The places of new rows, by value and piece."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.by_value: dict[tuple[str, str], dict[int, list[int]]] = {}
        for row in rows:
            number, place = divmod(row.index, bitmaps.PIECE)
            for name in dict.fromkeys(row.facets()):
                self.by_value.setdefault(name, {}).setdefault(number, []).append(place)


def _begin(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables; of an older index, throw them away first."""
    names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    if names and _version(db) is None:
        # Tables of somebody else: a journal, say, that was named by mistake.
        raise Fault(Code.FILE, name=str(path), found="no index")
    for (name,) in names:
        db.execute(f'DROP TABLE IF EXISTS "{name}"')
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    marks = f"PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {VERSION};"
    db.executescript(f"BEGIN; {_SCHEMA} {marks} COMMIT;")


def _version(db: sqlite3.Connection) -> int | None:
    """Return of which version an index is; None: it is none."""
    if db.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
        return None
    found: int = db.execute("PRAGMA user_version").fetchone()[0]
    return found


def _hash(name: str, value: str) -> int:
    """Return 64 bits in place of a name: what they find is held to the row."""
    raw = blake2b(f"{name}:{value}".encode(), digest_size=8).digest()
    return int.from_bytes(raw, "big", signed=True)


def _why(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", "") or type(error).__name__
