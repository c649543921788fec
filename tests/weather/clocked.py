"""A node as its operator starts it, whose clock its test sets while it runs.

    python -m tests.weather.clocked FILE up --state ...

FILE holds by how many milliseconds both its clocks are off. It keeps to one core, so that all
of it is one process and has this clock.
"""

from __future__ import annotations

import mmap
import os
import runpy
import struct
import sys
from pathlib import Path

from exchange.cli import world

_OFFSET = struct.Struct("<q")


class Offset:
    """By how much a clock is off; whoever has the file open sees at once what it is set to."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(_OFFSET.pack(0))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _OFFSET.size)

    def __call__(self) -> int:
        found: int = _OFFSET.unpack(self._shared[:])[0]
        return found

    def set(self, ms: int) -> None:
        self._shared[:] = _OFFSET.pack(ms)


def _main() -> None:
    offset = Offset(Path(sys.argv.pop(1)))
    wall_ms, monotonic_ms = world.clock_ms, world.monotonic_ms
    world.clock_ms = lambda: wall_ms() + offset()
    # Both: a clock that jumps stops a node, and one that was wrong from the start does not.
    world.monotonic_ms = lambda: monotonic_ms() + offset()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    runpy.run_module("exchange", run_name="__main__")


if __name__ == "__main__":
    _main()
