"""What contradicts itself: a part above its sum, an end before its start, something of nothing.

Each rule refuses only what nobody can mean; what is merely odd is for ``indicators``. The tests
hold each to an honest neighbour that it must let pass.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from exchange.model.bulletin import (
    amendments,
    blocks,
    boarding,
    networks,
    operational,
    operations,
    records,
    requests,
    wanted,
)
from exchange.model.bulletin.demands import must

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

RULES = (
    "area-extent",
    "beam-within-length",
    "change-once",
    "consent-recipients",
    "counted-once",
    "estimated-not-exact",
    "extent",
    "handover-after-boarding",
    "link-ends",
    "more-than-nothing",
    "next-review-later",
    "not-to-itself",
    "property-vessel",
    "reply-after-seen",
    "response-within-counts",
    "smuggling-typology",
    "unit-of-drug",
)
# Square degrees: a hundredth of a square metre. Below it three positions lie on one line.
_NO_AREA = 1e-12


def _once(values: Sequence[Hashable], at: str) -> None:
    must(len(set(values)) == len(values), at, "counted-once")


def _more(number: float | None, at: str) -> None:
    must(number is None or number > 0, at, "more-than-nothing")


# --- where ---


def _line(line: blocks.LineString, at: str) -> None:
    must(len(set(line.coordinates)) > 1, f"{at}/coordinates", "extent")


def _polygon(polygon: blocks.Polygon, at: str) -> None:
    for number, ring in enumerate(polygon.coordinates):
        must(abs(_area(ring)) > _NO_AREA, f"{at}/coordinates/{number}", "extent")


def _area(ring: list[blocks.Position]) -> float:
    """Return the area inside a ring, in square degrees, signed by its direction."""
    x0, y0 = ring[0]
    # From the first position on, so that small rings far from the origin keep their digits.
    apart = [(x - x0, y - y0) for x, y in ring]
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise(apart)) / 2


def _vehicle(vehicle: wanted.Vehicle, at: str) -> None:
    known = (vehicle.vin, vehicle.chassis, vehicle.plate, vehicle.make, vehicle.model)
    # Nobody stops every white car.
    must(any(each is not None for each in known), at, "vehicle-described")


def _vessel(vessel: blocks.Vessel, at: str) -> None:
    for name in ("length_m", "beam_m", "gross_tonnage"):
        _more(getattr(vessel, name), f"{at}/{name}")
    length, beam = vessel.length_m, vessel.beam_m
    fits = length is None or beam is None or beam <= length
    must(fits, f"{at}/beam_m", "beam-within-length")


# --- what was done at sea and in port ---

_SOLID = frozenset(
    {"cannabis-herb", "cannabis-resin", "cannabis-plants", "cocaine-crack", "captagon"}
)
_NO_PLANT = frozenset(
    {
        *("cannabis-resin", "cannabis-oil", "cocaine-salts", "cocaine-base", "cocaine-crack"),
        *("morphine", "heroin", "amphetamine", "methamphetamine", "ecstasy", "captagon"),
        *("synthetic-opioids", "ketamine", "precursors"),
    }
)
_NO_TABLET = frozenset(
    {
        *("cannabis-herb", "cannabis-oil", "cannabis-plants"),
        *("cocaine-base", "cocaine-crack", "opium"),
    }
)
_WEIGHTS = frozenset({"g", "kg", "t"})
# Groups that come in no such unit; by weight comes every one.
_NOT_IN = {"L": _SOLID, "{plant}": _NO_PLANT, "{tbl}": _NO_TABLET}


def _quantity(quantity: blocks.Quantity, at: str) -> None:
    is_guess = quantity.basis == "estimated" and quantity.qualifier == "exact"
    must(not is_guess, f"{at}/qualifier", "estimated-not-exact")


def _of_drug(drug: str, quantity: blocks.Quantity, at: str) -> None:
    fits = drug not in _NOT_IN.get(quantity.unit or "", frozenset())
    must(fits, f"{at}/unit", "unit-of-drug")


def _total(figure: records.DrugTotal | records.PublishedFigure, at: str) -> None:
    _of_drug(figure.drug, figure.quantity, f"{at}/quantity")


def _drug(seized: operational.DrugSeized, at: str) -> None:
    quantity = seized.quantity
    _of_drug(seized.drug, quantity, f"{at}/quantity")
    _more(quantity.value, f"{at}/quantity/value")
    is_weight = quantity.unit in _WEIGHTS and quantity.count == "official"
    # Who does not say how it was weighed may have multiplied packages.
    must(
        not is_weight or quantity.basis is not None, f"{at}/quantity/basis", "official-weighed"
    )
    if quantity.value is None:
        _more(quantity.packages, f"{at}/quantity/packages")


def _heads(rows: list[blocks.Headcount], at: str) -> None:
    # Nobody could tell whether the second is more people or the same told again.
    _once([(each.nationality, each.sex, each.age_band) for each in rows], at)


def _seizure(content: operational.Seizure, at: str) -> None:
    _once([each.container_number for each in content.containers], f"{at}/containers")
    _heads(content.arrested, f"{at}/arrested")
    for place, money in enumerate(content.cash):
        _more(money.amount, f"{at}/cash/{place}/amount")
    for place, goods in enumerate(content.goods_seized):
        _more(goods.n, f"{at}/goods_seized/{place}/n")


def _request(content: boarding.BoardingRequest, at: str) -> None:
    must(content.seen.at < content.reply_by, f"{at}/reply_by", "reply-after-seen")


def _result(content: boarding.BoardingResult, at: str) -> None:
    _heads(content.aboard, f"{at}/aboard")
    given = content.handover
    fits = given is None or content.boarded_at <= given.at
    must(fits, f"{at}/handover/at", "handover-after-boarding")


def _operation(content: operations.JointOperation, at: str) -> None:
    area = content.area
    named = any(part is not None for part in (area.locode, area.subdivision, area.name))
    is_spot = isinstance(area.geometry, blocks.Point) and not area.accuracy_m
    must(named or not is_spot, f"{at}/area", "area-extent")
    for place, unit in enumerate(content.units):
        _more(unit.n, f"{at}/units/{place}/n")


# --- people on the move, and networks ---


def _smuggling(content: networks.SmugglingNetwork, at: str) -> None:
    wanted = _TYPOLOGIES.get(content.smuggling_kind, frozenset())
    must(wanted <= set(content.typologies), f"{at}/typologies", "smuggling-typology")
    _network(content, at)


_TYPOLOGIES = {
    "smuggling": frozenset({"migrant-smuggling"}),
    "trafficking": frozenset({"trafficking-in-persons"}),
    "both": frozenset({"migrant-smuggling", "trafficking-in-persons"}),
}


def _network(content: networks.CrimeNetwork, at: str) -> None:
    passive = {each.ref for each in content.accounts}
    passive |= {each.ref for each in content.wallets}
    for place, link in enumerate(content.links):
        for end in _ENDS.get(link.link_kind, ()):
            acts = getattr(link, end) not in passive
            must(acts, f"{at}/links/{place}/{end}", "link-ends")


# At these ends stands somebody, or something run by somebody: no account, no wallet.
_BOTH = ("from_ref", "to_ref")
_ENDS = {"leads": _BOTH, "works-for": _BOTH, "meets": _BOTH, "owns": ("from_ref",)}


def _link(link: networks.Link, at: str) -> None:
    must(link.from_ref != link.to_ref, f"{at}/to_ref", "not-to-itself")


def _transfer(transfer: networks.Transfer, at: str) -> None:
    must(transfer.from_ref != transfer.to_ref, f"{at}/to_ref", "not-to-itself")
    _more(transfer.money.amount, f"{at}/money/amount")


def _property(owned: networks.Property, at: str) -> None:
    fits = owned.vessel is None or owned.property_kind not in _NO_VESSEL
    must(fits, f"{at}/vessel", "property-vessel")


_NO_VESSEL = frozenset({"real-estate", "vehicle", "aircraft", "cash"})


# --- between desks ---


def _consent(content: requests.ReleaseConsent, at: str) -> None:
    to = content.proposed_to
    # Who sent it, or asked for it, has it.
    fits = content.target.origin not in to and len(set(to)) == len(to)
    must(fits, f"{at}/proposed_to", "consent-recipients")


def _correction(content: amendments.Correction, at: str) -> None:
    pointers = [f"{each.pointer}/" for each in content.changes]
    for place, pointer in enumerate(pointers):
        others = pointers[:place]
        apart = not any(pointer.startswith(o) or o.startswith(pointer) for o in others)
        must(apart, f"{at}/changes/{place}/pointer", "change-once")


def _statistics(content: records.Statistics, at: str) -> None:
    _once([each.type for each in content.counts], f"{at}/counts")
    totals = [(t.drug, t.quantity.unit, t.quantity.count) for t in content.drug_totals]
    _once(totals, f"{at}/drug_totals")
    times = content.response_times
    _once([(each.precedence, each.step) for each in times], f"{at}/response_times")
    told = [(p.year, p.drug, p.quantity.unit) for p in content.published]
    _once(told, f"{at}/published")
    accepted, over = sum(each.n for each in content.counts), dict[str, int]()
    for place, each in enumerate(times):
        over[each.step] = over.get(each.step, 0) + each.n
        fits = not content.counts or over[each.step] <= accepted
        must(fits, f"{at}/response_times/{place}/n", "response-within-counts")


def _response(response: records.ResponseTime, at: str) -> None:
    _more(response.n, f"{at}/n")


def _event(event: records.ReconciledEvent, at: str) -> None:
    _once(event.bulletins, f"{at}/bulletins")


def _dialogue(content: records.Dialogue, at: str) -> None:
    meeting = content.meeting
    nations = [each.nation for each in meeting.delegations]
    _once(nations, f"{at}/meeting/delegations")
    again = content.next_review
    fits = again is None or again >= meeting.period.end
    must(fits, f"{at}/next_review", "next-review-later")


def _support(support: records.Support, at: str) -> None:
    must(support.given_by != support.received_by, f"{at}/received_by", "not-to-itself")
    _more(support.n, f"{at}/n")


OF_STRUCT: dict[type, Callable[[Any, str], None]] = {
    blocks.LineString: _line,
    blocks.Polygon: _polygon,
    blocks.Vessel: _vessel,
    wanted.Vehicle: _vehicle,
    blocks.Quantity: _quantity,
    operational.DrugSeized: _drug,
    operational.Seizure: _seizure,
    boarding.BoardingRequest: _request,
    boarding.BoardingResult: _result,
    operations.JointOperation: _operation,
    networks.CrimeNetwork: _network,
    networks.SmugglingNetwork: _smuggling,
    networks.Link: _link,
    networks.Transfer: _transfer,
    networks.Property: _property,
    requests.ReleaseConsent: _consent,
    amendments.Correction: _correction,
    records.Statistics: _statistics,
    records.ResponseTime: _response,
    records.DrugTotal: _total,
    records.PublishedFigure: _total,
    records.ReconciledEvent: _event,
    records.Dialogue: _dialogue,
    records.Support: _support,
}
