"""What a releaser decided at one machine is not offered at another for long."""

from __future__ import annotations

import pytest

from exchange.client import purging
from exchange.errors import Code, Refusal
from tests.builders import DESK
from tests.client.dealing import agency
from tests.client.foureyes import asked, guarded, line, taken_up, to_release


async def states(desk):
    return [(each.state, each.by) for each in desk.releasing.queue(await desk.everything())]


@pytest.mark.parametrize(
    ("first", "then", "code", "told"),
    [
        ("approve", "approve", Code.ALREADY_RELEASED, ("released", DESK)),
        ("posted", "approve", Code.RELEASE_LATE, ("decided", "")),
        ("posted", "decline", Code.RELEASE_LATE, ("decided", "")),
        ("decline", "approve", Code.DRAFT_OVER, ("decided", "")),
        # By then its text is gone from the node.
        ("gone", "look", Code.DRAFT_OVER, ("decided", "")),
    ],
)
async def test_second_machine_drops_what_the_first_decided_once_it_hears_of_it(
    tmp_path, first, then, code, told
):
    async with guarded(tmp_path) as door:
        await asked(door, tmp_path)
        async with line(door, tmp_path, DESK) as one:
            item = await to_release(one)
            if first == "decline":
                await one.releasing.decline(item, "EXERCISE: not this port", "b")
            else:
                await one.releasing.approve(item, "b")
        if first in ("posted", "gone"):
            await taken_up(door, tmp_path)
        for _ in range(2 if first == "gone" else 0):
            await door.node.retainer.step()
        async with agency(door.url, tmp_path / "two", DESK) as two:
            assert await states(two) == [("waiting", "")]
            act = {
                "look": lambda: two.releasing.opened(item),
                "approve": lambda: two.releasing.approve(item, "b"),
                "decline": lambda: two.releasing.decline(item, "EXERCISE", "b"),
            }[then]
            with pytest.raises(Refusal) as caught:
                await act()
            assert caught.value.code is code
            assert await states(two) == [told]
            # It is remembered for no longer than it could have waited.
            purging.purge(two.world.cabinet, item.draft.until * 1000 - 1)
            assert two.asking.waiting.is_over(item.draft.id) == (first == "gone")
            purging.purge(two.world.cabinet, item.draft.until * 1000)
            assert not two.asking.waiting.is_over(item.draft.id)
