"""A directory larger than a page: its documents come first, in pages of their own."""

from __future__ import annotations

import msgspec
import pytest
from aiohttp import web

from exchange.cli.serve import log_signers
from exchange.link.pages import Asked
from exchange.model import entry as entries
from exchange.seal.software import load
from tests.builders import DESK, WATCH, border
from tests.link.bordered import bordered

# The founding documents of two nations are some 40 kB each, a subscription some 5.
MOST = 60_000


class Weighed:
    """How large each page was that Panama's node told."""

    def __init__(self):
        self.bytes = []

    def __call__(self, app, name):
        @web.middleware
        async def weigh(request, handler):
            answer = await handler(request)
            if name == "pa" and request.path == "/entries":
                self.bytes.append(len(answer.body))
            return answer

        app.middlewares.insert(0, weigh)
        return app


async def subscribed(side, first, last):
    for version in range(first, last + 1):
        raw = border().subscription(DESK, version=version)
        assert (await side.post(raw, DESK)).refusal is None


async def pulled(side):
    """Pull until nothing comes; how many pages there were before the first bulletin."""
    pages = 0
    while await side.puller.pull():
        pages += not await side.inbox(WATCH)
    return pages


async def test_more_trust_than_a_page_comes_alone_first_and_no_page_is_larger():
    weighed = Weighed()
    async with bordered(weighed, trust_bytes=MOST) as both:
        sealed = border().envelope()
        await both.pa.post(sealed)
        await subscribed(both.pa, 1, 12)
        await both.pa.sign()
        assert await pulled(both.us) > 3
        assert [each.object for each in await both.us.inbox(WATCH)] == [sealed.header]
        there = both.us.node.writer.homes.newest("pa")
        assert there.subscriptions[DESK].version == 12
        # The largest of them is a page by itself.
        assert max(weighed.bytes) < MOST + 20_000


@pytest.mark.parametrize("signed", [True, False])
async def test_keys_handed_over_in_the_middle_of_much_trust_stop_no_link(signed):
    new = border().founder.new_node("pa")
    logs = log_signers("pa", new)
    weighed = Weighed()
    async with bordered(weighed, trust_bytes=MOST, next_logs=[logs]) as both:
        await subscribed(both.pa, 1, 12)
        if signed:
            # Else nothing was signed by the old keys that it could be told under.
            await both.pa.sign()
        await subscribed(both.pa, 13, 14)
        before = both.pa.node.view.nodes["pa"]
        listed = msgspec.structs.replace(
            before, version=2, log=[load(key)[0] for key in new.of("log")]
        )
        assert (await both.pa.post(border().signed(listed, ["pa"]), "")).refusal is None
        await subscribed(both.pa, 15, 30)
        sealed = border().envelope()
        await both.pa.post(sealed)
        await both.pa.sign()
        await pulled(both.us)
        assert [each.object for each in await both.us.inbox(WATCH)] == [sealed.header]
        there = both.us.node.writer.homes.newest("pa")
        assert (there.nodes["pa"].version, there.subscriptions[DESK].version) == (2, 30)
        # Where nothing was signed before the new keys, a page reaches as far as those.
        assert (max(weighed.bytes) < MOST + 20_000) is signed


async def test_who_has_a_trust_entry_is_not_told_it_again():
    async with bordered() as both:
        await both.settle()
        far, at = both.us.puller._far, both.us.puller.pulled
        await both.pa.post(border().envelope())
        await subscribed(both.pa, 1, 1)
        await both.pa.sign()
        trust = both.pa.node.view.index
        page = await far.entries(at.after, at.size, Asked(trust=trust - 1))
        assert [each.index for each in page.items] == [at.size + 1, trust]
        page = await far.entries(at.after, at.size, Asked(trust=trust))
        assert [type(each.facts) for each in page.items] == [entries.Accepted]
