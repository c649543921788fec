"""Tables and bodies beside the entries are held to them: real files, altered with SQL."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sqlite3
from base64 import b64encode
from contextlib import closing

import msgspec
import pytest
from click.testing import CliRunner

from exchange.audit import tables
from exchange.audit.verify import Verifier
from exchange.cli.journal_file import opened
from exchange.cli.main import cli
from exchange.errors import Code, Fault
from exchange.journal.tiles import MemoryHashes
from exchange.journal.tree import split
from exchange.model import entry as entries
from exchange.model.identity import digest
from exchange.store.sqlite import SqliteStore
from tests.builders import COAST, WATCH, refers, world
from tests.node.running import post, running
from tests.store.samples import Scribe


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """A node's file, and its checkpoints at two sizes."""
    path = tmp_path_factory.mktemp("tables") / "journal.db"
    notes = []

    async def write():
        async with running(SqliteStore.open(path)) as node:
            first = world().envelope(to=[WATCH, COAST])
            await post(node, first)
            await post(node, world().ack(first))
            await node.checkpoints.checkpoint()
            notes.append(node.checkpoints.newest)
            cancel = {"type": "can", "verb": "cancel", "refs": refers("cancels", first)}
            await post(node, world().envelope(to=[WATCH], **cancel))
            await node.checkpoints.checkpoint()
            notes.append(node.checkpoints.newest)

    asyncio.run(write())
    return path, notes


@pytest.fixture
def altered(journal, tmp_path):
    """Run SQL on a copy, and return the report on it."""

    def alter(*statements, kept=None, **said):
        path = tmp_path / "copy.db"
        shutil.copy(journal[0], path)
        with closing(sqlite3.connect(path)) as connection:
            for statement in statements:
                assert connection.execute(statement).rowcount != 0, statement
            connection.commit()
        with opened(path) as source:
            return Verifier(source, world().anchor, lambda _: None, kept, **said).run()

    return alter


def failed(report):
    return {check.name: check.at for check in report.checks if not check.ok}


def held(report):
    return {check.name: check.held for check in report.checks}


@pytest.mark.parametrize("page", [1, 3, tables.PAGE])
def test_honest_file_holds_by_every_check(altered, monkeypatch, page):
    monkeypatch.setattr(tables, "PAGE", page)
    report = altered()
    assert report.ok
    assert [check.number for check in report.checks] == list(range(1, 18))
    documents = len(world().documents)
    found = held(report)
    # Two bulletins; three places in inboxes of readers, one of the author, and every document.
    assert (found["bodies"], report.bodies) == (2, 2)
    assert found["inboxes"] == documents + 5
    assert found["heads"] == 4
    # A timestamp is found by its digest alone; each other document by name and version, too.
    assert found["keys"] == 2 * documents - 1 + 2 + 2 + 3
    assert found["kinds"] == found["readable"]


ONE_LESS = """
UPDATE heads SET snapshot = CAST(replace(snapshot, 'us.uscg/ops",2', 'us.uscg/ops",1') AS BLOB)
"""


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("DELETE FROM fresh WHERE key = (SELECT min(key) FROM fresh)", "keys"),
        ("INSERT INTO key VALUES (zeroblob(32), 1)", "keys"),
        ("INSERT INTO key SELECT key, idx FROM fresh LIMIT 1", "keys"),
        ("UPDATE fresh SET idx = idx + 1 WHERE key = (SELECT max(key) FROM fresh)", "keys"),
        ("DELETE FROM inbox WHERE endpoint = 'us.uscg/ops' AND position = 0", "inboxes"),
        ("DELETE FROM inbox WHERE endpoint = 'us.uscg/ops' AND position = 1", "inboxes"),
        ("UPDATE inbox SET position = 7 WHERE position = 1 AND endpoint > 'us'", "inboxes"),
        ("INSERT INTO inbox VALUES ('us.oig/audit', 3, 0)", "inboxes"),
        ("INSERT INTO inbox VALUES ('us.jiatfs/watch', 0, 9)", "inboxes"),
        ("UPDATE inbox_head SET count = 1 WHERE endpoint = 'us.jiatfs/watch'", "heads"),
        ("DELETE FROM inbox_head WHERE endpoint = 'us.uscg/ops'", "heads"),
        ("INSERT INTO inbox_head VALUES ('us.oig/audit', 1)", "heads"),
        ("UPDATE meta SET epoch = 9", "heads"),
        ("UPDATE meta SET taken_ms = taken_ms + 1", "heads"),
        ("UPDATE meta SET frontier = zeroblob(40)", "heads"),
        ("INSERT INTO grp VALUES (999, 1, x'00')", "heads"),
        ("UPDATE meta SET fresh = fresh + 1", "keys"),
        ("UPDATE entry SET kind = 'refused' WHERE idx = 3", "kinds"),
        ("UPDATE entry SET kind = 'zork' WHERE idx = (SELECT max(idx) FROM entry)", "kinds"),
        ("UPDATE newest SET idx = idx - 1 WHERE kind = 'trust'", "kinds"),
        ("UPDATE newest SET kind = 'zork' WHERE kind = 'trust'", "kinds"),
        ("DELETE FROM newest WHERE kind = 'accepted'", "kinds"),
        ("INSERT INTO newest VALUES ('refused', 3)", "kinds"),
        ("INSERT INTO newest VALUES ('zork', 3)", "kinds"),
        ("INSERT INTO hashes VALUES ((1 << 48), zeroblob(32))", "tiles"),
        ("DELETE FROM heads", "heads"),
        ("DELETE FROM chased", "chased"),
        (ONE_LESS, "heads"),
    ],
)  # fmt: skip
def test_row_that_is_gone_too_many_or_another_is_found(altered, statement, check):
    assert failed(altered(statement)).keys() == {check}


# What leads to blobs that are gone goes with them: else the file contradicts itself.
WITHOUT_KEYS = (
    "DELETE FROM blob_fresh WHERE idx NOT IN (SELECT id FROM blob)",
    "UPDATE meta SET blob_fresh = (SELECT count(*) FROM blob_fresh)",
)
WITHOUT_LAST = "DELETE FROM blob WHERE id = (SELECT max(id) FROM blob)"
SHORTER = "UPDATE blob SET bytes = zeroblob(9) WHERE id = (SELECT max(id) FROM blob)"
ZEROED = "UPDATE blob SET bytes = zeroblob(length(bytes)) WHERE id = (SELECT max(id) FROM blob)"


@pytest.mark.parametrize(
    ("statements", "code"),
    [
        ((WITHOUT_LAST, *WITHOUT_KEYS), Code.MISSING_BLOB),
        ((SHORTER,), Code.SIZE_MISMATCH),
        ((ZEROED,), Code.DIGEST_MISMATCH),
    ],
)  # fmt: skip
def test_body_that_is_gone_or_another_is_found(altered, statements, code):
    (check,) = (check for check in altered(*statements).checks if not check.ok)
    assert (check.name, check.code) == ("bodies", code.value)
    assert check.first > len(world().documents)


@pytest.mark.parametrize(
    "statement",
    [
        WITHOUT_LAST,
        "DELETE FROM blob_fresh WHERE idx = (SELECT max(id) FROM blob)",
        "UPDATE blob_fresh SET idx = idx - 1 WHERE idx = (SELECT max(id) FROM blob)",
        "INSERT INTO blob_fresh VALUES ('A', 1)",
        "INSERT INTO blob_key SELECT key, idx FROM blob_fresh LIMIT 1",
        "INSERT INTO blob (digest, bytes) SELECT digest, bytes FROM blob LIMIT 1",
        "UPDATE blob SET digest = 'A' WHERE id = (SELECT max(id) FROM blob)",
        "UPDATE meta SET blob_fresh = blob_fresh + 1",
    ],
)
def test_keys_of_blobs_that_do_not_lead_to_them_are_found(altered, statement):
    assert "file" in failed(altered(statement))


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("UPDATE blob SET bytes = CAST(bytes AS TEXT)", "replay"),
        ("UPDATE entry SET bytes = CAST(bytes AS TEXT) WHERE idx = 3", "readable"),
    ],
)
def test_text_in_the_place_of_bytes_is_found_and_breaks_nothing(altered, statement, check):
    assert check in failed(altered(statement))


AS_TEXT = "CAST(bytes AS TEXT)"
# By check: values of other types than the store writes, and numbers that lead nowhere.
BROKEN = [
    ("UPDATE fresh SET idx = 10000 WHERE key = (SELECT min(key) FROM fresh)", {"keys"}),
    ("UPDATE fresh SET idx = 'abc' WHERE key = (SELECT min(key) FROM fresh)", {"keys"}),
    ("UPDATE inbox_head SET endpoint = x'00' WHERE endpoint = 'us.uscg/ops'", {"heads"}),
    ("UPDATE grp SET count = 'x' WHERE first = 0", {"groups"}),
    ("UPDATE grp SET statement = CAST(statement AS TEXT) WHERE first = 0", {"groups"}),
    ("UPDATE hashes SET run = CAST(run AS TEXT) WHERE at = 0", {"readable", "covered"}),
    ("DELETE FROM meta", {"heads"}),
    ("UPDATE heads SET snapshot = CAST(snapshot AS TEXT)", {"heads"}),
    (f"UPDATE blob SET bytes = {AS_TEXT} WHERE id = (SELECT max(id) FROM blob)", {"bodies"}),  # noqa: S608
    (f"UPDATE blob SET bytes = {AS_TEXT} WHERE id = 1", {"replay"}),  # noqa: S608
]  # fmt: skip


@pytest.mark.parametrize(("statement", "checks"), BROKEN)
def test_value_of_another_type_or_leading_nowhere_fails_its_check(altered, statement, checks):
    report = altered(statement)
    assert failed(report).keys() >= checks
    assert {each.code for each in report.checks if each.name in checks - {"covered"}} == {
        Code.STORE_FAILED
    }


VALUES = ["'x'", "x'ff'", "CAST(x'ff' AS TEXT)", "0.5", str(2**63 - 1), str(-(2**63))]
COLUMNS = {
    "entry": ["idx", "kind", "bytes"],
    "hashes": ["at", "run"],
    "fresh": ["key", "idx"],
    "inbox": ["endpoint", "idx", "position"],
    "inbox_head": ["endpoint", "count"],
    "heads": ["snapshot"],
    "newest": ["kind", "idx"],
    "chased": ["endpoint", "idx", "target", "rank", "taken_ms", "until"],
    "blob": ["id", "digest", "bytes"],
    "blob_fresh": ["key", "idx"],
    "grp": ["first", "count", "statement"],
    "meta": ["epoch", "taken_ms", "frontier", "fresh", "swept", "blob_fresh", "blob_swept"],
}
# What no reader of a journal looks at.
UNREAD = {"meta.swept", "meta.blob_swept"}


@pytest.mark.parametrize(
    ("table", "column"), [(table, each) for table in COLUMNS for each in COLUMNS[table]]
)
def test_no_value_of_any_column_breaks_the_auditor(altered, table, column):
    for value in VALUES:
        last = f"(SELECT max({column}) FROM {table})"  # noqa: S608
        try:
            report = altered(
                f"UPDATE OR REPLACE {table} SET {column} = {value} WHERE {column} = {last}"  # noqa: S608
            )
        except sqlite3.IntegrityError:
            # Not even SQLite takes it there.
            continue
        assert report.ok == (f"{table}.{column}" in UNREAD), value


def test_root_of_a_tile_is_held_to_its_leaves(tmp_path):
    path, scribe = tmp_path / "journal.db", Scribe()

    async def write():
        store = SqliteStore.open(path)
        await store.append(scribe.bulletins(300), 0)
        await store.close()

    asyncio.run(write())
    leaves = split(scribe.hashes.read(0, 0, 256))
    (tile,) = MemoryHashes().extend(leaves)
    for statement, places in ((None, {}), ("UPDATE hashes SET run = zeroblob(32)", {"tiles"})):
        if statement:
            with closing(sqlite3.connect(path)) as connection:
                connection.execute(f"{statement} WHERE at >= {1 << 48}")
                connection.commit()
        with opened(path) as source:
            held_to = tables.Tables(source)
            held_to.completed(tile, 255)
        assert held_to.failed.keys() == set(places)
        assert held_to.held["tiles"] == (not places)


def test_wraps_are_held_to_the_body(journal):
    """Facts are signed for, so this is of a node that wrote other wraps than it saw."""
    with opened(journal[0]) as source:
        rows = source.read(0, 100)
        facts = [entries.decode(row.entry).facts for row in rows]
        (index, accepted), *_ = (
            (n, each) for n, each in enumerate(facts) if isinstance(each, entries.Accepted)
        )
        lying = msgspec.structs.replace(accepted, wraps=accepted.wraps[:1])
        held_to = tables.Tables(source)
        with held_to._noting("bodies", index):
            held_to._body(index, lying, rows[index].entry)
    assert held_to.failed["bodies"][1].code is Code.WRAPS_MISMATCH


WITHOUT_BODIES = "DELETE FROM blob WHERE id > (SELECT max(id) FROM blob) - 2"
ROBBED = [
    ("DELETE FROM grp", WITHOUT_BODIES, *WITHOUT_KEYS),
    ("UPDATE grp SET count = 0", WITHOUT_BODIES, *WITHOUT_KEYS),
    ("UPDATE grp SET statement = x''", WITHOUT_BODIES, *WITHOUT_KEYS),
]


def test_mirror_is_not_said_to_lack_what_it_never_has(altered):
    report = altered(*ROBBED[2], "UPDATE meta SET epoch = 9", is_mirror=True)
    assert (report.ok, report.mirror) == (True, True)
    assert (report.bodies, report.grouped) == (0, 0)


@pytest.mark.parametrize("statements", ROBBED)
def test_node_s_file_robbed_of_statements_and_bodies_is_no_mirror(altered, statements):
    report = altered(*statements)
    assert failed(report).keys() == {"groups", "bodies"}
    assert next(check.first for check in report.checks if check.name == "groups") == 0


@pytest.mark.parametrize(
    ("statements", "check"),
    [(("DELETE FROM grp",), "groups"), ((WITHOUT_BODIES, *WITHOUT_KEYS), "bodies")],
)
def test_node_s_file_may_lack_neither(altered, statements, check):
    assert failed(altered(*statements)).keys() == {check}


EMPTIED = ["entry", "hashes", "fresh", "inbox", "inbox_head", "heads", "grp", "blob", "newest"]
EMPTIED += ["chased", "due", "blob_fresh"]
NO_TREE = MemoryHashes().frontier.encode().hex()


@pytest.mark.parametrize("said", [{}, {"is_mirror": True}])
def test_emptied_file_is_not_called_intact(altered, said):
    nothing = "epoch = 0, taken_ms = 0, fresh = 0, blob_fresh = 0"
    emptied = [f"DELETE FROM {table}" for table in EMPTIED]  # noqa: S608
    report = altered(*emptied, f"UPDATE meta SET {nothing}, frontier = x'{NO_TREE}'", **said)  # noqa: S608
    assert failed(report) == {"covered": ""}


def test_verb_is_told_that_it_is_a_mirror_and_never_guesses(altered, tmp_path):
    altered(*ROBBED[0])
    words = ["audit", "verify", str(tmp_path / "copy.db"), "--anchor", world().anchor]
    for lang in ("en", "es"):
        ran = CliRunner().invoke(cli, ["--lang", lang, *words])
        assert (ran.exit_code, "--mirror" in ran.output) == (3, True)
    ran = CliRunner().invoke(cli, ["--lang", "en", *words, "--mirror"])
    assert (
        ran.exit_code,
        "Not looked at here: commit groups, sealed bodies" in ran.stdout,
    ) == (
        0,
        True,
    )


# -- a checkpoint kept elsewhere -------------------------------------------------------------


CUT = "DELETE FROM entry WHERE idx > (SELECT min(idx) FROM entry WHERE kind = 'checkpoint')"


def test_checkpoints_of_any_age_are_a_beginning_of_the_journal(altered, journal):
    for note in journal[1]:
        report = altered(kept=note)
        assert report.ok
        assert (report.checks[-1].number, report.checks[-1].name) == (18, "kept")
    sizes = [altered(kept=note).checks[-1].held for note in journal[1]]
    assert sizes == sorted(set(sizes))


def test_journal_cut_off_behind_the_checkpoint_is_found(altered, journal):
    assert failed(altered(CUT, kept=journal[1][1]))["kept"] == "/size"
    # Against the older one it is still a beginning: only the newer one tells.
    assert "kept" not in failed(altered(CUT, kept=journal[1][0]))


def test_fork_is_found(altered, tmp_path_factory):
    """The same keys signed another journal of this node."""
    path = tmp_path_factory.mktemp("fork") / "journal.db"
    notes = []

    async def write():
        async with running(SqliteStore.open(path)) as node:
            await post(node, world().envelope(to=[WATCH]))
            await node.checkpoints.checkpoint()
            notes.append(node.checkpoints.newest)

    asyncio.run(write())
    assert failed(altered(kept=notes[0])) == {"kept": "/root"}


@pytest.mark.parametrize(
    "change",
    [
        lambda _: b"",
        lambda _: b"\x00nonsense",
        lambda note: note.replace(b"exchange/pa", b"exchange/us"),
        lambda note: note[: note.rindex(b"\n", 0, -1) + 1],
    ],
    ids=["empty", "nonsense", "another node", "a signature less"],
)
def test_checkpoint_that_this_node_did_not_sign_proves_nothing(altered, journal, change):
    assert failed(altered(kept=change(journal[1][1]))).keys() == {"kept"}


def test_verb_takes_the_checkpoint_and_ends_with_five(journal, tmp_path):
    kept = tmp_path / "kept"
    words = ["audit", "verify", str(journal[0]), "--anchor", world().anchor, "--json"]
    before = journal[0].read_bytes()
    origin, size, _, *rest = journal[1][1].split(b"\n")
    forked = b"\n".join([origin, size, b64encode(bytes(32)), *rest])
    for note, code in ((journal[1][1], 0), (forked, 5)):
        kept.write_bytes(note)
        ran = CliRunner().invoke(cli, [*words, "--checkpoint", str(kept)])
        assert ran.exit_code == code
        assert json.loads(ran.stdout)["checks"][-1]["name"] == "kept"
    assert journal[0].read_bytes() == before
    for lang, told in (("en", "kept elsewhere"), ("es", "guardó aparte")):
        ran = CliRunner().invoke(cli, ["--lang", lang, *words[:-1], "--checkpoint", str(kept)])
        assert told in ran.stdout


@pytest.fixture(scope="module")
def granting(tmp_path_factory):
    """A node's file with a bulletin and a grant of it, and the wrapped key's digest."""
    path = tmp_path_factory.mktemp("granting") / "journal.db"
    closed = world().closed(to=[WATCH])
    grant = world().grant(closed)

    async def write():
        async with running(SqliteStore.open(path)) as node:
            await post(node, closed.envelope)
            await post(node, grant)
            await node.checkpoints.checkpoint()

    asyncio.run(write())
    return path, digest(grant.body)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (None, {}),
        ("DELETE FROM blob WHERE digest = '{}'", {"bodies": "/blobs/0", "file": ""}),
        (
            "UPDATE blob SET bytes = zeroblob(length(bytes)) WHERE digest = '{}'",
            {"bodies": "/wrap"},
        ),
        ("UPDATE blob SET bytes = x'00' WHERE digest = '{}'", {"bodies": "/wrap"}),
    ],
)
def test_wrapped_key_of_a_grant_is_held_to_its_entry(granting, tmp_path, statement, expected):
    path = tmp_path / "copy.db"
    shutil.copy(granting[0], path)
    with sqlite3.connect(path) as connection:
        if statement:
            assert connection.execute(statement.format(granting[1])).rowcount == 1
    connection.close()
    with opened(path) as source:
        report = Verifier(source, world().anchor, lambda _: None).run()
    assert failed(report) == expected
    assert held(report)["bodies"] == (1 if statement else 2)


def test_row_that_says_other_than_its_index_is_found(granting, tmp_path):
    # The digest of a blob stands in its row and in the table by which it is looked up.
    raw, name = granting[0].read_bytes(), granting[1].encode()
    path, places = tmp_path / "copy.db", [m.start() for m in re.finditer(name, raw)]
    told = []
    for place in places:
        bit = bytearray(raw)
        bit[place + 5] ^= 1
        path.write_bytes(bit)
        with opened(path) as source:
            told.append(failed(Verifier(source, world().anchor, lambda _: None).run()))
    assert all(told)
    # Two of them: the body is not found any more, and the file disagrees with itself.
    assert told.count({"bodies": "/blobs/0", "file": ""}) == 2


def test_text_that_is_none_in_the_tables_own_description_is_told(granting, tmp_path):
    raw, path = bytearray(granting[0].read_bytes()), tmp_path / "copy.db"
    raw[raw.index(b"CREATE TABLE") + 3] ^= 0x80
    path.write_bytes(raw)
    with pytest.raises(Fault) as raised, opened(path) as source:
        Verifier(source, world().anchor, lambda _: None).run()
    assert raised.value.code is Code.STORE_FAILED
