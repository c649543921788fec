"""What an author is held to, and a reader is warned of.

What was accepted once is read, and can be corrected, for ever: so a rule that came later locks
nothing. Whoever writes a text is refused what breaks it, and whoever reads one is told. What a
correction says was written before is held to neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.model.bulletin import amendments, corrections, flow_rules, people_rules, weighing
from exchange.model.bulletin.demands import Breach, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from exchange.model.bulletin.kinds import AnyBulletin
    from exchange.model.bulletin.strangers import Unknown


def breaches(bulletin: AnyBulletin, unknown: Sequence[Unknown] = ()) -> Iterator[Breach]:
    """Yield what of a decoded bulletin no author writes.

    Args:
        bulletin: decoded.
        unknown: what of it is of a newer version.
    """
    yield from weighing.guessed_beside(weighing.of_text(bulletin))
    for at, found in people_rules.unplaced(bulletin, unknown):
        if not corrections.is_past(bulletin, at):
            yield from weighing.apart(found, at)
    yield from flow_rules.leaks(bulletin, unknown)


def check(bulletin: AnyBulletin) -> None:
    """Hold what an author writes anew.

    Raises:
        Refusal: ``wrong-value``, as ``rules.check``.
    """
    told = weighing.Told([], [])
    if isinstance(bulletin.content, amendments.Correction):
        told = weighing.of_correction(bulletin.content)
    # A list grows only as a whole, with what stood in it.
    _hold(breaches(bulletin), weighing.guessed_beside(told.was))
    if isinstance(bulletin.content, amendments.Correction):
        corrections.check_quoted(bulletin.content)
    weighing.check_turned(told)


def _hold(found: Iterable[Breach], stood: Iterable[Breach]) -> None:
    """Refuse the first that did not stand there before, wherever; each stands for one."""
    left = [each[1:] for each in stood]
    for each in found:
        if each[1:] not in left:
            refuse(each.at, each.rule)
        left.remove(each[1:])


def check_corrected(before: AnyBulletin, after: AnyBulletin) -> None:
    """Hold a correction that an author writes to what it makes of a bulletin.

    What was there already is no reason to refuse what mends something else.

    Raises:
        Refusal: ``wrong-value``, as ``rules.check``.
    """
    _hold(breaches(after), breaches(before))
    weighing.check_turned(weighing.Told(weighing.of_text(before), weighing.of_text(after)))
