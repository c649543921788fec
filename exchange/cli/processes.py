"""What each of a node's processes runs in: its diary, its loop, and what makes it quick.

A front has this and little else of the command line: what it does not load, it cannot run, and
needs no memory for.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Coroutine

_SWITCH_S = 0.0005
# Objects made and not yet freed between two searches for cycles. Python's own 700 is less than
# the bulletins under way hold: 15 us a bulletin went into finding nothing.
_GARBAGE = 50_000


def diagnostics() -> None:
    """Send the diary to stderr, one JSON object a line."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def run_fast(work: Coroutine[None, None, None]) -> None:
    """Run one of the node's processes: its diary, its loop, and what makes it quick."""
    import uvloop  # noqa: PLC0415  (only a node needs it)

    diagnostics()
    # No core file: it would hold every key of the process in the clear.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Threads that come back from their work wait for the interpreter no longer than this.
    sys.setswitchinterval(_SWITCH_S)
    # What is loaded by now stays: it is not looked through for garbage again.
    gc.freeze()
    gc.set_threshold(_GARBAGE, 10, 10)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)
