"""The door to a node's link: so many callers at once, and none who stands there for nothing.

The link is served by the process that writes the journal. So its callers are bounded, in all,
of each address and by how many shake hands in a second; whoever does not say within a time who
it is (a token that holds, a checkpoint that is cosigned) is hung up on. Where there is no room,
the one goes that has stood there longest without saying so: a crowd that says nothing does not
keep the other node out, and nobody who is known is ever hung up on for others.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import msgspec
import structlog

from exchange.node.accepting import Acceptor

if TYPE_CHECKING:
    import ssl

    from aiohttp import web

_BACKLOG = 128

_log = structlog.get_logger("exchange.link")


class Room(msgspec.Struct, frozen=True):
    """How many there is room for.

    Attributes:
        callers: at once: protects the files that the store needs.
        of_address: of them, from one address.
        a_second: so many may begin to shake hands: protects the processor, which each costs
            0.2 ms for TLS alone (measured on one slow core), and as much for what is around it.
        handshake_s: for shaking hands, over a link of 600 ms for each way.
        unknown_s: until one has to be known.
        requests: of one that is not known; a session takes two.
        bringers: so many are known by what they brought for a log, without a token: whoever
            sees a checkpoint may bring it first, and is not to stay for ever.
    """

    callers: int = 256
    of_address: int = 16
    a_second: float = 50
    handshake_s: float = 10.0
    unknown_s: float = 30.0
    requests: int = 8
    bringers: int = 4


class _Caller:
    """One connection, from before its handshake on."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.is_known = False
        self.asked = 0
        self.greeting: asyncio.Task[None] | None = None
        self.transport: asyncio.BaseTransport | None = None

    @property
    def is_gone(self) -> bool:
        if self.transport is not None:
            return self.transport.is_closing()
        return self.greeting is not None and self.greeting.done()

    def hang_up(self) -> None:
        if self.greeting is not None:
            self.greeting.cancel()
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()


class Door:
    """Lets callers in to what a runner serves; ``open`` it once that is set up."""

    def __init__(self, room: Room | None = None) -> None:
        """Prepare; nobody is let in yet."""
        self._room = room or Room()
        # By address and port, oldest first.
        self._callers: dict[tuple[str, int], _Caller] = {}
        self._acceptor = Acceptor(self._take)
        self._server: web.Server | None = None
        self._tls: ssl.SSLContext | None = None
        self._allowed = max(self._room.a_second, 1.0)
        self._counted_at = 0.0
        # Who is known by a checkpoint, the newest last.
        self._bringers: list[_Caller] = []
        # How many were hung up on for want of room, or since they did not say who they are.
        self.turned_away = 0

    @property
    def callers(self) -> int:
        """How many there are."""
        self._forget()
        return len(self._callers)

    def open(
        self, listening: socket.socket, server: web.Server | None, tls: ssl.SSLContext
    ) -> None:
        """Let in who calls at a bound socket, which stays its owner's.

        ``server`` is that of a runner, once it is set up.
        """
        assert server is not None  # noqa: S101  (as said)
        self._server, self._tls = server, tls
        listening.listen(_BACKLOG)
        self._acceptor.listen(listening)

    def close(self) -> None:
        """Let nobody in any more; who is talked to is left to the runner."""
        self._acceptor.close()
        for each in self._callers.values():
            if each.greeting is not None:
                each.greeting.cancel()

    def hear(self, transport: asyncio.BaseTransport | None) -> None:
        """Count a request; hang up on who asks on and on without saying who it is."""
        caller = self._caller(transport)
        if caller is not None and not caller.is_known:
            caller.asked += 1
            if caller.asked > self._room.requests:
                self._hang_up(caller)

    def know(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that who calls on a connection said who it is."""
        if (caller := self._caller(transport)) is not None:
            caller.is_known = True
            self._bringers = [each for each in self._bringers if each is not caller]

    def bring(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that who calls on a connection brought a checkpoint that was new here.

        Only so many are known by that, those who did so last: one before them has to say who it
        is, as whoever comes.
        """
        caller = self._caller(transport)
        if caller is None or (caller.is_known and caller not in self._bringers):
            return
        caller.is_known = True
        bringers = [each for each in self._bringers if each is not caller and not each.is_gone]
        self._bringers = [*bringers, caller]
        while len(self._bringers) > self._room.bringers:
            last = self._bringers.pop(0)
            last.is_known, last.asked = False, 0
            asyncio.get_running_loop().call_later(
                self._room.unknown_s, self._must_be_known, last
            )

    def _caller(self, transport: asyncio.BaseTransport | None) -> _Caller | None:
        name = None if transport is None else transport.get_extra_info("peername")
        return None if name is None else self._callers.get(name[:2])

    def _take(self, connection: socket.socket) -> bool:
        """Begin to serve a caller; or hang up on it, or have it wait for its turn."""
        if not self._is_allowed():
            return False
        self._forget()
        try:
            name = connection.getpeername()[:2]
        except OSError:
            connection.close()
            return True
        if not self._make_room(name[0]):
            self._turn_away()
            connection.close()
            return True
        self._allowed -= 1
        caller = self._callers[name] = _Caller(name[0])
        loop = asyncio.get_running_loop()
        caller.greeting = loop.create_task(self._greet(caller, connection))
        loop.call_later(self._room.unknown_s, self._must_be_known, caller)
        return True

    def _is_allowed(self) -> bool:
        now, rate = asyncio.get_running_loop().time(), self._room.a_second
        self._allowed = min(self._allowed + (now - self._counted_at) * rate, max(rate, 1.0))
        self._counted_at = now
        return self._allowed >= 1

    def _make_room(self, address: str) -> bool:
        """Hang up on the oldest that is not known, where one more is too many."""
        crowd = [each for each in self._callers.values() if each.address == address]
        if len(crowd) < self._room.of_address:
            crowd = list(self._callers.values())
            if len(crowd) < self._room.callers:
                return True
        first = next((each for each in crowd if not each.is_known), None)
        if first is None:
            return False
        self._hang_up(first)
        return True

    def _must_be_known(self, caller: _Caller) -> None:
        if not caller.is_known and not caller.is_gone:
            self._hang_up(caller)

    def _hang_up(self, caller: _Caller) -> None:
        self._turn_away()
        caller.hang_up()
        self._callers = {k: each for k, each in self._callers.items() if each is not caller}

    def _turn_away(self) -> None:
        self.turned_away += 1
        # The first, and then rarely: a crowd is not to fill the diary either.
        if self.turned_away % 1000 == 1:
            _log.warning("crowded", count=self.turned_away)

    def _forget(self) -> None:
        """Forget who is gone."""
        self._callers = {k: each for k, each in self._callers.items() if not each.is_gone}

    async def _greet(self, caller: _Caller, connection: socket.socket) -> None:
        assert self._server is not None  # noqa: S101  (nobody is taken before it is open)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            caller.transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                self._server,
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=self._room.handshake_s,
            )
        except (OSError, TimeoutError):
            # Whoever cannot shake hands is nobody to answer. (An error of TLS is an OSError.)
            connection.close()
