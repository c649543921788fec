"""What comes due, and what is named by whom, in every store: by time, gone with its entry."""

from __future__ import annotations

import msgspec
import pytest

from exchange.broker.due import ORDER, PURGE, REVIEW, Due
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.node.ports import Shipped
from exchange.store.shipped import ShippedFiles
from tests.store.samples import TAKEN_MS, Scribe

DESK = "pa.senan/desk"
NOW = TAKEN_MS // 1000


def row(index, at, what=PURGE, **more):
    return Due(index, what, at, **more)


async def keep(store, scribe, *rows, undue=(), name="some"):
    size = scribe.size
    record = scribe.accepted(f"{name} {size}", DESK)._replace(due=rows, undue=undue)
    await store.append(scribe.batch(record), size)


async def test_what_is_due_is_told_by_time_and_purpose_and_no_more_than_asked_for(store):
    scribe = Scribe()
    told = row(7, NOW, cause="rule", rule="voi", agreed=3)
    await keep(store, scribe, row(9, NOW - 1), told, row(8, NOW), row(1, NOW, REVIEW))
    await keep(store, scribe, row(2, NOW + 1))
    assert await store.due(PURGE, NOW, 9) == [row(9, NOW - 1), told, row(8, NOW)]
    assert await store.due(PURGE, NOW, 1) == [row(9, NOW - 1)]
    assert await store.due(PURGE, NOW, 1, row(9, NOW - 1).place) == [told]
    assert await store.due(PURGE, NOW, 9, told.place) == [row(8, NOW)]
    assert await store.due(PURGE, NOW, 9, row(8, NOW).place) == []
    assert await store.due(REVIEW, NOW, 9) == [row(1, NOW, REVIEW)]
    assert await store.due(ORDER, NOW, 9) == []
    every = [row(1, NOW, REVIEW), row(2, NOW + 1), told, row(8, NOW), row(9, NOW - 1)]
    assert await store.all_due() == every


async def test_later_row_takes_the_place_of_the_same_entry_s_and_others_go(store):
    scribe = Scribe()
    await keep(store, scribe, row(1, NOW), row(1, NOW, REVIEW), row(2, NOW))
    later = row(1, NOW + 5, cause="cancelled")
    await keep(store, scribe, later, undue=((1, REVIEW), (2, PURGE), (99, PURGE)))
    assert await store.all_due() == [later]


async def test_rows_of_one_group_come_and_go_in_its_order(store):
    scribe = Scribe()
    first = scribe.accepted("first", DESK)._replace(due=(row(0, NOW),))
    second = scribe.accepted("second", DESK)._replace(undue=((0, PURGE),))
    third = scribe.accepted("third", DESK)._replace(due=(row(0, NOW + 9),))
    await store.append(scribe.batch(first, second, third), 0)
    assert await store.all_due() == [row(0, NOW + 9)]


async def test_what_is_due_is_so_after_a_restart(store, reopen):
    await keep(store, Scribe(), row(1, NOW))
    assert await (await reopen()).due(PURGE, NOW, 9) == [row(1, NOW)]


@pytest.mark.parametrize("together", [True, False])
async def test_blob_that_two_entries_name_goes_with_the_second(store, together):
    scribe, body = Scribe(), b"exercise body of two"
    named = digest(body)
    records = [scribe.accepted(name, DESK, blob=body) for name in ("one", "two")]
    records.append(scribe.accepted("other", DESK))
    if together:
        await store.append(scribe.batch(*records), 0)
    else:
        for size, record in enumerate(records):
            await store.append(scribe.batch(record), size)
    other = records[2].blob[0].digest
    for expected in (body, None):
        assert await store.still_named([named, other]) == {named, other}
        order = scribe.accepted(f"order {expected}", DESK)._replace(
            gone=(named,), undue=((5, PURGE),)
        )
        await store.append(scribe.batch(order), scribe.size - 1)
        assert await store.blob(named) == expected
    assert await store.still_named([named, other]) == {other}
    # Once gone, it may be brought again, and counts anew.
    again = scribe.accepted("again", DESK, blob=body)
    await store.append(scribe.batch(again), scribe.size - 1)
    assert await store.blob(named) == body
    assert await store.scrub()


def attaching(record, blob):
    """The same record, which names an attachment too."""
    facts = msgspec.structs.replace(record.facts, blobs=[*record.facts.blobs, blob])
    return record._replace(facts=facts)


# Whoever has the bytes of a body can attach them to something of his own that ends tomorrow.
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("order", ["body first", "attachment first"])
async def test_body_that_another_entry_attaches_goes_with_the_last_that_names_it(
    store, order, times, together
):
    scribe, body = Scribe(), b"exercise body of one, attached by another"
    blob = Blob(digest(body), len(body))
    names = [f"attaching {n}" for n in range(times)]
    names.insert(0 if order == "body first" else times, "body")
    records = [
        scribe.accepted(name, DESK, blob=body)
        if name == "body"
        else attaching(scribe.accepted(name, DESK), blob)
        for name in names
    ]
    if together:
        await store.append(scribe.batch(*records), 0)
    else:
        for size, record in enumerate(records):
            await store.append(scribe.batch(record), size)
    for left in range(times, -1, -1):
        over = scribe.accepted(f"order {left}", DESK)._replace(
            gone=(blob.digest,), undue=((5, PURGE),)
        )
        await store.append(scribe.batch(over), scribe.size - 1)
        assert await store.still_named([blob.digest]) == ({blob.digest} if left else set())
        assert await store.blob(blob.digest) == (body if left else None)


async def test_attachment_is_named_until_the_last_entry_that_names_it_goes(store):
    scribe, blob = Scribe(), Blob("A" * 43, 9)

    def naming(name):
        return attaching(scribe.accepted(name, DESK), blob)

    await store.append(scribe.batch(naming("one"), naming("two")), 0)
    for left in ({blob.digest}, set()):
        assert await store.still_named([blob.digest]) == {blob.digest}
        order = scribe.accepted(f"order {left}", DESK)._replace(
            gone=(blob.digest,), undue=((5, PURGE),)
        )
        await store.append(scribe.batch(order), scribe.size - 1)
        assert await store.still_named([blob.digest]) == left


def shipped(folder, count=6):
    files, scribe = ShippedFiles(folder), Scribe()
    files.claim(1)
    bodies = []
    for number in range(count):
        body = b"exercise body %d " % number * 9
        record = scribe.accepted(f"shipped {number}", DESK, blob=body)
        files.append([Shipped(number, b"exercise", [record.entry], [body])])
        bodies.append(body)
    return files, bodies


def test_second_place_gives_back_all_but_what_was_purged_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("exchange.store.shipped.FILE_BYTES", 900)
    files, bodies = shipped(tmp_path)
    assert len(list(tmp_path.glob("*.groups"))) > 1
    before = list(files.groups())
    files.purge({1: [digest(bodies[1])], 4: [digest(bodies[4]), digest(bodies[2])], 99: []})
    after = list(files.groups())
    assert [each.entries for each in after] == [each.entries for each in before]
    left = [blob for each in after for blob in each.blobs]
    # One came with another entry than that, and stays.
    assert set(bodies) - set(left) == {bodies[1], bodies[4]}
    raw = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert bodies[1] not in raw
    again = ShippedFiles(tmp_path)
    again.claim(2)
    assert again.size() == 6
    again.append([type(before[0])(6, b"exercise", [b"entry\n"], [])])
    assert again.size() == len(list(again.groups())) == 7


def test_second_place_that_is_damaged_loses_nothing_more_by_a_purge(tmp_path):
    files, bodies = shipped(tmp_path)
    (path,) = tmp_path.glob("*.groups")
    raw = bytearray(path.read_bytes())
    raw[raw.index(bodies[2])] ^= 1
    path.write_bytes(raw)
    with pytest.raises(Exception, match="damaged"):
        files.purge({1: [digest(bodies[1])]})
    assert path.read_bytes() == raw
