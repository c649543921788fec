"""The time that goes into the journal: it never decreases, and stops when the clock jumps.

A clock that is wrong as a node starts is no jump. It is held to the newest time that is known
(``node.known_time``); how far it is believed beyond that, and for what, stands here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exchange.errors import Code, Fault
from exchange.render.times import zulu

if TYPE_CHECKING:
    from collections.abc import Callable

# Between two readings the wall clock may part from the monotonic one by so much.
MAX_JUMP_MS: Final = 5_000
_DAY_MS = 86_400_000
# A node that was off for longer starts on the word of its operator or of a witness: a weekend
# needs none, and a clock that lost its battery is off by years.
MAX_AWAY_MS: Final = 3 * _DAY_MS
# A clock that nobody touched for so long while the node ran is believed: clocks are set in the
# minutes after a start, and a node is looked at daily.
UNDISTURBED_MS: Final = _DAY_MS


class Clock:
    """Reads two clocks: one that tells the time, and one that nobody sets."""

    def __init__(
        self, wall_ms: Callable[[], int], monotonic_ms: Callable[[], int], least_ms: int = 0
    ) -> None:
        """Begin with a first reading; no stamp will be before ``least_ms``."""
        self._wall_ms = wall_ms
        self._monotonic_ms = monotonic_ms
        self._stamp_ms, self._known_ms = least_ms, 0
        self._first = self._before = wall_ms(), monotonic_ms()
        self._is_borne_out = False
        self._jump_ms = 0

    def stamp(self) -> int:
        """Return the time, in milliseconds UTC; never less than the last time.

        Raises:
            Fault: ``clock``: the wall clock has jumped since it began. A time that is wrong
                once would stand in the journal for ever, and all after it be judged by it.
        """
        self._read()
        if self._jump_ms:
            # For good: two readings after it agree with each other, and are as wrong.
            raise Fault(Code.CLOCK, found=self._jump_ms)
        self._stamp_ms = max(self._stamp_ms, self._before[0])
        return self._stamp_ms

    def _read(self) -> None:
        """Read both clocks, and note whether one left the other."""
        now = self._wall_ms(), self._monotonic_ms()
        before, self._before = self._before, now
        jump_ms = (now[0] - before[0]) - (now[1] - before[1])
        if abs(jump_ms) > MAX_JUMP_MS:
            self._jump_ms = jump_ms

    def know(self, known_ms: int) -> None:
        """Take up that it was so late for certain before this start."""
        self._known_ms = max(self._known_ms, known_ms)

    def bear_out(self) -> None:
        """Believe it from now on: the operator said so, or another's clock says the same.

        They speak of what it shows now, and not of what it showed before a jump.
        """
        self._read()
        self._is_borne_out = True

    @property
    def is_far(self) -> bool:
        """Whether it began so far ahead of what was known that somebody must bear it out."""
        ahead_ms = self._first[0] - self._known_ms
        return not self._is_borne_out and ahead_ms > MAX_AWAY_MS

    def must_be_near(self) -> None:
        """Write nothing at a time that only a wrong clock may have told.

        Raises:
            Fault: ``clock-ahead``.
        """
        if self.is_far:
            found, known = (zulu(each // 1000) for each in (self._first[0], self._known_ms))
            raise Fault(Code.CLOCK_AHEAD, found=found, known=known)

    def sure_ms(self) -> int:
        """Return a time that has come for certain, by which something may be destroyed.

        It is that of the last stamp. Until the clock was borne out, or ran undisturbed, and
        once it jumped, it is no later than the newest time known at this start and what went
        by since then on the clock that nobody sets: a jump may have set a wrong clock right,
        and then the last stamp is the wrong one.
        """
        passed_ms = self._before[1] - self._first[1]
        is_believed = self._is_borne_out or passed_ms >= UNDISTURBED_MS
        if is_believed and not self._jump_ms:
            return self._stamp_ms
        return min(self._stamp_ms, self._known_ms + passed_ms)
