"""Where arrivals are considered that no front process considered already: in threads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from exchange.broker.intake import consider
from exchange.errors import Code, Fault

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from exchange.broker.intake import Arrival, Considered
    from exchange.model.view import View

_log = structlog.get_logger("exchange.node")


class Threads:
    """Considers in threads: the node's own documents; on one core, everything."""

    def __init__(self, executor: Executor | None, ways: int = 2) -> None:
        """Use an executor that lives longer than this; None is the event loop's own."""
        self.ways = ways
        self._executor = executor

    def consider(
        self, arrivals: Sequence[Arrival], view: View
    ) -> asyncio.Future[list[Considered | None]]:
        """Return what is concluded of each, in order; None of one that broke our program.

        Called in the event loop, with a list that may be empty.
        """
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._executor, _all, arrivals, view)


def _all(arrivals: Sequence[Arrival], view: View) -> list[Considered | None]:
    return [_one(each, view) for each in arrivals]


def _one(arrival: Arrival, view: View) -> Considered | None:
    try:
        return consider(arrival, view)
    except Exception as error:  # noqa: BLE001  (one arrival must not take others with it)
        broken("consider", error)
        return None


def broken(where: str, error: Exception) -> Fault:
    """Tell the diary of a defect of ours, and return what its victim is told."""
    # The type and the place, never the message: it may quote what was posted.
    _log.error("broken", where=where, error=type(error).__name__)
    return Fault(Code.INTERNAL)
