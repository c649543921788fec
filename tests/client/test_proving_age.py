"""Heads that stand still are as old as they are; an idle node's are as new as its word."""

from __future__ import annotations

from exchange.client.proving import MAX_AGE_S
from exchange.errors import Code
from exchange.journal import checkpoint as c2sp
from exchange.node.checkpoints import AGAIN_S
from exchange.store.memory import MemoryStore
from tests.api.serving import serving
from tests.builders import WATCH, world
from tests.client.proving import SKEW_S, alarm, reader, scene, sent
from tests.node.running import post

LIMIT_S = MAX_AGE_S + SKEW_S


async def idle(node, clock, seconds):
    for _ in range(seconds // AGAIN_S):
        clock.ms += AGAIN_S * 1000
        await node.checkpoints.checkpoint()


async def test_an_old_head_under_ever_new_checkpoints_is_found_by_its_age(tmp_path):
    async with scene(tmp_path) as (door, _, line, clock):
        await sent(door, 2)
        heads = door.node.heads
        _, old = await heads.under(door.node.newest)

        async def frozen(note):
            return note, old

        await line.prove()
        heads.under = frozen
        # The journal grows, and its checkpoint is of now: only this head stays what it was.
        clock.ms += LIMIT_S * 1000
        await sent(door)
        assert (await line.prove()).count == 2
        clock.ms += 1000
        await sent(door)
        refusal = await alarm(line, Code.STALE_HEAD, "/entry")
        assert refusal.facts == {"found": LIMIT_S + 1, "limit": LIMIT_S}


async def test_a_node_that_is_idle_since_it_was_started_again_raises_no_alarm(tmp_path):
    store = MemoryStore()
    async with scene(tmp_path, store=store) as (door, _, line, clock):
        await sent(door, 2)
        assert (await line.prove()).count == 2
    clock.ms += 86_400_000
    async with (
        serving(store.reopen(), clock=clock, documents=[]) as door,
        reader(door.url, tmp_path, clock) as line,
    ):
        for _ in range(3):
            await idle(door.node, clock, 3600)
            proven = await line.prove()
            assert (proven.count, proven.signed) == (2, clock.ms // 1000)


async def test_what_comes_while_a_checkpoint_is_made_makes_no_alarm_of_it_later(tmp_path):
    store = MemoryStore()
    async with scene(tmp_path, store=store) as (door, _, line, clock):
        made = door.node.checkpoints._record_heads

        async def interrupted(view):
            found = await made(view)
            await post(door.node, world().envelope(to=[WATCH]))
            return found

        door.node.checkpoints._record_heads = interrupted
        await sent(door)
        proven = await line.prove()
        assert (proven.count, proven.size) == (1, proven.entry + 2)
        door.node.checkpoints._record_heads = made
        size = c2sp.parse(door.node.newest).size
    # So it was when it was stopped: heads with one more entry under their checkpoint.
    clock.ms += 86_400_000
    async with (
        serving(store.reopen(), clock=clock, documents=[]) as door,
        reader(door.url, tmp_path, clock) as line,
    ):
        assert c2sp.parse(door.node.newest).size == size
        await idle(door.node, clock, 3600)
        assert (await line.prove()).count == 2
