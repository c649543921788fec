"""The figures of a STA bulletin from what is held: each with the bulletins that it is from.

Counted by rules that are stated, in order, and in decimals, so both sides get the same from the
same bulletins. What the record itself tells (response times) is the report's of the auditors.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec

from exchange.client import doubles, reconciling, reports, seized
from exchange.client.doubles import Alike, Event
from exchange.client.reports import Asked, Left, Report
from exchange.errors import Code, Refusal
from exchange.model.bulletin import Opn
from exchange.model.bulletin.blocks import Period, Quantity
from exchange.model.bulletin.records import (
    DrugTotal,
    Statistics,
    TypeCount,
)
from exchange.model.header import Marking

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from exchange.client.reading import Item
    from exchange.client.reconciling import Told
    from exchange.errors import ExchangeError
    from exchange.model.bulletin.words import Reconciliation
    from exchange.model.codes import Codes, Lang

# An operation that only was to be is none.
_TOOK_PLACE: Final = frozenset({"under-way", "ended"})
_STRICTEST: Final = ("red", "amber+strict", "amber", "green", "clear")


# Why an event that both sides reported is not told as reconciled: what crossed does not show it
# so, or as of another period; or none may be named, as each crossed in several envelopes.
Untold = Literal["apart", "unnamed"]


class Figure(msgspec.Struct, frozen=True):
    """Where a figure stands in the content, as a JSON pointer, and the ids it is from."""

    at: str
    bulletins: list[str]


class Unasked(NamedTuple):
    """Ids of what was posted from here, of which nobody knows what else bears on it; and why.

    ``why`` is None where the node does not tell of such, or was asked of enough.
    """

    ids: Sequence[str] = ()
    why: ExchangeError | None = None


class Account(msgspec.Struct, frozen=True):
    """What is counted, from what, and what is not.

    Attributes:
        asked: the period and the status.
        content: of the bulletin.
        figures: what each figure is from.
        doubles: events with more than one report; the first report of each counts, and says
            of which period the event is.
        alike: reports that may be of one event and count as two: an officer decides.
        left: what is not counted.
        reports: all that is counted, what else is told of what counts, and what is told of as
            reconciled, of whatever period it counts.
        beside: what is only named in ``alike``: it is of a day close to the period.
        sides: by the id of the report that counts, whether both sides tell the same of an
            event that both reported.
        untold: by the same, why such an event is none of those that are told as reconciled.
        marking: the narrowest of all markings of ``reports``, its nations none where no nation
            may have all of it; None where nothing is counted.
        rests_on: ids of all by which it might come out otherwise: of what is counted, beside
            it and left, of what is of a day close to the period, and of what hangs together
            with that, however far from it.
        unasked: what may have been corrected or cancelled elsewhere, and counts as it is here.
    """

    asked: Asked
    content: Statistics
    figures: list[Figure]
    doubles: list[Event]
    alike: list[Alike]
    left: list[Left]
    reports: list[Report]
    beside: list[Report]
    sides: dict[str, Reconciliation]
    untold: dict[str, Untold]
    marking: Marking | None
    rests_on: list[str] = []
    unasked: Unasked = Unasked()


def compute(
    items: Sequence[Item],
    asked: Asked,
    codes: Codes,
    same: Iterable[tuple[str, str]] = (),
    acts: Collection[Collection[str]] = (),
) -> Account:
    """Return the statistics of a period, from all that is held.

    Args:
        items: what came, and what was posted from here, opened.
        asked: the period and the status.
        codes: the code lists.
        same: ids of reports that an officer takes for one event.
        acts: ids of the envelopes of each act that was posted from here.

    Raises:
        Refusal: ``not-found``, at ``/same``: one of those is no report that stands.
    """
    pairs, gathered = [*same], reports.gather(items, asked, codes, acts)
    every = _events(gathered.reports, pairs)
    whole = [[name for r in each.reports for name in r.common] for each in every[0]]
    known = reconciling.reconciled(items, asked, codes, pairs, whole)
    told = [(each, event) for each in known if (event := each.event) is not None]
    counted = _counted(gathered, asked, every, [each for each, _ in told])
    seizures, operations = counted.seizures, counted.operations
    figures = [Figure(f"/counts/{n}", _ids(e)) for n, e in enumerate(counted.of_type.values())]
    totals, sources = _totals(seizures)
    figures += [Figure(f"/drug_totals/{n}", each) for n, each in enumerate(sources)]
    arrested = [report for each in seizures if (report := seized.arresting(each)) is not None]
    held = [each for each in operations if _took_place(each)]
    both = [each for each in seizures if len(each.nations) > 1]
    figures += [Figure("/arrests", _ids(arrested))] if seizures else []
    figures += [Figure("/operations", _ids(map(_witness, held)))] if operations else []
    figures += [
        Figure(f"/reconciled/{n}", [e.id for e in counted.reports if _is_of(e, each)])
        for n, (each, _) in enumerate(told)
    ]
    content = Statistics(
        period=Period(asked.start, asked.end),
        counts=[TypeCount(name, len(each)) for name, each in counted.of_type.items()],
        drug_totals=totals,
        arrests=sum(map(seized.arrests, arrested)) if seizures else None,
        operations=len(held) if operations else None,
        reconciled=[event for _, event in told],
    )
    return Account(
        asked,
        content,
        figures,
        [each for each in (*seizures, *operations) if len(each.reports) > 1],
        counted.alike,
        counted.left,
        counted.reports,
        counted.beside,
        {each.reports[0].id: reconciling.compared(each) for each in both},
        {each.reports[0].id: why for each in both if (why := _untold(each, known))},
        _narrowest([mark for each in counted.reports for mark in each.markings]),
        _rests_on(gathered, asked, pairs, counted),
    )


class _Counted(NamedTuple):
    """What is of a period; ``of_type`` are the reports of it by type, where there are any."""

    of_type: dict[str, list[Report]]
    seizures: list[Event]
    operations: list[Event]
    reports: list[Report]
    alike: list[Alike]
    beside: list[Report]
    left: list[Left]


def _events(
    found: Sequence[Report], pairs: Sequence[tuple[str, str]]
) -> tuple[list[Event], list[Event]]:
    """Return the seizures and the operations of all periods."""
    of = [[e for e in found if e.bulletin.type == name] for name in ("szr", "opn")]
    known = {name for each in (*of[0], *of[1]) for name in each.ids}
    for name in (name for pair in pairs for name in pair if name not in known):
        raise Refusal(Code.NOT_FOUND, "/same", id=name[:48])
    return doubles.events(of[0], pairs), doubles.events(of[1], pairs)


def _counted(
    gathered: reports.Gathered,
    asked: Asked,
    every: tuple[list[Event], list[Event]],
    quoted: Sequence[Told],
) -> _Counted:
    """Return what is of a period: tied first, so that one event is of one period."""
    found = gathered.reports
    seizures, operations = ([e for e in events if asked.has(_at(e))] for events in every)
    within = {each.id for each in found if asked.has(each.at)}
    told = within | {each.id for e in (*seizures, *operations) for each in e.reports}
    # Of two that lie across its end, each counts on its side, unless somebody says otherwise.
    near = [[e for e in events if asked.is_near(_at(e))] for events in every]
    near[1] = [each for each in near[1] if _took_place(each)]
    alike = [
        each
        for events in near
        for each in doubles.alike(events)
        if told & {each.one, each.other}
    ]
    named = {name for each in alike for name in (each.one, each.other)}
    told |= {each.id for each in found if any(_is_of(each, event) for event in quoted)}
    of = {name: [e for e in found if e.bulletin.type == name] for name in reports.TYPES}
    types = {name: [e for e in each if e.id in within] for name, each in of.items()}
    return _Counted(
        {name: each for name, each in types.items() if each},
        seizures,
        operations,
        [each for each in found if each.id in told],
        alike,
        [each for each in found if each.id in named - told],
        gathered.left,
    )


def _rests_on(
    gathered: reports.Gathered,
    asked: Asked,
    pairs: Sequence[tuple[str, str]],
    counted: _Counted,
) -> list[str]:
    """Return the ids of all by which an account might come out otherwise."""
    found = [*counted.reports, *counted.beside]
    for name in reports.TYPES:
        of = [each for each in gathered.reports if each.bulletin.type == name]
        for group in doubles.entangled(of, pairs):
            found += group if any(asked.is_near(each.at) for each in group) else []
    ids = [name for each in found for name in each.ids]
    left = [each.item.header.id for each in gathered.left]
    return list(dict.fromkeys([*ids, *left]))


def _untold(event: Event, known: Sequence[Told]) -> Untold | None:
    """Return why an event that both sides reported is not told as reconciled; None: it is."""
    of = [e for e in known if any(_is_of(report, e) for report in event.reports)]
    if any(each.event is not None for each in of):
        return None
    return "unnamed" if of else "apart"


def _is_of(report: Report, told: Told) -> bool:
    """Tell whether what is told as reconciled is from a report."""
    return any(name in told.sources for name in report.ids)


def _at(event: Event) -> datetime:
    """Return when an event was: as the report says that counts."""
    return event.reports[0].at


def _ids(found: Iterable[Report]) -> list[str]:
    return [each.id for each in found]


# -- seizures -----------------------------------------------------------------------------


def _totals(seizures: Sequence[Event]) -> tuple[list[DrugTotal], list[list[str]]]:
    """Return each drug's totals by unit and count, and the ids that each is from."""
    rows: dict[tuple[str, str, str], list[Quantity]] = defaultdict(list)
    sources: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for event in seizures:
        report = seized.weighing(event)
        for each in seized.drugs(report) if report else ():
            unit, _ = seized.amount(each.quantity)
            key = (each.drug, unit or "", each.quantity.count)
            rows[key].append(each.quantity)
            if report is not None and report.id not in sources[key]:
                sources[key].append(report.id)
    keys = sorted(rows)
    return [DrugTotal(key[0], _sum(rows[key])) for key in keys], [sources[key] for key in keys]


def _sum(rows: Sequence[Quantity]) -> Quantity:
    """Return the sum of quantities of one unit and count, known no better than any of them."""
    unit, _ = seized.amount(rows[0])
    values = [value for each in rows if (value := seized.amount(each)[1]) is not None]
    bases = {each.basis for each in rows}
    said = {each.qualifier for each in rows}
    guessed = "estimated" in bases or not said <= {"exact", "at-least"}
    exact = "exact" if said == {"exact"} else "at-least"
    return Quantity(
        qualifier="estimate" if guessed else exact,
        count=rows[0].count,
        value=float(sum(values)) if values else None,
        unit=unit,
        basis=_basis(bases) if values else None,
        packages=None if values else sum(each.packages or 0 for each in rows),
    )


def _basis(bases: set[str | None]) -> str | None:
    """Return how a sum was weighed: as its parts; as a guess where one is, else not told."""
    if len(bases) == 1:
        return next(iter(bases))
    return "estimated" if "estimated" in bases else None


# -- operations, and all of it ------------------------------------------------------------


def _took_place(event: Event) -> bool:
    """Tell whether an operation took place, by any report of it that stands."""
    return any(map(_says_so, event.reports))


def _witness(event: Event) -> Report:
    return next(filter(_says_so, event.reports))


def _says_so(report: Report) -> bool:
    says = report.bulletin
    return isinstance(says, Opn) and says.content.phase in _TOOK_PLACE


def _narrowest(markings: Sequence[Marking]) -> Marking | None:
    """Return what holds for all: the strictest TLP, every handling code, all their nations."""
    if not markings:
        return None
    nations = set.intersection(*(set(each.releasable_to) for each in markings))
    return Marking(
        tlp=min((each.tlp for each in markings), key=_STRICTEST.index),
        releasable_to=sorted(nations),
        handling=sorted({code for each in markings for code in each.handling}),
        originator_control=any(each.originator_control for each in markings),
    )


def marking(account: Account, nation: str) -> Marking:
    """Return the marking to begin a draft with: that of its sources, never a wider one.

    Where no nation may have all of them, it is for its author's alone, and no wider than
    AMBER+STRICT under originator control.

    Args:
        account: what was counted.
        nation: its author's, ISO 3166-1 alpha-3.
    """
    alone = Marking("amber+strict", [nation], [], originator_control=True)
    found = account.marking
    if found is None or found.releasable_to:
        return found or alone
    return Marking(
        tlp=min(found.tlp, alone.tlp, key=_STRICTEST.index),
        releasable_to=[nation],
        handling=found.handling,
        originator_control=True,
    )


def bulletin(account: Account, lang: Lang) -> dict[str, Any]:
    """Return the bulletin of a draft, as JSON values, with a title in one language."""
    start, end = account.asked.start, account.asked.end
    # In words it ends on its last whole day.
    span = f"{start:%Y-%m-%d} / {end - timedelta(microseconds=1):%Y-%m-%d}"
    said = {"es": f"Estadísticas del período {span}", "en": f"Statistics of the period {span}"}
    marks = {"actual": ("", ""), "exercise": ("EJERCICIO: ", "EXERCISE: ")}
    es, en = marks.get(account.asked.status, ("PRUEBA: ", "TEST: "))
    title = (es if lang == "es" else en) + said[lang]
    content = msgspec.to_builtins(account.content)
    return {"type": "sta", "title": {"lang": lang, "text": title}, "content": content}
