"""Who may look at the desk now: nobody while it is locked, or closed for good.

What is in memory stays there, and what is new goes on coming in: the lock is of the pages. It
closes by itself when no person has asked for anything for a while, or at a press, and opens by
the passphrase of the keys that the desk works with.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import web

from exchange.desk import telling
from exchange.web import frame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from exchange.desk.station import Station
    from exchange.web.pages import Reader

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

IDLE_S: Final = 15 * 60
# Asked for by pages themselves, or needed to come in or go: no sign that somebody is here.
_OPEN: Final = frozenset({"/live", "/unlock", "/leave", "/settings"})
# What an open page asks for again and again.
_ASKED_BY_PAGES: Final = "/state.json"


class Lock:
    """Locks after a while; ``opens`` tells, taking its time, whether a passphrase is right."""

    def __init__(
        self,
        clock_ms: Callable[[], int],
        opens: Callable[[str], bool],
        idle_s: int = IDLE_S,
    ) -> None:
        """Begin open.

        Args:
            clock_ms: a clock that only goes on, in milliseconds, also while the machine sleeps.
            opens: called in a thread.
            idle_s: for how long nobody may ask for anything.
        """
        self._clock_ms = clock_ms
        self._opens = opens
        self._idle_ms = idle_s * 1000
        self._touched_ms = clock_ms()
        self._is_shut = False
        self._trying = asyncio.Lock()

    @property
    def is_locked(self) -> bool:
        """Whether the passphrase is asked for before anything is shown."""
        if not self._is_shut and self._clock_ms() - self._touched_ms >= self._idle_ms:
            self._is_shut = True
        return self._is_shut

    @property
    def left_s(self) -> float:
        """How long until it locks, if nobody asks for anything."""
        return max(0.0, (self._touched_ms + self._idle_ms - self._clock_ms()) / 1000)

    def touch(self) -> None:
        """Somebody is here; what is locked stays so."""
        if not self.is_locked:
            self._touched_ms = self._clock_ms()

    def shut(self) -> None:
        """Lock at once."""
        self._is_shut = True

    async def unlock(self, passphrase: str) -> bool:
        """Open, if that is the passphrase; one is tried at a time, at its full cost."""
        async with self._trying:
            is_right = await asyncio.to_thread(self._opens, passphrase)
        if is_right:
            self._is_shut = False
            self._touched_ms = self._clock_ms()
        return is_right


async def keep(lock: Lock, tell: Callable[[], None]) -> None:
    """Tell open pages when the desk has locked by itself, until cancelled.

    Sleeping does not go on while the machine is suspended, and the lock's clock does: so it is
    looked at now and again, and not only when the time should be over.
    """
    while True:
        if lock.is_locked:
            tell()
        await asyncio.sleep(min(_LOOK_S, lock.left_s + 0.01) if lock.left_s else _LOOK_S)


_LOOK_S: Final = 5.0


def guard(
    app: web.Application, station: Station, lock: Lock | None, tell: Callable[[], None]
) -> None:
    """Show nothing of an application while the desk is locked or closed.

    Comes last of what is between a request and its page: sessions are looked at before.
    """

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.rel_url.raw_path
        if path == "/enter" or path.startswith("/assets/"):
            return await handler(request)
        reader = frame.reader_of(request)
        below = reader.path.partition("?")[0]
        if below in _OPEN and (station.closed is None or below in ("/live", "/leave")):
            return await handler(request)
        if station.closed is not None:
            return _closed(request, reader, station)
        if lock is not None and lock.is_locked:
            back = reader.path if request.method == "GET" else "/"
            return _locked(request, reader, back, failed=False)
        if lock is not None and not below.endswith(_ASKED_BY_PAGES):
            lock.touch()
        return await handler(request)

    app.middlewares.append(guarded)
    if lock is None:
        return
    frame.act(app, "/lock", partial(_shut, lock, tell))
    frame.act(app, "/here", _here)
    frame.submit(app, "/unlock", partial(_unlock, lock, tell))


def _closed(request: web.Request, reader: Reader, station: Station) -> web.Response:
    why = telling.why(station.closed, reader.lang, station.codes)
    return frame.page(request, reader, "closed.html", status=403, why=why)


def _locked(request: web.Request, reader: Reader, back: str, *, failed: bool) -> web.Response:
    values = {"failed": failed, "back": back}
    return frame.page(request, reader, "locked.html", status=403, **values)


async def _shut(lock: Lock, tell: Callable[[], None], told: dict[str, str], _: Reader) -> str:
    lock.shut()
    tell()
    return frame.inside(told.get("back", "/"))


async def _here(_told: dict[str, str], _reader: Reader) -> str:
    """Hear that somebody is reading or writing: the guard has noted it."""
    return "/"


async def _unlock(
    lock: Lock,
    tell: Callable[[], None],
    request: web.Request,
    told: dict[str, str],
    reader: Reader,
) -> web.Response:
    back = frame.inside(told.get("back", "/"))
    if lock.is_locked and not await lock.unlock(told.get("passphrase", "")):
        return _locked(request, reader, back, failed=True)
    tell()
    return frame.see(reader, back)
