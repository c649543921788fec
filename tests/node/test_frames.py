"""What the node's processes say to each other: the same words arrive, and nonsense ends it."""

from __future__ import annotations

import asyncio
import socket

import msgspec
import pytest

from exchange.broker.establishing import Established
from exchange.broker.intake import Arrival, consider
from exchange.errors import Refusal
from exchange.model import objects
from exchange.node import frames
from tests.builders import DESK, NOW_MS, OPS, WATCH, new_id, releaser, world


def arrivals():
    """One of each kind of conclusion there is."""
    envelope = world().envelope()
    subject = msgspec.convert(
        {"endpoint": OPS, "id": new_id(), "header_digest": "A" * 43}, objects.Subject
    )
    return [
        world().arrival(envelope),
        world().arrival(world().envelope(expires=1)),
        world().arrival(world().ack(envelope)),
        world().arrival(world().ack(envelope, of=subject)),
        world().arrival(world().grant(world().closed())),
        world().arrival(world().release(envelope)),
        world().arrival(world().subscription(), WATCH),
        Arrival(OPS, b"\xff not an object", b"", NOW_MS),
        Arrival(WATCH, envelope.header, envelope.body, NOW_MS),
    ]


def carried(told: frames.Said) -> frames.Said:
    item = frames.Item(1, OPS, b"", b"", NOW_MS, 3, told)
    message = frames.FRONT.decode(msgspec.msgpack.encode(frames.Posted([item])))
    assert isinstance(message, frames.Posted)
    return message.items[0].told


@pytest.mark.parametrize("arrival", arrivals())
def test_what_was_concluded_is_what_the_writer_hears(arrival):
    considered = consider(arrival, world().later(world().amended(DESK, releaser)))
    heard = frames.meant(carried(frames.said(considered)), considered.view, considered.taken_ms)
    if isinstance(considered.decision, Established):
        assert heard is None, "the node's own process judges trust documents"
        return
    assert heard is not None
    assert type(heard.decision) is type(considered.decision)
    assert _plain(heard.decision) == _plain(considered.decision)
    assert heard[1:] == considered[1:]


def _plain(decision):
    return [
        (each.code, each.at, each.facts) if isinstance(each, Refusal) else each
        for each in decision
    ]


async def wired(hear=lambda _: None, lost=lambda: None):
    here, there = socket.socketpair()
    wire = frames.Wire(frames.WRITER, hear, lost)
    await asyncio.get_running_loop().create_connection(lambda: wire, sock=here)
    there.setblocking(False)
    return wire, there


async def test_messages_are_heard_whole_and_in_order_however_they_are_cut():
    heard = []
    wire, there = await wired(heard.append)
    sent = [frames.News(n, {"pa.x/y": n}, b"x" * n * 900, None) for n in range(1, 9)]
    come = bytearray()
    for message in sent:
        part = msgspec.msgpack.encode(message)
        come += len(part).to_bytes(4) + part
    for at in range(0, len(come), 1001):
        wire.data_received(bytes(come[at : at + 1001]))
    assert heard == sent
    wire.close()
    there.close()


def test_fewer_than_none_do_not_come():
    with pytest.raises(msgspec.ValidationError):
        frames.FRONT.decode(msgspec.msgpack.encode(frames.Posted([], -1)))


@pytest.mark.parametrize("nonsense", [b"\xc1", b"\x90", b"\x93\x09\x00\x00", b"{}"])
async def test_who_talks_nonsense_is_hung_up_on(nonsense):
    lost, heard = asyncio.Event(), []
    wire, there = await wired(heard.append, lost.set)
    wire.data_received(len(nonsense).to_bytes(4) + nonsense)
    await asyncio.wait_for(lost.wait(), 5)
    assert heard == []
    there.close()
