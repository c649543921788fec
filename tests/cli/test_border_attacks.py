"""A node of two is set back or forked while the other is away: both end up with evidence.

Each attack is by whoever has the node's folder and keys: its own witness is set back with it,
and vouches for whatever it is shown.
"""

from __future__ import annotations

import json
import shutil

import pytest

from exchange.cli import output, state
from tests.cli.exercise import OPS


@pytest.fixture
def scene(founded_border, tmp_path):
    made = founded_border.copy(tmp_path / "border")
    yield made
    made.stop()


@pytest.fixture
def newcomer(scene):
    """A context that has seen nothing yet: others tell at once that their node was set back."""
    return scene.pa.copy_context(OPS)


def _post(scene, context):
    return scene.pa.at(context, "post", scene.pa.draft(), "--yes", "--json").json


def _away(scene):
    """The Panama node alone: goes on, is vouched for by nobody, and says what to do."""
    scene.pa.start()
    told = scene.pa.seen(lambda said: said["peers"][0]["trouble"])
    (peer,) = told["peers"]
    assert (told["code"], peer["link"]) == (output.EXIT_FAULT, "down")
    assert peer["trouble"]["code"] == "node-unreachable"
    assert peer["trouble"]["en"]["next"]
    assert peer["trouble"]["es"]["next"]
    said = scene.pa.post()
    assert (said["sent"], said["quorum"], said["witnessed"]) == (True, "witnesses", None)


def _seen_by_both(scene):
    """Both run; the US node knows the Panama journal up to a size that tells of its past.

    From a power of two on, a proof does not tell of the past that it leads on from.
    """
    scene.us.start()
    # What it took in of the other's is part of how long its journal is known to be.
    scene.pa.seen(lambda said: _peer(said)["pulled"])
    while True:
        told = scene.pa.post("--witnessed")
        assert told["witnessed"]["by"] == ["pa-witness", "us-witness"]
        here = scene.us.seen(lambda said, index=told["index"]: _peer(said)["pulled"] > index)
        sizes = _peer(here)["size"], _peer(here)["vouched"]
        if all(size & (size - 1) for size in sizes):
            return max(sizes)


def _peer(said):
    return said["peers"][0]


def _set_back_unseen(scene, founded, **settings):
    """Put the oldest copy there is in its place, while the US node is away."""
    scene.us.stop()
    scene.pa.stop()
    shutil.rmtree(scene.pa.place.node)
    shutil.copytree(founded.folder / "node", scene.pa.place.node)
    path = scene.pa.place.node / state.SETTINGS
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    scene.pa.start()


def _proved(side, path):
    ran = side.run("witness", "check", str(path), "--state", str(side.place.node), "--json")
    assert ran.code == output.EXIT_TAMPERED, ran.out
    return ran.json["log"], ran.json["proves"]


def _convicted(scene, kind):
    """Both nodes raise the alarm, and each has evidence that anybody can check."""
    told = scene.us.seen(lambda said: _peer(said)["link"] == "stopped")
    assert told["code"] == output.EXIT_TAMPERED
    assert _peer(told)["trouble"]["code"] == "head-went-back"
    assert scene.us.diary("peer-untrue")["level"] == "critical"
    (pulled,) = scene.us.evidence("links")
    witnessed, *_ = scene.us.evidence("witness/evidence")
    (own,) = scene.pa.evidence("links")
    assert _proved(scene.us, pulled) == ("exchange/pa", kind)
    assert _proved(scene.us, witnessed) == ("exchange/pa", kind)
    assert _proved(scene.pa, own) == ("exchange/pa", kind)


def test_an_old_copy_put_back_unseen_convicts_its_node_at_both(founded_border, scene, newcomer):
    scene.pa.start()
    _seen_by_both(scene)
    # It takes nothing in: on a slow machine it would outgrow what is known before it is found
    # out, and then be another past instead of an older one.
    _set_back_unseen(scene, founded_border, peers={})
    scene.us.start()
    assert scene.pa.diary("journal-behind")["level"] == "critical"
    _convicted(scene, "rolled-back")
    assert _post(scene, newcomer)["error"]["code"] == "journal-behind"


def test_a_forked_journal_convicts_its_node_at_both(founded_border, scene, newcomer):
    _away(scene)
    size = _seen_by_both(scene)
    _set_back_unseen(scene, founded_border)
    while _post(scene, newcomer)["index"] <= size:
        pass
    scene.us.start()
    assert scene.pa.diary("journal-forked")["level"] == "critical"
    _convicted(scene, "rewritten")
    assert _post(scene, newcomer)["error"]["code"] == "journal-forked"
