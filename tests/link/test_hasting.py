"""What goes ahead of its place: all whose outcome hangs on nothing that is still to cross."""

from __future__ import annotations

import pytest

from exchange.link import offering
from exchange.model.header import Marking
from tests.builders import COAST, OPS, WATCH, border, refers
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
        monkeypatch.setattr(offering, "MAX_ITEMS", 1)
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
        monkeypatch.setattr(offering, "MAX_ITEMS", 3)
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
        monkeypatch.setattr(offering, "MAX_ITEMS", 1)
        reply = land.envelope(
            precedence="flash", to=sorted(to), refs=refers("answers", asked), marking=CONTROLLED
        )
        await ahead(both, reply)
        assert (reply.header in await heads(both.us, WATCH)) is is_ahead
        await both.settle()
        for name in to:
            assert (await heads(both.us, name)).count(reply.header) == 1
