"""Sign, as the node, which trust documents belong together and that they are the newest.

After each change of them, and once a day when there is none: what was heard of a node is good
for a few days (``seal.trust_online``). A snapshot and its timestamp are a trust entry like any
other and come in by the same door. They call for no further ones.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from exchange.errors import Fault
from exchange.model import entry as entries
from exchange.seal import trust_online

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from exchange.broker.records import Record
    from exchange.node.served import Answer
    from exchange.node.settings import Settings
    from exchange.node.writer import Writer

# How often an idle node looks whether its timestamp is old.
_LOOK_S = 600

_log = structlog.get_logger("exchange.node")


class Stamper:
    """Makes a node's snapshots and timestamps when they are due."""

    def __init__(
        self,
        writer: Writer,
        settings: Settings,
        submit: Callable[[str, bytes, bytes], Awaitable[Answer]],
    ) -> None:
        """Begin; ``run`` does it by itself, ``stamp`` once."""
        self._writer = writer
        self._node = settings.node
        self._clock_ms = settings.clock_ms
        self._submit = submit
        self._changed = asyncio.Event()
        # Under which view it was refused, or could not be made: not tried again under it.
        self._failed_at = -2

    def follow(self, records: Sequence[Record]) -> None:
        """Look again, since these were recorded."""
        if any(isinstance(each.facts, entries.Trust) for each in records):
            self._changed.set()

    async def run(self) -> None:
        """Stamp whenever it is due, until cancelled."""
        while True:
            self._changed.clear()
            with suppress(Fault):  # of the writer, who tells of it
                await self.stamp()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _LOOK_S)

    async def stamp(self) -> bool:
        """Make a snapshot and a timestamp, if they are due; tell whether they were taken in."""
        view, now = self._writer.view, self._clock_ms() // 1000
        if view.index == self._failed_at or not trust_online.is_due(self._node, view, now):
            return False
        listed, signer = view.online.get(self._node), self._writer.rings.signer(view)
        if listed is None or listed.keys != list(signer.keys):
            # The root knows other keys of ours: nobody would believe what we sign.
            _log.error("not-listed", part="timestamp", node=self._node)
            self._failed_at = view.index
            return False
        raw = trust_online.make(self._node, view, signer, now)
        answer = await self._submit("", raw, b"")
        if answer.refusal is not None and self._writer.view.index == view.index:
            # Had something else come in meanwhile, that would be why; so it is not.
            _log.error("refused", part="timestamp", code=answer.refusal.code.value)
            self._failed_at = view.index
        return answer.refusal is None
