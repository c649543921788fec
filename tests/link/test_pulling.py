"""Two nodes pull from each other: everything owed across comes once, in order, and proved."""

from __future__ import annotations

import msgspec
import pytest

from exchange.errors import Code, Fault, Refusal
from exchange.link import gathering
from exchange.link.proving import Pulled
from exchange.link.pulling import Puller
from exchange.model import entry as entries
from exchange.model.header import Blob
from exchange.model.shown import Shown
from exchange.seal import notices
from exchange.store.memory import MemoryStore
from tests.builders import AUDIT, COAST, DESK, OPS, WATCH, WATCH_DESK, border, digest, refers
from tests.link.bordered import bordered
from tests.vectors import releasing as releasing_vectors


async def test_what_is_posted_at_one_node_is_owed_at_the_other():
    land = border()
    async with bordered() as both:
        await both.settle()
        sealed = land.envelope()
        answer = await both.pa.post(sealed)
        await both.settle()
        (item,) = await both.us.inbox(WATCH)
        assert item.object == sealed.header
        assert item.facts.home == entries.Home("pa", answer.receipt.index)
        assert await both.us.node.store.blob(item.facts.blobs[0].digest) == sealed.body
        await both.us.post(land.ack(sealed, WATCH))
        await both.settle()
        (told,) = await both.pa.inbox(OPS)
        assert told.facts.of == answer.receipt.index


async def test_domestic_traffic_leaves_nothing_on_the_other_side():
    land = border()
    async with bordered() as both:
        await both.settle()
        size = both.us.node.size
        await both.pa.post(land.envelope(to=[DESK]))
        both.pa.node.reads.add(AUDIT, Shown("entries", 1, 0, 1, 2))
        await both.pa.node.auditing.enter()
        await both.settle(1)
        rows = await both.us.node.store.read(size, 100)
        assert {type(entries.decode(row.entry).facts) for row in rows} <= {
            entries.Checkpointed,
            entries.InboxHeads,
        }


async def test_a_subscription_takes_effect_on_both_sides():
    land = border()
    async with bordered() as both:
        await both.settle()
        await both.us.post(land.subscription(WATCH), WATCH)
        await both.settle()
        assert both.pa.node.view.subscriptions[WATCH].feeds == ["maritime"]
        # And in the other journal's order, by which what comes from there is judged.
        assert both.pa.node.writer.homes.newest("us").subscriptions[WATCH].version == 1


async def test_what_was_pulled_before_is_not_taken_in_twice():
    land = border()
    async with bordered() as both:
        await both.settle()
        await both.pa.post(land.envelope())
        await both.settle()
        size = both.us.node.size
        # How far it came was lost.
        both.us.puller.pulled = Pulled()
        await both.us.puller.pull()
        assert both.us.node.size == size
        assert len(await both.us.inbox(WATCH)) == 1


async def test_a_grant_brings_its_bulletin_along():
    land = border()
    async with bordered() as both:
        await both.settle()
        closed = land.closed(to=[DESK])
        await both.pa.post(closed.envelope)
        await both.settle()
        assert await both.us.inbox(WATCH) == []
        await both.pa.post(land.grant(closed, WATCH))
        await both.settle()
        (granted,) = await both.us.inbox(WATCH)
        assert isinstance(granted.facts, entries.Granted)
        bulletin = await both.us.entry(granted.facts.of)
        assert (bulletin.object, bulletin.facts.owed) == (closed.envelope.header, [])


def suspend(each):
    return msgspec.structs.replace(each, status="suspended")


async def test_a_recipient_that_may_not_have_it_is_told_of_by_a_signed_notice():
    land = border()
    async with bordered() as both:
        await both.settle()
        # Suspended here alone: the other side has not heard of it when it posts.
        await both.us.post(land.amended(WATCH, suspend), "")
        sealed = land.envelope()
        posted = await both.pa.post(sealed)
        await both.us.sign()
        await both.pa.sign()
        await both.us.puller.pull()
        (item,) = await both.us.inbox(COAST)
        assert item.facts.declined == [entries.Unowed(WATCH, "endpoint-suspended")]
        await both.us.sign()
        await both.pa.puller.pull()
        (told,) = await both.pa.inbox(OPS)
        notice = notices.verify(told.object, both.pa.node.view)
        assert (notice.node, notice.about, notice.recipient, notice.code) == (
            "us",
            "refused",
            WATCH,
            "endpoint-suspended",
        )
        assert told.facts.of == posted.receipt.index
        # Told once, however often it is pulled.
        size = both.us.node.size
        both.us.puller.pulled = Pulled()
        await both.us.puller.pull()
        assert both.us.node.size == size


async def test_a_colleague_abroad_corrects_for_all_who_hold_it():
    land = border()
    async with bordered() as both:
        await both.settle()
        closed = land.closed(to=[DESK])
        await both.pa.post(closed.envelope)
        await both.pa.post(land.grant(closed, WATCH_DESK))
        await both.settle()
        header = land.header(
            type="can", verb="cancel", to=[DESK], refs=refers("cancels", closed.envelope)
        )
        await both.pa.post(land.envelope(header))
        await both.settle()
        told = await both.us.inbox(WATCH_DESK)
        assert [type(each.facts) for each in told] == [entries.Granted, entries.Accepted]


async def test_who_is_no_node_of_the_directory_gets_nothing():
    async with bordered() as both:
        await both.settle()
        peer = both.us.puller._far
        peer._token = "x" * 32
        await both.pa.sign()
        # A token that nobody gave is turned down, and a new one asked for.
        await both.us.puller.pull()
        peer._token = ""
        peer._us = "xx"
        with pytest.raises(Fault) as refused:
            await both.us.puller.pull()
        assert refused.value.code is Code.NODE_UNREACHABLE


async def test_an_attachment_crosses_whole_and_from_where_it_was_cut():
    land = border()
    async with bordered() as both:
        await both.settle()
        data = bytes(range(256)) * 4096
        blob = Blob(digest(data), len(data))
        await both.pa.node.blobs.append(OPS, blob, 0, data)
        await both.pa.node.blobs.finish(OPS, blob)
        assert (await both.pa.post(land.envelope(attachments=[blob]))).refusal is None
        # A part of it came before, and the link was cut.
        await both.us.node.blobs.append(OPS, blob, 0, data[:1000])
        await both.settle()
        (item,) = await both.us.inbox(WATCH)
        assert item.facts.blobs[1:] == [blob]
        assert await both.us.node.blobs.read(blob.digest, 0, len(data)) == data


async def test_flash_comes_ahead_of_a_backlog_and_is_not_doubled_in_its_place(monkeypatch):
    land = border()
    monkeypatch.setattr(gathering, "MAX_ITEMS", 4)
    async with bordered() as both:
        await both.settle()
        routine = [land.envelope(precedence="routine") for _ in range(12)]
        for each in routine:
            await both.pa.post(each)
        flash = land.envelope(precedence="flash")
        await both.pa.post(flash)
        await both.pa.sign()
        await both.us.puller.pull()
        first = await both.us.inbox(WATCH)
        assert first[0].object == flash.header
        await both.settle()
        items = [each.object for each in await both.us.inbox(WATCH)]
        assert items == [flash.header, *(each.header for each in routine)]


async def test_trust_goes_ahead_of_a_backlog(monkeypatch):
    land = border()
    monkeypatch.setattr(gathering, "MAX_ITEMS", 2)
    async with bordered() as both:
        await both.settle()
        for _ in range(6):
            await both.pa.post(land.envelope(precedence="routine"))
        await both.pa.post(land.subscription(DESK), DESK)
        await both.pa.sign()
        await both.us.puller.pull()
        assert len(await both.us.inbox(WATCH)) == 2
        assert both.us.node.writer.homes.newest("pa").subscriptions[DESK].version == 1
        await both.settle()
        assert len(await both.us.inbox(WATCH)) == 6
        assert len(await both.us.inbox("trust/pa")) == len(land.documents) + 1


async def test_an_older_journal_put_back_is_given_again_what_it_lacks():
    land = border()
    async with bordered() as both, bordered() as older:
        await both.settle()
        await both.pa.post(land.envelope())
        await both.settle()
        # Its folder of links stayed, its journal is one from before anything crossed.
        older.us.memory.kept = both.us.memory.kept
        again = Puller(both.us.puller._far, older.us.node, older.us.memory)
        while await again.pull():
            pass
        assert len(await older.us.inbox(WATCH)) == 1
        assert again.pulled.note == both.us.puller.pulled.note


@pytest.mark.parametrize(
    "path",
    ["/entries?since=-1", "/entries?after=-2", f"/blobs/{'A' * 43}?index=1&by=1&offset=-1"],
)
async def test_a_number_that_is_none_is_a_bad_request(path):
    async with bordered() as both:
        await both.settle(1)
        peer = both.us.puller._far
        with pytest.raises(Refusal) as caught:
            await peer._send("GET", path, {}, peer._token)
        assert caught.value.code is Code.BAD_REQUEST


async def test_each_page_brings_other_urgent_ones_ahead(monkeypatch):
    land = border()
    monkeypatch.setattr(gathering, "MAX_ITEMS", 1)
    monkeypatch.setattr(gathering, "_MAX_AHEAD", 1)
    async with bordered() as both:
        await both.settle()
        for _ in range(3):
            await both.pa.post(land.envelope(precedence="routine"))
        pressing = [land.envelope(precedence="flash") for _ in range(2)]
        for sealed in pressing:
            await both.pa.post(sealed)
        await both.pa.sign()
        for _ in range(2):
            await both.us.puller.pull()
        here = {item.object for item in await both.us.inbox(WATCH)}
        assert here.issuperset(sealed.header for sealed in pressing)


async def test_what_comes_ahead_comes_with_its_release(monkeypatch):
    land = border()
    monkeypatch.setattr(gathering, "MAX_ITEMS", 1)
    async with bordered() as both:
        for document in releasing_vectors.documents(land):
            await both.pa.post(document, "")
        await both.settle()
        for _ in range(4):
            await both.pa.post(land.envelope(precedence="routine"))
        flash = land.envelope(precedence="flash")
        assert (await both.pa.post(land.release(flash))).refusal is None
        assert (await both.pa.post(flash)).refusal is None
        await both.pa.sign()
        await both.us.puller.pull()
        assert flash.header in [item.object for item in await both.us.inbox(WATCH)]
        await both.settle()
        assert len(await both.us.inbox(WATCH)) == 5


async def test_what_hangs_on_a_grant_that_is_still_to_come_waits_for_its_place(monkeypatch):
    land = border()
    monkeypatch.setattr(gathering, "MAX_ITEMS", 1)
    async with bordered() as both:
        for document in releasing_vectors.documents(land):
            await both.pa.post(document, "")
        await both.settle()
        closed = land.closed(to=[WATCH], **releasing_vectors.RED)
        grant = land.grant(closed, COAST)
        refs = refers("cancels", closed.envelope)
        cancel = {"type": "can", "verb": "cancel", "precedence": "flash", "refs": refs}
        gone = land.envelope(
            land.header(**cancel, to=sorted([COAST, WATCH]), **releasing_vectors.RED)
        )
        for each in (land.release(closed.envelope), closed.envelope, land.release(grant)):
            assert (await both.pa.post(each)).refusal is None
        await both.settle()
        for each in (land.envelope(precedence="routine"), grant, gone):
            assert (await both.pa.post(each)).refusal is None
        await both.pa.sign()
        await both.us.puller.pull()
        assert gone.header not in [item.object for item in await both.us.inbox(WATCH)]
        await both.settle()
        for name in (WATCH, COAST):
            assert gone.header in [item.object for item in await both.us.inbox(name)]


async def test_a_link_that_is_up_again_has_the_witnesses_asked_at_once():
    async with bordered() as both:
        await both.us.sign()
        witnessing = both.pa.node.witnessing
        witnessing._bell.clear()
        await both.pa.puller._once(1.0)
        assert both.pa.puller.is_up
        assert witnessing._bell.is_set()


async def test_trust_comes_though_nothing_else_of_a_page_crosses(monkeypatch):
    monkeypatch.setattr(gathering, "_MAX_LOOK", 4)
    async with bordered() as both:
        await both.settle()
        for _ in range(9):
            await both.pa.post(border().envelope(to=[DESK]))
        await both.pa.post(border().subscription(OPS), OPS)
        await both.pa.sign()
        # As at the first page after a silence.
        both.us.puller._far.wait_s = 0
        await both.us.puller.pull()
        assert both.us.node.writer.homes.newest("pa").index == both.pa.node.view.index


class Read(MemoryStore):
    """Counts which entries are read, many at once."""

    def __init__(self):
        super().__init__()
        self.read_many = set()

    async def read(self, first, limit):
        rows = await super().read(first, limit)
        if limit > 1:
            self.read_many |= {row.index for row in rows}
        return rows


async def test_what_came_from_there_is_not_read_again_to_find_what_goes_there():
    land = border()
    async with bordered(store=Read) as both:
        await both.settle()
        start, store = both.us.node.size, both.us.node.store
        for _ in range(5):
            await both.pa.post(land.envelope())
        await both.pa.sign()
        await both.us.puller.pull()
        came = both.us.node.size
        ack = await both.us.post(land.ack(land.envelope(), WATCH), WATCH)
        assert ack.refusal is not None
        sent = await both.us.post(land.envelope(endpoint=WATCH, to=[OPS]), WATCH)
        await both.us.sign()
        store.read_many.clear()
        await both.pa.puller.pull()
        assert sent.receipt.index in store.read_many
        assert store.read_many.isdisjoint(range(start, came))
        assert len(await both.pa.inbox(OPS)) == 1
        assert both.pa.puller.pulled.after + 1 == both.pa.puller.size
