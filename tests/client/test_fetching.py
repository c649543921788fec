"""What the same endpoint posted from another machine: taken back, verified, and worked with."""

from __future__ import annotations

import shutil

import msgspec
import pytest
from aiohttp import web

from exchange.cli import choosing
from exchange.client import bearing, fetching, story
from exchange.client.outbox import Outbox
from exchange.errors import Code, Fault, Refusal
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model import objects
from exchange.model.codec import b64
from exchange.model.identity import digest
from exchange.model.objects import Receipt
from exchange.seal import jws
from exchange.seal.close import Envelope
from exchange.seal.software import SoftwareSigner
from tests.api.serving import serving
from tests.builders import COAST, MINSA, OPS, WATCH, WATCH_DESK, decoded, new_id, world
from tests.client.dealing import Liar, agency, draft, fronted
from tests.client.test_asking_killed import Killed
from tests.client.test_resealing import OTHER, queued, rotated, signing_anew
from tests.client.test_stale import cancelling
from tests.node.running import post


async def sent(url, folder, endpoint=OPS):
    """The id and receipt of what one machine posted."""
    async with agency(url, folder, endpoint) as line:
        prepared = await line.prepare(draft())
        return prepared.header.id, await line.post(prepared)


async def test_what_one_machine_posted_is_cancelled_from_another(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "two") as two:
        identity, receipt = await sent(door.url, tmp_path / "one")
        with pytest.raises(Refusal):
            await choosing.target(two, identity)
        assert await fetching.fetch(two, identity) == fetching.Fetched(identity, receipt, True)
        box = two.world.outbox
        assert (box.sent(), box.waiting(), box.envelope(identity).body) == ([identity], [], b"")
        assert (await choosing.target(two, identity)).id == identity
        of = story.posted(box, identity)
        assert (of.index, of.facts.owed[0].endpoint) == (receipt.index, WATCH)
        withdrawal = await two.prepare(cancelling(of.header, box))
        index = (await two.post(withdrawal)).index
        async with agency(door.url, tmp_path / "reader", WATCH) as reader:
            items = await reader.everything()
        told = [mark.relation for mark in bearing.marks(items)[receipt.index]]
        assert (told, items[-1].index) == (["cancels"], index)
        # The key of what is withdrawn goes at the first machine too, once it hears of it.
        async with agency(door.url, tmp_path / "one") as one:
            assert one.world.kept.has(identity)
            await fetching.fetch(one, withdrawal.header.id)
            assert not one.world.kept.has(identity)


async def test_header_holds_by_the_keys_of_its_time_though_they_changed_since(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "two") as two:
        identity, receipt = await sent(door.url, tmp_path / "one")
        await post(door.node, world().amended(OPS, signing_anew(OTHER)), MINSA)
        two.transport._signer = OTHER
        assert (await fetching.fetch(two, identity)).receipt == receipt


async def test_nobody_else_gets_it_and_nothing_that_was_refused(tmp_path):
    async with serving() as door:
        identity, _ = await sent(door.url, tmp_path / "one", WATCH)
        refused = world().envelope(expires=1)
        assert (await post(door.node, refused)).refusal is not None
        acked = world().envelope()
        await post(door.node, acked)
        ack = world().ack(acked)
        await post(door.node, ack)
        named = msgspec.json.decode(jws.read(ack, 9999).payload)["id"]
        for by, each in (
            (WATCH_DESK, identity),
            (OPS, identity),
            (OPS, decoded(refused.header).id),
            (OPS, new_id()),
            (OPS, "../trust"),
            # It is given, and is no bulletin.
            (WATCH, named),
        ):
            async with agency(door.url, tmp_path / "other", by) as line:
                with pytest.raises(Refusal) as caught:
                    await fetching.fetch(line, each)
                assert (caught.value.code, caught.value.at) == (Code.NOT_FOUND, "/id")
                assert line.world.outbox.sent() == []
        assert (await door.get(f"/v1/posted/{named}", WATCH)).body == ack


async def test_what_is_here_stays_as_it_is(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "one") as one:
        prepared = await one.prepare(draft())
        identity, box = await one.queue(prepared), one.world.outbox
        kept = box.envelope(identity)
        assert await fetching.fetch(one, identity) == fetching.Fetched(identity, None, False)
        # As it is posted from elsewhere meanwhile: by a copy of this machine, say.
        receipt = (await post(door.node, kept)).receipt
        box.take_back(identity, Envelope(kept.header, b""), receipt)
        assert (box.envelope(identity), box.waiting(), box.sent()) == (kept, [identity], [])
        # In the very same bytes it waits no more; its text and its key stay.
        for _ in range(2):
            again = await fetching.fetch(one, identity)
            assert again == fetching.Fetched(identity, box.receipt(identity), False)
            assert (again.receipt.index, box.waiting()) == (receipt.index, [])
        assert box.envelope(identity) == kept
        assert one.world.kept.has(identity)
        # So does what waits here for its release.
        waits, _ = await sent(door.url, tmp_path / "two")
        box.held.keep(waits, kept)
        assert not (await fetching.fetch(one, waits)).is_new
        assert box.envelope(waits) is None


async def test_what_waits_in_a_copy_of_the_mail_gives_way_to_what_was_posted(
    tmp_path, monkeypatch
):
    async with serving() as door:
        waits, stays = [await queued(door.url, tmp_path / "box") for _ in range(2)]
        shutil.copytree(tmp_path / "box", tmp_path / "copy")
        await post(door.node, world().amended(WATCH, rotated), MINSA)
        async with agency(door.url, tmp_path / "box") as one:
            receipt = await one.resolve(waits)
            posted = one.world.outbox.envelope(waits)
        async with agency(door.url, tmp_path / "copy") as copy:
            box = copy.world.outbox
            with pytest.raises(Fault):
                await copy.resolve(waits)
            # What the node does not have yet waits on.
            assert await fetching.fetch(copy, stays) == fetching.Fetched(stays, None, False)
            assert copy.world.kept.has(waits)
            # Cut off on the way, all of it is as it was: else the same could be posted twice.
            with monkeypatch.context() as patched:
                patched.setattr(Outbox, "take_back", die)
                with pytest.raises(Killed):
                    await fetching.fetch(copy, waits)
            assert (box.waiting(), copy.world.kept.has(waits)) == (sorted([waits, stays]), True)
            assert await fetching.fetch(copy, waits) == fetching.Fetched(waits, receipt, True)
            assert (box.waiting(), box.sent()) == ([stays], [waits])
            assert box.envelope(waits) == posted._replace(body=b"")
            assert (box.anew(waits), box.reviewed(waits)) == (None, None)
            assert not copy.world.kept.has(waits)
            assert await copy.resolve(waits) == receipt


def die(*_, **__):
    raise Killed


def forged(receipt, posted, envelope):
    """A receipt that the node signed, of a bulletin that nobody posted."""
    facts = entries.decode(receipt.facts.encode() + b"\n" + posted).facts
    blobs = [decoded(envelope.header).body]
    facts = msgspec.structs.replace(facts, digest=digest(envelope.header), blobs=blobs)
    entry = entries.encode(facts, envelope.header)
    group = objects.decode_group(jws.read(bytes(receipt.group), 9999).payload)
    group = msgspec.structs.replace(
        group, first=receipt.index, count=1, root=b64(leaf_hash(entry))
    )
    signer = SoftwareSigner.of(world().node.of("sign"))
    signed = jws.sign(msgspec.json.encode(group), objects.RECEIPT_TYP, [signer])
    told = entry.partition(b"\n")[0].decode()
    return Receipt("pa", receipt.index, told, [], msgspec.Raw(signed))


async def lies(door, identity, receipt):
    """Each answer that a node could give in place of the bulletin and its receipt."""
    given, told = f"/v1/posted/{identity}", f"/v1/receipts/{identity}"
    raw = (await door.get(given)).body
    another, foreign = world().envelope(), world().envelope(endpoint=COAST, id=identity)
    answers = [(await post(door.node, each)).receipt for each in (another, foreign)]
    for_another, for_foreign = map(msgspec.json.encode, answers)
    unsigned = world().envelope(
        msgspec.structs.replace(decoded(raw), to=[WATCH]), signer=world().signers[COAST]
    )
    by_nobody = msgspec.json.encode(forged(receipt, raw, unsigned))
    head, sign, tail = raw.partition(b'"signature":"')
    altered = head + sign + (b"B" if tail.startswith(b"A") else b"A") + tail[1:]
    return [
        ({given: another.header, told: for_another}, Code.BAD_PROOF, "/id"),
        ({given: foreign.header, told: for_foreign}, Code.BAD_PROOF, "/endpoint"),
        ({given: altered}, Code.BAD_PROOF, ""),
        ({told: for_another}, Code.BAD_PROOF, ""),
        ({given: unsigned.header, told: by_nobody}, Code.UNKNOWN_KEY, "/signatures/0"),
        ({given: b"{}"}, Code.MISSING_MEMBER, "/payload"),
        ({given: world().sign({}, "xb-header+jws", OPS)}, Code.MALFORMED, "/payload"),
    ]


async def test_nothing_is_kept_of_what_a_node_makes_up(tmp_path):
    async with serving() as door:
        liar, answers = Liar(door), {}

        async def handle(request):
            if request.path in answers:
                return web.Response(body=answers[request.path])
            return await liar.handle(request)

        identity, receipt = await sent(door.url, tmp_path / "one")
        async with fronted(handle) as url, agency(url, tmp_path / "two") as two:
            for lie, code, at in await lies(door, identity, receipt):
                answers.clear()
                answers.update(lie)
                with pytest.raises(Fault) as caught:
                    await fetching.fetch(two, identity)
                assert (caught.value.code, caught.value.at) == (code, at)
                box = two.world.outbox
                assert (box.envelope(identity), box.receipt(identity)) == (None, None)
            answers.clear()
            assert (await fetching.fetch(two, identity)).is_new
