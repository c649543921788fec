"""Posting: one or many, each pair on its own, and the receipt or the reason for each."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from exchange.client import receipts
from exchange.model import entry as entries
from exchange.model.objects import Receipt
from exchange.policy import choices
from exchange.store.memory import MemoryStore
from tests.api.serving import serving
from tests.builders import COAST, MINSA, OPS, WATCH, decoded, suspended, unpadded, world
from tests.faults import Failure, FaultyStore
from tests.node.running import Clock, journal, until


def framed(raw):
    return raw + b"\n\n"


async def test_bulletin_is_received_with_a_receipt_that_verifies():
    async with serving() as door:
        envelope = world().envelope()
        said = await door.post(envelope.framed())
        receipt = msgspec.json.decode(said.body, type=Receipt)
        facts = receipts.verify(receipt, envelope.header, door.node.writer.view)
        assert (said.status, said.media) == (201, "application/json")
        assert {owed.endpoint for owed in facts.owed} == {WATCH, COAST}


async def test_duplicate_is_200_and_the_same_receipt():
    async with serving() as door:
        envelope = world().envelope()
        first = await door.post(envelope.framed())
        size = door.node.writer.size
        again = await door.post(envelope.framed())
        assert (again.status, again.body) == (200, first.body)
        asked = await door.get(f"/v1/receipts/{decoded(envelope.header).id}")
        assert asked.body == first.body
        assert door.node.writer.size == size


async def test_receipt_of_an_acknowledgement_is_given_again_to_who_signed_it():
    async with serving() as door:
        envelope = world().envelope()
        await door.post(envelope.framed())
        ack = world().ack(envelope)
        first = await door.post(ack + b"\n\n", WATCH)
        identity = msgspec.json.decode(unpadded(msgspec.json.decode(ack)["payload"]))["id"]
        assert (await door.get(f"/v1/receipts/{identity}", WATCH)).body == first.body
        assert (await door.get(f"/v1/receipts/{identity}", COAST)).code == "not-found"


async def test_duplicate_past_its_time_is_told_that_it_was_recorded():
    clock = Clock()
    async with serving(clock=clock) as door:
        envelope = world().envelope()
        first = await door.post(envelope.framed())
        clock.ms += 3000 * 1000
        again = await door.post(envelope.framed())
        assert (again.status, again.body) == (200, first.body)


async def test_same_id_with_other_bytes_is_409_and_journaled():
    async with serving() as door:
        envelope = world().envelope()
        index = (await door.post(envelope.framed())).json["index"]
        other = world().envelope(id=decoded(envelope.header).id, text=b'{"exercise":2}')
        said = await door.post(other.framed())
        assert (said.status, said.code, said.json["facts"]["found"]) == (
            409,
            "id-reused",
            index,
        )
        receipt = msgspec.json.decode(said.body, type=Problem).receipt
        facts = receipts.verify(receipt, other.header, door.node.writer.view)
        assert isinstance(facts, entries.Refused)
        assert (facts.caller, facts.code) == (OPS, "id-reused")


class Problem(msgspec.Struct):
    receipt: Receipt


async def test_each_pair_of_a_batch_stands_alone_and_lines_keep_their_order():
    async with serving() as door:
        good = [world().envelope() for _ in range(3)]
        parts = [
            good[0].framed(),
            framed(b"no object"),
            good[1].framed(),
            good[0].framed(),
            world().envelope(endpoint=WATCH).framed(),
            good[2].header + b"\n" + good[1].body + b"\n",
            good[2].framed(),
        ]
        lines = await door.batch(b"".join(parts))
    codes = [line.problem.code if line.problem else None for line in lines]
    assert codes == [None, "malformed", None, None, "not-yours", "digest-mismatch", None]
    indexes = [(line.receipt or line.problem.receipt).index for line in lines]
    first = indexes[0]
    assert indexes == [first, first + 1, first + 2, first, first + 3, first + 4, first + 5]


async def test_batch_of_512_pairs_is_taken_and_one_more_refuses_the_whole():
    async with serving() as door:
        before = door.node.writer.size
        lines = await door.batch(framed(b"x") * 512)
        assert len(lines) == 512
        assert door.node.writer.size == before + 512
        said = await door.post(framed(b"x") * 513, path="/v1/batch")
        assert (said.status, said.code) == (429, "too-many")
        assert door.node.writer.size == before + 513


async def test_batch_during_an_unknown_outcome_tells_each_pair_so():
    faulty = FaultyStore(MemoryStore())
    async with serving(faulty) as door:
        faulty.fail(*[Failure.LOSE_WRITE] * 4)
        posting = asyncio.ensure_future(door.post(world().envelope().framed()))
        await until(lambda: door.node.writer.fault is not None)
        late = world().envelope()
        said = await door.post(late.framed())
        assert (said.status, said.code) == (503, "outcome-unknown")
        lines = await door.batch(late.framed() * 2)
        assert [line.problem.code for line in lines] == ["outcome-unknown"] * 2
        assert (await door.get("/readyz", None)).status == 503
        assert (await door.get("/livez", None)).status == 200
        assert (await posting).status == 201
        assert (await door.post(late.framed())).status == 201


async def test_full_disk_is_503_and_the_next_post_is_taken():
    faulty = FaultyStore(MemoryStore())
    async with serving(faulty) as door:
        faulty.fail(Failure.REFUSE)
        envelope = world().envelope()
        said = await door.post(envelope.framed())
        assert (said.status, said.code) == (503, "store-failed")
        assert (await door.post(envelope.framed())).status == 201


async def test_acknowledgement_and_subscription_come_through_the_same_door():
    async with serving() as door:
        envelope = world().envelope()
        await door.post(envelope.framed())
        for raw, by in ((world().ack(envelope), WATCH), (world().subscription(), WATCH)):
            said = await door.post(framed(raw), by)
            assert said.status == 201
            receipt = msgspec.json.decode(said.body, type=Receipt)
            receipts.verify(receipt, raw, door.node.writer.view)
            assert (await door.post(framed(raw), by)).body == said.body
        page = (await door.get("/v1/inbox", OPS)).json
        assert [item["position"] for item in page["items"]] == [0]
        assert choices.subscribers("maritime", door.node.writer.view) == [WATCH]


async def test_acknowledgement_of_what_was_not_owed_is_refused():
    async with serving() as door:
        envelope = world().envelope(to=[COAST])
        await door.post(envelope.framed())
        assert (await door.post(framed(world().ack(envelope, WATCH)), WATCH)).code == "not-owed"
        assert (
            await door.post(framed(world().ack(envelope, COAST)), WATCH)
        ).code == "not-yours"


@pytest.mark.parametrize(("by", "expected"), [(OPS, "missing-role"), (MINSA, None)])
async def test_trust_documents_need_the_operators_role(by, expected):
    async with serving() as door:
        document = world().amended(COAST, suspended)
        said = await door.post(framed(document), by)
        if expected:
            assert (said.status, said.code) == (403, expected)
        assert door.node.writer.view.endpoints[COAST].is_active == bool(expected)
        assert (await journal(door.node))[-1].facts.view >= 0


async def test_trust_document_not_signed_by_its_nation_is_refused_whoever_brings_it():
    async with serving() as door:
        member = msgspec.structs.replace(world().member("us.uscg"), version=2)
        document = world().signed(member, ["pa"])
        said = await door.post(framed(document), MINSA)
        assert (said.status, said.code) == (422, "trust-not-signed")
