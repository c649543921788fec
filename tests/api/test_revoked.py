"""Suspended, or without its keys, an endpoint gets nothing more, whatever it was at."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from exchange.errors import Refusal
from exchange.model.identity import digest
from exchange.store.memory import MemoryStore
from tests.api.attached import BLOB, accepted, send
from tests.api.listening import listening
from tests.api.serving import serving
from tests.builders import COAST, MINSA, OPS, WATCH, suspended, world
from tests.node.running import Gate, post, until


async def amend(door, endpoint, change):
    assert (await post(door.node, world().amended(endpoint, change), MINSA)).refusal is None


def resigned(endpoint):
    """Its signing keys are no longer listed at all."""
    keys = [key for key in endpoint.keys if key.use == "enc"]
    return msgspec.structs.replace(endpoint, keys=keys)


async def test_suspension_itself_ends_a_poll_that_waits_and_no_other():
    async with serving() as door:
        poll = asyncio.ensure_future(door.get("/v1/inbox?wait=30", COAST))
        other = asyncio.ensure_future(door.get("/v1/inbox?wait=30", WATCH))
        await until(lambda: {COAST, WATCH} <= door.node.inboxes._bells.keys())
        await amend(door, COAST, suspended)
        # Nothing comes for either of them.
        assert (await asyncio.wait_for(poll, 10)).code == "endpoint-suspended"
        await until(lambda: WATCH in door.node.inboxes._bells)
        assert not other.done()
        index = (await door.post(world().envelope(to=[WATCH]).framed())).json["index"]
        page = (await asyncio.wait_for(other, 10)).json
        assert [item["index"] for item in page["items"]] == [index]


async def test_stream_whose_key_is_taken_off_the_directory_hears_that():
    async with serving() as door, listening(door) as stream:
        await stream.until("beat")
        await amend(door, WATCH, resigned)
        problem = await stream.until("problem")
        assert problem["code"] == "unknown-key"
        with pytest.raises(EOFError):
            await stream.next()


@pytest.mark.parametrize(("ending", "code"), [(suspended, "endpoint-suspended"),
                                              (resigned, "unknown-key")])  # fmt: skip
async def test_what_was_sealed_to_it_and_not_delivered_is_not_delivered(ending, code):
    async with serving() as door:
        await send(door)
        envelope = world().envelope()
        index = (await door.post(envelope.framed())).json["index"]
        attached = (await accepted(door, BLOB)).json["index"]
        paths = [
            "/v1/inbox",
            "/v1/inbox?wait=30&after=99",
            "/v1/events",
            f"/v1/blobs/{digest(envelope.body)}?index={index}",
            f"/v1/blobs/{BLOB.digest}?index={attached}",
            f"/v1/granted?index={index}",
            f"/v1/proof?index={index}",
            "/v1/heads",
            "/v1/trust",
        ]
        await amend(door, COAST, ending)
        assert {(await door.get(path, COAST)).code for path in paths} == {code}
        # Its colleague in the same header is not touched by that.
        assert (await door.get(paths[3], WATCH)).body == envelope.body


async def test_page_under_way_when_its_reader_is_suspended_is_not_given():
    class Slow(Gate):
        """Reads inboxes when it is told to."""

        def __init__(self, inner):
            super().__init__(inner)
            self.asked, self.answer = asyncio.Event(), asyncio.Event()
            self.answer.set()

        async def inbox(self, *args):
            if not self.answer.is_set():
                self.asked.set()
                await self.answer.wait()
            return await self.inner.inbox(*args)

    for path in ("/v1/trust", "/v1/inbox"):
        slow = Slow(MemoryStore())
        async with serving(slow) as door:
            slow.answer.clear()
            page = asyncio.ensure_future(door.get(path, COAST))
            await asyncio.wait_for(slow.asked.wait(), 10)
            await amend(door, COAST, suspended)
            slow.answer.set()
            assert (await asyncio.wait_for(page, 10)).code == "endpoint-suspended"


async def test_who_posted_what_is_recorded_is_told_so_though_suspended_since():
    gate = Gate(MemoryStore())
    async with serving(gate) as door:
        gate.shut()
        posting = asyncio.ensure_future(door.post(world().envelope().framed(), OPS))
        await until(lambda: bool(gate.batches))
        suspending = post(door.node, world().amended(OPS, suspended), MINSA)
        gate.open.set()
        assert (await suspending).refusal is None
        assert (await asyncio.wait_for(posting, 10)).status == 201
        # Its next is refused at the door.
        assert (await door.post(world().envelope().framed(), OPS)).code == "endpoint-suspended"
        with pytest.raises(Refusal):
            door.node.view.standing(OPS)
