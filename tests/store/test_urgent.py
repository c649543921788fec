"""What presses, in every store: by inbox and rank, gone once seen to or expired."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from exchange.broker.pressing import Pressing
from exchange.node import ports
from exchange.store import selecting
from exchange.store.sqlite import SqliteStore
from tests.store.samples import TAKEN_MS, Scribe

DESK, COLON = "pa.senan/desk", "pa.amp/colon"
NOW = TAKEN_MS // 1000
LATER = NOW + 3600


def pressing(scribe, name, rank, *owed, until=LATER):
    return scribe.accepted(name, *owed)._replace(pressing=Pressing(rank, until, owed))


async def told(store, endpoint=DESK, after=(-1, -1), now=NOW, limit=9):
    rows = await store.urgent(endpoint, after, now, limit)
    return [(each.rank, each.row.index, each.row.position) for each in rows]


async def filled(store):
    """Entry 0 presses nobody; 1 to 4 are immediate, flash, flash, immediate."""
    scribe = Scribe()
    records = [scribe.accepted("routine", DESK)]
    records += [pressing(scribe, f"{n}", n in (1, 4), DESK) for n in range(1, 5)]
    await store.append(scribe.batch(*records), 0)
    return scribe


async def test_flash_comes_before_immediate_and_each_in_its_order(store):
    await filled(store)
    assert await told(store) == [(0, 2, 2), (0, 3, 3), (1, 1, 1), (1, 4, 4)]
    (first, *_) = await store.urgent(DESK, (-1, -1), NOW, 9)
    assert [first.row] == await store.inbox(DESK, 1, 1)
    assert await told(store, COLON) == []


async def test_each_rank_has_a_cursor_and_a_bound_of_its_own(store):
    await filled(store)
    assert await told(store, after=(2, 1)) == [(0, 3, 3), (1, 4, 4)]
    assert await told(store, limit=1) == [(0, 2, 2), (1, 1, 1)]
    assert await told(store, limit=0) == []


async def test_what_is_seen_to_presses_no_more_and_only_there(store):
    scribe = Scribe()
    both = pressing(scribe, "both", 0, DESK, COLON)
    ack = scribe.accepted("ack", COLON)._replace(seen_to=((DESK, 0),))
    await store.append(scribe.batch(both, ack), 0)
    assert await told(store) == []
    assert await told(store, COLON) == [(0, 0, 0)]
    later = scribe.accepted("later", DESK)._replace(seen_to=((COLON, 0), (COLON, 99)))
    await store.append(scribe.batch(later), 2)
    assert await store.waiting(NOW) == []


async def test_what_has_expired_presses_no_more_and_leaves_nothing_behind(store):
    scribe = Scribe()
    first = pressing(scribe, "first", 0, DESK, until=NOW + 1)
    await store.append(scribe.batch(first), 0)
    assert await told(store) == [(0, 0, 0)]
    assert await told(store, now=NOW + 1) == []
    assert await store.waiting(NOW + 1) == []
    second = scribe.batch(pressing(scribe, "second", 1, DESK))
    await store.append(ports.Batch(*_with_time(second, (NOW + 1) * 1000)), 1)
    # Even for whose clock is behind: the row itself is gone.
    assert await told(store, now=0) == [(1, 1, 1)]


def _with_time(batch, taken_ms):
    given = {name: getattr(batch, name) for name in batch.__struct_fields__}
    return {**given, "taken_ms": taken_ms}.values()


async def test_all_that_waits_is_told_with_its_rank_and_time(store):
    await filled(store)
    assert sorted(await store.waiting(NOW)) == [(rank, TAKEN_MS) for rank in (0, 0, 1, 1)]


async def test_journal_that_was_kept_before_this_table_is_opened_and_goes_on(tmp_path):
    path = tmp_path / "journal.db"
    store, scribe = SqliteStore.open(path), Scribe()
    await store.append(scribe.batch(pressing(scribe, "old", 0, DESK)), 0)
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE urgent")
        connection.commit()
    store = SqliteStore.open(path)
    try:
        assert await told(store) == []
        await store.append(scribe.batch(pressing(scribe, "new", 0, DESK)), 1)
        assert await told(store) == [(0, 1, 1)]
    finally:
        await store.close()


async def test_what_presses_is_found_without_a_look_at_the_rest_of_the_inbox(tmp_path):
    # The plan of each statement: by keys, and nothing is sorted or scanned.
    count, path = 500, tmp_path / "journal.db"
    store, scribe = SqliteStore.open(path), Scribe()
    await store.append(scribe.bulletins(count, DESK), 0)
    await store.append(scribe.batch(pressing(scribe, "one", 0, DESK)), count)
    seen = []
    assert await told(store) == [(0, count, count)]
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.set_trace_callback(seen.append)
        selecting.urgent(connection, DESK, (-1, -1), NOW, 9)
        connection.set_trace_callback(None)
        for statement in seen:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
            assert all(step[3].startswith("SEARCH") for step in plan), plan
