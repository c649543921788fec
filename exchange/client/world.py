"""What an agency brings with it: its keys, and the world that it is told of."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from exchange.client.kept import KeptKeys
from exchange.client.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from exchange.client.cabinet import Cabinet
    from exchange.client.memory import Memory
    from exchange.client.seen import SeenHead
    from exchange.model.codes import Codes
    from exchange.seal import jws
    from exchange.seal.open import Opener, Unwrapper


class Keys(msgspec.Struct, frozen=True):
    """What the endpoint signs with, and what it opens with (present and past keys).

    ``destroyed`` open nothing any more, and say so of what was sealed to them.
    """

    signer: jws.Signer
    openers: Sequence[Opener]
    destroyed: Sequence[Unwrapper] = ()


class World(msgspec.Struct, frozen=True):
    """Time in ms, randomness, code lists, and where mail is kept: passed in, never found.

    ``memory`` is how far the trust log was seen; without it a rollback goes unnoticed.
    """

    clock_ms: Callable[[], int]
    randomness: Callable[[int], bytes]
    codes: Codes
    cabinet: Cabinet
    memory: Memory | None = None
    # The newest checkpoint that was seen; without it a node may go back unnoticed.
    seen: SeenHead | None = None
    # Waits for so many seconds, between two attempts over a link that breaks.
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    @property
    def outbox(self) -> Outbox:
        """What was posted, and what waits to be."""
        return Outbox(self.cabinet)

    @property
    def held(self) -> Outbox:
        """What is sealed and waits for its release; nothing of it is sent."""
        return self.outbox.held

    @property
    def kept(self) -> KeptKeys:
        """The content keys of what was posted."""
        return KeptKeys(self.cabinet)

    def now(self) -> int:
        """Return the time in seconds UTC."""
        return self.clock_ms() // 1000
