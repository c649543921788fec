"""What one machine of an endpoint posted to a bulletin is known at the one that posted that."""

from __future__ import annotations

import msgspec
import pytest

from exchange.client import amending, confirming, elsewhere, fetching, story
from exchange.errors import Code, Fault, Refusal
from exchange.evidence import fetching as evidence
from exchange.model import entry as entries
from exchange.model.bulletin.blocks import Target
from tests.api.serving import serving
from tests.broker.amending import cancelling as cancels
from tests.broker.amending import correcting as corrects
from tests.broker.amending import updating as updates
from tests.builders import DESK, MINSA, OPS, WATCH, WATCH_DESK, decoded, new_id, world
from tests.client.dealing import Liar, agency, draft, fronted
from tests.client.test_amending import PURITY, bulletin, correcting, sent
from tests.client.test_stale import cancelling
from tests.node.running import post

SEIZED = bulletin("szr-1.es.toml")


async def at_two(two, identity, said=None, **options):
    """Correct (or, told nothing, cancel) from a machine that fetched the bulletin; its id."""
    await fetching.fetch(two, identity)
    of = story.posted(two.world.outbox, identity)
    if said is None:
        prepared = await two.prepare(cancelling(of.header, two.world.outbox))
    else:
        target = Target(identity, of.header.origin, of.header.type, of.digest)
        prepared = await two.prepare(said, target, **options)
    await two.post(prepared)
    return prepared.header.id


async def test_first_machine_learns_what_the_second_corrected_and_cancelled(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "one") as one:
        prepared = await one.prepare(draft(SEIZED))
        identity = prepared.header.id
        await one.post(prepared)
        of = story.posted(one.world.outbox, identity)
        target = Target(identity, of.header.origin, of.header.type, of.digest)
        told = correcting((PURITY, None, 60.0))
        async with agency(door.url, tmp_path / "two") as two:
            # Where its target's text is not, a correction goes by its author's word alone.
            with pytest.raises(Refusal) as caught:
                await at_two(two, identity, told)
            assert caught.value.code is Code.CORRECTION_UNCHECKED
            correction = await at_two(two, identity, told, unchecked=True)
            # What corrected it cannot be read at the first: so nothing shows what it says now.
            with pytest.raises(Refusal) as caught:
                await one.prepare(told, target)
            assert caught.value.code is Code.CORRECTION_UNCHECKED
            assert caught.value.facts["id"] == identity
            lie = correcting((PURITY, 12.5, 60.0))
            for each in (told, lie):
                assert (await one.prepare(each, target, unchecked=True)).objection is not None
            # That the correction was cancelled is found by way of it.
            cancelled = await at_two(two, correction)
            assert (await one.prepare(told, target)).objection is None
            with pytest.raises(Refusal) as caught:
                await one.prepare(lie, target, unchecked=True)
            assert caught.value.code is Code.TARGET_MISMATCH
            assert one.world.outbox.sent() == sorted([identity, correction, cancelled])
            withdrawn = await at_two(two, identity)
        granting = await one.prepare_grant(identity, WATCH_DESK)
        assert granting.amended_by == sorted([correction, withdrawn])
        assert not one.world.kept.has(identity)
        assert len(amending.marks(one.world.outbox, identity)) == 2
        assert (await elsewhere.learn(one, identity)).fresh == []


async def test_refusal_of_what_was_cancelled_elsewhere_has_its_key_destroyed(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "one") as one:
        prepared = await one.prepare(draft())
        identity = prepared.header.id
        await one.post(prepared)
        async with agency(door.url, tmp_path / "two") as two:
            await at_two(two, identity)
        assert one.world.kept.has(identity)
        with pytest.raises(Refusal) as caught:
            await one.send(*confirming.confirmation(one, identity))
        assert caught.value.code is Code.TARGET_CANCELLED
        assert not one.world.kept.has(identity)


async def test_text_is_handed_out_only_where_it_is_known_that_it_stands(tmp_path):
    async with serving() as door:
        liar = Liar(door)
        async with fronted(liar.handle) as url, agency(url, tmp_path / "one") as one:
            prepared = await one.prepare(draft())
            await one.post(prepared)
            await door.node.checkpoints.checkpoint()
            await evidence.fetch(one, prepared.header.id, with_body=True)

            def lying(path, value):
                return {"ids": [new_id()]} if path.endswith("/bearing") else value

            liar.change = lying
            with pytest.raises((Fault, Refusal)):
                await evidence.fetch(one, prepared.header.id, with_body=True)
            # Of what it never had, or is too old to tell, it tells nothing.
            liar.change = lambda _, value: value
            assert (await elsewhere.learn(one, new_id())).fresh == []
            async with agency(door.url, tmp_path / "two") as two:
                await at_two(two, prepared.header.id)
            await is_gone(one, prepared.header.id)


async def test_cancellation_that_waits_here_and_that_the_node_has_is_no_news_and_holds(
    tmp_path,
):
    async with serving() as door, agency(door.url, tmp_path / "one") as one:
        prepared = await one.prepare(draft())
        identity, box = prepared.header.id, one.world.outbox
        await one.post(prepared)
        await door.node.checkpoints.checkpoint()
        of = story.posted(box, identity)
        waits = await one.queue(await one.prepare(cancelling(of.header, box)))
        # The node took it in, and its answer was lost.
        await post(door.node, box.envelope(waits))
        await is_gone(one, identity)
        assert (box.waiting(), box.sent()) == ([], sorted([identity, waits]))


async def is_gone(line, identity):
    """Its text is not handed out: a later entry cancelled it."""
    with pytest.raises(Refusal) as caught:
        await evidence.fetch(line, identity, with_body=True)
    assert caught.value.code is Code.CONTENT_KEY_GONE
    assert caught.value.facts["entry"] > story.posted(line.world.outbox, identity).index


async def test_corrections_alone_are_gone_on_from_and_not_for_ever(tmp_path, monkeypatch):
    async with serving() as door:
        liar = Liar(door)
        async with fronted(liar.handle) as url, agency(url, tmp_path / "one") as one:
            target = await sent(one, draft(SEIZED))
            of = one.world.outbox.envelope(target.id)
            correction, update = corrects(of), updates(of, type="szr")
            others = [corrects(correction), updates(update, type="szr")]
            for each in (correction, update, *others):
                assert (await post(door.node, each)).refusal is None
            names = [decoded(each.header).id for each in (correction, update, *others)]
            learnt = await elsewhere.learn(one, target.id)
            assert (learnt.fresh, learnt.is_whole) == (names[:3], True)
            asked = [each for each in liar.asked if each.endswith("/bearing")]
            corrected = [target.id, names[0], names[2]]
            assert asked == [f"GET /v1/posted/{each}/bearing" for each in corrected]
            monkeypatch.setattr(elsewhere, "MAX_ASKED", 2)
            assert not (await elsewhere.learn(one, target.id)).is_whole

            def lying(path, value):
                return {"ids": [names[2]]} if path.endswith("/bearing") else value

            liar.change = lying
            with pytest.raises(Fault) as caught:
                await elsewhere.learn(one, target.id)
            assert caught.value.code is Code.BAD_PROOF


async def test_node_tells_its_poster_alone_and_whenever_it_came():
    async with serving() as door:
        of = world().envelope(to=[WATCH])
        early = [corrects(of), updates(of, to=[WATCH]), corrects(of)]
        await post(door.node, world().amended(DESK, poster), MINSA)
        late = [corrects(of), corrects(of, endpoint=DESK), cancels(of), corrects(of)]
        for each in (*early, of, *late):
            by = decoded(each.header).endpoint
            assert (await post(door.node, each, by)).refusal is None
        identity = decoded(of.header).id
        mine = [each for each in (*early, *late) if decoded(each.header).endpoint == OPS]

        async def colleagues():
            told = (await door.get(f"/v1/posted/{identity}/bearing", OPS)).json
            assert told["ids"] == [decoded(each.header).id for each in mine]
            return told["corrected_by_colleagues"]

        # Theirs by the entry alone, and while it stands.
        [index] = await colleagues()
        [row] = await door.node.store.read(index, 1)
        assert entries.decode(row.entry).object == late[1].header
        assert (await post(door.node, cancels(late[1], endpoint=DESK), DESK)).refusal is None
        assert await colleagues() == []


async def test_a_colleague_s_bulletin_is_corrected_again_and_again(tmp_path):
    async with serving() as door:
        await post(door.node, world().amended(DESK, poster), MINSA)
        async with agency(door.url, tmp_path / "desk", DESK) as desk:
            target = await sent(desk, at(SEIZED, OPS))
        # What it corrected comes to it too, as to every holder, and sealed to others.
        async with agency(door.url, tmp_path / "one") as one:
            for before, after in ((None, 60.0), (60.0, 79.0), (79.0, 80.0)):
                await one.everything()
                await sent(one, correcting((PURITY, before, after)), target)
            with pytest.raises(Refusal) as caught:
                await one.prepare(correcting((PURITY, 60.0, 81.0)), target)
            assert caught.value.code is Code.TARGET_MISMATCH


@pytest.mark.parametrize("is_read", [True, False])
async def test_what_a_colleague_corrected_in_ours_is_read_or_said_to_be_unread(
    tmp_path, is_read
):
    async with serving() as door, agency(door.url, tmp_path / "one") as one:
        await post(door.node, world().amended(DESK, poster), MINSA)
        target = await sent(one, at(SEIZED, DESK))
        async with agency(door.url, tmp_path / "desk", DESK) as desk:
            await desk.everything()
            theirs = correcting((PURITY, None, 60.0))
            to = [OPS, WATCH] if is_read else [WATCH]
            changed = msgspec.structs.replace(theirs.post, to=to)
            correction = msgspec.structs.replace(theirs, post=changed)
            correction = await sent(desk, correction, target)
        await one.everything()
        wrong, right = correcting((PURITY, None, 79.0)), correcting((PURITY, 60.0, 79.0))
        codes = [Code.TARGET_MISMATCH] if is_read else [Code.CORRECTION_UNCHECKED] * 2
        for code, each in zip(codes, (wrong, right), strict=False):
            with pytest.raises(Refusal) as caught:
                await one.prepare(each, target)
            assert caught.value.code is code
        shown = await one.prepare(right, target, unchecked=True)
        assert (shown.objection is None) is is_read


def at(said, *names):
    """A draft of a bulletin that these are recipients of too."""
    made = draft(said)
    to = [*names, *made.post.to]
    return msgspec.structs.replace(made, post=msgspec.structs.replace(made.post, to=to))


def poster(endpoint):
    return msgspec.structs.replace(endpoint, roles=["poster", "reader"])
