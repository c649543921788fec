"""Whoever is suspended is hung up on, with what it was too slow to take; nobody else is."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

from exchange.api import seats
from exchange.api.seats import SEATS
from exchange.client.tls import pinned
from exchange.store.memory import MemoryStore
from tests.api.attached import BLOB, accepted, send
from tests.api.serving import certificate, serving
from tests.builders import COAST, MINSA, OPS, WATCH, suspended, world
from tests.node.running import Gate, post, until

# On each event loop (see conftest): their transports have nothing in common but what they do.
BELOW_CONNECTIONS = True

LITTLE = 4096  # bytes that each side's kernel keeps


async def suspend(door, endpoint):
    assert (await post(door.node, world().amended(endpoint, suspended), MINSA)).refusal is None


def request(door, path, by):
    lines = [f"GET {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {door.token(by)}"]
    return "\r\n".join([*lines, "", ""]).encode()


def slowly(door, path, by):
    """One who asks, and takes nothing of the answer."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LITTLE)
    sock.connect(("127.0.0.1", door.port))
    # On a socket that blocks: Python's own TLS, for whose context ours is none.
    context = ssl.create_default_context(cadata=certificate())
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    tls = context.wrap_socket(sock, server_hostname="x")
    tls.sendall(request(door, path, by))
    return tls


def seated(door, by=COAST):
    """The connections on which an endpoint asked last."""
    token = f"Bearer {door.token(by)}"
    taken = door.app[SEATS]._taken
    return [each for each, seat in taken.items() if seat.authorization == token]


async def stuck(door, by=COAST):
    """Until there is one connection of it, which takes no more, and stays so."""
    full = 0

    def is_stuck():
        nonlocal full
        here = seated(door, by)
        full = full + 1 if here and not seats._takes_more(here[0].transport) else 0
        return full == 100

    await until(is_stuck)


@pytest.mark.parametrize("path", ["/v1/events", "/v1/inbox", f"/v1/blobs/{BLOB.digest}"])
async def test_what_a_slow_reader_has_not_taken_goes_to_nobody_once_it_is_suspended(
    monkeypatch, path
):
    monkeypatch.setattr(seats, "TOLD_S", 3600)
    async with serving() as door:
        (site,) = door.runner.sites
        (listener,) = site._server.sockets
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LITTLE)
        await send(door)
        index = (await accepted(door, BLOB)).json["index"]
        for _ in range(30):
            await post(door.node, world().envelope())
        path = f"{path}?index={index}" if "blobs" in path else path
        slow = [await asyncio.to_thread(slowly, door, path, by) for by in (COAST, WATCH)]
        await stuck(door)
        await stuck(door, WATCH)
        await suspend(door, COAST)
        # It takes nothing, and is not waited for.
        await until(lambda: not seated(door))
        assert len(seated(door, WATCH)) == 1
        for each in slow:
            each.close()


async def test_who_takes_what_comes_is_told_why_before_it_is_hung_up_on(monkeypatch):
    monkeypatch.setattr(seats, "TOLD_S", 0.05)
    async with serving() as door:
        both = [await door.connect() for _ in range(2)]
        for path, (_, writer) in zip(("/v1/inbox?wait=30", "/v1/events"), both, strict=True):
            writer.write(request(door, path, COAST))
        inboxes, ring = door.node.inboxes, door.node.ring
        await until(lambda: COAST in inboxes._bells and COAST in ring._lanes)
        await suspend(door, COAST)
        async with asyncio.timeout(10):
            for reader, writer in both:
                assert b"endpoint-suspended" in await reader.read()
                writer.close()
        await until(lambda: not seated(door))


async def test_who_posted_is_told_what_was_recorded_though_suspended_by_then(monkeypatch):
    monkeypatch.setattr(seats, "TOLD_S", 0)
    gate = Gate(MemoryStore())
    async with serving(gate) as door:
        gate.shut()
        posting = asyncio.ensure_future(door.post(world().envelope().framed()))
        await until(lambda: bool(gate.batches))
        (protocol,) = seated(door, OPS)
        door.app[SEATS]._end(protocol, door.app[SEATS]._taken[protocol])
        later = asyncio.Event()
        asyncio.get_running_loop().call_later(0, later.set)
        await later.wait()
        gate.open.set()
        assert (await asyncio.wait_for(posting, 10)).status == 201


async def test_a_connection_that_another_asks_on_by_now_is_left_to_it():
    async with serving() as door:
        reader, writer = await door.connect()
        writer.write(request(door, "/v1/inbox", COAST))
        await reader.readuntil(b"200 OK")
        (protocol,) = seated(door)
        seat = door.app[SEATS]._taken[protocol]
        writer.write(request(door, "/v1/inbox?wait=30", WATCH))
        await until(lambda: WATCH in door.node.inboxes._bells)
        assert (seated(door), seated(door, WATCH)) == ([], [protocol])
        door.app[SEATS].hang_up(protocol, seat)
        assert not protocol.transport.is_closing()
        writer.transport.abort()
        # Nobody sits at a connection that is over.
        await until(lambda: not door.app[SEATS]._taken)


class Lost(asyncio.Protocol):
    """A connection that is over, and of which nobody was told yet."""

    def __init__(self):
        self.is_over = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, _):
        self.is_over.set()


async def lost(door, tls):
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(Lost, "127.0.0.1", door.port, ssl=tls)
    protocol.transport.abort()
    await asyncio.wait_for(protocol.is_over.wait(), 10)
    return protocol


async def hangs_up_beside(door, protocol):
    """A second connection of whom is suspended is looked at, whatever is wrong with one."""
    reader, writer = await door.connect()
    writer.write(request(door, "/v1/inbox?wait=30", COAST))
    await until(lambda: COAST in door.node.inboxes._bells)
    taken = door.app[SEATS]._taken
    ((there, seat),) = taken.items()
    taken.clear()
    taken.update({protocol: seat, there: seat})
    await suspend(door, COAST)
    async with asyncio.timeout(10):
        assert b"endpoint-suspended" in await reader.read()
    writer.close()
    await until(lambda: list(taken) == [protocol])


@pytest.mark.parametrize("over", ["tcp", "tls"])
async def test_connection_that_just_broke_takes_no_more(monkeypatch, over):
    monkeypatch.setattr(seats, "TOLD_S", 0.05)
    async with serving() as door:
        protocol = await lost(door, pinned(certificate()) if over == "tls" else None)
        assert not seats._takes_more(protocol.transport)
        await hangs_up_beside(door, protocol)


async def test_what_breaks_at_one_seat_leaves_the_others_looked_at(monkeypatch):
    monkeypatch.setattr(seats, "TOLD_S", 0.05)
    async with serving() as door:
        protocol = Lost()
        protocol.transport = object()
        await hangs_up_beside(door, protocol)
