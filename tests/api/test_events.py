"""The stream of events: everything, once, in order; nobody waits for whoever stalls."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from exchange.errors import Code, Fault
from exchange.model import wire
from exchange.node import ring
from tests.api.listening import listening
from tests.api.serving import serving
from tests.builders import COAST, MINSA, WATCH, suspended, world
from tests.node.running import Clock, post, until


async def filled(door, count, to=(WATCH,)):
    sent = [post(door.node, world().envelope(to=sorted(to))) for _ in range(count)]
    return [answer.receipt.index for answer in await asyncio.gather(*sent)]


async def test_what_was_there_and_what_comes_is_told_once_in_order_with_its_index():
    async with serving() as door:
        before = await filled(door, 3)
        async with listening(door) as stream:
            old = await stream.entries(3)
            assert (await stream.until("beat")) == {"total": 3}
            after = await filled(door, 3)
            new = await stream.entries(3)
        said = [(item["position"], item["index"]) for item in old + new]
        assert said == list(enumerate(sorted(before) + sorted(after)))
        page = (await door.get("/v1/inbox", WATCH)).json
        assert page["items"] == old + new


async def test_each_hears_its_own_inbox_and_nobody_elses():
    async with serving() as door, listening(door) as watch, listening(door, COAST) as coast:
        both, ours = await filled(door, 1, (WATCH, COAST)), await filled(door, 1)
        theirs = await filled(door, 1, (COAST,))
        assert [item["index"] for item in await watch.entries(2)] == both + ours
        assert [item["index"] for item in await coast.entries(2)] == both + theirs


async def test_listener_that_is_cut_off_anywhere_goes_on_with_the_next():
    async with serving() as door:
        indexes = sorted(await filled(door, 6))
        for place, index in enumerate(indexes[:-1]):
            async with listening(door, **{"Last-Event-ID": str(index)}) as stream:
                rest = await stream.entries(len(indexes) - place - 1)
                assert [item["index"] for item in rest] == indexes[place + 1 :]
        async with listening(door, query=f"?after={indexes[4]}") as stream:
            assert [item["index"] for item in await stream.entries(1)] == indexes[5:]


@pytest.mark.parametrize("last", ["-1", "x", "", "1.5", "9" * 17])
async def test_last_event_that_was_never_given_out_is_refused(last):
    async with serving() as door:
        said = await door.ask("GET", "/v1/events", WATCH, headers={"Last-Event-ID": last})
        assert (said.status, said.code) == (400, "bad-request")


async def test_backlog_longer_than_a_write_is_told_whole(monkeypatch):
    monkeypatch.setattr(ring, "WRITE_BYTES", 10_000)
    monkeypatch.setattr(ring, "BEHIND", 3)
    async with serving() as door:
        await filled(door, 20)
        async with listening(door) as stream:
            first = await stream.entries(5)
            await filled(door, 5)
            rest = await stream.entries(20)
        assert [item["position"] for item in first + rest] == list(range(25))


async def test_what_the_ring_dropped_is_read_from_the_journal(monkeypatch):
    async with serving() as door, listening(door) as stream:
        await stream.until("beat")
        monkeypatch.setattr(ring, "RING_BYTES", 0)
        await filled(door, 9)
        assert [item["position"] for item in await stream.entries(9)] == list(range(9))
        assert door.node.ring._held == 0


async def test_store_that_fails_is_told_and_the_next_stream_goes_on():
    async with serving() as door, listening(door) as stream:
        await stream.until("beat")
        store = door.node.store
        read, inbox = store.read, store.inbox

        async def failing(*_):
            raise Fault(Code.STORE_FAILED)

        store.read = store.inbox = failing
        (index,) = await filled(door, 1)
        assert (await stream.until("problem"))["code"] == "store-failed"
        with pytest.raises(EOFError):
            await stream.next()
        store.read, store.inbox = read, inbox
        async with listening(door) as again:
            assert (await again.entries(1))[0]["index"] == index


async def test_ring_that_cannot_read_leaves_it_to_the_listeners():
    async with serving() as door, listening(door) as stream:
        await stream.until("beat")
        read = door.node.store.read

        async def failing(*_):
            raise Fault(Code.STORE_FAILED)

        door.node.store.read = failing
        await filled(door, 2)
        assert [item["position"] for item in await stream.entries(2)] == [0, 1]
        door.node.store.read = read
        await filled(door, 1)
        assert [item["position"] for item in await stream.entries(1)] == [2]


async def test_endpoint_suspended_meanwhile_hears_why_and_nothing_more():
    async with serving() as door, listening(door) as stream, listening(door, COAST) as other:
        await stream.until("beat")
        await other.until("beat")
        await post(door.node, world().amended(WATCH, suspended), MINSA)
        # Nothing has come for it: the suspension itself ends the stream.
        problem = await stream.until("problem")
        assert problem["code"] == "endpoint-suspended"
        assert problem["es"]["what"] != problem["en"]["what"]
        with pytest.raises(EOFError):
            await stream.next()
        assert door.node.refused["endpoint-suspended", "/v1/events"] == 1
        (index,) = await filled(door, 1, (COAST,))
        assert [item["index"] for item in await other.entries(1)] == [index]


async def test_write_is_checked_even_where_nothing_woke_the_stream():
    async with serving() as door, listening(door) as stream:
        await stream.until("beat")
        door.node.on_view.clear()
        await post(door.node, world().amended(WATCH, suspended), MINSA)
        door.node.ring._lanes[WATCH].ring()
        assert (await stream.next()).name == "problem"


async def test_stream_ends_with_its_token():
    clock = Clock()
    async with serving(clock=clock) as door, listening(door) as stream:
        await stream.until("beat")
        clock.ms += 3600 * 1000
        door.node.ring.wake()
        assert (await stream.until("problem"))["code"] == "bad-token"


async def test_one_endpoint_has_so_many_streams_and_no_more(monkeypatch):
    monkeypatch.setattr(wire, "MAX_STREAMS_OF_ONE", 2)
    monkeypatch.setattr(wire, "MAX_STREAMS", 3)
    async with serving() as door, listening(door), listening(door, COAST):
        async with listening(door) as second:
            await second.until("beat")
            said = await door.get("/v1/events", WATCH)
            assert (said.code, said.json["facts"]) == ("too-many", {"limit": 2})
            said = await door.get("/v1/events", COAST)
            assert (said.code, said.json["facts"]) == ("too-many", {"limit": 3})
            second.answer.close()
        # Who hung up is not counted, though nothing was written to it since.
        await until(lambda: _gone(door) == 1)
        async with listening(door) as third:
            await third.until("beat")


def _gone(door):
    from exchange.api.events import STREAMS  # noqa: PLC0415

    return sum(each.transport is None for _, each in door.app[STREAMS]._open)


async def test_whoever_stalls_is_waited_for_by_nobody_and_kept_for_by_nobody(monkeypatch):
    monkeypatch.setattr(ring, "RING_BYTES", 100_000)
    async with serving() as door, listening(door) as quick:
        reader, writer = await door.connect()
        writer.transport.pause_reading()
        token = door.token(WATCH)
        lines = ["GET /v1/events HTTP/1.1", "Host: x", f"Authorization: Bearer {token}"]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        await until(
            lambda: len(door.node.ring._lanes) and door.node.ring._lanes[WATCH].listeners == 2
        )
        for _ in range(20):
            await filled(door, 100)
            await quick.entries(100)
        assert door.node.ring._held <= 100_000
        (connection,) = [
            each
            for each in door.runner.server.connections
            if each.transport and each.transport.get_write_buffer_size()
        ]
        assert connection.transport.get_write_buffer_size() < 200_000
        writer.transport.resume_reading()
        seen = 0
        while b'"position":1999' not in (line := await asyncio.wait_for(reader.readline(), 10)):
            if line.startswith(b"data: ") and b'"position"' in line:
                assert msgspec.json.decode(line[6:])["position"] == seen
                seen += 1
        assert seen == 1999
        writer.close()


async def test_node_that_stops_ends_its_streams_at_once():
    async with serving() as door, listening(door) as stream:
        await stream.until("beat")
        await door.runner.shutdown()
        with pytest.raises(EOFError):
            await stream.next()
