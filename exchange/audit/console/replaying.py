"""What a change of policy would have done to the traffic before it.

Each bulletin of the month before is judged again, by the function that let it in, under what
was in force before the change and under what is since, at the time at which it was taken in.
Of what was refused then the bytes are not kept: it is counted, and cannot be judged.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from exchange.audit import bitmaps
from exchange.broker.again import of_bulletins
from exchange.broker.intake import Admitted
from exchange.errors import Refusal
from exchange.model import entry as entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.audit.console.history import Took
    from exchange.audit.console.source import Source
    from exchange.audit.index import Index, Journal
    from exchange.audit.rows import Row
    from exchange.model.view import View

MONTH_MS: Final = 30 * 86_400_000
# Newest first; each takes about a millisecond, and somebody waits for the page.
MAX_JUDGED: Final = 2000

What = Literal["refused", "let-in", "audience"]


class Verdict(NamedTuple):
    """What one view says of a bulletin: a refusal's code and place, or whom it is owed to."""

    code: str
    at: str
    owed: tuple[str, ...]


class Effect(NamedTuple):
    """A bulletin that fares otherwise since: who would get it no more, and who besides."""

    row: Row
    what: What
    before: Verdict
    after: Verdict

    @property
    def lost(self) -> list[str]:
        """Who would not have been owed it."""
        return sorted(set(self.before.owed) - set(self.after.owed))

    @property
    def gained(self) -> list[str]:
        """Who would have been owed it besides."""
        return sorted(set(self.after.owed) - set(self.before.owed))


class WhatIf(NamedTuple):
    """What came of judging a month again.

    Attributes:
        judged: bulletins that were; ``left``: older ones of that month that were not.
        refused: entries of refusals in that month, which cannot be judged again.
        effects: what would have been otherwise, the newest first.
    """

    judged: int
    left: int
    refused: int
    effects: list[Effect]


def what_if(index: Index, journal: Journal, source: Source, took: Took) -> WhatIf:
    """Judge the month before a change again, under it."""
    first = index.first_at(journal, took.taken_ms - MONTH_MS)
    among = bitmaps.span(first, took.entry)
    there = list(bitmaps.from_the_end(_of(index, journal, "accepted") & among))
    # What came from the other node was let in there, under its own view.
    own = (row for row in index.rows(journal, there) if not row.home)
    judged, effects = 0, []
    for row in islice(own, MAX_JUDGED):
        judged += 1
        if effect := _effect(row, source, took):
            effects.append(effect)
    refused = (_of(index, journal, "refused") & among).bit_count()
    return WhatIf(judged, sum(1 for _ in own), refused, effects)


def _of(index: Index, journal: Journal, kind: str) -> int:
    found: Iterator[int] = (
        index.bits(journal, value)
        for value in index.values(journal, "kind")
        if value.value == kind
    )
    return next(found, 0)


def _effect(row: Row, source: Source, took: Took) -> Effect | None:
    entry = entries.decode(source.read(row.index, 1)[0].entry)
    before, after = (_judged(entry, row.index, view) for view in (took.before, took.after))
    if before == after:
        return None
    if not before.code and after.code:
        return Effect(row, "refused", before, after)
    if before.code and not after.code:
        return Effect(row, "let-in", before, after)
    return None if before.code else Effect(row, "audience", before, after)


def _judged(entry: entries.Entry, index: int, view: View) -> Verdict:
    facts = entry.facts
    if not isinstance(facts, entries.Accepted):
        return Verdict("", "", ())
    try:
        decision = of_bulletins(facts, entry.object, view, facts.taken_ms // 1000, index)
    except Refusal as refusal:
        return Verdict(refusal.code.value, refusal.at, ())
    owed = decision.owed if isinstance(decision, Admitted) else ()
    return Verdict("", "", tuple(sorted(owed)))
