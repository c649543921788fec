"""What cancels or corrects is chased: of each holder, until it acknowledges or a rule ends it.

Nothing of this is kept. What the journal holds, the view and the time say all of it: to the
node that counts, to the originator who waits, and to the holder who is reminded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from exchange.policy.ageing import overdue_s

if TYPE_CHECKING:
    from exchange.model.header import Precedence, Verb
    from exchange.model.trust import Arrangement
    from exchange.model.view import View

# An update is not: who holds the old bulletin holds nothing that was said to be wrong.
CHASED: Final[tuple[Verb, ...]] = ("cancel", "correct")

# How a chase ends, as ``schemas/v1/codes/chase-ends.json`` tells it in words. All but the first
# are rules by which it is given up.
Ending = Literal[
    "acknowledged", "withdrawn", "target-cancelled", "retention-over", "holder-revoked"
]

# Until when whoever holds what is to be destroyed is chased: until it says so, however late.
FOREVER: Final = 2**53 - 1

# Alarms come at least so far apart (seconds), whatever the arrangement's target.
LEAST_S: Final = 60


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one chase.

    Attributes:
        holder: who is to acknowledge.
        precedence: of what cancels or corrects.
        taken_ms: when the entry was taken in by which the holder is told.
        until: end of the retention of what it is about, seconds UTC: then nobody holds that.
        is_acknowledged: the holder has said more than that a machine received it.
        is_withdrawn: the cancellation or correction was itself cancelled: that one is chased.
        is_moot: what it corrects was cancelled: that cancellation is chased.
    """

    holder: str
    precedence: Precedence
    taken_ms: int
    until: int
    is_acknowledged: bool = False
    is_withdrawn: bool = False
    is_moot: bool = False


class Chase(msgspec.Struct, frozen=True):
    """How a chase stands.

    Attributes:
        since_ms: since when.
        ended: by what it ended; None while it goes on.
        overdue_s: for how long it is past the target of its precedence; None before that.
        alarms: how often it was alarmed: at the target, and each time it passes by once more.
        next_alarm: when it will be next, seconds UTC; None where it has ended.
    """

    since_ms: int
    ended: Ending | None = None
    overdue_s: int | None = None
    alarms: int = 0
    next_alarm: int | None = None


def ending(known: Known, view: View, now: int) -> Ending | None:
    """Return by what a chase ended; None while it goes on. Of several, the first that holds."""
    if known.is_acknowledged:
        return "acknowledged"
    if known.is_withdrawn:
        return "withdrawn"
    if known.is_moot:
        return "target-cancelled"
    if now >= known.until:
        return "retention-over"
    # Back in the directory, it is chased again.
    return None if is_active(view, known.holder) else "holder-revoked"


def is_active(view: View, holder: str) -> bool:
    """Tell whether a holder is in the directory and not suspended: only then it can answer."""
    standing = view.endpoints.get(holder)
    return standing is not None and standing.is_active


def chase(known: Known, view: View, now: int) -> Chase:
    """Return how a chase stands at this second, under the view in force."""
    if (ended := ending(known, view, now)) is not None:
        return Chase(known.taken_ms, ended)
    arrangement: Arrangement = view.agreed()
    late_s = overdue_s(arrangement, known.precedence, known.taken_ms, now)
    target_s = arrangement.target_s(known.precedence)
    first = known.taken_ms // 1000 + target_s
    if late_s is None:
        return Chase(known.taken_ms, next_alarm=first)
    apart_s = max(target_s, LEAST_S)
    alarms = late_s // apart_s + 1
    return Chase(known.taken_ms, None, late_s, alarms, first + alarms * apart_s)
