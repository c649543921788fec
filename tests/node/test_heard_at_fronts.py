"""Streams of events at real front processes: each hears what any of them takes in."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import aclosing

import msgspec
import pytest

from exchange.errors import ExchangeError
from exchange.model import events, wire
from tests.crash.exercise import POSTERS, READERS, Exercise
from tests.node.running import until
from tests.node.test_fronts import posted, serving, suspended

ALFA, ECHO = POSTERS[0], READERS[1]
WAIT_S = 20


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    return Exercise(tmp_path_factory.mktemp("heard"))


def as_item(data):
    return msgspec.json.decode(data, type=wire.InboxItem)


async def heard(pieces, reader, name):
    """Wait for an event of this name; what comes before it is passed over."""
    async with asyncio.timeout(WAIT_S):
        async for piece in pieces:
            for event in reader.read(piece):
                if event.name == name:
                    return event.data
    raise EOFError


async def test_every_front_tells_what_any_of_them_takes_in(founded):
    async with serving(founded) as served, served.to(ALFA) as alfa, served.to(ECHO) as echo:
        listening = [
            (echo.stream("/v1/events", after=served.node.size - 1), events.Reader())
            for _ in range(4)
        ]
        for pieces, reader in listening:
            await heard(pieces, reader, "beat")
        # Callers are dealt out in turn, so there are two streams at each front.
        for _ in range(3):
            receipt = await posted(alfa, founded.envelope(ALFA, [ECHO]))
            for pieces, reader in listening:
                item = as_item(await heard(pieces, reader, "entry"))
                assert item.index == receipt.index
        for pieces, _ in listening:
            await pieces.aclose()


async def test_stream_at_a_front_ends_with_the_front_and_goes_on_at_another(founded):
    async with serving(founded) as served, served.to(ALFA) as alfa, served.to(ECHO) as echo:
        first = await posted(alfa, founded.envelope(ALFA, [ECHO]))
        async with aclosing(echo.stream("/v1/events", after=first.index - 1)) as pieces:
            await heard(pieces, events.Reader(), "entry")
            before = served.pids()
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            with pytest.raises((ExchangeError, EOFError)):
                await heard(pieces, events.Reader(), "entry")
        await until(lambda: not set(before) & set(served.pids()))
        await asyncio.gather(*(each.is_up.wait() for each in served.fronts._fronts))
        second = await posted(alfa, founded.envelope(ALFA, [ECHO]))
        async with aclosing(echo.stream("/v1/events", after=first.index)) as pieces:
            item = as_item(await heard(pieces, events.Reader(), "entry"))
            assert item.index == second.index


async def test_suspension_ends_the_streams_of_every_front(founded):
    async with serving(founded) as served, served.to(ECHO) as echo:
        listening = [
            (echo.stream("/v1/events", after=served.node.size - 1), events.Reader())
            for _ in range(4)
        ]
        for pieces, reader in listening:
            await heard(pieces, reader, "beat")
        await served.node.submit("", suspended(founded, ECHO), b"")
        for pieces, reader in listening:
            problem = msgspec.json.decode(await heard(pieces, reader, "problem"))
            assert problem["code"] == "endpoint-suspended"
            await pieces.aclose()
