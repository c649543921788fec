"""No time is signed before one that was signed: a shorter journal dated later convicts."""

from __future__ import annotations

from exchange.errors import Code, Fault
from exchange.journal import checkpoint as cp
from exchange.node.checkpoints import AGAIN_S
from exchange.store.memory import MemoryStore
from exchange.store.pledge import PledgeFile
from tests.builders import NOW, world
from tests.node.running import Clock, post, running
from tests.node.vouching import LOG, ORIGIN


def dated(note):
    required = [each.key for each in LOG]
    return cp.verify(note, origin=ORIGIN, required=required).at(required[1])


async def test_a_clock_that_is_set_back_a_little_sets_no_signature_back():
    clock = Clock()
    async with running(clock=clock) as node:
        first = await node.checkpoints.checkpoint()
        clock.ms -= 3000
        await post(node, world().envelope())
        second = await node.checkpoints.checkpoint()
    assert (dated(first), dated(second)) == (NOW, NOW)


async def test_what_was_dated_anew_is_not_gone_back_behind_after_a_restart(tmp_path):
    clock, store, pledge = Clock(), MemoryStore(), PledgeFile(tmp_path / "signed.note")
    async with running(store, clock=clock, pledge=pledge) as node:
        await node.checkpoints.checkpoint()
        clock.ms += AGAIN_S * 1000
        again = await node.checkpoints.checkpoint()
        assert dated(again) == NOW + AGAIN_S
    assert await pledge.newest() == again
    # Somebody set the clock back meanwhile: no entry is of a later time, so the node starts.
    options = {"clock": Clock(), "pledge": pledge, "documents": []}
    async with running(store.reopen(), **options) as node:
        await post(node, world().envelope())
        assert dated(await node.checkpoints.checkpoint()) == NOW + AGAIN_S


async def test_a_node_that_may_write_no_more_dates_nothing_anew():
    clock = Clock()
    async with running(clock=clock) as node:
        note = await node.checkpoints.checkpoint()
        node.writer.stop_writing(Fault(Code.JOURNAL_FORKED))
        clock.ms += AGAIN_S * 1000
        assert await node.checkpoints.checkpoint() == note
