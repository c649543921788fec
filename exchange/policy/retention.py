"""How long a bulletin is kept: as its header says, and no longer than the arrangement allows.

The arrangement in force when a node takes it in says so, for good: who sent it and who received
it can reckon the same from what they hold. Reviews go by the arrangement that is in force then.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from exchange.model.header import Header
    from exchange.model.trust import Arrangement, Retention


class Term(NamedTuple):
    """Until when a bulletin is kept (seconds UTC), and by which rule; empty: by its header."""

    until: int
    rule: str


def applies(rule: Retention, header: Header) -> bool:
    """Tell whether a rule is for this bulletin."""
    if rule.types and header.type not in rule.types:
        return False
    return not rule.declares or any(each in header.declares for each in rule.declares)


def longest(header: Header, arrangement: Arrangement) -> Retention | None:
    """Return the rule that keeps this bulletin for the shortest time; None where there is none.

    Of several that are for it all hold, so the strictest does.
    """
    fit = [rule for rule in arrangement.retention if applies(rule, header)]
    return min(fit, key=lambda rule: rule.keep_s, default=None)


def review(header: Header, arrangement: Arrangement) -> Retention | None:
    """Return the rule by which the originator is asked soonest; None where nobody is asked."""
    fit = [rule for rule in arrangement.retention if rule.review_s and applies(rule, header)]
    return min(fit, key=lambda rule: rule.review_s or 0, default=None)


def term(header: Header, arrangement: Arrangement, taken: int) -> Term:
    """Return until when a bulletin is kept.

    The rule is named where the author took all the time that it gives; else the header.

    Args:
        header: verified.
        arrangement: in force when it was taken in.
        taken: when that was, seconds UTC.
    """
    rule = longest(header, arrangement) if arrangement.retention else None
    if rule is None or header.retain_until < min(header.issued, taken) + rule.keep_s:
        return Term(header.retain_until, "")
    return Term(min(header.retain_until, taken + rule.keep_s), rule.name)


def admit(header: Header, arrangement: Arrangement, now: int) -> None:
    """Hold a header to the time for which it may be kept.

    Raises:
        Refusal: ``retention-too-long``, naming the rule.
    """
    rule = longest(header, arrangement) if arrangement.retention else None
    if rule is None:
        return
    # Its author knew when it was issued, and not when it would be taken in.
    limit = max(header.issued, now) + rule.keep_s
    if header.retain_until > limit:
        day = datetime.fromtimestamp(limit, UTC).date().isoformat()
        raise Refusal(Code.RETENTION_TOO_LONG, "/retain_until", name=rule.name, day=day)
