"""A content key is kept for grants, and is nowhere once it may not be."""

from __future__ import annotations

import shutil

import msgspec
import pytest

from exchange.client.kept import KeptKeys
from exchange.client.outbox import Outbox
from exchange.client.reading import Delivered
from exchange.custody import ring
from exchange.custody.container import Destroyed
from exchange.errors import Code, Fault, Refusal
from exchange.seal.open import SoftwareOpener
from tests.api.serving import serving
from tests.builders import (
    COAST,
    DAY,
    NOW,
    NOW_MS,
    OPS,
    WATCH,
    WATCH_DESK,
    Closed,
    decoded,
    refers,
    world,
)
from tests.client.dealing import cabinet, draft
from tests.client.granting import granted, line, read, sent
from tests.node.running import Clock


def held(folder):
    """Of which bulletins a content key is kept."""
    return {identity for identity, _, _ in KeptKeys(cabinet(folder)).wrapped()}


def kept(tmp_path, **changes):
    header, keys = world().header(**changes), KeptKeys(cabinet(tmp_path))
    closed = Closed(world().envelope(), header, bytes(range(32)), bytes(32))
    keys.keep(closed, world().openers[OPS], world().view.endpoints[OPS])
    return header, keys


def test_key_comes_back_until_its_time_and_is_destroyed_then(tmp_path):
    header, keys = kept(tmp_path)
    until = header.retain_until
    assert keys.key(header, world().openers[OPS], until - 1) == bytes(range(32))
    with pytest.raises(Refusal) as caught:
        keys.key(header, world().openers[OPS], until)
    assert caught.value.code is Code.CONTENT_KEY_GONE
    assert held(tmp_path) == set()


def test_overdue_keys_go_and_others_stay(tmp_path):
    first, keys = kept(tmp_path)
    second, _ = kept(tmp_path, retain_until=NOW + 60 * DAY)
    assert keys.destroy_overdue(first.retain_until) == [first.id]
    assert keys.key(second, world().openers[OPS], NOW) == bytes(range(32))


def test_key_of_one_bulletin_is_destroyed_alone(tmp_path):
    first, keys = kept(tmp_path)
    second, _ = kept(tmp_path)
    keys.destroy(first.id)
    assert held(tmp_path) == {second.id}


@pytest.mark.parametrize("what", ["damaged", "another endpoint's", "under another header"])
def test_key_that_does_not_open_is_a_fault(tmp_path, what):
    header, keys = kept(tmp_path)
    openers = world().openers[COAST if what == "another endpoint's" else OPS]
    if what == "damaged":
        keys.put(header.id, header.retain_until, b"{}")
    if what == "under another header":
        header = msgspec.structs.replace(header, commit="B" * 43)
    with pytest.raises(Fault) as caught:
        keys.key(header, openers, NOW)
    assert caught.value.code is Code.KEY_FILE


async def test_refused_bulletin_leaves_no_key(tmp_path):
    clock = Clock(NOW_MS)
    async with serving() as door, line(door.url, tmp_path, clock=clock) as sender:
        prepared = await sender.prepare(draft())
        header = msgspec.structs.replace(prepared.header, expires=NOW)
        with pytest.raises(Refusal):
            await sender.post(msgspec.structs.replace(prepared, header=header))
        assert held(tmp_path / "pa.senan-ops") == set()


async def test_cancelling_destroys_the_key_of_what_is_cancelled_alone(tmp_path):
    async with serving() as door:
        first, second = await sent(door.url, tmp_path), await sent(door.url, tmp_path)
        async with line(door.url, tmp_path) as sender:
            refs = refers("cancels", sender.world.outbox.envelope(first))
            cancel = world().envelope(type="can", verb="cancel", refs=refs, to=[WATCH])
            sender.world.outbox.keep(decoded(cancel.header).id, cancel)
            await sender.resume()
        assert held(tmp_path / "pa.senan-ops") == {second}


async def posted_after(url, folder, **told):
    """Post two bulletins, then a third as told; return the two, and whose keys are kept."""
    first, second = await sent(url, folder), await sent(url, folder)
    async with line(url, folder) as sender:
        refs = {
            name: refers("cancels", sender.world.outbox.envelope(each))[0]
            for name, each in (("first", first), ("second", second))
        }
        header = {"type": "can", "verb": "cancel", "to": [WATCH], **told}
        envelope = world().envelope(**{**header, "refs": told["refs"](refs)})
        sender.world.outbox.keep(decoded(envelope.header).id, envelope)
        await sender.resume()
    return first, second, held(folder / "pa.senan-ops")


def as_superseded(reference):
    return msgspec.structs.replace(reference, rel="supersedes")


def of_another_header(reference):
    return msgspec.structs.replace(reference, header_digest="B" * 43)


async def test_update_that_refers_to_another_as_cancelled_destroys_no_key(tmp_path):
    """The node takes it in, and holds nothing for cancelled: its verb says what it does."""
    async with serving() as door:
        first, second, left = await posted_after(
            door.url,
            tmp_path,
            type="voi",
            verb="update",
            refs=lambda r: [as_superseded(r["first"]), r["second"]],
        )
        assert left == {first, second}
        # Nor is it told, to who grants that other one, as something that amends it.
        async with line(door.url, tmp_path) as sender:
            amended = [
                len((await sender.prepare_grant(each, WATCH_DESK)).amended_by)
                for each in (first, second)
            ]
        assert amended == [1, 0]


async def test_cancellation_of_another_header_under_the_same_id_destroys_no_key(tmp_path):
    """What it names may be still to come, for all that the node can tell."""
    async with serving() as door:
        first, second, left = await posted_after(
            door.url, tmp_path, refs=lambda r: [of_another_header(r["first"])]
        )
        assert left == {first, second}


def test_cancellation_by_another_member_destroys_no_key(tmp_path):
    header, keys = kept(tmp_path)
    outbox = Outbox(cabinet(tmp_path))
    target = world().envelope(id=header.id)
    outbox.keep(header.id, target)
    told = {"type": "can", "verb": "cancel", "refs": refers("cancels", target)}
    keys.destroy_cancelled(
        world().envelope(origin="us.uscg", endpoint=COAST, **told).header, outbox
    )
    assert keys.key(header, world().openers[OPS], NOW)
    keys.destroy_cancelled(world().envelope(**told).header, outbox)
    with pytest.raises(Refusal):
        keys.key(header, world().openers[OPS], NOW)


async def test_cancellation_whose_answer_was_lost_ends_the_key_when_it_is_asked_for(tmp_path):
    async with serving() as door:
        first = await sent(door.url, tmp_path)
        async with line(door.url, tmp_path) as sender:
            refs = refers("cancels", sender.world.outbox.envelope(first))
            cancel = world().envelope(type="can", verb="cancel", refs=refs, to=[WATCH])
            sender.world.outbox.keep(decoded(cancel.header).id, cancel)
            assert (await door.post(cancel.framed())).status == 201
            assert held(tmp_path / "pa.senan-ops")
            await sender.resume()
        assert not held(tmp_path / "pa.senan-ops")


async def test_cancellation_of_what_is_damaged_in_the_outbox_keeps_its_receipt(tmp_path):
    async with serving() as door:
        first = await sent(door.url, tmp_path)
        async with line(door.url, tmp_path) as sender:
            refs = refers("cancels", sender.world.outbox.envelope(first))
            sender.world.cabinet.put("posted.sealed", first, b"damaged")
            cancel = world().envelope(type="can", verb="cancel", refs=refs, to=[WATCH])
            sender.world.outbox.keep(decoded(cancel.header).id, cancel)
            assert len(await sender.resume()) == 1


async def test_key_is_kept_under_the_newest_of_our_keys(tmp_path):
    async with serving() as door, line(door.url, tmp_path) as sender:
        other = SoftwareOpener(msgspec.convert({"alg": "HPKE-9-KE", "seed": bytes(32)}, _Key))
        sender.keys = msgspec.structs.replace(
            sender.keys, openers=[other, *world().openers[OPS]]
        )
        prepared = await sender.prepare(draft())
        await sender.post(prepared)
        header = decoded(sender.world.outbox.envelope(prepared.header.id).header)
        key = sender.world.kept.key(header, world().openers[OPS], NOW)
        assert len(key) == 32


async def test_content_key_goes_with_the_key_that_opens_it_and_says_so(tmp_path):
    async with serving() as door:
        identity = await sent(door.url, tmp_path)
        gone = [
            ring.Gone(Destroyed(each.kid, each.key.alg, NOW)) for each in world().openers[OPS]
        ]
        other = SoftwareOpener(msgspec.convert({"alg": "HPKE-9-KE", "seed": bytes(32)}, _Key))
        async with line(door.url, tmp_path) as sender:
            prepared = await sender.prepare_grant(identity, WATCH_DESK)
            kept = held(tmp_path / "pa.senan-ops")
            sender.keys = msgspec.structs.replace(sender.keys, openers=[other], destroyed=gone)
            with pytest.raises(Refusal) as caught:
                await sender.grant(prepared)
            assert caught.value.code is Code.KEY_DESTROYED
            assert held(tmp_path / "pa.senan-ops") == kept == {identity}


async def test_content_key_comes_back_with_a_copy_of_the_outbox_until_its_time_is_over(
    tmp_path,
):
    """Nothing else is in need of being put back, but for the endpoint's own keys."""
    async with serving() as door:
        identity = await sent(door.url, tmp_path)
        box, copy = tmp_path / "pa.senan-ops", tmp_path / "copy"
        shutil.copytree(box, copy)
        shutil.rmtree(box)
        shutil.copytree(copy, box)
        await granted(door.url, tmp_path, identity)
        (item,) = await read(door.url, tmp_path)
        assert isinstance(item, Delivered)
        until = decoded(Outbox(cabinet(box)).envelope(identity).header).retain_until
        shutil.rmtree(box)
        shutil.copytree(copy, box)
        assert KeptKeys(cabinet(box)).destroy_overdue(until) == [identity]
        assert held(box) == set()


class _Key(msgspec.Struct):
    alg: str
    seed: bytes
