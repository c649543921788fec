"""What looks odd in a valid bulletin: warnings for a person to weigh, never a refusal."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from exchange.model.bulletin import (
    amendments,
    blocks,
    boarding,
    networks,
    operational,
    operations,
    shape,
    weighing,
    written,
)
from exchange.model.bulletin.kinds import Voi, seen_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exchange.errors import Fact
    from exchange.model.bulletin.kinds import AnyBulletin, Bulletin
    from exchange.model.bulletin.shape import Shape
    from exchange.model.bulletin.strangers import Unknown
    from exchange.model.codes import Codes

_YEAR_S = 31_556_952
# A date further from issue than so many years is odd. Records speak of the past on purpose.
_YEARS = {"sta": 20, "dlg": 20, "smg": 20, "ocn": 20, "crm": 20}
_YEARS_OF_REPORTS = 2
# Clocks differ: what was seen a moment after issue is not odd.
_SKEW_S = 300
_DAY_S = 86_400
# Where bulletins of these two nations are about: both coasts of the Americas, in degrees.
_WEST, _EAST, _SOUTH, _NORTH = -130.0, -30.0, -60.0, 60.0
# Rules of ``written`` on people; the others are on packages.
_SMALL = ("small-cell", "small-cell-total")


class Indicator(msgspec.Struct, frozen=True):
    """One oddity: its code, the JSON pointer of the member, and the facts of its sentence."""

    code: str
    at: str
    facts: dict[str, Fact]


class _Look(NamedTuple):
    codes: Codes
    issued: int
    years: int


def indicators(bulletin: Bulletin, codes: Codes, issued: int) -> list[Indicator]:
    """Return what looks odd, in the order of the members.

    Codes: ``flag-mmsi`` (the MMSI's prefix is another flag's), ``eta-before-seen``,
    ``port-unknown`` (well-formed, but not in our list of ports), ``date-far`` (years from its
    issue), ``after-issue`` (said to have happened, and later than its issue),
    ``due-before-issue`` (nobody can answer by then), ``over-before-issue`` (an authorization, a
    window or a plan that had ended when it was issued), ``observed-apart`` (over a day from
    when the content says it happened), ``network-bare`` (nobody and nothing of it is listed),
    ``position-swapped`` and ``position-hemisphere`` (outside the region, and inside it with
    latitude and longitude, or east and west, exchanged); and those of ``doubts``.

    Args:
        bulletin: decoded.
        codes: the code lists.
        issued: when it is, or would be, issued; seconds UTC.
    """
    look = _Look(codes, issued, _YEARS.get(bulletin.type, _YEARS_OF_REPORTS))
    return [
        *_happened(bulletin.observed, "/observed", look),
        *_apart(bulletin, look),
        *_due(bulletin, issued),
        *_walk(shape.of(bulletin.type), bulletin, "", look),
        *doubts(bulletin),
    ]


def doubts(bulletin: AnyBulletin, unknown: Sequence[Unknown] = ()) -> list[Indicator]:
    """Return what whoever reads a bulletin is warned of, however it came: see ``written``.

    Codes: ``small-number`` (it may tell how many people are in a small cell),
    ``packages-as-weight`` (as many kilograms as packages of a drug),
    ``packages-beside-estimate`` (packages of it, and a weight that nobody weighed) and, of a
    correction, what ``turned`` tells.

    Args:
        bulletin: decoded.
        unknown: what of it is of a newer version.
    """
    found = list(written.breaches(bulletin, unknown))
    small = [Indicator("small-number", each.at, {}) for each in found if each.rule in _SMALL]
    apart = [each.at for each in found if each.rule not in _SMALL]
    drugs = [*small, *_drugs(weighing.of_text(bulletin), apart)]
    if isinstance(bulletin.content, amendments.Correction):
        drugs += turned(weighing.of_correction(bulletin.content))
    return drugs


def turned(told: weighing.Told) -> list[Indicator]:
    """Return where a bulletin told packages, and its correction or update a guessed weight.

    Code: ``packages-to-weight``.

    Args:
        told: what each of the two tells.
    """
    return [
        Indicator("packages-to-weight", f"{each.at}/value", {})
        for each in weighing.may_have_turned(told)
    ]


def _drugs(rows: Sequence[weighing.Row], guessed: Sequence[str]) -> Iterator[Indicator]:
    """Tell of weights that may be packages: by their number, or by a guess beside them."""
    for each in rows:
        weight_kg = weighing.kilograms(each.quantity)
        same = [other for other in rows if other.drug == each.drug]
        if any(weighing.is_as_many(weight_kg, other.quantity.packages) for other in same):
            yield Indicator("packages-as-weight", f"{each.at}/value", {})
        elif each.is_guessed and (each.quantity.packages or any(o.counted for o in same)):
            yield Indicator("packages-beside-estimate", f"{each.at}/value", {})
    known = {f"{each.at}/basis" for each in rows}
    for at in guessed:
        if at not in known:
            yield Indicator("packages-beside-estimate", at, {})


def _walk(form: Shape, value: Any, at: str, look: _Look) -> Iterator[Indicator]:
    if value is None:
        return
    if form.kind == "struct":
        yield from _struct(value, at, look)
        for member in form.members:
            yield from _walk(
                member.shape, getattr(value, member.name), f"{at}/{member.name}", look
            )
    elif form.kind == "list":
        for number, inner in enumerate(value):
            yield from _walk(form.items[0], inner, f"{at}/{number}", look)
    elif form.kind == "time":
        if abs(value.timestamp() - look.issued) > look.years * _YEAR_S:
            yield Indicator("date-far", at, {"limit": look.years})
    elif form.names and not look.codes.has(form.names, value):
        yield Indicator("port-unknown", at, {"found": value})


def _struct(value: object, at: str, look: _Look) -> Iterator[Indicator]:
    match value:
        case blocks.Vessel():
            yield from _flag(value, at, look.codes)
        case networks.CrimeNetwork():
            yield from _network(value, at)
        case blocks.Place():
            yield from _geometry(value.geometry, f"{at}/geometry/coordinates")
        case operational.VesselOfInterest(seen=seen, eta=eta):
            if seen is not None and eta is not None and eta < seen.at:
                yield Indicator("eta-before-seen", f"{at}/eta", {})
        case operational.Sighting() | operational.CustodyStep() | boarding.Handover():
            yield from _happened(value.at, f"{at}/at", look)
        case operational.Seizure():
            yield from _happened(value.seized_at, f"{at}/seized_at", look)
        case boarding.BoardingResult():
            yield from _happened(value.ended_at, f"{at}/ended_at", look)
        case _:
            yield from _ends(value, at, look)


def _ends(value: object, at: str, look: _Look) -> Iterator[Indicator]:
    match value:
        case boarding.BoardingReply(valid_until=until) if until is not None:
            yield from _over(until, f"{at}/valid_until", look)
        case operations.Deconfliction(deconfliction_step="open"):
            yield from _over(value.window.end, f"{at}/window/end", look)
        case operations.JointOperation(phase="proposed" | "planned"):
            yield from _over(value.period.end, f"{at}/period/end", look)
        case _:
            pass


def _flag(vessel: blocks.Vessel, at: str, codes: Codes) -> Iterator[Indicator]:
    if vessel.mmsi is None or vessel.flag is None:
        return
    mid = codes.word("mids", vessel.mmsi[:3])
    if mid is not None and mid.of != vessel.flag:
        facts: dict[str, Fact] = {"flag": vessel.flag, "found": mid.of or "", "mid": mid.code}
        yield Indicator("flag-mmsi", f"{at}/mmsi", facts)


def _happened(when: datetime | None, at: str, look: _Look) -> Iterator[Indicator]:
    # What is years away is told as that.
    ahead = 0 if when is None else when.timestamp() - look.issued
    if _SKEW_S < ahead <= look.years * _YEAR_S:
        yield Indicator("after-issue", at, {})


def _over(when: datetime, at: str, look: _Look) -> Iterator[Indicator]:
    if -look.years * _YEAR_S <= when.timestamp() - look.issued < 0:
        yield Indicator("over-before-issue", at, {})


def _apart(bulletin: Bulletin, look: _Look) -> Iterator[Indicator]:
    seen = seen_at(bulletin.type, msgspec.to_builtins(bulletin.content))
    if bulletin.observed is None or not isinstance(seen, str):
        return
    when = datetime.strptime(seen, "%Y-%m-%dT%H:%M:%S%z")
    # A lookout may be for a vessel that was last seen long ago.
    is_lookout = isinstance(bulletin, Voi) and bulletin.content.notice == "lookout"
    # One that lies ahead is told as that.
    is_ahead = max(bulletin.observed, when).timestamp() - look.issued > _SKEW_S
    apart_s = abs((bulletin.observed - when).total_seconds())
    if _DAY_S < apart_s <= look.years * _YEAR_S and not (is_lookout or is_ahead):
        yield Indicator("observed-apart", "/observed", {})


def _network(network: networks.CrimeNetwork, at: str) -> Iterator[Indicator]:
    named = (network.persons, network.organizations, network.accounts, network.wallets)
    if not any((*named, network.properties)):
        yield Indicator("network-bare", at, {})


def _due(bulletin: Bulletin, issued: int) -> Iterator[Indicator]:
    if bulletin.due is not None and bulletin.due.timestamp() < issued:
        # A request says it in its content, where its author wrote it.
        is_asked = getattr(bulletin.content, "reply_by", None) is not None
        yield Indicator("due-before-issue", "/content/reply_by" if is_asked else "/due", {})


def _geometry(geometry: blocks.Geometry | None, at: str) -> Iterator[Indicator]:
    """Tell of the first odd position: the others of one geometry are odd in the same way."""
    for where, position in _positions(geometry, at):
        found = _oddity(*position, where)
        if found is not None:
            yield found
            return


def _positions(
    geometry: blocks.Geometry | None, at: str
) -> Iterator[tuple[str, blocks.Position]]:
    match geometry:
        case blocks.Point():
            yield at, geometry.coordinates
        case blocks.LineString():
            for number, position in enumerate(geometry.coordinates):
                yield f"{at}/{number}", position
        case blocks.Polygon():
            for ring, positions in enumerate(geometry.coordinates):
                for number, position in enumerate(positions):
                    yield f"{at}/{ring}/{number}", position
        case None:
            pass


def _oddity(longitude: float, latitude: float, at: str) -> Indicator | None:
    if _is_in_region(longitude, latitude):
        return None
    if _is_in_region(latitude, longitude):
        return Indicator("position-swapped", at, {})
    if _is_in_region(-longitude, latitude):
        return Indicator("position-hemisphere", at, {})
    return None


def _is_in_region(longitude: float, latitude: float) -> bool:
    return _WEST <= longitude <= _EAST and _SOUTH <= latitude <= _NORTH
