"""A boarding request over the border: silence there is a fact only once it is proved here."""

from __future__ import annotations

import msgspec
import pytest

from exchange.broker import due, keys, retaining
from exchange.broker.replay import Replayer
from exchange.link.pages import Page
from exchange.model import entry as entries
from exchange.model import objects
from exchange.model.ticking import Ticking
from exchange.model.view import View
from exchange.node.crossed import Place
from exchange.seal import jws
from tests.builders import (
    COAST,
    NOW,
    OPS,
    WATCH,
    border,
    digest,
    refers,
)
from tests.link.asking import DEEMED, DUE, begin, reply, step
from tests.link.bordered import Border, Side, bordered


async def news(side: Side, endpoint: str) -> list[objects.Notice]:
    """Return what nodes told an endpoint."""
    return [
        objects.decode_notice(jws.read(each.object, objects.MAX_OBJECT_BYTES).payload)
        for each in await side.inbox(endpoint)
        if isinstance(each.facts, entries.Noticed)
    ]


async def abouts(side: Side, endpoint: str) -> list[str]:
    return [each.about for each in await news(side, endpoint)]


async def replays(both: Border) -> None:
    """Hold both journals to the rules, from their first entries."""
    for side in (both.pa, both.us):
        node = side.node
        rows = await node.store.read(0, 1000)
        documents = {}
        for row in rows:
            facts = entries.decode(row.entry).facts
            if isinstance(facts, entries.Trust | entries.TrustReceived):
                documents[facts.document.digest] = await node.store.blob(facts.document.digest)
        raw = [row.entry for row in rows]
        replayer = Replayer(View(anchor=border().anchor), raw.__getitem__, documents.get)
        for each in raw:
            replayer.step(each)
        assert sorted(replayer.due.values()) == sorted(await node.store.all_due())


async def test_silence_is_deemed_where_it_was_asked_and_here_once_it_is_proved():
    async with bordered() as both:
        await begin(both)
        (told,) = await news(both.pa, OPS)
        assert (told.about, told.node, told.code) == ("clock", "us", "salas-becker")
        assert (told.clock.taken, told.clock.due) == (NOW, DUE)
        assert await abouts(both.us, WATCH) == ["clock"]
        both.clock.ms = DUE * 1000
        await step(both)
        assert await abouts(both.pa, OPS) == ["clock"]
        both.clock.ms += 61_000
        # The link is cut: nothing of theirs is seen here since.
        await both.us.sign()
        await both.pa.sign()
        for side in (both.us, both.pa):
            await side.node.clocks.step()
        assert await abouts(both.us, WATCH) == ["clock", "reminder", "deemed"]
        assert await abouts(both.pa, OPS) == ["clock"]
        # It heals.
        await step(both)
        deemed = (await news(both.pa, OPS))[-1]
        assert (deemed.about, deemed.code, deemed.node) == ("deemed", "deemed-consent", "pa")
        assert (deemed.clock.node, deemed.clock.dated > DUE) == ("us", True)
        await step(both)
        assert await abouts(both.pa, OPS) == ["clock", "deemed"]
        await replays(both)


async def test_reply_at_the_last_second_that_crosses_late_is_an_answer():
    async with bordered() as both:
        request = await begin(both)
        both.clock.ms = DUE * 1000
        await both.us.post(reply(request), WATCH)
        both.clock.ms += 1000
        await both.pa.node.clocks.step()
        assert await abouts(both.pa, OPS) == ["clock"]
        await step(both)
        assert await abouts(both.pa, OPS) == ["clock"]
        assert not await both.pa.node.store.due(due.SILENT, DUE + 9, 9, due.FIRST)
        assert not await both.us.node.store.due(due.SILENT, DUE + 9, 9, due.FIRST)
        await replays(both)


async def test_nothing_is_deemed_where_what_came_since_could_not_be_taken_in():
    for index, outcome in ((0, ["clock", "deemed"]), (10**6, ["clock"])):
        async with bordered() as both:
            await begin(both)
            # Our node refused what took this place there, before the request or since.
            both.pa.node.crossed.add("us", OPS, [Place(0, index, "A" * 43)])
            both.clock.ms = DUE * 1000 + 61_000
            for _ in range(2):
                await step(both)
            assert await abouts(both.pa, OPS) == outcome


async def test_late_reply_does_not_undo_what_silence_came_to():
    async with bordered() as both:
        request = await begin(both)
        both.clock.ms = (DUE + 1) * 1000
        await both.us.post(reply(request), WATCH)
        await step(both)
        assert "deemed" in await abouts(both.pa, OPS)
        await replays(both)


async def test_nothing_is_deemed_where_consent_is_express_or_the_request_was_cancelled():
    async with bordered() as both:
        await begin(both, msgspec.structs.replace(DEEMED, silence="express"))
        both.clock.ms = (DUE + 1) * 1000
        # What theirs tells comes first: it is what is later than the time.
        for _ in range(2):
            await step(both)
        assert (await abouts(both.pa, OPS))[-1] == "overdue"
        await replays(both)
    async with bordered() as both:
        request = await begin(both)
        cancel = border().envelope(
            type="can", verb="cancel", to=[WATCH], refs=refers("cancels", request)
        )
        await both.pa.post(cancel)
        await both.settle()
        both.clock.ms = (DUE + 1) * 1000
        await step(both)
        assert await abouts(both.pa, OPS) == ["clock"]
        assert await abouts(both.us, WATCH) == ["clock"]


async def test_reply_by_who_was_not_asked_stops_no_clock():
    async with bordered() as both:
        request = await begin(both)
        await both.us.post(reply(request, endpoint=COAST), COAST)
        both.clock.ms = (DUE + 1) * 1000
        await step(both)
        assert (await abouts(both.pa, OPS))[-1] == "deemed"


async def test_request_that_was_cancelled_before_its_time_was_heard_of_waits_for_nothing():
    async with bordered() as both:
        request = await begin(both, told=False)
        cancel = border().envelope(
            type="can", verb="cancel", to=[WATCH], refs=refers("cancels", request)
        )
        await both.us.node.clocks.step()
        await both.pa.post(cancel)
        await both.us.sign()
        while await both.pa.puller.pull():
            pass
        assert await abouts(both.pa, OPS) == ["clock"]
        assert not await both.pa.node.store.due(due.SILENT, DUE + 9, 9, due.FIRST)


@pytest.mark.parametrize(
    "lie",
    [
        {"node": "pa"},
        {"due": DUE - 1},
        {"silence": "deemed-refusal"},
        {"regime": "other"},
        {"taken": NOW + 1, "due": DUE + 1},
        # Before it was asked: over the sooner.
        {"taken": NOW - 9000},
        {"note": "AAAA"},
    ],
)
async def test_time_that_was_not_agreed_here_is_not_heard(lie):
    async with bordered() as both:
        request = await begin(both, told=False)
        key = keys.by_digest(digest(request.header))
        found = (await both.us.node.store.find([key]))[key]
        time = Ticking("salas-becker", "deemed-consent", "us", found.index, NOW, DUE, "", 0)
        said = msgspec.structs.replace(time, **lie)
        raw = border().notice(
            request, node="us", about="clock", code="salas-becker", clock=said
        )
        await both.us.node.writer.enter(
            lambda ledger, _: retaining.notify(ledger, raw, found.index, [OPS])
        )
        await both.settle()
        assert await abouts(both.pa, OPS) == []
        assert not await both.pa.node.store.due(due.SILENT, DUE + 9, 9, due.FIRST)
        rows = await both.pa.node.store.read(0, 1000)
        refused = [entries.decode(row.entry).facts for row in rows][-3:]
        assert "/clock" in {getattr(each, "at", "")[:6] for each in refused}


async def test_what_silence_came_to_is_not_heard_of_the_other_node():
    async with bordered() as both:
        request = await begin(both)
        key = keys.by_digest(digest(request.header))
        found = (await both.us.node.store.find([key]))[key]
        told = Ticking("salas-becker", "deemed-consent", "us", found.index, NOW, DUE, "", 0)
        raw = border().notice(
            request, node="us", about="deemed", code="deemed-consent", clock=told
        )
        await both.us.node.writer.enter(
            lambda ledger, _: retaining.notify(ledger, raw, found.index, [OPS])
        )
        await both.settle()
        assert await abouts(both.pa, OPS) == ["clock"]


async def test_date_of_a_checkpoint_alone_proves_no_silence():
    async with bordered() as both:
        await begin(both)
        both.clock.ms = (DUE + 61) * 1000
        await both.us.sign()
        clocks, note = both.pa.node.clocks, both.us.node.newest
        # A reply taken in before may be entered after it.
        clocks.cover("us", note, DUE)
        await clocks.step()
        assert await abouts(both.pa, OPS) == ["clock"]
        clocks.cover("us", note, DUE + 1)
        await clocks.step()
        assert await abouts(both.pa, OPS) == ["clock", "deemed"]


async def test_checkpoint_covers_nothing_before_all_up_to_it_was_looked_through():
    async with bordered() as both:
        await begin(both)
        both.clock.ms = (DUE + 61) * 1000
        await both.us.sign()
        puller, note = both.pa.puller, both.us.node.newest
        done = puller.pulled
        puller.pulled = msgspec.structs.replace(done, after=done.size - 2)
        puller._cover(Page([], 0, note, []))
        for lacks in ({"gone": {1: NOW}}, {"waiting": {1: None}}):
            puller.pulled = msgspec.structs.replace(done, after=999, **lacks)
            puller._cover(Page([], 0, note, []))
        await both.pa.node.clocks.step()
        assert await abouts(both.pa, OPS) == ["clock"]
