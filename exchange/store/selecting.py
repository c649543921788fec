"""What readers ask of the tables; each answer is of one moment, so never of half a batch.

SQLite keeps any type in any column, and the file may come from somebody else: each row is held
to its types, and what leads nowhere is a fault, never a mistake of ours.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from exchange.broker.due import Due
from exchange.broker.records import Found
from exchange.errors import Code, Fault
from exchange.journal.tree import HASH_BYTES, split
from exchange.node import ports
from exchange.store.file import must_be_plain

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

K = TypeVar("K", bytes, str)

# Values in one list of a statement; under the 999 parameters of any SQLite.
VALUES: Final = 512
# Where a row of the tree begins in table ``hashes``; a row has fewer than 2**48 hashes.
ROW_SHIFT: Final = 48
# Types of the columns of a row.
_INTEGER: Final = (int,)
_BYTES: Final = (bytes,)
_DUE: Final = (int, int, int, str, str, int)
_NAMED: Final = (str, int)


class Keyed(NamedTuple):
    """Two tables that lead from keys to numbers: the young and the old (``inserting``).

    ``swept`` is where ``meta`` says how far the young were moved on; ``past`` is over each key.
    """

    young: str
    old: str
    swept: str
    past: bytes | str

    @property
    def types(self) -> tuple[type, type]:
        """Return the types of a row."""
        return type(self.past), int


KEYS: Final = Keyed("fresh", "key", "swept", b"\xff" * HASH_BYTES)
# By digest: to rows of ``blob``.
BLOBS: Final = Keyed("blob_fresh", "blob_key", "blob_swept", "\x7f")


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Let several statements see the same moment."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def head(connection: sqlite3.Connection) -> ports.Head:
    """Return how far the journal goes."""
    rows = _rows(
        connection,
        "SELECT (SELECT coalesce(max(idx), -1) + 1 FROM entry), epoch, taken_ms, frontier"
        " FROM meta",
        (),
        (int, int, int, bytes),
    )
    if len(rows) != 1:
        raise Fault(Code.STORE_FAILED, reason="the journal does not say how far it goes")
    return ports.Head(*rows[0])


def read(connection: sqlite3.Connection, first: int, limit: int) -> list[ports.Row]:
    """Return at most ``limit`` entries from index ``first`` on, in order."""
    with snapshot(connection):
        rows = _rows(
            connection,
            "SELECT idx, bytes FROM entry WHERE idx >= ? ORDER BY idx LIMIT ?",
            (first, max(limit, 0)),
            (int, bytes),
        )
        if not rows:
            return []
        leaves = split(hashes(connection, 0, rows[0][0], len(rows)))
    return [
        ports.Row(index, entry, leaf) for (index, entry), leaf in zip(rows, leaves, strict=True)
    ]


def inbox(
    connection: sqlite3.Connection, endpoint: str, after: int, limit: int
) -> list[ports.InboxRow]:
    """Return an inbox's entries with an index over ``after``, in order."""
    rows = _rows(
        connection,
        "SELECT inbox.position, inbox.idx, entry.bytes FROM inbox"
        " CROSS JOIN entry ON entry.idx = inbox.idx"
        " WHERE inbox.endpoint = ? AND inbox.idx > ? ORDER BY inbox.idx LIMIT ?",
        (endpoint, after, max(limit, 0)),
        (int, int, bytes),
    )
    return [ports.InboxRow(*row) for row in rows]


def urgent(
    connection: sqlite3.Connection, endpoint: str, after: Sequence[int], now: int, limit: int
) -> list[ports.UrgentRow]:
    """Return what presses in an inbox: ``ports.Store.urgent``."""
    found = []
    for rank, index in enumerate(after):
        rows = _rows(
            connection,
            "SELECT inbox.position, urgent.idx, entry.bytes FROM urgent"
            " CROSS JOIN inbox ON inbox.endpoint = urgent.endpoint AND inbox.idx = urgent.idx"
            " CROSS JOIN entry ON entry.idx = urgent.idx"
            " WHERE urgent.endpoint = ? AND urgent.rank = ? AND urgent.idx > ?"
            " AND urgent.until > ? ORDER BY urgent.idx LIMIT ?",
            (endpoint, rank, index, now, max(limit, 0)),
            (int, int, bytes),
        )
        found += [ports.UrgentRow(rank, ports.InboxRow(*row)) for row in rows]
    return found


def waiting(connection: sqlite3.Connection, now: int) -> list[tuple[int, int]]:
    """Return (rank, taken in ms) of all that presses."""
    statement = "SELECT rank, taken_ms FROM urgent WHERE until > ?"
    return _rows(connection, statement, (now,), (int, int))


def pressing(connection: sqlite3.Connection, now: int) -> list[ports.PressingRow]:
    """Return all that presses in any inbox, in order of its members."""
    statement = (
        "SELECT endpoint, rank, idx, taken_ms, until FROM urgent WHERE until > ?"
        " ORDER BY endpoint, rank, idx"
    )
    rows = _rows(connection, statement, (now,), (str, int, int, int, int))
    return [ports.PressingRow(*row) for row in rows]


def chased(connection: sqlite3.Connection, now: int) -> list[ports.ChasedRow]:
    """Return whose acknowledgement of what is chased."""
    statement = (
        "SELECT endpoint, idx, rank, taken_ms, target, until FROM chased WHERE until > ?"
    )
    rows = _rows(connection, statement, (now,), (str, int, int, int, int, int))
    return [ports.ChasedRow(*row) for row in rows]


def due(
    connection: sqlite3.Connection, what: int, now: int, limit: int, after: tuple[int, int]
) -> list[Due]:
    """Return what is due by now for one purpose, after a place, the oldest first."""
    statement = (
        "SELECT idx, what, at, cause, rule, agreed FROM due WHERE what = ? AND at <= ?"
        " AND (at, idx) > (?, ?) ORDER BY at, idx LIMIT ?"
    )
    return [Due(*row) for row in _rows(connection, statement, (what, now, *after, limit), _DUE)]


def is_due(connection: sqlite3.Connection, row: Due) -> bool:
    """Tell whether a row of what comes due stands as it is."""
    statement = "SELECT idx, what, at, cause, rule, agreed FROM due WHERE idx = ? AND what = ?"
    found = _rows(connection, statement, (row.index, row.what), _DUE)
    return [Due(*each) for each in found] == [row]


def all_due(connection: sqlite3.Connection) -> list[Due]:
    """Return all that comes due, in order of its members."""
    statement = "SELECT idx, what, at, cause, rule, agreed FROM due ORDER BY idx, what"
    return [Due(*row) for row in _rows(connection, statement, (), _DUE)]


def still_named(connection: sqlite3.Connection, digests: Sequence[str]) -> frozenset[str]:
    """Return which of these digests an entry names that is not to be purged."""
    with snapshot(connection):
        kept = indexes(connection, digests, BLOBS)
        return frozenset(kept) | counted(connection, digests)


def counted(connection: sqlite3.Connection, digests: Sequence[str]) -> frozenset[str]:
    """Return which of these digests have a count of the entries that name them."""
    found = _listed(
        connection, "SELECT digest, live FROM named WHERE digest IN", digests, _NAMED
    )
    return frozenset(digest for digest, _ in found)


def positions(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how many entries each inbox holds."""
    return dict(_rows(connection, "SELECT endpoint, count FROM inbox_head", (), (str, int)))


def heads(connection: sqlite3.Connection) -> bytes:
    """Return the newest snapshot of inbox heads; empty before any."""
    found = _rows(connection, "SELECT snapshot FROM heads", (), _BYTES)
    return found[0][0] if found else b""


def counts(connection: sqlite3.Connection, endpoints: Sequence[str]) -> dict[str, int]:
    """Return how many entries these inboxes hold; those without any are absent."""
    statement = "SELECT endpoint, count FROM inbox_head WHERE endpoint IN"
    return dict(_listed(connection, statement, endpoints, (str, int)))


def find(connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, Found]:
    """Return the entries that these keys lead to.

    Raises:
        Fault: a key leads to no entry.
    """
    wanted = sorted(set(keys))
    with snapshot(connection):
        at = indexes(connection, wanted)
        # Two keys often lead to the same entry: it is read once.
        numbers = sorted(set(at.values()))
        statement = "SELECT idx, bytes FROM entry WHERE idx IN"
        entries = dict(_listed(connection, statement, numbers, (int, bytes)))
    if entries.keys() != set(numbers):
        lost = min(set(numbers) - entries.keys())
        raise Fault(Code.STORE_FAILED, reason="a key leads to no entry", found=lost)
    return {key: Found(index, entries[index]) for key, index in at.items()}


def indexes(
    connection: sqlite3.Connection, keys: Sequence[K], of: Keyed = KEYS
) -> dict[K, int]:
    """Return the numbers that these keys lead to, young keys and old."""
    statement = f"SELECT key, idx FROM {of.young} WHERE key IN"  # noqa: S608 - ours
    young = _listed(connection, statement, keys, of.types)
    return {**dict(young), **old(connection, keys, of)}


def old(connection: sqlite3.Connection, keys: Sequence[K], of: Keyed = KEYS) -> dict[K, int]:
    """Return the numbers that these keys lead to, old keys alone."""
    statement = f"SELECT key, idx FROM {of.old} WHERE key IN"  # noqa: S608 - ours
    return dict(_listed(connection, statement, keys, of.types))


def newest(connection: sqlite3.Connection, kind: str) -> ports.Row | None:
    """Return the newest entry of a kind, if there is one."""
    found = _rows(connection, "SELECT idx FROM newest WHERE kind = ?", (kind,), _INTEGER)
    if not found:
        return None
    ((index,),) = found
    rows = read(connection, index, 1)
    if not rows or rows[0].index != index:
        raise Fault(Code.STORE_FAILED, reason="the newest is no entry", found=index)
    return rows[0]


def group(connection: sqlite3.Connection, index: int) -> ports.GroupRow | None:
    """Return the commit group that holds an entry, if there is such an entry."""
    rows = _rows(
        connection,
        "SELECT first, count, statement FROM grp WHERE first <= ? ORDER BY first DESC LIMIT 1",
        (index,),
        (int, int, bytes),
    )
    found = [ports.GroupRow(*row) for row in rows]
    return found[0] if found and index < found[0].first + found[0].count else None


def hashes(connection: sqlite3.Connection, level: int, first: int, count: int) -> bytes:
    """Return neighbours of one row of the tree, joined.

    Raises:
        Fault: the journal has no such hashes.
    """
    at = (level << ROW_SHIFT) + first
    runs = _rows(
        connection,
        "SELECT at, run FROM hashes WHERE at < ? AND at >="
        " coalesce((SELECT max(at) FROM hashes WHERE at <= ?), 0) ORDER BY at",
        (at + count, at),
        (int, bytes),
    )
    skipped = (at - runs[0][0]) * HASH_BYTES if runs else 0
    found = b"".join(run for _, run in runs)[skipped : skipped + count * HASH_BYTES]
    # The last run of a row must not be read as the beginning of the next one.
    if len(found) != count * HASH_BYTES or not _is_one_row(runs):
        raise Fault(Code.STORE_FAILED, reason="hashes are missing", level=level, first=first)
    return found


def _is_one_row(runs: Sequence[tuple[int, bytes]]) -> bool:
    ends = [at + len(run) // HASH_BYTES for at, run in runs]
    return all(end == at for end, (at, _) in zip(ends, runs[1:], strict=False))


def blobs(connection: sqlite3.Connection, digests: Sequence[str]) -> dict[str, bytes]:
    """Return blobs by digest; those that are not here are absent."""
    with snapshot(connection):
        at = indexes(connection, sorted(set(digests)), BLOBS)
        rows = _listed_blobs(connection, sorted(at.values()))
    # A key may lead to the row of another: the file may come from anybody.
    return {digest: data for number, digest, data in rows if at.get(digest) == number}


def _listed_blobs(
    connection: sqlite3.Connection, numbers: Sequence[int]
) -> list[tuple[int, str, bytes]]:
    found: list[tuple[int, str, bytes]] = []
    for at in range(0, len(numbers), VALUES):
        part = numbers[at : at + VALUES]
        statement = f"SELECT id, digest, bytes FROM blob WHERE id IN{_list(len(part))}"  # noqa: S608 - ours
        found += _rows(connection, statement, part, (int, str, bytes))
    return found


def row_counts(connection: sqlite3.Connection) -> ports.RowCounts:
    """Return how many rows there are; keys are young or old.

    Raises:
        Fault: the young are not as many as the journal says they are.
    """
    young, told, *counts = connection.execute(
        "SELECT (SELECT count(*) FROM fresh), (SELECT fresh FROM meta),"
        " (SELECT count(*) FROM key), (SELECT count(*) FROM inbox),"
        " (SELECT count(*) FROM grp), (SELECT count(*) FROM newest),"
        " (SELECT coalesce(sum(length(run)), 0) FROM hashes)"
    ).fetchone()
    if told != young:
        raise Fault(Code.STORE_FAILED, reason="young keys are counted wrongly", found=young)
    old, places, groups, known, size = counts
    return ports.RowCounts(young + old, places, groups, known, size // HASH_BYTES)


def agreeing(connection: sqlite3.Connection, is_whole: bool) -> int:
    """Return how many tables agree with their own indexes.

    A row and its index say the same twice. What is looked up is found by the index: that the
    row itself says otherwise, only this tells.

    Args:
        connection: reads the file.
        is_whole: the structure of all of it is read. Else a table without an index, which has
            nothing to agree with, is taken to be as it is.

    Raises:
        Fault: one does not, or the structure of what was read is damaged; or there is more, or
            less, than a journal has.
    """
    must_be_plain(connection)
    indexed = "SELECT DISTINCT tbl_name FROM sqlite_schema WHERE type = 'index'"
    parts = ["1"] if is_whole else [name for (name,) in _rows(connection, indexed, (), (str,))]
    for part in parts:
        # A file that others made names its tables as it likes.
        quoted = part.replace('"', '""')
        ((says,),) = _rows(connection, f'PRAGMA integrity_check("{quoted}")', (), (str,))
        if says != "ok":
            raise Fault(Code.STORE_FAILED, reason="the file contradicts itself")
    _must_lead_to_blobs(connection)
    ((least,),) = _rows(connection, "SELECT coalesce(min(idx), 0) FROM entry", (), (int,))
    if least:
        raise Fault(Code.STORE_FAILED, reason="an entry stands outside of the journal")
    statement = "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"
    ((count,),) = _rows(connection, statement, (), (int,))
    return int(count)


def _must_lead_to_blobs(connection: sqlite3.Connection) -> None:
    """Hold the keys of blobs to them: each has one that leads to it, and there are no more.

    Raises:
        Fault: they differ, or the young are not as many as the journal says they are.
    """
    young, told, keys, blobs, leading = connection.execute(
        "SELECT young, (SELECT blob_fresh FROM meta), young + (SELECT count(*) FROM blob_key),"
        " (SELECT count(*) FROM blob),"
        " (SELECT count(*) FROM blob CROSS JOIN blob_fresh ON key = digest AND idx = id)"
        " + (SELECT count(*) FROM blob CROSS JOIN blob_key ON key = digest AND idx = id)"
        " FROM (SELECT count(*) AS young FROM blob_fresh)"
    ).fetchone()
    if young != told or not keys == blobs == leading:
        raise Fault(Code.STORE_FAILED, reason="keys of blobs do not lead to them", found=keys)


def kinds(connection: sqlite3.Connection, first: int, limit: int) -> list[str]:
    """Return under which kind each entry from index ``first`` on is kept, in order.

    Raises:
        Fault: they do not follow each other.
    """
    statement = "SELECT idx, kind FROM entry WHERE idx >= ? ORDER BY idx LIMIT ?"
    rows = _rows(connection, statement, (first, max(limit, 0)), (int, str))
    if any(index != place for place, (index, _) in enumerate(rows, first)):
        raise Fault(Code.STORE_FAILED, reason="an entry is missing")
    return [kind for _, kind in rows]


def _rows(
    connection: sqlite3.Connection,
    statement: str,
    values: Sequence[object],
    types: tuple[type, ...],
) -> list[Any]:
    """Return all rows of an answer, each held to the types of its columns.

    Raises:
        Fault: a value is of another type.
    """
    rows = connection.execute(statement, values).fetchall()
    for row in rows:
        if tuple(map(type, row)) != types:
            raise Fault(Code.STORE_FAILED, reason="a value of another type")
    return rows


def _listed(
    connection: sqlite3.Connection,
    statement: str,
    values: Sequence[object],
    types: tuple[type, ...],
) -> Iterator[tuple[Any, Any]]:
    for at in range(0, len(values), VALUES):
        part = values[at : at + VALUES]
        yield from _rows(connection, statement + _list(len(part)), part, types)


@cache
def _list(count: int) -> str:
    return f" ({','.join('?' * count)})"
