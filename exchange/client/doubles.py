"""Reports of one event: those that are tied count once, those only alike are for an officer.

Tied are reports that name each other, or the same case, or share an identifier on about the
same day; never so that two finds of one agency become one, through however many others. Nothing
else is ever taken for the same: neighbours seize on the same night.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from math import cos, hypot, radians
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from exchange.client.reports import NEAR_TIME, Report
from exchange.model.bulletin import Opn, Szr
from exchange.model.bulletin.blocks import LineString, Point
from exchange.model.bulletin.weighing import kilograms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from exchange.model.bulletin.blocks import Place, Quantity

By = Literal["reference", "case", "event", "container", "code-name", "officer"]
# What two may be apart, beyond what each says of its accuracy.
NEAR_KM: Final = 25.0
# Two quantities may be one, counted twice, where they differ by no more of the larger.
NEAR_PART: Final = 0.2
_KM_PER_DEGREE: Final = 111.32  # of latitude, WGS 84, rounded


class Tie(msgspec.Struct, frozen=True):
    """Two reports that are of one event, by their ids, and by what."""

    one: str
    other: str
    by: By


class Event(msgspec.Struct, frozen=True):
    """One event, and what was reported of it.

    ``reports`` are in order of weight: an OFFICIAL count before a FIELD one, then what was
    issued last, then by its digest; so both sides have the same order.
    """

    reports: list[Report]
    ties: list[Tie] = []

    @property
    def nations(self) -> list[str]:
        """Who reported it."""
        return sorted({each.nation for each in self.reports})


class Alike(msgspec.Struct, frozen=True):
    """Two reports that may be of one event and are counted as two.

    Attributes:
        one, other: the reports' ids.
        km: how far apart, in km; None: one does not say where it was.
        same_event: they share an identifier, and are not of the same days, or it is not said
            which of one originator's seizures under it is meant.
    """

    one: str
    other: str
    km: float | None
    same_event: bool


def events(reports: Sequence[Report], same: Iterable[tuple[str, str]] = ()) -> list[Event]:
    """Return reports by what they are of, in the order of the first of each.

    Args:
        reports: of one kind, in any order.
        same: ids of reports that an officer takes for one event.
    """
    ties = [*_ties(reports), *_said(reports, same)]
    of: dict[str, list[Tie]] = defaultdict(list)
    for tie in ties:
        of[tie.one].append(tie)
    return [
        Event(sorted(group, key=weight), [tie for each in group for tie in of[each.id]])
        for group in _joined(reports, ties)
    ]


def entangled(
    reports: Sequence[Report], same: Iterable[tuple[str, str]] = ()
) -> list[list[Report]]:
    """Return reports by what hangs together if nothing keeps two of them apart.

    What is tied to nobody for the sake of another is tied once that other is gone.

    Args:
        reports: of one kind, in any order.
        same: ids of reports that an officer takes for one event.
    """
    shared = (tie for _, ties in _shared(reports) for tie in ties)
    return _joined(reports, [*_references(reports), *shared, *_said(reports, same)])


def _joined(reports: Sequence[Report], ties: Iterable[Tie]) -> list[list[Report]]:
    """Return reports by what hangs together, in the order of the first of each."""
    leads = {each.id: each.id for each in reports}

    def lead(name: str) -> str:
        while leads[name] != name:
            leads[name] = name = leads[leads[name]]
        return name

    for tie in ties:
        leads[lead(tie.other)] = lead(tie.one)
    groups: dict[str, list[Report]] = defaultdict(list)
    for each in reports:
        groups[lead(each.id)].append(each)
    return list(groups.values())


def weight(report: Report) -> tuple[bool, int, str]:
    """Return by what reports of one event are put in order, the one that counts first."""
    return not is_official(report), -report.item.header.issued, report.item.digest


def is_official(report: Report) -> bool:
    """Tell whether a seizure's report has an official count."""
    says = report.bulletin
    drugs = says.content.drugs if isinstance(says, Szr) else []
    return any(each.quantity.count == "official" for each in drugs)


# -- tied ---------------------------------------------------------------------------------


def _ties(reports: Sequence[Report]) -> list[Tie]:
    said = [*_references(reports)]
    # Whose reports are two seizures under one name says no more by it which is meant.
    shared = [tie for group, ties in _shared(reports) for tie in _clear(group, ties)]
    # Nor do two names, or one and a reference, make one of them by what another reported.
    return [*said, *_clear(reports, shared, said)]


def _shared(reports: Sequence[Report]) -> Iterator[tuple[list[Report], list[Tie]]]:
    """Yield the reports under each name that they share, and what ties them by it."""
    groups: dict[tuple[By, str], list[Report]] = defaultdict(list)
    for each in reports:
        for name in (*_names(each), *(("case", digest) for digest in each.cases)):
            groups[name].append(each)
    for (by, _), group in groups.items():
        pairs = (pair for pair in combinations(group, 2) if by == "case" or _is_at_once(*pair))
        yield group, [Tie(one.id, other.id, by) for one, other in pairs]


def _references(reports: Sequence[Report]) -> Iterator[Tie]:
    by_digest = {digest: each for each in reports for digest in each.digests}
    for each in reports:
        for reference in each.item.header.refs:
            to = by_digest.get(reference.header_digest)
            if to is not None and to is not each:
                yield Tie(to.id, each.id, "reference")


def _clear(
    reports: Sequence[Report], ties: Sequence[Tie], said: Sequence[Tie] = ()
) -> list[Tie]:
    """Return ties without those by which two finds of one agency would become one.

    Args:
        reports: which are tied.
        ties: what ties them, directly or through others.
        said: what holds whatever comes of the others.
    """
    known = {each.id: at for at, group in enumerate(_joined(reports, said)) for each in group}
    muddled = {
        each.id
        for group in _joined(reports, [*said, *ties])
        if any(
            not (_are_two(one, other) or _is_recount(one, other))
            and known[one.id] != known[other.id]
            for one, other in combinations(group, 2)
        )
        for each in group
    }
    return [tie for tie in ties if tie.one not in muddled]


def _names(each: Report) -> Iterator[tuple[By, str]]:
    says = each.bulletin
    if isinstance(says, Szr):
        yield "event", _folded(says.content.event)
        for container in says.content.containers:
            yield "container", container.container_number
    elif isinstance(says, Opn):
        yield "code-name", _folded(says.content.code_name)


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _is_at_once(one: Report, other: Report) -> bool:
    if isinstance(one.bulletin, Opn) and isinstance(other.bulletin, Opn):
        first, second = one.bulletin.content.period, other.bulletin.content.period
        return first.start < second.end and second.start < first.end
    return abs(one.at - other.at) <= NEAR_TIME


def _are_two(one: Report, other: Report) -> bool:
    """Tell whether two agencies report; of an operation each plan and result is one more."""
    is_operation = isinstance(one.bulletin, Opn)
    return is_operation or one.item.header.origin != other.item.header.origin


def _is_recount(one: Report, other: Report) -> bool:
    """Tell whether one of two is the official count of what the other counted in the field."""
    return is_official(one) != is_official(other)


def _said(reports: Sequence[Report], same: Iterable[tuple[str, str]]) -> Iterator[Tie]:
    by_id = {name: each.id for each in reports for name in each.ids}
    for one, other in same:
        if one in by_id and other in by_id:
            yield Tie(by_id[one], by_id[other], "officer")


# -- alike --------------------------------------------------------------------------------


def alike(found: Sequence[Event]) -> list[Alike]:
    """Return the pairs of events that may be one, each by the first two reports that say so."""
    told = []
    for one, other in combinations([each.reports for each in found], 2):
        pairs = [(a, b) for a in one for b in other]
        named = next((pair for pair in pairs if _same_event(*pair)), None)
        pair = named or next((pair for pair in pairs if _are_alike(*pair)), None)
        if pair is not None:
            km = _apart_km(*pair)
            told.append(Alike(pair[0].id, pair[1].id, km, named is not None))
    return told


def _are_alike(one: Report, other: Report) -> bool:
    is_anothers = one.item.header.origin != other.item.header.origin
    return is_anothers and _is_at_once(one, other) and _may_be_one(one, other)


def _same_event(one: Report, other: Report) -> bool:
    return bool({*_names(one)} & {*_names(other)})


def _may_be_one(one: Report, other: Report) -> bool:
    """Tell whether nothing that both say of place, drug and quantity speaks against it."""
    apart = _apart_km(one, other)
    if apart is not None and apart > NEAR_KM + _vague_km(one) + _vague_km(other):
        return False
    if isinstance(one.bulletin, Szr) and isinstance(other.bulletin, Szr):
        rows, beside = one.bulletin.content.drugs, other.bulletin.content.drugs
        return any(
            _family(a.drug) == _family(b.drug) and _overlap(a.quantity, b.quantity)
            for a in rows
            for b in beside
        ) or (not rows and not beside)
    return True


def _family(drug: str) -> str:
    return drug.partition("-")[0]


def _overlap(one: Quantity, other: Quantity) -> bool:
    pairs = [
        (kilograms(one), kilograms(other)),
        (one.packages, other.packages),
        (one.value, other.value) if one.unit == other.unit else (None, None),
    ]
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    return not known or any(abs(a - b) <= NEAR_PART * max(a, b) for a, b in known)


def _place(report: Report) -> Place:
    says = report.bulletin
    return says.content.area if isinstance(says, Opn) else says.content.place


def _vague_km(report: Report) -> float:
    return (_place(report).accuracy_m or 0.0) / 1000


def _apart_km(one: Report, other: Report) -> float | None:
    """Return how far apart two are, by the middles of their places, to 100 m; None: unknown."""
    here, there = _place(one), _place(other)
    first, second = _middle(here), _middle(there)
    if first is None or second is None:
        is_port = here.locode is not None and here.locode == there.locode
        return 0.0 if is_port else None
    wide = abs(first[0] - second[0])
    east = min(wide, 360 - wide) * cos(radians((first[1] + second[1]) / 2))
    return round(hypot(east, first[1] - second[1]) * _KM_PER_DEGREE, 1)


def _middle(place: Place) -> tuple[float, float] | None:
    geometry = place.geometry
    if geometry is None:
        return None
    if isinstance(geometry, Point):
        return geometry.coordinates
    if isinstance(geometry, LineString):
        points = geometry.coordinates
    else:
        points = geometry.coordinates[0]
    lons, lats = [each[0] for each in points], [each[1] for each in points]
    return (min(lons) + max(lons)) / 2, (min(lats) + max(lats)) / 2
