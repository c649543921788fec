"""Who is new asks at an open door, and finds out nothing; operators see what waits."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
import structlog

from exchange.client import vouching
from exchange.client.receipts import verify
from exchange.model import entry as entries
from exchange.model import objects, wire
from exchange.model.identity import digest
from exchange.policy.limits import AGAIN, ATTEMPTS
from exchange.seal import jws
from exchange.seal.enrolment import MAX_AGE_S
from exchange.store.memory import MemoryStore
from tests import enrolled
from tests.api.serving import serving
from tests.builders import COAST, HOUR, MINSA, NOW, OPS, WATCH, new_id, world
from tests.node.running import Clock, Gate, post, until
from tests.vectors import enrolling

PATH = "/v1/enrolments"


async def invite(door, by=MINSA, **changes):
    raw = enrolled.invited(world(), by, **changes)
    said = await door.post(raw + b"\n\n", by)
    assert said.status == 201, said.body
    return raw


async def second(door):
    await post(door.node, enrolled.second_operator(world()), MINSA)


async def listed(door, by=MINSA, **query):
    said = await door.get("/v1/invitations", by, params=query)
    assert said.status == 200, said.body
    return msgspec.json.decode(said.body, type=wire.InvitationPage)


async def ask(door, raw):
    return await door.post(raw, None, PATH)


def newest(door):
    return entries.decode(door.node.store._tables.entries[-1]).facts


async def test_invited_asked_approved_each_told_to_the_asker_and_the_operators():
    async with serving() as door:
        await second(door)
        first = await invite(door)
        asked = enrolled.asked(world(), first)
        said = await ask(door, asked)
        assert (said.status, said.json["state"]) == (201, "waiting")
        again = await ask(door, asked)
        assert (again.status, again.json["receipt"]) == (200, said.json["receipt"])
        verdict = enrolled.ruled(world(), asked)
        assert (await door.post(verdict + b"\n\n", OPS)).status == 201
        assert (await ask(door, asked)).json["state"] == "approved"
        (item,) = (await listed(door)).items
        told = [item.invitation, item.requested, item.decided]
        assert [each.object.encode() for each in told] == [first, asked, verdict]
        assert [each.index for each in told] == [
            door.node.size - 3 + place for place in range(3)
        ]
        # Approved is not let in: it takes what custodians sign.
        assert enrolled.NEW not in door.node.view.endpoints


async def test_its_nation_s_operators_get_the_receipts_of_all_three_and_nobody_else_does():
    async with serving() as door:
        await second(door)
        first = await invite(door)
        asked = enrolled.asked(world(), first)
        told = await receipts(door, 0)
        assert (told.requested, told.decided) == (None, None)
        assert vouched(door, told.invitation, first) == entries.Invited
        await ask(door, asked)
        verdict = enrolled.ruled(world(), asked)
        await door.post(verdict + b"\n\n", OPS)
        told = await receipts(door, 0)
        assert vouched(door, told.requested, asked) == entries.EnrolmentAsked
        assert vouched(door, told.decided, verdict) == entries.Decided
        file = vouching.write(
            vouching.Vouched(
                [asked, first, verdict], [told.requested, told.invitation, told.decided]
            )
        )
        assert vouching.check(file, door.node.view, NOW)
        path = "/v1/invitations/receipts"
        # The next number, and the same one of the other nation.
        await post(door.node, world().amended(WATCH, enrolled.operator), MINSA)
        for by, number in ((MINSA, 1), (WATCH, 0)):
            said = await door.get(path, by, params={"number": number})
            assert (said.status, said.code) == (404, "not-found")
        assert (await door.get(path, MINSA)).code == "bad-request"
        assert (await door.get(path, COAST, params={"number": 0})).code == "missing-role"


async def receipts(door, number):
    said = await door.get("/v1/invitations/receipts", MINSA, params={"number": number})
    assert said.status == 200, said.body
    return msgspec.json.decode(said.body, type=wire.InvitationReceipts)


def vouched(door, receipt, raw):
    return type(verify(receipt, raw, door.node.view))


async def test_once_custodians_list_its_keys_it_is_in_force():
    async with serving() as door:
        first = await invite(door)
        asked = enrolled.asked(world(), first)
        await ask(door, asked)
        request = objects.decode_enrolment(jws.read(asked, 1 << 20).payload)
        member = world().member("pa.senan")
        fresh = msgspec.structs.replace(
            member.endpoints[0], id=enrolled.NEW, roles=["poster"], keys=request.keys
        )
        after = msgspec.structs.replace(
            member,
            version=member.version + 1,
            endpoints=sorted([*member.endpoints, fresh], key=lambda each: each.id),
        )
        await post(door.node, world().signed(after, ["pa"]), MINSA)
        assert (await ask(door, asked)).json["state"] == "in-force"


async def test_a_declined_request_is_told_so():
    async with serving() as door:
        first = await invite(door)
        asked = enrolled.asked(world(), first)
        await ask(door, asked)
        declined = enrolled.ruled(world(), asked, MINSA, verdict="declined")
        assert (await door.post(declined + b"\n\n", MINSA)).status == 201
        assert (await ask(door, asked)).json["state"] == "declined"


async def test_strangers_get_one_answer_which_is_counted_and_not_recorded():
    async with serving() as door:
        first = await invite(door)
        strange = enrolled.link(world(), first, url="https://localhost:9").shown
        none = msgspec.structs.replace(strange, invitation="A" * 43)
        # What is there, and is no invitation.
        other = msgspec.structs.replace(strange, invitation=digest(world().documents[0]))
        size, answers = door.node.size, set()
        for shown in (strange, none, other):
            for endpoint in (enrolled.NEW, OPS, "pa.senan/none"):
                raw = enrolled.asked(world(), first, shown=shown, endpoint=endpoint)
                answers.add(await ask(door, raw))
        answers.add(await ask(door, enrolling.signed(enrolling.first(), enrolling.signer())))
        (said,) = answers
        assert (said.status, said.code) == (403, "bad-invitation")
        assert door.node.size == size
        counted = f'exchange_refused_total{{code="bad-invitation",route="{PATH}"}} 10'
        assert counted in (await door.get("/metrics", None)).body.decode()


@pytest.mark.parametrize("data", [b"", b"x", b"{}", b"\xff", b"[" * 9000, b"x" * 40_000])
async def test_what_cannot_be_read_is_refused_and_never_recorded(data):
    async with serving() as door:
        size = door.node.size
        said = await ask(door, data)
        assert 400 <= said.status < 500
        assert said.code
        assert door.node.size == size


async def test_another_object_is_no_request():
    async with serving() as door:
        size = door.node.size
        assert (await ask(door, world().documents[0])).status < 500
        assert (await ask(door, world().subscription())).code == "unknown-object"
        assert door.node.size == size


async def test_a_holder_of_the_link_is_told_all_and_each_no_is_recorded():
    clock = Clock()
    async with serving(clock=clock) as door:
        first = await invite(door)

        async def refused(raw, code):
            size = door.node.size
            said = await ask(door, raw)
            assert said.code == code
            assert door.node.size == size + 1
            assert said.json["receipt"]["index"] == size
            facts = newest(door)
            assert (facts.code, facts.caller) == (code, enrolled.NEW)
            assert facts.digest == digest(raw)

        await refused(
            enrolled.asked(world(), first, endpoint="pa.senan/guard"), "invitation-other"
        )
        keys = enrolling.sig(enrolling.signer())
        known = [*keys, enrolling.enc(world().key(WATCH))]
        await refused(enrolled.asked(world(), first, keys=known), "key-known")
        await ask(door, enrolled.asked(world(), first))
        await refused(enrolled.asked(world(), first, "other"), "invitation-used")
        unused = await invite(door, id=new_id())
        clock.ms += HOUR * 1000
        late = enrolled.asked(world(), unused, "late", issued=NOW)
        await refused(late, "invitation-over")


async def test_who_has_a_link_fills_no_journal_with_it():
    async with serving(clock=Clock()) as door:
        first = await invite(door)
        let_in = enrolled.asked(world(), first)
        assert (await ask(door, let_in)).status == 201
        for seed in range(ATTEMPTS.burst - 1):
            raw = enrolled.asked(world(), first, f"{seed}")
            assert (await ask(door, raw)).code == "invitation-used"
        size = door.node.size
        said = await ask(door, enrolled.asked(world(), first, "more"))
        assert (said.status, said.code) == (429, "too-many")
        # What stands may still be asked about.
        assert (await ask(door, let_in)).status == 200
        assert door.node.size == size
        other = await invite(door, id=new_id())
        assert (await ask(door, enrolled.asked(world(), other, "o"))).status == 201


async def test_what_is_on_record_is_told_from_its_entry_and_judged_no_more():
    """Custodians would refuse it by now, for its age: that is theirs to say."""
    clock = Clock()
    async with serving(clock=clock) as door:
        asked = enrolled.asked(world(), await invite(door))
        told = (await ask(door, asked)).json
        size = door.node.size
        clock.ms += MAX_AGE_S * 1000 + 1000
        said = await ask(door, asked)
        assert (said.status, said.json) == (200, told)
        assert door.node.size == size


async def test_what_is_on_record_is_told_while_the_writer_is_busy():
    """So it takes no place in a group of what is to be recorded, and nobody verifies it."""
    gate = Gate(MemoryStore())
    async with serving(gate) as door:
        asked = enrolled.asked(world(), await invite(door))
        told = (await ask(door, asked)).json
        gate.shut()
        waiting = asyncio.ensure_future(invite(door, id=new_id()))
        await until(lambda: gate.batches)
        said = await asyncio.wait_for(ask(door, asked), 10)
        assert (said.status, said.json) == (200, told)
        gate.open.set()
        await waiting


async def test_who_waits_may_ask_how_it_stands_so_often_and_no_more():
    clock = Clock()
    async with serving(clock=clock) as door:
        first = await invite(door)
        asked = enrolled.asked(world(), first)
        assert (await ask(door, asked)).status == 201
        for _ in range(AGAIN.burst):
            assert (await ask(door, asked)).status == 200
        said = await ask(door, asked)
        assert (said.status, said.code) == (429, "too-many")
        # That is no attempt: another request has as many of those as before.
        other = enrolled.asked(world(), first, "other")
        assert (await ask(door, other)).code == "invitation-used"
        clock.ms += AGAIN.every_ms
        assert (await ask(door, asked)).status == 200


async def test_only_operators_see_invitations_and_only_their_nation_s():
    async with serving() as door:
        await second(door)
        await post(door.node, world().amended(COAST, enrolled.operator), MINSA)
        await invite(door)
        assert (await listed(door, OPS)).total == 1
        assert (await listed(door, COAST)) == wire.InvitationPage([], 0)
        assert (await door.get("/v1/invitations", WATCH)).code == "missing-role"


async def test_many_invitations_come_in_pages():
    async with serving() as door:
        for place in range(5):
            await invite(door, id=new_id(), invited=f"pa.senan/n{place}")
        page = await listed(door)
        assert ([each.number for each in page.items], page.total) == ([4, 3, 2, 1, 0], 5)
        page = await listed(door, before=2)
        assert ([each.number for each in page.items], page.total) == ([1, 0], 5)
        assert (await listed(door, before=0)).items == []
        assert (await door.get("/v1/invitations?before=-1", MINSA)).code == "bad-request"


async def test_the_link_s_secret_and_proofs_that_failed_are_in_no_log_and_no_entry():
    with structlog.testing.capture_logs() as logs:
        async with serving() as door:
            first = await invite(door)
            strange = enrolled.link(world(), first, url="https://localhost:9").shown
            await ask(door, enrolled.asked(world(), first, shown=strange))
            await ask(door, enrolled.asked(world(), first))
            kept = b"".join(door.node.store._tables.entries)
    told = repr(logs)
    assert strange.proof not in told + kept.decode()
    assert enrolled.link(world(), first).shown.proof not in told
