"""STIX 2.1: a report about a bulletin, and an object for each thing STIX has words for.

The report carries the whole bulletin in an extension, so that nothing is lost between two who
know it; others still read the report's text, its places, sightings, people and relations.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from exchange import render
from exchange.gateway import members
from exchange.gateway.cover import moment
from exchange.gateway.stix_parts import Bundle, to_millisecond
from exchange.model.bulletin import blocks, boarding, migration, networks, operational
from exchange.model.bulletin import operations as ops
from exchange.model.bulletin import shape as shapes
from exchange.model.bulletin.people import Person
from exchange.model.bulletin.wanted import CommonCrime

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.gateway.cover import Cover
    from exchange.gateway.members import Found
    from exchange.model.bulletin import Bulletin
    from exchange.model.codes import Codes, Lang

# STIX 2.1, appendix A: the Admiralty credibility as a confidence; 6, not to be judged, is none.
_CONFIDENCE = {"1": 90, "2": 70, "3": 50, "4": 30, "5": 10}
_EARTH_M = 6_371_000
# Of text that nobody reads in columns, lines are as long as their author made them.
_UNBROKEN = 100_000


def write(bulletin: Bulletin, cover: Cover, lang: Lang, codes: Codes) -> bytes:
    """Return a bundle; ``lang`` is the language of what its objects say in words."""
    form, values = shapes.of(bulletin.type), members.plain(bulletin)
    made = _Maker(Bundle(bulletin, cover, codes), values, lang)
    for found in members.structs(form, values):
        maker = _MAKERS.get(found.form.struct or object)
        if maker is not None:
            maker(made, found)
    made.relate()
    _report(made, bulletin, cover, lang, codes)
    return made.bundle.write()


def _report(made: _Maker, bulletin: Bulletin, cover: Cover, lang: Lang, codes: Codes) -> None:
    values = made.values
    grading = values.get("grading") or {}
    report = made.bundle.add(
        "report",
        "",
        name=made.title,
        lang=lang,
        description=render.page(bulletin, lang, codes, _UNBROKEN),
        report_types=["threat-report"],
        published=moment(cover.issued),
        confidence=_CONFIDENCE.get(grading.get("credibility", "")),
        labels=[cover.status, bulletin.type],
        object_refs=made.ids or [made.bundle.originator],
        external_references=_references(bulletin, cover),
        extensions=made.bundle.extension("bulletin", values),
    )
    title = values["title"]
    told = {each["lang"]: each["text"] for each in [title, *title.get("translations", [])]}
    contents = {other: {"name": text} for other, text in told.items() if other != lang}
    if contents:
        made.bundle.add(
            "language-content",
            "title",
            object_ref=report,
            object_modified=to_millisecond(cover.issued),
            contents=contents,
        )


def _references(bulletin: Bulletin, cover: Cover) -> list[dict[str, str]]:
    own = {"source_name": "exchange", "external_id": bulletin.id}
    others = (
        {"source_name": "exchange", "description": ref.rel, "external_id": ref.id}
        for ref in cover.refs
    )
    return [own, *others]


class _Maker:
    """Makes objects of the structs of one bulletin, and remembers which is which."""

    def __init__(self, bundle: Bundle, values: dict[str, Any], lang: Lang) -> None:
        self.bundle = bundle
        self.values = values
        self.title = members.in_words(values["title"], lang)
        self._lang: Lang = lang
        self.ids: list[str] = []
        self._by_ref: dict[str, str] = {}
        self._links: list[Found] = []
        self._flows: list[Found] = []
        self._places: dict[tuple[str, ...], str] = {}
        self._vessels: dict[tuple[str, ...], str] = {}
        self._sightings: list[Found] = []

    def _add(self, kind: str, found: Found, extension: str, **properties: Any) -> str:
        """Add an object with our extension; what has an object of its own is left to that."""
        told = {
            member.name: found.value[member.name]
            for member in found.form.members
            if member.name in found.value and not _has_own(member.shape)
        }
        if told:
            properties["extensions"] = self.bundle.extension(extension, told)
        made = self.bundle.add(kind, "/".join(found.path), **properties)
        self.ids.append(made)
        if "ref" in found.value:
            self._by_ref[found.value["ref"]] = made
        return made

    def _text(self, text: dict[str, Any] | None) -> str:
        return "" if text is None else members.in_words(text, self._lang)

    def vessel(self, found: Found) -> None:
        value = found.value
        known = (
            value.get(name) for name in ("name", "call_sign", "imo", "mmsi", "vessel_type")
        )
        name = next((each for each in known if each), "vessel")
        aliases = value.get("former_names", [])
        made = self._add("infrastructure", found, "vessel", name=name, aliases=aliases)
        self._vessels[found.path[:-1]] = made

    def place(self, found: Found) -> None:
        located = _located(found.value)
        if located:
            made = self._add(
                "location", found, "place", name=found.value.get("name"), **located
            )
            self._places[found.path] = made

    def sighting(self, found: Found) -> None:
        # The place in it comes after it, and the vessel beside it may.
        self._sightings.append(found)

    def seizure(self, found: Found) -> None:
        self._add("incident", found, "seizure", name=self.title)

    def boarding(self, found: Found) -> None:
        findings = self._text(found.value.get("findings"))
        self._add("incident", found, "boarding", name=self.title, description=findings)

    def notice(self, found: Found) -> None:
        request = self._text(found.value.get("request"))
        self._add("incident", found, "notice", name=self.title, description=request)

    def network(self, found: Found) -> None:
        value = found.value
        self._add(
            "threat-actor",
            found,
            "network",
            name=value["network"],
            description=self._text(value["summary"]),
            threat_actor_types=["crime-syndicate"],
        )

    def person(self, found: Found) -> None:
        value = found.value
        called = " ".join(value[n] for n in ("given_names", "surname") if n in value)
        names = [called, value.get("native_name"), *value.get("aliases", [])]
        name = next((each for each in names if each), value["ref"])
        self._add("identity", found, "person", name=name, identity_class="individual")

    def organization(self, found: Found) -> None:
        value = found.value
        told = self._text(value.get("description"))
        kind = "organization"
        self._add(
            "identity", found, kind, name=value["name"], identity_class=kind, description=told
        )

    def account(self, found: Found) -> None:
        value = found.value
        number = value.get("iban") or value.get("account_number") or value["ref"]
        self._add("infrastructure", found, "account", name=number)

    def wallet(self, found: Found) -> None:
        self._add("infrastructure", found, "wallet", name=found.value["address"])

    def property(self, found: Found) -> None:
        told = self._text(found.value["description"])
        name = found.value["property_kind"]
        self._add("infrastructure", found, "property", name=name, description=told)

    def operation(self, found: Found) -> None:
        self._add("course-of-action", found, "operation", name=found.value["code_name"])

    def flow(self, found: Found) -> None:
        self._flows.append(found)

    def link(self, found: Found) -> None:
        self._links.append(found)

    def relate(self) -> None:
        """Add what refers to others, now that all of those are there."""
        for found in self._sightings:
            self._sight(found)
        for found in self._links:
            self._link(found)
        for found in self._flows:
            # A grouping needs something to group: the place, else who reports.
            refs = [self._places.get((*found.path, "place"), self.bundle.originator)]
            self._add(
                "grouping",
                found,
                "flow",
                name=self.title,
                context="unspecified",
                object_refs=refs,
            )

    def _sight(self, found: Found) -> None:
        vessel = self._vessels[found.path[:-1]]
        where = self._places.get((*found.path, "place"), self.bundle.originator)
        at = found.value["at"]
        self._add(
            "sighting",
            found,
            "sighting",
            sighting_of_ref=vessel,
            where_sighted_refs=[where],
            first_seen=at,
            last_seen=at,
            count=1,
        )

    def _link(self, found: Found) -> None:
        value = found.value
        is_link = "link_kind" in value
        self._add(
            "relationship",
            found,
            "link" if is_link else "transfer",
            relationship_type=value["link_kind"] if is_link else "transfers-to",
            source_ref=self._by_ref[value["from_ref"]],
            target_ref=self._by_ref[value["to_ref"]],
            description=self._text(value.get("description")),
            start_time=value.get("valid_from"),
            stop_time=value.get("valid_until"),
        )


_MAKERS: dict[type, Callable[[_Maker, Found], None]] = {
    blocks.Vessel: _Maker.vessel,
    blocks.Place: _Maker.place,
    operational.Sighting: _Maker.sighting,
    operational.Seizure: _Maker.seizure,
    boarding.BoardingResult: _Maker.boarding,
    migration.MigrationFlow: _Maker.flow,
    networks.CrimeNetwork: _Maker.network,
    networks.SmugglingNetwork: _Maker.network,
    networks.Organization: _Maker.organization,
    networks.Account: _Maker.account,
    networks.Wallet: _Maker.wallet,
    networks.Property: _Maker.property,
    networks.Link: _Maker.link,
    networks.Transfer: _Maker.link,
    ops.JointOperation: _Maker.operation,
    Person: _Maker.person,
    CommonCrime: _Maker.notice,
}


def _has_own(form: shapes.Shape) -> bool:
    return any(inner.struct in _MAKERS for inner in shapes.every(form))


def _located(place: dict[str, Any]) -> dict[str, Any]:
    """Return where STIX would say it is; nothing where it cannot: it has no mere names."""
    told: dict[str, Any] = {}
    code = place.get("subdivision") or place.get("locode")
    if code:
        told["country"] = code[:2]
    if "subdivision" in place:
        told["administrative_area"] = place["subdivision"]
    if "geometry" in place:
        told |= _middle(place["geometry"], place.get("accuracy_m", 0))
    return told


def _middle(geometry: dict[str, Any], accuracy_m: float) -> dict[str, float]:
    """Return the middle of a geometry's box, and how far from it the farthest corner lies."""
    coordinates = geometry["coordinates"]
    points = {"Point": [coordinates], "LineString": coordinates}.get(geometry["type"])
    corners = coordinates[0] if points is None else points
    west, east = min(x for x, _ in corners), max(x for x, _ in corners)
    south, north = min(y for _, y in corners), max(y for _, y in corners)
    latitude, longitude = (south + north) / 2, (west + east) / 2
    wide = math.radians(east - longitude) * math.cos(math.radians(latitude))
    reach = _EARTH_M * math.hypot(wide, math.radians(north - latitude)) + accuracy_m
    told = {"latitude": latitude, "longitude": longitude}
    return {**told, **({"precision": round(reach, 1)} if reach else {})}
