"""A late recipient reads what was granted to it, and no node can make it read anything else."""

from __future__ import annotations

import shutil

import msgspec
import pytest

from exchange.client import granting, receipts
from exchange.client.bearing import Mark, marks
from exchange.client.kept import KeptKeys
from exchange.client.outbox import Outbox
from exchange.client.reading import Acked, Delivered, Granted
from exchange.custody import ring
from exchange.custody.container import Destroyed
from exchange.errors import Code, Fault, Refusal
from exchange.model import entry as entries
from exchange.model import objects
from exchange.model.identity import digest
from exchange.seal.open import SoftwareOpener
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
    WATCH_DESK,
    Closed,
    decoded,
    refers,
    subject,
    world,
)
from tests.client.attached import a_file, endpoint, node, posted, received
from tests.client.dealing import agency, draft, fronted, lied_to
from tests.node.running import Clock, journal, post


def line(url, tmp_path, endpoint=OPS, **changes):
    return agency(url, tmp_path / endpoint.replace("/", "-"), endpoint, **changes)


async def sent(url, tmp_path):
    """A bulletin from OPS to WATCH through the kit; its id."""
    async with line(url, tmp_path) as sender:
        prepared = await sender.prepare(draft())
        await sender.post(prepared)
        return prepared.header.id


async def granted(url, tmp_path, identity, endpoint=WATCH_DESK):
    async with line(url, tmp_path) as sender:
        return await sender.grant(await sender.prepare_grant(identity, endpoint))


async def read(url, tmp_path, endpoint=WATCH_DESK):
    async with line(url, tmp_path, endpoint) as reader:
        return await reader.everything()


async def test_late_recipient_reads_the_same_text_and_acknowledges_it(tmp_path):
    async with serving() as door:
        identity = await sent(door.url, tmp_path)
        assert await read(door.url, tmp_path) == []
        receipt = await granted(door.url, tmp_path, identity)
        (late,) = await read(door.url, tmp_path)
        (first,) = await read(door.url, tmp_path, WATCH)
        assert isinstance(late, Delivered)
        assert (late.index, late.accepted, late.locked) == (receipt.index, first.index, None)
        assert (late.grant.endpoint, late.digest) == (OPS, first.digest)
        assert late.opened == first.opened
        assert late.bulletin == first.bulletin
        async with line(door.url, tmp_path, WATCH_DESK) as reader:
            await reader.acknowledge(late, "opened", officer="watch-2")
        (acked,) = await read(door.url, tmp_path, OPS)
        assert isinstance(acked, Acked)
        assert (acked.ack.endpoint, acked.ack.of.id) == (WATCH_DESK, identity)


async def test_nothing_is_sealed_anew_and_the_key_never_travels_open(tmp_path):
    async with serving() as door:
        identity = await sent(door.url, tmp_path)
        blobs = dict(door.node.store._tables.blobs)
        await granted(door.url, tmp_path, identity)
        new = door.node.store._tables.blobs.keys() - blobs.keys()
        assert len(new) == 1
        (envelope,) = [
            line(door.url, tmp_path).world.outbox.envelope(each)
            for each in line(door.url, tmp_path).world.outbox.sent()
            if each != identity
        ]
        assert digest(envelope.body) == new.pop()
        sealed = line(door.url, tmp_path).world.outbox.envelope(identity)
        kept = line(door.url, tmp_path).world.kept
        key = kept.key(decoded(sealed.header), world().openers[OPS], NOW)
        files = b"".join(path.read_bytes() for path in (tmp_path / "pa.senan-ops").iterdir())
        assert key not in files
        assert objects.codec.b64(key).encode() not in files


async def test_late_recipient_saves_the_attachments_and_nobody_else_does(tmp_path):
    path = a_file(tmp_path, size=2000)
    async with node(tmp_path) as door:
        await posted(door, tmp_path, path)
        async with endpoint(door.url, tmp_path / "out") as (sender, _):
            (identity,) = sender.world.outbox.sent()
            receipt = await sender.grant(await sender.prepare_grant(identity, WATCH_DESK))
            blob = decoded(sender.world.outbox.envelope(identity).header).attachments[0]
        (tmp_path / "in").mkdir()
        async with endpoint(door.url, tmp_path / "late", WATCH_DESK) as (reader, _):
            item = await received(reader)
            saved = await reader.save(item, 0, tmp_path / "in")
        assert saved.read_bytes() == path.read_bytes()
        where = f"/v1/blobs/{blob.digest}?index={receipt.index}"
        assert (await door.get(where, WATCH_DESK)).status == 200
        for other in (WATCH, OPS, COAST):
            assert (await door.get(where, other)).code == "not-found"


async def test_cancellation_reaches_the_late_recipient_and_ends_granting(tmp_path):
    async with serving() as door:
        identity = await sent(door.url, tmp_path)
        await granted(door.url, tmp_path, identity)
        sealed = line(door.url, tmp_path).world.outbox.envelope(identity)
        refs = refers("cancels", sealed)
        cancel = world().envelope(type="can", verb="cancel", refs=refs, to=[WATCH])
        await post(door.node, cancel)
        _, news = await read(door.url, tmp_path)
        assert isinstance(news, Delivered)
        # By its header alone: it was not sealed to a recipient that came late.
        assert (news.header.verb, news.target) == ("cancel", len(world().documents) + 1)
        assert news.locked.code is Code.NOT_A_RECIPIENT
        with pytest.raises(Refusal) as caught:
            await granted(door.url, tmp_path, identity, COAST)
        assert caught.value.code is Code.TARGET_CANCELLED
        # Refused, and proved to be: nothing of it waits.
        assert line(door.url, tmp_path).world.outbox.waiting() == []


async def test_late_recipient_is_told_of_what_bore_on_it_before_it_was_granted(tmp_path):
    async with serving() as door:
        identity = await sent(door.url, tmp_path)
        refs = refers("corrects", line(door.url, tmp_path).world.outbox.envelope(identity))
        made = world().closed(type="cor", verb="correct", refs=refs, to=[WATCH])
        await post(door.node, made.envelope)
        corrected = door.node.size - 1
        await granted(door.url, tmp_path, identity)
        (item,) = await read(door.url, tmp_path)
        told = marks([item])[item.index]
        assert told == [Mark("corrects", corrected, is_here=False)]
        # Granted as well, it is shown where it stands in this inbox.
        await post(door.node, world().grant(made))
        items = await read(door.url, tmp_path)
        assert marks(items)[item.index] == [Mark("corrects", items[1].index)]


async def test_correction_sealed_to_others_can_be_granted_and_is_read(tmp_path):
    async with serving() as door:
        target = world().envelope(to=[WATCH_DESK])
        await post(door.node, target)
        changes = {"type": "cor", "verb": "correct", "refs": refers("corrects", target)}
        closed = world().closed(to=[COAST], **changes)
        await post(door.node, closed.envelope)
        await post(door.node, world().grant(closed))
        _, locked, open_ = await read(door.url, tmp_path)
        assert locked.locked.code is Code.NOT_A_RECIPIENT
        # The text of this one is no bulletin; but it was opened.
        assert (open_.locked.code, open_.opened is not None) == (Code.MISSING_MEMBER, True)


async def test_colleagues_grant_is_shown_to_the_posting_endpoint(tmp_path):
    def poster(endpoint):
        return msgspec.structs.replace(endpoint, roles=["poster", "reader"])

    async with serving() as door:
        await post(door.node, world().amended(DESK, poster), MINSA)
        closed = world().closed(to=[WATCH])
        await post(door.node, closed.envelope)
        await post(door.node, world().grant(closed, WATCH_DESK, DESK))
        (item,) = await read(door.url, tmp_path, OPS)
        assert isinstance(item, Granted)
        assert (item.grant.endpoint, item.grant.to) == (DESK, WATCH_DESK)


@pytest.mark.parametrize(
    ("endpoint", "at", "code"),
    [
        (WATCH, NOW, Code.ALREADY_HELD),
        (MINSA, NOW, Code.MAY_NOT_READ),
        ("us.jiatfs/nadie", NOW, Code.UNKNOWN_RECIPIENT),
        (WATCH_DESK, NOW + 30 * DAY, Code.EXPIRED),
        (WATCH_DESK, NOW + 30 * DAY - 1, None),
    ],
)
def test_what_cannot_be_granted_is_told_before_anything_is_signed(tmp_path, endpoint, at, code):
    envelope, box = world().envelope(to=[WATCH]), Outbox(tmp_path)
    identity = decoded(envelope.header).id
    box.keep(identity, envelope)
    if code is None:
        prepared = granting.prepare(box, identity, endpoint, world().view, at)
        assert prepared.subject == subject(envelope)
        return
    with pytest.raises(Refusal) as caught:
        granting.prepare(box, identity, endpoint, world().view, at)
    assert caught.value.code is code


def test_only_what_was_posted_from_here_is_granted_from_here(tmp_path):
    grant, box = world().grant(world().closed()), Outbox(tmp_path)
    box.keep("01a229f1-2800-7768-b6ef-52555962d008", grant)
    for identity in ("01a229f1-2800-7768-b6ef-52555962d008", "of-nobody"):
        with pytest.raises(Refusal) as caught:
            granting.prepare(box, identity, WATCH_DESK, world().view, NOW)
        assert caught.value.code is Code.NOT_FOUND


async def test_amendments_are_named_before_the_amended_is_granted(tmp_path):
    async with serving() as door:
        identity = await sent(door.url, tmp_path)
        box = line(door.url, tmp_path).world.outbox
        refs = refers("corrects", box.envelope(identity))
        correction = world().header(type="cor", verb="correct", refs=refs, to=[WATCH])
        box.keep(correction.id, world().envelope(correction))
        async with line(door.url, tmp_path) as sender:
            prepared = await sender.prepare_grant(identity, WATCH_DESK)
        assert prepared.amended_by == [correction.id]


async def test_grant_whose_answer_was_lost_is_posted_again_and_recorded_once(tmp_path):
    async with lied_to() as (door, liar, url):
        identity = await sent(url, tmp_path)
        lost = []

        async def losing(request):
            answer = await liar.handle(request)
            if request.path == "/v1/objects" and not lost:
                lost.append(answer.status)
                request.transport.abort()
            return answer

        async with fronted(losing) as lossy:
            with pytest.raises(Fault) as caught:
                await granted(lossy, tmp_path, identity)
        assert (caught.value.code, lost) == (Code.OUTCOME_UNKNOWN, [201])
        async with line(url, tmp_path) as sender:
            header = digest(sender.world.outbox.envelope(identity).header)
            (made,) = granting.made(sender.world.outbox, header)
            assert (made.grant.to, made.receipt) == (WATCH_DESK, None)
            (receipt,) = await sender.resume()
            (made,) = granting.made(sender.world.outbox, header)
            assert made.receipt == receipt
        kinds = [entries.kind_of(each.facts) for each in await journal(door.node)]
        assert kinds.count("granted") == 1


@pytest.mark.parametrize("what", ["owed to nobody", "another kind"])
async def test_receipt_that_does_not_promise_the_grant_is_no_receipt(tmp_path, what):
    async with serving() as door:
        identity = await sent(door.url, tmp_path)
        async with line(door.url, tmp_path) as sender:
            prepared = await sender.prepare_grant(identity, WATCH_DESK)
            receipt = await sender.grant(prepared)
            row = (await door.node.store.read(receipt.index, 1))[0]
            facts = entries.decode(row.entry).facts
            posted = entries.decode(row.entry).object
            if what == "owed to nobody":
                facts = msgspec.structs.replace(facts, owed=[])
            else:
                facts = entries.Released(
                    digest=facts.digest,
                    of=facts.of,
                    owed=facts.owed,
                    salt=facts.salt,
                    taken_ms=facts.taken_ms,
                    view=facts.view,
                )
            with pytest.raises(Refusal) as caught:
                receipts.must_be_taken_in(facts, posted)
            assert caught.value.code is Code.BAD_PROOF


# -- the content key -----------------------------------------------------------------------


def kept(tmp_path, **changes):
    header, keys = world().header(**changes), KeptKeys(tmp_path)
    closed = Closed(world().envelope(), header, bytes(range(32)))
    keys.keep(closed, world().openers[OPS], world().view.endpoints[OPS])
    return header, keys


def test_key_comes_back_until_its_time_and_is_destroyed_then(tmp_path):
    header, keys = kept(tmp_path)
    until = header.retain_until
    assert keys.key(header, world().openers[OPS], until - 1) == bytes(range(32))
    with pytest.raises(Refusal) as caught:
        keys.key(header, world().openers[OPS], until)
    assert caught.value.code is Code.CONTENT_KEY_GONE
    assert list(tmp_path.iterdir()) == []


def test_overdue_keys_go_and_others_stay(tmp_path):
    first, keys = kept(tmp_path)
    second, _ = kept(tmp_path, retain_until=NOW + 60 * DAY)
    assert keys.destroy_overdue(first.retain_until) == [first.id]
    assert keys.key(second, world().openers[OPS], NOW) == bytes(range(32))


def test_key_of_one_bulletin_is_destroyed_alone(tmp_path):
    first, keys = kept(tmp_path)
    second, _ = kept(tmp_path)
    keys.destroy(first.id)
    assert [path.name.partition(".")[0] for path in tmp_path.iterdir()] == [second.id]


@pytest.mark.parametrize("what", ["damaged", "another endpoint's", "under another header"])
def test_key_that_does_not_open_is_a_fault(tmp_path, what):
    header, keys = kept(tmp_path)
    openers = world().openers[COAST if what == "another endpoint's" else OPS]
    if what == "damaged":
        next(tmp_path.iterdir()).write_bytes(b"{}")
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
        assert list((tmp_path / "pa.senan-ops").glob("*.key")) == []


async def test_cancelling_destroys_the_key_of_what_is_cancelled_alone(tmp_path):
    async with serving() as door:
        first, second = await sent(door.url, tmp_path), await sent(door.url, tmp_path)
        async with line(door.url, tmp_path) as sender:
            refs = refers("cancels", sender.world.outbox.envelope(first))
            cancel = world().envelope(type="can", verb="cancel", refs=refs, to=[WATCH])
            sender.world.outbox.keep(decoded(cancel.header).id, cancel)
            await sender.resume()
        left = {each.name.partition(".")[0] for each in tmp_path.glob("*/*.key")}
        assert left == {second}


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
    left = {each.name.partition(".")[0] for each in folder.glob("pa.senan-ops/*.key")}
    return first, second, left


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
    outbox = Outbox(tmp_path / "out")
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
            assert list(tmp_path.glob("*/*.key"))
            await sender.resume()
        assert not list(tmp_path.glob("*/*.key"))


async def test_cancellation_of_what_is_damaged_in_the_outbox_keeps_its_receipt(tmp_path):
    async with serving() as door:
        first = await sent(door.url, tmp_path)
        async with line(door.url, tmp_path) as sender:
            refs = refers("cancels", sender.world.outbox.envelope(first))
            (tmp_path / "pa.senan-ops" / f"{first}.sealed").write_bytes(b"damaged")
            cancel = world().envelope(type="can", verb="cancel", refs=refs, to=[WATCH])
            sender.world.outbox.keep(decoded(cancel.header).id, cancel)
            assert len(await sender.resume()) == 1


async def test_key_is_kept_under_the_newest_of_our_keys(tmp_path):
    async with serving() as door, line(door.url, tmp_path) as sender:
        other = SoftwareOpener(msgspec.convert({"alg": "HPKE-9-KE", "seed": bytes(32)}, _Key))
        sender._keys = msgspec.structs.replace(
            sender._keys, openers=[other, *world().openers[OPS]]
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
            kept = {each.name for each in tmp_path.glob("*/*.key")}
            sender._keys = msgspec.structs.replace(
                sender._keys, openers=[other], destroyed=gone
            )
            with pytest.raises(Refusal) as caught:
                await sender.grant(prepared)
            assert caught.value.code is Code.KEY_DESTROYED
            assert {each.name for each in tmp_path.glob("*/*.key")} == kept


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
        until = decoded(Outbox(box).envelope(identity).header).retain_until
        shutil.rmtree(box)
        shutil.copytree(copy, box)
        assert KeptKeys(box).destroy_overdue(until) == [identity]
        assert list(box.glob("*.key")) == []


class _Key(msgspec.Struct):
    alg: str
    seed: bytes
