"""Run as a process: a node on a folder that purges what is due, and is killed at a point.

python -m tests.crash.dying_purge FOLDER POINT SECONDS ANCHOR
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from exchange.node.writer import Writer
from exchange.store.blob_files import BlobFiles
from exchange.store.shipped import ShippedFiles
from exchange.store.sqlite import SqliteStore
from tests.node.running import Clock, running

# Before or after which step it dies.
POINTS: dict[str, tuple[type, str, bool, int]] = {
    "before-the-order": (SqliteStore, "_append", False, 2),
    "after-the-order": (SqliteStore, "_append", True, 2),
    "before-the-attachment": (BlobFiles, "_purge", False, 1),
    "after-the-attachment": (BlobFiles, "_purge", True, 1),
    "before-the-scrub": (SqliteStore, "_scrub", False, 1),
    "after-the-scrub": (SqliteStore, "_scrub", True, 1),
    "before-the-second-place": (ShippedFiles, "purge", False, 1),
    "within-the-second-place": (Path, "replace", False, 1),
    "after-the-second-place": (ShippedFiles, "purge", True, 1),
    "before-the-attestation": (SqliteStore, "_append", False, 3),
    "after-the-attestation": (SqliteStore, "_append", True, 3),
}


def plant(point: str) -> None:
    of, name, is_after, times = POINTS[point]
    honest: Callable[..., Any] = getattr(of, name)
    left = times

    def dying(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        if not left and not is_after:
            os.kill(os.getpid(), signal.SIGKILL)
        made = honest(*args, **kwargs)
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return made

    setattr(of, name, dying)


async def main(folder: Path, point: str, seconds: int, anchor: str) -> None:
    clock = Clock(seconds * 1000)
    second = folder / "second"
    store = SqliteStore.open(folder / "journal.db", has_threads=False)
    blobs = BlobFiles(folder / "blobs", clock, second=second)
    async with running(
        store,
        clock,
        documents=[],
        blobs=blobs,
        second=ShippedFiles(second),
        anchor=anchor,
        # A day went by since it was written: nobody else bears that out here.
        clock_is_right=True,
    ) as node:
        assert isinstance(node.writer, Writer)
        await node.shipper._ship()  # type: ignore[union-attr]
        # From here on: what opened the epoch was the first append.
        if point != "nowhere":
            plant(point)
        await node.retainer.step()
        await node.checkpoints.checkpoint()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]))
