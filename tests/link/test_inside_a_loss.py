"""Nobody is shown what is declared lost; writer and replay say the same of a declaration."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from exchange.broker import losing
from exchange.broker.peering import Crossing
from exchange.broker.replay import Replayer
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model.trust import Loss
from exchange.model.view import View
from exchange.node.receiving import receive
from exchange.store.blob_memory import MemoryBlobs
from exchange.store.memory import MemoryStore
from tests.builders import DESK, OPS, border
from tests.link.bordered import Clock, Kept, _node
from tests.link.test_losing import WHY, bulletins, declared, lose, reading, sent, us
from tests.node.running import Gate, until
from tests.node.test_writer import done_in


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize("ask", ["prove", "follow"])
async def test_reader_takes_nothing_from_among_what_its_node_declared_lost(
    tmp_path, monkeypatch, is_known, ask
):
    clock = Clock()
    async with AsyncExitStack() as stack:
        made = _node("pa", clock, MemoryStore(), MemoryBlobs(clock))
        node = await stack.enter_async_context(made)
        async with reading(node, tmp_path, OPS, clock) as author:
            await author.view()
            await sent(author, DESK)
            await node.checkpoints.checkpoint()
            first = node.size
            if is_known:
                async with reading(node, tmp_path, DESK, clock) as reader:
                    await bulletins(reader)
            for _ in range(2):
                await sent(author, DESK)
            loss = Loss("pa", first, first + 1, node.size, "A" * 43, node.view.index, WHY)
            # A node that lies does not hold itself to it.
            monkeypatch.setattr(losing, "must_stand", lambda *_, **__: None)
            assert (await node.submit("", declared(loss), b"")).refusal is None
            await node.checkpoints.checkpoint()
        async with reading(node, tmp_path, DESK, clock) as reader:
            with pytest.raises(Refusal) as caught:
                await (reader.prove() if ask == "prove" else followed(reader))
    assert (caught.value.code, caught.value.at) == (Code.ENTRY_UNTRUE, "/index")
    assert caught.value.facts["found"] == first


async def followed(line):
    # Without the refusal it waits for news.
    async with asyncio.timeout(20):
        async for _ in line.follow():
            pass


async def test_loss_is_judged_by_what_came_of_that_journal_in_the_very_same_group(tmp_path):
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(us(tmp_path))
        lost, _ = await lose(tmp_path, other, Kept())
        loss = await lost.drafted()
        rows = map(entries.decode, [row.entry for row in await other.node.store.read(0, 999)])
        came = next(each for each in rows if isinstance(each.facts, entries.TrustReceived))
        document = await other.node.store.blob(came.facts.document.digest)
        crossing = Crossing(came.facts.home, came.at_home, document)
        clock, gate = Clock(), Gate(MemoryStore())
        made = _node("us", clock, gate, MemoryBlobs(clock))
        fresh = await stack.enter_async_context(made)
        gate.shut()
        # While that waits for the disk, the next two become one group.
        asked = [asyncio.ensure_future(fresh.submit("", b"EXERCISE", b""))]
        await until(lambda: bool(gate.batches))
        crossed = asyncio.ensure_future(receive(fresh.writer, fresh.judging, [crossing]))
        await until(lambda: fresh.writer.arrivals.is_ready)
        asked.append(asyncio.ensure_future(fresh.submit("", declared(loss), b"")))
        await until(lambda: len(done_in(fresh.writer.arrivals._under_way)) == 2)
        gate.open.set()
        await crossed
        answers = await asyncio.gather(*asked)
        assert answers[1].refusal.code is Code.LOSS_NOT_ENTERED
        raws = [row.entry for row in await fresh.store.read(0, 999)]
        facts = [entries.decode(raw).facts for raw in raws]
        kept = {
            each.document.digest: await fresh.store.blob(each.document.digest)
            for each in facts
            if isinstance(each, entries.Trust | entries.TrustReceived)
        }
    replayer = Replayer(View(anchor=border().anchor), raws.__getitem__, kept.get)
    for raw in raws:
        replayer.step(raw)
    assert replayer.size == len(raws)
