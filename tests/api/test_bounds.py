"""What one caller may hold up of a front: bounded, and others are heard all the same."""

from __future__ import annotations

import asyncio

from exchange.api import framing
from exchange.api.routes import IN_FLIGHT
from exchange.model.objects import MAX_OBJECT_BYTES
from exchange.model.wire import (
    MAX_IN_FLIGHT_BYTES,
    MAX_IN_FLIGHT_OF_MEMBER_BYTES,
    MAX_IN_FLIGHT_OF_ONE_BYTES,
    MAX_IN_FLIGHT_OF_STRANGERS_BYTES,
    MAX_REQUEST_BYTES,
)
from tests.api.serving import serving, session_request
from tests.builders import NOW, OPS, WATCH
from tests.node.running import until

# A request for a session of which one does not know how long it will be.
CHUNKED = b"POST /v1/session HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_patience_is_enough_for_64_kbit_s_and_not_for_a_byte_now_and_then():
    pace = 64_000 // 8
    for size in range(0, MAX_REQUEST_BYTES, 100_000):
        assert framing.patience_s(size / pace, size) >= framing.IDLE_S
    assert framing.patience_s(29.0, 1) < 2
    assert framing.patience_s(60.0, 2) <= 0
    # However much came, nobody is silent for longer.
    assert framing.patience_s(0.0, MAX_REQUEST_BYTES) == framing.IDLE_S


async def test_caller_who_sends_a_byte_now_and_then_is_given_up(monkeypatch):
    monkeypatch.setattr(framing, "IDLE_S", 0.3)
    async with serving() as door:
        reader, writer = await door.connect()
        writer.write(CHUNKED + b"1\r\na\r\n")
        told = asyncio.ensure_future(reader.readuntil(b"\r\n\r\n"))
        for _ in range(100):
            writer.write(b"1\r\na\r\n")
            done, _ = await asyncio.wait([told], timeout=0.1)
            if done:
                break
        assert told.done(), "held for as long as it likes"
        assert told.result().startswith(b"HTTP/1.1 400 ")
        writer.close()


async def test_strangers_who_do_not_finish_keep_nobody_from_a_session():
    async with serving() as door:
        writers = []
        for _ in range(6):
            _, writer = await door.connect()
            writer.write(CHUNKED + b"1\r\na\r\n")
            writers.append(writer)
        await until(lambda: door.app[IN_FLIGHT].total() == 6 * MAX_OBJECT_BYTES)
        asked = session_request(door.node.sessions.nonce(NOW), NOW)
        assert (await door.post(asked, None, "/v1/session")).status == 201
        for writer in writers:
            writer.close()


async def test_strangers_and_members_have_room_of_their_own():
    async with serving() as door:
        in_flight = door.app[IN_FLIGHT]
        in_flight[""] = MAX_IN_FLIGHT_OF_STRANGERS_BYTES
        assert (await door.post(b"{}", None, "/v1/session")).code == "too-many"
        in_flight["us.uscg/d7"] = MAX_IN_FLIGHT_BYTES - 3
        assert (await door.post(b"x\n\n")).code == "malformed"
        in_flight[""] = 0
        in_flight["us.uscg/d7"] = MAX_IN_FLIGHT_BYTES
        assert (await door.post(b"x\n\n")).code == "too-many"
        assert (await door.post(b"{}", None, "/v1/session")).code != "too-many"


async def test_one_member_does_not_take_the_room_of_all():
    async with serving() as door:
        half = MAX_IN_FLIGHT_OF_MEMBER_BYTES // 2
        door.app[IN_FLIGHT].update({"us.jiatfs/one": half, "us.jiatfs/two": half - 2})
        said = await door.post(b"x\n\n", WATCH)
        assert (said.status, said.code) == (429, "too-many")
        assert (await door.post(b"x\n\n", OPS)).code == "malformed"
        door.app[IN_FLIGHT]["us.jiatfs/two"] -= 1
        assert (await door.post(b"x\n\n", WATCH)).code == "malformed"


async def test_requests_beyond_an_endpoints_room_are_turned_away_unread():
    async with serving() as door:
        most = MAX_IN_FLIGHT_OF_ONE_BYTES
        door.app[IN_FLIGHT][OPS] = most
        assert (await door.post(b"x\n\n")).code == "too-many"
        door.app[IN_FLIGHT][OPS] = 0
        door.app[IN_FLIGHT]["us.jiatfs/watch"] = MAX_IN_FLIGHT_BYTES
        assert (await door.post(b"x\n\n")).code == "too-many"
        door.app[IN_FLIGHT]["us.jiatfs/watch"] = 0
        assert (await door.post(b"x\n\n")).code == "malformed"
        assert door.app[IN_FLIGHT].total() == 0
