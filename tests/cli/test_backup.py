"""``backup`` and ``restore`` on a real node's folder, taken while the node is at work."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import msgspec
import pytest

from exchange.cli import world
from exchange.cli.journal_file import opened
from exchange.cli.serve import log_signers
from exchange.cli.state import State
from exchange.custody import container
from exchange.journal import checkpoint
from exchange.journal.logkeys import origin_of
from exchange.model import entry as entries
from exchange.seal.attachment import CHUNK_BYTES, TAG_BYTES
from exchange.store.blob_copies import marked
from exchange.store.shipped import ShippedFiles
from tests.cli.exercise import PASSPHRASE, ROOT
from tests.cli.kept import (
    SECRET,
    cut,
    entries_of,
    kept_in,
    kept_size,
    refused,
    restored,
    shipped_anew,
    until,
)

CHUNK = CHUNK_BYTES + TAG_BYTES


# -- a backup ---------------------------------------------------------------------------------


def test_backup_made_under_load_holds_every_receipt_given_before_it_began(kept):
    said = kept.run("backup", kept.newer, "--verify", "--json").json["backup"]
    assert said["size"] > max(kept.before)
    assert (said["bodies_missing"], said["attachments_missing"]) == (0, 0)
    assert (said["attachments"], said["purged"], said["has_keys"]) == (2, 1, True)
    # It ends between two groups, and is the beginning of what the node went on with.
    with opened(kept.node / "journal.db") as source:
        assert source.group(said["size"]).first == said["size"]


def test_backup_is_told_in_both_languages(kept):
    for lang, word in (("es", "asientos"), ("en", "entries")):
        ran = kept.run("--lang", lang, "backup", kept.newer, "--verify")
        assert (ran.code, word in ran.out) == (0, True)


def test_backup_is_its_owner_s_alone_and_holds_no_bulletin_or_key_in_the_clear(kept):
    assert kept.newer.stat().st_mode & 0o077 == 0
    raw = kept.newer.read_bytes()
    assert b"pa.senan" not in raw
    assert (kept.node / "node.xk").read_bytes()[:64] not in raw
    assert len(list(kept.newer.parent.glob("*.new"))) == 0


def test_what_a_backup_that_was_ended_left_is_removed_by_the_next(kept):
    assert (kept.cleared, kept.left.exists()) == ([kept.left.name], False)


def test_backup_is_not_written_over_a_file(kept, tmp_path):
    taken = tmp_path / "taken.xbk"
    taken.write_bytes(b"exercise")
    assert kept.run("backup", taken, "--state", kept.node).code == 2
    assert taken.read_bytes() == b"exercise"


def test_backup_asks_for_a_node_or_for_a_file_to_read_and_not_for_both(kept, tmp_path):
    assert kept.run("backup", tmp_path / "b").code == 2
    assert kept.run("backup", kept.newer, "--verify", "--state", kept.node).code == 2


def altered(kept, tmp_path, statement, *values):
    node = shutil.copytree(kept.node, tmp_path / "altered")
    with closing(sqlite3.connect(node / "journal.db")) as connection:
        assert connection.execute(statement, values).rowcount > 0
        connection.commit()
    ran = kept.run("backup", tmp_path / "b.xbk", "--state", node, "--json")
    assert not list(tmp_path.glob("b.xbk*"))
    return ran.code, ran.json["error"]["code"]


def test_journal_that_was_altered_is_found_out_when_it_is_backed_up(kept, tmp_path):
    statement = (
        "UPDATE entry SET bytes = CAST(replace(CAST(bytes AS TEXT), '\"late\":false',"
        " '\"late\":true') AS BLOB) WHERE kind = 'accepted' AND idx < 12"
    )
    assert altered(kept, tmp_path, statement) == (3, "backup-differs")


def test_journal_behind_what_it_signed_is_not_backed_up(kept, tmp_path):
    last = kept.signed() - 4
    found = altered(kept, tmp_path, "DELETE FROM grp WHERE first >= ?", last)
    assert found == (3, "backup-differs")
    shutil.rmtree(tmp_path / "altered")
    found = altered(kept, tmp_path, "DELETE FROM entry WHERE idx >= ?", last)
    assert found == (3, "journal-behind")


def test_attachment_that_went_bad_at_the_node_is_said_to_be_missing(kept, second, tmp_path):
    node = shutil.copytree(kept.node, tmp_path / "bad")
    (node / "blobs" / "kept" / kept.attached[0]).write_bytes(b"exercise bad!")
    backup = tmp_path / "bad.xbk"
    ran = kept.run("backup", backup, "--state", node, "--json")
    assert ran.json["backup"]["attachments_missing"] == 1
    said = restored(kept, backup, tmp_path / "new", "--second", second)["holds"]
    assert (said["attachments"], said["attachments_missing"]) == (1, 1)
    assert kept_in(tmp_path / "new") == {kept.attached[2]}


# -- restored ---------------------------------------------------------------------------------


def test_restored_node_has_all_that_the_node_had_and_goes_on(kept, tmp_path):
    made = kept.made.copy(tmp_path / "copy")
    shutil.rmtree(made.place.node)
    second = shutil.copytree(kept.second, tmp_path / "second")
    said = restored(kept, kept.newer, made.place.node, "--second", second)
    assert said["holds"]["size"] == len(entries_of(kept.node))
    assert entries_of(made.place.node) == entries_of(kept.node)
    assert kept_in(made.place.node) == {kept.attached[0], kept.attached[2]}
    before = len(entries_of(kept.node))
    made.start()
    index = made.post()["index"]
    until(lambda: ShippedFiles(second).size() > index)
    assert made.stop() == 0
    assert index > before
    opening = kept.facts(before, made.place.node / "journal.db")
    assert (opening.epoch, opening.epoch > 1_700_000_000) == (said["epoch"], True)
    anchor = made.place.founded.anchor
    words = ("audit", "verify", str(made.place.node / "journal.db"), "--anchor", anchor)
    failed = [each for each in made.run(*words, "--json").json["checks"] if not each["ok"]]
    # By hand, and by no order: an auditor is told so.
    assert [(each["name"], each["code"]) for each in failed] == [
        ("attachments", "missing-blob")
    ]
    assert made.run("journal", "check", "--state", str(made.place.node)).code == 0


def test_restored_node_knows_the_second_place_that_it_took_over(kept, second, tmp_path):
    new = tmp_path / "new"
    restored(kept, kept.newer, new, "--second", second)
    assert (new / "shipped-to").read_text() == f"{second}\n"
    shutil.rmtree(second)
    second.mkdir()
    ran = kept.run("up", "--state", new, "--listen", "127.0.0.1:0", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "second-place-lost")


def test_node_that_was_replaced_does_not_start_any_more(kept, second, tmp_path):
    old = shutil.copytree(kept.node, tmp_path / "old")
    settings = json.loads((old / "node.json").read_bytes())
    (old / "node.json").write_text(json.dumps({**settings, "second": str(second)}))
    restored(kept, kept.newer, tmp_path / "new", "--second", second)
    ran = kept.run("up", "--state", old, "--listen", "127.0.0.1:0", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "node-replaced")


def test_older_backup_goes_on_from_the_second_place(kept, second, tmp_path):
    said = restored(kept, kept.older, tmp_path / "new", "--second", second)
    assert said["shipped"] == len(entries_of(kept.node)) - kept_size(kept, kept.older)
    assert entries_of(tmp_path / "new") == entries_of(kept.node)
    # Attachments are not shipped: the one that came after the backup is gone, and said to be.
    assert said["holds"]["attachments_missing"] == 1
    assert (tmp_path / "new" / "signed.note").read_bytes() == newest_note(tmp_path / "new")


def newest_note(folder):
    with opened(folder / "journal.db") as source:
        index = source.newest("checkpoint")
        return entries.decode(source.read(index, 1)[0].entry).facts.note.encode()


def test_what_was_purged_after_the_backup_does_not_come_back(kept, second, tmp_path):
    said = restored(kept, kept.older, tmp_path / "new", "--second", second)
    assert (said["purged"], said["holds"]["purged"]) == (1, 1)
    assert kept_in(tmp_path / "new") == {kept.attached[0]}
    # Nor when it is uploaded again.
    assert {path.name for path in (tmp_path / "new" / "blobs" / "purged").iterdir()} == {
        kept.attached[1]
    }


def test_what_was_purged_before_the_backup_needs_no_second_place_to_stay_away(
    kept, second, tmp_path
):
    shutil.rmtree(second / "purged")
    restored(kept, kept.newer, tmp_path / "new", "--second", second)
    assert (tmp_path / "new" / "blobs" / "purged" / kept.attached[1]).exists()
    # And it is known there from now on, for an older backup.
    assert marked(second) == [kept.attached[1]]


def test_keys_may_stay_out_and_are_put_there_by_hand(kept, second, tmp_path):
    backup = tmp_path / "b.xbk"
    words = ("backup", backup, "--state", kept.node, "--without-keys", "--json")
    assert kept.run(*words).json["backup"]["has_keys"] is False
    new = tmp_path / "new"
    restored(kept, backup, new, "--second", second)
    ran = kept.run("up", "--state", new, "--listen", "127.0.0.1:0", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "key-file")
    assert not (new / "node.xk").exists()


def test_keys_come_back_under_their_own_passphrase(kept, second, tmp_path):
    restored(kept, kept.newer, tmp_path / "new", "--second", second)
    sealed = (tmp_path / "new" / "node.xk").read_bytes()
    assert container.unseal(sealed, PASSPHRASE).of("log")


# -- refused ----------------------------------------------------------------------------------


SPOILT = {
    "passphrase": "backup-passphrase",
    "cut": "backup-cut-short",
    "bit": "backup-damaged",
    "swapped": "backup-damaged",
    "none": "backup-damaged",
}


@pytest.mark.parametrize("verb", ["backup", "restore"])
@pytest.mark.parametrize("spoil", SPOILT)
def test_backup_that_does_not_hold_is_refused_as_what_it_is(
    kept, second, tmp_path, verb, spoil
):
    code = SPOILT[spoil]
    raw = bytearray(kept.newer.read_bytes())
    begin = raw.index(b"\n") + 57
    if spoil == "cut":
        del raw[len(raw) // 2 :]
    elif spoil == "bit":
        raw[len(raw) // 2] ^= 4
    elif spoil == "swapped":
        both = raw[begin : begin + 2 * CHUNK]
        raw[begin : begin + 2 * CHUNK] = both[CHUNK:] + both[:CHUNK]
    elif spoil == "none":
        raw = bytearray(b"exercise\n" * 1000)
    file = tmp_path / "spoilt.xbk"
    file.write_bytes(raw)
    env = {"EXCHANGE_BACKUP_PASSPHRASE": "another"} if spoil == "passphrase" else {}
    if verb == "backup":
        ran = kept.run("backup", file, "--verify", "--json", **env)
        assert (ran.code, ran.json["error"]["code"]) == (3, code)
    else:
        words = ("--second", second)
        assert refused(kept, file, tmp_path / "new", *words, **env)["code"] == code
    # Nobody was shut out for what failed.
    assert (second / "epoch").read_text() == "1\n"


def test_backup_older_than_what_was_signed_is_refused_and_says_what_is_missing(kept, tmp_path):
    second_is_lost = ("--unwitnessed", "--second", tmp_path / "empty")
    (tmp_path / "empty").mkdir()
    note = ("--checkpoint", kept.node / "signed.note")
    error = refused(kept, kept.older, tmp_path / "new", *second_is_lost, *note)
    missing = kept.signed() - kept_size(kept, kept.older)
    assert (error["code"], error["facts"]["missing"]) == ("backup-behind", missing)
    for lang in ("en", "es"):
        assert f" {missing} " in error[lang]["what"]
        assert "--second" in error[lang]["next"]


def test_second_place_that_has_less_than_was_signed_is_refused(kept, second, tmp_path):
    cut(second, kept_size(kept, kept.older) + 3)
    words = ("--second", second, "--checkpoint", kept.node / "signed.note")
    assert refused(kept, kept.older, tmp_path / "new", *words)["code"] == "backup-behind"


def test_second_place_with_a_hole_in_it_is_refused(kept, second, tmp_path):
    # The newest file holds, and tells of more than can be read up to it.
    groups = list(ShippedFiles(second).groups())
    late = tmp_path / "late"
    late.mkdir()
    alone = ShippedFiles(late)
    alone.claim(1)
    alone._at = (late / f"{groups[-1].first:015}.groups", 0, bytes(32), groups[-1].first)
    alone.append(groups[-1:])
    shipped_anew(second, groups[:-2])
    for path in late.glob("*.groups"):
        shutil.move(path, second)
    error = refused(kept, kept.older, tmp_path / "new", "--second", second)
    assert error["code"] == "backup-behind"
    # Whoever ships there still may.
    assert (second / "epoch").read_text() == "1\n"


def test_entries_that_nobody_signed_in_the_second_place_are_refused(kept, second, tmp_path):
    size = kept_size(kept, kept.older)
    groups = list(ShippedFiles(second).groups())
    place = next(at for at, each in enumerate(groups) if each.first >= size)
    # Each entry is judged well; the statement is another group's.
    statement = groups[0].statement
    groups[place] = msgspec.structs.replace(groups[place], statement=statement)
    shipped_anew(second, groups)
    error = refused(kept, kept.older, tmp_path / "new", "--second", second)
    assert (error["code"], error["facts"]["found"]) == ("backup-differs", groups[place].first)


def signed_note(kept, tmp_path, size, root):
    secrets = container.unseal((kept.node / "node.xk").read_bytes(), PASSPHRASE)
    statement = checkpoint.Checkpoint(origin_of("pa"), size, root)
    path = tmp_path / "other.note"
    path.write_bytes(checkpoint.sign(statement, log_signers("pa", secrets), world.now()))
    return path


def test_checkpoint_of_another_past_is_refused(kept, second, tmp_path):
    note = signed_note(kept, tmp_path, 9, bytes(32))
    words = ("--second", second, "--checkpoint", note)
    error = refused(kept, kept.newer, tmp_path / "new", *words)
    assert (error["code"], error["facts"]["found"]) == ("backup-differs", 9)


def test_checkpoint_that_the_node_did_not_sign_is_no_checkpoint(kept, second, tmp_path):
    note = tmp_path / "forged.note"
    note.write_bytes((kept.node / "signed.note").read_bytes().replace(b"exchange/pa", b"e/us"))
    words = ("--second", second, "--checkpoint", note)
    assert refused(kept, kept.newer, tmp_path / "new", *words)["code"] == "bad-checkpoint"
    note.write_bytes(b"exercise")
    assert refused(kept, kept.newer, tmp_path / "new", *words)["code"] != ""


def test_folder_that_holds_something_is_left_alone(kept, second, tmp_path):
    new = tmp_path / "new"
    new.mkdir()
    (new / "file").write_bytes(b"exercise")
    ran = kept.run("restore", kept.newer, "--into", new, "--second", second)
    assert ran.code == 2
    assert [path.name for path in new.iterdir()] == ["file"]
    (new / "file").unlink()
    restored(kept, kept.newer, new, "--second", second)


def test_nothing_is_restored_with_nothing_to_compare_it_with(kept, tmp_path):
    node = shutil.copytree(kept.node, tmp_path / "node")
    settings = json.loads((node / "node.json").read_bytes())
    (node / "node.json").write_text(json.dumps({**settings, "second": ""}))
    backup = tmp_path / "alone.xbk"
    assert kept.run("backup", backup, "--state", node).code == 0
    for lang, word in (("es", "hasta dónde"), ("en", "how far")):
        ran = kept.run("--lang", lang, "restore", backup, "--into", tmp_path / "new")
        assert (ran.code, word in ran.err) == (2, True)
    said = restored(kept, backup, tmp_path / "new", "--checkpoint", node / "signed.note")
    assert said["signed"] == kept.signed()
    said = restored(kept, backup, tmp_path / "newer", "--unwitnessed")
    assert State(tmp_path / "newer").settings().restored == said["epoch"]


def alone(kept, tmp_path):
    """A backup of the node as if it never had a second place."""
    node = shutil.copytree(kept.node, tmp_path / "node")
    settings = json.loads((node / "node.json").read_bytes())
    (node / "node.json").write_text(json.dumps({**settings, "second": ""}))
    backup = tmp_path / "alone.xbk"
    assert kept.run("backup", backup, "--state", node).code == 0
    return backup


def test_checkpoint_older_than_the_backup_s_own_tells_nothing(kept, second, tmp_path):
    backup, older = alone(kept, tmp_path), tmp_path / "older.note"
    with opened(kept.node / "journal.db") as source:
        notes = [
            facts.note.encode()
            for each in source.read(0, source.size())
            if isinstance(facts := entries.decode(each.entry).facts, entries.Checkpointed)
        ]
    older.write_bytes(notes[0])
    assert checkpoint.parse(notes[0]).size < kept.signed()
    words = ("restore", backup, "--into", tmp_path / "new", "--checkpoint", older)
    for lang, word in (("es", "es anterior al del respaldo"), ("en", "is older than the one")):
        ran = kept.run("--lang", lang, *words)
        assert (ran.code, word in ran.err) == (2, True)
    assert not (tmp_path / "new").exists()
    # The second place may still tell; one that has less does not, whatever note is given.
    restored(kept, backup, tmp_path / "by-second", "--second", second, "--checkpoint", older)
    (tmp_path / "empty").mkdir()
    ran = kept.run(*words, "--second", tmp_path / "empty")
    assert (ran.code, "--checkpoint" in ran.err) == (2, True)
    restored(kept, backup, tmp_path / "new", "--checkpoint", older, "--unwitnessed")
    newest = ("--checkpoint", older, "--checkpoint", kept.node / "signed.note")
    restored(kept, backup, tmp_path / "newer", *newest)


def test_what_a_restore_that_was_cut_off_left_is_removed_by_the_next(kept, second, tmp_path):
    left, held = tmp_path / ".new.restoring-left", tmp_path / ".new.restoring-held"
    others = tmp_path / ".newer.restoring-left"
    for each in (left, held, others):
        each.mkdir()
        (each / "journal.db").write_bytes(b"exercise")
    (tmp_path / ".new.restoring-link").symlink_to(others)
    handle = os.open(held, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        said = restored(kept, kept.newer, tmp_path / "new", "--second", second)
    finally:
        os.close(handle)
    assert said["cleared"] == [left.name]
    assert [each.exists() for each in (left, held, others)] == [False, True, True]
    shutil.rmtree(tmp_path / "new")
    ran = kept.run("--lang", "en", "restore", kept.newer, "--into", tmp_path / "new",
                   "--second", second)  # fmt: skip
    assert (ran.code, f"Removed {held.name}" in ran.out) == (0, True)


def test_killed_restore_leaves_what_the_next_one_removes(kept, second, tmp_path):
    new = tmp_path / "new"
    words = map(str, ["restore", kept.newer, "--into", new, "--second", second])
    killed = subprocess.Popen(
        [sys.executable, "-P", "-c", DYING, *words],
        env=kept.made.environment(PYTHONPATH=str(ROOT), **SECRET),
    )
    assert killed.wait(60) == -signal.SIGKILL
    (left,) = [each.name for each in tmp_path.iterdir() if "restoring" in each.name]
    assert restored(kept, kept.newer, tmp_path / "new", "--second", second)["cleared"] == [left]
    assert [each.name for each in tmp_path.iterdir() if "restoring" in each.name] == []


# Killed where the journal is about to be read.
DYING = """
import os, signal
from exchange.cli.main import run
from exchange.cli.backing import restoring
restoring._Restoring._compare = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
run()
"""


def test_second_place_that_the_node_had_is_not_left_out_by_a_slip(kept, tmp_path):
    node = shutil.copytree(kept.node, tmp_path / "node")
    settings = json.loads((node / "node.json").read_bytes())
    (node / "node.json").write_text(json.dumps({**settings, "second": "second"}))
    backup = tmp_path / "lost.xbk"
    assert kept.run("backup", backup, "--state", node).code == 0
    note = ("--checkpoint", node / "signed.note")
    ran = kept.run("restore", backup, "--into", tmp_path / "new", *note)
    assert (ran.code, "--second" in ran.err) == (2, True)
    restored(kept, backup, tmp_path / "new", *note, "--unwitnessed")
