"""What an audit says of a journal's file: of what is in it, and of what keeps it from us."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from exchange.audit.memory import Memory
from exchange.cli import output
from exchange.cli.journal_file import at_one_moment, may_lack_newest, says_nothing_of_it
from exchange.cli.main import cli
from exchange.errors import Code, Fault
from exchange.journal import checkpoint
from exchange.node import ports
from exchange.store import file
from exchange.store.sqlite import SqliteStore
from tests.store.samples import Scribe


async def test_copy_without_the_log_beside_it_may_lack_the_newest_entries(tmp_path):
    path, copy, plain = (tmp_path / name for name in ("j.db", "copy.db", "plain.db"))
    store = SqliteStore.open(path)
    await store.append(Scribe().bulletins(3), 0)
    shutil.copy(path, copy)
    assert may_lack_newest(copy)
    assert not may_lack_newest(path)
    shutil.copy(f"{path}-wal", f"{copy}-wal")
    assert not may_lack_newest(copy)
    await store.close()
    with sqlite3.connect(plain) as other:
        other.execute("CREATE TABLE t (x)")
    assert not may_lack_newest(plain)


@pytest.fixture
async def written(tmp_path):
    store = SqliteStore.open(tmp_path / "journal.db")
    await store.append(Scribe().bulletins(3), 0)
    await store.close()
    return tmp_path / "journal.db"


def verified(path, *more, lang="en"):
    ran = CliRunner().invoke(cli, ["--lang", lang, "audit", "verify", str(path), *more])
    return ran.exit_code, ran.output


def altered(path, statement):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


@pytest.mark.parametrize("lang", ["en", "es"])
def test_file_of_another_version_is_no_alarm(written, lang):
    altered(written, f"PRAGMA user_version = {file.VERSION + 1}")
    code, said = verified(written, lang=lang)
    assert (code, "journal-version" in said) == (output.EXIT_FAULT, True)
    assert "TAMPERED" not in said
    assert "ALTERADO" not in said
    code, said = verified(written, "--json")
    assert (code, json.loads(said)["error"]["code"]) == (output.EXIT_FAULT, "journal-version")


def test_file_that_somebody_holds_is_no_alarm(written, monkeypatch):
    monkeypatch.setattr(file, "BUSY_S", 0.01)
    with closing(sqlite3.connect(written, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        code, said = verified(written)
    assert (code, "TAMPERED" in said, "ALTERADO" in said) == (output.EXIT_FAULT, False, False)
    assert "store-failed" in said


@pytest.mark.parametrize(("lang", "alarm"), [("en", "TAMPERED"), ("es", "ALTERADO")])
def test_file_that_is_no_journal_any_more_is_an_alarm_that_says_why(written, lang, alarm):
    raw = written.read_bytes()
    for start, why in ((b"x" * 16, "SQLITE_NOTADB"), (raw[:16], "SQLITE_CORRUPT")):
        written.write_bytes(start + raw[16 : len(raw) // 3])
        code, said = verified(written, lang=lang)
        assert (code, alarm in said, why in said) == (output.EXIT_TAMPERED, True, True)
    assert verified(written, "--json")[0] == output.EXIT_TAMPERED


@pytest.mark.parametrize("held", [b"", b"EXERCISE\n" * 99, b"\0" * 4096])
def test_another_file_is_no_tampering_and_never_a_success(tmp_path, held):
    other = tmp_path / "passphrase"
    other.write_bytes(held)
    for lang, said in (("en", "something else"), ("es", "otra cosa")):
        code, told = verified(other, "--anchor", "A" * 43, lang=lang)
        assert (code, said in told, other.name in told) == (output.EXIT_FAULT, True, True)
        assert "TAMPERED" not in told
        assert "ALTERADO" not in told
    for more in ((), ("--mirror",), ("/dev/null",)):
        code, told = verified(other, *more, "--json")
        assert (code, json.loads(told)["error"]["code"]) == (output.EXIT_FAULT, "other-file")
    # What is named as a package is meant as one.
    assert verified(other.rename(tmp_path / "of.zip"))[0] == output.EXIT_TAMPERED


def test_journal_that_was_written_over_is_an_alarm_where_anything_is_known_of_it(
    written, tmp_path
):
    raw, note, state = written.read_bytes(), tmp_path / "note", tmp_path / "state"
    # Its own mark, or its log, is left of it.
    for start in (b"\0" * 68, b"x" * 20):
        written.write_bytes(start + raw[len(start) :])
        assert verified(written)[0] == output.EXIT_TAMPERED
    written.write_bytes(b"\0" * len(raw))
    assert verified(written)[0] == output.EXIT_FAULT
    (log := tmp_path / f"{written.name}-wal").touch()
    assert verified(written)[0] == output.EXIT_TAMPERED
    log.unlink()
    # It was verified before, or something was kept of it.
    with Memory.open(state) as memory:
        ran = verified(written, "--mirror", "--state", str(tmp_path / "new"))
        assert ran[0] == output.EXIT_FAULT
        memory.save(b"{}")
    ran = verified(written, "--mirror", "--state", str(state))
    assert ran[0] == output.EXIT_TAMPERED
    signer = checkpoint.ed25519_signer("exchange/pa", Ed25519PrivateKey.generate())
    told = checkpoint.Checkpoint("exchange/pa", 3, bytes(32))
    note.write_bytes(checkpoint.sign(told, [signer], 1))
    assert verified(written, "--checkpoint", str(note))[0] == output.EXIT_TAMPERED


@pytest.mark.parametrize(
    ("reason", "is_nothing"),
    [
        ("SQLITE_BUSY_SNAPSHOT", True),
        ("SQLITE_CANTOPEN", True),
        ("SQLITE_PERM", True),
        ("SQLITE_READONLY_DIRECTORY", True),
        ("SQLITE_CORRUPT", False),
        ("SQLITE_NOTADB", False),
        ("the file is not a journal", False),
    ],
)
def test_what_keeps_a_file_from_us_is_told_from_what_is_wrong_in_it(reason, is_nothing):
    assert says_nothing_of_it(Fault(Code.STORE_FAILED, reason=reason)) is is_nothing
    assert not says_nothing_of_it(Fault(Code.STORE_FAILED, found=7))


async def test_what_is_written_meanwhile_is_not_seen_by_an_audit(tmp_path):
    path, scribe = tmp_path / "journal.db", Scribe()
    store = SqliteStore.open(path)
    await store.append(scribe.bulletins(3), 0)
    # An audit is no coroutine: it has an event loop of its own.
    loop = asyncio.get_running_loop()

    def audit():
        with at_one_moment(path) as source:
            before = source.counts()
            more = asyncio.run_coroutine_threadsafe(store.append(scribe.bulletins(2), 3), loop)
            assert isinstance(more.result(20), ports.Done)
            assert source.counts() == before
            return source.size(), len(source.read(0, 100))

    assert set(await asyncio.to_thread(audit)) == {3}
    await store.close()
    with_all = await asyncio.to_thread(lambda: SqliteStore.open(path, read_only=True))
    assert (await with_all.head()).size == 5
    await with_all.close()
    assert not list(tmp_path.glob("exchange-*"))
