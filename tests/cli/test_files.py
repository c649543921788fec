"""Files that a user names: never overwritten, bounded, and a clear fault where they fail."""

from __future__ import annotations

import resource

import pytest

from exchange.client.outbox import Outbox
from tests.cli.exercise import OPS, Exercise

BACKUP = {"EXCHANGE_BACKUP_PASSPHRASE": "backup passphrase"}


@pytest.fixture(scope="module")
def exercise(tmp_path_factory):
    made = Exercise(tmp_path_factory.mktemp("files") / "exercise")
    made.start()
    made.post()
    yield made
    made.stop()


@pytest.mark.parametrize("words", [["audit", "checkpoint"], ["audit", "proof", "0", "--out"]])
def test_file_that_is_there_is_not_written_over(exercise, tmp_path, words):
    kept = tmp_path / "kept"
    kept.write_bytes(b"evidence")
    ran = exercise.at("us.jiatfs-audit", *words, str(kept))
    assert ran.code == 2
    assert "kept" in ran.err
    assert kept.read_bytes() == b"evidence"


@pytest.mark.parametrize(
    "words",
    [
        ["audit", "checkpoint", "{}/none/x"],
        ["audit", "proof", "0", "--out", "{}/none/x"],
        ["keys", "new", "pa.senan/ops", "{}/none/k.xk"],
        ["found", "/proc/none", "--url", "https://127.0.0.1:9"],
    ],
)
def test_folder_that_is_not_there_is_a_fault_with_its_name(exercise, tmp_path, words):
    words = [each.format(tmp_path) for each in words]
    ran = exercise.at("us.jiatfs-audit", *words, "--json")
    assert ran.code == 3, ran
    assert ran.json["error"]["code"] == "file"
    assert ran.json["error"]["facts"]["found"] == "ENOENT"


def test_full_disk_is_told_with_the_file_that_was_named(exercise, tmp_path):
    out = tmp_path / "own.backup"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        ran = exercise.at(OPS, "keys", "backup", str(out), "--json", **BACKUP)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (ran.code, ran.json["error"]["code"]) == (3, "file")
    assert ran.json["error"]["facts"]["name"] == str(out)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("lang", "said"), [("es", "no existe"), ("en", "is no such file")])
@pytest.mark.parametrize("words", ["check none.toml", "export none.toml --to stix"])
def test_file_that_is_not_there_is_called_that(exercise, lang, said, words):
    ran = exercise.at(OPS, "--lang", lang, *words.split())
    assert ran.code == 2
    assert said in ran.err
    assert ("ARCHIVO" in ran.err) == (lang == "es")


def test_draft_without_an_end_is_refused_after_a_bounded_piece(exercise):
    ran = exercise.at(OPS, "check", "/dev/zero", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "oversized")


def test_damaged_receipt_is_named_and_hides_no_other(exercise):
    exercise.post()
    with exercise.mail(OPS) as mail:
        first, *rest = Outbox(mail).sent()
        whole = mail.get("posted.receipt", first)
        mail.put("posted.receipt", first, whole[:20])
    ran = exercise.at(OPS, "outbox", "--json")
    rows = {row["id"]: row for row in ran.json["outbox"]}
    assert rows[first]["fault"]["code"] == "mail-damaged"
    assert all(rows[each]["index"] is not None for each in rest)
    assert "damaged receipt" in exercise.at(OPS, "outbox").out


@pytest.mark.parametrize(
    "words", [["--anchor", "xyz"], ["--anchor", "A" * 42 + "!"], ["--checkpoint", "{}"]]
)
def test_what_is_no_anchor_and_no_checkpoint_accuses_nobody(exercise, tmp_path, words):
    other = tmp_path / "voi.toml"
    other.write_text("not a checkpoint")
    words = [each.format(other) for each in words]
    ran = exercise.run("audit", "verify", str(exercise.place.node / "journal.db"), *words)
    assert ran.code == 2
    assert "TAMPERED" not in ran.out
