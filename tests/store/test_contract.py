"""What ``node.ports.Store`` promises: one suite, run against every store there is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from exchange.errors import Code, Fault
from exchange.journal.tiles import completed
from exchange.journal.tree import Frontier, leaf_hash
from exchange.model.entry import Owed
from exchange.node import ports
from exchange.store.memory import MemoryStore
from exchange.store.sqlite import SqliteStore
from tests.faults import Failure, FaultyStore
from tests.store.samples import TAKEN_MS, Scribe, key

# The type checker holds each of them to the port.
STORES: Sequence[type[ports.Store]] = (MemoryStore, SqliteStore, FaultyStore)

DESK, MIAMI, COLON = "pa.senan/desk", "us.uscg/miami", "pa.amp/colon"


async def seen(store):
    """Everything a reader can see of a journal, to compare before and after."""
    head = await store.head()
    rows = await store.read(0, 10_000)
    return {
        "head": head,
        "rows": rows,
        "positions": await store.positions(),
        "inboxes": {
            name: await store.inbox(name, -1, 10_000) for name in await store.positions()
        },
        "groups": [await store.group(row.index) for row in rows],
        "newest": [
            await store.newest(kind) for kind in ("accepted", "refused", "epoch-opened")
        ],
    }


# -- an empty journal --------------------------------------------------------------------------


async def test_an_empty_journal_has_nothing_and_says_so(store):
    assert await store.head() == ports.Head(0, 0, 0, b"")
    assert await store.read(0, 10) == []
    assert await store.inbox(DESK, -1, 10) == []
    assert await store.positions() == {}
    assert await store.find([key("absent")]) == {}
    assert await store.find([]) == {}
    assert await store.newest("accepted") is None
    assert await store.group(0) is None
    assert await store.blob("absent") is None
    assert await store.heads() == b""


# -- what was appended is read back ------------------------------------------------------------


async def test_the_head_is_that_of_the_last_batch(store, scribe):
    first = scribe.batch(scribe.opened(1))
    second = scribe.bulletins(3, DESK)
    assert await store.append(first, 0) == ports.Done(1)
    assert await store.append(second, 1) == ports.Done(4)
    assert await store.head() == ports.Head(4, 1, TAKEN_MS + 4, scribe.frontier.encode())


async def test_entries_and_leaf_hashes_come_back_as_they_were(store, scribe):
    batches = [scribe.bulletins(2, DESK), scribe.bulletins(3), scribe.bulletins(1, MIAMI)]
    for batch, expect in zip(batches, (0, 2, 5), strict=True):
        await store.append(batch, expect)
    records = [record for batch in batches for record in batch.records]
    rows = await store.read(0, 100)
    assert rows == [ports.Row(n, r.entry, leaf_hash(r.entry)) for n, r in enumerate(records)]
    assert await store.read(1, 3) == rows[1:4]
    assert await store.read(6, 3) == []
    assert await store.read(0, 0) == await store.read(0, -1) == []
    assert await store.inbox(DESK, -1, -1) == []


async def test_an_inbox_is_read_by_a_cursor_that_is_an_index(store, scribe):
    records = [
        scribe.accepted("a", DESK, MIAMI),
        scribe.refused("b"),
        scribe.accepted("c", MIAMI),
        scribe.accepted("d", DESK),
    ]
    await store.append(scribe.batch(*records[:2]), 0)
    await store.append(scribe.batch(*records[2:]), 2)
    a, _, c, d = (record.entry for record in records)
    whole = [ports.InboxRow(0, 0, a), ports.InboxRow(1, 3, d)]
    assert await store.inbox(DESK, -1, 10) == whole
    assert await store.inbox(DESK, -1, 1) == whole[:1]
    assert await store.inbox(DESK, 0, 10) == whole[1:]
    assert await store.inbox(DESK, 2, 10) == whole[1:]
    assert await store.inbox(DESK, 3, 10) == []
    assert await store.inbox(MIAMI, -1, 10) == [
        ports.InboxRow(0, 0, a),
        ports.InboxRow(1, 2, c),
    ]
    assert await store.inbox(COLON, -1, 10) == []


async def test_positions_count_each_inbox(store, scribe):
    await store.append(scribe.bulletins(3, DESK), 0)
    await store.append(scribe.bulletins(2, DESK, MIAMI), 3)
    assert await store.positions() == {DESK: 5, MIAMI: 2}


async def test_rows_of_derived_tables_are_counted(store, scribe):
    assert await store.counts() == ports.RowCounts(0, 0, 0, 0, 0)
    await store.append(scribe.bulletins(3, DESK), 0)
    await store.append(scribe.bulletins(2, DESK, MIAMI), 3)
    assert await store.counts() == ports.RowCounts(10, 7, groups=2, kinds=1, hashes=5)
    await store.append(scribe.batch(scribe.refused("x")), 5)
    await store.append(scribe.bulletins(250), 6)
    assert await store.counts() == ports.RowCounts(510, 7, groups=4, kinds=2, hashes=257)


async def test_each_entry_is_kept_under_its_kind(store, scribe):
    assert await store.kinds(0, 9) == []
    await store.append(scribe.batch(scribe.opened(1), scribe.refused("x")), 0)
    await store.append(scribe.bulletins(2, DESK), 2)
    kinds = ["epoch-opened", "refused", "accepted", "accepted"]
    assert await store.kinds(0, 9) == kinds
    assert await store.kinds(1, 2) == kinds[1:3]
    assert await store.kinds(0, 0) == await store.kinds(0, -1) == []


async def test_two_thousand_keys_are_found_at_once_and_unknown_ones_are_absent(store, scribe):
    await store.append(scribe.bulletins(500, DESK), 0)
    await store.append(scribe.bulletins(500, DESK), 500)
    rows = await store.read(0, 1000)
    known = {key(f"{kind} bulletin {n}"): n for n in range(1000) for kind in ("id", "digest")}
    strangers = [key(f"stranger {n}") for n in range(100)]
    found = await store.find([*strangers, *known])
    assert {each: entry.index for each, entry in found.items()} == known
    assert all(entry.entry == rows[entry.index].entry for entry in found.values())


async def test_the_newest_entry_of_a_kind_is_found(store, scribe):
    one, two = scribe.accepted("one"), scribe.accepted("two")
    refused = scribe.refused("three")
    await store.append(scribe.batch(one, refused, two), 0)
    assert await store.newest("accepted") == ports.Row(2, two.entry, leaf_hash(two.entry))
    last = scribe.accepted("four")
    await store.append(scribe.batch(last), 3)
    assert (await store.newest("accepted")).index == 3
    assert (await store.newest("refused")).entry == refused.entry
    assert await store.newest("trust") is None


async def test_the_newest_snapshot_of_heads_is_kept_whole_with_its_batch(store, scribe, reopen):
    first = scribe.opened(1)._replace(heads=b"exercise one")
    await store.append(scribe.batch(first), 0)
    assert await store.heads() == b"exercise one"
    # Most batches have none, and leave it as it is.
    await store.append(scribe.bulletins(2, DESK), 1)
    assert await store.heads() == b"exercise one"
    second, third = (scribe.refused(name)._replace(heads=name.encode()) for name in ("b", "c"))
    batch = scribe.batch(second, third)
    assert await store.append(batch, 9) == ports.HeadMoved(3)
    assert await store.heads() == b"exercise one"
    await store.append(batch, 3)
    assert await store.heads() == b"c"
    assert await (await reopen()).heads() == b"c"


async def test_each_entry_leads_to_its_commit_group(store, scribe):
    batches = [scribe.bulletins(3), scribe.bulletins(1), scribe.bulletins(2)]
    groups = []
    for batch, expect in zip(batches, (0, 3, 4), strict=True):
        await store.append(batch, expect)
        groups += [ports.GroupRow(expect, len(batch.records), batch.statement)] * len(
            batch.records
        )
    assert [await store.group(index) for index in range(6)] == groups
    assert await store.group(6) is None
    assert await store.group(-1) is None


async def test_blobs_come_back_by_digest_and_twice_the_same_is_one(store, scribe):
    one = scribe.accepted("one", blob=b"exercise, sealed")
    two = scribe.accepted("two", blob=b"exercise, sealed")
    assert await store.append(scribe.batch(one, two), 0) == ports.Done(2)
    three = scribe.accepted("three", blob=b"exercise, sealed")
    assert await store.append(scribe.batch(three), 2) == ports.Done(3)
    assert await store.blob(one.blob[0].digest) == b"exercise, sealed"
    other = scribe.accepted("four", blob=b"exercise, another")
    assert await store.append(scribe.batch(other), 3) == ports.Done(4)
    names = [each.blob[0].digest for each in (one, other)]
    found = await store.blobs([*names, "absent", names[0]])
    assert found == dict(zip(names, [b"exercise, sealed", b"exercise, another"], strict=True))
    assert await store.blobs([]) == {}


async def test_the_rows_of_the_tree_are_read_over_the_borders_of_groups(store, scribe):
    expect = 0
    for count in (1, 254, 3, 512, 1):
        batch = scribe.bulletins(count)
        assert await store.append(batch, expect) == ports.Done(expect + count)
        expect += count
    leaves = [row.leaf for row in await store.read(0, 1000)]
    assert await store.hashes(0, 0, 256) == b"".join(leaves[:256])
    assert await store.hashes(0, 256, 200) == b"".join(leaves[256:456])
    assert await store.hashes(0, 770, 1) == leaves[770]
    assert await store.hashes(1, 0, 3) == scribe.hashes.read(1, 0, 3)
    assert await store.hashes(1, 2, 1) == scribe.hashes.read(1, 2, 1)


@pytest.mark.parametrize("asked", [(0, 250, 11), (0, 260, 1), (1, 0, 2), (1, 1, 1), (2, 0, 1)])
async def test_hashes_the_journal_has_not_are_a_fault(store, scribe, asked):
    await store.append(scribe.bulletins(260), 0)
    with pytest.raises(Fault) as caught:
        await store.hashes(*asked)
    assert caught.value.code is Code.STORE_FAILED


async def test_a_tree_can_be_continued_from_the_store_alone(store, scribe):
    await store.append(scribe.bulletins(700), 0)
    head = await store.head()
    frontier = Frontier.decode(head.frontier)
    more = [key(f"leaf {n}") for n in range(400)]
    wanted = {0: await store.hashes(0, 512, 188), 1: await store.hashes(1, 0, 2)}

    class Read:
        def read(self, level, first, count):
            assert (first, count) == {0: (512, 188), 1: (0, 2)}[level]
            return wanted[level]

    grown = list(completed(head.size, more, Read()))
    assert grown == scribe.hashes.extend(more)
    assert frontier.extend(more) == scribe.frontier


# -- where a batch may not stand ---------------------------------------------------------------


@pytest.mark.parametrize("expect", [-1, 0, 1, 4, 9])
async def test_a_batch_expecting_another_size_is_not_written(store, scribe, expect):
    await store.append(scribe.bulletins(3, DESK), 0)
    before = await seen(store)
    stray = scribe.batch(scribe.accepted("stray", MIAMI))
    assert await store.append(stray, expect) == ports.HeadMoved(3)
    assert await seen(store) == before
    assert await store.find([key("id stray")]) == {}
    assert await store.blob(stray.records[0].blob[0].digest) is None


async def test_the_same_batch_again_is_a_duplicate_and_written_once(store, scribe):
    first, second = scribe.bulletins(3, DESK), scribe.bulletins(2, DESK)
    await store.append(first, 0)
    assert await store.append(first, 0) == ports.Duplicate(3)
    await store.append(second, 3)
    before = await seen(store)
    assert await store.append(first, 0) == ports.Duplicate(5)
    assert await store.append(second, 3) == ports.Duplicate(5)
    assert await seen(store) == before


async def test_a_batch_that_stands_only_in_part_is_no_duplicate(store, scribe):
    batch = scribe.bulletins(3, DESK)
    await store.append(batch, 0)
    other = scribe.accepted("other")
    changed = msgspec.structs.replace(batch, records=[*batch.records[:2], other])
    assert await store.append(changed, 0) == ports.HeadMoved(3)
    longer = msgspec.structs.replace(batch, records=[*batch.records, other])
    assert await store.append(longer, 0) == ports.HeadMoved(3)
    empty = msgspec.structs.replace(batch, records=[], leaves=[])
    assert await store.append(empty, 0) == ports.HeadMoved(3)


async def test_a_writer_of_an_older_epoch_is_fenced_off(store):
    old, new = Scribe(epoch=1), Scribe(epoch=3)
    opened = new.batch(new.opened(3))
    assert await store.append(opened, 0) == ports.Done(1)
    assert (await store.head()).epoch == 3
    before = await seen(store)
    # Whatever it believes the journal to be: the size moved too, but the epoch is the reason.
    assert await store.append(old.bulletins(1), 0) == ports.Fenced(3)
    assert await store.append(old.bulletins(1), 1) == ports.Fenced(3)
    assert await seen(store) == before
    assert await store.append(new.bulletins(1), 1) == ports.Done(2)


# -- all of it, or nothing ---------------------------------------------------------------------


def _skips_a_place(batch):
    last = batch.records[-1]
    place = last.owed[0]
    return [
        *batch.records[:-1],
        last._replace(owed=(Owed(place.endpoint, place.position + 1),)),
    ]


def _takes_a_place_again(batch):
    last = batch.records[-1]
    return [*batch.records[:-1], last._replace(owed=(Owed(last.owed[0].endpoint, 0),))]


def _owes_one_entry_twice(batch):
    last = batch.records[-1]
    place = last.owed[0]
    twice = (place, Owed(place.endpoint, place.position + 1))
    return [*batch.records[:-1], last._replace(owed=twice)]


def _takes_a_key_of_an_earlier_batch(batch):
    last = batch.records[-1]
    return [*batch.records[:-1], last._replace(keys=(key("id bulletin 0"),))]


def _takes_a_key_of_its_own_batch(batch):
    last = batch.records[-1]
    return [*batch.records[:-1], last._replace(keys=batch.records[0].keys)]


def _has_a_short_key(batch):
    return [*batch.records[:-1], batch.records[-1]._replace(keys=(b"short",))]


@pytest.mark.parametrize(
    "spoil",
    [
        _skips_a_place,
        _takes_a_place_again,
        _owes_one_entry_twice,
        _takes_a_key_of_an_earlier_batch,
        _takes_a_key_of_its_own_batch,
        _has_a_short_key,
    ],
)
async def test_a_batch_whose_last_record_is_wrong_leaves_no_trace(store, scribe, spoil, reopen):
    await store.append(scribe.bulletins(5, DESK), 0)
    before = await seen(store)
    good = scribe.bulletins(4, DESK, MIAMI)
    bad = msgspec.structs.replace(good, records=spoil(good))
    assert isinstance(await store.append(bad, 5), ports.Refused)
    assert await seen(store) == before
    assert await store.find([k for record in good.records for k in record.keys]) == {}
    assert await store.blob(good.records[0].blob[0].digest) is None
    assert await store.append(good, 5) == ports.Done(9)
    again = await reopen()
    assert (await again.head()).size == 9


async def test_a_batch_with_hashes_missing_is_refused(store, scribe):
    await store.append(scribe.bulletins(200), 0)
    batch = scribe.bulletins(100)
    assert len(batch.tiles) == 1
    tile = batch.tiles[0]
    for change in (
        {"tiles": []},
        {"tiles": [tile, tile]},
        {"tiles": [msgspec.structs.replace(tile, number=1)]},
        {"tiles": [msgspec.structs.replace(tile, root=b"short")]},
        {"leaves": batch.leaves[1:]},
        {"leaves": [b"short", *batch.leaves[1:]]},
        {"records": [], "leaves": [], "tiles": []},
    ):
        outcome = await store.append(msgspec.structs.replace(batch, **change), 200)
        assert isinstance(outcome, ports.Refused), change
    assert await store.append(batch, 200) == ports.Done(300)


async def test_an_append_goes_on_when_its_caller_is_cancelled(store, scribe):
    first, second = scribe.bulletins(300, DESK), scribe.bulletins(2, DESK)
    ahead = asyncio.create_task(store.append(first, 0))
    cancelled = asyncio.create_task(store.append(second, 300))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.wait([ahead, cancelled])
    # It stands whole: this one comes after it, and its own places follow on.
    assert await store.append(scribe.bulletins(1, DESK), 302) == ports.Done(303)
    assert await store.positions() == {DESK: 303}


async def test_readers_never_see_half_a_batch(store, scribe):
    batches = [scribe.bulletins(7, DESK, MIAMI) for _ in range(30)]
    is_done = asyncio.Event()

    async def write():
        for number, batch in enumerate(batches):
            assert await store.append(batch, number * 7) == ports.Done(number * 7 + 7)
            await asyncio.sleep(0)
        is_done.set()

    async def look():
        looks = 0
        while not is_done.is_set():
            head, rows = await store.head(), await store.read(0, 1000)
            inbox, counts = await store.inbox(MIAMI, -1, 1000), await store.positions()
            assert head.size % 7 == len(rows) % 7 == len(inbox) % 7 == 0
            assert head.taken_ms == (head.size and TAKEN_MS + head.size)
            assert counts.get(DESK, 0) == counts.get(MIAMI, 0)
            assert head.size <= len(rows) <= len(inbox) <= counts.get(MIAMI, 0)
            first = head.size  # of a batch that is now being written, or just was
            keys = [key(f"id bulletin {first + n}") for n in range(7)]
            assert len(await store.find(keys)) in (0, 7)
            assert (await store.group(head.size - 1)) or not head.size
            looks += 1
            await asyncio.sleep(0)
        return looks

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        lookers = [tasks.create_task(look()) for _ in range(3)]
    assert all(looker.result() for looker in lookers)


# -- the end, and after ------------------------------------------------------------------------


async def test_what_was_done_is_the_same_after_reopening(store, scribe, reopen):
    await store.append(scribe.batch(scribe.opened(1), scribe.refused("x")), 0)
    await store.append(scribe.bulletins(300, DESK, MIAMI), 2)
    before = await seen(store)
    again = await reopen()
    assert await seen(again) == before
    assert await again.append(scribe.bulletins(1, DESK), 302) == ports.Done(303)
    assert len(await again.find([key("id bulletin 2"), key("id bulletin 302")])) == 2


async def test_a_closed_store_answers_nothing_and_writes_nothing(store, scribe):
    await store.close()
    await store.close()
    assert isinstance(await store.append(scribe.bulletins(1), 0), ports.Refused)
    for asked in (
        store.head(),
        store.read(0, 1),
        store.inbox(DESK, -1, 1),
        store.positions(),
        store.find([]),
        store.newest("accepted"),
        store.group(0),
        store.hashes(0, 0, 1),
        store.blob("x"),
        store.blobs(["x"]),
    ):
        with pytest.raises(Fault, match="closed"):
            await asked


# -- stores that fail on request keep the contract ---------------------------------------------


async def test_a_lost_write_is_written_by_sending_it_again(store, scribe):
    faulty = FaultyStore(store)
    faulty.fail(Failure.LOSE_WRITE)
    batch = scribe.bulletins(2, DESK)
    assert isinstance(await faulty.append(batch, 0), ports.Unknown)
    assert (await faulty.head()).size == 0
    assert await faulty.append(batch, 0) == ports.Done(2)


async def test_a_lost_answer_is_found_to_be_a_duplicate(store, scribe):
    faulty = FaultyStore(store)
    faulty.fail(Failure.LOSE_ANSWER)
    batch = scribe.bulletins(2, DESK)
    assert isinstance(await faulty.append(batch, 0), ports.Unknown)
    assert await faulty.append(batch, 0) == ports.Duplicate(2)
    assert await faulty.positions() == {DESK: 2}


async def test_a_full_disk_refuses_and_a_silent_one_does_not_answer(store, scribe):
    faulty = FaultyStore(store)
    faulty.fail(Failure.REFUSE)
    assert isinstance(await faulty.append(scribe.bulletins(1), 0), ports.Refused)
    faulty.is_silent = True
    with pytest.raises(Fault):
        await faulty.read(0, 1)
    faulty.is_silent = False
    assert await faulty.read(0, 1) == []
