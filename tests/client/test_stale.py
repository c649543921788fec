"""Nothing is sealed under trust documents that are older than the node's timestamp allows."""

from __future__ import annotations

import pytest

from exchange.client import story
from exchange.errors import Code, Refusal
from exchange.model import wire
from tests.api.serving import serving
from tests.builders import DAY, HOUR, MINSA, NOW, OPS, WATCH, suspended, world
from tests.client.dealing import Liar, agency, draft, fronted, lied_to
from tests.model.bulletins import drafted
from tests.node.running import Clock, post

FOUNDING = world().documents[:-1]


def cancelling(target, outbox):
    """The draft that cancels what was posted from here."""
    (subject,) = [each.subject for each in story.every(outbox) if each.header.id == target.id]
    made = drafted("can-2.en.toml")
    named = {
        "id": target.id,
        "origin": target.origin,
        "type": target.type,
        "header_digest": subject.header_digest,
    }
    content = {**made.bulletin["content"], "target": named}
    return draft({**made.bulletin, "content": content})


async def refused(call):
    with pytest.raises(Refusal) as caught:
        await call
    return caught.value.code


async def test_nothing_is_sealed_once_the_timestamp_is_over_and_again_after_a_new_one(tmp_path):
    clock = Clock()
    there = world()
    async with (
        serving(documents=FOUNDING, clock=clock) as door,
        agency(door.url, tmp_path, OPS, clock=clock) as line,
    ):
        before = there._replace(view=door.node.view)
        assert await refused(line.prepare(draft())) is Code.TRUST_STALE  # there is none at all
        await post(door.node, before.stamped(NOW, HOUR), "")
        clock.ms += (HOUR - 1) * 1000
        await line.post(await line.prepare(draft()))
        sent = await line.prepare(draft())
        index = (await line.post(sent)).index
        clock.ms += 1000
        assert await refused(line.prepare(draft())) is Code.TRUST_STALE
        # What takes back goes out all the same.
        withdrawal = await line.prepare(cancelling(sent.header, line.world.outbox))
        assert (await line.post(withdrawal)).index > index
        assert await refused(line.prepare_grant("any", OPS)) is Code.TRUST_STALE
        again = there._replace(view=door.node.view).stamped(NOW, 2 * HOUR)
        await post(door.node, again, "")
        await line.prepare(draft())


def frozen(held):
    """A node that keeps back every trust document from one on."""

    def told(path, value):
        if path == "/v1/trust":
            value["items"] = [each for each in value["items"] if each["position"] < held]
            value["total"] = held
        return value

    return told


async def test_node_that_keeps_back_what_is_newer_is_believed_for_a_while_only(tmp_path):
    clock = Clock()
    async with lied_to() as (door, liar, url):
        there = world()._replace(view=door.node.view)
        await post(door.node, there.stamped(NOW, HOUR), "")
        held = door.node.view.position
        await post(door.node, world().amended(OPS, suspended), MINSA)

        liar.change = frozen(held)
        async with agency(url, tmp_path, WATCH, clock=clock) as line:
            assert (await line.view()).position == held
            (await line.view()).must_be_timely("pa", NOW + HOUR - 1)
            with pytest.raises(Refusal) as caught:
                (await line.view()).must_be_timely("pa", NOW + HOUR)
            assert caught.value.code is Code.TRUST_STALE
            clock.ms += HOUR * 1000
            assert await refused(line.prepare(draft())) is Code.TRUST_STALE


async def test_timestamp_that_is_dated_ahead_keeps_back_what_is_newer_for_no_longer(tmp_path):
    """A node's word for when it signed one is not its reader's clock."""
    nodes, clock, ahead = Clock(), Clock(), 60 * DAY
    async with serving(documents=FOUNDING, clock=nodes) as door:
        liar = Liar(door)
        async with fronted(liar.handle) as url, agency(url, tmp_path, OPS, clock=clock) as line:
            nodes.ms += ahead * 1000
            there = world()._replace(view=door.node.view)
            await post(door.node, there.stamped(NOW + ahead), "")
            liar.change = frozen(door.node.view.position)
            there = world()._replace(view=door.node.view)
            await post(door.node, there.amended(WATCH, suspended), MINSA)
            nodes.ms = clock.ms
            assert await refused(line.prepare(draft())) is Code.TRUST_STALE
            # It counts once it would be good for three days by that clock, and no sooner.
            until = (NOW + ahead - world().arrangement.limits.skew_s) * 1000
            clock.ms = nodes.ms = until - 1000
            assert await refused(line.prepare(draft())) is Code.TRUST_STALE
            clock.ms = nodes.ms = until
            await line.prepare(draft())


async def test_page_of_trust_documents_is_bounded_and_all_of_them_come(tmp_path, monkeypatch):
    sizes = []

    def seen(path, value):
        if path == "/v1/trust":
            sizes.append(len(value["items"]))
        return value

    monkeypatch.setattr(wire, "MAX_PAGE_BYTES", 50_000)  # one of the founding's, hardly two
    async with lied_to() as (_, liar, url):
        liar.change = seen
        async with agency(url, tmp_path, "us.jiatfs/watch") as line:
            assert (await line.view()).position == len(world().documents)
    assert sum(sizes) == len(world().documents)
    assert max(sizes) < len(world().documents)
    assert min(sizes) > 0
