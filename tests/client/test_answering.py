"""Granting what was asked for: what one meets with holds up no other, and all of it is told."""

from __future__ import annotations

from contextlib import asynccontextmanager

import msgspec
from aiohttp import web

from exchange.client import answering, granting, requesting
from exchange.client.kept import KeptKeys
from exchange.client.requesting import Ask
from exchange.errors import Code
from tests.api.serving import serving
from tests.builders import COAST, OPS, WATCH, refers, world
from tests.client.dealing import draft, fronted, lied_to
from tests.client.granting import line, read
from tests.consented import HELD
from tests.node.running import post

W = world()


@asynccontextmanager
async def asked_for(door, tmp_path, url=None):
    """Who was asked by COAST for the maritime feed, and had posted two bulletins on it."""
    async with line(door.url, tmp_path) as sender:
        ids = []
        for _ in range(2):
            prepared = await sender.prepare(draft())
            await sender.post(prepared)
            ids.append(prepared.header.id)
    async with line(door.url, tmp_path, COAST) as asker:
        view, _ = await asker.known_view()
        await asker.send(*requesting.asked(asker, Ask(OPS, "maritime", 0), view))
    async with line(url or door.url, tmp_path) as sender:
        yield sender, sorted(ids)


async def known(sender):
    items = (await sender.known()).items
    (found,) = requesting.every(sender.world.outbox, items)
    return found


async def grant(sender):
    """What ``request grant`` does, once it was agreed to."""
    asked = await known(sender)
    names = requesting.matching(asked.request, sender.world.outbox)
    prepared = [await sender.prepare_grant(name, COAST) for name in names]
    return await answering.grant(sender, asked, prepared)


async def told(door, tmp_path):
    """What the asker is told: what came of its request, and what it was granted."""
    items = await read(door.url, tmp_path, COAST)
    async with line(door.url, tmp_path, COAST) as asker:
        (found,) = requesting.every(asker.world.outbox, items)
    return found.state, sorted(found.granted)


async def test_what_the_node_alone_refuses_holds_up_no_other(tmp_path):
    async with serving() as door, asked_for(door, tmp_path) as (sender, ids):
        held = W.envelope(origin="us.jiatfs", endpoint=WATCH, to=[OPS], marking=HELD)
        await post(door.node, held)
        # It cites what the asker may not have: no client looks at that, the node does.
        citing = W.closed(to=[WATCH], refs=refers("answers", held))
        sender._poster.remember_key(citing)
        await sender.send(citing.header.id, citing.envelope)
        done = await grant(sender)
        assert sorted(done.granted) == ids
        (refused,) = done.refused.items()
        assert (refused[0], refused[1].code) == (citing.header.id, Code.ORIGINATOR_CONTROL)
        assert await told(door, tmp_path) == ("granted", ids)


async def test_without_anything_granted_there_is_no_answer(tmp_path):
    async with serving() as door, asked_for(door, tmp_path) as (sender, ids):
        for each in ids:
            KeptKeys(sender.world.cabinet).destroy(each)
        done = await grant(sender)
        assert (done.granted, sorted(done.refused), done.answer) == ({}, ids, None)
        assert await told(door, tmp_path) == ("open", [])


async def test_what_was_granted_before_it_was_cut_off_is_told_once_it_is_said_again(tmp_path):
    async with serving() as door, asked_for(door, tmp_path) as (sender, ids):
        for each in ids:
            await sender.grant(await sender.prepare_grant(each, COAST))
        assert await told(door, tmp_path) == ("open", ids)
        asked = await known(sender)
        box, request = sender.world.outbox, asked.request
        assert sorted(answering.untold(asked, box)) == ids
        # Of what it asks for, and to who asks.
        for changes in ({"feed": "requests"}, {"endpoint": WATCH}):
            other = msgspec.structs.replace(request, **changes)
            other = msgspec.structs.replace(asked, request=other)
            assert answering.untold(other, box) == {}
        done = await grant(sender)
        assert (sorted(done.granted), done.refused) == (ids, {})
        assert None not in done.granted.values()
        assert await told(door, tmp_path) == ("granted", ids)
        # Told once, it is told.
        assert answering.untold(await known(sender), sender.world.outbox) == {}


async def test_what_was_granted_before_it_was_asked_for_is_no_answer(tmp_path):
    async with serving() as door:
        async with line(door.url, tmp_path) as sender:
            prepared = await sender.prepare(draft())
            await sender.post(prepared)
            await sender.grant(await sender.prepare_grant(prepared.header.id, COAST))
        async with asked_for(door, tmp_path) as (sender, ids):
            done = await grant(sender)
            assert sorted(done.granted) == ids


async def test_while_the_node_is_away_all_of_it_waits_and_goes_later(tmp_path):
    async with lied_to() as (door, liar, _):
        is_away, tries = [False], []

        async def handle(asked):
            if not is_away[0]:
                return await liar.handle(asked)
            tries.append(asked.method)
            return web.Response(status=503)

        async with fronted(handle) as url, asked_for(door, tmp_path, url) as (sender, ids):
            await sender.everything()
            is_away[0] = True
            done = await grant(sender)
            assert done.granted == dict.fromkeys(ids)
            assert (done.index, done.why.code) == (None, Code.UNAVAILABLE)
            # Asked once, and not for each of them.
            assert tries.count("POST") == 1
            waits = sender.world.outbox.waiting()
            assert (len(waits), done.answer in waits) == (3, True)
            is_away[0] = False
            assert len(await sender.resume()) == 3
            assert await told(door, tmp_path) == ("granted", ids)


async def test_a_grant_that_waits_is_sent_before_it_is_told(tmp_path):
    async with serving() as door, asked_for(door, tmp_path) as (sender, ids):
        prepared = await sender.prepare_grant(ids[0], COAST)
        identity, now = sender.new_id(), sender.world.now()
        kept = sender.world.kept
        envelope = granting.sign(prepared, kept, sender.keys, identity, now)
        sender.world.outbox.keep(identity, envelope)
        done = await grant(sender)
        assert sorted(done.granted) == ids
        assert sender.world.outbox.waiting() == []
        assert await told(door, tmp_path) == ("granted", ids)
