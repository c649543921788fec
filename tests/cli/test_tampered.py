"""A journal's file that somebody altered: each time with 5, and with what is wrong by name."""

from __future__ import annotations

import json
import shutil
import sqlite3
from base64 import b64encode
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from exchange.cli.journal_file import at_one_moment, may_lack_newest, opened
from exchange.cli.main import cli
from exchange.errors import Code, Fault
from exchange.model.codec import unb64
from exchange.store.file import WriterLock
from tests.audit.test_resuming import as_before, robbed
from tests.audit.traded import everything, written
from tests.builders import border

FAR = 2**40
TRIGGER = "CREATE TRIGGER t AFTER INSERT ON grp BEGIN DELETE FROM entry; END"
# A name under which SQLite keeps things of its own.
HIDDEN = """
UPDATE sqlite_schema SET name = 'sqlite_t', sql = replace(sql, ' t ', ' sqlite_t ')
WHERE name = 't'
"""


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    return written(tmp_path_factory.mktemp("traded"), everything)


@pytest.fixture
def files(traded, tmp_path):
    """A mirror of each node's journal."""
    for file in traded.files:
        to = tmp_path / file.name
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(to)) as target:
            source.backup(target)
        robbed(tmp_path / file.name)
    return tmp_path / "pa.db", tmp_path / "us.db"


def verify(*words, mirror=True):
    """How it ends, and what it says as values."""
    told = ["audit", "verify", "--anchor", border().anchor, "--json"]
    more = ["--mirror"] if mirror else []
    ran = CliRunner().invoke(cli, [*told, *more, *map(str, words)])
    assert isinstance(ran.exception, SystemExit | None), ran.exception
    return ran.exit_code, json.loads(ran.stdout)


def failed(report):
    return {each["name"]: each for each in report["checks"] if not each["ok"]}


def altered(file, *statements):
    with closing(sqlite3.connect(file)) as db:
        for each in statements:
            db.execute(*each) if isinstance(each, tuple) else db.execute(each)
        db.commit()
    return file


@pytest.mark.parametrize(
    ("name", "statements"),
    [
        ("view", ("ALTER TABLE entry RENAME TO other",
                  "CREATE VIEW entry AS SELECT idx, kind, bytes FROM other")),
        ("table", ("CREATE TABLE other (a)",)),
        ("trigger", (TRIGGER,)),
        ("named as SQLite's", (TRIGGER, "PRAGMA writable_schema = ON", HIDDEN)),
        ("column", ("ALTER TABLE entry ADD COLUMN more TEXT",)),
        ("index", ("DROP INDEX due_at",)),
        ("place", ("INSERT INTO entry SELECT -5, kind, bytes FROM entry WHERE idx = 13",)),
    ],
)  # fmt: skip
def test_file_has_what_a_journal_has_and_no_more(files, name, statements):
    """A view could say one thing to who verifies, and another to who searches later."""
    code, report = verify(altered(files[0], *statements))
    assert (code, failed(report)["file"]["code"]) == (5, "store-failed"), name


@pytest.mark.parametrize("ways", [(), ("--ways", "1")])
def test_entry_far_away_is_named_by_where_reading_breaks_off(files, ways):
    pa, us = files
    with opened(pa) as source:
        size = source.size()
    far = ("INSERT INTO entry SELECT ?, kind, bytes FROM entry WHERE idx = 13", (FAR,))
    code, report = verify(altered(pa, far), *ways)
    assert (code, failed(report)["readable"]["first"]) == (5, size)
    ran = CliRunner().invoke(cli, ["audit", "anomalies", str(pa), str(us), "--json"])
    assert ran.exit_code == 3
    assert json.loads(ran.stdout)["error"]["code"] == "store-failed"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET bytes = CAST(bytes AS TEXT) WHERE idx = 20",
        "DELETE FROM hashes WHERE at = 20",
    ],
)
def test_entry_that_cannot_be_read_is_named_and_those_before_it_are_judged(files, statement):
    with opened(files[0]) as source:
        assert source.size() > 21
    code, report = verify(altered(files[0], statement))
    check = failed(report)["readable"]
    assert (code, check["first"], check["held"], report["size"]) == (5, 20, 20, 20)
    assert report["replayed"] + report["attested"] == 20


def test_of_two_files_an_entry_that_cannot_be_read_is_named_in_its_own_report(files):
    pa, us = files
    with opened(pa) as source:
        raw = source.read(20, 1)[0].entry
    altered(pa, ("UPDATE entry SET bytes = ? WHERE idx = 20", (raw[:40],)))
    code, told = verify(us, pa)
    assert (code, told["ok"], told["error"]["code"]) == (5, False, "malformed")
    good, bad = told["journals"]
    assert (good["file"], good["verdict"], good["node"]) == (str(us), "intact", "us")
    assert (bad["file"], bad["verdict"], bad["node"]) == (str(pa), "tampered", "pa")
    assert failed(bad)["hashes"]["first"] == 20
    words = ["--lang", "en", "audit", "verify", str(us), str(pa), "--mirror"]
    said = CliRunner().invoke(cli, words).output
    assert "first entry affected: 20" in said
    assert "TAMPERED: what crossed cannot be held" in said


def test_file_that_does_not_open_is_named(files):
    pa, us = files
    raw = bytearray(pa.read_bytes())
    raw[100] ^= 0xFF
    pa.write_bytes(raw)
    code, told = verify(us, pa)
    assert (code, told["file"]) == (5, str(pa))


def test_statement_in_the_place_of_another_is_no_missing_one(traded, files):
    """A node's file without its bodies, and each statement moved by one: nothing is unsaid."""
    with closing(sqlite3.connect(traded.pa)) as db:
        signed = db.execute("SELECT first, statement FROM grp ORDER BY first").fetchall()
    moved = [
        (statement, first)
        for (first, _), (_, statement) in zip(signed, signed[1:] + signed[:1], strict=True)
    ]
    for put in (moved, moved[6:7]):
        robbed(files[0])
        altered(
            files[0], *(("UPDATE grp SET statement = ? WHERE first = ?", one) for one in put)
        )
        for mirror in (False, True):
            code, report = verify(files[0], mirror=mirror)
            assert (code, report["verdict"]) == (5, "tampered")
            assert failed(report)["groups"]["at"] == "/statement"


def test_values_say_all_that_the_words_say(traded, files, tmp_path):
    code, report = verify(files[0])
    assert (code, report["verdict"], report["against_journal"]) == (0, "intact", False)
    assert report["may_lack_newest"] is False
    note, root = tmp_path / "note", b64encode(unb64(report["root"])).decode()
    for more in (0, 1):
        note.write_text(f"exchange/pa\n{report['size'] + more}\n{root}\n")
        code, told = verify(files[0], "--checkpoint", note)
        assert (code, told["verdict"], failed(told).keys()) == (5, "tampered", {"kept"})
        # Whose keys these are: of that it may be either.
        assert told["against_journal"] is (None if more else False)
    copy = tmp_path / "node.db"
    with closing(sqlite3.connect(traded.pa)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(traded.pa, copy)
    _, report = verify(copy, mirror=False)
    assert report["may_lack_newest"] is may_lack_newest(copy) is True


def test_what_sqlite_keeps_for_itself_is_no_table_of_others(files):
    assert verify(altered(files[0], "ANALYZE"))[0] == 0


# -- what was verified before ------------------------------------------------------------------


def test_damage_that_only_the_whole_file_shows_is_not_forgotten_the_next_time(files, tmp_path):
    raw = bytearray(files[0].read_bytes())
    # Pages of the list of free ones, in the file's header (sqlite.org/fileformat.html).
    raw[39] ^= 1
    files[0].write_bytes(raw)
    for _ in range(2):
        code, report = verify(files[0], "--state", tmp_path / "state")
        assert (code, failed(report).keys()) == (5, {"file"})


def test_what_was_verified_is_not_forgotten_for_another_past(files, tmp_path):
    async def other(both, _):
        for _ in range(2):
            assert (await both.pa.post(border().envelope())).refusal is None
            await both.settle()

    (folder := tmp_path / "other").mkdir()
    robbed(file := written(folder, other).pa)
    state = tmp_path / "state"
    assert verify(files[0], "--state", state)[0] == 0
    for _ in range(2):
        code, report = verify(file, "--state", state)
        assert (code, failed(report).keys(), report["since"]) == (5, {"state"}, 0)
        assert failed(report)["state"]["at"] in {"/size", "/root"}
        assert report["against_journal"] is True
    # What is given beside it, and says nothing, does not acquit it.
    note = tmp_path / "note"
    note.write_text("exchange/us\n3\n" + "A" * 43 + "=\n")
    code, report = verify(file, "--state", state, "--checkpoint", note)
    assert (code, failed(report).keys()) == (5, {"state", "kept"})
    assert report["against_journal"] is True
    words = ["audit", "verify", "--mirror", str(file), "--anchor", border().anchor]
    said = CliRunner().invoke(cli, ["--lang", "en", *words, "--state", str(state)]).output
    assert "What was verified before (--state) is of a" in said
    code, report = verify(files[0], "--state", state)
    assert (code, report["since"] > 0) == (0, True)
    # By itself that other one holds; and a state is of one node.
    assert verify(file)[0] == 0
    code, told = verify(files[1], "--state", state)
    assert (code, told["error"]["code"], told["error"]["at"]) == (3, "state-other", "/node")


def test_what_a_file_says_of_itself_is_not_believed_before_it_is_verified(files, tmp_path):
    """Else an altered first entry would make it another node's, of which the state is not."""
    state = tmp_path / "state"
    assert verify(files[0], "--state", state)[0] == 0
    as_before(state)
    with opened(files[0]) as source:
        raw = source.read(0, 1)[0].entry
    other = raw.replace(b'"pa"', b'"pz"')
    altered(files[0], ("UPDATE entry SET bytes = ? WHERE idx = 0", (other,)))
    code, report = verify(files[0], "--state", state)
    assert (code, failed(report)["hashes"]["first"]) == (5, 0)


def test_state_whose_pages_are_damaged_is_named(files, tmp_path):
    state = tmp_path / "state"
    assert verify(files[0], "--state", state)[0] == 0
    raw = bytearray(state.read_bytes())
    raw[4096:] = b"x" * len(raw[4096:])
    state.write_bytes(raw)
    code, told = verify(files[0], "--state", state)
    assert (code, told["error"]["code"]) == (3, "state-other")


# -- by a link ---------------------------------------------------------------------------------


def test_journal_by_a_link_is_read_with_its_log_and_locked_as_one(traded, tmp_path):
    (folder := tmp_path / "node").mkdir()
    with closing(sqlite3.connect(folder / "journal.db")) as live:
        with closing(sqlite3.connect(traded.pa)) as source:
            source.backup(live)
        live.execute("PRAGMA journal_mode = WAL")
        live.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        live.execute("DELETE FROM entry WHERE idx = (SELECT max(idx) FROM entry)")
        live.commit()
        link = tmp_path / "link.db"
        link.symlink_to(folder / "journal.db")
        assert Path(f"{folder / 'journal.db'}-wal").stat().st_size > 0
        with at_one_moment(folder / "journal.db") as source, at_one_moment(link) as other:
            assert other.size() == source.size()
        assert not may_lack_newest(link)
    lock = WriterLock(folder / "journal.db")
    with pytest.raises(Fault) as caught:
        WriterLock(link)
    assert caught.value.code is Code.JOURNAL_IN_USE
    lock.release()


def test_attachments_of_a_journal_by_a_link_are_those_beside_it(traded, tmp_path):
    (folder := tmp_path / "node").mkdir()
    shutil.copy(traded.pa, folder / "journal.db")
    (folder / "blobs").mkdir()
    (link := tmp_path / "link.db").symlink_to(folder / "journal.db")
    for file in (folder / "journal.db", link):
        code, report = verify(file, mirror=False)
        assert (code, report["attachments"]) == (0, 0)
