"""Run as a process: append groups to a journal until killed, saying each size that is Done.

python -m tests.store.appending FILE
"""

from __future__ import annotations

import asyncio
import sys

from exchange.node import ports
from exchange.store.sqlite import SqliteStore
from tests.store.samples import Scribe


async def main(path: str) -> None:
    store = SqliteStore.open(path)
    size = (await store.head()).size
    scribe = Scribe()
    while scribe.size < size:
        scribe.bulletins(GROUP, *OWED)
    while True:
        batch = scribe.bulletins(GROUP, *OWED)
        outcome = await store.append(batch, size)
        if not isinstance(outcome, ports.Done):
            sys.exit(repr(outcome))
        size = outcome.size
        print(size, flush=True)  # noqa: T201 - how it tells its parent


GROUP = 5
OWED = ("pa.senan/desk", "us.uscg/miami")

if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
