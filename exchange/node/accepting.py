"""Accept callers on a listening socket, and keep those that nobody can take yet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

# Too many open files, say: those who wait stay in the kernel's queue for so long.
_PAUSE_S = 1.0
# Whoever takes callers is busy: asked again after this.
_AGAIN_S = 0.01

_log = structlog.get_logger("exchange.node")


class Acceptor:
    """Hands each caller to ``take``, which says whether it took it."""

    def __init__(self, take: Callable[[socket.socket], bool]) -> None:
        """Prepare; ``take`` is called in the event loop with a socket that does not block."""
        self._take = take
        self._listening: socket.socket | None = None
        self._is_on = False
        self._kept: socket.socket | None = None
        self._later: asyncio.TimerHandle | None = None

    def listen(self, listening: socket.socket) -> None:
        """Begin to accept on a bound socket; it stays its owner's."""
        listening.setblocking(False)
        self._listening = listening
        self._on()

    def close(self) -> None:
        """Accept nobody any more."""
        self._off()
        self._listening = None
        if self._later is not None:
            self._later.cancel()
        if self._kept is not None:
            self._kept.close()

    def _on(self) -> None:
        if self._listening is not None and not self._is_on:
            self._is_on = True
            asyncio.get_running_loop().add_reader(self._listening, self._accept)

    def _off(self) -> None:
        if self._listening is not None and self._is_on:
            self._is_on = False
            asyncio.get_running_loop().remove_reader(self._listening)

    def _accept(self) -> None:
        assert self._listening is not None  # noqa: S101  (it has just been heard)
        try:
            caller, _ = self._listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            _log.error("accept", error=type(error).__name__)
            self._off()
            self._later = asyncio.get_running_loop().call_later(_PAUSE_S, self._on)
            return
        caller.setblocking(False)
        self._kept = caller
        self._hand_over()

    def _hand_over(self) -> None:
        """Hand over the caller that is kept; while nobody takes it, no other is accepted."""
        if self._kept is not None and self._take(self._kept):
            self._kept = None
            self._on()
        else:
            self._off()
            self._later = asyncio.get_running_loop().call_later(_AGAIN_S, self._hand_over)
