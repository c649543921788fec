"""What came stays: only what is new is asked for; and in its time it goes."""

from __future__ import annotations

from contextlib import aclosing

import msgspec
import pytest

from exchange.client import purging
from exchange.client.attesting import attestable
from exchange.client.memory import Memory
from exchange.client.reading import Delivered
from exchange.client.seen import SeenHead
from exchange.errors import Code, Fault, Refusal
from tests.api.serving import serving
from tests.builders import (
    COAST,
    DAY,
    MINSA,
    NOW,
    NOW_MS,
    OPS,
    WATCH,
    WATCH_DESK,
    suspended,
    world,
)
from tests.client.dealing import Liar, agency, cabinet, draft, forget_bodies, fronted
from tests.client.granting import granted
from tests.node.running import Clock, post

NOWHERE = "https://127.0.0.1:1"


def reader(url, tmp_path, endpoint=WATCH, **changes):
    return agency(url, tmp_path / "in", endpoint, **changes)


async def sent(door, count=1, **changes):
    for _ in range(count):
        await post(door.node, world().envelope(to=[WATCH], **changes))


async def posted(door, tmp_path):
    """A bulletin whose text opens; its id."""
    async with agency(door.url, tmp_path / "out") as line:
        prepared = await line.prepare(draft())
        await line.post(prepared)
        return prepared.header.id


# -- only what is new ----------------------------------------------------------------------


async def test_second_command_asks_for_nothing_that_the_first_one_had(tmp_path):
    async with serving() as door:
        await posted(door, tmp_path)
        liar = Liar(door)
        async with fronted(liar.handle) as url:
            async with reader(url, tmp_path) as line:
                first = await line.everything()
            liar.asked.clear()
            async with reader(url, tmp_path) as line:
                assert await line.everything() == first
            assert [each for each in liar.asked if "blobs" in each] == []
            told = [msgspec.json.decode(each) for each in liar.answers("/v1/inbox")]
            assert [each["items"] for each in told][-1] == []
            (trust,) = [msgspec.json.decode(each) for each in liar.answers("/v1/trust")][-1:]
            assert len(trust["items"]) <= 1
            await posted(door, tmp_path)
            async with reader(url, tmp_path) as line:
                assert len(await line.everything()) == 2


async def test_proving_fetches_only_the_rest(tmp_path):
    async with serving() as door:
        await sent(door, 3)
        await door.node.checkpoints.checkpoint()
        async with reader(door.url, tmp_path) as line:
            await line.everything()
        await sent(door)
        await door.node.checkpoints.checkpoint()
        liar = Liar(door)
        async with (
            fronted(liar.handle) as url,
            reader(url, tmp_path, seen=SeenHead(tmp_path / "head.json")) as line,
        ):
            assert (await line.prove()).count == 4
            told = [msgspec.json.decode(each) for each in liar.answers("/v1/inbox")]
            assert [item["position"] for each in told for item in each["items"]] == [3]


async def test_item_that_was_lost_from_disk_is_fetched_again_with_what_follows(tmp_path):
    async with serving() as door:
        await sent(door, 3)
        async with reader(door.url, tmp_path) as line:
            before = [each.digest for each in await line.everything()]
            line.world.cabinet.drop("item", line.inbox.held._name(1))
        async with reader(door.url, tmp_path) as line:
            assert line.inbox.held.count == 1
            assert [each.digest for each in await line.everything()] == before


async def test_what_one_node_told_is_not_taken_for_another_s(tmp_path):
    async with serving() as door:
        await sent(door)
        async with reader(door.url, tmp_path) as line:
            await line.everything()
        other = reader(door.url, tmp_path, node="us")
        assert other.inbox.held.count == 0
        assert other.heard_ms() is None


async def test_other_trust_document_in_the_place_of_the_newest_is_noticed(tmp_path):
    async with serving() as door, reader(door.url, tmp_path) as line:
        await line.view()
    async with serving() as door:
        await post(door.node, world().amended(OPS, suspended), MINSA)
        liar = Liar(door)

        def moved(path, value):
            if path == "/v1/trust":
                for item in value["items"]:
                    item["taken_ms"] += 1
            return value

        liar.change = moved
        async with fronted(liar.handle) as url, reader(url, tmp_path) as line:
            with pytest.raises(Refusal) as caught:
                await line.view()
            assert (caught.value.code, caught.value.at) == (Code.TRUST_INVALID, "/trust")


async def test_document_that_comes_between_is_had_before_what_stands_under_it(tmp_path):
    async with serving() as door:
        liar, once = Liar(door), []

        async def handle(request):
            if request.path == "/v1/inbox" and not once:
                once.append(True)
                await post(door.node, world().amended(COAST, suspended), MINSA)
                await sent(door)
            return await liar.handle(request)

        async with fronted(handle) as url, reader(url, tmp_path) as line:
            (item,) = await line.everything()
            assert isinstance(item, Delivered)


# -- while the node is away ----------------------------------------------------------------


async def test_inbox_is_known_while_the_node_is_away_and_says_since_when(tmp_path):
    clock = Clock(NOW_MS)
    async with serving() as door:
        identity = await posted(door, tmp_path)
        async with reader(door.url, tmp_path, clock=clock) as line:
            before = await line.known()
            assert (before.as_of_ms, before.away) == (None, None)
    clock.ms += 5_000_000
    async with reader(NOWHERE, tmp_path, clock=clock) as line:
        known = await line.known()
        assert known.items == before.items
        assert (known.as_of_ms, known.away.code) == (NOW_MS, Code.NODE_UNREACHABLE)
        assert known.items[0].header.id == identity
        with pytest.raises(Fault):
            await line.everything()
        with pytest.raises(Fault):
            await line.prove()


async def test_who_never_heard_the_node_knows_nothing(tmp_path):
    async with reader(NOWHERE, tmp_path) as line:
        for call in (line.known, line.known_view):
            with pytest.raises(Fault) as caught:
                await call()
            assert caught.value.code is Code.NODE_UNREACHABLE


async def test_body_that_was_not_fetched_locks_its_item_by_a_fault_that_passes(tmp_path):
    async with serving() as door:
        await posted(door, tmp_path)
        async with reader(door.url, tmp_path) as line:
            await line.everything()
            forget_bodies(line)
    async with reader(NOWHERE, tmp_path) as line:
        (item,) = (await line.known()).items
        assert (item.bulletin, item.locked.code) == (None, Code.NODE_UNREACHABLE)
        with pytest.raises(Fault):
            attestable(item)


async def test_granted_bulletin_is_read_while_the_node_is_away(tmp_path):
    async with serving() as door:
        async with agency(door.url, tmp_path / "pa.senan-ops") as line:
            prepared = await line.prepare(draft())
            await line.post(prepared)
        await granted(door.url, tmp_path, prepared.header.id)
        async with reader(door.url, tmp_path, WATCH_DESK) as line:
            (item,) = await line.everything()
    async with reader(NOWHERE, tmp_path, WATCH_DESK) as line:
        assert (await line.known()).items == [item]
        assert item.bulletin is not None


async def test_refusal_of_the_node_is_not_taken_for_its_being_away(tmp_path):
    async with serving() as door:
        await posted(door, tmp_path)
        async with reader(door.url, tmp_path) as line:
            await line.everything()
        await post(door.node, world().amended(WATCH, suspended), MINSA)
        async with reader(door.url, tmp_path) as line:
            with pytest.raises(Refusal):
                await line.known()


async def test_following_tells_what_is_held_and_goes_on_when_the_node_is_back(tmp_path):
    async with serving() as door:
        await sent(door, 2)
        async with reader(door.url, tmp_path) as line:
            before = [each.digest for each in await line.everything()]
        liar, is_away, told = Liar(door), [True], []

        async def handle(request):
            if is_away[0]:
                request.transport.abort()
            return await liar.handle(request)

        async def pause(_seconds):
            is_away[0] = False

        async with fronted(handle) as url, reader(url, tmp_path) as line:
            line.world = msgspec.structs.replace(line.world, pause=pause)
            following = line.follow(trouble=lambda *each: told.append(each))
            async with aclosing(following) as items:
                assert [(await anext(items)).digest for _ in range(2)] == before
                assert [(error.code, pause) for error, pause in told] == [
                    (Code.NODE_UNREACHABLE, 0)
                ]
                await sent(door)
                assert (await anext(items)).position == 2
        assert len(told) == 2


async def test_flash_is_told_ahead_of_what_is_held(tmp_path):
    async with serving() as door:
        await sent(door, 70)
        async with reader(door.url, tmp_path) as line:
            await line.everything()
        await sent(door, precedence="flash")
        async with reader(door.url, tmp_path) as line, aclosing(line.follow()) as items:
            first = await anext(items)
            assert (first.header.precedence, first.ahead, first.position) == ("flash", True, 70)
            rest = [await anext(items) for _ in range(70)]
            assert [item.position for item in rest] == list(range(70))


async def test_prepared_while_the_node_is_away_says_as_of_when(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "box") as line:
        assert (await line.prepare(draft())).as_of_ms is None
    async with agency(NOWHERE, tmp_path / "box") as line:
        prepared = await line.prepare(draft())
        assert prepared.as_of_ms == NOW_MS
        assert [each.endpoint for each in prepared.readers] == [WATCH]
        identity = await line.queue(prepared)
        with pytest.raises(Fault):
            await line.resume()
        waits = line.world.outbox.waits(identity)
        assert (waits.tries, waits.why.code) == (1, "node-unreachable")


# -- the end of their time -----------------------------------------------------------------


async def test_bulletin_whose_time_is_over_is_locked_and_its_body_gone(tmp_path):
    clock = Clock(NOW_MS)
    async with serving() as door:
        await posted(door, tmp_path)
        async with reader(door.url, tmp_path, clock=clock) as line:
            (item,) = await line.everything()
        until = item.header.retain_until
        purge(tmp_path / "in", until - 1)
        clock.ms = (until - 1) * 1000
        async with reader(NOWHERE, tmp_path, clock=clock) as line:
            assert (await line.known()).items == [item]
        purge(tmp_path / "in", until)
        clock.ms = until * 1000
        async with reader(door.url, tmp_path, clock=clock) as line:
            (over,) = await line.inbox.as_held()
            assert line.bodies._kept("body", item.header.body.digest) is None
        assert isinstance(over, Delivered)
        assert (over.locked.code, over.bulletin, over.opened) == (
            Code.RETENTION_OVER,
            None,
            None,
        )
        assert attestable(over)[0] == "purged"
        # Its header, and all that a chain and a proof are made of, stay.
        assert over.header == item.header


async def test_what_was_posted_loses_its_body_and_keeps_header_and_receipt(tmp_path):
    async with serving() as door:
        identity = await posted(door, tmp_path)
        async with agency(door.url, tmp_path / "out") as line:
            receipt = line.world.outbox.receipt(identity)
            header = line.world.outbox.envelope(identity).header
        purge(tmp_path / "out", NOW + 31 * DAY)
        async with agency(door.url, tmp_path / "out") as line:
            box = line.world.outbox
            assert box.envelope(identity) == (header, b"")
            assert box.receipt(identity) == receipt
            assert not line.world.kept.has(identity)
            assert await line.receipt(identity, box.envelope(identity))


async def test_purge_leaves_what_still_waits_within_its_time(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "out") as line:
        identity = await line.queue(await line.prepare(draft()))
        purge(tmp_path / "out", NOW + 30 * DAY - 1)
        assert line.world.outbox.envelope(identity).body
        assert line.world.outbox.waiting() == [identity]


def test_sealed_files_of_a_command_that_died_go_after_a_day(tmp_path):
    mail = cabinet(tmp_path)
    box = agency(NOWHERE, tmp_path).world.outbox
    identity = "01a229f1-2800-7768-b6ef-52555962d008"
    made_ms = int(identity.replace("-", "")[:12], 16)
    box.attach(identity)
    box.attached(identity, 0).write_bytes(b"sealed")
    purging.purge(mail, made_ms + 1000)
    assert box.attached(identity, 0).exists()
    purging.purge(mail, made_ms + DAY * 1000 + 1)
    assert not box.attached(identity, 0).exists()
    mail.close()


def purge(folder, now):
    mail = cabinet(folder)
    purging.purge(mail, now * 1000)
    mail.close()


async def test_wrong_body_is_not_kept_in_the_place_of_the_right_one(tmp_path):
    async with serving() as door:
        await posted(door, tmp_path)
        async with reader(door.url, tmp_path) as line:
            (item,) = await line.everything()
            forget_bodies(line)
        blobs, named = door.node.store._tables.blobs, item.header.body.digest
        right, blobs[named] = blobs[named], world().envelope().body
        async with reader(door.url, tmp_path) as line:
            (wrong,) = await line.everything()
            assert wrong.locked is not None
        blobs[named] = right
        async with reader(door.url, tmp_path) as line:
            assert await line.everything() == [item]


async def test_fault_of_our_own_is_not_taken_for_the_node_s_being_away(tmp_path):
    memory = tmp_path / "trust.json"
    async with serving() as door, reader(door.url, tmp_path, memory=Memory(memory)) as line:
        await line.everything()
        memory.write_bytes(b"{")
        for call in (line.known, line.known_view):
            with pytest.raises(Fault) as caught:
                await call()
            assert caught.value.code is Code.TRUST_MEMORY
