"""Fronts judge what crosses, ahead of time: believed where they can be, else judged here."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import msgspec
import pytest

from exchange.broker import peering
from exchange.broker.peering import Crossing
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.node import frames, judging
from exchange.node.judging import VIEWS, Asking, Assessor
from exchange.seal import body as bodies
from tests.builders import COAST, DESK, WATCH, border, digest
from tests.link.bordered import bordered
from tests.link.test_border_attacks import Lie, altering, spoiled


class Front:
    """A front's half of judging and the node's, joined by what they say; it may lie."""

    def __init__(self):
        self.asking = Asking(self._asked)
        self._assessor = Assessor(self._answered)
        self.lie = lambda said: said
        self.judged = 0
        self.is_mute = False
        self.told = []

    def _asked(self, message):
        if isinstance(message, frames.HomeView):
            self.told.append(message)
        self._assessor.hear(frames.WRITER.decode(msgspec.msgpack.encode(message)))

    def _answered(self, message):
        told = frames.FRONT.decode(msgspec.msgpack.encode(message))
        self.judged += len(told.found)
        if not self.is_mute:
            self.asking.heard(told.ticket, self.lie(told.found))


class Here:
    """Counts what a node judges by itself, of what may be judged elsewhere."""

    def __init__(self, monkeypatch):
        self.count = 0
        plain = peering.consider

        def counted(crossing, *args):
            self.count += not isinstance(peering.facts_of(crossing), entries.Trust)
            return plain(crossing, *args)

        monkeypatch.setattr(peering, "consider", counted)


@asynccontextmanager
async def fronted(between=lambda app, _: app):
    """Two nodes that know each other; the American one has a front."""
    async with bordered(between) as both:
        await both.settle()
        front = Front()
        both.us.node.judging.ways = lambda: [front.asking]
        yield both, front


async def posted(both, count=3):
    made = [border().envelope() for _ in range(count)]
    for each in made:
        assert (await both.pa.post(each)).refusal is None
    return made


async def test_what_a_front_judged_is_taken_in_and_judged_no_more(monkeypatch):
    here = Here(monkeypatch)
    async with fronted() as (both, front):
        made = await posted(both, 20)
        closed = border().closed(to=[WATCH])
        await both.pa.post(closed.envelope)
        await both.pa.post(border().grant(closed, COAST))
        await both.settle()
        inbox = [each.object for each in await both.us.inbox(WATCH)]
        assert inbox == [*(each.header for each in made), closed.envelope.header]
        assert isinstance((await both.us.inbox(COAST))[-1].facts, entries.Granted)
        # Twenty bulletins, one more, and its grant: each once, though it was judged ahead.
        assert (front.judged, here.count) == (22, 0)
        ack = border().ack(made[0], WATCH)
        await both.us.post(ack, WATCH)
        await both.settle()
        # The other one has no front.
        assert here.count == 1


async def test_what_comes_under_new_trust_is_judged_under_it():
    async with fronted() as (both, front):
        before = await posted(both)
        await both.pa.sign()
        page = await both.us.puller._far.entries(both.us.puller.pulled.after, 0)
        assert len(page.items) == 3
        for number in range(1, VIEWS + 2):
            await both.pa.post(border().subscription(WATCH, version=number), WATCH)
            before += await posted(both)
        await both.settle()
        assert [each.object for each in await both.us.inbox(WATCH)] == [
            each.header for each in before
        ]
        # Of one view too many they are judged here; those of the page pulled above were before.
        assert front.judged == len(before) - 3


async def test_of_a_page_of_many_views_those_that_most_stand_under_are_told_once_each():
    async with fronted() as (both, front):
        crossings = []
        for number in range(1, VIEWS + 2):
            for _ in range(2 if number <= VIEWS else 1):
                envelope = border().envelope()
                index = (await both.pa.post(envelope)).receipt.index
                (row,) = await both.pa.node.store.read(index, 1)
                home = entries.Home("pa", index)
                crossings.append(Crossing(home, row.entry, envelope.body))
            await both.pa.post(border().subscription(WATCH, version=number), WATCH)
        await both.settle()
        front.told.clear()
        both.us.node.judging.begin([*crossings[::2], *crossings[1::2]])
        # The last crossing is all that stands under the newest view.
        under = {both.us.node.judging._under(each).index for each in crossings[:-1]}
        assert sorted(each.index for each in front.told) == sorted(under)
        assert len(under) == VIEWS


@pytest.mark.parametrize("lie", [lambda said: [False] * len(said), lambda said: said[1:]])
async def test_what_a_front_does_not_say_yes_to_is_judged_here(lie, monkeypatch):
    here = Here(monkeypatch)
    async with fronted() as (both, front):
        front.lie = lie
        made = await posted(both)
        await both.settle()
        items = await both.us.inbox(WATCH)
        assert [each.object for each in items] == [each.header for each in made]
        assert here.count == 3 - sum(lie([True] * 3))


async def test_a_front_that_keeps_silent_is_waited_for_once_and_passed_over(monkeypatch):
    here = Here(monkeypatch)
    async with fronted() as (both, front):
        front.is_mute = True
        kept = []
        monkeypatch.setattr(front.asking, "pass_over", counted(front.asking.pass_over, kept))
        for count in (3, 6):
            await posted(both)
            async with asyncio.timeout(10):
                await both.settle()
            assert len(await both.us.inbox(WATCH)) == here.count == count
        assert (front.judged, front.asking.under_way, len(kept)) == (3, 3, 1)
        # It goes on, says what it was asked, and is asked again: after a while, and not before.
        with monkeypatch.context() as soon:
            soon.setattr(judging, "_PASSED_OVER_S", 0)
            assert front.asking.is_passed_over
        front.is_mute = False
        front.asking.heard(1, [True] * 3)
        assert (front.asking.under_way, front.asking.is_passed_over) == (0, True)
        monkeypatch.setattr(judging, "_PASSED_OVER_S", 0)
        await posted(both)
        await both.settle()
        assert (front.judged, here.count, len(await both.us.inbox(WATCH))) == (6, 6, 9)


def counted(plain, kept):
    def counting():
        kept.append(None)
        plain()

    return counting


async def test_a_front_that_dies_leaves_what_it_was_asked_to_be_judged_here(monkeypatch):
    here = Here(monkeypatch)
    monkeypatch.setattr(judging, "_SILENCE_S", 60)
    monkeypatch.setattr(judging, "_PAGE_S", 60)
    async with fronted() as (both, front):
        front.is_mute = True
        made = await posted(both)
        await both.pa.sign()
        pulling = asyncio.ensure_future(both.us.puller.pull())
        async with asyncio.timeout(10):
            while not front.judged:  # noqa: ASYNC110  (until it was asked and said nothing)
                await asyncio.sleep(0)
        assert front.asking.under_way == len(made)
        front.asking.lost()
        await pulling
        assert [each.object for each in await both.us.inbox(WATCH)] == [
            each.header for each in made
        ]
        assert (here.count, front.asking.under_way) == (3, 0)
        # Asked again, it says nothing at once.
        await posted(both)
        await both.settle()
        assert len(await both.us.inbox(WATCH)) == 6


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('"late":false', '"late":true', Code.BAD_PROOF),
        ('"signature":"', '"signature":"A', Code.BAD_PROOF),
    ],
)
async def test_what_is_not_proved_is_judged_ahead_for_nothing(old, new, code):
    lie = Lie(
        lambda page: (
            spoiled(page, 0, entry=page.items[0].entry.replace(old, new))
            if page.items
            else page
        )
    )
    async with fronted(altering(lie)) as (both, _):
        await posted(both)
        await both.pa.sign()
        lie.is_told = True
        size = both.us.node.size
        async with asyncio.timeout(10):
            await both.us.puller.run()
        assert (both.us.puller.trouble.code, both.us.node.size) == (code, size)


def forged_of(raw):
    """The same under another signature, of the same spelling."""
    at = raw.index(b'"signature":"') + 20
    return raw[:at] + (b"B" if raw[at : at + 1] == b"A" else b"A") + raw[at + 1 :]


async def entered(side, index, raw=None, body=None, **changes):
    """Their node enters once more what is at an index, with facts that no honest one gives."""
    entry = await side.entry(index)
    owed = [
        msgspec.structs.replace(each, position=each.position + 1) for each in entry.facts.owed
    ]

    def enter(ledger, _):
        facts = {**ledger.common(), "owed": owed, **changes}
        changed = msgspec.structs.replace(entry.facts, **facts)
        blob = (changed.blobs[0], body) if body else None
        return ledger.keep(changed, raw or entry.object, (), blob=blob).index

    await side.node.writer.enter(enter)
    await side.sign()


async def test_why_something_does_not_hold_is_said_by_the_node_itself():
    """Their node lets in what its author did not sign: proved to stand there, and refused."""
    async with fronted() as (both, front):
        sealed = border().envelope()
        answer = await both.pa.post(sealed)
        forged = forged_of(sealed.header)
        await entered(both.pa, answer.receipt.index, forged, digest=digest(forged))
        async with asyncio.timeout(10):
            await both.us.puller.run()
        assert both.us.puller.trouble.code is Code.BAD_SIGNATURE
        assert front.judged == 2
        # What stands before it is here.
        assert len(await both.us.inbox(WATCH)) == 1


async def test_no_front_lets_in_what_the_entry_itself_says_no_to():
    async with fronted() as (both, front):
        answer = await both.pa.post(border().envelope())
        entry = await both.pa.entry(answer.receipt.index)
        view, home = both.pa.node.view, entries.Home("pa", answer.receipt.index)

        def claimed(**changes):
            facts = msgspec.structs.replace(entry.facts, **changes)
            return peering.claimed(
                Crossing(home, entries.encode(facts, entry.object), b""), view, []
            )

        assert claimed().header.to == [each.endpoint for each in entry.facts.owed]
        for code, at, changes in (
            (Code.BAD_PROOF, "/digest", {"digest": "A" * 43}),
            (Code.BAD_PROOF, "/blobs", {"blobs": []}),
            (Code.BAD_PROOF, "/blobs", {"blobs": entry.facts.blobs * 2}),
        ):
            with pytest.raises(Refusal) as caught:
                claimed(**changes)
            assert (caught.value.code, caught.value.at) == (code, at)
        # What its author posts to our own door; and the front says yes to all.
        front.lie = lambda said: [True] * len(said)
        ours = border().envelope(endpoint=WATCH, to=[DESK])
        seen = bodies.look(ours.body, "xb1-h")
        changes = {"digest": digest(ours.header), "blobs": [seen.blob], "wraps": seen.wraps}
        await entered(both.pa, answer.receipt.index, ours.header, ours.body, **changes)
        async with asyncio.timeout(10):
            await both.us.puller.run()
        assert both.us.puller.trouble.code is Code.NOT_HOME


async def test_a_place_that_its_home_gives_before_trust_that_came_meanwhile_is_none():
    """Judged ahead it held: nothing was known then of what their node entered before it."""
    async with fronted() as (both, front):
        view = both.pa.node.view.index
        answer = await both.pa.post(border().envelope())
        await both.pa.post(border().subscription(WATCH), WATCH)
        await entered(both.pa, answer.receipt.index, view=view)
        async with asyncio.timeout(10):
            await both.us.puller.run()
        trouble = both.us.puller.trouble
        assert (trouble.code, trouble.at) == (Code.BAD_PROOF, "/view")
        assert front.judged == 2
