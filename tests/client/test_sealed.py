"""Before a key goes, it is known what it opens; where something is left out, nothing is."""

from __future__ import annotations

from typing import Any

import pytest

from exchange.client.sealed import sealed
from exchange.errors import Code, Refusal
from tests.builders import OPS, WATCH, world
from tests.client.dealing import agency, lied_to

WORLD = world()


async def test_every_bulletin_is_told_with_the_keys_it_is_sealed_to(tmp_path: Any) -> None:
    async with lied_to() as (door, _, url):
        made = [WORLD.envelope(), WORLD.envelope(to=[WATCH])]
        for envelope in made:
            assert (await door.post(envelope.framed())).status == 201
        assert (await door.post(WORLD.ack(made[1]) + b"\n\n", WATCH)).status == 201
        async with agency(url, tmp_path, WATCH) as line:
            found = [each async for each in sealed(line)]
        assert [len(each.kids) for each in found] == [2, 1]
        assert all(WORLD.key(WATCH).kid in each.kids for each in found)
        async with agency(url, tmp_path, OPS) as line:  # an acknowledgement is sealed to nobody
            assert [each async for each in sealed(line)] == []


def without(*positions: int, total: int = 2) -> Any:
    def change(path: str, value: Any) -> Any:
        if path != "/v1/inbox":
            return value
        kept = [each for each in value["items"] if each["position"] not in positions]
        return {**value, "items": kept, "total": total}

    return change


@pytest.mark.parametrize("change", [without(0, total=1), without(1), without(0, 1)])
async def test_inbox_that_something_is_left_out_of_says_nothing_for_certain(
    tmp_path: Any, change: Any
) -> None:
    async with lied_to() as (door, liar, url):
        for _ in range(2):
            assert (await door.post(WORLD.envelope().framed())).status == 201
        liar.change = change
        async with agency(url, tmp_path, WATCH) as line:
            with pytest.raises(Refusal) as refusal:
                [each async for each in sealed(line)]
    assert refusal.value.code == Code.BAD_PROOF
