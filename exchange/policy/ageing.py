"""Bulletins age: by when somebody is to have seen to one, and whether that time is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from exchange.model.header import Header, Precedence
    from exchange.model.objects import Outcome
    from exchange.model.trust import Arrangement
    from exchange.model.view import View


def is_seen_to(outcome: Outcome) -> bool:
    """Tell whether an acknowledgement says more than that a machine has received something."""
    return outcome != "delivered"


def overdue_s(
    arrangement: Arrangement, precedence: Precedence, taken_ms: int, now: int
) -> int | None:
    """Return for how long a bulletin that nobody saw to is overdue; None while it is not.

    Args:
        arrangement: in force; its targets are by precedence.
        precedence: of the bulletin.
        taken_ms: when the node took it in: the clock that all share.
        now: seconds UTC.
    """
    late_s = now - taken_ms // 1000 - arrangement.target_s(precedence)
    return late_s if late_s >= 0 else None


def is_late(header: Header, view: View, now: int) -> bool:
    """Tell whether a bulletin took longer to arrive than the arrangement calls usual."""
    return now - header.issued > view.agreed().limits.late_s


def must_be_past(at: int, view: View, now: int) -> None:
    """Hold the time that an object says to the arrangement's skew.

    Raises:
        Refusal: ``not-yet-issued``.
    """
    skew_s = view.agreed().limits.skew_s
    if at > now + skew_s:
        raise Refusal(Code.NOT_YET_ISSUED, "/at", limit=skew_s)
