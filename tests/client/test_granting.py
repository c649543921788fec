"""A late recipient reads what was granted to it, and no node can make it read anything else."""

from __future__ import annotations

import msgspec
import pytest

from exchange.client import granting, receipts
from exchange.client.bearing import Mark, marks
from exchange.client.outbox import Outbox
from exchange.client.reading import Acked, Delivered, Granted
from exchange.errors import Code, Fault, Refusal
from exchange.model import entry as entries
from exchange.model import objects
from exchange.model.identity import digest
from tests.api.serving import serving
from tests.builders import (
    COAST,
    DAY,
    DESK,
    MINSA,
    NOW,
    OPS,
    WATCH,
    WATCH_DESK,
    decoded,
    refers,
    subject,
    world,
)
from tests.client.attached import a_file, endpoint, node, posted, received
from tests.client.dealing import cabinet, fronted, lied_to
from tests.client.granting import granted, line, read, sent
from tests.node.running import journal, post


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
        # Known by then, as if it had been cancelled here: nothing is sent.
        assert caught.value.code is Code.CONTENT_KEY_GONE
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
        # What may be is asked before what is there.
        (WATCH, NOW + 30 * DAY, Code.EXPIRED),
        (MINSA, NOW, Code.MAY_NOT_READ),
        ("us.jiatfs/nadie", NOW, Code.UNKNOWN_RECIPIENT),
        (WATCH_DESK, NOW + 30 * DAY, Code.EXPIRED),
        (WATCH_DESK, NOW + 30 * DAY - 1, None),
    ],
)
def test_what_cannot_be_granted_is_told_before_anything_is_signed(tmp_path, endpoint, at, code):
    envelope, box = world().envelope(to=[WATCH]), Outbox(cabinet(tmp_path))
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
    grant, box = world().grant(world().closed()), Outbox(cabinet(tmp_path))
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
