"""Run as a process: let the disk fail in the middle of a commit, then let it work again.

    python -m tests.store.starving FILE

No file may grow past a limit for a while: writing the log fails with an error, as a disk does.
Says the outcomes, one a line.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys

from exchange.store.sqlite import SqliteStore
from tests.store.samples import Scribe

# Bytes by which the log may still grow: more than a frame or two, less than the group.
ROOM = 20_000


async def main(path: str) -> None:
    store = SqliteStore.open(path)
    scribe = Scribe()
    said = [await store.append(scribe.bulletins(2, "pa.senan/desk"), 0)]
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    log = os.stat(f"{path}-wal").st_size  # noqa: PTH116 - nothing else runs here
    resource.setrlimit(resource.RLIMIT_FSIZE, (log + ROOM, unlimited[1]))
    batch = scribe.bulletins(20, "pa.senan/desk")
    said.append(await store.append(batch, 2))
    said.append(await store.append(batch, 2))
    size = (await store.head()).size
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    said.append(await store.append(batch, 2))
    said.append(await store.append(batch, 2))
    await store.close()
    for outcome in said:
        print(outcome)  # noqa: T201 - how it tells its parent
    print("size meanwhile", size)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
