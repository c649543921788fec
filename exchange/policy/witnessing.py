"""What becomes of a bulletin while no quorum of witnesses vouches for the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from exchange.model.header import Header
    from exchange.model.view import View


def is_marked(header: Header, view: View, seconds: int, *, is_abroad: bool = False) -> bool:
    """Tell whether a bulletin is to be marked, since no quorum of witnesses vouches.

    Args:
        header: verified.
        view: the trust documents in force.
        seconds: for how long none has, where that is past the limit; else 0.
        is_abroad: it came from the other nation's node. Whether to take it was for its home to
            say, and nobody posts it again: it is never declined.

    Raises:
        Refusal: ``unwitnessed``: the arrangement takes none of its precedence then. What
            cancels is taken always: it takes effect by its header, and must not wait.
    """
    agreed = view.agreed().witnesses
    if not seconds or agreed is None:
        return False
    rule = {
        "flash": agreed.past_limit.flash,
        "immediate": agreed.past_limit.immediate,
        "priority": agreed.past_limit.priority,
        "routine": agreed.past_limit.routine,
    }[header.precedence]
    if rule == "decline" and header.verb != "cancel" and not is_abroad:
        raise Refusal(Code.UNWITNESSED, "", found=seconds, limit=agreed.limit_s)
    return True
