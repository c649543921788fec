"""What a text says that it cancels, corrects or answers is what its header says."""

from __future__ import annotations

import json

import msgspec
import pytest

from exchange.client.attesting import attestable
from exchange.errors import Code
from exchange.model import bulletin as bulletins
from exchange.model import header as headers
from exchange.model.identity import digest
from tests.api.serving import serving
from tests.builders import WATCH, decoded, refers, world
from tests.client.dealing import agency
from tests.model.bulletins import example, plain, put
from tests.node.running import post

ANOTHER = "0192f3a0-0000-7000-8000-0000000000bb"
FEEDS = {"can": "maritime", "cor": "maritime", "rpy": "requests"}


def amending(name, target, **changes):
    """A bulletin that bears on a target, or answers it; of what it says of that, changed."""
    said = example(name)
    header = decoded(target.header)
    told = plain(name) | {"origin": "pa.senan"}
    rel = headers.RELATION_OF[bulletins.VERBS[said.type][0]]
    named = {
        "id": header.id,
        "origin": header.origin,
        "type": header.type,
        "header_digest": digest(target.header),
        **changes,
    }
    put(told, "/content/target", named)
    repeated = {**bulletins.repeated(said), "origin": "pa.senan"}
    made = msgspec.structs.replace(
        world().header(to=[WATCH], feed=FEEDS[said.type]),
        **repeated,
        verb=bulletins.VERBS[said.type][0],
        refs=refers(rel, target),
    )
    return world().envelope(made, json.dumps(told).encode())


async def read(folder, *sent):
    async with serving() as door, agency(door.url, folder, WATCH) as line:
        for each in sent:
            assert (await post(door.node, each)).refusal is None
        return (await line.everything())[-1]


@pytest.mark.parametrize("name", ["can-1", "cor-1", "rpy-1"])
async def test_one_that_says_what_its_header_does_is_opened(tmp_path, name):
    type_ = plain(name)["content"]["target"]["type"]
    feed = "requests" if type_ == "rfi" else "maritime"
    target = world().envelope(to=[WATCH], type=type_, feed=feed)
    item = await read(tmp_path, target, amending(name, target))
    assert (item.locked, item.bulletin.type) == (None, name[:3])


@pytest.mark.parametrize(
    ("name", "changed", "is_held"),
    [
        ("can-1", {"id": ANOTHER}, False),
        ("can-1", {"header_digest": "B" * 43}, False),
        ("can-1", {"origin": "us.uscg", "header_digest": None}, False),
        ("can-1", {"type": "mig"}, True),
        ("cor-1", {"type": "szr"}, True),
        ("rpy-1", {"id": ANOTHER, "type": "rfi"}, False),
        ("rpy-1", {"type": "rfi"}, True),
    ],
)
async def test_one_that_says_another_target_than_its_header_is_locked(
    tmp_path, name, changed, is_held
):
    target = world().envelope(to=[WATCH])
    item = await read(
        tmp_path, *([target] if is_held else []), amending(name, target, **changed)
    )
    assert (item.bulletin, item.locked.code) == (None, Code.HEADER_BODY_MISMATCH)
    assert item.locked.at == "/content/target"
    # By its header it has its effect all the same; what it says is kept as evidence.
    assert (attestable(item)[0], item.opened is not None) == ("schema-invalid", True)
