"""What is sent from the desk: held, undone, sent once, kept while the node is away."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress

import msgspec
import pytest

from exchange.client.attaching import untold
from exchange.client.reading import Delivered, Drafted
from exchange.desk import audience, compose, rest, sending
from exchange.desk.holding import Holding, mark_of
from exchange.desk.kept_drafts import Kept, KeptDrafts
from exchange.desk.station import Station
from exchange.errors import Code, Fault, Refusal
from exchange.web.pages import Reader
from tests.api.serving import serving
from tests.builders import (
    COAST,
    DAY,
    DESK,
    MINSA,
    NOW,
    NOW_MS,
    OPS,
    WATCH,
    new_id,
    suspended,
    world,
)
from tests.client.attached import a_file
from tests.client.dealing import agency, draft, fronted
from tests.client.foureyes import MARK, approved, guarded, line, red, to_release
from tests.client.test_separating import split, to
from tests.desk.desked import Front
from tests.node.running import Clock, post, until
from tests.web.trial import CODES

WRITTEN = {"/bulletin/title/text": ["TEST"]}


class Desk:
    """A desk's sending, of one endpoint."""

    def __init__(self, made, hold_s, kept=None):
        self.agency, self.officer = made, "exercise-author"
        self.drafts = KeptDrafts(made.world.cabinet)
        self.holding = Holding(made, self.drafts, lambda: self.officer)
        self.holding.hold_s = hold_s
        self.kept = kept or Kept(new_id(), "voi", WRITTEN, made.world.now())
        if kept is None:
            self.drafts.put(self.kept)

    def hold(self, prepared):
        return self.holding.hold(self.kept, prepared)

    async def until(self, held, state):
        await until(lambda: held.state == state)


@asynccontextmanager
async def desking(made, hold_s=0.0, kept=None):
    """Open a desk's sending, and end it as the program does."""
    desk = Desk(made, hold_s, kept)
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


async def test_what_waited_and_is_refused_after_all_is_a_draft_again(tmp_path):
    clock = Clock(NOW_MS)
    async with serving(clock=clock) as door, agency(door.url, tmp_path, clock=clock) as made:
        async with desking(made) as desk:
            await waits_until_expired(made, desk, clock)
            # Its text is kept, and nobody goes on writing in it.
            assert (desk.drafts.all(), len(desk.drafts.gone())) == ([], 1)
            with pytest.raises(Refusal, match="draft-sent"):
                desk.drafts.must_be_written_yet(desk.kept.id)
        with suppress(Refusal):
            await made.resume()
        # The desk was closed meanwhile.
        async with desking(made, kept=desk.kept) as again:
            (left,) = again.drafts.all()
            assert (left.written, left.files) == (desk.kept.written, desk.kept.files)
            # It came back just now: it is nothing that nobody touched for long.
            assert left.changed_s == made.world.now() > desk.kept.changed_s
            assert again.drafts.gone() == []
            desk.holding.look()
            held = desk.holding.get(desk.kept.id)
            assert (held.state, held.why.code) == ("refused", Code.EXPIRED)


async def test_draft_that_nobody_touched_goes_while_the_desk_is_open(tmp_path):
    async with serving() as door, agency(door.url, tmp_path) as made, desking(made) as desk:
        today = NOW // DAY
        old = Kept(new_id(), "voi", WRITTEN, NOW - 30 * DAY, told=[*range(today - 7, today)])
        desk.drafts.put(old)
        # Nobody saw the list yet where a desk is being opened.
        async with desking(made, kept=desk.kept) as again:
            assert len(again.drafts.all()) == 2
            again.holding.forget()
            assert again.drafts.all() == [desk.kept]


async def waits_until_expired(made, desk, clock):
    post = msgspec.structs.replace(draft().post, expires="1h")
    prepared = await made.prepare(msgspec.structs.replace(draft(), post=post))
    held = desk.hold(msgspec.structs.replace(prepared, as_of_ms=made.world.clock_ms()))
    await desk.until(held, "waits")
    await until(desk.drafts.gone)
    clock.ms += 2 * 3_600_000


async def test_defect_before_anything_was_kept_leaves_the_draft(tmp_path, monkeypatch):
    async with serving() as door, agency(door.url, tmp_path) as made, desking(made) as desk:

        async def fail(*_given):
            raise KeyError

        monkeypatch.setattr(made, "post", fail)
        held = desk.hold(await made.prepare(draft()))
        await desk.until(held, "refused")
        await until(lambda: [each.written for each in desk.drafts.all()] == [WRITTEN])
        assert held.why.code is Code.INTERNAL


async def test_act_of_which_one_envelope_is_refused_later_leaves_its_text(tmp_path):
    async with serving() as door, line(door, tmp_path) as made, desking(made) as desk:
        parts = [msgspec.structs.replace(each, as_of_ms=1) for each in await split(made)]
        held = desk.holding.hold(desk.kept, parts[0], parts)
        await desk.until(held, "waits")
        await post(door.node, world().amended(WATCH, suspended), MINSA)
        with suppress(Refusal):
            await made.resume()
        desk.holding.look()
        (left,) = desk.drafts.all()
        assert (held.state, held.again) == ("partly", left.id)
        assert (left.written, left.went) == (rest.asking(desk.kept.written), "")
        # Under another name: by its own it would lead to what went.
        assert mark_of(left) != held.mark


async def test_act_of_which_nobody_got_anything_is_a_draft_to_all_of_them(tmp_path):
    async with serving() as door, line(door, tmp_path) as made, desking(made) as desk:
        parts = [msgspec.structs.replace(each, as_of_ms=1) for each in await split(made)]
        held = desk.holding.hold(desk.kept, parts[0], parts)
        await desk.until(held, "waits")
        for name in (WATCH, DESK):
            await post(door.node, world().amended(name, suspended), MINSA)
        with suppress(Refusal):
            await made.resume()
        desk.holding.look()
        (left,) = desk.drafts.all()
        assert (held.state, left.written) == ("refused", WRITTEN)
        assert left.went_as == [each.header.id for each in parts]
        assert rest.told(Station(made, CODES, None), left, "en") is None


@pytest.mark.parametrize("how", ["declined", "expired"])
async def test_text_of_an_act_is_kept_until_all_of_it_has_ended(tmp_path, how):
    clock = Clock(NOW_MS)
    async with (
        guarded(tmp_path, clock) as door,
        line(door, tmp_path, clock=clock) as made,
        desking(made) as desk,
        line(door, tmp_path, DESK, clock=clock) as releaser,
    ):
        parts = await split(made, "endpoint", to(COAST, DESK, WATCH, free=red()))
        held = desk.holding.hold(desk.kept, parts[0], parts)
        await desk.until(held, "asked")
        await until(desk.drafts.gone)
        asked = [each for each in await releaser.everything() if isinstance(each, Drafted)]
        await releaser.releasing.approve(asked[0], "exercise-releaser")
        await releaser.releasing.decline(asked[1], "EXERCISE", "exercise-releaser")
        await made.resume()
        desk.holding.look()
        # One has it and one never will: its text is for that one, and maybe for the third.
        going = sending._told_held(pages_of(made, desk), held, Reader("en", ""))
        assert (held.state, held.again, going.may_wait) == ("partly", "", True)
        assert (desk.drafts.all(), len(desk.drafts.gone())) == ([], 1)
        if how == "declined":
            await releaser.releasing.decline(asked[2], "EXERCISE", "exercise-releaser")
            await made.resume()
        else:
            clock.ms = parts[0].header.expires * 1000
        desk.holding.look()
        (left,) = desk.drafts.all()
        assert (held.again, desk.drafts.gone()) == (left.id, [])
        going = sending._told_held(pages_of(made, desk), held, Reader("en", ""))
        had = {name for each in held.standing if each.state == "sent" for name in each.to}
        assert (len(had), going.may_wait) == (1, False)
        assert rest.only(made, left, left.written) == {COAST, DESK, WATCH} - had


async def test_what_was_asked_for_in_vain_is_a_draft_again(tmp_path):
    clock = Clock(NOW_MS)
    async with (
        guarded(tmp_path, clock) as door,
        line(door, tmp_path, clock=clock) as made,
        desking(made) as desk,
    ):
        prepared = await made.prepare(red())
        held = desk.hold(prepared)
        await desk.until(held, "asked")
        await until(desk.drafts.gone)
        clock.ms = prepared.header.expires * 1000
        desk.holding.look()
        assert (held.state, held.why.code) == ("refused", Code.EXPIRED)
        assert [each.written for each in desk.drafts.all()] == [WRITTEN]


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
        first = await made.prepare(draft())
        shown = audience.shown(first, draft().post)
        made.world.clock_ms.ms += 60_000
        again = await made.prepare(draft())
        assert audience.shown(again, draft().post) == shown
        fewer = msgspec.structs.replace(again, readers=[])
        assert audience.shown(fewer, draft().post) != shown
        assert audience.shown(await made.prepare(flash()), flash().post) != shown


@pytest.mark.parametrize("change", [{"expires": "2d"}, {"retain": "31d"}])
async def test_what_is_to_last_for_another_time_is_not_what_was_shown(tmp_path, change):
    async with serving() as door, agency(door.url, tmp_path) as made:
        shown = audience.shown(await made.prepare(draft()), draft().post)
        post = msgspec.structs.replace(draft().post, **change)
        longer = await made.prepare(msgspec.structs.replace(draft(), post=post))
        assert audience.shown(longer, post) != shown


async def test_what_the_arrangement_makes_of_its_retention_is_shown_too(tmp_path):
    async with serving() as door, agency(door.url, tmp_path) as made:
        prepared, post = await made.prepare(draft()), draft().post
        header = msgspec.structs.replace(prepared.header, retain_until=NOW + 2 * DAY)
        shorter = msgspec.structs.replace(prepared, header=header)
        assert audience.shown(shorter, post) != audience.shown(prepared, post)


# -- while it is on its way -------------------------------------------------------------------


def pages_of(made, desk):
    return compose.Desk(Station(made, CODES, None), desk.drafts, desk.holding)


def edited(kept):
    return msgspec.structs.replace(kept, written={"/bulletin/title/text": ["TEST, mended"]})


async def test_what_is_held_is_taken_back_for_what_it_says_by_now(tmp_path):
    async with serving() as door, agency(door.url, tmp_path) as made, desking(made, 60) as desk:
        first = desk.hold(await made.prepare(draft()))
        second = desk.holding.hold(edited(desk.kept), await made.prepare(draft()))
        assert (first.state, second.state) == ("undone", "held")
        assert desk.holding.all() == [second]


async def test_draft_that_was_edited_while_its_old_text_went_is_another_bulletin(tmp_path):
    async with serving() as door, agency(door.url, tmp_path) as made, desking(made) as desk:
        held = desk.hold(await made.prepare(draft()))
        await until(lambda: held.state != "held")
        pages = pages_of(made, desk)
        reader, asked = Reader("en", ""), {"draft": desk.kept.id, "shown": "of the old text"}
        if desk.drafts.has(desk.kept.id):
            assert await sending._send(pages, asked, reader) == f"/compose/held/{desk.kept.id}"
        desk.drafts.put(edited(desk.kept))
        where = await sending._send(pages, asked, reader)
        await desk.until(held, "sent")
        (left,) = desk.drafts.all()
        assert where == f"/compose/voi?draft={left.id}&why=other"
        assert left.written == edited(desk.kept).written
        assert desk.holding.get(left.id) is None
        assert made.world.outbox.sent() == [held.id]


async def test_release_is_asked_for_by_who_has_the_watch_then(tmp_path):
    async with guarded(tmp_path) as door, line(door, tmp_path) as made, desking(made) as desk:
        held = desk.hold(await made.prepare(red()))
        desk.officer = "exercise-second"
        await desk.until(held, "asked")
        async with line(door, tmp_path, DESK) as releaser:
            assert (await to_release(releaser)).draft.officer == "exercise-second"


@pytest.mark.parametrize("error", [Fault(Code.MAIL_FAILED), KeyError("a defect")])
@pytest.mark.parametrize("what", ["resume", "look"])
async def test_whatever_fails_once_what_waits_is_tried_again(
    tmp_path, monkeypatch, what, error
):
    async with serving() as door, agency(door.url, tmp_path) as made:
        desk = Desk(made, 0)
        desk.holding.retry_s = 0.001
        of, failed = {"resume": made, "look": desk.holding}[what], []
        plain = getattr(of, what)

        def once(*given):
            if not failed:
                failed.append(what)
                raise error
            return plain(*given)

        monkeypatch.setattr(of, what, once)
        prepared = await made.prepare(draft())
        identity = await made.queue(msgspec.structs.replace(prepared, as_of_ms=1))
        running = desk.holding.run(None)
        await anext(running)
        await until(lambda: failed and made.world.outbox.receipt(identity) is not None)
        settled = []
        desk.holding.settled = lambda: settled.append(1)
        await until(lambda: settled)
        with pytest.raises(StopAsyncIteration):
            await anext(running)


async def test_files_of_what_was_withdrawn_are_given_up_however_late_the_node_answers(tmp_path):
    async with guarded(tmp_path) as door:
        front = Front(door)
        async with fronted(front.handle) as url, agency(url, tmp_path, OPS) as made:
            prepared = await made.prepare(red(), None, (a_file(tmp_path),))
            pending = await made.asking.ask(prepared, MARK, untold)
            front.away()
            with suppress(Fault):
                await made.asking.withdraw(pending, untold)
            # Back, it takes the withdrawal, and not yet that its files are given up.
            front.shut = ("/v1/uploads",)
            with suppress(Fault):
                await made.resume()
            assert [len(each.uploads) for each in made.asking.waiting.all()] == [1]
            front.back()
            async with desking(made) as desk:
                desk.holding.retry_s = 0.001
                await until(lambda: made.asking.waiting.unsettled() == [])


async def test_what_was_sent_stays_in_memory_no_longer_than_it_is_kept(tmp_path):
    clock = Clock(NOW_MS)
    async with (
        serving(clock=clock) as door,
        agency(door.url, tmp_path, clock=clock) as made,
        desking(made) as desk,
    ):
        first = desk.hold(await made.prepare(draft()))
        await desk.until(first, "sent")
        other = Kept(new_id(), "voi", WRITTEN, made.world.now())
        second = desk.holding.hold(other, await made.prepare(flash()))
        await desk.until(second, "sent")
        desk.holding.forget()
        assert desk.holding.all() == [second, first]
        # Ordered to be purged, its key is destroyed.
        made.world.kept.drop(first.id)
        desk.holding.forget()
        assert desk.holding.all() == [second]
        clock.ms = second.prepared.header.retain_until * 1000
        desk.holding.forget()
        assert desk.holding.all() == []
