"""Whom an entry makes the node chase, and whose chase it ends: a table beside the inboxes.

The rules are ``policy.chasing``'s; they are followed as entries come, so that counting what is
open reads no journal. A row goes with its holder's acknowledgement, when what it tells of is
withdrawn or moot, and at the end of retention. A suspended holder's stays: it may come back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, get_args

from exchange.broker import keys
from exchange.broker.holding import read, target_of
from exchange.model.header import Precedence
from exchange.policy.chasing import CHASED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.broker.bearing import Bearing, Standing
    from exchange.broker.holding import Find, Target
    from exchange.model.header import Header

# In the order in which somebody is to look at them.
RANKS: Final[tuple[Precedence, ...]] = get_args(Precedence)
NO_TARGET: Final = -1


class Chased(NamedTuple):
    """An entry that is chased.

    Its precedence, a place in ``RANKS``; until when (seconds UTC); the entry that it is about,
    which may be still to come; and of whom.
    """

    rank: int
    until: int
    target: int
    endpoints: tuple[str, ...]


def of(
    header: Header, owed: Sequence[str], held: Bearing, early: Early, find: Find
) -> Chased | None:
    """Return whom a new bulletin makes the node chase, if anybody.

    Args:
        header: of the bulletin.
        owed: to whom.
        held: what it has to do with its target.
        early: what came before it and bears on it.
        find: returns the entry that a key leads to.
    """
    reference = target_of(header)
    if header.verb not in CHASED or reference is None or early.cancelling is not None:
        return _told_with(header, owed, early)
    named = (header.origin, reference.header_digest, reference.id)
    if header.verb == "correct" and find(keys.bearing("cancels", *named)) is not None:
        return None
    before = find(keys.by_digest(reference.header_digest)) if held.target is not None else None
    target = read(before) if before else None
    return Chased(
        RANKS.index(header.precedence),
        target.header.retain_until if target else header.retain_until,
        NO_TARGET if held.target is None else held.target,
        # Its own author needs no telling.
        tuple(each for each in owed if each != header.endpoint),
    )


class Early(NamedTuple):
    """What came before a bulletin: what cancels it, and the corrections that stand."""

    cancelling: Target | None
    corrections: list[Target]


def early(cancelling: Target | None, stands: Standing | None) -> Early:
    """Return what of all that came before a bulletin is chased."""
    return Early(cancelling, stands.corrections if stands else [])


def _told_with(header: Header, owed: Sequence[str], early: Early) -> Chased | None:
    """Chase whoever learns of a cancellation or correction by the bulletin's own entry.

    It was here first, and is owed to others; these acknowledge it with the bulletin.
    """
    named = [early.cancelling] if early.cancelling else early.corrections
    # Who was owed some of them and not all learns of the others here, too.
    lacking = [(each, [name for name in owed if name not in each.owed]) for each in named]
    endpoints = {name for _, names in lacking for name in names}
    if not endpoints:
        return None
    return Chased(
        min(RANKS.index(each.header.precedence) for each, names in lacking if names),
        header.retain_until,
        NO_TARGET,
        tuple(each for each in owed if each in endpoints),
    )


def of_grant(target: Target, to: str, corrections: list[Target]) -> Chased | None:
    """Return that whoever is granted what was corrected before is chased, by that entry."""
    if not corrections:
        return None
    rank = min(RANKS.index(each.header.precedence) for each in corrections)
    return Chased(rank, target.header.retain_until, target.index, (to,))


def over_by(header: Header, held: Bearing, early: Early) -> tuple[int, ...]:
    """Return the entries of which nobody is chased any more, nor of what is about them.

    What is cancelled, where it was chased itself, and its corrections: now its cancellation is
    chased. Of what comes after its cancellation, the corrections that came before it. A second
    cancellation ends nothing: it takes no key.
    """
    over = [each.index for each in early.corrections] if early.cancelling else []
    if header.verb == "cancel" and held.target is not None and held.keys:
        over.append(held.target)
    return tuple(over)
