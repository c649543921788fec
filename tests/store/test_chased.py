"""What is chased, in every store: gone once seen to, withdrawn, moot or kept no more."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from exchange.broker.chasing import NO_TARGET, Chased
from exchange.node import ports
from exchange.node.ports import ChasedRow
from exchange.store.sqlite import SqliteStore
from tests.store.samples import TAKEN_MS, Scribe

DESK, COLON = "pa.senan/desk", "pa.amp/colon"
NOW = TAKEN_MS // 1000
LATER = NOW + 3600


def chased(scribe, name, *owed, target=NO_TARGET, until=LATER, rank=2):
    record = scribe.accepted(name, *owed)
    return record._replace(chased=Chased(rank, until, target, owed))


async def told(store, now=NOW):
    return sorted((each.endpoint, each.index) for each in await store.chased(now))


async def test_what_is_chased_is_told_of_each_holder(store):
    scribe = Scribe()
    plain = scribe.accepted("plain", DESK)
    await store.append(scribe.batch(plain, chased(scribe, "cancels", DESK, COLON, rank=3)), 0)
    assert sorted(await store.chased(NOW)) == [
        ChasedRow(COLON, 1, 3, TAKEN_MS, NO_TARGET, LATER),
        ChasedRow(DESK, 1, 3, TAKEN_MS, NO_TARGET, LATER),
    ]


async def test_whoever_acknowledges_is_chased_no_more_in_the_same_group_and_later(store):
    scribe = Scribe()
    ack = scribe.accepted("ack")._replace(seen_to=((DESK, 0),))
    await store.append(scribe.batch(chased(scribe, "one", DESK, COLON), ack), 0)
    assert await told(store) == [(COLON, 0)]
    later = scribe.accepted("later")._replace(seen_to=((COLON, 0), (COLON, 99)))
    await store.append(scribe.batch(later), 2)
    assert await told(store) == []


async def test_what_is_over_goes_with_all_that_is_about_it_and_nothing_that_comes_later(store):
    scribe = Scribe()
    records = [
        chased(scribe, "target", COLON),
        chased(scribe, "corrects it", DESK, target=0),
        chased(scribe, "of another", DESK, target=7),
    ]
    await store.append(scribe.batch(*records), 0)
    cancels = chased(scribe, "cancels it", DESK, target=0)._replace(over=(0,))
    after = chased(scribe, "after", COLON, target=0)
    await store.append(scribe.batch(cancels, after), 3)
    assert await told(store) == [(COLON, 4), (DESK, 2), (DESK, 3)]


async def test_what_is_kept_no_more_is_chased_no_more_and_leaves_nothing_behind(store):
    scribe = Scribe()
    await store.append(scribe.batch(chased(scribe, "first", DESK, until=NOW + 1)), 0)
    assert await told(store) == [(DESK, 0)]
    assert await told(store, NOW + 1) == []
    second = scribe.batch(chased(scribe, "second", DESK))
    given = {name: getattr(second, name) for name in second.__struct_fields__}
    batch = ports.Batch(**{**given, "taken_ms": (NOW + 1) * 1000})
    await store.append(batch, 1)
    assert await told(store, 0) == [(DESK, 1)]


async def test_what_is_chased_is_so_after_a_restart(store, reopen):
    scribe = Scribe()
    await store.append(scribe.batch(chased(scribe, "one", DESK)), 0)
    assert await told(await reopen()) == [(DESK, 0)]


async def test_journal_that_was_kept_before_this_table_is_opened_and_goes_on(tmp_path):
    path = tmp_path / "journal.db"
    store, scribe = SqliteStore.open(path), Scribe()
    await store.append(scribe.batch(chased(scribe, "old", DESK)), 0)
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE chased")
        connection.commit()
    store = SqliteStore.open(path)
    try:
        assert await told(store) == []
        await store.append(scribe.batch(chased(scribe, "new", DESK)), 1)
        assert await told(store) == [(DESK, 1)]
    finally:
        await store.close()
