"""A crowd at a node's link keeps neither the other node from pulling nor ours from writing."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

from exchange.link.door import Door, Room, _Caller
from exchange.link.offering import DOOR
from exchange.link.serving import WITNESS
from exchange.node.witness import Witness
from exchange.store.witnessed import WitnessFiles
from tests.builders import DESK, WATCH, border
from tests.link.bordered import bordered
from tests.node.running import until
from tests.node.witnessed import LOGS, NOW, OWN, asked

# The same as always, but for how fast a crowd may come: a test does not wait for it.
QUICK = Room(a_second=100_000)


class Doors:
    """The door of each node's link."""

    def __init__(self):
        self.by = {}

    def __call__(self, app, name):
        self.by[name] = app[DOOR]
        return app


def at(side):
    """Where the other node answers."""
    parts = urlsplit(side.puller._far._url)
    return parts.hostname, parts.port


def call(stack, side, address="127.0.0.1"):
    caller = stack.enter_context(socket.create_connection(at(side), 10, (address, 0)))
    caller.setblocking(False)
    return caller


async def hung_up(caller):
    async with asyncio.timeout(10):
        try:
            return await asyncio.get_running_loop().sock_recv(caller, 1) == b""
        except ConnectionError:
            return True


async def shake_hands(caller):
    """A caller that speaks TLS and says nothing over it."""
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    return await asyncio.open_connection(sock=caller, ssl=anyone, server_hostname="")


async def test_five_hundred_idle_connections_keep_neither_the_other_node_out_nor_a_post():
    doors = Doors()
    async with bordered(doors, room=QUICK) as both:
        await both.pa.sign()
        with ExitStack() as stack:
            # Of many addresses: more of one are turned away sooner.
            for each in range(500):
                call(stack, both.us, f"127.0.1.{1 + each // 10}")
                await asyncio.sleep(0)
            await until(lambda: doors.by["pa"].callers == QUICK.callers)
            # It has no connection yet, and begins one now.
            while await both.us.puller.pull():
                pass
            sealed = border().envelope()
            assert (await both.pa.post(sealed)).refusal is None
            await both.pa.sign()
            while await both.us.puller.pull():
                pass
            assert [each.object for each in await both.us.inbox(WATCH)] == [sealed.header]
            assert doors.by["pa"].callers == QUICK.callers


async def test_who_is_known_is_not_hung_up_on_for_a_crowd():
    doors, room = Doors(), Room(callers=2, of_address=2, a_second=1000)
    async with bordered(doors, room=room) as both:
        await both.settle()
        far = both.us.puller._far
        ((known, _),) = next(iter(far._http.connector._conns.values()))
        with ExitStack() as stack:
            for _ in range(20):
                call(stack, both.us)
            await until(lambda: doors.by["pa"].turned_away >= 19)
            await both.pa.post(border().envelope(to=[DESK]))
            await both.pa.sign()
            await both.us.puller.pull()
        # On the very connection that it had.
        ((still, _),) = next(iter(far._http.connector._conns.values()))
        assert still is known


async def test_more_of_one_address_than_there_is_room_for_are_hung_up_on():
    doors = Doors()
    async with bordered(doors, room=QUICK) as both:
        with ExitStack() as stack:
            first = call(stack, both.us, "127.0.1.9")
            for _ in range(QUICK.of_address):
                call(stack, both.us, "127.0.1.9")
            assert await hung_up(first)
            await until(lambda: doors.by["pa"].callers == QUICK.of_address)


async def test_who_does_not_shake_hands_in_time_is_hung_up_on():
    async with bordered(room=Room(handshake_s=0.05)) as both:
        with ExitStack() as stack:
            assert await hung_up(call(stack, both.us))


async def test_who_does_not_say_who_it_is_in_time_is_hung_up_on():
    async with bordered(room=Room(unknown_s=0.5)) as both:
        with ExitStack() as stack:
            reader, writer = await shake_hands(call(stack, both.us))
            writer.write(b"GET /nonce HTTP/1.1\r\nHost: pa\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            async with asyncio.timeout(10):
                with suppress(ConnectionError):
                    while await reader.read(1000):
                        pass
            writer.close()


async def test_who_asks_on_and_on_without_saying_who_it_is_is_hung_up_on():
    async with bordered() as both:
        with ExitStack() as stack:
            reader, writer = await shake_hands(call(stack, both.us))
            asked = b"GET /nonce HTTP/1.1\r\nHost: pa\r\n\r\n"
            said = b""
            async with asyncio.timeout(10):
                with suppress(ConnectionError, asyncio.IncompleteReadError):
                    for _ in range(20):
                        writer.write(asked)
                        said += await reader.readuntil(b"}")
                with suppress(ConnectionError, asyncio.IncompleteReadError):
                    while more := await reader.read(1000):
                        said += more
            assert said.count(b"HTTP/1.1 200") == Room().requests
            writer.close()


async def test_a_crowd_that_shakes_hands_waits_for_its_turn():
    doors = Doors()
    async with bordered(doors, room=Room(a_second=0.001)) as both:
        with ExitStack() as stack:
            first, second = (call(stack, both.us) for _ in range(2))
            _, writer = await shake_hands(first)
            await asyncio.sleep(0)
            assert doors.by["pa"].callers == 1
            writer.close()
            second.close()


async def said_after(stack, side, data):
    """How many of twenty requests are answered after a checkpoint was brought."""
    reader, writer = await shake_hands(call(stack, side))
    head = f"POST /add-checkpoint HTTP/1.1\r\nHost: pa\r\nContent-Length: {len(data)}\r\n\r\n"
    answered = 0
    async with asyncio.timeout(10):
        writer.write(head.encode() + data)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await reader.readuntil(b"\n")
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            for _ in range(20):
                writer.write(b"GET /nonce HTTP/1.1\r\nHost: pa\r\n\r\n")
                answered += (await reader.readuntil(b"}")).count(b"HTTP/1.1 200")
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return answered


async def test_who_brings_a_checkpoint_that_was_known_is_known_no_better(tmp_path):
    WitnessFiles.found(tmp_path)
    recall = WitnessFiles.open(tmp_path)

    def witnessing(app, _):
        app[WITNESS] = Witness(LOGS, OWN, recall, lambda: NOW * 1000)
        return app

    async with bordered(witnessing) as both:
        with ExitStack() as stack:
            assert await said_after(stack, both.us, asked(0, 7).encode()) == 20
            # Anybody may have that one; it is cosigned once more, for anybody.
            most = Room().requests - 1
            assert await said_after(stack, both.us, asked(7, 7).encode()) == most
            assert await said_after(stack, both.us, asked(7, 9).encode()) == 20
    await recall.close()


class Line:
    """A connection, as the door knows it: by its address."""

    def __init__(self, number):
        self.name = ("127.0.1.9", number)

    def get_extra_info(self, _):
        return self.name


async def test_few_are_known_by_a_checkpoint_alone_and_those_who_brought_one_last():
    door = Door(Room(bringers=2, requests=3))
    lines = [Line(number) for number in range(4)]
    for each in lines:
        door._callers[each.name] = _Caller(each.name[0])
    known = [door._callers[each.name] for each in lines]
    # The first says who it is as well: that stays.
    door.know(lines[0])
    for each in (*lines, lines[2]):
        door.bring(each)
    assert [each.is_known for each in known] == [True, False, True, True]
    # Who is not known any more has as many requests as whoever comes, and no more.
    for _ in range(3):
        door.hear(lines[1])
    assert lines[1].name in door._callers
    door.hear(lines[1])
    assert lines[1].name not in door._callers
    door.bring(lines[0])
    assert known[0].is_known
    assert [each.is_known for each in known[2:]] == [True, True]
