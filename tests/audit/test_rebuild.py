"""A journal rebuilt from its entries is what it was, table by table; an altered one is not."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing

import msgspec
import pytest

from exchange.audit.rebuild import Rebuilder, groups_of
from exchange.cli.journal_file import Blocking, opened
from exchange.model.identity import digest
from exchange.store import inserting
from exchange.store.comparing import differences
from exchange.store.shipped import ShippedFiles
from exchange.store.sqlite import SqliteStore
from tests.builders import COAST, MINSA, WATCH, refers, suspended, world
from tests.node.running import post, running, until

TABLES = [
    "entry",
    "hashes",
    "key",
    "inbox",
    "inbox_head",
    "urgent",
    "chased",
    "heads",
    "due",
    "named",
    "newest",
    "grp",
    "blob",
    "blob_key",
    "meta",
]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A node's file with an entry of nearly every kind, two epochs, a full tile; shipped."""
    folder = tmp_path_factory.mktemp("rebuild")
    path, second = folder / "journal.db", folder / "second"
    second.mkdir()

    async def write():
        files = ShippedFiles(second)
        async with running(SqliteStore.open(path), second=files) as node:
            closed = world().closed(to=[WATCH])
            await post(node, closed.envelope)
            await post(node, world().grant(closed))
            await post(node, world().ack(closed.envelope))
            await node.checkpoints.checkpoint()
            cancel = {
                "type": "can",
                "verb": "cancel",
                "refs": refers("cancels", closed.envelope),
            }
            await post(node, world().envelope(to=[WATCH], **cancel))
            strays = [post(node, b"exercise %d" % n, WATCH) for n in range(260)]
            await asyncio.gather(*strays)
            await post(node, world().amended(COAST, suspended), MINSA)
        async with running(SqliteStore.open(path), documents=[], second=files) as node:
            await post(node, world().envelope(to=[WATCH]))
            await node.checkpoints.checkpoint()
            await until(lambda: node.shipped == node.size)

    asyncio.run(write())
    return path, second


@pytest.fixture
def made(tmp_path):
    return tmp_path / "rebuilt.db"


def rebuild(groups, made, anchor=None):
    with Blocking(SqliteStore.open(made, has_threads=False)) as target:
        return Rebuilder(target, anchor or world().anchor, lambda _: None).run(groups)


def from_file(path, made):
    with opened(path) as source:
        return rebuild(groups_of(source), made)


def alter(path, *statements):
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount != 0, statement
        connection.commit()


def differing(one, other):
    return [table for table, rows in differences(one, other).items() if rows]


def test_every_table_is_rebuilt_as_it_was(written, made):
    path, _ = written
    assert list(differences(path, path)) == TABLES
    rebuilt = from_file(path, made)
    assert (rebuilt.code, rebuilt.missing) == (None, 0)
    assert differing(path, made) == []


def test_a_lost_journal_is_rebuilt_from_the_second_place(written, made):
    path, second = written
    assert rebuild(ShippedFiles(second).groups(), made).code is None
    assert differing(path, made) == []


def test_a_node_goes_on_with_a_rebuilt_journal(written, made):
    from_file(written[0], made)

    async def go_on():
        async with running(SqliteStore.open(made), documents=[]) as node:
            answer = await post(node, world().envelope(to=[WATCH]))
            return answer.receipt.index, node.writer.epoch

    with opened(written[0]) as source:
        assert asyncio.run(go_on()) == (source.size() + 1, 3)


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("hashes", "UPDATE hashes SET run = zeroblob(length(run)) WHERE at = 0"),
        ("hashes", "DELETE FROM hashes WHERE at >= 281474976710656"),
        ("key", "DELETE FROM fresh WHERE idx = (SELECT max(idx) FROM fresh)"),
        ("key", "UPDATE fresh SET idx = 0 WHERE key = (SELECT min(key) FROM fresh)"),
        ("inbox", "DELETE FROM inbox WHERE position = 1"),
        ("inbox_head", "UPDATE inbox_head SET count = count + 1"),
        ("heads", "UPDATE heads SET snapshot = x'7b7d'"),
        ("newest", "UPDATE newest SET idx = 0"),
        ("meta", "UPDATE meta SET frontier = x''"),
        ("meta", "UPDATE meta SET epoch = 1"),
        ("meta", "UPDATE meta SET taken_ms = 0"),
    ],
)
def test_derived_table_that_is_altered_is_found_and_made_right(
    written, made, tmp_path, table, statement
):
    copy = tmp_path / "copy.db"
    shutil.copy(written[0], copy)
    alter(copy, statement)
    # Hashes are asked for by nobody here: the tree is grown from the entries.
    assert rebuild(ShippedFiles(written[1]).groups(), made).code is None
    assert differing(copy, made) == [table]


def test_rows_of_every_table_can_be_made_again_from_a_file_that_lost_them(
    written, made, tmp_path
):
    copy = tmp_path / "copy.db"
    shutil.copy(written[0], copy)
    alter(
        copy,
        "DELETE FROM fresh",
        "DELETE FROM inbox",
        "DELETE FROM inbox_head",
        "DELETE FROM heads",
        "DELETE FROM newest",
        "UPDATE meta SET frontier = x'', epoch = 0, taken_ms = 0",
    )
    assert from_file(copy, made).code is None
    assert differing(written[0], made) == []


def test_keys_that_moved_on_are_the_same_keys(written, made, monkeypatch):
    monkeypatch.setattr(inserting, "FRESH_LEAST", 0)
    monkeypatch.setattr(inserting, "SWEEP_KEYS", 3)
    from_file(written[0], made)
    assert differing(written[0], made) == []


def groups(written):
    return list(ShippedFiles(written[1]).groups())


def changed(written, number, **changes):
    shipped = groups(written)
    shipped[number] = msgspec.structs.replace(shipped[number], **changes)
    return shipped


def test_entry_that_the_rules_do_not_give_ends_it_there(written, made):
    shipped = groups(written)
    last = shipped[-1]
    entries = [last.entries[0].replace(b'"size":', b'"size":1'), *last.entries[1:]]
    rebuilt = rebuild(changed(written, -1, entries=entries), made)
    assert (rebuilt.first, rebuilt.size) == (last.first, last.first)
    assert rebuilt.code is not None


def test_group_that_was_not_signed_so_is_not_written(written, made):
    other = groups(written)[-2].statement
    rebuilt = rebuild(changed(written, -1, statement=other), made)
    assert rebuilt.code == "bad-proof"
    assert rebuilt.size == groups(written)[-1].first


def test_group_without_a_statement_is_not_written(written, made):
    rebuilt = rebuild(changed(written, -1, statement=b""), made)
    assert (rebuilt.code, rebuilt.at) == ("bad-proof", "/group")
    assert rebuilt.first == rebuilt.size == groups(written)[-1].first


def test_first_groups_are_held_to_the_node_they_bring_into_force(written, made):
    shipped = changed(written, 0, statement=groups(written)[-1].statement)
    assert rebuild(shipped, made).code == "bad-proof"


def test_under_another_anchor_nothing_is_written(written, made):
    rebuilt = rebuild(groups(written), made, digest(b"another"))
    assert rebuilt.code is not None
    assert rebuilt.first <= 1


def test_body_that_is_gone_is_counted_and_holds_nothing_up(written, made):
    kinds = [each.entries[0].partition(b",")[0] for each in groups(written)]
    place = kinds.index(b'{"kind":"accepted"')
    rebuilt = rebuild(changed(written, place, blobs=[]), made)
    assert (rebuilt.code, rebuilt.missing) == (None, 1)
    assert differing(written[0], made) == ["blob", "blob_key"]
