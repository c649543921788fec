"""A poor link: a TCP relay on loopback that is slow, far, and breaks where its seed says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import shake_256
from itertools import count
from typing import NamedTuple


class Poor(NamedTuple):
    """How poor a link is.

    Attributes:
        seed: of the cuts.
        cut_every: bytes between two cuts on average, both ways together; 0 never cuts.
        bits_per_s: of each direction, shared by all connections; 0 is no limit.
        delay_s: of each direction.
    """

    seed: str = ""
    cut_every: int = 0
    bits_per_s: int = 0
    delay_s: float = 0.0


class Link:
    """Relays to a port; a connection is cut after so many bytes, drawn anew for each.

    ``carried`` counts the bytes that arrived.
    """

    def __init__(self, port: int, how: Poor) -> None:
        self.port, self._how = port, how
        self.cuts = 0
        self.carried = {"up": 0, "down": 0}
        self._draws = count()
        self._free_at = {"up": 0.0, "down": 0.0}
        self._relays: set[asyncio.Task[None]] = set()

    def _draw(self) -> int:
        """Between half and one and a half of the average: something always passes."""
        every = self._how.cut_every
        if not every:
            return 2**62
        place = b"\0%d" % next(self._draws)
        drawn = int.from_bytes(shake_256(self._how.seed.encode() + place).digest(8))
        return every // 2 + drawn % every

    async def _relay(self, near: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._relays.add(task)
        try:
            far, out = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            # The node is down: so is the line.
            writer.transport.abort()
            self._relays.discard(task)
            return
        left = [self._draw()]
        ways = [
            asyncio.ensure_future(self._carry(near, out, "up", left)),
            asyncio.ensure_future(self._carry(far, writer, "down", left)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, out):
                end.transport.abort()
            self._relays.discard(task)

    async def _carry(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        way: str,
        left: list[int],
    ) -> None:
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        departing = asyncio.ensure_future(self._depart(source, under_way, way))
        try:
            await self._arrive(under_way, sink, way, left)
        except OSError:
            return
        finally:
            departing.cancel()
            await asyncio.gather(departing, return_exceptions=True)

    async def _depart(
        self,
        source: asyncio.StreamReader,
        under_way: asyncio.Queue[tuple[float, bytes]],
        way: str,
    ) -> None:
        data = b"x"
        while data:
            try:
                data = await source.read(2048)
            except OSError:
                data = b""
            await under_way.put((await self._over(len(data), way), data))

    async def _over(self, size: int, way: str) -> float:
        """Take the line for so many bytes; when they are at its other end."""
        loop = asyncio.get_running_loop()
        if rate := self._how.bits_per_s / 8:
            begin = max(loop.time(), self._free_at[way])
            self._free_at[way] = begin + size / rate
            await asyncio.sleep(self._free_at[way] - loop.time())
        return loop.time() + self._how.delay_s

    async def _arrive(
        self,
        under_way: asyncio.Queue[tuple[float, bytes]],
        sink: asyncio.StreamWriter,
        way: str,
        left: list[int],
    ) -> None:
        """Give out what arrives, until the other end hung up or the line is cut."""
        loop = asyncio.get_running_loop()
        while True:
            when, data = await under_way.get()
            if (wait := when - loop.time()) > 0:
                await asyncio.sleep(wait)
            if not data:
                return
            data = data[: left[0]]
            left[0] -= len(data)
            self.carried[way] += len(data)
            sink.write(data)
            await sink.drain()
            if not left[0]:
                self.cuts += 1
                return

    async def close(self) -> None:
        for task in list(self._relays):
            task.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)


@asynccontextmanager
async def link(port: int, how: Poor | None = None) -> AsyncIterator[tuple[Link, int]]:
    """A link to a port, and the port at its near end."""
    made = Link(port, how or Poor())
    server = await asyncio.start_server(made._relay, "127.0.0.1", 0)
    try:
        yield made, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await made.close()
        await server.wait_closed()
