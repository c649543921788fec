"""What a restore is held to, and whom it shuts out: never less, and nobody by a slip."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from exchange.cli.backing import restoring
from exchange.cli.backing.gathering import Told
from exchange.cli.state import State
from exchange.cli.usage import Unusable
from exchange.custody.stream import Opener
from exchange.store.shipped import ShippedFiles
from tests.cli.kept import cut, entries_of, kept_size, refused, restored


def backed_up(kept, tmp_path, second):
    """A backup of the node as it ended, whose settings name this second place."""
    node = shutil.copytree(kept.node, tmp_path / "node")
    settings = json.loads((node / "node.json").read_bytes())
    (node / "node.json").write_text(json.dumps({**settings, "second": str(second)}))
    backup = tmp_path / "ended.xbk"
    assert kept.run("backup", backup, "--state", node).code == 0
    return backup


def unusable(kept, backup, into, *words):
    """What is said, in both languages, where the command does not start."""
    told = {}
    for lang in ("es", "en"):
        ran = kept.run("--lang", lang, "restore", backup, "--into", into, *words)
        assert ran.code == 2, ran.out
        told[lang] = ran.err
    return told


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


# -- what tells of what came after the backup -------------------------------------------------


@pytest.mark.parametrize("is_empty", [True, False])
def test_second_place_that_has_less_than_the_backup_tells_nothing(
    kept, second, tmp_path, is_empty
):
    size = kept_size(kept, kept.older)
    cut(second, 0 if is_empty else size - 1)
    assert ShippedFiles(second).size() < size
    told = unusable(kept, kept.older, tmp_path / "new", "--second", second)
    assert ("no dice qué siguió" in told["es"], "does not tell" in told["en"]) == (True, True)
    assert not (tmp_path / "new").exists()
    assert (second / "epoch").read_text() == "1\n"
    restored(kept, kept.older, tmp_path / "new", "--second", second, "--unwitnessed")


def test_checkpoint_stands_in_for_a_second_place_that_tells_nothing(kept, tmp_path):
    (tmp_path / "empty").mkdir()
    backup = backed_up(kept, tmp_path, "")
    note = ("--checkpoint", kept.node / "signed.note")
    restored(kept, backup, tmp_path / "new", "--second", tmp_path / "empty", *note)
    assert entries_of(tmp_path / "new") == entries_of(kept.node)


def test_second_place_of_the_node_is_not_passed_over_for_another(kept, second, tmp_path):
    backup = backed_up(kept, tmp_path, second)
    other = shutil.copytree(second, tmp_path / "other")
    for words in ((), ("--unwitnessed",)):
        told = unusable(kept, backup, tmp_path / "new", "--second", other, *words)
        assert all(str(second) in each for each in told.values())
    assert (other / "epoch").read_text() == "1\n"
    # The same folder by another name is the same.
    (tmp_path / "link").symlink_to(second)
    restored(kept, backup, tmp_path / "new", "--second", tmp_path / "link")


# -- who is shut out --------------------------------------------------------------------------


def test_rehearsal_leaves_the_second_place_to_the_node_that_runs(kept, second, tmp_path):
    backup = backed_up(kept, tmp_path, second)
    before = files(second)
    said = restored(kept, backup, tmp_path / "drill", "--unwitnessed")
    assert files(second) == before
    # Nor when it is started.
    assert (said["second"], State(tmp_path / "drill").settings().second) == ("", "")
    for lang, word in (("es", "segundo lugar"), ("en", "no second place")):
        into = tmp_path / lang
        ran = kept.run("--lang", lang, "restore", backup, "--into", into, "--unwitnessed")
        assert (ran.code, word in ran.out) == (0, True)
    said = restored(kept, backup, tmp_path / "new")
    assert said["second"] == State(tmp_path / "new").settings().second == str(second)
    assert (second / "epoch").read_text() == f"{said['epoch']}\n"


def test_folder_that_could_not_get_its_name_is_refused_before_any_work(kept, second, tmp_path):
    (tmp_path / "disk").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "disk")
    for into in (link, Path("/")):
        told = unusable(kept, kept.newer, into, "--second", second)
        assert ("punto de montaje" in told["es"], "mount point" in told["en"]) == (True, True)
    assert (second / "epoch").read_text() == "1\n"


def test_nobody_is_shut_out_where_the_folder_does_not_get_its_name(kept, second, tmp_path):
    into = tmp_path / "new"

    def planned(*_):
        # Somebody takes the name while it works.
        into.mkdir()
        (into / "file").write_bytes(b"exercise")
        return restoring.Plan(into, second, ())

    told = Told(lambda *_: None, lambda *_: None)
    with kept.newer.open("rb") as sealed, pytest.raises(Unusable, match="exists"):
        restoring.restore(Opener(sealed, lambda _: "backup passphrase"), planned, told)
    assert (second / "epoch").read_text() == "1\n"
    assert {path.name for path in tmp_path.iterdir()} == {"new", "second"}
    assert [path.name for path in into.iterdir()] == ["file"]


def test_nothing_is_restored_where_the_second_place_cannot_be_taken_over(
    kept, second, tmp_path
):
    (second / "epoch.new").mkdir()
    error = refused(kept, kept.newer, tmp_path / "new", "--second", second)
    assert error["code"] == "store-failed"
    assert (second / "epoch").read_text() == "1\n"
