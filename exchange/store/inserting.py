"""One commit group into the tables: one transaction, and exactly one outcome.

Each step of a statement gives up the interpreter lock and must win it back from a busy event
loop, so many rows go into one statement (512 records beside a thread that never waits: 0.25 s
instead of 7.5 s with one row each).

Keys are hashes, so each lands on a page of its own once their table is large, and every page
touched is written twice. They are therefore gathered in a small table, ``fresh``, and moved on
to the large one a stretch of neighbours at a time; and so are the digests of blobs.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from functools import cache
from math import isqrt
from typing import TYPE_CHECKING, Final

import msgspec

from exchange.model.entry import kind_of
from exchange.node import ports
from exchange.store import rules, selecting
from exchange.store.file import reason_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from exchange.broker.due import Due
    from exchange.store.selecting import Keyed

# Rows in one statement. Seven columns stay under the 999 parameters of any SQLite.
ROWS: Final = 128
# Keys that stay in the small table (0.7 MB). At two million keys this took a group of 64 from
# 119 to 93 us an entry, one of 512 from 96 to 68 us (CPU). And how many leave it at once.
FRESH_KEYS: Final = 16_384
# Fewer while the journal is short. Every group writes each page of the small table, and a sweep
# pages of the large one: the first costs more with more fresh keys, the second less, so the
# best number grows with the root of the length (65 to 55 us an entry at 16,000 entries).
FRESH_LEAST: Final = 1024
SWEEP_KEYS: Final = 512
_FRESH_ROOT: Final = 256


def append(connection: sqlite3.Connection, batch: ports.Batch, expect: int) -> ports.Outcome:
    """Append a batch, durably and whole, or not at all. Never raises.

    After ``Unknown`` the connection is of no more use: its caller opens another, and reads.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        verdict = _judge(connection, batch, expect)
        if verdict is None:
            _insert(connection, batch, expect)
    except ValueError as error:
        verdict = ports.Refused(str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing was committed
        verdict = ports.Refused(reason_of(error))
    try:
        if verdict is None:
            connection.execute("COMMIT")
        elif connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        # Of a failed rollback this says less than is known, but the same must be done.
        return ports.Unknown(reason_of(error))
    return verdict or ports.Done(expect + len(batch.records))


def _judge(
    connection: sqlite3.Connection, batch: ports.Batch, expect: int
) -> ports.Outcome | None:
    """Return why the batch may not be inserted here; None when it may."""
    head = selecting.head(connection)
    if batch.epoch < head.epoch:
        return ports.Fenced(head.epoch)
    if head.size == expect:
        rules.require_whole(batch, expect)
        return None
    count = len(batch.records)
    if not 0 <= expect < expect + count <= head.size:
        return ports.HeadMoved(head.size)
    stands = connection.execute(
        "SELECT bytes FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx",
        (expect, expect + count),
    )
    same = [row[0] for row in stands] == [record.entry for record in batch.records]
    return ports.Duplicate(head.size) if same else ports.HeadMoved(head.size)


def _insert(connection: sqlite3.Connection, batch: ports.Batch, first: int) -> None:
    records = list(enumerate(batch.records, first))
    kinds = [kind_of(record.facts) for record in batch.records]
    _rows(
        connection,
        "entry",
        [(index, kind, each.entry) for kind, (index, each) in zip(kinds, records, strict=True)],
    )
    _rows(connection, "hashes", _runs(batch, first))
    _blobs(connection, batch, first)
    keys = sorted((key, index) for index, each in records for key in each.keys)
    _keys(connection, keys, first)
    _inboxes(connection, batch, first)
    _urgent(connection, batch, first)
    _chased(connection, batch, first)
    _due(connection, batch)
    _rows(
        connection,
        "newest",
        {kind: (kind, index) for index, kind in enumerate(kinds, first)}.values(),
        " ON CONFLICT (kind) DO UPDATE SET idx = excluded.idx",
    )
    if snapshots := [record.heads for record in batch.records if record.heads]:
        connection.execute("INSERT OR REPLACE INTO heads VALUES (0, ?)", (snapshots[-1],))
    _rows(connection, "grp", [(first, len(records), batch.statement)])
    connection.execute(
        "UPDATE meta SET epoch = ?, taken_ms = ?, frontier = ?",
        (batch.epoch, batch.taken_ms, batch.frontier),
    )


def _keys(connection: sqlite3.Connection, keys: list[tuple[bytes, int]], size: int) -> None:
    """Take keys, in the order of their tree, so that each of its pages is changed once."""
    # Of two young ones of one name the small table itself takes but one.
    if selecting.old(connection, [key for key, _ in keys]):
        message = "a key is taken already"
        raise ValueError(message)
    _gather(connection, selecting.KEYS, keys, size)


def _gather(
    connection: sqlite3.Connection,
    of: Keyed,
    keys: Sequence[tuple[bytes | str, int]],
    size: int,
) -> None:
    """Put keys that are new into the small table; of too many, some leave for the large one.

    Args:
        connection: in a transaction.
        of: the two tables.
        keys: in order, with what they lead to.
        size: of the journal: it says how many may stay.
    """
    stay = min(FRESH_KEYS, max(FRESH_LEAST, isqrt(_FRESH_ROOT * size)))
    _rows(connection, of.young, keys)
    told = f"SELECT {of.young}, {of.swept} FROM meta"  # noqa: S608 - ours
    fresh, swept = connection.execute(told).fetchone()
    fresh += len(keys)
    step = max(len(keys), SWEEP_KEYS)
    if fresh >= stay + step:
        moved, swept = _sweep(connection, of, swept, step)
        fresh -= moved
    connection.execute(f"UPDATE meta SET {of.young} = ?, {of.swept} = ?", (fresh, swept))  # noqa: S608


def _sweep(
    connection: sqlite3.Connection, of: Keyed, after: bytes | str, step: int
) -> tuple[int, bytes | str]:
    """Move the young keys next after ``after`` to the old; return how many, and the last."""
    last = connection.execute(
        f"SELECT key FROM {of.young} WHERE key > ? ORDER BY key LIMIT 1 OFFSET ?",  # noqa: S608
        (after, step - 1),
    ).fetchone()
    span = (after, last[0] if last else of.past)
    among = f"FROM {of.young} WHERE key > ? AND key <= ?"
    connection.execute(f"INSERT INTO {of.old} SELECT key, idx {among}", span)
    gone = connection.execute(f"DELETE {among}", span)
    return gone.rowcount, last[0] if last else of.past[:0]


def _inboxes(connection: sqlite3.Connection, batch: ports.Batch, first: int) -> None:
    owed = sorted(
        (owed.endpoint, index, owed.position)
        for index, record in enumerate(batch.records, first)
        for owed in record.owed
    )
    held = selecting.counts(connection, rules.named_by(batch))
    counts = rules.counts_after(batch, held)
    _rows(connection, "inbox", owed)
    _rows(
        connection,
        "inbox_head",
        sorted(counts.items()),
        " ON CONFLICT (endpoint) DO UPDATE SET count = excluded.count",
    )


def _urgent(connection: sqlite3.Connection, batch: ports.Batch, first: int) -> None:
    rows = rules.urgent_rows(batch, first)
    if rows:
        # Each goes once, so this costs no more than that they came.
        connection.execute("DELETE FROM urgent WHERE until <= ?", (batch.taken_ms // 1000,))
        _rows(connection, "urgent", rows)
    connection.executemany(
        "DELETE FROM urgent WHERE endpoint = ? AND rank IN (0, 1) AND idx = ?",
        [each for record in batch.records for each in record.seen_to],
    )


def _chased(connection: sqlite3.Connection, batch: ports.Batch, first: int) -> None:
    """One record after the other: what a cancellation ends may have come in the same group."""
    rows = rules.chased_rows(batch, first)
    if rows:
        connection.execute("DELETE FROM chased WHERE until <= ?", (batch.taken_ms // 1000,))
        _rows(connection, "chased", rows)
    connection.executemany(
        "DELETE FROM chased WHERE endpoint = ? AND idx = ?",
        [each for record in batch.records for each in record.seen_to],
    )
    over = [
        (entry, entry, index)
        for index, record in enumerate(batch.records, first)
        for entry in record.over
    ]
    connection.executemany(
        "DELETE FROM chased WHERE (idx = ? OR target = ?) AND idx < ?",
        over,
    )


def _blobs(connection: sqlite3.Connection, batch: ports.Batch, size: int) -> None:
    """Keep what a batch brings, and count what is named more than once; see ``_purge``."""
    brought = rules.blobs_of(batch)
    bodies = Counter(digest for digest, _ in brought)
    known = selecting.indexes(connection, list(bodies), selecting.BLOBS)
    (newest,) = connection.execute("SELECT coalesce(max(id), 0) FROM blob").fetchone()
    # Named by its digest: under the same name it is the same bytes.
    new = {digest: data for digest, data in brought if digest not in known}
    rows = [(number, *each) for number, each in enumerate(new.items(), newest + 1)]
    _rows(connection, "blob", rows)
    keys = sorted((digest, number) for number, digest, _ in rows)
    _gather(connection, selecting.BLOBS, keys, size)
    counted = selecting.counted(connection, list(bodies))
    if len(new) != len(brought) or counted:
        _count(connection, bodies, known, counted)
    for digest, times in Counter(rules.attached_by(batch)).items():
        # The same bytes may be a body that was named once, which is not counted yet.
        is_body = digest in selecting.indexes(connection, [digest], selecting.BLOBS)
        _name(connection, [(digest, times + is_body, times)])


def _count(
    connection: sqlite3.Connection,
    named: Counter[str],
    known: Collection[str],
    counted: Collection[str],
) -> None:
    """Count blobs that were known before, or are named twice at once.

    And those that are counted already, as somebody's attachment.
    """
    rows = [
        (digest, (digest in known) + times, times)
        for digest, times in named.items()
        if digest in counted or digest in known or times > 1
    ]
    _name(connection, rows)


def _name(connection: sqlite3.Connection, rows: list[tuple[str, int, int]]) -> None:
    """Count a digest's names: so many where none were counted, else so many more."""
    connection.executemany(
        "INSERT INTO named VALUES (?1, ?2) ON CONFLICT (digest) DO UPDATE SET live = live + ?3",
        rows,
    )


def _due(connection: sqlite3.Connection, batch: ports.Batch) -> None:
    """One record after the other: what one puts there, the next may take away."""
    if any(record.undue for record in batch.records):
        for record in batch.records:
            connection.executemany("DELETE FROM due WHERE idx = ? AND what = ?", record.undue)
            _put_due(connection, record.due)
            _purge(connection, record.gone)
        return
    _put_due(connection, [row for record in batch.records for row in record.due])


def _put_due(connection: sqlite3.Connection, due: Sequence[Due]) -> None:
    rows = [(each.index, each.what, *msgspec.structs.astuple(each)[2:]) for each in due]
    _rows(
        connection,
        "due",
        rows,
        " ON CONFLICT (idx, what) DO UPDATE SET at = excluded.at, cause = excluded.cause,"
        " rule = excluded.rule, agreed = excluded.agreed",
    )


def _purge(connection: sqlite3.Connection, digests: Sequence[str]) -> None:
    """Let go of what an entry names; what nobody else names is overwritten here and now.

    The log still has it: see ``file.scrub``.
    """
    if not digests:
        return
    connection.execute("PRAGMA secure_delete = ON")
    for digest in digests:
        fewer = "UPDATE named SET live = live - 1 WHERE digest = ? AND live > 1"
        if connection.execute(fewer, (digest,)).rowcount:
            continue
        connection.execute("DELETE FROM named WHERE digest = ?", (digest,))
        _drop_blob(connection, digest)
    connection.execute("PRAGMA secure_delete = OFF")


def _drop_blob(connection: sqlite3.Connection, digest: str) -> None:
    for number in selecting.indexes(connection, [digest], selecting.BLOBS).values():
        connection.execute("DELETE FROM blob WHERE id = ?", (number,))
        if connection.execute("DELETE FROM blob_fresh WHERE key = ?", (digest,)).rowcount:
            connection.execute("UPDATE meta SET blob_fresh = blob_fresh - 1")
        else:
            connection.execute("DELETE FROM blob_key WHERE key = ?", (digest,))


def _runs(batch: ports.Batch, first: int) -> list[tuple[int, bytes]]:
    """Return the new ends of the tree's rows; one run for each row, however many hashes."""
    runs = {0: (first, b"".join(batch.leaves))}
    for tile in sorted(batch.tiles, key=lambda tile: (tile.level, tile.number)):
        start, run = runs.get(tile.level + 1, (tile.number, b""))
        runs[tile.level + 1] = (start, run + tile.root)
    return [
        ((level << selecting.ROW_SHIFT) + start, run) for level, (start, run) in runs.items()
    ]


def _rows(
    connection: sqlite3.Connection,
    table: str,
    rows: Iterable[tuple[object, ...]],
    clause: str = "",
) -> int:
    """Insert rows, and return how many there are of them now."""
    waiting, count = list(rows), 0
    for at in range(0, len(waiting), ROWS):
        part = waiting[at : at + ROWS]
        values = [value for row in part for value in row]
        statement = _statement(table, len(part[0]), len(part), clause)
        count += connection.execute(statement, values).rowcount
    return count


@cache
def _statement(table: str, columns: int, rows: int, clause: str) -> str:
    row = f"({','.join('?' * columns)})"
    return f"INSERT INTO {table} VALUES {','.join([row] * rows)}{clause}"  # noqa: S608 - ours
