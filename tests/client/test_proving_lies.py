"""A node that lies about the proof itself: nothing of it is believed, nor remembered."""

from __future__ import annotations

import msgspec
import pytest

from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model.header import Blob
from tests.builders import NOW_MS
from tests.client.proving import scene, sent

# -- a node that lies about the proof itself -----------------------------------------------


def heads(change):
    return lambda path, value: change(value) if path == "/v1/heads" else value


def put(of, **changes):
    return heads(lambda value: {**value, of: {**value[of], **changes}})


def entry_changed(**changes):
    def change(value):
        facts = entries.decode(value["entry"].encode()).facts
        other = msgspec.structs.replace(facts, **changes)
        return {**value, "entry": entries.encode(other).decode()}

    return heads(change)


def note_changed(old, new):
    return heads(lambda value: {**value, "proof": value["proof"].replace(old, new)})


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        (put("own", count=1), Code.BAD_PROOF),
        (put("own", chain="A" * 43), Code.BAD_PROOF),
        (put("own", salt="A" * 22), Code.BAD_PROOF),
        (put("own", path=[]), Code.BAD_PROOF),
        (put("trust", count=1), Code.BAD_PROOF),
        (put("trust", count=99), Code.ITEM_WITHHELD),
        (heads(lambda value: {**value, "own": value["trust"]}), Code.BAD_PROOF),
        (entry_changed(size=1), Code.BAD_PROOF),
        (entry_changed(root="A" * 43), Code.BAD_PROOF),
        (heads(lambda value: {**value, "entry": "x"}), Code.MALFORMED),
        (heads(lambda value: {**value, "proof": "x"}), Code.BAD_PROOF),
        (note_changed("exchange/pa", "exchange/us"), Code.BAD_CHECKPOINT),
    ],
)
async def test_lie_about_the_proof_is_refused(tmp_path, lie, code):
    async with scene(tmp_path) as (door, liar, line, _):
        await sent(door, 2)
        liar.change = lie
        with pytest.raises(Refusal) as caught:
            await line.prove()
        assert caught.value.code is code
        # What did not hold is not remembered.
        assert line.world.seen.read(line.profile.anchor, "pa") is None
        liar.change = lambda _, value: value
        assert (await line.prove()).count == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "nodes/us"},
        {"version": 2},
        {"position": 9},
        {"taken_ms": NOW_MS + 1},
        {"view": -1},
        {"document": Blob("A" * 43, 1)},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_trust_document_under_another_entry_is_refused(tmp_path, changes):
    async with scene(tmp_path) as (_, liar, line, _):

        def change(path, value):
            if path == "/v1/trust" and value["items"]:
                facts = entries.decode(value["items"][2]["entry"].encode()).facts
                other = entries.encode(msgspec.structs.replace(facts, **changes))
                value["items"][2]["entry"] = other.decode()
            return value

        liar.change = change
        with pytest.raises(Refusal) as caught:
            await line.view()
        assert (caught.value.code, caught.value.at) == (Code.TRUST_INVALID, "/entry")


async def test_entry_of_another_kind_is_no_trust_documents(tmp_path):
    async with scene(tmp_path) as (door, liar, line, _):
        opened = (await door.node.store.read(0, 1))[0].entry.decode()

        def change(path, value):
            if path == "/v1/trust" and value["items"]:
                value["items"][2]["entry"] = opened
            return value

        liar.change = change
        with pytest.raises(Refusal) as caught:
            await line.view()
        assert (caught.value.code, caught.value.at) == (Code.TRUST_INVALID, "/entry")
