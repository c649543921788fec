"""The journal's hashes, read out of the store by code that is not asynchronous."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.journal.tiles import Hashes
    from exchange.node.ports import Store

T = TypeVar("T")


class _StoredHashes:
    """Meets ``journal.tiles.Hashes``; used in a worker thread, never in the loop's own."""

    def __init__(self, store: Store, loop: asyncio.AbstractEventLoop) -> None:
        self._store = store
        self._loop = loop

    def read(self, level: int, first: int, count: int) -> bytes:
        """Return neighbours of one row."""
        coroutine = self._store.hashes(level, first, count)
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


async def with_hashes(store: Store, work: Callable[[Hashes], T]) -> T:
    """Run pure work that reads the tree (a proof, say) in a worker thread."""
    hashes = _StoredHashes(store, asyncio.get_running_loop())
    return await asyncio.to_thread(work, hashes)
