"""The outbox: kept before it is sent, and posted again as it is until there is a receipt."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from aiohttp import web

from exchange.client.outbox import Outbox
from exchange.custody.founding import NodePlan
from exchange.errors import Code, Fault, Refusal
from exchange.model import entry as entries
from exchange.model import wire
from exchange.seal.close import Envelope
from tests.api.serving import serving
from tests.builders import MINSA, NOW_MS, OPS, WATCH, certificate, decoded, suspended, world
from tests.client.dealing import Liar, agency, cabinet, draft, fronted, lied_to
from tests.node.running import journal, post


async def accepted(door):
    return [e for e in await journal(door.node) if isinstance(e.facts, entries.Accepted)]


def lossy(door, lost):
    """A front that lets requests through and loses the answers to the first writes."""
    left = [lost]

    async def handle(request):
        async with door.http.request(
            request.method,
            door.url + request.path_qs,
            data=await request.read(),
            headers={k: v for k, v in request.headers.items() if k == "Authorization"},
        ) as answer:
            body = await answer.read()
        if request.path == "/v1/objects" and left[0]:
            left[0] -= 1
            request.transport.abort()
        return web.Response(body=body, status=answer.status, content_type=answer.content_type)

    return handle


async def test_envelope_is_on_disk_before_anything_is_sent(tmp_path):
    async with agency("https://127.0.0.1:1", tmp_path / "box") as line:
        prepared = await prepared_offline(line)
        with pytest.raises(Fault) as caught:
            await line.post(prepared)
        assert caught.value.code is Code.NODE_UNREACHABLE
        assert line.world.outbox.waiting() == [prepared.header.id]
        kept = line.world.outbox.envelope(prepared.header.id)
        assert b"xb-header" not in kept.body
        # By another process as well; and nothing of it lies open.
        assert Outbox(cabinet(tmp_path / "box")).envelope(prepared.header.id) == kept
        on_disk = b"".join(each.read_bytes() for each in (tmp_path / "box").iterdir())
        assert prepared.header.id.encode() not in on_disk
        assert kept.header not in on_disk


async def prepared_offline(line):
    async with serving() as door, agency(door.url, line.world.cabinet.folder) as other:
        return await other.prepare(draft())


async def test_receipt_is_kept_and_nothing_waits(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "box") as line:
        prepared = await line.prepare(draft())
        assert [reader.endpoint for reader in prepared.readers] == [WATCH]
        receipt = await line.post(prepared)
        box = line.world.outbox
        assert (box.waiting(), box.sent()) == ([], [prepared.header.id])
        assert box.receipt(prepared.header.id) == receipt


async def test_lost_answer_is_resumed_to_the_same_index(tmp_path):
    async with serving() as door, fronted(lossy(door, 1)) as url:
        async with agency(url, tmp_path / "box") as line:
            with pytest.raises(Fault) as caught:
                await line.post(await line.prepare(draft()))
            assert caught.value.code is Code.OUTCOME_UNKNOWN
            index = door.node.writer.size - 1
        # As after a restart of the agency: only the folder is left.
        async with agency(url, tmp_path / "box") as line:
            receipts = await line.resume()
            assert [receipt.index for receipt in receipts] == [index]
            assert line.world.outbox.waiting() == []
            assert await line.resume() == []
        assert len(await accepted(door)) == 1


async def test_refused_envelope_is_discarded_and_says_why(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "box") as line:
        prepared = await line.prepare(draft())
        header = msgspec.structs.replace(prepared.header, expires=prepared.header.issued)
        with pytest.raises(Refusal) as caught:
            await line.post(msgspec.structs.replace(prepared, header=header))
        assert caught.value.code in {Code.EXPIRED, Code.LIFETIME}
        assert line.world.outbox.waiting() == []


async def test_caller_turned_away_at_the_door_keeps_its_envelope(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "box") as line:
        prepared = await line.prepare(draft())
        await post(door.node, world().amended(OPS, suspended), MINSA)
        with pytest.raises(Refusal) as caught:
            await line.post(prepared)
        assert caught.value.code is Code.ENDPOINT_SUSPENDED
        assert line.world.outbox.waiting() == [prepared.header.id]


async def test_one_refused_envelope_does_not_hold_up_the_others(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "box") as line:
        box = line.world.outbox
        bad, good = world().envelope(expires=world().header().issued), world().envelope()
        box.keep("00000000-0000-7000-8000-000000000001", bad)
        box.keep("00000000-0000-7000-8000-000000000002", good)
        with pytest.raises(Refusal):
            await line.resume()
        assert box.waiting() == []
        assert len(box.sent()) == 1
        assert [entry.object for entry in await accepted(door)] == [good.header]


async def test_one_receipt_that_never_holds_does_not_hold_up_the_others(tmp_path):
    async with lied_to() as (door, liar, url), agency(url, tmp_path / "box") as line:
        box = line.world.outbox
        bad, good, damaged = (world().envelope() for _ in range(3))
        of_bad, of_damaged, of_good = (f"00000000-0000-7000-8000-00000000000{n}" for n in "123")
        box.keep(of_bad, bad)
        box.keep(of_damaged, damaged)
        line.world.cabinet.put("posted.sealed", of_damaged, b"{}")
        box.keep(of_good, good)

        def altered(_, value):
            # Held to any other bytes than its own, a receipt does not hold.
            return {**value, "index": 7} if bad.header in liar.told[-1] else value

        liar.change = altered
        told = []
        with pytest.raises(Fault) as caught:
            await line.resume(trouble=lambda *each: told.append(each))
        assert (caught.value.code, caught.value.facts["id"]) == (Code.BAD_PROOF, of_bad)
        assert [(each, error.code) for each, error in told] == [
            (of_bad, Code.BAD_PROOF),
            (of_damaged, Code.MAIL_DAMAGED),
        ]
        assert (box.sent(), box.waiting()) == ([of_good], [of_bad, of_damaged])
        assert good.header in [entry.object for entry in await accepted(door)]


def lost(line, identity):
    """As after a kill, before the receipt was kept."""
    box = line.world.outbox
    line.world.cabinet.drop("posted.receipt", identity)
    line.world.cabinet.drop("posted.sent", identity)
    box.keep(identity, box.envelope(identity))


async def test_receipt_is_had_again_after_the_node_changed_its_keys(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "box") as line:
        receipt = await line.post(await line.prepare(draft()))
        founder, secrets = world().founder, world().founder.new_node("pa")
        document = founder.node(
            NodePlan("pa", "https://localhost:8443", certificate()[1]), secrets
        )
        document = msgspec.structs.replace(document, version=2)
        await post(door.node, world().signed(document, ["pa"]), MINSA)
        (identity,) = line.world.outbox.sent()
        lost(line, identity)
        assert await line.resume() == [receipt]
        assert line.trust.newest.version_of("nodes/pa") == 2


async def test_node_that_is_away_ends_the_resuming(tmp_path):
    async with agency("https://127.0.0.1:1", tmp_path / "box") as line:
        for number in "12":
            line.world.outbox.keep(
                f"00000000-0000-7000-8000-00000000000{number}", world().envelope()
            )
        told = []
        with pytest.raises(Fault) as caught:
            await line.resume(trouble=lambda *each: told.append(each))
        assert (caught.value.code, told) == (Code.NODE_UNREACHABLE, [])


async def test_receipt_that_does_not_hold_leaves_the_envelope_waiting(tmp_path):
    async with lied_to() as (_, liar, url), agency(url, tmp_path / "box") as line:

        def altered(path, value):
            if path == "/v1/objects":
                value["index"] += 1
            return value

        liar.change = altered
        prepared = await line.prepare(draft())
        with pytest.raises(Fault) as caught:
            await line.post(prepared)
        assert caught.value.code is Code.BAD_PROOF
        assert line.world.outbox.waiting() == [prepared.header.id]
        liar.change = lambda _, value: value
        assert len(await line.resume()) == 1


async def test_refusals_receipt_does_not_pass_for_acceptance(tmp_path):
    async with lied_to() as (door, liar, url), agency(url, tmp_path / "box") as line:
        envelope = world().envelope()
        refusal = await post(door.node, envelope, WATCH)
        assert refusal.refusal.code is Code.NOT_YOURS

        def swapped(path, value):
            is_post = path == "/v1/objects"
            return (
                msgspec.json.decode(msgspec.json.encode(refusal.receipt)) if is_post else value
            )

        liar.change = swapped
        with pytest.raises(Fault) as caught:
            await line.send(decoded(envelope.header).id, envelope)
        assert caught.value.code is Code.BAD_PROOF


async def test_receipt_must_say_that_every_recipient_is_owed(tmp_path, monkeypatch):
    from exchange.broker.settle import Ledger  # noqa: PLC0415

    owe = Ledger.owe
    # A node that accepts, and keeps the bulletin from its recipient.
    monkeypatch.setattr(
        Ledger, "owe", lambda self, them: owe(self, [each for each in them if each != WATCH])
    )
    async with serving() as door, agency(door.url, tmp_path / "box") as line:
        with pytest.raises(Fault) as caught:
            await line.post(await line.prepare(draft()))
        assert (caught.value.code, caught.value.facts["name"]) == (Code.BAD_PROOF, WATCH)


async def test_posters_at_once_share_one_session(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "box") as line:
        prepared = [await line.prepare(draft()) for _ in range(5)]
        receipts = await asyncio.gather(*(line.post(each) for each in prepared))
        assert len({receipt.index for receipt in receipts}) == 5


@pytest.mark.parametrize("proof", ["none", "accepted", "of another", "by another", "altered"])
async def test_refusal_without_its_proof_keeps_the_envelope(tmp_path, proof):
    envelope, other = world().envelope(), world().envelope()
    identity = decoded(envelope.header).id
    async with serving() as door:
        by_another = (await post(door.node, envelope, WATCH)).receipt
        made = {
            "none": None,
            "of another": (await post(door.node, other, WATCH)).receipt,
            "by another": by_another,
            "altered": msgspec.structs.replace(by_another, index=by_another.index + 1),
            "accepted": (await post(door.node, envelope)).receipt,
        }
        said = wire.Words("", "", "", "")
        problem = wire.Problem("", "", 403, "expired", "", {}, said, said, made[proof])
        forward = lossy(door, 0)

        async def handle(request):
            if request.path == "/v1/objects":
                return web.Response(body=msgspec.json.encode(problem), status=403)
            return await forward(request)

        async with fronted(handle) as url, agency(url, tmp_path / "box") as line:
            line.world.outbox.keep(identity, envelope)
            with pytest.raises(Refusal) as caught:
                await line.send(identity, envelope)
            assert caught.value.code is Code.EXPIRED
            assert line.world.outbox.waiting() == [identity]


async def test_own_review_refuses_first_and_the_node_in_spite_of_it(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "box") as line:
        wrong = draft()
        marking = msgspec.structs.replace(wrong.post.marking, releasable_to=["PAN"])
        wrong = msgspec.structs.replace(
            wrong, post=msgspec.structs.replace(wrong.post, marking=marking)
        )
        size = door.node.writer.size
        with pytest.raises(Refusal) as caught:
            await line.prepare(wrong)
        assert (caught.value.code, door.node.writer.size) == (Code.NOT_RELEASABLE, size)
        prepared = await line.prepare(wrong, in_spite=True)
        assert prepared.objection.code is Code.NOT_RELEASABLE
        with pytest.raises(Refusal) as caught:
            await line.post(prepared)
        assert caught.value.code is Code.NOT_RELEASABLE
        assert caught.value.receipt.index == size
        assert (await journal(door.node))[-1].facts.code == "not-releasable"
        assert (await line.prepare(draft(), in_spite=True)).objection is None


async def test_rules_of_the_arrangement_are_reviewed_too(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "box") as line:
        wrong = draft()
        post_ = msgspec.structs.replace(wrong.post, expires="400d", retain="500d")
        wrong = msgspec.structs.replace(wrong, post=post_)
        with pytest.raises(Refusal) as caught:
            await line.prepare(wrong)
        assert caught.value.code is Code.LIFETIME
        assert (await line.prepare(wrong, in_spite=True)).objection.code is Code.LIFETIME


# -- after an unknown outcome ----------------------------------------------------------------


async def test_what_has_no_answer_is_asked_for_before_it_is_sent_again(tmp_path):
    async with serving() as door, fronted(lossy(door, 1)) as url:
        async with agency(url, tmp_path / "box") as line:
            with pytest.raises(Fault):
                await line.post(await line.prepare(draft()), "mark")
        # The node has it, so nothing is posted a second time.
        liar = Liar(door)
        async with fronted(liar.handle) as other, agency(other, tmp_path / "box") as line:
            (entry,) = await accepted(door)
            identity, receipt = await line.posted("mark")
            assert decoded(entry.object).id == identity
            assert receipt.index == door.node.writer.size - 1
            assert "POST /v1/objects" not in liar.asked
            assert line.world.outbox.waiting() == []


async def test_what_never_arrived_is_sent_as_it_was_sealed(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "box") as line:
        envelope = world().envelope(to=[WATCH])
        identity = decoded(envelope.header).id
        line.world.outbox.keep(identity, envelope, "mark")
        assert (await line.posted("mark"))[0] == identity
        assert [entry.object for entry in await accepted(door)] == [envelope.header]
        # Told, it is forgotten: from here on the same is new.
        line.world.outbox.forget("mark")
        assert await line.posted("mark") is None


async def test_mark_of_what_was_refused_or_never_sealed_leads_to_nothing(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "box") as line:
        box = line.world.outbox
        box.keep("01a229f1-2800-7768-b6ef-52555962d008", world().envelope(expires=1), "mark")
        with pytest.raises(Refusal):
            await line.posted("mark")
        assert box.marked("mark") is None


async def test_lost_answer_to_an_acknowledgement_records_it_once(tmp_path):
    async with serving() as door:
        await post(door.node, world().envelope(to=[WATCH]))
        async with (
            fronted(lossy(door, 1)) as url,
            agency(url, tmp_path / "box", WATCH) as line,
        ):
            (item,) = await line.everything()
            with pytest.raises(Fault) as caught:
                await line.acknowledge(item, "schema-invalid", "watch-1")
            assert caught.value.code is Code.OUTCOME_UNKNOWN
            assert len(line.world.outbox.acks.waiting()) == 1
        # As after a restart: only the folder is left.
        async with agency(door.url, tmp_path / "box", WATCH) as line:
            first = await line.acknowledge(item, "schema-invalid", "watch-1")
            assert await line.acknowledge(item, "schema-invalid", "watch-1") == first
            assert line.world.outbox.acks.waiting() == []
            other = await line.acknowledge(item, "schema-invalid", "watch-2")
        acked = [
            e.facts
            for e in await journal(door.node)
            if isinstance(e.facts, entries.Acknowledged)
        ]
        assert [each.owed[0].position for each in acked] == [0, 1]
        assert other.index == first.index + 1


async def test_resuming_takes_up_acknowledgements_too(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "box", WATCH) as line:
        target = world().envelope(to=[WATCH])
        await post(door.node, target)
        ack = Envelope(world().ack(target), b"")
        line.world.outbox.acks.keep("01a229f1-2800-7768-b6ef-52555962d008", ack)
        (receipt,) = await line.resume()
        assert receipt.index == door.node.writer.size - 1
        assert line.world.outbox.acks.waiting() == []


async def test_node_that_goes_away_after_its_answer_leaves_an_unknown_outcome(tmp_path):
    """It has it, and nothing that its receipt is held to can be had: nobody says it waits."""
    async with serving() as door:
        liar, gone = Liar(door), []

        async def handle(request):
            if gone:
                request.transport.abort()
            answer = await liar.handle(request)
            if request.path == "/v1/objects":
                gone.append(True)
            return answer

        async with fronted(handle) as url, agency(url, tmp_path / "box") as line:
            prepared = await line.prepare(draft())
            with pytest.raises(Fault) as caught:
                await line.post(prepared)
            assert caught.value.code is Code.OUTCOME_UNKNOWN
            waits = line.world.outbox.waits(prepared.header.id)
            assert (waits.tries, waits.why.code) == (1, "outcome-unknown")
            gone.clear()
            assert len(await line.resume()) == 1
        assert len(await accepted(door)) == 1


async def test_what_waits_tells_since_when_how_often_and_why(tmp_path):
    async with agency("https://127.0.0.1:1", tmp_path / "box") as line:
        prepared = await prepared_offline(line)
        with pytest.raises(Fault):
            await line.post(prepared)
        with pytest.raises(Fault):
            await line.resume()
        waits = line.world.outbox.waits(prepared.header.id)
        assert (waits.tries, waits.tried_ms, waits.since_ms) == (2, NOW_MS, NOW_MS)
        assert waits.why.error().code is Code.NODE_UNREACHABLE


async def test_mark_of_what_its_author_knows_to_wait_leads_to_it_until_it_has_gone(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "box") as line:
        box, identity = line.world.outbox, await line.queue(await line.prepare(draft()), "mark")
        box.tell("mark")
        assert box.marked("mark") == identity
        await line.resume()
        assert box.marked("mark") is None
