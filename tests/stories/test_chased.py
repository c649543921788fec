"""Whoever holds what was withdrawn or corrected hears of it, and is chased until it says so.

One case over real sockets: the originator, two holders, and the node that counts.
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager

from msgspec.structs import replace

from exchange.client import ageing, story
from exchange.client.attesting import attestable
from exchange.client.chasing import reminders
from exchange.client.reading import Delivered
from exchange.model import objects
from exchange.seal import jws
from tests.api.serving import serving
from tests.broker.amending import cancelling, correcting
from tests.builders import COAST, DAY, MINSA, NOW, OPS, WATCH, WATCH_DESK, decoded, world
from tests.client.dealing import agency
from tests.node.running import Clock

PRIORITY_S = 10_800


class Case:
    def __init__(self, door, folder, clock):
        self.door, self.clock = door, clock
        self._folder = folder

    def line(self, endpoint):
        folder = self._folder / endpoint.replace("/", "-")
        return agency(self.door.url, folder, endpoint, self.clock)

    async def send(self, envelope):
        """The originator posts; the entry of it."""
        header = decoded(envelope.header)
        return await self._sent(header.id, envelope)

    async def grant(self, closed, to):
        envelope = world().grant(closed, to)
        signed = jws.read(envelope.header, objects.MAX_OBJECT_BYTES)
        return await self._sent(objects.decode_grant(signed.payload).id, envelope)

    async def _sent(self, identity, envelope):
        async with self.line(OPS) as sender:
            sender.world.outbox.keep(identity, envelope)
            return (await sender.send(identity, envelope)).index

    async def reminded(self, endpoint):
        """What a holder's own machine says it has to acknowledge: entry, and what is done."""
        async with self.line(endpoint) as holder:
            items = await holder.everything()
            seen = ageing.seen_to(holder.world.outbox.acks)
            view, now = holder.trust.newest, holder.world.now()
            found = reminders(items, endpoint, seen, view, now)
        return [(each.item.index, each.relation) for each in found]

    async def acknowledge(self, endpoint, index):
        async with self.line(endpoint) as holder:
            items = await holder.everything()
            (item,) = [each for each in items if each.index == index]
            assert isinstance(item, Delivered)
            await holder.acknowledge(item, attestable(item)[0])

    async def told(self, envelope, step):
        """What the originator is told of a step, by holder: how it is chased."""
        async with self.line(OPS) as sender:
            outbox, items = sender.world.outbox, await sender.everything()
            of = story.posted(outbox, decoded(envelope.header).id)
            past, view, now = (
                story.past(story.every(outbox), of, items),
                sender.trust.newest,
                sender.world.now(),
            )
            ways = {name: story.of_address(past, name, view, now) for name in of.header.to}
            for each in story.grants(outbox, of, items):
                ways[each.grant.to] = story.of_grant(past, each, view, now)
        return {
            name: each.chase
            for name, steps in ways.items()
            for each in steps
            if each.step == step
        }

    async def counted(self):
        """What the node counts: chased, overdue, and given up for who is suspended."""
        text = (await self.door.get("/metrics", None)).body.decode()
        names = ("exchange_chased", "exchange_chased_overdue", "exchange_chase_given_up")
        return [
            sum(int(each) for each in re.findall(rf"^{name}{{.*}} (\d+)$", text, re.MULTILINE))
            for name in names
        ]


@asynccontextmanager
async def a_case(folder):
    clock = Clock()
    async with serving(clock=clock) as door:
        yield Case(door, folder, clock)


def ended(told):
    return {name: chase.ended for name, chase in told.items()}


async def test_correction_reaches_who_got_the_bulletin_by_grant(tmp_path):
    async with a_case(tmp_path) as case:
        closed = world().closed(to=[WATCH])
        sent = closed.envelope
        await case.send(sent)
        await case.grant(closed, WATCH_DESK)
        index = await case.send(correcting(sent, to=[WATCH]))
        for holder in (WATCH, WATCH_DESK):
            assert await case.reminded(holder) == [(index, "corrects")]
        assert ended(await case.told(sent, "corrected")) == {WATCH: None, WATCH_DESK: None}
        assert await case.counted() == [2, 0, 0]
        # Sealed to others, it tells the new holder by its header, which is enough to say so.
        await case.acknowledge(WATCH_DESK, index)
        assert await case.reminded(WATCH_DESK) == []
        assert ended(await case.told(sent, "corrected")) == {
            WATCH: None,
            WATCH_DESK: "acknowledged",
        }
        assert await case.counted() == [1, 0, 0]


async def test_cancel_that_came_before_its_target_reaches_who_was_not_told(tmp_path):
    async with a_case(tmp_path) as case:
        sent = world().envelope(to=[WATCH, COAST])
        early = await case.send(cancelling(sent, to=[WATCH], precedence="flash"))
        assert await case.reminded(WATCH) == [(early, "cancels")]
        assert await case.counted() == [1, 0, 0]
        index = await case.send(sent)
        # One holds the cancellation itself; to the other the bulletin's entry says it.
        assert await case.reminded(WATCH) == [(early, "cancels")]
        assert await case.reminded(COAST) == [(index, "cancels")]
        assert ended(await case.told(sent, "cancelled")) == {WATCH: None, COAST: None}
        assert await case.counted() == [2, 0, 0]
        await case.acknowledge(COAST, index)
        await case.acknowledge(WATCH, early)
        for holder in (WATCH, COAST):
            assert await case.reminded(holder) == []
        assert set(ended(await case.told(sent, "cancelled")).values()) == {"acknowledged"}
        assert await case.counted() == [0, 0, 0]


async def test_holder_that_never_acknowledges_is_alarmed_and_given_up_under_its_rule(tmp_path):
    async with a_case(tmp_path) as case:
        sent = world().envelope(to=[WATCH, COAST], retain_until=NOW + 30 * DAY)
        await case.send(sent)
        index = await case.send(
            correcting(sent, to=[WATCH, COAST], retain_until=NOW + 60 * DAY)
        )
        assert await case.counted() == [2, 0, 0]
        case.clock.ms += (PRIORITY_S - 1) * 1000
        assert (await case.told(sent, "corrected"))[WATCH].alarms == 0
        case.clock.ms += 1000
        assert await case.counted() == [2, 2, 0]
        case.clock.ms += 2 * PRIORITY_S * 1000
        chase = (await case.told(sent, "corrected"))[WATCH]
        assert (chase.alarms, chase.overdue_s) == (3, 2 * PRIORITY_S)
        assert chase.next_alarm == NOW + 4 * PRIORITY_S
        assert await case.reminded(WATCH) == [(index, "corrects")]
        # One is suspended: not chased while that lasts.
        suspended = world().amended(COAST, lambda each: replace(each, status="suspended"))
        assert (await case.door.post(suspended + b"\n\n", MINSA)).status == 201
        assert ended(await case.told(sent, "corrected")) == {
            WATCH: None,
            COAST: "holder-revoked",
        }
        assert await case.counted() == [1, 1, 1]
        # Of the other, nothing is held any more once the corrected bulletin is not kept.
        case.clock.ms = (NOW + 30 * DAY) * 1000
        assert ended(await case.told(sent, "corrected"))[WATCH] == "retention-over"
        assert await case.reminded(WATCH) == []
        assert await case.counted() == [0, 0, 0]
