"""Common crime (CRM): persons wanted or missing; things stolen."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from exchange.model.bulletin import words as w
from exchange.model.bulletin.blocks import Block, Contact, Text, Vessel
from exchange.model.bulletin.people import Person, TravelDocument


class Vehicle(Block, frozen=True):
    """A road vehicle as it was described."""

    vin: w.Vin | None = None
    chassis: w.Chassis | None = None
    plate: w.Line | None = None
    plate_country: w.Country | None = None
    make: w.Line | None = None
    model: w.Line | None = None
    colour: Text | None = None


class Firearm(Block, frozen=True):
    """A firearm by what is stamped on it."""

    make: w.Line
    calibre: w.Line | None = None
    serial: w.Line | None = None


class CommonCrime(Block, frozen=True):
    """One notice about one person or one thing, and what to do when it is met."""

    notice_class: w.NoticeClass
    purpose: Text
    request: Text
    contact: Contact
    offences: Annotated[list[w.Offence], Meta(max_length=10)] = field(default_factory=list)
    warrant: w.Line | None = None
    court: w.Line | None = None
    person: Person | None = None
    vehicle: Vehicle | None = None
    vessel: Vessel | None = None
    hull_id: w.HullId | None = None
    firearm: Firearm | None = None
    document: TravelDocument | None = None
    imei: w.Imei | None = None
    cautions: Annotated[list[w.Caution], Meta(max_length=10)] = field(default_factory=list)
