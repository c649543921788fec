"""What goes ahead of its place: all whose outcome hangs on nothing that is still to cross."""

from __future__ import annotations

import pytest

from exchange.link import gathering, hasting
from exchange.link.pages import Asked
from exchange.model.header import Marking
from exchange.store.memory import MemoryStore
from tests.builders import COAST, DESK, OPS, WATCH, border, refers
from tests.consented import consent
from tests.link.bordered import bordered

CONTROLLED = Marking("amber", ["PAN", "USA"], [], originator_control=True)


async def heads(side, endpoint):
    return [item.object for item in await side.inbox(endpoint)]


async def ahead(both, flash):
    """Post it behind another one, and pull a page that leads to that one alone."""
    assert (await both.pa.post(border().envelope(precedence="routine"))).refusal is None
    assert (await both.pa.post(flash)).refusal is None
    await both.pa.sign()
    await both.us.puller.pull()


def cancels(closed, to):
    land = border()
    refs = refers("cancels", closed.envelope)
    return land.envelope(
        land.header(type="can", verb="cancel", precedence="flash", refs=refs, to=sorted(to))
    )


async def test_a_cancellation_goes_ahead_to_whom_its_target_was_granted_there(monkeypatch):
    land = border()
    async with bordered() as both:
        await both.settle()
        closed = land.closed(to=[WATCH])
        assert (await both.pa.post(closed.envelope)).refusal is None
        assert (await both.pa.post(land.grant(closed, COAST))).refusal is None
        await both.settle()
        monkeypatch.setattr(gathering, "MAX_ITEMS", 1)
        gone = cancels(closed, [WATCH, COAST])
        await ahead(both, gone)
        for name in (WATCH, COAST):
            assert gone.header in await heads(both.us, name)
        await both.settle()
        for name in (WATCH, COAST):
            assert (await heads(both.us, name)).count(gone.header) == 1


async def test_a_cancellation_waits_for_a_grant_that_is_on_the_same_page(monkeypatch):
    land = border()
    async with bordered() as both:
        await both.settle()
        closed = land.closed(to=[WATCH])
        assert (await both.pa.post(closed.envelope)).refusal is None
        await both.settle()
        # The page leads over the grant: what goes ahead is taken in before it all the same.
        monkeypatch.setattr(gathering, "MAX_ITEMS", 3)
        assert (await both.pa.post(land.grant(closed, COAST))).refusal is None
        gone = cancels(closed, [WATCH, COAST])
        await ahead(both, gone)
        assert gone.header not in await heads(both.us, WATCH)
        await both.settle()
        for name in (WATCH, COAST):
            assert (await heads(both.us, name))[-1] == gone.header


@pytest.mark.parametrize(("to", "is_ahead"), [([WATCH], True), ([WATCH, COAST], False)])
async def test_a_reply_goes_ahead_to_who_controls_what_it_cites_and_to_nobody_else(
    monkeypatch, to, is_ahead
):
    land = border()
    async with bordered() as both:
        await both.settle()
        asked = land.envelope(endpoint=WATCH, to=sorted([OPS, COAST]), marking=CONTROLLED)
        assert (await both.us.post(asked)).refusal is None
        await both.settle()
        monkeypatch.setattr(gathering, "MAX_ITEMS", 1)
        reply = land.envelope(
            precedence="flash", to=sorted(to), refs=refers("answers", asked), marking=CONTROLLED
        )
        await ahead(both, reply)
        assert (reply.header in await heads(both.us, WATCH)) is is_ahead
        await both.settle()
        for name in to:
            assert (await heads(both.us, name)).count(reply.header) == 1


async def test_a_flash_correction_waits_for_what_it_corrects_and_reaches_all_who_hold_that(
    monkeypatch,
):
    land = border()
    async with bordered() as both:
        await both.settle()
        monkeypatch.setattr(gathering, "MAX_ITEMS", 1)
        assert (await both.pa.post(land.envelope(precedence="routine"))).refusal is None
        told = land.envelope(to=sorted([WATCH, COAST]))
        assert (await both.pa.post(told)).refusal is None
        header = {"type": "cor", "verb": "correct", "precedence": "flash", "to": [WATCH]}
        mended = land.envelope(land.header(**header, refs=refers("corrects", told)))
        assert (await both.pa.post(mended)).refusal is None
        await both.settle()
        for name in (WATCH, COAST):
            assert (await heads(both.us, name))[-2:] == [told.header, mended.header]


async def test_a_flash_cancellation_that_repeats_what_its_target_cites_waits_for_it(
    monkeypatch,
):
    land = border()
    async with bordered() as both:
        await both.settle()
        cited = land.closed(endpoint=WATCH, to=sorted([OPS, COAST]), marking=CONTROLLED)
        assert (await both.us.post(cited.envelope)).refusal is None
        await both.settle()
        monkeypatch.setattr(gathering, "MAX_ITEMS", 1)
        first = land.envelope(endpoint=COAST, to=[OPS], precedence="routine")
        allowed = consent(land, cited.envelope, WATCH, by=COAST, to=DESK)
        told = land.envelope(endpoint=COAST, to=[DESK], refs=refers("answers", cited.envelope))
        refs = [*refers("cancels", told), *refers("answers", cited.envelope)]
        header = {"type": "can", "verb": "cancel", "precedence": "flash", "to": [DESK]}
        gone = land.envelope(land.header(endpoint=COAST, **header, refs=refs))
        for each in (first, allowed, told, gone):
            assert (await both.us.post(each)).refusal is None
        await both.settle()
        assert (await heads(both.pa, DESK))[-2:] == [told.header, gone.header]


class Read(MemoryStore):
    """Notes which entries are read one by one."""

    def __init__(self):
        super().__init__()
        self.alone = []

    async def read(self, first, limit):
        if limit == 1:
            self.alone.append(first)
        return await super().read(first, limit)


async def test_what_must_wait_is_looked_at_once_and_not_for_each_page(monkeypatch):
    land = border()
    # However much waits: one may be remembered, and there are two.
    monkeypatch.setattr(hasting, "_MOST", 1)
    async with bordered(store=Read) as both:
        await both.settle()
        peer, at = both.us.puller._far, both.us.puller.pulled
        told = land.envelope(precedence="routine")
        header = {"type": "cor", "verb": "correct", "precedence": "flash"}
        mended = land.envelope(land.header(**header, refs=refers("corrects", told)))
        first = await both.pa.post(land.envelope(precedence="routine"))
        target, flash = [await both.pa.post(each) for each in (told, mended)]
        second = land.envelope(land.header(**header, refs=refers("corrects", told)))
        also = await both.pa.post(second)
        await both.pa.sign()
        asked = Asked(trust=10**6, most=1)
        seen = []
        for _ in range(2):
            both.pa.node.store.alone.clear()
            page = await peer.entries(at.after, at.size, asked)
            assert [each.index for each in page.items] == [first.receipt.index]
            waits = {flash.receipt.index, also.receipt.index}
            seen.append(waits & set(both.pa.node.store.alone))
        assert seen == [waits, set()]
        # Once its target is there, it goes ahead of what is between them.
        await both.pa.post(land.envelope(precedence="routine"))
        await both.pa.sign()
        page = await peer.entries(target.receipt.index, at.size, asked)
        ahead = [(each.index, each.is_ahead) for each in page.items]
        assert ahead == [(also.receipt.index, True), (flash.receipt.index, False)]
