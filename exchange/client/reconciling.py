"""The events that both sides reported: by what crossed alone, and whether they tell the same.

What did not cross is told to nobody in a STA: neither by an id, nor by a figure, nor by what it
ties together.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from exchange.client import doubles, reports
from exchange.client.reading import Delivered
from exchange.client.seized import amount, arrests, drugs, weighing
from exchange.model.bulletin import Szr
from exchange.model.bulletin.records import ReconciledEvent

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from exchange.client.doubles import Event
    from exchange.client.reading import Item
    from exchange.client.reports import Asked, Report
    from exchange.model.bulletin.words import Reconciliation
    from exchange.model.codes import Codes


class Told(NamedTuple):
    """What a STA tells of one event, and the ids of the envelopes that it is from.

    ``event`` is None where none of them may be named: the language has no event without.
    """

    event: ReconciledEvent | None
    sources: list[str]


def reconciled(
    items: Sequence[Item],
    asked: Asked,
    codes: Codes,
    pairs: Iterable[tuple[str, str]],
    whole: Sequence[Collection[str]],
) -> list[Told]:
    """Return each event of a period of which each nation told the other, named or not.

    Of which period it is, what crossed says, as on the other side: a report at home may count
    it in another.

    Args:
        items: all that is held.
        asked: the period and the status.
        codes: the code lists.
        pairs: ids of reports that an officer takes for one event.
        whole: of each event that all reports tell, of whatever period, the ids of the envelopes
            that crossed, with all that bears on them: what counts as two is not told as one.
    """
    common = {name for each in whole for name in each}
    shared = [e for e in items if isinstance(e, Delivered) and reports.crossed(e.header)]
    found = [
        each
        for each in reports.gather(shared, asked, codes).reports
        if isinstance(each.bulletin, Szr) and common.issuperset(each.ids)
    ]
    known = {name for each in found for name in each.ids}
    events = doubles.events(found, [pair for pair in pairs if known.issuperset(pair)])
    of_period = [each for each in events if asked.has(each.reports[0].at)]
    both = [each for each in of_period if len(each.nations) > 1]
    return [
        Told(_reconciled(each, named) if (named := _named(each)) else None, _ids(each))
        for each in both
        if any(ids.issuperset(_ids(each)) for ids in map(frozenset, whole))
    ]


def _ids(event: Event) -> list[str]:
    return [name for each in event.reports for name in each.ids]


def _reconciled(event: Event, named: list[str]) -> ReconciledEvent:
    says = event.reports[0].bulletin
    if not isinstance(says, Szr):
        raise TypeError(says.type)
    report = weighing(event)
    rows = drugs(report) if report else []
    return ReconciledEvent(
        event=says.content.event,
        seized_at=says.content.seized_at,
        bulletins=named,
        reconciliation=compared(event),
        quantity=rows[0].quantity if len(rows) == 1 else None,
    )


def _named(event: Event) -> list[str]:
    """Return the ids of its reports; of one in several envelopes none.

    Who has one of them is not to learn that there is another.
    """
    return [each.id for each in event.reports if len(each.envelopes) == 1]


def compared(event: Event) -> Reconciliation:
    """Tell whether what weighs most of each side tells the same."""
    first, *others = (next(r for r in event.reports if r.nation == n) for n in event.nations)
    return "agreed" if all(_agree(first, other) for other in others) else "differs"


def _agree(one: Report, other: Report) -> bool:
    """Tell whether two sides tell the same drugs, amounts and arrests, where both tell them."""
    first, second = _told(one), _told(other)
    if first.keys() != second.keys():
        return False
    arrested = {n for n in (arrests(one), arrests(other)) if n}
    return len(arrested) <= 1 and all(_meet(first[drug], second[drug]) for drug in first)


def _told(report: Report) -> dict[str, list[tuple[str, Decimal]]]:
    """Return by drug what is told of how much: sums by unit, packages as one more."""
    found: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for each in drugs(report):
        unit, value = amount(each.quantity)
        if unit is not None and value is not None:
            found[each.drug][unit] += value
        if each.quantity.packages is not None:
            found[each.drug]["packages"] += each.quantity.packages
    return {drug: sorted(said.items()) for drug, said in found.items()}


def _meet(one: Sequence[tuple[str, Decimal]], other: Sequence[tuple[str, Decimal]]) -> bool:
    here, there = dict(one), dict(other)
    shared = here.keys() & there.keys()
    return bool(shared) and all(here[unit] == there[unit] for unit in shared)
