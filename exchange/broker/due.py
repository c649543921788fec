"""What comes due of a bulletin, and when: a table beside the journal, in order of time.

Its rows follow from the entries: one until a bulletin is to be purged; where a rule asks for
it, one until its originator is asked, and then one until silence ends it; one for each order
that is not carried out yet; two while a boarding request waits for an answer. So what is due
is found without a look at the journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from exchange.broker import keys
from exchange.broker.holding import read, target_of
from exchange.policy import boarding, retention

if TYPE_CHECKING:
    from exchange.broker.bearing import Bearing
    from exchange.broker.holding import Find, Target
    from exchange.model.header import Header
    from exchange.model.view import View

# What a row is for: a purge is to be ordered; the originator asked; a purge ordered since
# nobody answered; an order carried out.
PURGE: Final = 0
REVIEW: Final = 1
SILENCE: Final = 2
ORDER: Final = 3
# Of a boarding request: who is asked is told, or reminded; its time is over.
CLOCK: Final = 4
SILENT: Final = 5
# Before the place of any row.
FIRST: Final = (-1, -1)


class Due(msgspec.Struct, frozen=True, order=True):
    """A row: the entry it is about, what for, and when (seconds UTC).

    Of a purge also why (``entry.Cause``), by which rule of which arrangement: the trust entry
    up to which that was read. One row for each entry and purpose: a later one takes its place.
    """

    index: int
    what: int
    at: int
    cause: str = ""
    rule: str = ""
    agreed: int = -1

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands among those of its purpose: by time, then by entry."""
        return self.at, self.index


class Change(NamedTuple):
    """What an entry does to the table: rows that it puts there, and keys of those it takes."""

    due: tuple[Due, ...] = ()
    undue: tuple[tuple[int, int], ...] = ()


_NOTHING: Final = Change()


def of_bulletin(
    header: Header, index: int, taken: int, view: View, cancelling: Target | None
) -> tuple[Due, ...]:
    """Return what comes due of a bulletin that is taken in.

    Args:
        header: of the bulletin.
        index: of its entry.
        taken: when, seconds UTC.
        view: in force.
        cancelling: what cancelled it before it came.
    """
    if cancelling is not None and "must-purge" in cancelling.header.declares:
        return (_withdrawn(index, taken, view),)
    agreed = view.agreed()
    if not agreed.retention:
        return (Due(index, PURGE, header.retain_until, "header", "", view.index),)
    term = retention.term(header, agreed, taken)
    cause = "rule" if term.rule else "header"
    ends = Due(index, PURGE, term.until, cause, term.rule, view.index)
    rule = None if cancelling else retention.review(header, agreed)
    if rule is None or rule.review_s is None:
        return (ends,)
    return (ends, Due(index, REVIEW, taken + rule.review_s, "", rule.name, view.index))


def _withdrawn(index: int, taken: int, view: View) -> Due:
    return Due(index, PURGE, taken, "cancelled", "", view.index)


def borne(header: Header, held: Bearing, taken: int, view: View, find: Find) -> Change:
    """Return what a cancellation or correction changes of what comes due of its target."""
    index = held.target
    if index is None or header.verb not in ("cancel", "correct"):
        return _NOTHING if index is None else _superseded(header, index)
    reference = target_of(header)
    if reference is None:
        return _NOTHING
    if find(keys.purge(reference.header_digest)) is not None:
        return _NOTHING
    if header.verb == "cancel":
        purge = "must-purge" in header.declares
        due = (_withdrawn(index, taken, view),) if purge else ()
        over = (REVIEW, SILENCE, CLOCK, SILENT)
        return Change(due, tuple((index, what) for what in over))
    found = find(keys.by_digest(reference.header_digest))
    target = read(found) if found else None
    named = (header.origin, reference.header_digest, reference.id)
    if target is None or find(keys.bearing("cancels", *named)) is not None:
        return _NOTHING
    return answered(target, taken, view)


def _superseded(header: Header, index: int) -> Change:
    """Return what an update changes: a newer boarding request has a time of its own."""
    if header.verb != "update" or header.type != boarding.REQUEST:
        return _NOTHING
    return Change((), ((index, CLOCK), (index, SILENT)))


def answered(target: Target, taken: int, view: View) -> Change:
    """Return what an originator's answer changes: it is asked again after as long."""
    rule = retention.review(target.header, view.agreed())
    again: tuple[Due, ...] = ()
    if rule is not None and rule.review_s is not None:
        at = taken + rule.review_s
        again = (Due(target.index, REVIEW, at, "", rule.name, view.index),)
    taken_away = (target.index, SILENCE)
    return Change(again, (taken_away,) if again else (taken_away, (target.index, REVIEW)))


def asked(target: Target, taken: int, view: View) -> Change:
    """Return what a review changes: from now on silence counts, where its rule has a limit.

    Its rule is the one in force now: that by which it fell due may be another, or gone.
    """
    rule = retention.review(target.header, view.agreed())
    silence: tuple[Due, ...] = ()
    if rule is not None and rule.silence_s is not None:
        at = taken + rule.silence_s
        silence = (Due(target.index, SILENCE, at, "silence", rule.name, view.index),)
    return Change(silence, ((target.index, REVIEW),))
