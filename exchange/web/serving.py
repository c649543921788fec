"""Serve a local application: on this machine's loopback addresses, and on nothing else."""

from __future__ import annotations

import errno
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiohttp import web

from exchange.errors import Code, Fault
from exchange.web.frame import FRAME, HOSTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_TRIES: Final = 16
_BACKLOG: Final = 32
_ABSENT: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def listening(port: int = 0) -> list[socket.socket]:
    """Return sockets on one port of 127.0.0.1 and, where there is one, of ::1.

    On both: a browser asks either, and whoever had the other one would be handed the link.

    Args:
        port: which; 0 for any that is free on both.

    Raises:
        Fault: ``unavailable``: somebody has it.
    """
    for _ in range(1 if port else _TRIES):
        made: list[socket.socket] = []
        try:
            made.append(_bound(socket.AF_INET, "127.0.0.1", port))
            found = made[0].getsockname()[1]
            try:
                made.append(_bound(socket.AF_INET6, "::1", found))
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
        except OSError:
            for each in made:
                each.close()
            continue
        return made
    raise Fault(Code.UNAVAILABLE, name=f"127.0.0.1:{port}")


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((host, port))
        made.listen(_BACKLOG)
    except OSError:
        made.close()
        raise
    return made


@asynccontextmanager
async def served(app: web.Application, port: int = 0) -> AsyncIterator[Callable[[], str]]:
    """Serve an application; give what returns a new link into it.

    Raises:
        Fault: ``unavailable``: the port is not free.
    """
    sockets = listening(port)
    door, found = app[FRAME].door, sockets[0].getsockname()[1]
    app[HOSTS].add(f"{door.host}:{found}")
    # Whoever goes away while a stream is open gives back its place at once.
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=1.0, handler_cancellation=True
    )
    await runner.setup()
    try:
        for each in sockets:
            await web.SockSite(runner, each).start()
        yield lambda: f"http://{door.host}:{found}/enter?link={door.link()}"
    finally:
        await runner.cleanup()
