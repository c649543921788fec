"""A witness: cosigns what only grew, remembers it first, and keeps what convicts a log.

One request at a time is judged, remembered and signed: between what was compared and what is
remembered nothing else comes. A cosignature leaves only of what is durable, so a process that
is killed anywhere has signed nothing that it does not remember.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import structlog

from exchange.errors import Refusal
from exchange.journal import checkpoint, witness
from exchange.journal.witness import Cosign, Request, Turned

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exchange.journal.checkpoint import Signer
    from exchange.journal.witness import Remembered, Rings
    from exchange.node.ports import Recall

_TEXT = "text/plain; charset=utf-8"

_log = structlog.get_logger("exchange.witness")


class Answer(NamedTuple):
    """What is answered over HTTP."""

    status: int
    body: bytes = b""
    media: str = _TEXT


class Health(NamedTuple):
    """How a witness is: what it answered, how far its logs are, how much evidence it has."""

    answered: Mapping[int, int]
    sizes: Mapping[str, int]
    evidence: int


class Witness:
    """See the module. Closed by whoever opened it."""

    def __init__(
        self,
        logs: Mapping[str, Rings],
        signer: Signer,
        recall: Recall,
        clock_ms: Callable[[], int],
    ) -> None:
        """Witness these logs.

        Args:
            logs: by origin, the rings of keys, of one of which all must have signed.
            signer: cosigns; ML-DSA-44.
            recall: what was cosigned before.
            clock_ms: the time.
        """
        self.key = signer.key
        self._logs = logs
        self._signer = signer
        self._recall = recall
        self._clock_ms = clock_ms
        self._answered: dict[int, int] = {}
        self._one_at_a_time = asyncio.Lock()

    async def add(self, raw: bytes) -> Answer:
        """Answer ``add-checkpoint``.

        Raises:
            Fault: nothing was signed: what would have been cannot be remembered.
        """
        asked = await asyncio.to_thread(witness.read, raw, self._logs)
        if isinstance(asked, Request):
            # Shielded: who hangs up must not let the next one in between two steps.
            answer = await asyncio.shield(self._alone(asked))
        else:
            answer = await self._turn(asked, "")
        self._answered[answer.status] = self._answered.get(answer.status, 0) + 1
        return answer

    async def _alone(self, asked: Request) -> Answer:
        async with self._one_at_a_time:
            return await self._add(asked)

    async def _add(self, asked: Request) -> Answer:
        origin = asked.checkpoint.origin
        rings = self._logs[origin]
        before = await self._reminded(asked, rings)
        now = self._clock_ms() // 1000
        found = await asyncio.to_thread(witness.judge, asked, before, rings, now)
        if isinstance(found, Turned):
            return await self._turn(found, origin)
        await self._recall.advance(origin, before, found.remembered)
        return await self._cosigned(found)

    async def _cosigned(self, found: Cosign) -> Answer:
        line = await asyncio.to_thread(witness.cosign, found, self._signer)
        return Answer(witness.OK, line.encode())

    async def _reminded(self, asked: Request, rings: Rings) -> Remembered | None:
        """Return what was cosigned last, as remembered here or as our own signature shows."""
        origin = asked.checkpoint.origin
        before = await self._recall.newest(origin)
        learned = await asyncio.to_thread(witness.adopt, asked.note, before, rings, self.key)
        if learned is None:
            return before
        found = before.size if before else 0
        _log.critical("witness-behind", log=origin, size=learned.size, remembered=found)
        await self._recall.advance(origin, before, learned)
        return learned

    async def _turn(self, found: Turned, origin: str) -> Answer:
        if found.evidence is not None:
            name = await self._recall.keep(found.evidence, convicts=found.kind is not None)
            tell = _log.critical if found.kind else _log.warning
            tell(found.kind or "unproved", log=origin, size=found.size, evidence=name)
        if found.status == witness.CONFLICT:
            return Answer(found.status, f"{found.size}\n".encode(), witness.SIZE_TYPE)
        return Answer(found.status)

    async def remembered(self, raw: bytes) -> Answer:
        """Return the newest checkpoint that was cosigned, to who has one that its log signed.

        How much a journal holds is not for strangers. A log that was set back, or another's
        that has its keys, learns here what it has signed.
        """
        try:
            origin = checkpoint.parse(raw).origin
        except Refusal:
            return Answer(witness.FORBIDDEN)
        rings = self._logs.get(origin)
        if not rings:
            return Answer(witness.UNKNOWN)
        # By any of them: a log set back to before its hand-over has its old keys only.
        if await asyncio.to_thread(witness.ring_of, raw, rings) is None:
            return Answer(witness.FORBIDDEN)
        kept = await self._recall.newest(origin)
        return Answer(witness.OK, kept.note) if kept else Answer(witness.UNKNOWN)

    async def health(self) -> Health:
        """Return how the witness is."""
        sizes, evidence = await self._recall.sizes(), await self._recall.convicted()
        return Health(dict(self._answered), sizes, evidence)
