"""A border of packets: carries Ethernet frames between two interfaces, as the weather says.

    python -m tests.weather.carrying SEED pa=INTERFACE us=INTERFACE

In place of tc's netem, which not every kernel has and which takes no seed: a packet that is
lost is really lost here, and TCP of the kernel at either end sends it again.
"""

from __future__ import annotations

import asyncio
import random  # noqa: TID251
import socket
import sys
from collections import deque

from tests.weather.relay import READY, Weather, told

# From <linux/if_packet.h>. With the header, frames keep what is said of their checksums.
_SOL_PACKET, _VNET_HDR, _IGNORE_OUTGOING = 263, 15, 23
_ALL, _VNET_BYTES = 3, 10
_FRAME_BYTES = 70_000
_ETHERNET_BYTES, _TCP = 14, 6
_SYN, _SYN_ACK = 0x02, 0x12
# What a queue of a router would hold; beyond it, frames are dropped.
_QUEUE = 20_000


class Carrier:
    """Carries frames from each side to the other."""

    def __init__(self, seed: int, interfaces: dict[str, str]) -> None:
        self._weather = Weather()
        self._is_down = False
        self._sockets = {side: _opened(name) for side, name in interfaces.items()}
        self._dice = random.Random(seed)  # noqa: S311  (weather)
        self._free = dict.fromkeys(interfaces, 0.0)
        self._queues: dict[str, deque[bytes]] = {side: deque() for side in interfaces}

    def changed(self, weather: Weather, *, is_down: bool) -> None:
        self._weather, self._is_down = weather, is_down

    def start(self) -> None:
        for side, each in self._sockets.items():
            asyncio.get_running_loop().add_reader(each, self._take, side)

    def _take(self, side: str) -> None:
        frame = self._sockets[side].recv(_FRAME_BYTES)
        if self._is_lost(side, frame) or len(self._queues[side]) >= _QUEUE:
            return
        loop, weather = asyncio.get_running_loop(), self._weather
        due = loop.time()
        if weather.bytes_s:
            due = max(due, self._free[side]) + len(frame) / weather.bytes_s
            self._free[side] = due
        self._queues[side].append(frame)
        # Each timer passes the oldest on, so that frames keep their order.
        loop.call_at(due + weather.delay_ms / 1000, self._pass, side)

    def _is_lost(self, side: str, frame: bytes) -> bool:
        weather = self._weather
        if self._is_down or side in weather.shut or self._dice.random() < weather.loss:
            return True
        return side in weather.mute and _opens(frame[_VNET_BYTES:])

    def _pass(self, side: str) -> None:
        frame = self._queues[side].popleft()
        (other,) = (each for each in self._sockets if each != side)
        try:
            self._sockets[other].send(frame)
        except BlockingIOError:
            return  # dropped, as a router would


def _opened(interface: str) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
    made.setsockopt(_SOL_PACKET, _VNET_HDR, 1)
    made.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
    made.bind((interface, 0))
    made.setblocking(False)
    return made


def _opens(frame: bytes) -> bool:
    """Tell whether a frame asks for a TCP connection over IPv4."""
    if frame[12:14] != b"\x08\x00" or frame[_ETHERNET_BYTES + 9] != _TCP:
        return False
    at = _ETHERNET_BYTES + 4 * (frame[_ETHERNET_BYTES] & 0x0F)
    return frame[at + 13] & _SYN_ACK == _SYN


async def _main(seed: int, interfaces: dict[str, str]) -> None:
    carrier = Carrier(seed, interfaces)
    carrier.start()
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    await told(carrier, seed)


if __name__ == "__main__":
    named = dict(each.split("=", 1) for each in sys.argv[2:])
    asyncio.run(_main(int(sys.argv[1]), named))
