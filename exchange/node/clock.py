"""The time that goes into the journal: it never decreases, and stops when the clock jumps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

# Between two readings the wall clock may part from the monotonic one by so much.
MAX_JUMP_MS = 5_000


class Clock:
    """Reads two clocks: one that tells the time, and one that nobody sets."""

    def __init__(
        self, wall_ms: Callable[[], int], monotonic_ms: Callable[[], int], least_ms: int = 0
    ) -> None:
        """Begin; no stamp will be before ``least_ms``."""
        self._wall_ms = wall_ms
        self._monotonic_ms = monotonic_ms
        self._stamp_ms = least_ms
        self._before: tuple[int, int] | None = None

    def stamp(self) -> int:
        """Return the time, in milliseconds UTC; never less than the last time.

        Raises:
            Fault: ``clock``: the wall clock jumped since the last reading. A time that is wrong
                once would stand in the journal for ever, and all after it be judged by it.
        """
        now = self._wall_ms(), self._monotonic_ms()
        before, self._before = self._before, now
        if before is not None:
            jump_ms = (now[0] - before[0]) - (now[1] - before[1])
            if abs(jump_ms) > MAX_JUMP_MS:
                raise Fault(Code.CLOCK, found=jump_ms)
        self._stamp_ms = max(self._stamp_ms, now[0])
        return self._stamp_ms
