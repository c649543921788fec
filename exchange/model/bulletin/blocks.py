"""The blocks that bulletins share: text, grading, place, quantity, vessel and their like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct, field

from exchange.model.bulletin import words as w

if TYPE_CHECKING:
    from exchange.model.header import Reference


class Block(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What every part of a bulletin is: immutable, and closed to members it does not know.

    A member that is not given is left out; ``null`` is read as not given.
    """


class Translation(Block, frozen=True):
    """A text in another language, whose translation it is, and how it was made."""

    lang: w.Language
    text: w.Prose
    by: w.Line
    how: w.TranslationWay


class Text(Block, frozen=True):
    """Free text: the original in its language; translations never replace it."""

    lang: w.Language
    text: w.Prose
    translations: Annotated[list[Translation], Meta(max_length=4)] = field(default_factory=list)


class Grading(Block, frozen=True):
    """Reliability of the source A-F and credibility of the information 1-6 (Admiralty)."""

    reliability: w.Reliability
    credibility: w.Credibility


Position = tuple[w.Longitude, w.Latitude]


class Point(Block, frozen=True, tag_field="type", tag="Point"):
    """A GeoJSON point (RFC 7946): longitude and latitude in degrees, WGS 84."""

    coordinates: Position


class LineString(Block, frozen=True, tag_field="type", tag="LineString"):
    """A GeoJSON line: a track or a route."""

    coordinates: Annotated[list[Position], Meta(min_length=2, max_length=500)]


Ring = Annotated[list[Position], Meta(min_length=4, max_length=500)]


class Polygon(Block, frozen=True, tag_field="type", tag="Polygon"):
    """A GeoJSON polygon: closed rings, the outer one first."""

    coordinates: Annotated[list[Ring], Meta(min_length=1, max_length=8)]


Geometry = Point | LineString | Polygon


class Place(Block, frozen=True):
    """Where: geometry, a port, or at least a name."""

    geometry: Geometry | None = None
    accuracy_m: w.Metres | None = None
    zone: w.Zone | None = None
    locode: w.Locode | None = None
    subdivision: w.Subdivision | None = None
    name: w.Line | None = None


class Quantity(Block, frozen=True):
    """How much, and how well it is known. Packages are counted and never become kilograms."""

    qualifier: w.Qualifier
    count: w.CountKind
    value: w.Amount | None = None
    unit: w.Unit | None = None
    basis: w.Basis | None = None
    packages: w.Number | None = None


class Money(Block, frozen=True):
    """An amount in a currency (ISO 4217), in its main unit."""

    amount: w.Amount
    currency: w.Currency


class Engines(Block, frozen=True):
    """How many engines, and the power of each in hp."""

    n: w.Number
    power_hp: w.Amount | None = None


class Vessel(Block, frozen=True):
    """A vessel as it was described; a good check digit makes no number true."""

    name: w.Line | None = None
    former_names: Annotated[list[w.Line], Meta(max_length=20)] = field(default_factory=list)
    flag: w.Country | None = None
    vessel_type: w.VesselType | None = None
    imo: w.Imo | None = None
    mmsi: w.Mmsi | None = None
    call_sign: w.CallSign | None = None
    official_number: w.Line | None = None
    home_port: w.Locode | None = None
    length_m: w.Metres | None = None
    beam_m: w.Metres | None = None
    gross_tonnage: w.Number | None = None
    colour: Text | None = None
    engines: Engines | None = None


class Container(Block, frozen=True):
    """A freight container (ISO 6346) and the seal it carried."""

    container_number: w.ContainerNumber
    seal: w.Line | None = None


class Contact(Block, frozen=True):
    """A desk that answers, by day and night: an office, not a person."""

    office: w.Line
    phone: w.Phone | None = None
    radio: w.Line | None = None


class Headcount(Block, frozen=True):
    """A number of people by nationality, sex and age band: people counted, never named."""

    n: w.Number
    nationality: w.Country
    sex: w.Sex
    age_band: w.AgeBand


class Target(Block, frozen=True):
    """The bulletin that this one corrects, cancels or answers."""

    id: w.Id
    origin: w.Member
    type: w.BulletinType
    header_digest: w.HeaderDigest | None = None

    def is_of(self, reference: Reference) -> bool:
        """Tell whether a header's reference names the same bulletin."""
        return self.id == reference.id and self.header_digest in (
            None,
            reference.header_digest,
        )


class Period(Block, frozen=True):
    """From ``start`` up to, not including, ``end``."""

    start: w.Time
    end: w.Time


class Attachment(Block, frozen=True):
    """A file that travels beside the bulletin, sealed under a key of its own.

    ``size`` and ``digest`` are of the file as its author had it; the header names what travels.
    """

    name: w.Line
    media_type: w.MediaType
    size: w.Octets
    digest: w.Digest
    key: w.Key
