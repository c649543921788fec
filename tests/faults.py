"""Stores that fail on request: a real store inside, and one failure at a time around it."""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, TypeVar

from exchange.broker.due import FIRST
from exchange.errors import Code, Fault
from exchange.node import ports

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from exchange.broker.due import Due
    from exchange.broker.records import Found

T = TypeVar("T")


class Failure(Enum):
    """What is to happen to one append."""

    LOSE_WRITE = auto()  # nothing is stored, and nobody can tell
    LOSE_ANSWER = auto()  # all of it is stored, and nobody can tell
    FENCE = auto()  # nothing is stored: another writer has taken over
    MOVE = auto()  # nothing is stored: another writer has written
    REFUSE = auto()  # nothing is stored, and it says so: the disk is full


class FaultyStore:
    """Meets ``node.ports.Store``; appends fail in the order of ``fail``, then work again.

    While ``is_silent`` no read is answered, as when the disk does not.
    """

    def __init__(self, inner: ports.Store) -> None:
        self.inner = inner
        self.is_silent = False
        self.appended: list[ports.Outcome] = []
        self._failures: deque[Failure] = deque()

    def fail(self, *failures: Failure) -> None:
        """Let the next appends fail like this, one after another."""
        self._failures.extend(failures)

    async def append(self, batch: ports.Batch, expect: int) -> ports.Outcome:
        failure = self._failures.popleft() if self._failures else None
        outcome = await self._append(batch, expect, failure)
        self.appended.append(outcome)
        return outcome

    async def _append(
        self, batch: ports.Batch, expect: int, failure: Failure | None
    ) -> ports.Outcome:
        match failure:
            case None:
                return await self.inner.append(batch, expect)
            case Failure.LOSE_WRITE:
                return ports.Unknown("exercise: the write was lost")
            case Failure.LOSE_ANSWER:
                await self.inner.append(batch, expect)
                return ports.Unknown("exercise: the answer was lost")
            case Failure.FENCE:
                return ports.Fenced(99)
            case Failure.MOVE:
                return ports.HeadMoved(expect + 1)
            case Failure.REFUSE:
                return ports.Refused("exercise: the disk is full")

    async def _answer(self, reading: Awaitable[T]) -> T:
        answer = await reading
        if self.is_silent:
            raise Fault(Code.STORE_FAILED, reason="exercise: the disk does not answer")
        return answer

    async def head(self) -> ports.Head:
        return await self._answer(self.inner.head())

    async def read(self, first: int, limit: int) -> list[ports.Row]:
        return await self._answer(self.inner.read(first, limit))

    async def inbox(self, endpoint: str, after: int, limit: int) -> list[ports.InboxRow]:
        return await self._answer(self.inner.inbox(endpoint, after, limit))

    async def urgent(
        self, endpoint: str, after: Sequence[int], now: int, limit: int
    ) -> list[ports.UrgentRow]:
        return await self._answer(self.inner.urgent(endpoint, after, now, limit))

    async def waiting(self, now: int) -> list[tuple[int, int]]:
        return await self._answer(self.inner.waiting(now))

    async def chased(self, now: int) -> list[ports.ChasedRow]:
        return await self._answer(self.inner.chased(now))

    async def due(
        self, what: int, now: int, limit: int, after: tuple[int, int] = FIRST
    ) -> list[Due]:
        return await self._answer(self.inner.due(what, now, limit, after))

    async def is_due(self, row: Due) -> bool:
        return await self._answer(self.inner.is_due(row))

    async def all_due(self) -> list[Due]:
        return await self._answer(self.inner.all_due())

    async def still_named(self, digests: Sequence[str]) -> frozenset[str]:
        return await self._answer(self.inner.still_named(digests))

    async def scrub(self) -> bool:
        return await self._answer(self.inner.scrub())

    async def positions(self) -> dict[str, int]:
        return await self._answer(self.inner.positions())

    async def heads(self) -> bytes:
        return await self._answer(self.inner.heads())

    async def find(self, keys: Sequence[bytes]) -> dict[bytes, Found]:
        return await self._answer(self.inner.find(keys))

    async def newest(self, kind: str) -> ports.Row | None:
        return await self._answer(self.inner.newest(kind))

    async def group(self, index: int) -> ports.GroupRow | None:
        return await self._answer(self.inner.group(index))

    async def hashes(self, level: int, first: int, count: int) -> bytes:
        return await self._answer(self.inner.hashes(level, first, count))

    async def blobs(self, digests: Sequence[str]) -> dict[str, bytes]:
        return await self._answer(self.inner.blobs(digests))

    async def blob(self, digest: str) -> bytes | None:
        return await self._answer(self.inner.blob(digest))

    async def counts(self) -> ports.RowCounts:
        return await self._answer(self.inner.counts())

    async def pressing(self, now: int) -> list[ports.PressingRow]:
        return await self._answer(self.inner.pressing(now))

    async def agreeing(self, *, is_whole: bool) -> int:
        return await self._answer(self.inner.agreeing(is_whole=is_whole))

    async def kinds(self, first: int, limit: int) -> list[str]:
        return await self._answer(self.inner.kinds(first, limit))

    async def close(self) -> None:
        await self.inner.close()
