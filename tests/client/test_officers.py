"""An acknowledgement that must name an officer and does not is refused before it is signed."""

from __future__ import annotations

import pytest

from exchange.errors import Code, Refusal
from tests.api.serving import serving
from tests.builders import MINSA, WATCH, world
from tests.client.dealing import agency, draft
from tests.node.running import post


async def test_nothing_is_signed_for_nobody_where_an_officer_is_asked_for(tmp_path):
    async with (
        serving() as door,
        agency(door.url, tmp_path / "ops") as sender,
        agency(door.url, tmp_path / "watch", WATCH) as line,
    ):
        await sender.post(await sender.prepare(draft()))
        (item,) = await line.everything()
        first = await line.acknowledge(item, "actioned")
        asks = world().rearranged(officers=["opened", "actioned"])
        await post(door.node, asks, MINSA)
        size = door.node.size
        (item,) = await line.everything()
        # What was said before that was agreed stays said.
        assert await line.acknowledge(item, "actioned") == first
        with pytest.raises(Refusal) as refused:
            await line.acknowledge(item, "opened")
        assert (refused.value.code, door.node.size) == (Code.OFFICER_REQUIRED, size)
        assert len(line.world.outbox.acks.sent()) == 1
        receipt = await line.acknowledge(item, "opened", officer="watch-1")
        assert receipt.index == size
