"""A boarding request as its officers see it, on both sides, and as evidence for a third party."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pytest

from exchange.cli import world as cli_world
from exchange.client import cases, documenting, dossier, story
from exchange.errors import Code, Refusal
from exchange.policy.boarding import case as stands
from exchange.seal.close import Envelope
from tests.api.serving import serve
from tests.builders import NOW, OPS, WATCH, border, refers
from tests.client.abroad import officer
from tests.link.asking import DEEMED, DUE, begin, reply, step
from tests.link.bordered import Border, bordered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from exchange.client.agency import Agency


class Officers(NamedTuple):
    """Both nodes, who asks (of Panama) and who is asked (of the United States)."""

    both: Border
    asker: Agency
    asked: Agency
    request: Envelope


@asynccontextmanager
async def officers(folder: Path, clock=DEEMED, *, told: bool = True) -> AsyncIterator[Officers]:
    async with (
        bordered() as both,
        serve(both.pa.node) as at_pa,
        serve(both.us.node) as at_us,
        officer(at_pa.url, "pa", folder, OPS, both.clock) as asker,
        officer(at_us.url, "us", folder, WATCH, both.clock) as asked,
    ):
        request = await begin(both, clock, told=told)
        await asker.view()
        # As if it had been posted from here.
        (found,) = [e for e in [*await rows(both.pa)] if e[1] == request.header]
        outbox = asker.world.outbox
        identity = border().view and header_of(request).id
        outbox.keep(identity, request)
        receipt, _ = await asker.receipt(identity, request)
        outbox.settle(identity, receipt)
        assert receipt.index == found[0]
        yield Officers(both, asker, asked, request)


def header_of(envelope: Envelope):
    from exchange.model import header as headers
    from exchange.seal import jws

    return headers.decode(jws.read(envelope.header, headers.MAX_HEADER_BYTES).payload)


async def rows(side):
    from exchange.model import entry as entries

    return [
        (row.index, entries.decode(row.entry).object)
        for row in await side.node.store.read(0, 1000)
    ]


async def seen(agency: Agency):
    items = await agency.everything()
    held = cases.Held(story.every(agency.world.outbox), items, agency.trust, agency.world.now())
    return cases.cases(held), items


async def one(agency: Agency):
    (found,), _ = await seen(agency)
    return found


async def test_silence_is_told_to_both_officers_as_it_is_proved(tmp_path):
    async with officers(tmp_path) as four:
        here, there = await one(four.asker), await one(four.asked)
        assert (here.case.state, here.clock.due, here.clock.node) == ("open", DUE, "us")
        assert (there.case.state, there.known.received, there.asked) == ("open", NOW, [WATCH])
        assert [(e.what, e.who, e.by) for e in here.owes()] == [("reply", [WATCH], DUE)]
        four.both.clock.ms = (DUE + 1) * 1000
        late = await one(four.asker)
        assert (late.case.state, late.case.reason) == ("undetermined", "not-covered")
        assert [e.what for e in late.owes()] == ["checkpoint", "reply"]
        four.both.clock.ms += 60_000
        for _ in range(2):
            await step(four.both)
        for each in (await one(four.asker), await one(four.asked)):
            assert (each.case.state, each.proof.notice.code) == ("deemed-consent",) * 2
            assert [e.what for e in each.owes()] == ["result"]
            assert not any(told.doubt for told in each.told)


async def test_evidence_is_checked_with_the_anchor_alone(tmp_path):
    async with officers(tmp_path) as four:
        four.both.clock.ms = (DUE + 61) * 1000
        for _ in range(2):
            await step(four.both)
        found, items = await seen(four.asker)
        raw = await documenting.document(four.asker, found[0], items, with_content=False)
        told = dossier.check(raw, border().anchor, cli_world.codes())
        assert told.case.case.state == "deemed-consent"
        print(len(raw), told.hidden, told.own, told.abroad)
