"""What is noted of who reads a journal as its auditor, and the form that such an entry has.

It never feeds itself: who is shown nothing but bookkeeping, to which these entries belong, is
not noted. So an auditor who follows an idle journal leaves it as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal
from exchange.model import entry as entries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exchange.broker.settle import Ledger
    from exchange.model.shown import Shown

_BEGINS = tuple(
    f'{{"kind":"{kind.__struct_config__.tag}"'.encode() for kind in entries.BOOKKEEPING
)


def is_bookkeeping(entry: bytes) -> bool:
    """Tell whether an entry of our own is bookkeeping; nothing else of it is looked at."""
    return entry.startswith(_BEGINS)


def note(
    ledger: Ledger, auditor: str, since_ms: int, until_ms: int, reads: Iterable[Shown]
) -> int:
    """Enter what one auditor was shown; return the entry's index.

    Args:
        ledger: of the group.
        auditor: an endpoint that was listed as one when it was shown that.
        since_ms: when it was shown the first of it, ms UTC.
        until_ms: when it was shown the last.
        reads: of each kind once.

    Raises:
        Refusal: ``bad-proof``: this cannot have been shown. Nothing was entered.
    """
    facts = entries.AuditRead(
        auditor=auditor,
        since_ms=since_ms,
        until_ms=until_ms,
        reads=sorted(reads, key=lambda each: each.what),
        **ledger.common(),
    )
    must_hold(facts, ledger.next_index)
    return ledger.append(facts)


def must_hold(facts: entries.AuditRead, index: int) -> None:
    """Hold what an entry says was shown to what there was to be shown before it.

    Raises:
        Refusal: ``bad-proof``, naming the first fact that does not hold.
    """
    if facts.since_ms > facts.until_ms:
        raise Refusal(Code.BAD_PROOF, "/since_ms", found=index)
    kinds = [each.what for each in facts.reads]
    if not kinds or kinds != sorted(set(kinds)):
        raise Refusal(Code.BAD_PROOF, "/reads", found=index)
    for place, each in enumerate(facts.reads):
        # Each request that is counted was shown something.
        if not (each.first <= each.last < index and 1 <= each.requests <= each.count):
            raise Refusal(Code.BAD_PROOF, f"/reads/{place}", found=index)
