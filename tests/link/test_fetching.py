"""What comes beside a page: attachments, and bodies that it had no room for; none is lost."""

from __future__ import annotations

import msgspec
import pytest
from aiohttp import web

from exchange.errors import Code, Fault, Refusal
from exchange.link import gathering, pages
from exchange.link.offering import GREETER
from exchange.link.taking import take
from exchange.link.waiting import Queue, Waits
from exchange.model import entry as entries
from exchange.model import wire
from exchange.model.header import Blob
from exchange.seal import notices
from exchange.store.blob_files import BlobFiles
from exchange.store.blob_memory import MemoryBlobs
from exchange.store.quota import LEAST_COUNTED_BYTES, Allowance
from tests.builders import DESK, OPS, WATCH, border, digest, refers
from tests.link.bordered import bordered


async def attached(side, data):
    blob = Blob(digest(data), len(data))
    await side.node.blobs.append(OPS, blob, 0, data)
    await side.node.blobs.finish(OPS, blob)
    sealed = border().envelope(attachments=[blob])
    assert (await side.post(sealed)).refusal is None
    return sealed.header


def before(path, act):
    """Something that happens, or is said, at Panama's node before it answers for a path."""

    def between(app, name):
        @web.middleware
        async def first(request, handler):
            said = act(request) if name == "pa" and request.path.startswith(path) else None
            return said or await handler(request)

        app.middlewares.insert(0, first)
        return app

    return between


def without_bodies(app, name):
    """Panama's node withholds the bodies of bulletins."""
    if name != "pa":
        return app

    @web.middleware
    async def withhold(request, handler):
        if request.path.startswith("/blobs"):
            return web.json_response({"code": "not-found", "at": "/digest"}, status=404)
        answer = await handler(request)
        if request.path != "/entries" or answer.status != 200:
            return answer
        told = msgspec.json.decode(answer.body.partition(b"\n")[0], type=wire.LinkPage)
        items, bodies = [], []
        for each, offered in zip(
            told.items, pages.decode(answer.body, "pa").items, strict=True
        ):
            is_kept = each.has_body and not isinstance(offered.facts, entries.Accepted)
            items.append(msgspec.structs.replace(each, has_body=is_kept))
            bodies += [offered.body] if is_kept else []
        page = msgspec.structs.replace(told, items=items)
        return web.Response(body=pages.encode(page, bodies))

    app.middlewares.append(withhold)
    return app


def little(name, clock):
    return MemoryBlobs(clock, Allowance(uploads=1) if name == "us" else None)


async def test_more_attachments_on_a_page_than_may_be_on_their_way_at_once_all_come():
    async with bordered(blobs=little) as both:
        await both.settle()
        sent = [await attached(both.pa, b"attachment %d" % each) for each in range(4)]
        await both.settle()
        assert [each.object for each in await both.us.inbox(WATCH)] == sent
        # They count for who posted them.
        assert set(await both.us.node.blobs.kept()) == {"pa.senan"}


async def test_a_node_that_forgot_our_session_before_an_attachment_is_asked_again():
    asked = []

    def forget(request):
        if not asked:
            request.app[GREETER]._sessions.clear()
        asked.append(request.path)

    async with bordered(before("/blobs", forget)) as both:
        await both.settle()
        sent = [await attached(both.pa, b"attachment %d" % each) for each in range(2)]
        await both.settle()
        assert [each.object for each in await both.us.inbox(WATCH)] == sent


async def test_only_what_is_not_found_is_taken_to_be_gone():
    asked = []

    def busy(request):
        asked.append(request.path)
        said = {"code": "too-many", "at": ""}
        return web.json_response(said, status=429) if len(asked) == 1 else None

    async with bordered(before("/blobs", busy)) as both:
        await both.settle()
        header = await attached(both.pa, b"attachment")
        await both.pa.sign()
        with pytest.raises(Fault) as fault:
            await both.us.puller.pull()
        assert fault.value.facts["found"] == "too-many"
        await both.settle()
        assert [each.object for each in await both.us.inbox(WATCH)] == [header]


async def test_attachments_from_abroad_are_kept_in_files_and_purged_like_others(tmp_path):
    def files(name, clock):
        return BlobFiles(tmp_path / name, clock, Allowance(spare=0))

    async with bordered(blobs=files) as both:
        await both.settle()
        header = await attached(both.pa, b"attachment")
        await both.settle()
        (item,) = await both.us.inbox(WATCH)
        assert item.object == header
        blobs, named = both.us.node.blobs, item.facts.blobs[1]
        await blobs.sweep()
        assert await blobs.kept() == {"pa.senan": LEAST_COUNTED_BYTES}
        await blobs.purge(named.digest)
        assert not await blobs.is_kept(named)
        # What is nobody's would lie among the folders of all.
        with pytest.raises(Fault):
            await blobs.append("", Blob(digest(b"x"), 1), 0, b"x")


async def test_bodies_for_which_a_page_has_no_room_are_asked_for(monkeypatch):
    land = border()
    monkeypatch.setattr(gathering, "MAX_PAGE_BYTES", 1)
    async with bordered() as both:
        await both.settle()
        closed = land.closed(to=[DESK])
        await both.pa.post(closed.envelope)
        await both.pa.post(land.grant(closed, WATCH))
        await both.settle()
        (granted,) = await both.us.inbox(WATCH)
        bulletin = await both.us.entry(granted.facts.of)
        body = await both.us.node.store.blob(bulletin.facts.blobs[0].digest)
        assert body == closed.envelope.body


async def test_a_withheld_body_is_on_record_its_author_told_and_the_link_stopped():
    land = border()
    async with bordered(without_bodies) as both:
        await both.settle()
        posted = await both.pa.post(land.envelope(to=[WATCH], precedence="flash"))
        await both.settle()
        assert await both.us.inbox(WATCH) == []
        rows = await both.us.node.store.read(0, 1000)
        refused = [
            each
            for row in rows
            if isinstance(each := entries.decode(row.entry).facts, entries.Refused)
        ]
        home = entries.Home("pa", posted.receipt.index)
        assert [(each.code, each.home) for each in refused] == [("body-gone", home)]
        (told,) = await both.pa.inbox(OPS)
        notice = notices.verify(told.object, both.pa.node.view)
        assert (notice.recipient, notice.code) == (WATCH, "body-gone")
        # Pulled again, it is held against that node all the same.
        both.us.puller.pulled = msgspec.structs.replace(
            both.us.puller.pulled, after=-1, inboxes={}, gone={}
        )
        await both.settle(1)
        both.clock.ms += 301_000
        await both.pa.post(land.envelope(to=[DESK]))
        await both.pa.sign()
        with pytest.raises(Refusal) as caught:
            await both.us.puller.pull()
        assert (caught.value.code, caught.value.at) == (Code.ITEM_WITHHELD, "/body")


async def test_what_was_purged_by_order_before_it_came_accuses_nobody():
    land = border()
    async with bordered() as both:
        await both.settle()
        sent = land.envelope(to=[WATCH])
        await both.pa.post(sent)
        gone = land.header(
            type="can",
            verb="cancel",
            to=[WATCH],
            refs=refers("cancels", sent),
            declares=["must-purge"],
        )
        await both.pa.post(land.envelope(gone))
        for _ in range(3):
            await both.pa.node.retainer.step()
        await both.settle()
        (cancellation,) = await both.us.inbox(WATCH)
        assert isinstance(cancellation.facts, entries.Accepted)
        assert both.us.puller.pulled.gone == {}
        both.clock.ms += 301_000
        await both.pa.post(land.envelope(to=[DESK]))
        await both.settle(1)
        assert both.us.puller.pulled.after + 1 == both.us.puller.pulled.size


def lied(item, **changes):
    facts = msgspec.structs.replace(item.facts, **changes)
    return msgspec.structs.replace(
        item, raw=entries.encode(facts, entries.decode(item.raw).object), facts=facts
    )


async def test_no_attachment_is_fetched_that_no_header_names():
    asked = []
    async with bordered(before("/blobs", lambda each: asked.append(each.path))) as both:
        await both.settle()
        await both.pa.post(border().envelope())
        await both.pa.sign()
        far, size = both.us.puller._far, both.us.node.size
        (item,) = (await far.entries(both.us.puller.pulled.after, 0)).items
        filling = Blob(digest(b"filling"), 7)
        with pytest.raises(Refusal) as caught:
            await take(
                both.us.node,
                far,
                [lied(item, blobs=[*item.facts.blobs, filling])],
                both.us.puller.adopter,
                Waits(Queue({}), 0),
            )
        assert (caught.value.code, caught.value.at) == (Code.BAD_PROOF, "/blobs")
        assert (asked, both.us.node.size) == ([], size)


async def test_a_page_of_a_newer_program_accuses_nobody():
    newer = wire.LinkItem(0, 0, '{"kind":"of-tomorrow"}\n', [], has_body=False)
    page = pages.encode(wire.LinkPage([newer], 0, "", []), [])
    with pytest.raises(Refusal) as caught:
        pages.decode(page, "pa")
    assert caught.value.code is Code.NOT_UNDERSTOOD
