"""An attachment that cannot come yet holds up its own bulletin, and nothing after it."""

from __future__ import annotations

import msgspec
import pytest
from aiohttp import web

from exchange.broker.replay import Replayer
from exchange.errors import Code, Fault
from exchange.link import telling, waiting
from exchange.link.pulling import Puller
from exchange.link.waiting import MAX_AGAIN, Queue, Waiting, Waits
from exchange.model import entry as entries
from exchange.model.header import Blob
from exchange.model.objects import Subject
from exchange.model.view import View
from exchange.seal import notices
from exchange.store.blob_memory import MemoryBlobs
from exchange.store.quota import LEAST_COUNTED_BYTES, Allowance
from tests.builders import COAST, DESK, OPS, WATCH, border, digest, new_id, refers
from tests.link.bordered import bordered
from tests.link.test_fetching import attached, before


class Held:
    """Where each node keeps attachments; the American one has room for one."""

    def __init__(self, least=1):
        self.by = {}
        self.room = Allowance(kept_bytes=least * LEAST_COUNTED_BYTES)

    def __call__(self, name, clock):
        self.by[name] = MemoryBlobs(clock, self.room if name == "us" else None)
        return self.by[name]

    def make_room(self):
        self.by["us"]._allowance = Allowance()


async def told(side):
    """What the other node told Panama's author of what waits, or is refused."""
    found = [
        notices.verify(each.object, side.node.view)
        for each in await side.inbox(OPS)
        if isinstance(each.facts, entries.Noticed)
    ]
    return [(each.about, each.recipient, each.code) for each in found]


async def headers(side, endpoint=WATCH):
    return [
        each.object
        for each in await side.inbox(endpoint)
        if isinstance(each.facts, entries.Accepted)
    ]


async def test_what_finds_no_room_waits_alone_and_comes_once_there_is_some():
    held = Held()
    async with bordered(blobs=held) as both:
        await both.settle()
        first, second = [await attached(both.pa, b"attachment %d" % each) for each in range(2)]
        after = border().envelope()
        await both.pa.post(after)
        await both.settle()
        assert await headers(both.us) == [first, after.header]
        assert both.us.puller.pulled.after + 1 == both.us.puller.size
        (waits,) = both.us.puller.pulled.waiting.values()
        assert (waits.code, waits.tries) == ("kept-quota", 1)
        # Told once, of each that was to have it, however often it is tried.
        told_of = [("waiting", each, "kept-quota") for each in (WATCH, COAST)]
        assert await told(both.pa) == told_of
        both.clock.ms += 31_000
        await both.settle()
        (waits,) = both.us.puller.pulled.waiting.values()
        assert waits.tries == 2
        assert await told(both.pa) == told_of
        # The node is started again, and has room.
        held.make_room()
        both.clock.ms += 61_000
        again = Puller(both.us.puller._far, both.us.node, both.us.memory)
        await again.pull()
        assert await headers(both.us) == [first, after.header, second]
        assert again.pulled.waiting == {}


async def test_what_is_about_what_waits_waits_with_it():
    held = Held(0)
    land = border()
    async with bordered(blobs=held) as both:
        await both.settle()
        closed = await closed_with(both.pa, b"attachment", to=[DESK])
        await both.pa.post(closed.envelope)
        await both.pa.post(land.grant(closed, WATCH))
        gone = land.header(
            type="can", verb="cancel", to=[DESK], refs=refers("cancels", closed.envelope)
        )
        await both.pa.post(land.envelope(gone))
        await both.settle()
        assert await both.us.inbox(WATCH) == []
        assert await told(both.pa) == [("waiting", WATCH, "kept-quota")]
        held.make_room()
        both.clock.ms += 31_000
        await both.settle()
        assert both.us.puller.pulled.waiting == {}
        kinds = [type(each.facts) for each in await both.us.inbox(WATCH)]
        assert kinds == [entries.Granted, entries.Accepted]


async def closed_with(side, data, **changes):
    blob = Blob(digest(data), len(data))
    await side.node.blobs.append(OPS, blob, 0, data)
    await side.node.blobs.finish(OPS, blob)
    return border().closed(attachments=[blob], **changes)


async def test_what_is_damaged_at_home_waits_until_it_was_brought_back():
    held = Held(8)
    async with bordered(blobs=held) as both:
        await both.settle()
        header = await attached(both.pa, b"attachment")
        kept = held.by["pa"]._kept
        (name,) = kept
        kept[name] = b""
        after = border().envelope()
        await both.pa.post(after)
        await both.settle()
        assert await headers(both.us) == [after.header]
        assert await told(both.pa) == [
            ("waiting", each, "attachment-damaged") for each in (WATCH, COAST)
        ]
        # No room is taken by what does not come.
        assert held.by["us"]._uploads == {}
        kept[name] = b"attachment"
        both.clock.ms += 31_000
        await both.settle()
        assert await headers(both.us) == [after.header, header]


async def test_what_is_purged_by_order_while_it_waits_is_gone_and_accuses_nobody():
    held = Held(0)
    land = border()
    async with bordered(blobs=held) as both:
        await both.settle()
        closed = await closed_with(both.pa, b"attachment", to=[WATCH])
        await both.pa.post(closed.envelope)
        await both.settle()
        assert len(both.us.puller.pulled.waiting) == 1
        gone = land.header(
            type="can",
            verb="cancel",
            to=[WATCH],
            refs=refers("cancels", closed.envelope),
            declares=["must-purge"],
        )
        await both.pa.post(land.envelope(gone))
        for _ in range(3):
            await both.pa.node.retainer.step()
        await both.settle()
        assert both.us.puller.pulled.waiting == {}
        assert await told(both.pa) == [
            ("waiting", WATCH, "kept-quota"),
            ("refused", WATCH, "body-gone"),
        ]
        both.clock.ms += 301_000
        await both.pa.post(land.envelope(to=[DESK]))
        await both.settle()
        assert both.us.puller.pulled.gone == {}


async def test_one_that_is_cut_again_and_again_without_a_byte_waits_alone():
    def cut(request):
        request.transport.abort()
        return web.Response()

    async with bordered(before("/blobs", cut)) as both:
        await both.settle()
        await attached(both.pa, b"attachment")
        after = border().envelope()
        await both.pa.post(after)
        await both.pa.sign()
        # It may be the link as well.
        for _ in range(2):
            with pytest.raises(Fault):
                await both.us.puller.pull()
        await both.settle()
        assert await headers(both.us) == [after.header]
        (waits,) = both.us.puller.pulled.waiting.values()
        assert waits.code == "node-unreachable"


def test_what_is_due_longest_is_asked_for_first_and_no_more_than_a_page_bears():
    queue = Queue({each: Waiting(each, "kept-quota", 0, 100 - each) for each in range(40)})
    assert queue.due(60) == []
    assert queue.due(62) == [38, 39]
    for _ in range(2):
        assert queue.due(100) == list(range(40 - MAX_AGAIN, 40))
    # One came, and one was put off.
    queue.change({39: None, 38: Waiting(38, "kept-quota", 0, 200)})
    assert queue.due(100) == list(range(38 - MAX_AGAIN, 38))
    assert queue.due(200)[-1] == 37


async def test_where_too_many_wait_what_comes_after_waits_at_home(monkeypatch):
    monkeypatch.setattr(waiting, "MAX_WAITING", 1)
    held = Held(0)
    async with bordered(blobs=held) as both:
        await both.settle()
        first, second = [await attached(both.pa, b"attachment %d" % each) for each in range(2)]
        flash = border().envelope(precedence="flash")
        await both.pa.post(flash)
        await both.pa.sign()
        for _ in range(2):
            with pytest.raises(Fault) as caught:
                await both.us.puller.pull()
            assert (caught.value.code, caught.value.at) == (Code.UNAVAILABLE, "/waiting")
        # Nothing is lost of it: it comes once there is room.
        held.make_room()
        await both.settle()
        both.clock.ms += 31_000
        await both.settle()
        assert set(await headers(both.us)) == {first, second, flash.header}
        assert both.us.puller.pulled.waiting == {}


class Shut(dict[int, Waiting]):
    """What waits, once it may not be gone through any more."""

    is_shut = False

    def _open(self, what):
        assert not self.is_shut
        return what

    def __iter__(self):
        return self._open(super().__iter__())

    def items(self):
        return self._open(super().items())

    def values(self):
        return self._open(super().values())

    def keys(self):
        return self._open(super().keys())


async def test_a_page_changes_of_what_waits_what_it_changes_and_goes_through_none_of_it():
    held = Held(0)
    async with bordered(blobs=held) as both:
        await both.settle()
        puller, far_off = both.us.puller, 10**9
        waits = Waiting(far_off, "kept-quota", 0, 2 * far_off)
        many = Shut({far_off + each: waits for each in range(100)})
        puller.pulled = msgspec.structs.replace(puller.pulled, waiting=many)
        puller._waiting(puller.pulled)
        many.is_shut = True
        header = await attached(both.pa, b"attachment")
        await both.pa.post(border().envelope())
        await both.pa.sign()
        while await puller.pull():
            pass
        assert len(many) == 101
        assert puller.pulled.waiting is many
        assert puller._unkept == set()
        held.make_room()
        both.clock.ms += 31_000
        await puller.pull()
        assert header in await headers(both.us)
        assert len(many) == 100


def test_of_a_page_that_was_not_taken_in_nothing_is_left():
    queue = Queue({7: Waiting(7, "kept-quota", 0, 10)})
    waits = Waits(queue, 20)
    waits.end([7], [])
    assert queue.due(20) == [7]
    queue.change(waits.changed)
    assert queue.due(20) == []
    assert queue.waiting[7].tries == 2


async def test_the_author_is_told_though_the_same_stood_on_record_for_nobody_before():
    land = border()
    async with bordered() as both:
        await both.settle()
        of = Subject(OPS, new_id(), "A" * 43)
        size, node = both.us.node.size, both.us.node
        for poster in ("", OPS, OPS, "", DESK, DESK):
            await telling._tell(
                node, telling._Unowed(poster, of, WATCH, "quota"), "waiting", None
            )
        rows = await node.store.read(size, 99)
        made = [entries.owed_in(row.entry) for row in rows]
        assert [[each.endpoint for each in owed] for owed in made] == [[], [OPS], [DESK]]
        # An auditor comes to the same keys.
        rows = await node.store.read(0, 999)
        documents = {digest(each): each for each in land.documents}
        raw = [row.entry for row in rows]
        replayer = Replayer(View(anchor=land.anchor), raw.__getitem__, documents.get)
        keys = [key for each in raw for key in replayer.step(each).record.keys]
        assert len(set(keys)) == len(keys)
        assert {key for key in keys if await node.store.find([key])} == set(keys)
