"""A node of two that lost the end of its journal has it back, and the other one goes on.

Real processes: each attack and each loss is on a copy of one scene, in which the Panama node
has a second place and the US node has seen all that it signed.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from exchange.cli import output
from exchange.journal.checkpoint import parse
from exchange.link import handed
from exchange.link.transport import WAIT_S
from tests.cli.bordering import Border

WATCH = "us.jiatfs-watch"


class Scene(Border):
    """A border with what was handed out at the US node, and what had been in Panama's."""

    @property
    def leaves(self) -> Path:
        return self.folder / "pa.leaves"

    @property
    def node(self) -> Path:
        return self.pa.place.node

    def restore(self, *words: str) -> tuple[int, Any]:
        ran = self.pa.run(
            "journal", "restore-tail", "--state", str(self.node), *words, "--json"
        )
        assert ran.out, ran.err
        return ran.code, ran.json

    def size(self) -> int:
        words = ("journal", "status", "--state", str(self.node), "--json")
        return int(self.pa.run(*words).json["size"])

    def twin(self, folder: Path) -> Scene:
        made = Scene.__new__(Scene)
        made.__dict__ = self.copy(folder).__dict__
        return made


def _second(node):
    settings = json.loads((node / "node.json").read_bytes())
    (node / "second").mkdir()
    (node / "node.json").write_text(json.dumps({**settings, "second": "second"}))


def _seen(scene, index):
    return scene.us.seen(lambda said: said["peers"][0]["size"] > index)


@pytest.fixture(scope="module")
def lost(tmp_path_factory):
    """Both stopped; an older copy of its journal is in the place of Panama's."""
    scene = Scene(tmp_path_factory.mktemp("lost") / "border")
    node = scene.pa.place.node
    _second(node)
    scene.start()
    scene.pa.post("--witnessed")
    assert scene.pa.stop() == 0
    shutil.copytree(node, scene.folder / "older")
    scene.pa.start()
    told = scene.pa.post("--witnessed")
    size = _seen(scene, told["index"])["peers"][0]["size"]
    scene.us.seen(lambda said: said["peers"][0]["leaves"] == {"size": size, "trouble": None})
    _handed_out(scene, size, told["index"])
    assert scene.stop() == [0, 0]
    (node / "journal.db").rename(scene.folder / "newer.db")
    shutil.copy(scene.folder / "older" / "journal.db", node / "journal.db")
    return scene


def _handed_out(scene, size, index):
    """Until what the US node keeps is of so many entries, and a quorum vouches for that one.

    Where the last page came before it was cosigned, the next one tells: that one waits for
    news at the other side as long as it may.
    """
    until = time.monotonic() + 12 * WAIT_S
    while time.monotonic() < until:
        words = ["--state", str(scene.us.place.node), "--of", "pa", "--json"]
        ran = scene.us.run("link", "leaves", str(scene.leaves), *words)
        is_all = ran.code == 0 and ran.json["size"] >= size and ran.json["notes"] == 2
        if is_all and min(map(_size, handed.read(scene.leaves).notes)) > index:
            return
        scene.leaves.unlink(missing_ok=True)
    raise AssertionError(ran.out)


@pytest.fixture
def scene(lost, tmp_path):
    made = lost.twin(tmp_path / "border")
    yield made
    made.stop()


def _up(side):
    return side.run("up", "--state", str(side.place.node), "--listen", "127.0.0.1:0", "--json")


def test_a_lost_tail_comes_back_whole_and_the_other_node_goes_on_from_where_it_was(scene):
    ran = _up(scene.pa)
    assert (ran.code, ran.json["error"]["code"]) == (3, "journal-behind")
    assert "restore-tail" in ran.json["error"]["en"]["next"]
    before = scene.size()
    code, told = scene.restore("--leaves", str(scene.leaves))
    assert (code, told["ok"], told["missing"], told["wrong"]) == (0, True, [], None)
    assert (told["here"], told["held"]) == (before, handed.read(scene.leaves).size)
    assert told["size"] == told["expected"] == scene.size() > before
    assert 0 < told["witnessed"] <= told["proved"] <= told["size"]
    # Byte for byte what it was, and the older one is kept.
    assert _entries(scene.node / "journal.db") == _entries(scene.folder / "newer.db")
    assert (Path(told["aside"]) / "journal.db").exists()
    scene.start()
    posted = scene.pa.post("--witnessed")
    assert posted["witnessed"]["by"] == ["pa-witness", "us-witness"]
    here = _seen(scene, posted["index"])
    assert (here["code"], here["peers"][0]["link"]) == (0, "up")
    assert not scene.us.evidence("links")
    assert not scene.us.evidence("witness/evidence")
    ran = scene.us.at(WATCH, "inbox", "--prove", "--json")
    assert ran.code == 0, ran.out
    assert scene.stop() == [0, 0]
    # Three were posted, and each is in the US journal once.
    homes = [each for each in _entries(scene.us.place.node / "journal.db") if _came(each)]
    assert len(homes) == len(set(homes)) == 3


def _entries(file):
    from exchange.cli.journal_file import opened  # noqa: PLC0415

    with opened(file) as source:
        return [each.entry for each in source.read(0, 10_000)]


def _came(entry):
    facts = json.loads(entry.partition(b"\n")[0])
    return facts["kind"] == "accepted" and "home" in facts


def test_without_a_checkpoint_nothing_is_taken_in(scene):
    code, _ = scene.restore()
    assert (code, scene.size()) == (2, _older(scene))


def _older(scene):
    return len(_entries(scene.folder / "older" / "journal.db"))


def test_the_nodes_own_word_alone_is_not_enough(scene):
    code, told = scene.restore("--checkpoint", str(scene.node / "signed.note"))
    assert code == 2
    assert "quorum" in told["error"]["en"]["what"]
    assert scene.size() == _older(scene)
    assert not list(scene.node.glob("journal.db.rest*"))


def _size(note):
    return parse(note).size


def test_a_checkpoint_of_what_is_here_proves_nothing_of_the_end(scene):
    older = scene.folder / "older" / "cosigned.note"
    code, told = scene.restore("--checkpoint", str(older))
    assert code == 2
    assert "rebuild --second" in told["error"]["en"]["what"]
    assert scene.size() == _older(scene)


def test_a_cosigned_checkpoint_proves_the_whole_tail(scene):
    note = scene.node / "cosigned.note"
    code, told = scene.restore("--checkpoint", str(note))
    size = parse(note.read_bytes()).size
    assert (code, told["proved"], told["witnessed"], told["held"]) == (0, size, size, 0)
    assert scene.size() == told["size"] >= size


def test_a_journal_that_is_gone_comes_back_from_the_second_place_alone(scene):
    (scene.node / "journal.db").unlink()
    code, told = scene.restore("--leaves", str(scene.leaves))
    assert (code, told["here"], told["aside"] != "") == (0, 0, True)
    assert scene.size() == told["expected"]


def test_a_machine_that_stopped_while_it_was_put_in_place_goes_on_from_there(scene):
    assert scene.restore("--leaves", str(scene.leaves))[0] == 0
    whole = _entries(scene.node / "journal.db")
    (scene.node / "journal.db").rename(scene.node / "journal.db.restored")
    (scene.node / "second").rename(scene.folder / "second")
    (scene.node / "second").mkdir()
    code, told = scene.restore("--leaves", str(scene.leaves))
    assert (code, told["here"], told["aside"]) == (0, len(whole), "")
    assert _entries(scene.node / "journal.db") == whole
    assert not list(scene.node.glob("journal.db.rest*"))


def test_hashes_are_handed_out_of_a_node_that_ours_follows_and_over_no_file(scene):
    def leaves(file, of):
        words = ["--state", str(scene.us.place.node), "--of", of, "--json"]
        return scene.us.run("link", "leaves", str(file), *words)

    other = scene.folder / "other.leaves"
    assert leaves(other, "fr").code == 2
    assert leaves(scene.leaves, "pa").code == 2
    assert leaves(other, "pa").json["size"] == handed.read(other).size
    kept = scene.us.place.node / "links" / "pa.leaves"
    raw = bytearray(kept.read_bytes())
    raw[40] ^= 1
    kept.write_bytes(raw)
    again = scene.folder / "again.leaves"
    assert leaves(again, "pa").json["error"]["code"] == "file"
    assert not again.exists()


def _damage(scene):
    """Alter one byte of the last frame but one of the second place."""
    (file,) = (scene.node / "second").glob("*.groups")
    raw, at, starts = bytearray(file.read_bytes()), 0, []
    while at < len(raw):
        starts.append(at)
        at += 36 + int.from_bytes(raw[at : at + 4])
    raw[starts[-2] + 60] ^= 1
    file.write_bytes(raw)


def test_what_is_right_is_taken_in_up_to_what_is_not_and_the_rest_is_listed(scene):
    _damage(scene)
    cosigned = str(scene.node / "cosigned.note")
    if parse((scene.node / "cosigned.note").read_bytes()).size > handed.read(scene.leaves).size:
        pytest.fail("the scene ends with what the other node has not seen")
    code, told = scene.restore("--leaves", str(scene.leaves), "--checkpoint", cosigned)
    assert (code, told["ok"]) == (output.EXIT_TAMPERED, False)
    assert told["here"] < told["size"] == scene.size() < told["expected"]
    assert told["missing"] == [[told["size"], told["expected"] - 1]]
    # It goes on nowhere until the rest is there.
    assert _up(scene.pa).json["error"]["code"] == "journal-behind"
    said = scene.pa.run(
        *("--lang", "es", "journal", "restore-tail", "--state", str(scene.node)),
        *("--leaves", str(scene.leaves)),
    )
    assert "FALTA en todos los lugares" in said.out


def test_without_hashes_what_does_not_reach_the_checkpoint_is_not_taken_in(scene):
    note = scene.folder / "signed.note"
    (scene.node / "signed.note").rename(note)
    _damage(scene)
    words = ["--checkpoint", str(scene.node / "cosigned.note"), "--checkpoint", str(note)]
    code, told = scene.restore(*words)
    assert (code, told["error"]["code"]) == (output.EXIT_FAULT, "tail-unproved")
    assert scene.size() == _older(scene)


def test_hashes_of_another_journal_or_altered_ones_are_refused(scene, tmp_path):
    raw = bytearray(scene.leaves.read_bytes())
    raw[-1] ^= 1
    altered = tmp_path / "altered.leaves"
    altered.write_bytes(raw)
    assert scene.restore("--leaves", str(altered))[1]["error"]["code"] == "bad-export"
    other = tmp_path / "other.leaves"
    other.write_bytes(scene.leaves.read_bytes().replace(b'"node":"pa"', b'"node":"us"', 1))
    assert scene.restore("--leaves", str(other))[1]["error"]["code"] == "export-other"
    assert scene.size() == _older(scene)


def test_a_second_place_of_another_past_is_not_taken_in(scene):
    """An older copy of the whole node ran on: under its own keys, and nobody else saw it."""
    shutil.rmtree(scene.node)
    shutil.copytree(scene.folder / "older", scene.node)
    scene.pa.start()
    for _ in range(4):
        scene.pa.post()
    assert scene.pa.stop() == 0
    signed = scene.folder / "older" / "signed.note"
    shutil.copy(signed, scene.node / "signed.note")
    shutil.copy(scene.folder / "older" / "journal.db", scene.node / "journal.db")
    (vouched,) = [each for each in handed.read(scene.leaves).notes if b"us-witness" in each]
    note = scene.folder / "vouched.note"
    note.write_bytes(vouched)
    code, told = scene.restore("--checkpoint", str(note))
    assert (code, told["error"]["code"]) == (output.EXIT_FAULT, "tail-differs")
    # Held to the hashes of each, it ends where the two pasts part.
    code, told = scene.restore("--leaves", str(scene.leaves))
    assert (code, told["wrong"]) == (output.EXIT_TAMPERED, told["size"])
    assert told["size"] >= _older(scene)


def test_what_survives_nowhere_both_nations_declare_lost_and_the_node_goes_on(scene):
    settings = json.loads((scene.node / "node.json").read_bytes())
    (scene.node / "other").mkdir()
    loss, signed = scene.folder / "loss.json", []
    draft = ["journal", "draft-loss", str(loss), "--leaves", str(scene.leaves)]
    draft += ["--state", str(scene.node), "--why-es", "EJERCICIO", "--why-en", "EXERCISE"]
    # The second place has all of it: nothing is lost.
    assert (scene.pa.run(*draft, "--json").code, loss.exists()) == (2, False)
    (scene.node / "node.json").write_text(json.dumps({**settings, "second": "other"}))
    told = _done(scene, *draft)["loss"]
    assert (told["first"], told["size"]) == (scene.size(), handed.read(scene.leaves).size)
    trust = ["--trust", str(scene.node / "trust"), "--anchor", settings["anchor"]]
    proposal = scene.folder / "proposal"
    _done(scene, "arrangement", "propose", str(proposal), *trust, "--loss", str(loss))
    for keys in sorted((scene.folder / "custodians").glob("*.xk")):
        signed.append(str(keys.with_suffix(".signature")))
        words = ["--keys", str(keys), "--out", signed[-1], "--yes"]
        _done(scene, "arrangement", "sign", str(proposal), *trust, *words)
    made = _done(scene, "arrangement", "approve", str(proposal), *signed, *trust)["files"]
    words = ["--state", str(scene.node), "--leaves", str(scene.leaves), "--document", made[-1]]
    assert _done(scene, "journal", "enter-loss", *words)["size"] == told["end"] + 1
    journal = str(scene.node / "journal.db")
    report = _done(scene, "audit", "verify", journal, "--anchor", settings["anchor"])
    assert report["lost"] == told["end"] - told["first"]
    scene.start()
    posted = scene.pa.post("--witnessed")
    assert posted["index"] > told["end"]
    assert (_seen(scene, posted["index"])["peers"][0]["link"]) == "up"
    assert not scene.us.evidence("links")
    ran = scene.us.at(WATCH, "inbox", "--prove", "--json")
    assert ran.code == 0, ran.out


def _done(scene, *words):
    ran = scene.pa.run(*words, "--json")
    assert ran.code == 0, ran.out
    return ran.json
