"""What this endpoint was told is withdrawn or corrected, and has not acknowledged.

The node's count and the originator's trace follow the same rules (``policy.chasing``). Who
acknowledged is known here as far as this machine did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.client import bearing
from exchange.client.reading import Delivered
from exchange.policy.chasing import CHASED, Chase, Known, chase

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from exchange.client.bearing import Mark
    from exchange.client.reading import Item
    from exchange.model.header import Relation
    from exchange.model.view import View


class Reminder(msgspec.Struct, frozen=True):
    """Something to acknowledge: it cancels or corrects, or its entry says that it was.

    Attributes:
        item: the bulletin to acknowledge.
        relation: what is done.
        by: the entry that does it.
        target: the entry in this inbox to which it is done; None where that is not here.
        chase: since when its originator waits, and how often that was alarmed.
    """

    item: Delivered
    relation: Relation
    by: int
    target: int | None
    chase: Chase

    @property
    def concerns(self) -> tuple[int, ...]:
        """The entries of this inbox at which to say so."""
        places = {self.item.index} | ({self.target} if self.target is not None else set())
        return tuple(sorted(places))


class Followed:
    """The part of an inbox that reminders are made of, for whoever follows it as it grows.

    What cancels or corrects, what that names, and what tells of such by its own entry: a few of
    many thousands. Each item is looked at once, and again when another took its place.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._looked_at: dict[int, Item] = {}
        self._bearing: dict[int, Item] = {}
        self._places: dict[str, set[int]] = {}
        self._named: set[str] = set()

    def take(self, held: Mapping[int, Item]) -> list[Item]:
        """Look at what is new of an inbox; return what bears on anything in it, in order."""
        for index, item in held.items():
            if self._looked_at.get(index) is not item:
                self._looked_at[index] = item
                if isinstance(item, Delivered):
                    self._look_at(index, item)
        # As it is now: one that was locked may have opened since.
        self._bearing = {index: held[index] for index in self._bearing if index in held}
        return [self._bearing[index] for index in sorted(self._bearing)]

    def _look_at(self, index: int, item: Delivered) -> None:
        self._places.setdefault(item.digest, set()).add(index)
        places = set()
        if item.header.verb in CHASED or item.earlier or item.digest in self._named:
            places.add(index)
        if item.header.verb in CHASED and (reference := bearing.reference_of(item.header)):
            self._named.add(reference.header_digest)
            places |= self._places.get(reference.header_digest, set())
        self._bearing.update((each, self._looked_at[each]) for each in places)


def reminders(
    items: Sequence[Item], endpoint: str, seen: Collection[str], view: View, now: int
) -> list[Reminder]:
    """Return what is still to be acknowledged of all that cancels or corrects, in order.

    Args:
        items: the whole inbox, or what ``Followed`` took of it.
        endpoint: whose inbox it is.
        seen: digests of what was acknowledged from here, from ``ageing.seen_to``.
        view: in force.
        now: seconds UTC.
    """
    marks, found = bearing.marks(items), []
    for item in items:
        if not isinstance(item, Delivered) or item.digest in seen:
            continue
        if item.grant is None and item.header.verb in CHASED:
            told = _by_itself(item, items, marks, endpoint)
        else:
            told = None
        all_told = [told] if told else _with_its_entry(item, marks.get(item.index, ()))
        for relation, by, target, until, is_moot in all_told:
            known = Known(
                holder=endpoint,
                precedence=item.header.precedence,
                taken_ms=item.taken_ms,
                until=until,
                is_moot=is_moot,
            )
            stands = chase(known, view, now)
            if stands.ended is None:
                found.append(Reminder(item, relation, by, target, stands))
    return found


_Told = tuple["Relation", int, int | None, int, bool]


def _by_itself(
    item: Delivered, items: Sequence[Item], marks: dict[int, list[Mark]], endpoint: str
) -> _Told | None:
    """Return what a cancellation or correction does; None of our own and the withdrawn."""
    reference = bearing.reference_of(item.header)
    is_cancelled = any(each.relation == "cancels" for each in marks.get(item.index, ()))
    if reference is None or is_cancelled or item.header.endpoint == endpoint:
        return None
    target = bearing.target_of(item, items)
    is_moot = item.header.verb == "correct" and any(_cancelling(items, item))
    until = item.header.retain_until if target is None else target.header.retain_until
    index = None if target is None else target.index
    return reference.rel, item.index, index, until, is_moot


def _cancelling(items: Iterable[Item], correction: Delivered) -> Iterable[bool]:
    """Say of each bulletin whether it cancels what a correction corrects."""
    corrected = bearing.reference_of(correction.header)
    for each in items:
        if isinstance(each, Delivered) and each.header.verb == "cancel" and corrected:
            named = bearing.reference_of(each.header)
            yield (
                each.header.origin == correction.header.origin
                and named is not None
                and named.header_digest == corrected.header_digest
            )


def _with_its_entry(item: Delivered, marks: Sequence[Mark]) -> list[_Told]:
    """Return all that a bulletin's own entry, or its grant's, says was done to it before."""
    told = [each for each in item.earlier if each[0] != "supersedes"]
    here = {each.index for each in marks if each.is_here}
    # What a grant names was owed to those who held the bulletin then, so not to us.
    named = told if item.grant else [each for each in told if each[1] not in here]
    # What is withdrawn need not be corrected.
    withdrawn = [each for each in named if each[0] == "cancels"]
    # Cancelled since, by what is here: that is to be acknowledged then.
    is_moot = any(each.relation == "cancels" and each.is_here for each in marks)
    until = item.header.retain_until
    return [(relation, by, item.index, until, is_moot) for relation, by in withdrawn or named]
