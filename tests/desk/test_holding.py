"""What is sent from the desk: held, undone, sent once, kept while the node is away."""

from __future__ import annotations

from contextlib import asynccontextmanager

import msgspec
import pytest

from exchange.client.reading import Delivered
from exchange.desk import audience
from exchange.desk.holding import Holding, mark_of
from exchange.desk.kept_drafts import Kept, KeptDrafts
from tests.api.serving import serving
from tests.builders import WATCH, new_id
from tests.client.dealing import agency, draft
from tests.client.foureyes import approved, guarded, line, red
from tests.node.running import until

WRITTEN = {"/bulletin/title/text": ["TEST"]}


class Desk:
    """A desk's sending, of one endpoint."""

    def __init__(self, made, hold_s):
        self.agency = made
        self.drafts = KeptDrafts(made.world.cabinet)
        self.holding = Holding(made, self.drafts, lambda: "exercise-author")
        self.holding.hold_s = hold_s
        self.kept = Kept(new_id(), "voi", WRITTEN, made.world.now())
        self.drafts.put(self.kept)

    def hold(self, prepared):
        return self.holding.hold(self.kept, prepared)

    async def until(self, held, state):
        await until(lambda: held.state == state)


@asynccontextmanager
async def desking(made, hold_s=0.0):
    """Open a desk's sending, and end it as the program does."""
    desk = Desk(made, hold_s)
    running = desk.holding.run(None)
    await anext(running)
    yield desk
    with pytest.raises(StopAsyncIteration):
        await anext(running)


def flash():
    made = draft()
    post = msgspec.structs.replace(made.post, precedence="flash")
    return msgspec.structs.replace(made, post=post)


async def test_what_is_undone_was_never_sent_and_its_draft_is_there(tmp_path):
    async with serving() as door, agency(door.url, tmp_path) as made, desking(made, 60) as desk:
        held = desk.hold(await made.prepare(draft()))
        assert 59 <= desk.holding.left_s(held) <= 60
        assert desk.holding.undo(desk.kept.id)
        assert held.state == "undone"
        assert not desk.holding.undo(desk.kept.id)
        assert not made.world.outbox.sent()
        assert desk.drafts.all() == [desk.kept]


async def test_what_is_undone_goes_at_no_later_time_either(tmp_path):
    async with serving() as door, agency(door.url, tmp_path) as made, desking(made) as desk:
        desk.hold(await made.prepare(draft()))
        assert desk.holding.undo(desk.kept.id)
        other = Kept(new_id(), "voi", WRITTEN, made.world.now())
        held = desk.holding.hold(other, await made.prepare(flash()))
        await desk.until(held, "sent")
        assert made.world.outbox.sent() == [held.id]
        assert made.world.outbox.waiting() == []


async def test_what_is_held_when_the_desk_ends_stays_a_draft(tmp_path):
    async with serving() as door, agency(door.url, tmp_path) as made:
        async with desking(made, 60) as desk:
            desk.hold(await made.prepare(draft()))
        assert not made.world.outbox.sent()
        assert desk.drafts.all() == [desk.kept]


async def test_flash_is_not_held_and_its_receipt_is_kept(tmp_path):
    async with serving() as door, agency(door.url, tmp_path) as made, desking(made, 60) as desk:
        held = desk.hold(await made.prepare(flash()))
        await desk.until(held, "sent")
        assert not desk.holding.undo(desk.kept.id)
        assert made.world.outbox.receipt(held.id).index == held.index
        assert desk.drafts.all() == []


async def test_same_draft_is_sent_once_however_often_it_is_asked_for(tmp_path):
    async with serving() as door, agency(door.url, tmp_path) as made, desking(made) as desk:
        first = desk.hold(await made.prepare(draft()))
        assert desk.hold(await made.prepare(draft())) is first
        await desk.until(first, "sent")
        again = Desk(made, 0)
        again.kept = desk.kept
        # As after the program ended between receipt and answer.
        made.world.outbox.lead(mark_of(desk.kept), first.id)
        second = again.hold(await made.prepare(draft()))
        await again.until(second, "sent")
        assert (second.id, second.index) == (first.id, first.index)
        assert made.world.outbox.sent() == [first.id]


async def test_while_the_node_is_away_it_waits_sealed_and_then_goes(tmp_path):
    async with serving() as door, agency(door.url, tmp_path) as made, desking(made) as desk:
        prepared = await made.prepare(draft())
        gone = msgspec.structs.replace(prepared, as_of_ms=made.world.clock_ms())
        held = desk.hold(gone)
        await desk.until(held, "waits")
        assert held.why.code == "node-unreachable"
        assert made.world.outbox.waiting() == [held.id]
        assert desk.drafts.all() == []
        await made.resume()
        desk.holding.look()
        assert held.state == "sent"
        assert held.index == made.world.outbox.receipt(held.id).index


async def test_node_that_cannot_be_reached_has_it_wait(tmp_path):
    async with serving() as door, agency(door.url, tmp_path) as made, desking(made) as desk:
        prepared = await made.prepare(draft())
        await door.runner.cleanup()
        held = desk.hold(prepared)
        await desk.until(held, "waits")
        assert made.world.outbox.waiting() == [held.id]


async def test_what_needs_a_release_goes_to_its_releasers_and_out_when_released(tmp_path):
    async with guarded(tmp_path) as door, line(door, tmp_path) as made, desking(made) as desk:
        prepared = await made.prepare(red())
        held = desk.hold(prepared)
        await desk.until(held, "asked")
        assert held.asked == [each.endpoint for each in prepared.releasers]
        async with line(door, tmp_path, WATCH) as reader:
            assert not [
                each for each in await reader.everything() if isinstance(each, Delivered)
            ]
        await approved(door, tmp_path, "exercise-releaser")
        await made.resume()
        desk.holding.look()
        assert held.state == "sent"


async def test_audience_that_changed_since_it_was_shown_has_another_digest(tmp_path):
    async with serving() as door, agency(door.url, tmp_path) as made:
        first, again = await made.prepare(draft()), await made.prepare(draft())
        assert audience.shown(first) == audience.shown(again)
        fewer = msgspec.structs.replace(again, readers=[])
        assert audience.shown(first) != audience.shown(fewer)
        assert audience.shown(first) != audience.shown(await made.prepare(flash()))
