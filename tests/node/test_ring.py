"""The ring alone: what a front was told of, and nothing before it was."""

from __future__ import annotations

from exchange.node.ring import Cursors, Ring
from tests.builders import COAST, WATCH, world
from tests.node.running import post, running, until


async def test_who_comes_between_an_entry_and_its_news_misses_nothing():
    async with running() as node:
        to = sorted([WATCH, COAST])
        first, second, third = [
            (await post(node, world().envelope(to=to))).receipt.index for _ in range(3)
        ]
        # A front of its own: of the three, it was told of the first.
        ring = Ring(node.store)
        with ring.listening(COAST, Cursors(first), first + 1) as coast:
            ring.grew(second + 1, {WATCH, COAST})
            await until(lambda: ring._filling is None)
            # The third is durable and no news yet; one who has the second comes.
            with ring.listening(WATCH, Cursors(second), second + 1) as watch:
                assert (await watch.more(0), watch.is_even) == (b"", True)
                ring.grew(third + 1, {WATCH, COAST})
                assert await watch.wait(10)
                assert f"id: {third}\n".encode() in await watch.more(0)
            told = await coast.more(0)
            assert [f"id: {each}\n".encode() in told for each in (first, second, third)] == [
                False,
                True,
                True,
            ]
