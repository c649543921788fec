"""Trust documents of the other nation: what is in force there comes to be in force here."""

from __future__ import annotations

import msgspec

from exchange.model.view import View
from exchange.node import opening
from exchange.seal import trust_making
from tests.builders import NOW, WATCH, border, feeds
from tests.link.bordered import bordered


def _amended(land, status, until):
    """The next version of a member's document, under metadata that holds until then."""
    before = land.member("us.jiatfs")
    listed = [
        msgspec.structs.replace(each, status=status) if each.id == WATCH else each
        for each in before.endpoints
    ]
    after = msgspec.structs.replace(before, version=before.version + 1, endpoints=listed)
    made, files = trust_making.of_nation(land.view, "us", [after], until)
    return trust_making.signed(made, files, land.founder.signers(["us"]))


async def test_a_suspension_takes_effect_here_after_a_version_that_ran_out_on_the_way():
    land = border()
    brief = _amended(land, "active", NOW + 3600)
    async with bordered() as both:
        await both.settle()
        await both.us.post(brief, "")
        await both.us.post(_amended(land.after(brief), "suspended", land.founder.expires), "")
        both.clock.ms += 2 * 3_600_000
        assert (await both.pa.post(brief, "")).refusal.code == "trust-expired"
        await both.settle()
        assert both.pa.node.view.endpoints[WATCH].endpoint.status == "suspended"
        assert both.pa.puller.adopter.behind == []
        # What was recorded late is judged so at the next start, and was by the other node.
        assert await opening.fold(both.pa.node.store, View(anchor=land.anchor))


async def test_what_does_not_hold_here_is_told_and_tried_again():
    land = border()
    others = [each for each in feeds() if each.name != "maritime"]
    narrow = land.rearranged(feeds=others)
    async with bordered() as both:
        await both.settle()
        await both.pa.post(narrow, "")
        await both.us.post(land.subscription(WATCH), WATCH)
        await both.settle()
        (behind,) = both.pa.puller.adopter.behind
        assert (behind.name, behind.here, behind.there) == (f"subscriptions/{WATCH}", 0, 1)
        assert behind.code
        wide = land.after(narrow).rearranged(version=3)
        assert (await both.pa.post(wide, "")).refusal is None
        await both.pa.puller.adopter.run()
        assert both.pa.puller.adopter.behind == []
        assert WATCH in both.pa.node.view.subscriptions
