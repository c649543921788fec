"""A mirror that was verified is gone on with by what is new; where anything differs, anew."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from types import SimpleNamespace

import msgspec
import pytest

from exchange.audit import resuming
from exchange.audit.memory import Memory
from exchange.audit.signed import Signed
from exchange.audit.verify import Verifier
from exchange.cli import verdict
from exchange.cli.journal_file import opened
from exchange.cli.serve import log_signers
from exchange.errors import Fault, Refusal
from exchange.journal import bundle
from exchange.journal import checkpoint as cp
from exchange.journal.proofs import inclusion_proof, root_at
from exchange.journal.tiles import MemoryHashes
from exchange.journal.tree import Frontier, leaf_hash
from exchange.model import entry as entries
from exchange.model.codec import b64
from exchange.store.sqlite import SqliteStore
from tests.builders import COAST, DESK, NOW, WATCH, refers, world
from tests.node.running import Clock, post, running


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """A journal of enough entries for whole tiles, and a copy of it as it was before."""
    folder = tmp_path_factory.mktemp("grown")

    async def write():
        clock, land = Clock(), world()
        async with running(SqliteStore.open(folder / "now.db"), clock) as node:
            first = land.envelope(to=[WATCH], expires=NOW + 9, retain_until=NOW + 9)
            kept = [land.envelope(to=[WATCH]) for _ in range(280)]
            await asyncio.gather(*(post(node, each) for each in (first, *kept)))
            await node.checkpoints.checkpoint()
            size = node.size
            shutil.copy(folder / "now.db", folder / "before.db")
            shutil.copy(folder / "now.db-wal", folder / "before.db-wal")
            # What comes next leans on what was there: acknowledged, corrected, purged.
            await node.submit(WATCH, land.ack(kept[3]), b"")
            corrects = {"type": "cor", "verb": "correct", "refs": refers("corrects", kept[5])}
            assert (await post(node, land.envelope(to=[WATCH], **corrects))).refusal is None
            await node.submit(WATCH, land.subscription(), b"")
            await asyncio.gather(*(post(node, land.envelope(to=[COAST])) for _ in range(300)))
            clock.ms += 20_000
            await post(node, land.envelope(to=[DESK]))
            await node.retainer.step()
            await node.checkpoints.checkpoint()
            return size

    size = asyncio.run(write())
    for name in ("before.db", "now.db"):
        robbed(folder / name)
    return folder, size


def robbed(file):
    """Take out what a mirror never has: statements, and bodies."""
    with opened(file) as source:
        facts = [entries.decode(each.entry).facts for each in source.read(0, 2000)]
    trust = [each.document.digest for each in facts if isinstance(each, entries.Trust)]
    with closing(sqlite3.connect(file)) as db:
        db.execute("UPDATE grp SET statement = x''")
        marks = ",".join("?" * len(trust))
        db.execute(f"DELETE FROM blob WHERE digest NOT IN ({marks})", trust)  # noqa: S608
        for keys in ("blob_fresh", "blob_key"):
            db.execute(f"DELETE FROM {keys} WHERE idx NOT IN (SELECT id FROM blob)")  # noqa: S608
        db.execute("UPDATE meta SET blob_fresh = (SELECT count(*) FROM blob_fresh)")
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def verified(file, at=None, *, anchor="given", told=lambda _: None, kept=None):
    """The report, and what was read of entries by index."""
    anchor = world().anchor if anchor == "given" else anchor
    with opened(file) as source:
        if at is None:
            return Verifier(source, anchor, told, is_mirror=True).run()
        with Memory.open(at) as memory:
            state, past = resuming.load(memory, source, anchor)
            return Verifier(
                source,
                anchor,
                told,
                kept,
                is_mirror=True,
                memory=memory,
                state=state,
                past=past,
            ).run()


@pytest.fixture
def begun(grown, tmp_path):
    """What was remembered of the journal as it was before."""
    folder, size = grown
    report = verified(folder / "before.db", tmp_path / "state")
    assert (report.ok, report.since) == (True, 0)
    return folder / "now.db", tmp_path / "state", size


def test_going_on_says_what_verifying_all_says(begun):
    file, state, size = begun
    seen = []
    report = verified(file, state, told=seen.append)
    assert report.ok, [check for check in report.checks if not check.ok]
    assert size - 5 < report.since <= size
    assert seen[0] == report.since + 1
    whole = verified(file)
    assert msgspec.structs.replace(report, since=0) == whole
    again = verified(file, state)
    assert msgspec.structs.replace(again, since=0) == whole
    assert again.since > report.since


def test_mirror_that_ends_with_a_checkpoint_is_gone_on_with_though_nothing_is_new(begun):
    file, state, size = begun
    before = file.with_name("before.db")
    report = verified(before, state)
    assert (report.ok, report.since) == (True, size), [
        check for check in report.checks if not check.ok
    ]


def damaged(file, holds):
    """Zero the page of a file that holds some bytes."""
    raw, size = bytearray(file.read_bytes()), 4096
    at = raw.index(holds) // size * size
    raw[at : at + size] = bytes(size)
    file.write_bytes(raw)


def parted(file):
    """Have the rows of what comes due say one thing, and their index another."""

    def changed(statement, *values):
        with closing(sqlite3.connect(file)) as db:
            db.execute("PRAGMA writable_schema = on")
            found = db.execute(statement, *values).fetchall()
            db.commit()
            return found

    (row,) = changed("SELECT * FROM sqlite_schema WHERE name = 'due_at'")
    changed("DELETE FROM sqlite_schema WHERE name = 'due_at'")
    changed("UPDATE due SET at = at + 1 WHERE idx = (SELECT max(idx) FROM due)")
    changed("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", row)


def test_older_entries_are_not_read_again_and_all_that_is_looked_up_is(begun, tmp_path):
    file, state, _ = begun
    with opened(file) as source:
        (old,) = source.read(150, 1)
    for name, is_found in (("entry", False), ("due", True)):
        bad = shutil.copy(file, tmp_path / f"{name}.db")
        if name == "entry":
            damaged(bad, old.entry[:100])
        else:
            parted(bad)
        report = verified(bad, shutil.copy(state, tmp_path / f"{name}.state"))
        assert (report.since > 0, report.ok) == (True, not is_found), name
        assert not verified(bad).ok, name


def alter(file, index, old, new):
    with closing(sqlite3.connect(file)) as db:
        (raw,) = db.execute("SELECT bytes FROM entry WHERE idx = ?", (index,)).fetchone()
        changed = raw.replace(old, new, 1)
        assert changed != raw
        db.execute("UPDATE entry SET bytes = ? WHERE idx = ?", (changed, index))
        db.commit()


def first_of(file, kind, after=0):
    with opened(file) as source:
        for stored in source.read(0, 2000):
            facts = entries.decode(stored.entry).facts
            if stored.index >= after and isinstance(facts, kind):
                return stored.index, facts
    raise AssertionError(kind)


@pytest.mark.parametrize("kind", [entries.Acknowledged, entries.PurgeOrdered])
def test_older_entry_that_a_newer_one_leans_on_is_held_to_the_root(begun, tmp_path, kind):
    file, state, size = begun
    bad = shutil.copy(file, tmp_path / "bad.db")
    index, facts = first_of(file, kind, after=size)
    alter(bad, facts.of, b'"taken_ms":1', b'"taken_ms":2')
    report = verified(bad, state)
    named = {check.name: check for check in report.checks if not check.ok}
    assert report.since
    assert (named["replay"].first, named["replay"].code) == (index, "bad-proof")


def test_good_proof_of_an_older_entry_that_was_altered_is_not_blamed_for_it(begun, tmp_path):
    file, state, _ = begun
    index, facts = first_of(file, entries.Checkpointed)
    with opened(file) as source:
        path = inclusion_proof(100, facts.size, resuming.Older(source))
    proof = bundle.TlogProof(100, tuple(path), facts.note.encode()).encode()
    report = verified(file, shutil.copy(state, tmp_path / "good"), kept=proof)
    assert report.ok, [check for check in report.checks if not check.ok]
    assert index > 100
    bad = shutil.copy(file, tmp_path / "bad.db")
    alter(bad, 100, b'"taken_ms":1', b'"taken_ms":2')
    report = verified(bad, state, kept=proof)
    (check,) = [check for check in report.checks if not check.ok]
    assert (report.since > 100, check.name, check.first, check.at) == (
        *(True, "kept", 100),
        "/entry",
    )
    for lang, said in ((False, "what leads to it here was altered"), (True, "aquí se alteró")):
        told = "\n".join(verdict.lines(report, spanish=lang))
        assert said in told
        assert "against this journal" not in told
        assert "contra este diario" not in told


def test_older_trust_document_that_is_another_is_named(begun, tmp_path):
    file, state, _ = begun
    bad = shutil.copy(file, tmp_path / "bad.db")
    alter(bad, 2, b'"taken_ms":1', b'"taken_ms":2')
    report = verified(bad, state)
    named = {check.name: check for check in report.checks if not check.ok}
    assert named["replay"].first == 2


def test_stub_in_the_place_of_an_older_trust_document_is_named(begun, tmp_path):
    """It carries that one's hash, and without that one another view would be in force."""
    file, state, size = begun
    bad = shutil.copy(file, tmp_path / "bad.db")
    with opened(bad) as source:
        raw = source.read(2, 1)[0].entry
    was = entries.decode(raw).facts
    assert isinstance(was, entries.Trust)
    said = {"taken_ms": was.taken_ms, "view": was.view, "salt": was.salt}
    stub = entries.encode(entries.Lost(leaf=b64(leaf_hash(raw)), **said), b"")
    alter(bad, 2, raw, stub)
    report = verified(bad, state)
    assert report.since >= size - 5
    named = {check.name: check for check in report.checks if not check.ok}
    assert (named["replay"].first, named["replay"].code) == (2, "bad-proof")


def test_newer_entry_that_was_altered_is_named_and_nothing_is_remembered_of_it(begun, tmp_path):
    file, state, size = begun
    bad = shutil.copy(file, tmp_path / "bad.db")
    alter(bad, size + 40, b'"taken_ms":1', b'"taken_ms":2')
    report = verified(bad, state)
    assert not report.ok
    assert min(check.first for check in report.checks if check.first is not None) == size + 40
    # Once more, and of the good one: what was remembered is as it was.
    assert verified(bad, state) == report
    good = verified(file, state)
    assert (good.ok, good.since) == (True, report.since)


class Rows:
    """A tree as a mirror stores it: what is below the roots of its tiles is another past's."""

    def __init__(self, leaves, below):
        self._own, self._below = MemoryHashes(leaves), MemoryHashes(below)

    def hashes(self, level, first, count):
        return (self._own if level else self._below).read(level, first, count)


@pytest.mark.parametrize("size", [100, 128, 300])
def test_checkpoint_of_another_past_is_not_held_by_older_rows_that_nobody_hashed(size):
    own, other = (
        [leaf_hash(b"EXERCISE %d %d" % (past, place)) for place in range(600)]
        for past in (1, 2)
    )
    frontier = Frontier().extend(own)

    def held(note, below):
        tree = resuming.Grown(Rows(own, below), frontier)
        return Signed(tree, lambda *_: None).check_kept(note, world().view, None)

    def note(leaves):
        root = root_at(size, SimpleNamespace(read=Rows(own, leaves).hashes))
        return cp.sign(
            cp.Checkpoint("exchange/pa", size, root), log_signers("pa", world().node), NOW
        )

    assert held(note(own), own) == size
    for below, code in ((own, "bad-checkpoint"), (other, "bad-proof")):
        with pytest.raises(Refusal, match=code):
            held(note(other), below)


@pytest.mark.parametrize("what", ["root", "program", "form", "form 3"])
def test_where_anything_differs_all_is_verified_anew(begun, tmp_path, monkeypatch, what):
    file, state, _ = begun
    bad = shutil.copy(file, tmp_path / "other.db")
    if what == "root":
        with closing(sqlite3.connect(bad)) as db:
            db.execute("UPDATE hashes SET run = zeroblob(length(run))")
            db.commit()
    elif what == "program":
        monkeypatch.setattr(resuming, "__version__", "another")
    elif what == "form":
        monkeypatch.setattr(resuming, "FORM", 99)
    else:
        as_before(state)
    report = verified(bad, state)
    assert report.since == 0
    # And held to what was verified before.
    *checks, held = report.checks
    assert (held.name, held.ok, held.held > 100) == ("state", True, True)
    assert msgspec.structs.replace(report, checks=checks) == verified(bad)


def as_before(state):
    """As the release before this one kept it: without the journal's first root."""
    with closing(sqlite3.connect(state)) as db:
        ((raw,),) = db.execute("SELECT state FROM state")
        kept = {**json.loads(raw), "form": 3}
        del kept["own"]
        db.execute("UPDATE state SET state = ?", (json.dumps(kept).encode(),))
        db.commit()


@pytest.mark.parametrize("anchor", [None, "A" * 43])
def test_state_of_another_anchor_is_named_and_left_as_it_is(begun, anchor):
    """An anchor that was left out once must not cost what was verified with it."""
    file, state, _ = begun
    before = remembered(state)
    with pytest.raises(Fault) as caught:
        verified(file, state, anchor=anchor)
    assert (caught.value.code, caught.value.at) == ("state-other", "/anchor")
    assert remembered(state) == before
    assert verified(file, state).since > 0


@pytest.mark.parametrize("kept", [b"x", b"{}", b'{"anchor":"","node":"pa","frontier":"AAAA"}'])
def test_damaged_state_is_named_and_left_as_it_is(begun, kept):
    file, state, _ = begun
    with closing(sqlite3.connect(state)) as db:
        db.execute("UPDATE state SET state = ?", (kept,))
        db.commit()
    with pytest.raises(Fault, match="state-other"):
        verified(file, state)
    assert remembered(state) == kept


def remembered(state):
    with closing(sqlite3.connect(state)) as db:
        return db.execute("SELECT state FROM state").fetchone()[0]


@pytest.mark.parametrize("program", ["the same", "another", "before"])
def test_shorter_one_is_held_to_what_was_verified_and_that_is_kept(
    begun, grown, monkeypatch, program
):
    file, state, _ = begun
    monkeypatch.setattr(resuming, "_OFTEN", 0)
    until = verified(file, state)
    assert until.ok
    if program == "another":
        monkeypatch.setattr(resuming, "__version__", "another")
    elif program == "before":
        as_before(state)
    for _ in range(2):
        report = verified(grown[0] / "before.db", state)
        (check,) = [check for check in report.checks if not check.ok]
        assert (check.name, check.at, report.since) == ("state", "/size", 0)
    monkeypatch.undo()
    assert program == "before" or verified(file, state).since > until.since


def test_broken_off_it_goes_on_from_what_was_saved(grown, tmp_path, monkeypatch):
    file, state = grown[0] / "now.db", tmp_path / "state"
    monkeypatch.setattr(resuming, "_OFTEN", 10)

    def stop(done):
        if done == 500:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verified(file, state, told=stop)
    report = verified(file, state)
    assert 200 < report.since < 500
    assert msgspec.structs.replace(report, since=0) == verified(file)


def test_saving_takes_no_longer_share_the_more_there_is():
    """What each save writes grows with the entries: so all of them together stay linear."""
    saved, written = 0, 0
    for size in range(0, 1_000_000, 50):
        if resuming.is_due(size, saved):
            saved, written = size, written + size
    assert saved > 800_000
    assert written < 10_000_000


def test_what_is_no_state_is_left_alone(grown, tmp_path):
    file = shutil.copy(grown[0] / "before.db", tmp_path / "some.db")
    before = file.read_bytes()
    with pytest.raises(Fault):
        Memory.open(file)
    assert file.read_bytes() == before


def test_keys_are_found_young_and_old(tmp_path):
    with Memory.open(tmp_path / "state") as memory:
        for index in range(10_000):
            memory.keys[index.to_bytes(32)] = index
        for index in (0, 4095, 4096, 9999):
            assert memory.keys.get(index.to_bytes(32)) == index
        assert memory.keys.get(bytes(31) + b"\x00\x01") is None
