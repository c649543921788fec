"""What only a file can suffer: foreign files, second writers, full disks, kills, copies."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from functools import partial
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from exchange.errors import Code, Fault
from exchange.model.identity import digest
from exchange.node import ports
from exchange.store import file, inserting, selecting
from exchange.store.sqlite import SqliteStore
from tests.store.samples import Scribe, key

DESK = "pa.senan/desk"
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def store(path):
    opened = SqliteStore.open(path)
    yield opened
    await opened.close()


@pytest.fixture
async def written(path, scribe):
    """The file of a journal of ten entries, closed."""
    store = SqliteStore.open(path)
    assert await store.append(scribe.bulletins(10, DESK), 0) == ports.Done(10)
    await store.close()
    return path


def pragma(connection, name):
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def alter(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


# -- opening ----------------------------------------------------------------------------------


async def test_the_file_is_written_durably_and_is_its_owner_s_alone(store, path, scribe):
    await store.append(scribe.bulletins(1), 0)
    writer = store._writer
    assert pragma(writer, "journal_mode") == "wal"
    assert pragma(writer, "synchronous") == 2
    assert pragma(writer, "page_size") == file.PAGE_BYTES
    assert pragma(writer, "application_id") == file.APPLICATION_ID
    for name in ("", "-wal", "-shm", ".lock"):
        beside = path.with_name(path.name + name)
        assert stat.S_IMODE(beside.stat().st_mode) & 0o077 == 0, name


async def test_a_setting_that_does_not_hold_is_a_fault(path):
    with (
        closing(sqlite3.connect(path)) as connection,
        pytest.raises(Fault, match="journal_mode is not NOSUCH here"),
    ):
        file._set(connection, "journal_mode", "NOSUCH", "nosuch")


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("PRAGMA application_id = 7", "not a journal"),
        ("PRAGMA application_id = 0", "not a journal"),
        (f"PRAGMA user_version = {file.VERSION + 1}", "another version"),
        ("PRAGMA user_version = 0", "another version"),
        # Version 1 found early cancellations by names that are no longer looked for.
        ("PRAGMA user_version = 1", "another version"),
    ],
)
async def test_a_file_of_another_program_or_version_is_refused_as_it_is(
    written, statement, reason, read_only
):
    alter(written, statement)
    before = written.read_bytes()
    with pytest.raises(Fault, match=reason):
        SqliteStore.open(written, read_only=read_only)
    assert written.read_bytes() == before


# Before version 8 blobs had an index of their own.
AS_IT_WAS = (
    "DROP TABLE blob_fresh",
    "DROP TABLE blob_key",
    "CREATE UNIQUE INDEX blob_digest ON blob (digest)",
)
BODY = b"exercise body bulletin 3"


@pytest.mark.parametrize("version", file.OLDER)
async def test_a_file_of_an_older_version_is_read_to_rebuild_from_and_never_served(
    written, version
):
    alter(written, f"PRAGMA user_version = {version}")
    for statement in AS_IT_WAS:
        alter(written, statement)
    before = written.read_bytes()
    for open_it in (
        SqliteStore.open,
        SqliteStore.follow,
        partial(SqliteStore.open, read_only=True),
    ):
        with pytest.raises(Fault, match="another version"):
            open_it(written)
    older = SqliteStore.to_rebuild_from(written)
    try:
        assert [row.index for row in await older.read(0, 100)] == list(range(10))
        assert (await older.group(3)).statement
        assert await older.blob(digest(BODY)) == BODY
        assert await older.blob(digest(b"another")) is None
    finally:
        await older.close()
    assert written.read_bytes() == before


async def test_a_file_older_than_what_is_understood_is_not_rebuilt_from(written):
    alter(written, "PRAGMA user_version = 2")
    with pytest.raises(Fault, match="another version"):
        SqliteStore.to_rebuild_from(written)


@pytest.mark.parametrize("statement", ["PRAGMA application_id = 7", "PRAGMA user_version = 7"])
async def test_a_file_that_somebody_else_has_begun_is_refused(path, statement):
    alter(path, statement)
    with pytest.raises(Fault, match="not a journal"):
        SqliteStore.open(path)


async def test_an_empty_file_is_no_journal_to_a_reader(path):
    path.touch()
    with pytest.raises(Fault, match="not a journal"):
        SqliteStore.open(path, read_only=True)
    assert path.read_bytes() == b""


async def test_bytes_that_are_no_database_are_refused_as_they_are(path):
    path.write_bytes(b"exercise " * 1000)
    with pytest.raises(Fault, match="SQLITE_NOTADB"):
        SqliteStore.open(path)
    assert path.read_bytes() == b"exercise " * 1000


async def test_a_file_where_creation_was_cut_short_is_begun_again(path, scribe):
    alter(path, "PRAGMA journal_mode = WAL")
    assert path.stat().st_size > 0
    store = SqliteStore.open(path)
    assert await store.append(scribe.bulletins(1), 0) == ports.Done(1)
    await store.close()


async def test_a_folder_that_is_not_there_is_a_fault(tmp_path):
    with pytest.raises(Fault, match="folder"):
        SqliteStore.open(tmp_path / "absent" / "journal.db")
    with pytest.raises(Fault, match="SQLITE_CANTOPEN"):
        SqliteStore.open(tmp_path / "absent.db", read_only=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("statement", "ask"),
    [
        ("UPDATE fresh SET idx = 10000", lambda store: store.find([bytes(32)])),
        ("UPDATE fresh SET idx = 'abc'", lambda store: store.find([bytes(32)])),
        ("UPDATE newest SET idx = 10000", lambda store: store.newest("accepted")),
        ("UPDATE newest SET idx = 'abc'", lambda store: store.newest("accepted")),
        ("UPDATE entry SET bytes = CAST(bytes AS TEXT)", lambda store: store.read(0, 1)),
        ("UPDATE hashes SET run = CAST(run AS TEXT)", lambda store: store.hashes(0, 0, 1)),
        ("UPDATE grp SET count = 'x'", lambda store: store.group(0)),
        ("UPDATE inbox_head SET count = 'x'", lambda store: store.positions()),
        ("DELETE FROM meta", lambda store: store.head()),
        ("UPDATE entry SET idx = 9223372036854775807 WHERE idx = 9", lambda s: s.read(9, 1)),
    ],
)
async def test_a_row_of_other_types_or_leading_nowhere_is_a_fault(written, statement, ask):
    alter(written, "INSERT INTO fresh VALUES (zeroblob(32), 0)", statement)
    store = SqliteStore.open(written, read_only=True)
    with pytest.raises(Fault) as fault:
        await ask(store)
    assert fault.value.code is Code.STORE_FAILED
    await store.close()


@pytest.mark.usefixtures("store")
async def test_a_second_writer_is_told_so_in_this_process_and_in_another(path):
    with pytest.raises(Fault, match="journal-in-use"):
        SqliteStore.open(path)
    other = await run("tests.store.appending", path)
    assert other.returncode
    assert "journal-in-use" in other.stderr


async def test_a_failed_opening_gives_the_lock_back(written):
    alter(written, "PRAGMA application_id = 7")
    for _ in range(2):
        with pytest.raises(Fault, match="not a journal"):
            SqliteStore.open(written)


async def test_opening_and_asking_do_not_walk_the_journal(store, path, scribe):
    await store.append(scribe.bulletins(600, DESK), 0)
    plans = []
    with closing(sqlite3.connect(path)) as connection:
        seen = []
        connection.set_trace_callback(seen.append)
        for ask in (
            lambda: selecting.head(connection),
            lambda: selecting.positions(connection),
            lambda: selecting.heads(connection),
            lambda: selecting.newest(connection, "accepted"),
            lambda: selecting.newest(connection, "absent"),
            lambda: selecting.group(connection, 300),
            lambda: selecting.hashes(connection, 0, 300, 100),
            lambda: selecting.inbox(connection, DESK, 300, 10),
            lambda: selecting.find(connection, [key("id bulletin 3"), key("x")]),
            lambda: selecting.blobs(connection, ["absent"]),
        ):
            ask()
        connection.set_trace_callback(None)
        for statement in seen:
            if statement.startswith("SELECT"):
                plans += connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
    steps = [plan[3] for plan in plans]
    scans = {step for step in steps if step.startswith("SCAN") and "CONSTANT" not in step}
    # One row each, and one row per inbox: none grows with the journal.
    assert scans == {"SCAN meta", "SCAN inbox_head", "SCAN heads"}
    assert any(step.startswith("SEARCH inbox") for step in steps)


async def test_keys_move_on_to_the_large_table_round_and_round(store, scribe, monkeypatch):
    monkeypatch.setattr(inserting, "FRESH_KEYS", 40)
    monkeypatch.setattr(inserting, "SWEEP_KEYS", 8)
    for expect in range(0, 200, 4):
        assert await store.append(scribe.bulletins(4), expect) == ports.Done(expect + 4)
        ask = store._writer.execute
        fresh = ask("SELECT count(*) FROM fresh").fetchone()[0]
        aged = ask("SELECT count(*) FROM key").fetchone()[0]
        assert fresh == ask("SELECT fresh FROM meta").fetchone()[0]
        assert fresh + aged == 2 * (expect + 4)
        assert fresh < 40 + 3 * 8
    keys = [key(f"{kind} bulletin {n}") for n in range(200) for kind in ("id", "digest")]
    assert len(await store.find(keys)) == 400


# -- reading copies ---------------------------------------------------------------------------


async def test_a_copy_is_read_and_nothing_of_it_or_beside_it_changes(written, tmp_path):
    folder = tmp_path / "copies" / "with # and ?"
    folder.mkdir(parents=True)
    copy = folder / "copy.db"
    shutil.copy(written, copy)
    copy.chmod(0o400)
    folder.chmod(0o500)
    before = sha256(copy.read_bytes()).digest()
    store = SqliteStore.open(copy, read_only=True)
    assert (await store.head()).size == 10
    assert len(await store.inbox(DESK, -1, 100)) == 10
    assert isinstance(await store.append(Scribe().bulletins(1), 0), ports.Refused)
    assert [each.name for each in folder.iterdir()] == ["copy.db"]
    await store.close()
    folder.chmod(0o700)
    assert [each.name for each in folder.iterdir()] == ["copy.db"]
    assert sha256(copy.read_bytes()).digest() == before


async def test_a_live_journal_can_be_read_beside_its_writer(store, path, scribe):
    # The log is empty now, but more will be in it than in the file.
    reader = SqliteStore.open(path, read_only=True)
    assert (await reader.head()).size == 0
    assert await store.append(scribe.bulletins(3, DESK), 0) == ports.Done(3)
    assert (await reader.head()).size == 3
    assert await store.append(scribe.bulletins(3, DESK), 3) == ports.Done(6)
    assert len(await reader.read(0, 100)) == 6
    await reader.close()


async def test_closing_leaves_one_whole_file(written):
    assert not written.with_name("journal.db-wal").exists()
    assert not written.with_name("journal.db-shm").exists()


async def test_a_run_of_hashes_that_is_gone_is_a_fault_not_another_hash(path, scribe):
    store = SqliteStore.open(path)
    for expect, count in ((0, 10), (10, 10), (20, 100)):
        await store.append(scribe.bulletins(count), expect)
    store._writer.execute("DELETE FROM hashes WHERE at = 10")
    with pytest.raises(Fault, match="missing"):
        await store.hashes(0, 5, 20)
    with pytest.raises(Fault, match="missing"):
        await store.hashes(0, 15, 2)
    assert len(await store.hashes(0, 25, 10)) == 320
    await store.close()


async def test_a_damaged_file_is_a_fault_that_names_no_content(written):
    data = bytearray(written.read_bytes())
    for page in range(1, len(data) // file.PAGE_BYTES):
        data[page * file.PAGE_BYTES : page * file.PAGE_BYTES + 100] = b"\xff" * 100
    written.write_bytes(data)
    store = SqliteStore.open(written, read_only=True)
    with pytest.raises(Fault) as caught:
        await store.read(0, 100)
    assert caught.value.code is Code.STORE_FAILED
    assert str(caught.value).startswith("store-failed reason=SQLITE_CORRUPT")
    await store.close()


# -- disks that fill up or fail ----------------------------------------------------------------


async def test_a_full_disk_refuses_the_batch_and_the_store_goes_on(store, scribe):
    await store.append(scribe.bulletins(2, DESK), 0)
    pages = pragma(store._writer, "page_count")
    pragma(store._writer, f"max_page_count = {pages + 2}")
    batch = scribe.batch(*(scribe.accepted(f"large {n}", DESK, size=8000) for n in range(40)))
    assert await store.append(batch, 2) == ports.Refused("SQLITE_FULL")
    assert (await store.head()).size == 2
    assert await store.find([key("id large 0")]) == {}
    pragma(store._writer, "max_page_count = 1000000")
    assert await store.append(batch, 2) == ports.Done(42)


async def test_a_value_that_sqlite_cannot_take_is_refused_not_raised(store, scribe):
    batch = msgspec.structs.replace(scribe.bulletins(1), taken_ms=2**70)
    assert await store.append(batch, 0) == ports.Refused("OverflowError")
    assert (await store.head()).size == 0


async def test_a_database_that_somebody_locks_is_refused_not_raised(path, scribe, monkeypatch):
    monkeypatch.setattr(file, "BUSY_S", 0.01)
    store = SqliteStore.open(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        batch = scribe.bulletins(1)
        assert await store.append(batch, 0) == ports.Refused("SQLITE_BUSY")
        shell.execute("ROLLBACK")
        assert await store.append(batch, 0) == ports.Done(1)
    await store.close()


class LosesCommit(sqlite3.Connection):
    """Fails in COMMIT: before it was done, or after."""

    is_done_first = False

    def execute(self, sql, *args):
        if sql == "COMMIT":
            if self.is_done_first:
                super().execute(sql)
            message = "exercise"
            raise sqlite3.OperationalError(message)
        return super().execute(sql, *args)


@pytest.mark.parametrize("is_done_first", [False, True])
async def test_what_became_of_a_failed_commit_is_told_from_the_file_alone(
    store, path, scribe, monkeypatch, is_done_first
):
    await store.append(scribe.bulletins(2, DESK), 0)
    monkeypatch.setattr(file, "BUSY_S", 0.01)
    batch = scribe.bulletins(3, DESK)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entry").fetchone()
        store._writer.close()
        store._writer = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, factory=LosesCommit
        )
        store._writer.is_done_first = is_done_first
        assert await store.append(batch, 2) == ports.Unknown("OperationalError")
        # It stays unknown while the log cannot be moved into the file, and so be synced anew.
        assert isinstance(await store.append(batch, 2), ports.Unknown)
    outcome = await store.append(batch, 2)
    assert outcome == (ports.Duplicate(5) if is_done_first else ports.Done(5))
    assert (await store.head()).size == 5


async def test_an_error_in_the_commit_is_unknown_until_the_disk_works_again(path):
    said = await run("tests.store.starving", path)
    lines = said.stdout.splitlines()
    assert said.returncode == 0, said.stderr
    assert lines[0] == "Done(size=2)"
    assert all(line.startswith("Unknown(") for line in lines[1:3])
    assert lines[3:] == ["Done(size=22)", "Duplicate(size=22)", "size meanwhile 2"]


# -- threads, kills ---------------------------------------------------------------------------


async def test_closing_waits_for_what_is_being_written(path, scribe):
    store = SqliteStore.open(path)
    writing = asyncio.create_task(store.append(scribe.bulletins(200, DESK), 0))
    await asyncio.sleep(0)
    await store.close()
    assert await writing == ports.Done(200)
    again = SqliteStore.open(path)
    assert (await again.head()).size == 200
    await again.close()


async def test_no_append_waits_long_for_a_thread_that_never_rests(store, scribe):
    """Each statement gives up the interpreter lock; a row at a time would take seconds."""
    is_over = threading.Event()

    def spin():
        while not is_over.is_set():
            sum(range(1000))

    spinner = threading.Thread(target=spin)
    batch = scribe.bulletins(512, DESK)
    spinner.start()
    try:
        async with asyncio.timeout(4):
            assert await store.append(batch, 0) == ports.Done(512)
    finally:
        is_over.set()
        spinner.join()


async def test_killed_while_appending_it_keeps_all_that_it_reported(path):
    reported = 0
    for _ in range(5):
        reported = await killed_after(path, reported, groups=4)
        store = SqliteStore.open(path)
        head, rows = await store.head(), await store.read(0, 100_000)
        counts = await store.positions()
        inbox = await store.inbox(DESK, -1, 100_000)
        await store.close()
        assert reported <= head.size == len(rows) == len(inbox)
        assert counts == dict.fromkeys((DESK, "us.uscg/miami"), head.size)
        assert [row.position for row in inbox] == [row.index for row in rows]
        scribe = Scribe()
        while scribe.size < head.size:
            scribe.bulletins(5, DESK, "us.uscg/miami")
        assert scribe.size == head.size
        assert head.frontier == scribe.frontier.encode()
        reported = head.size


def command(module, path):
    return [sys.executable, "-m", module, os.fspath(path)]


async def run(module, path):
    return await asyncio.to_thread(
        subprocess.run,
        command(module, path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )


async def killed_after(path, size, *, groups):
    """Start a writer, kill it in the middle of its work, return the last size it reported."""
    child = await asyncio.create_subprocess_exec(
        *command("tests.store.appending", path), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert child.stdout is not None
    for _ in range(groups):
        size = int(await child.stdout.readline())
    child.kill()
    rest = await child.stdout.read()
    await child.wait()
    whole = [line for line in rest.split(b"\n")[:-1] if line]
    return int(whole[-1]) if whole else size


async def test_a_key_that_leads_to_the_row_of_another_leads_to_no_blob(store, scribe, path):
    made = [scribe.accepted(each, blob=each.encode()) for each in ("one", "two")]
    await store.append(scribe.batch(*made), 0)
    alter(path, "UPDATE blob_fresh SET idx = 2")
    assert await store.blobs([made[0].blob[0].digest]) == {}
    assert await store.blob(made[1].blob[0].digest) == b"two"
