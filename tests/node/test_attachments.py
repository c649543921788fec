"""What a poster does to its own attachments is no trouble of anybody else's."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from exchange.errors import Code, Fault
from exchange.model import entry as entries
from exchange.store.blob_memory import MemoryBlobs
from exchange.store.memory import MemoryStore
from tests.api.attached import BLOB, DATA
from tests.builders import OPS, world
from tests.node.running import Clock, Gate, journal, post, running, until


class GivenUp(MemoryBlobs):
    """The poster gives its upload up between being looked for and being kept."""

    async def keep(self, endpoint, blobs):
        for blob in blobs:
            await self.discard(endpoint, blob)
        await super().keep(endpoint, blobs)


@asynccontextmanager
async def behind_a_gate():
    """A node with an upload that its poster will give up; what comes now makes one group."""
    clock, gate = Clock(), Gate(MemoryStore())
    blobs = GivenUp(clock)
    await blobs.append(OPS, BLOB, 0, DATA)
    await blobs.finish(OPS, BLOB)
    async with running(gate, clock, blobs=blobs) as node:
        gate.shut()
        first = post(node, world().envelope())
        await until(lambda: bool(gate.batches))
        yield node, gate, first


async def test_upload_given_up_while_its_header_is_settled_fails_its_poster_alone():
    async with behind_a_gate() as (node, gate, first):
        before, racing, after = [
            post(node, each)
            for each in (
                world().envelope(),
                world().envelope(attachments=[BLOB]),
                world().envelope(),
            )
        ]
        gate.open.set()
        found = await asyncio.gather(first, before, racing, after, return_exceptions=True)
        kinds = [each.facts.__struct_config__.tag for each in await journal(node)]
    assert isinstance(found[2], Fault)
    assert found[2].code is Code.STORE_FAILED
    assert [found[place].is_new for place in (0, 1, 3)] == [True] * 3
    assert kinds.count("accepted") == 3


async def test_poster_who_gives_up_fails_no_checkpoint_of_the_node():
    async with behind_a_gate() as (node, gate, first):
        racing = post(node, world().envelope(attachments=[BLOB]))
        noted = asyncio.ensure_future(node.writer.note(opened))
        # Else the note would be written alone, before what is still considered.
        await until(lambda: node.writer.arrivals.is_ready)
        gate.open.set()
        await asyncio.gather(first, racing, return_exceptions=True)
        index = await asyncio.wait_for(noted, 10)
        assert (await journal(node))[index].facts.epoch == 9


def opened(ledger):
    common = {"salt": ledger.salt(), "taken_ms": ledger.taken_ms, "view": ledger.view}
    return entries.EpochOpened(node="pa", epoch=9, **common)
