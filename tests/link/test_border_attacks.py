"""A node that lies to the other one: what it cannot prove stops the link, and is kept."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec
import pytest
from aiohttp import web

from exchange.errors import Code, Fault, Refusal
from exchange.link import pages
from exchange.link.proving import Forked, prove
from exchange.model import entry as entries
from exchange.model import wire
from tests.builders import COAST, WATCH, border
from tests.link.bordered import bordered


def altering(change):
    """A node that changes what it offers; before the first change it is honest."""

    def between(app, name):
        if name != "pa":
            return app

        @web.middleware
        async def lie(request, handler):
            answer = await handler(request)
            if request.path != "/entries" or answer.status != 200:
                return answer
            line, _, _ = answer.body.partition(b"\n")
            told = msgspec.json.decode(line, type=wire.LinkPage)
            bodies = {}
            for each, offered in zip(
                told.items, pages.decode(answer.body, "pa").items, strict=True
            ):
                bodies[tuple(each.path)] = offered.body or b""
            page = change(told)
            return web.Response(
                body=pages.encode(page, [bodies[tuple(each.path)] for each in page.items])
            )

        app.middlewares.append(lie)
        return app

    return between


class Lie:
    """Told from some moment on."""

    def __init__(self, change):
        self.change = change
        self.is_told = False

    def __call__(self, page):
        return self.change(page) if self.is_told else page


def spoiled(page, place, **changes):
    items = list(page.items)
    items[place] = msgspec.structs.replace(items[place], **changes)
    return msgspec.structs.replace(page, items=items)


def left_out(page):
    """Every first bulletin withheld."""
    kept = [each for each in page.items if '"kind":"accepted"' not in each.entry[:24]]
    others = [each for each in page.items if each not in kept][1:]
    return msgspec.structs.replace(page, items=[*kept, *others])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (left_out, Code.ITEM_WITHHELD),
        (lambda page: spoiled(page, 0, index=page.items[1].index), Code.BAD_PROOF),
        (
            lambda page: spoiled(
                page, 0, entry=page.items[0].entry.replace('"late":false', '"late":true')
            ),
            Code.BAD_PROOF,
        ),
        (
            lambda page: msgspec.structs.replace(page, items=page.items[::-1]),
            Code.ITEM_WITHHELD,
        ),
        (
            lambda page: msgspec.structs.replace(page, note=page.note.replace("A", "B", 1)),
            Code.BAD_CHECKPOINT,
        ),
        (lambda page: msgspec.structs.replace(page, grown=[]), Code.HEAD_WENT_BACK),
    ],
)
async def test_what_is_not_proved_is_not_taken_in_and_stops_the_link(change, code):
    land, lie = border(), Lie(change)
    async with bordered(altering(lie)) as both:
        await both.settle()
        for _ in range(3):
            await both.pa.post(land.envelope())
        await both.pa.sign()
        lie.is_told = True
        size = both.us.node.size
        async with asyncio.timeout(10):
            await both.us.puller.run()
        assert both.us.puller.trouble.code is code
        assert both.us.node.size == size
        # What this node does for its own is as it was; so is what it offers.
        assert (await both.us.post(land.subscription(COAST), COAST)).refusal is None
        await both.us.sign()
        assert await both.pa.puller.pull() == 1


async def test_another_past_convicts_the_node_that_signed_it():
    land, notes = border(), []

    def other_past(page):
        return msgspec.structs.replace(page, note=notes[0], grown=[])

    lie = Lie(other_past)
    async with bordered(altering(lie)) as both, bordered() as fork:
        await both.settle()
        await fork.settle()
        await both.pa.post(land.envelope())
        await both.settle(1)
        # The same keys sign another journal of the same length, or longer.
        while fork.pa.node.size <= both.pa.node.size:
            await fork.pa.post(land.envelope())
            await fork.pa.sign()
        notes.append(fork.pa.node.newest.decode())
        await both.pa.post(land.envelope())
        await both.pa.sign()
        lie.is_told = True
        with pytest.raises(Refusal) as refused:
            await both.us.puller.pull()
        assert refused.value.code is Code.HEAD_WENT_BACK
        (evidence,) = both.us.memory.evidence
        assert notes[0].encode() in evidence

        # The verdict stands where what proves it cannot be written.
        def full(*_):
            raise Fault(Code.FILE)

        both.us.memory.accuse = full
        async with asyncio.timeout(10):
            await both.us.puller.run()
        assert both.us.puller.trouble.code is Code.HEAD_WENT_BACK


async def test_a_link_that_is_cut_again_and_again_loses_and_doubles_nothing():
    land, count = border(), 0

    def between(app, _):
        @web.middleware
        async def cut(request, handler):
            nonlocal count
            count += 1
            if count % 3 == 0 and request.path not in ("/nonce", "/session"):
                request.transport.abort()
            return await handler(request)

        app.middlewares.append(cut)
        return app

    async with bordered(between) as both:
        sent = []
        for _ in range(12):
            for side, other in ((both.pa, both.us), (both.us, both.pa)):
                await other.sign()
                with suppress(Fault):
                    await side.puller.pull()
            if both.us.node.writer.homes.newest("pa").arrangement is not None:
                sealed = land.envelope()
                sent.append(sealed.header)
                assert (await both.pa.post(sealed)).refusal is None
        for _ in range(40):
            await both.pa.sign()
            with suppress(Fault):
                await both.us.puller.pull()
        assert len(sent) > 3
        assert [each.object for each in await both.us.inbox(WATCH)] == sent


async def test_each_side_goes_on_while_the_other_is_away_and_both_converge():
    land = border()
    async with bordered() as both:
        await both.settle()
        sent = []
        for _ in range(5):
            sealed = land.envelope()
            sent.append(sealed.header)
            await both.pa.post(sealed)
            # A day goes by on both sides; nobody pulled.
            both.clock.ms += 1000
            await both.us.post(land.ack(sealed, WATCH), WATCH)
        await both.settle()
        items = await both.us.inbox(WATCH)
        assert [each.object for each in items] == sent
        assert all(isinstance(each.facts, entries.Accepted) for each in items)


async def test_what_comes_late_is_taken_in_and_says_so():
    land = border()
    async with bordered() as both:
        await both.settle()
        await both.pa.post(land.envelope())
        await both.pa.sign()
        both.clock.ms += 6 * 3600 * 1000
        await both.us.puller.pull()
        (item,) = await both.us.inbox(WATCH)
        at_home = entries.decode(item.at_home).facts
        assert (at_home.late, item.facts.late) == (False, True)
        assert item.facts.taken_ms - at_home.taken_ms == 6 * 3600 * 1000


async def cosigned(both, monkeypatch):
    """A checkpoint of Panama's that is said to be cosigned; more was entered since."""
    await both.settle()
    await both.pa.post(border().envelope())
    await both.settle(1)
    note = both.pa.node.newest
    monkeypatch.setattr(type(both.pa.node), "cosigned", property(lambda node: notes[node.name]))
    notes = {"pa": note, "us": None}
    await both.pa.post(border().envelope())
    await both.pa.sign()
    return notes


async def test_what_witnesses_vouch_for_comes_with_proof_that_the_page_goes_on_from_it(
    monkeypatch,
):
    pages_seen = []
    lie = Lie(lambda page: pages_seen.append(page) or page)
    async with bordered(altering(lie)) as both:
        notes = await cosigned(both, monkeypatch)
        lie.is_told = True
        assert await both.us.puller.pull()
        (page,) = pages_seen
        assert page.vouched.encode() == notes["pa"]
        assert page.since_vouched
        # One that was cosigned after the page's was taken comes with the next.
        notes["pa"] = both.pa.node.newest
        note = (await both.us.puller._far.entries(-1, 0)).note
        await both.pa.post(border().envelope())
        await both.pa.sign()
        newer, notes["pa"] = both.pa.node.newest, both.pa.node.newest
        monkeypatch.setattr(type(both.pa.node), "newest", property(lambda _: note))
        assert (await both.us.puller._far.entries(-1, 0)).vouched == b""
        assert newer != note


@pytest.mark.parametrize(
    ("change", "code", "at"),
    [
        (lambda page, _: {"since_vouched": page.since_vouched[1:]}, Code.JOURNAL_FORKED, ""),
        (lambda _, other: {"vouched": other, "since_vouched": []}, Code.JOURNAL_FORKED, ""),
        (
            lambda page, _: {"vouched": page.vouched.replace("A", "B", 1)},
            Code.BAD_CHECKPOINT,
            None,
        ),
    ],
)
async def test_what_witnesses_vouch_for_is_of_the_same_past_or_convicts(
    monkeypatch, change, code, at
):
    others = []
    lie = Lie(lambda page: msgspec.structs.replace(page, **change(page, others[0])))
    async with bordered(altering(lie)) as both, bordered() as fork:
        await fork.settle()
        others.append(fork.pa.node.newest.decode())
        await cosigned(both, monkeypatch)
        lie.is_told = True
        async with asyncio.timeout(10):
            await both.us.puller.run()
        assert both.us.puller.trouble.code is code
        if at is not None:
            assert both.us.puller.trouble.at == "/vouched"
            assert len(both.us.memory.evidence) == 1


async def test_what_is_vouched_for_beyond_the_page_is_no_proof(monkeypatch):
    notes = []
    lie = Lie(lambda page: msgspec.structs.replace(page, vouched=notes[0], since_vouched=[]))
    async with bordered(altering(lie)) as both:
        await cosigned(both, monkeypatch)
        at = both.pa.node.newest
        await both.pa.post(border().envelope())
        await both.pa.sign()
        notes.append(both.pa.node.newest.decode())
        monkeypatch.setattr(type(both.pa.node), "newest", property(lambda _: at))
        lie.is_told = True
        async with asyncio.timeout(10):
            await both.us.puller.run()
        trouble = both.us.puller.trouble
        assert (trouble.code, trouble.at) == (Code.BAD_PROOF, "/vouched")


async def test_what_is_vouched_for_by_an_older_program_accuses_nobody_and_counts_for_nothing(
    monkeypatch,
):
    lie = Lie(lambda page: msgspec.structs.replace(page, since_vouched=None))
    async with bordered(altering(lie)) as both:
        await cosigned(both, monkeypatch)
        lie.is_told = True
        assert (await both.us.puller._far.entries(-1, 0)).vouched == b""
        assert await both.us.puller.pull()


async def test_signatures_of_what_is_vouched_for_are_verified_once_and_its_past_each_time(
    monkeypatch,
):
    async with bordered() as both:
        notes = await cosigned(both, monkeypatch)
        puller, before = both.us.puller, both.us.puller.pulled
        page = await puller._far.entries(before.after, before.size)
        spoilt = notes["pa"][:-20] + b"A" * 16 + notes["pa"][-4:]
        told = page._replace(vouched=spoilt)
        with pytest.raises(Refusal) as refused:
            prove(told, before, puller.ground())
        assert refused.value.code is Code.BAD_CHECKPOINT
        # The very bytes held on the page before.
        same = puller.ground()._replace(vouched=spoilt)
        assert prove(told, before, same).after == page.cursor
        with pytest.raises(Forked):
            prove(told._replace(since_vouched=page.since_vouched[1:]), before, same)
        await puller.pull()
        assert puller.ground().vouched == notes["pa"]
