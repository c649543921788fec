"""What is noted of who reads a journal as its auditor, and the form that such an entry has.

It never feeds itself: who is shown nothing but bookkeeping, to which these entries belong, is
not noted. So an auditor who follows an idle journal leaves it as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model.shown import MAX_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exchange.broker.settle import Ledger
    from exchange.model.shown import Shown

# What could not be written is kept, and its times with it: a week at most, of which a node
# that writes again tells. Protects readers from reads that are dated at will.
KEPT_MS: Final = 7 * 86_400_000

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
        since_ms: when it was shown the first of it, ms UTC; of what is older than a week, it
            is said to be a week.
        until_ms: when it was shown the last, likewise; not after the group's time.
        reads: of each kind once.

    Raises:
        Refusal: ``bad-proof``: this cannot have been shown. Nothing was entered.
    """
    facts = entries.AuditRead(
        auditor=auditor,
        since_ms=max(since_ms, ledger.taken_ms - KEPT_MS),
        until_ms=max(until_ms, ledger.taken_ms - KEPT_MS),
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
    if not facts.taken_ms - KEPT_MS <= facts.since_ms <= facts.until_ms:
        raise Refusal(Code.BAD_PROOF, "/since_ms", found=index)
    if facts.until_ms > facts.taken_ms:
        raise Refusal(Code.BAD_PROOF, "/until_ms", found=index)
    kinds = [each.what for each in facts.reads]
    if not kinds or kinds != sorted(set(kinds)):
        raise Refusal(Code.BAD_PROOF, "/reads", found=index)
    for place, each in enumerate(facts.reads):
        if not could_be(each, index):
            raise Refusal(Code.BAD_PROOF, f"/reads/{place}", found=index)


def could_be(shown: Shown, size: int) -> bool:
    """Tell whether it can have been shown, of a journal of so many entries."""
    # Each request that is counted was shown something.
    is_counted = 1 <= shown.requests <= min(shown.count, MAX_REQUESTS)
    return shown.first <= shown.last < size and is_counted and shown.count <= shown.most
