"""Who posts too much is told when to come again; FLASH and cancellations have room apart."""

from __future__ import annotations

import msgspec
import pytest

from exchange.model import header as headers
from exchange.model.trust import Budget, Budgets
from tests.api.serving import serving
from tests.builders import DESK, MINSA, NOW_MS, OPS, refers, releaser, world
from tests.drafted import drafted, withdrawn
from tests.node.running import Clock, post
from tests.vectors.releasing import RED

# Two at once, then one every ten seconds; of the member three, then one every two.
TIGHT = Budgets(Budget(2, 10_000), Budget(3, 2_000), Budget(1, 5_000), Budget(9, 1))


async def agree(door, budgets=TIGHT):
    assert (await post(door.node, world().rearranged(budgets=budgets), MINSA)).refusal is None


def poster(endpoint):
    return msgspec.structs.replace(endpoint, roles=["poster", "reader"])


async def test_over_its_budget_one_is_told_when_to_come_again_and_then_may():
    clock = Clock()
    async with serving(clock=clock) as door:
        await agree(door)
        for _ in range(2):
            assert (await door.post(world().envelope().framed())).status == 201
        size = door.node.writer.size
        waiting = world().envelope().framed()
        async with door.http.post(
            door.url + "/v1/objects",
            data=waiting,
            headers={"Authorization": f"Bearer {door.token()}"},
        ) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "10")
            said = await answer.json(content_type=None)
        assert (said["code"], said["at"], said["facts"]) == (
            "too-many",
            "",
            {"limit": 2, "wait": 10},
        )
        # A record of each would be the flood that budgets are against.
        assert door.node.writer.size == size
        clock.ms = NOW_MS + 9_999
        assert (await door.post(waiting)).code == "too-many"
        clock.ms = NOW_MS + 10_000
        assert (await door.post(waiting)).status == 201


async def test_flash_and_cancellation_have_room_when_the_rest_has_none():
    async with serving() as door:
        await agree(door, msgspec.structs.replace(TIGHT, urgent_endpoint=Budget(2, 5_000)))
        first = world().envelope()
        await door.post(first.framed())
        await door.post(world().envelope().framed())
        assert (await door.post(world().envelope().framed())).code == "too-many"
        assert (await door.post(world().envelope(precedence="flash").framed())).status == 201
        cancel = world().envelope(type="can", verb="cancel", refs=refers("cancels", first))
        assert (await door.post(cancel.framed())).status == 201
        flash = await door.post(world().envelope(precedence="flash").framed())
        assert (flash.code, flash.json["facts"]["wait"]) == ("too-many", 5)


async def test_colleagues_share_what_their_member_has():
    async with serving() as door:
        await post(door.node, world().amended(DESK, poster), MINSA)
        await agree(door)
        for by in (OPS, DESK, OPS):
            said = await door.post(world().envelope(endpoint=by).framed(), by)
            assert said.status == 201
        said = await door.post(world().envelope(endpoint=DESK).framed(), DESK)
        assert (said.code, said.json["facts"]) == ("too-many", {"limit": 3, "wait": 2})


async def test_each_of_a_batch_stands_alone():
    async with serving() as door:
        await agree(door)
        many = [world().envelope() for _ in range(4)]
        ack = world().ack(many[0])
        framed = b"".join(each.framed() for each in many[:3]) + ack + b"\n\n"
        framed += many[3].framed()
        lines = await door.batch(framed)
        codes = [line.problem.code if line.problem else "" for line in lines]
        # An acknowledgement costs nothing: it is refused for what it is, another's.
        assert codes == ["", "", "too-many", "not-yours", "too-many"]
        assert lines[2].problem.facts["wait"] == 10
        assert lines[2].problem.receipt is None
        none = await door.batch(many[2].framed() + many[3].framed())
        assert [line.problem.code for line in none] == ["too-many", "too-many"]


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b'{"payload":"="}', b'{"payload":"e30"}'])
def test_what_is_no_bulletin_has_no_urgency(raw):
    assert headers.urgency(raw) is None
    assert headers.urgency(world().ack(world().envelope())) is None
    assert headers.urgency(b"[" * 100_000) is None


def test_urgency_is_what_the_header_says():
    for precedence in ("flash", "routine"):
        raw = world().envelope(precedence=precedence).header
        assert headers.urgency(raw) == (precedence, "new")


async def test_draft_that_asks_for_a_release_costs_as_a_bulletin_and_its_answers_nothing():
    w = world()
    async with serving() as door:
        agreed = w.rearranged(budgets=TIGHT, four_eyes=["tlp:red"])
        assert (await post(door.node, agreed, MINSA)).refusal is None
        assert (await post(door.node, w.amended(DESK, releaser), MINSA)).refusal is None
        first, second, third = (w.envelope(**RED) for _ in range(3))
        for each in (first, second):
            assert (await door.post(drafted(w, each).framed())).status == 201
        assert (await door.post(drafted(w, third).framed())).code == "too-many"
        assert (await door.post(w.envelope(precedence="flash").framed())).status == 201
        assert (await door.post(withdrawn(w, first).framed())).status == 201
