"""What the rules withhold now is locked, attested as nothing, and open once they permit it."""

from __future__ import annotations

from typing import Any

import pytest

from exchange import render
from exchange.client.attesting import attestable
from exchange.client.reading import Delivered, Locked
from exchange.errors import Code, Fault
from exchange.model.trust import Category, CategoryValue
from tests.api.serving import serving
from tests.builders import MINSA, WATCH, WATCH_DESK, world
from tests.client.dealing import agency, draft, forget_bodies
from tests.node.running import post


def needs(*holders: str, after: bytes = b"") -> bytes:
    """An arrangement by which a priority bulletin is for these alone."""
    label: Any = {"es": "EJERCICIO", "en": "EXERCISE"}
    value = CategoryValue("priority", ["feed:maritime"], list(holders))
    category = Category("need", label, "restrictive", [value])
    if not after:
        return world().rearranged(categories=[category])
    return world().after(after).rearranged(categories=[category], version=3)


async def test_withheld_item_is_locked_blocks_nothing_and_opens_when_it_may_be_shown(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "watch", WATCH) as line:
        async with agency(door.url, tmp_path / "sender") as sender:
            await sender.post(await sender.prepare(draft()))
        before = needs("us.uscg")
        assert (await post(door.node, before, MINSA)).refusal is None
        (item,) = await line.everything()
        assert isinstance(item, Delivered)
        assert item.bulletin is None
        assert isinstance(item.locked, Fault)
        assert item.locked.code is Code.CATEGORY_NOT_HELD
        for lang in ("es", "en"):
            assert render.refusal(item.locked, lang, line.world.codes).next
        # The arrangement may change back: that it cannot be read would be untrue then.
        with pytest.raises(Fault) as caught:
            attestable(item)
        assert caught.value.code is Code.CATEGORY_NOT_HELD
        again = needs("us.uscg", WATCH, after=before)
        assert (await post(door.node, again, MINSA)).refusal is None
        forget_bodies(line)
        (item,) = await line.everything()
        assert item.bulletin is not None


async def test_withheld_grant_is_locked_as_well(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "desk", WATCH_DESK) as line:
        closed = world().closed(to=[WATCH])
        await post(door.node, closed.envelope)
        assert (await post(door.node, world().grant(closed))).refusal is None
        await post(door.node, needs(WATCH), MINSA)
        (item,) = await line.everything()
        assert isinstance(item, Locked)
        assert item.locked.code is Code.CATEGORY_NOT_HELD
