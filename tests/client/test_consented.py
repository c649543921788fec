"""Taking leave back: also what a colleague gave, and what waits to be sent."""

from __future__ import annotations

from contextlib import asynccontextmanager

import msgspec
from aiohttp import web

from exchange.client import consented, consenting
from exchange.client.reading import Consented
from exchange.model import objects
from exchange.seal.close import Envelope
from tests.builders import COAST, NOW_MS, world
from tests.client.dealing import fronted, lied_to
from tests.client.granting import line, read
from tests.consented import consent, controlled
from tests.node.running import Clock, post
from tests.vectors.forging import payload_of

W = world()


@asynccontextmanager
async def waiting(door, tmp_path, url):
    """An originator with a consent that is kept, and not sent yet."""
    of = controlled(W).envelope
    await post(door.node, of)
    raw = consent(W, of)
    made = objects.decode_consent(payload_of(raw))
    # Its clock was set back since.
    async with line(url, tmp_path, clock=Clock(NOW_MS - 1000)) as sender:
        await sender.everything()
        sender.world.outbox.keep(made.id, Envelope(raw, b""))
        yield sender, made


async def told(door, tmp_path):
    """What its giver is told: until when, in order."""
    items = await read(door.url, tmp_path, COAST)
    return [each.consent.until for each in items if isinstance(each, Consented)]


async def test_a_consent_that_waits_is_sent_before_it_is_taken_back(tmp_path):
    async with lied_to() as (door, _, url), waiting(door, tmp_path, url) as (sender, made):
        assert consented.given(sender, [], made.of.id) == [made]
        (row,) = consented.standing(sender, [])
        assert row.state == "granted"
        _, index = await consenting.take_back(sender, made)
        assert index is not None
        assert await told(door, tmp_path) == [made.until, None]
        assert consented.given(sender, [], made.of.id) == []


async def test_while_the_node_is_away_both_wait_and_go_in_their_order(tmp_path):
    async with lied_to() as (door, liar, _):
        left = [0]

        async def handle(asked):
            left[0] -= 1
            return web.Response(status=503) if left[0] >= 0 else await liar.handle(asked)

        async with fronted(handle) as url, waiting(door, tmp_path, url) as (sender, made):
            # Back at once: what is sent then would be refused, and the consent stand.
            left[0] = 1
            back, index = await consenting.take_back(sender, made)
            assert (back.until, index) == (None, None)
            # What waits counts as said last.
            assert consented.given(sender, [], None, [(10**6, made)]) == []
            assert len(await sender.resume()) == 2
            assert await told(door, tmp_path) == [made.until, None]


async def test_what_a_colleague_gave_is_known_by_what_is_listed_of_a_journal(tmp_path):
    of = controlled(W).envelope
    raw, other = consent(W, of), consent(W, of, to="us.jiatfs/watch")
    said = [objects.decode_consent(payload_of(each)) for each in (raw, other)]
    async with lied_to() as (_, _, url), line(url, tmp_path) as sender:
        assert consented.given(sender, [], None) == []
        listed = list(enumerate(said))
        assert consented.given(sender, [], None, listed) == said
        assert consented.given(sender, [], said[0].id, listed) == said[:1]
        gone = [*listed, (9, msgspec.structs.replace(said[0], until=None))]
        assert consented.given(sender, [], None, gone) == said[1:]
    async with lied_to() as (_, _, url), line(url, tmp_path, COAST) as stranger:
        assert consented.given(stranger, [], None, listed) == []
