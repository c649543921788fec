"""For how long the node gives no heads, or nothing at all: counted on where a desk left off.

Else whoever withholds would only have to wait for a restart. It is kept sealed beside the mail,
times alone. A clock that was ahead for a moment puts nothing off: what lasts since later than
now lasts since now.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from exchange.errors import Fault

if TYPE_CHECKING:
    from exchange.client.cabinet import Cabinet

_DRAWER: Final = "desk-unproven"
# A time in which no desk looked counts for no more than the pause between two looks.
_PAUSE_S: Final = 60


class Since(msgspec.Struct, frozen=True):
    """Since when something lasts, in seconds UTC; None of what does not.

    Attributes:
        unproven: the node gives no heads.
        away: it gives nothing at all.
        looked: when it was looked last.
    """

    unproven: int | None = None
    away: int | None = None
    looked: int = 0

    def later(self, seconds: int) -> Since:
        """Return it so much later: that time does not count."""
        return Since(
            None if self.unproven is None else self.unproven + seconds,
            None if self.away is None else self.away + seconds,
            self.looked + seconds,
        )

    def by(self, now: int) -> Since:
        """Return it with nothing later than ``now``."""
        return Since(
            None if self.unproven is None else min(self.unproven, now),
            None if self.away is None else min(self.away, now),
            min(self.looked, now),
        )


class Lasting:
    """What one endpoint's desk counts."""

    def __init__(self, cabinet: Cabinet) -> None:
        """Begin with nothing; ``take_up`` what was counted before."""
        self._cabinet = cabinet
        self._kept: Since | None = None
        self.since = Since()

    def take_up(self, now: int) -> None:
        """Go on from where a desk left off, ``now`` in seconds UTC.

        Raises:
            Fault: ``mail-failed``.
        """
        raw = self._cabinet.get_sound(_DRAWER, "")
        if raw is not None:
            self._kept = msgspec.json.decode(raw, type=Since)
            shut_s = max(0, now - self._kept.looked - _PAUSE_S)
            self.since = self._kept.later(shut_s).by(now)

    def note(self, unproven: int | None, away: int | None, now: int) -> None:
        """Keep since when; what cannot be written goes on being counted in memory."""
        self.since = Since(unproven, away, now).by(now)
        if unproven is None and away is None:
            self.end()
        elif self._kept != self.since:
            with suppress(Fault):
                self._cabinet.put(_DRAWER, "", msgspec.json.encode(self.since))
                self._kept = self.since

    def is_heard(self) -> None:
        """End the count of its being away: something came."""
        self.since = msgspec.structs.replace(self.since, away=None)

    def end(self) -> None:
        """End all counts: it was proved that nothing is missing."""
        self.since = Since()
        if self._kept is not None:
            with suppress(Fault):
                self._cabinet.drop(_DRAWER, "")
                self._kept = None
