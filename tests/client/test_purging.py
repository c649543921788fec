"""A holder destroys what was ordered to be purged, says so, and obeys no lie of a node."""

from __future__ import annotations

from contextlib import asynccontextmanager

import msgspec
import pytest

from exchange.broker.records import Record
from exchange.client import purging
from exchange.client.attesting import attestable
from exchange.client.purging import Orders, Taken
from exchange.client.reading import Delivered, PurgeOrdered
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import objects
from exchange.model.identity import digest
from exchange.seal import jws
from tests.api.serving import serving
from tests.broker.amending import cancelling
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
    world,
)
from tests.client.dealing import agency
from tests.node.running import Clock, post
from tests.node.test_retaining import ASKED, RULE


class Case:
    """A node behind its door, and its callers' machines."""

    def __init__(self, door, folder, clock):
        self.door, self.clock, self._folder = door, clock, folder

    def line(self, endpoint):
        folder = self._folder / endpoint.replace("/", "-")
        return agency(self.door.url, folder, endpoint, self.clock)

    async def send(self, closed):
        """The originator posts, and keeps the content key."""
        envelope, identity = closed.envelope, decoded(closed.envelope.header).id
        async with self.line(OPS) as sender:
            ours = (await sender.view()).endpoints[OPS]
            sender.world.kept.keep(closed, sender.keys.openers, ours)
            sender.world.outbox.keep(identity, envelope)
            return (await sender.send(identity, envelope)).index

    async def look(self, endpoint):
        """A holder looks at its inbox, as its commands do; the bulletins, and what was said."""
        async with self.line(endpoint) as holder:
            items = await holder.everything()
            said = await purging.attest(holder, items)
        return [item for item in items if isinstance(item, Delivered)], said

    async def purge(self, seconds):
        self.clock.ms = seconds * 1000
        await self.door.node.retainer.step()

    async def lie(self, index, cause, rule=None, ahead=0):
        """The node orders what nothing bears out, dated so many seconds ahead of its clock."""

        def order(ledger, _):
            facts = entries.PurgeOrdered(
                of=index,
                grants=[],
                cause=cause,
                rule=rule,
                agreed=0,
                owed=ledger.owe([OPS, WATCH]),
                **(ledger.common() | {"taken_ms": ledger.taken_ms + ahead * 1000}),
            )
            return ledger.add(Record(facts, entries.encode(facts), owed=tuple(facts.owed)))

        await self.door.node.writer.enter(order)

    async def chased(self):
        rows = await self.door.node.store.chased(NOW)
        return sorted(each.endpoint for each in rows)

    def holds(self, endpoint, closed):
        """What is in an endpoint's cabinet of a bulletin: its body, its content key."""
        line = self.line(endpoint)
        header = decoded(closed.envelope.header)
        cabinet = line.world.cabinet
        try:
            kept = line.world.outbox.envelope(header.id)
            return (
                cabinet.has("body", header.body.digest) or bool(kept and kept.body),
                line.world.kept.has(header.id),
            )
        finally:
            cabinet.close()


@asynccontextmanager
async def a_case(folder, *rules):
    clock = Clock()
    async with serving(clock=clock) as door:
        if rules:
            raw = world().rearranged(retention=list(rules))
            assert (await door.post(raw + b"\n\n", MINSA)).status == 201
        yield Case(door, folder, clock)


async def test_holders_destroy_what_is_ordered_and_attest_it_once(tmp_path):
    async with a_case(tmp_path, RULE) as case:
        sent = world().closed(issued=NOW, retain_until=NOW + 7 * DAY, to=[WATCH, COAST])
        await case.send(sent)
        (item,), _ = await case.look(WATCH)
        assert (item.opened is not None, case.holds(WATCH, sent)) == (True, (True, False))
        assert case.holds(OPS, sent) == (True, True)
        await case.purge(NOW + 7 * DAY)
        assert await case.chased() == [WATCH, COAST]
        (item,), said = await case.look(WATCH)
        assert (item.locked.code, item.locked.facts["name"]) == (Code.PURGED, "voi-week")
        assert attestable(item)[0] == "purged"
        assert (said, case.holds(WATCH, sent)) == (1, (False, False))
        assert await case.chased() == [COAST]
        assert (await case.look(WATCH))[1] == 0
        # Who never fetched it attests all the same; its author destroys, and says nothing.
        assert (await case.look(COAST))[1] == 1
        assert await case.chased() == []
        assert (await case.look(OPS))[1] == 0
        assert case.holds(OPS, sent) == (False, False)


async def test_withdrawal_to_be_destroyed_reaches_who_was_granted_it(tmp_path):
    async with a_case(tmp_path) as case:
        sent = world().closed(to=[WATCH])
        await case.send(sent)
        assert (await case.door.post(world().grant(sent).framed())).status == 201
        for holder in (WATCH, WATCH_DESK):
            (item,), _ = await case.look(holder)
            assert item.opened is not None
        cancel = cancelling(sent.envelope, declares=["must-purge"], to=[WATCH])
        assert (await case.door.post(cancel.framed())).status == 201
        await case.purge(NOW)
        for holder in (WATCH, WATCH_DESK):
            items, said = await case.look(holder)
            assert [each.locked.code for each in items if each.locked].count(Code.PURGED) == 1
            assert (said, case.holds(holder, sent)) == (1, (False, False))


def wrap_here(case, grant, by=OPS):
    """Whether who granted a bulletin still has what opens it to whom it was granted."""
    line = case.line(by)
    try:
        kept = line.world.outbox.envelope(_id_of(grant))
        return bool(kept and kept.body)
    finally:
        line.world.cabinet.close()


def _id_of(grant):
    return objects.decode_grant(jws.read(grant.header, objects.MAX_OBJECT_BYTES).payload).id


@pytest.mark.parametrize("how", ["ordered", "over", "over unsent"])
async def test_author_keeps_no_wrapped_key_of_what_was_granted_and_is_purged(tmp_path, how):
    async with a_case(tmp_path) as case:
        sent = world().closed(to=[WATCH], retain_until=NOW + 2 * DAY)
        await case.send(sent)
        grant, other = world().grant(sent), world().closed(to=[WATCH])
        await case.send(other)
        stays = world().grant(other)
        async with case.line(OPS) as sender:
            await sender.send(_id_of(stays), stays)
            sender.world.outbox.keep(_id_of(grant), grant)
            if how != "over unsent":
                await sender.send(_id_of(grant), grant)
        assert wrap_here(case, grant)
        if how == "ordered":
            cancel = cancelling(sent.envelope, declares=["must-purge"], to=[OPS, WATCH])
            assert (await case.door.post(cancel.framed())).status == 201
            await case.purge(NOW)
            await case.look(OPS)
        else:
            line = case.line(OPS)
            purging.purge(line.world.cabinet, (NOW + 2 * DAY - 1) * 1000)
            assert line.world.outbox.envelope(_id_of(grant)).body
            purging.purge(line.world.cabinet, (NOW + 2 * DAY) * 1000)
            assert line.world.outbox.waiting() == []
            line.world.cabinet.close()
        assert (wrap_here(case, grant), wrap_here(case, stays)) == (False, True)


async def test_holder_keeps_no_wrapped_key_of_what_it_passed_on_and_is_purged(tmp_path):
    async with a_case(tmp_path) as case:
        free = msgspec.structs.replace(world().header().marking, tlp="green")
        sent = world().closed(to=[COAST], marking=free)
        await case.send(sent)
        grant = world().grant(sent, WATCH_DESK, COAST)
        async with case.line(COAST) as holder:
            await holder.send(_id_of(grant), grant)
        assert wrap_here(case, grant, COAST)
        cancel = cancelling(sent.envelope, declares=["must-purge"], to=[COAST])
        assert (await case.door.post(cancel.framed())).status == 201
        await case.purge(NOW)
        assert (await case.look(COAST))[1] == 1
        assert not wrap_here(case, grant, COAST)


@pytest.mark.parametrize("to", [[WATCH], [OPS, WATCH]])
async def test_author_destroys_what_a_colleague_withdrew_to_be_destroyed(tmp_path, to):
    async with a_case(tmp_path) as case:
        sent = world().closed(to=[WATCH])
        await case.send(sent)
        posting = world().amended(
            DESK, lambda each: msgspec.structs.replace(each, roles=["poster", "reader"])
        )
        assert (await case.door.post(posting + b"\n\n", MINSA)).status == 201
        cancel = cancelling(sent.envelope, endpoint=DESK, declares=["must-purge"], to=to)
        assert (await case.door.post(cancel.framed(), DESK)).status == 201
        assert case.holds(OPS, sent) == (True, True)
        await case.purge(NOW)
        (item,), said = await case.look(OPS)
        assert (item.header.id, said) == (decoded(cancel.header).id, 0)
        assert case.holds(OPS, sent) == (False, False)


async def test_author_destroys_what_another_machine_of_its_own_withdrew(tmp_path):
    async with a_case(tmp_path) as case:
        sent = world().closed(to=[WATCH])
        await case.send(sent)
        cancel = cancelling(sent.envelope, declares=["must-purge"], to=[WATCH])
        assert (await case.door.post(cancel.framed())).status == 201
        await case.purge(NOW)
        assert (await case.look(OPS), case.holds(OPS, sent)) == (([], 0), (False, False))


@pytest.mark.parametrize("ahead", [0, 7 * DAY])
async def test_node_that_orders_what_is_not_due_is_not_obeyed(tmp_path, ahead):
    async with a_case(tmp_path, RULE) as case:
        sent = world().closed(issued=NOW, retain_until=NOW + 7 * DAY, to=[WATCH])
        index = await case.send(sent)
        await case.look(WATCH)

        await case.lie(index, "rule", "voi-week", ahead)
        (item,), said = await case.look(WATCH)
        assert (item.opened is not None, said, case.holds(WATCH, sent)) == (
            True,
            0,
            (True, False),
        )
        assert (await case.look(OPS))[1] == 0
        assert case.holds(OPS, sent) == (True, True)


def by_another(sent):
    """Of another member, which withdraws nothing of its."""
    return cancelling(sent, endpoint=COAST, declares=["must-purge"], to=[WATCH]), COAST


def not_to_be_destroyed(sent):
    """Of its author, which says nothing of destroying."""
    return cancelling(sent, to=[WATCH]), OPS


def not_here(sent):
    """Of its author, owed to another: that there was one is the node's word alone."""
    return cancelling(sent, declares=["must-purge"], to=[COAST]), OPS


@pytest.mark.parametrize("cancelled", [by_another, not_to_be_destroyed, not_here])
async def test_no_cancellation_but_its_originator_s_own_that_says_so_is_obeyed_before_its_time(
    tmp_path, cancelled
):
    async with a_case(tmp_path) as case:
        sent = world().closed(to=[WATCH], retain_until=NOW + 9 * DAY)
        cancel, by = cancelled(sent.envelope)
        # Before its target: then the node holds it to nothing.
        assert (await case.door.post(cancel.framed(), by)).status == 201
        index = await case.send(sent)
        await case.look(WATCH)
        await case.lie(index, "cancelled")
        assert ((await case.look(WATCH))[1], case.holds(WATCH, sent)) == (0, (True, False))
        case.clock.ms = (NOW + 9 * DAY) * 1000
        # Over by its header, it is to be destroyed in any case.
        assert ((await case.look(WATCH))[1], case.holds(WATCH, sent)) == (1, (False, False))


async def test_reading_what_was_purged_is_answered_as_that_to_who_is_owed_it(tmp_path):
    async with a_case(tmp_path) as case:
        sent = world().closed(to=[WATCH])
        index = await case.send(sent)
        cancel = cancelling(sent.envelope, declares=["must-purge"], to=[WATCH])
        assert (await case.door.post(cancel.framed())).status == 201
        await case.purge(NOW)
        path = f"/v1/blobs/{digest(sent.envelope.body)}?index={index}"
        said = await case.door.get(path, WATCH)
        assert (said.status, msgspec.json.decode(said.body)["code"]) == (410, "purged")
        # To others nothing is said.
        assert (await case.door.get(path, COAST)).status == 404


@pytest.mark.parametrize(
    ("cause", "now", "withdrawn", "expected"),
    [
        ("rule", NOW + 7 * DAY, False, True),
        ("rule", NOW + 7 * DAY - 1, False, False),
        ("header", NOW + 7 * DAY - 1, False, False),
        ("cancelled", NOW, True, True),
        ("cancelled", NOW + 7 * DAY - 1, False, False),
        ("cancelled", NOW + 7 * DAY, False, True),
        ("silence", NOW + 7 * DAY, False, True),
        ("silence", NOW + 7 * DAY - 1, False, False),
    ],
)
async def test_order_is_held_to_what_is_known_here(tmp_path, cause, now, withdrawn, expected):
    rule, days = (ASKED, 30) if cause == "silence" else (RULE, 7)
    of_others = msgspec.structs.replace(ASKED, name="hasty", types=["szr"], review_s=DAY)
    async with a_case(tmp_path, of_others, rule) as case, case.line(WATCH) as holder:
        await holder.view()
        index = case.door.node.size
        header = world().header(issued=NOW, retain_until=NOW + days * DAY)
        # Dated as the node likes.
        order = PurgeOrdered(0, index + 1, (NOW + 90 * DAY) * 1000, index, cause, rule.name)
        of = Taken(header, index, NOW, withdrawn)
        assert purging.holds(order, of, holder.trust, now) == expected
        if cause == "silence":
            unknown = msgspec.structs.replace(order, rule="none-such")
            assert not purging.holds(unknown, of, holder.trust, now)


LONGER = msgspec.structs.replace(ASKED, review_s=9 * DAY, silence_s=9 * DAY)
RENAMED = msgspec.structs.replace(ASKED, name="asked-anew", silence_s=3 * DAY)


@pytest.mark.parametrize(
    ("agreed", "day", "ordered", "name"),
    [
        # Before it is asked, and after.
        (LONGER, 4, 14, "asked"),
        (LONGER, 6, 7, "asked"),
        (RENAMED, 4, 8, "asked-anew"),
        (RENAMED, 6, 7, "asked"),
    ],
)
async def test_order_after_a_silence_is_obeyed_whatever_is_agreed_meanwhile(
    tmp_path, agreed, day, ordered, name
):
    async with a_case(tmp_path, ASKED) as case:
        sent = world().closed(issued=NOW, retain_until=NOW + 50 * DAY, to=[WATCH])
        await case.send(sent)
        before = world().after(world().rearranged(retention=[ASKED]))
        change = before.rearranged(retention=[agreed], version=3)
        for today in range(1, ordered + 1):
            if today == day:
                case.clock.ms = (NOW + day * DAY) * 1000
                assert (await post(case.door.node, change, MINSA)).refusal is None
            await case.purge(NOW + today * DAY - 1)
            assert (await case.look(WATCH))[1] == 0
            await case.purge(NOW + today * DAY)
        (item,), said = await case.look(WATCH)
        assert (said, item.locked.code, item.locked.facts.get("name")) == (1, Code.PURGED, name)
        assert case.holds(WATCH, sent) == (False, False)
        await case.look(OPS)
        assert case.holds(OPS, sent) == (False, False)


async def test_node_s_word_alone_that_something_was_purged_makes_nobody_attest(tmp_path):
    async with a_case(tmp_path) as case:
        sent = world().closed(to=[WATCH])
        await case.send(sent)
        (item,), _ = await case.look(WATCH)
        told = msgspec.structs.replace(item, locked=Refusal(Code.PURGED, "/digest"))
        assert not purging.is_purged(told)
        assert purging.stub(item, Orders(), None) is None
