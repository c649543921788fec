"""Nothing is at the desk for longer than it may be kept, whatever fails once."""

from __future__ import annotations

from contextlib import asynccontextmanager

from exchange.client.reading import Delivered
from exchange.desk import news
from exchange.desk.station import Station
from exchange.errors import Code, Fault
from tests.broker.amending import cancelling
from tests.builders import DAY, NOW, WATCH, decoded, world
from tests.client.test_purging import a_case
from tests.desk.desked import OFFICER, desked
from tests.desk.test_station import task
from tests.desk.watching import delivered
from tests.model.bulletins import example
from tests.node.running import post, until
from tests.web.trial import CODES


@asynccontextmanager
async def holding(case):
    """A desk that holds what one posted, and follows its node."""
    sent = world().closed(issued=NOW, retain_until=NOW + 7 * DAY, to=[WATCH])
    await case.send(sent)
    async with case.line(WATCH) as line:
        station = Station(line, CODES, OFFICER)
        station.retaining.soon_s = 0.001
        await station.fill()
        yield station, sent


async def ordered(case, sent):
    """Its author takes it back, to be destroyed, and the node orders that."""
    cancel = cancelling(sent.envelope, declares=["must-purge"], to=[WATCH])
    await post(case.door.node, cancel, world().header().endpoint)
    await case.purge(NOW)


def of(station, sent):
    header = decoded(sent.envelope.header)
    (row,) = [
        row
        for item in station.shelf.items()
        if isinstance(item, Delivered) and item.header.id == header.id
        for row in [station.shelf.row(item.index)]
    ]
    return row


def is_on_disk(station, sent):
    return station.agency.world.cabinet.has("body", decoded(sent.envelope.header).body.digest)


async def test_purge_that_fails_is_told_and_tried_again_without_another_order(
    tmp_path, monkeypatch
):
    async with a_case(tmp_path) as case, holding(case) as (station, sent):
        cabinet, item = station.agency.world.cabinet, of(station, sent).item
        is_broken, plain = True, cabinet.drop

        def drop(drawer, name):
            if is_broken and drawer == "body":
                raise Fault(Code.MAIL_FAILED)
            plain(drawer, name)

        monkeypatch.setattr(cabinet, "drop", drop)
        async with task(station.keep_up()):
            await ordered(case, sent)
            await until(lambda: station.stuck is not None)
            # Nobody reads it any more, though it is on the disk still; and that is said.
            assert of(station, sent).item.locked.code is Code.PURGED
            assert is_on_disk(station, sent)
            assert Code.MAIL_FAILED in [each.code for each in station.wrong]
            is_broken = False
            await until(lambda: station.stuck is None)
        assert not is_on_disk(station, sent)
        said = station.agency.acknowledged(item, "purged")
        assert station.agency.world.outbox.acks.receipt(said) is not None


async def test_what_was_ordered_while_no_desk_was_open_is_destroyed_when_one_opens(tmp_path):
    async with a_case(tmp_path) as case, holding(case) as (station, sent):
        item = of(station, sent).item
        await ordered(case, sent)
        again = Station(station.agency, CODES, OFFICER)
        await again.fill()
        await again.retaining.look()
        assert not is_on_disk(again, sent)
        assert again.agency.acknowledged(item, "purged") is not None


async def test_what_the_node_did_not_hear_of_a_purge_is_said_when_it_is_back(tmp_path):
    async with desked(tmp_path) as desk:
        station, sent = desk.station, world().closed(to=[WATCH], retain_until=NOW + 7 * DAY)
        await post(desk.door.node, sent.envelope)
        await desk.hear()
        item = of(station, sent).item
        cancel = cancelling(sent.envelope, declares=["must-purge"], to=[WATCH])
        await post(desk.door.node, cancel)
        await desk.door.node.retainer.step()
        await desk.line.inbox.fill(100)
        desk.front.away()
        station.take(await desk.line.inbox.as_held())
        async with task(station.retaining.keep()):
            await until(lambda: desk.line.acknowledged(item, "purged") is not None)
            assert not is_on_disk(station, sent)
            said, acks = desk.line.acknowledged(item, "purged"), desk.line.world.outbox.acks
            await until(lambda: acks.waits(said).tries)
            station.trouble = Fault(Code.NODE_UNREACHABLE)
            desk.front.back()
            station._heard()
            await until(lambda: acks.receipt(said) is not None)


async def test_what_is_over_goes_within_the_hour_from_disk_and_memory(tmp_path):
    async with a_case(tmp_path) as case, holding(case) as (station, sent):
        assert is_on_disk(station, sent)
        async with task(station.retaining.keep()):
            await until(lambda: not station.retaining._is_ordered)
            # Nothing comes, and nothing is ordered.
            case.clock.ms = (NOW + 7 * DAY) * 1000
            await until(lambda: of(station, sent).item.locked is not None)
            await until(lambda: not is_on_disk(station, sent))
        over = of(station, sent)
        assert over.item.locked.code is Code.RETENTION_OVER
        assert (over.item.bulletin, over.item.opened) == (None, None)


async def test_what_came_is_told_by_no_title_that_was_destroyed(tmp_path):
    async with desked(tmp_path) as desk:
        station = desk.station
        station._arrive(delivered(1, example("voi"), to=[WATCH], retain_until=NOW + DAY))
        (told,) = news.arrived(station, "en")
        assert "EXERCISE" in told["title"]
        desk.clock.ms = (NOW + DAY) * 1000
        await station.retaining.look()
        (told,) = news.arrived(station, "en")
        assert "EXERCISE" not in told["title"]
        # Judged the same once more, it is no news.
        version = station.shelf._version
        await station.retaining.look()
        assert station.shelf._version == version
