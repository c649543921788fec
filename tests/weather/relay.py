"""A border with weather: what lies between two nodes delays, stalls, cuts and shuts, by a seed.

    python -m tests.weather.relay '{"seed": 1, "doors": [...]}'

It passes TCP connections on, each ``Door`` from where one side calls to where the other
answers. Each line of its standard input is a ``Weather`` that holds from then on; at its end it
ends.
Programs of ours are tried and measured behind it; nobody's link runs through it.
"""

from __future__ import annotations

import asyncio
import random  # noqa: TID251
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable

_PIECE_BYTES = 16 * 1024
# Of one direction of one connection, on the way: what a link of 600 ms carries at 40 MB/s.
_PIECES = 1500
# What is lost is sent again after so long (seconds): TCP's own least, and three losses.
_AGAIN_S = (0.2, 1.4)
# So often a loss is the end of its connection.
_CUT = 0.1
READY = b"ready\n"


class Weather(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How it is between two sides.

    ``delay_ms`` is each way's, ``loss`` the share of packets that are lost. ``shut`` names the
    sides whose packets do not pass, ``mute`` those that cannot open a connection. ``flaps`` are
    the milliseconds for which it is up, and then down, each by half less or more.
    """

    delay_ms: int = 0
    loss: float = 0.0
    bytes_s: int = 0
    shut: list[str] = []
    mute: list[str] = []
    flaps: tuple[int, int] | None = None


class Door(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a side calls, and where it is answered: host and port each."""

    caller: str
    listen: tuple[str, int]
    target: tuple[str, int]


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a relay is started with."""

    seed: int
    doors: list[Door]


class Passing(Protocol):
    """What passes things on; it is told of each change of the weather."""

    def changed(self, weather: Weather, *, is_down: bool) -> None:
        """Go by this weather from now on."""


async def told(passing: Passing, seed: int) -> None:
    """Tell what the weather is, as standard input says, until that ends."""
    loop, lines = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    flapping: asyncio.Task[None] | None = None
    dice = random.Random(seed)  # noqa: S311  (weather)
    while line := await lines.readline():
        weather = msgspec.json.decode(line, type=Weather)
        if flapping is not None:
            flapping.cancel()
        passing.changed(weather, is_down=False)
        flapping = asyncio.create_task(_flap(passing, weather, dice))


async def _flap(passing: Passing, weather: Weather, dice: random.Random) -> None:
    while weather.flaps is not None:
        for each_ms, is_down in zip(weather.flaps, (False, True), strict=True):
            passing.changed(weather, is_down=is_down)
            await asyncio.sleep(each_ms / 1000 * dice.uniform(0.5, 1.5))


class _Relay:
    """Passes connections on, by the weather."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._weather = Weather()
        self._is_down = False
        self._changed = asyncio.Event()
        self._count = 0

    def changed(self, weather: Weather, *, is_down: bool) -> None:
        self._weather, self._is_down = weather, is_down
        self._changed.set()
        self._changed = asyncio.Event()

    async def listen(self, door: Door, other: str) -> asyncio.Server:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError, EOFError):
                await self._serve(door, other, reader, writer)
            writer.close()

        return await asyncio.start_server(serve, *door.listen)

    async def _serve(
        self,
        door: Door,
        other: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        # A handshake goes there and back.
        await self._passes(door.caller, other, opens=True)
        await asyncio.sleep(2 * self._weather.delay_ms / 1000)
        there, onward = await asyncio.open_connection(*door.target)
        self._count += 1
        name = f"{self._seed} {door.caller} {self._count}"
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_both(self._pass(reader, onward, door.caller, name), writer))
                group.create_task(_both(self._pass(there, writer, other, f"{name} <"), onward))
        except* OSError:
            pass
        finally:
            onward.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, side: str, name: str
    ) -> None:
        """Pass on what a side sends, in order, each piece when it is due."""
        loop, dice = asyncio.get_running_loop(), random.Random(name)  # noqa: S311  (weather)
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_PIECES)

        async def read() -> None:
            while piece := await reader.read(_PIECE_BYTES):
                await on_the_way.put((loop.time() + self._weather.delay_ms / 1000, piece))
            await on_the_way.put((loop.time() + self._weather.delay_ms / 1000, b""))

        reading = asyncio.create_task(read())
        try:
            while True:
                due, piece = await on_the_way.get()
                if (rest := due - loop.time()) > 0:
                    await asyncio.sleep(rest)
                await self._passes(side)
                if not piece:
                    break
                await self._suffer(dice, len(piece))
                writer.write(piece)
                await writer.drain()
            writer.write_eof()
        finally:
            reading.cancel()

    async def _suffer(self, dice: random.Random, size: int) -> None:
        weather = self._weather
        if dice.random() < weather.loss:
            if dice.random() < _CUT:
                raise ConnectionResetError
            await asyncio.sleep(dice.uniform(*_AGAIN_S))
        if weather.bytes_s:
            await asyncio.sleep(size / weather.bytes_s)

    async def _passes(self, *sides: str, opens: bool = False) -> None:
        """Wait until what these sides send passes; and, to open a connection, the first may."""
        while (
            self._is_down
            or not set(sides).isdisjoint(self._weather.shut)
            or (opens and sides[0] in self._weather.mute)
        ):
            await self._changed.wait()


async def _both(passing: Awaitable[None], backward: asyncio.StreamWriter) -> None:
    """Pass on; where that is cut, the way back is cut too."""
    try:
        await passing
    except OSError:
        backward.transport.abort()
        raise


async def _main(plan: Plan) -> None:
    relay = _Relay(plan.seed)
    callers = [door.caller for door in plan.doors]
    for door in plan.doors:
        other = next((each for each in callers if each != door.caller), "")
        await relay.listen(door, other)
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    await told(relay, plan.seed)


if __name__ == "__main__":
    asyncio.run(_main(msgspec.json.decode(sys.argv[1], type=Plan)))
