"""Two officers, each at the node of their own nation, and nothing between them but the link."""

from __future__ import annotations

import msgspec

from exchange.client import story
from exchange.client.reading import Acked, Noticed
from tests.api.serving import serve
from tests.builders import COAST, NOW, OPS, WATCH, border, suspended
from tests.client.abroad import officer
from tests.client.dealing import draft
from tests.link.bordered import bordered


async def test_what_one_posts_at_home_the_other_reads_proves_and_acknowledges_at_home(tmp_path):
    async with (
        bordered() as both,
        serve(both.pa.node) as at_pa,
        serve(both.us.node) as at_us,
        officer(at_pa.url, "pa", tmp_path, OPS, both.clock) as author,
        officer(at_us.url, "us", tmp_path, WATCH, both.clock) as reader,
    ):
        await both.settle()
        # Known to our node alone: the other nation did not hear of it yet.
        await both.us.post(border().amended(COAST, suspended), "")
        wanted = draft()
        post = msgspec.structs.replace(wanted.post, to=[WATCH, COAST])
        prepared = await author.prepare(msgspec.structs.replace(wanted, post=post))
        await author.post(prepared)
        await both.settle()
        (item,) = await reader.everything()
        assert item.bulletin == prepared.bulletin
        assert (item.came.node, [each.endpoint for each in item.declined]) == ("pa", [COAST])
        proven = await reader.prove()
        # By now they have heard of it too: it took effect there in its turn.
        assert (proven.count, proven.abroad) == (1, {"pa": len(border().documents) + 1})
        await reader.acknowledge(item, "opened", officer="exercise")
        await both.settle()
        told = await author.everything()
        assert {(type(each), each.came.node) for each in told} == {
            (Acked, "us"),
            (Noticed, "us"),
        }
        assert (await author.prove()).count == len(told)
        of = story.posted(author.world.outbox, prepared.header.id)
        past = story.past([of], of, told)
        ways = {
            name: [each.step for each in story.of_address(past, name, author.trust.newest, NOW)]
            for name in (WATCH, COAST)
        }
        assert "acknowledged" in ways[WATCH]
        assert "refused-abroad" in ways[COAST]
