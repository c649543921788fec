"""What is over is ordered to be purged, purged in every place, and attested, in this order."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from exchange.broker import due
from exchange.errors import Code, Fault
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.model.trust import Retention
from exchange.seal.close import Envelope
from exchange.store.blob_files import BlobFiles
from exchange.store.pledge import PledgeFile
from exchange.store.shipped import ShippedFiles
from exchange.store.sqlite import SqliteStore
from tests.broker.amending import cancelling, correcting
from tests.builders import COAST, DAY, HOUR, MINSA, NOW, OPS, WATCH, WATCH_DESK, decoded, world
from tests.confirmed import confirmation
from tests.node.running import Clock, Gate, journal, post, running, until

LABEL: Any = {"es": "EJERCICIO", "en": "EXERCISE"}
RULE = Retention("voi-week", LABEL, 7 * DAY, types=["voi"])
ASKED = Retention("asked", LABEL, 60 * DAY, review_s=5 * DAY, silence_s=2 * DAY)


class Case:
    """A node on files, its clock, and what its journal says of purges."""

    def __init__(self, node, clock, folder):
        self.node, self.clock, self.folder = node, clock, folder

    async def post(self, what, caller=None):
        answer = await post(self.node, what, caller)
        assert answer.refusal is None, answer.refusal
        return answer.receipt.index

    async def at(self, seconds):
        """Let it be so late, and have the node look until it finds nothing to do: soon."""
        self.clock.ms = seconds * 1000
        size = -1
        for _ in range(4):
            # Two will do, but where a reader was in the way of what is erased.
            await self.node.retainer.step()
            if self.node.size == size:
                return
            size = self.node.size
        raise AssertionError("bookkeeping that feeds itself")

    async def told(self, kind):
        return [each.facts for each in await journal(self.node) if isinstance(each.facts, kind)]

    async def blob(self, named):
        return await self.node.store.blob(named)


@asynccontextmanager
async def a_case(folder, *rules, clock=None, is_new=True, **more):
    clock = clock or Clock()
    second = folder / "second"
    second.mkdir(exist_ok=True)
    blobs = BlobFiles(folder / "blobs", clock, second=second)
    async with running(
        SqliteStore.open(folder / "journal.db"),
        clock,
        blobs=blobs,
        second=ShippedFiles(second),
        known_time=PledgeFile(folder / "known-time"),
        **more,
    ) as node:
        case = Case(node, clock, folder)
        if rules and is_new:
            await case.post(world().rearranged(retention=list(rules)), MINSA)
        yield case


def everywhere(folder):
    """All bytes that are in any file of a node's folder."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_bulletin_is_purged_when_its_header_says_and_not_a_second_before(tmp_path):
    async with a_case(tmp_path) as case:
        sent = world().envelope(retain_until=NOW + 2 * DAY)
        index = await case.post(sent)
        await case.at(NOW + 2 * DAY - 1)
        assert await case.told(entries.PurgeOrdered) == []
        assert await case.blob(digest(sent.body)) == sent.body
        await case.at(NOW + 2 * DAY)
        (order,) = await case.told(entries.PurgeOrdered)
        assert (order.of, order.grants, order.cause, order.rule) == (index, [], "header", None)
        assert [each.endpoint for each in order.owed] == [OPS, WATCH, COAST]
        assert await case.blob(digest(sent.body)) is None
        (done,) = await case.told(entries.Purged)
        assert done.digests == [digest(sent.body)]
        assert done.orders == [case.node.size - 2]


async def test_purge_names_the_rule_and_the_arrangement_in_force_when_it_was_taken_in(tmp_path):
    async with a_case(tmp_path, RULE) as case:
        agreed = case.node.view.index
        sent = world().envelope(issued=NOW, retain_until=NOW + 7 * DAY)
        index = await case.post(sent)
        shorter = msgspec.structs.replace(RULE, name="voi-day", keep_s=DAY + 1)
        before = world().after(world().rearranged(retention=[RULE]))
        again = before.rearranged(retention=[shorter], version=3)
        await case.post(again, MINSA)
        await case.at(NOW + 7 * DAY - 1)
        assert await case.told(entries.PurgeOrdered) == []
        await case.at(NOW + 7 * DAY)
        (order,) = await case.told(entries.PurgeOrdered)
        assert (order.of, order.cause, order.rule) == (index, "rule", "voi-week")
        assert order.agreed == agreed


async def attached(case, by=OPS, content=b"exercise attachment " * 500):
    blob = Blob(digest(content), len(content))
    await case.node.blobs.append(by, blob, 0, content)
    await case.node.blobs.finish(by, blob)
    return blob, content


async def test_nothing_that_was_purged_is_left_in_any_file(tmp_path):
    async with a_case(tmp_path, checkpoint_s=0) as case:
        blob, content = await attached(case)
        # Neighbours on both sides of it stay; it may have been moved about meanwhile.
        kept = [world().closed(retain_until=NOW + 90 * DAY) for _ in range(3)]
        gone = world().closed(retain_until=NOW + DAY, attachments=[blob])
        await case.post(kept[0].envelope)
        await case.post(gone.envelope)
        await case.post(kept[1].envelope)
        grant = world().grant(gone)
        await case.post(grant)
        await case.post(kept[2].envelope)
        large = world().closed(
            text=b'{"exercise":"' + b"x" * 90_000 + b'"}',
            expires=NOW + HOUR,
            retain_until=NOW + DAY,
        )
        await case.post(large.envelope)
        await case.node.shipper._ship()
        before = everywhere(tmp_path)
        parts = [gone.envelope.body, grant.body, large.envelope.body]
        pieces = [
            part[at : at + 64] for part in parts for at in range(400, len(part) - 64, 300)
        ]
        pieces += [content[at : at + 64] for at in range(0, len(content) - 64, 500)]
        # Names of keys stand in all of them.
        stays = b"".join(each.envelope.body for each in kept)
        pieces = [piece for piece in pieces if piece not in stays]
        assert sum(piece in before for piece in pieces) > 150
        await case.at(NOW + DAY)
        after = everywhere(tmp_path)
        assert [piece for piece in pieces if piece in after] == []
        for each in kept:
            assert await case.blob(digest(each.envelope.body)) == each.envelope.body
            assert each.envelope.body[-64:] in after
        assert len(await case.told(entries.PurgeOrdered)) == 2
        (done,) = await case.told(entries.Purged)
        assert set(done.digests) == {*map(digest, parts), blob.digest}
    second = ShippedFiles(tmp_path / "second")
    assert sum(len(group.entries) for group in second.groups()) == second.size()


async def test_what_another_bulletin_names_too_stays_until_that_goes(tmp_path):
    async with a_case(tmp_path) as case:
        blob, _ = await attached(case)
        short = world().envelope(retain_until=NOW + DAY, attachments=[blob])
        await case.post(short)
        await attached(case, WATCH)
        long = world().envelope(
            endpoint=WATCH, to=[OPS], retain_until=NOW + 9 * DAY, attachments=[blob]
        )
        await case.post(long)
        await case.at(NOW + DAY)
        (done,) = await case.told(entries.Purged)
        assert done.digests == [digest(short.body)]
        assert await case.node.blobs.is_kept(blob)
        await case.at(NOW + 9 * DAY)
        _, last = await case.told(entries.Purged)
        assert set(last.digests) == {digest(long.body), blob.digest}
        assert not await case.node.blobs.is_kept(blob)


def naming(body, **changes):
    """Another bulletin that names a sealed body."""
    sent = world().envelope(**changes)
    header = msgspec.structs.replace(
        decoded(sent.header), body=Blob(digest(body), len(body)), commit=SHARED.header.commit
    )
    return Envelope(world().sign(header, headers.TYP, OPS), body)


SHARED = world().closed(retain_until=NOW + DAY)


async def test_second_place_keeps_a_body_that_several_name_with_each_until_that_goes(
    tmp_path, monkeypatch
):
    # A file for each that is shipped by itself.
    monkeypatch.setattr("exchange.store.shipped.FILE_BYTES", 1)
    body = SHARED.envelope.body
    async with a_case(tmp_path) as case:
        # Two in one commit group: what comes while another is committed. Two by themselves.
        gate = case.node.writer._store = Gate(case.node.store)
        gate.shut()
        first = post(case.node, world().envelope())
        await until(lambda: bool(gate.batches))
        also = naming(body, retain_until=NOW + 3 * DAY)
        both = [post(case.node, each) for each in (SHARED.envelope, also)]
        gate.open.set()
        _, one, two = await asyncio.gather(first, *both)
        ends = {one.receipt.index: 1, two.receipt.index: 3}
        for day in (2, 4):
            await case.node.shipper._ship()
            ends[await case.post(naming(body, retain_until=NOW + day * DAY))] = day
        await case.node.shipper._ship()
        for day in range(5):
            await case.at(NOW + day * DAY)
            assert await case.blob(digest(body)) == (body if day < 4 else None)
            left = {each for each, end in ends.items() if end > day}
            for group in ShippedFiles(tmp_path / "second").groups():
                here = range(group.first, group.first + len(group.entries))
                assert (body in group.blobs) == (not left.isdisjoint(here))


async def test_cancellation_that_says_so_orders_the_purge_at_once(tmp_path):
    async with a_case(tmp_path) as case:
        sent, other = world().closed(), world().envelope()
        index = await case.post(sent.envelope)
        stays = await case.post(other)
        granted = await case.post(world().grant(sent))
        await case.post(cancelling(sent.envelope, declares=["must-purge"]))
        await case.post(cancelling(other))
        await case.at(NOW)
        (order,) = await case.told(entries.PurgeOrdered)
        assert (order.of, order.grants, order.cause) == (index, [granted], "cancelled")
        assert [each.endpoint for each in order.owed] == [OPS, WATCH, COAST, WATCH_DESK]
        assert stays != order.of


async def test_cancellation_that_came_first_orders_the_purge_of_what_follows(tmp_path):
    async with a_case(tmp_path) as case:
        sent = world().envelope()
        await case.post(cancelling(sent, declares=["must-purge"]))
        index = await case.post(sent)
        await case.at(NOW)
        assert [each.of for each in await case.told(entries.PurgeOrdered)] == [index]


async def test_what_is_to_be_purged_is_granted_to_nobody(tmp_path):
    async with a_case(tmp_path) as case:
        sent = world().closed(issued=NOW, retain_until=NOW + 2 * DAY)
        await case.post(sent.envelope)
        await case.post(cancelling(sent.envelope, declares=["must-purge"]))
        await case.at(NOW)
        answer = await post(case.node, world().grant(sent))
        assert answer.refusal.code in (Code.TARGET_CANCELLED, Code.PURGED)


async def test_holder_is_chased_until_it_attests_that_what_it_held_is_destroyed(tmp_path):
    async with a_case(tmp_path) as case:
        sent = world().envelope(retain_until=NOW + DAY)
        await case.post(sent)
        await case.post(world().ack(sent))
        await case.at(NOW + DAY)

        async def chased():
            rows = await case.node.store.chased(NOW + 900 * DAY)
            return sorted(each.endpoint for each in rows)

        assert await chased() == [WATCH, COAST]
        at = NOW + DAY
        # That it was opened says nothing of that.
        await case.post(world().ack(sent, COAST, outcome="opened", at=at))
        assert await chased() == [WATCH, COAST]
        await case.post(world().ack(sent, WATCH, outcome="purged", at=at))
        assert await chased() == [COAST]


async def test_review_is_asked_and_silence_ends_in_a_purge(tmp_path):
    async with a_case(tmp_path, ASKED) as case:
        sent = world().envelope(issued=NOW, retain_until=NOW + 30 * DAY)
        index = await case.post(sent)
        await case.at(NOW + 5 * DAY - 1)
        assert await case.told(entries.Noticed) == []
        await case.at(NOW + 5 * DAY)
        (notice,) = await case.told(entries.Noticed)
        assert (notice.of, [each.endpoint for each in notice.owed]) == (index, [OPS])
        await case.at(NOW + 7 * DAY - 1)
        assert await case.told(entries.PurgeOrdered) == []
        await case.at(NOW + 7 * DAY)
        (order,) = await case.told(entries.PurgeOrdered)
        assert (order.cause, order.rule) == ("silence", "asked")


@pytest.mark.parametrize("answer", ["confirm", "correct", "cancel"])
async def test_answer_in_time_keeps_it_and_it_is_asked_again_unless_cancelled(tmp_path, answer):
    async with a_case(tmp_path, ASKED) as case:
        sent = world().envelope(issued=NOW, retain_until=NOW + 30 * DAY)
        await case.post(sent)
        await case.at(NOW + 5 * DAY)
        at = NOW + 6 * DAY
        case.clock.ms = at * 1000
        usual = {"issued": at, "expires": at + HOUR, "retain_until": at + 50 * DAY}
        made = {
            "confirm": lambda: confirmation(world(), sent, at=at),
            "correct": lambda: correcting(sent, **usual),
            "cancel": lambda: cancelling(sent, **usual),
        }[answer]()
        await case.post(made)
        await case.at(NOW + 8 * DAY)
        assert await case.told(entries.PurgeOrdered) == []
        await case.at(NOW + 11 * DAY)
        of_it = [each.of for each in await case.told(entries.Noticed)]
        assert len([each for each in of_it if each == of_it[0]]) == (
            1 if answer == "cancel" else 2
        )


async def test_many_that_are_due_are_ordered_a_bounded_piece_at_a_time(tmp_path):
    async with a_case(tmp_path) as case:
        for _ in range(40):
            await case.post(world().envelope(retain_until=NOW + DAY))
        case.clock.ms = (NOW + DAY) * 1000
        await case.node.retainer.step()
        assert len(await case.told(entries.PurgeOrdered)) == 32
        await case.node.retainer.step()
        assert len(await case.told(entries.PurgeOrdered)) == 40
        assert sum(len(each.orders) for each in await case.told(entries.Purged)) == 40


async def test_order_that_is_not_done_is_gone_on_with_at_the_next_start(tmp_path):
    clock = Clock()
    async with a_case(tmp_path, clock=clock) as case:
        blob, _ = await attached(case)
        await case.post(world().envelope(retain_until=NOW + DAY, attachments=[blob]))
        clock.ms = (NOW + DAY) * 1000
        await case.node.retainer._order(due.PURGE)
        assert await case.told(entries.Purged) == []
        assert await case.node.blobs.is_kept(blob)
    async with a_case(tmp_path, clock=clock, is_new=False) as case:
        await case.node.retainer.step()
        assert len(await case.told(entries.Purged)) == 1
        assert not await case.node.blobs.is_kept(blob)


async def test_where_the_second_place_fails_nothing_is_attested_until_it_is_back(tmp_path):
    async with a_case(tmp_path) as case:
        await case.post(world().envelope(retain_until=NOW + DAY))
        await case.node.shipper._ship()
        epoch = tmp_path / "second" / "epoch"
        raw = epoch.read_bytes()
        epoch.unlink()
        case.clock.ms = (NOW + DAY) * 1000
        with pytest.raises(Exception, match="second place"):
            await case.node.retainer.step()
        assert await case.told(entries.Purged) == []
        epoch.write_bytes(raw)
        await case.node.retainer.step()
        assert len(await case.told(entries.Purged)) == 1


class Between:
    """A store in front of which something happens once what is due was read."""

    def __init__(self, inner, what, happens):
        self._inner, self._what, self._happens = inner, what, happens

    async def due(self, what, *asked):
        rows = await self._inner.due(what, *asked)
        if what == self._what and rows:
            await self._happens()
        return rows

    def __getattr__(self, name):
        return getattr(self._inner, name)


@pytest.mark.parametrize("what", [due.REVIEW, due.SILENCE])
async def test_what_is_confirmed_as_the_node_looks_is_neither_asked_about_nor_purged(
    tmp_path, what
):
    async with a_case(tmp_path, ASKED) as case:
        sent = world().envelope(issued=NOW, retain_until=NOW + 30 * DAY)
        index = await case.post(sent)
        if what == due.SILENCE:
            await case.at(NOW + 5 * DAY)
        late = NOW + (8 if what == due.SILENCE else 5) * DAY

        async def confirmed():
            await case.post(confirmation(world(), sent, at=late))

        case.clock.ms = late * 1000
        before = len(await case.told(entries.Noticed))
        case.node.retainer._store = Between(case.node.store, what, confirmed)
        await case.node.retainer.step()
        assert len(await case.told(entries.Confirmed)) == 1
        assert len(await case.told(entries.Noticed)) == before
        assert await case.told(entries.PurgeOrdered) == []
        rows = [row for row in await case.node.store.all_due() if row.index == index]
        assert {row.what for row in rows} == {due.PURGE, due.REVIEW}
        assert await case.blob(digest(sent.body)) is not None


class Unreadable:
    """A store, or blobs, of which some entries cannot be read, or attachments destroyed."""

    def __init__(self, inner, *bad):
        self._inner, self._bad = inner, bad

    async def read(self, first, limit):
        if first in self._bad:
            raise Fault(Code.STORE_FAILED)
        return await self._inner.read(first, limit)

    async def purge(self, digest):
        if digest in self._bad:
            raise Fault(Code.STORE_FAILED)
        await self._inner.purge(digest)

    def __getattr__(self, name):
        return getattr(self._inner, name)


@pytest.mark.parametrize("silent", [False, True])
async def test_entry_that_cannot_be_read_keeps_no_other_from_its_purge_or_review(
    tmp_path, monkeypatch, silent
):
    monkeypatch.setattr("exchange.node.retaining.MOST_ORDERS", 2)
    monkeypatch.setattr("exchange.node.retaining.MOST_REVIEWS", 2)
    async with a_case(tmp_path, ASKED) as case:
        until = NOW + (50 if silent else 2) * DAY
        bad = [await case.post(world().envelope(retain_until=until)) for _ in range(2)]
        good = [await case.post(world().envelope(retain_until=until)) for _ in range(3)]
        case.node.retainer._store = Unreadable(case.node.store, *bad)
        for day in (5, 7) if silent else (2,):
            await case.at(NOW + day * DAY)
        assert [each.of for each in await case.told(entries.PurgeOrdered)] == good
        # Once it is mended they have their turn.
        case.node.retainer._store = case.node.store
        for day in (7, 9) if silent else (2,):
            await case.at(NOW + day * DAY)
        assert [each.of for each in await case.told(entries.PurgeOrdered)] == [*good, *bad]


async def test_orders_that_cannot_be_carried_out_keep_no_other_from_it(tmp_path, monkeypatch):
    monkeypatch.setattr("exchange.node.retaining.MOST_DONE", 2)
    async with a_case(tmp_path) as case:
        blobs = [(await attached(case, content=b"exercise %d " % n * 9))[0] for n in range(2)]
        for blob in blobs:
            await case.post(world().envelope(retain_until=NOW + DAY, attachments=[blob]))
        good = world().envelope(retain_until=NOW + DAY)
        await case.post(good)
        kept = case.node.retainer._blobs
        case.node.retainer._blobs = Unreadable(kept, *(each.digest for each in blobs))
        await case.at(NOW + DAY)
        await case.at(NOW + DAY)
        assert [each.digests for each in await case.told(entries.Purged)] == [
            [digest(good.body)]
        ]
        case.node.retainer._blobs = kept
        await case.at(NOW + DAY)
        await case.at(NOW + DAY)
        assert sum(len(each.orders) for each in await case.told(entries.Purged)) == 3


async def test_orders_go_on_after_those_that_one_step_had_room_for(tmp_path, monkeypatch):
    monkeypatch.setattr("exchange.node.retaining.MOST_ORDERS", 3)
    monkeypatch.setattr("exchange.node.retaining.MOST_BYTES", 1)
    async with a_case(tmp_path) as case:
        sent = [await case.post(world().envelope(retain_until=NOW + DAY)) for _ in range(5)]
        case.clock.ms = (NOW + DAY) * 1000
        for count in range(1, 6):
            await case.node.retainer.step()
            ordered = [each.of for each in await case.told(entries.PurgeOrdered)]
            assert ordered == sent[:count]
