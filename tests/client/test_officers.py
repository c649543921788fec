"""What must name an officer and does not is refused before it is signed."""

from __future__ import annotations

import msgspec
import pytest

from exchange.errors import Code, Refusal
from tests.api.serving import serving
from tests.builders import DESK, MINSA, WATCH, world
from tests.client.dealing import agency, draft
from tests.client.foureyes import MARK, approved, asked, guarded, line, red, to_release
from tests.node.running import post


async def test_nothing_is_signed_for_nobody_where_an_officer_is_asked_for(tmp_path):
    async with (
        serving() as door,
        agency(door.url, tmp_path / "ops") as sender,
        agency(door.url, tmp_path / "watch", WATCH) as reader,
    ):
        await sender.post(await sender.prepare(draft()))
        (item,) = await reader.everything()
        first = await reader.acknowledge(item, "actioned")
        asks = world().rearranged(officers=["opened", "actioned"])
        await post(door.node, asks, MINSA)
        size = door.node.size
        (item,) = await reader.everything()
        # What was said before that was agreed stays said.
        assert await reader.acknowledge(item, "actioned") == first
        with pytest.raises(Refusal) as refused:
            await reader.acknowledge(item, "opened")
        assert (refused.value.code, door.node.size) == (Code.OFFICER_REQUIRED, size)
        assert len(reader.world.outbox.acks.sent()) == 1
        receipt = await reader.acknowledge(item, "opened", officer="watch-1")
        assert receipt.index == size


async def test_nobody_asks_releases_or_declines_unnamed_where_an_officer_is_asked_for(tmp_path):
    async with guarded(tmp_path) as door:
        agreed = world().after(world().rearranged(four_eyes=["tlp:red"]))
        asks = msgspec.structs.replace(
            agreed.arrangement, version=3, officers=["released"], four_eyes=["tlp:red"]
        )
        assert (await post(door.node, agreed.signed(asks), MINSA)).refusal is None
        async with line(door, tmp_path) as author:
            prepared, size = await author.prepare(red()), door.node.size
            with pytest.raises(Refusal) as refused:
                await author.asking.ask(prepared, MARK, lambda *_: None)
            assert (refused.value.code, door.node.size) == (Code.OFFICER_REQUIRED, size)
            assert author.asking.waiting.all() == []
        await asked(door, tmp_path, "exercise-author")
        async with line(door, tmp_path, DESK) as desk:
            item, size = await to_release(desk), door.node.size
            for decide in (desk.releasing.approve(item), desk.releasing.decline(item, "no")):
                with pytest.raises(Refusal) as refused:
                    await decide
                assert (refused.value.code, door.node.size) == (Code.OFFICER_REQUIRED, size)
        await approved(door, tmp_path, "exercise-releaser")
