"""What happens at sea and in port: a vessel of interest (VOI), a seizure (SZR)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from exchange.model.bulletin import words as w
from exchange.model.bulletin.blocks import (
    Block,
    Container,
    Headcount,
    Money,
    Place,
    Quantity,
    Text,
    Vessel,
)


class Sighting(Block, frozen=True):
    """When and where the vessel was seen, and how it moved: degrees true, knots."""

    at: w.Time
    place: Place
    course_deg: w.Degrees | None = None
    speed_kn: w.Knots | None = None


class VesselOfInterest(Block, frozen=True):
    """A lookout for a vessel, or a sighting of one, and what is asked of those who meet it."""

    notice: w.Notice
    vessel: Vessel
    suspicion: Text
    action: w.Action
    seen: Sighting | None = None
    last_port: w.Locode | None = None
    next_port: w.Locode | None = None
    eta: w.Time | None = None
    persons_on_board: w.Number | None = None


class DrugSeized(Block, frozen=True):
    """One drug of a seizure; logos as they were on the packages."""

    drug: w.Drug
    quantity: Quantity
    purity_pct: w.Percent | None = None
    logos: Annotated[list[w.Line], Meta(max_length=50)] = field(default_factory=list)


class GoodsSeized(Block, frozen=True):
    """Arms, craft and other goods of a seizure."""

    goods: w.Goods
    description: Text
    n: w.Number | None = None


class Route(Block, frozen=True):
    """Where the cargo came from and was going (UN/LOCODE)."""

    loading_port: w.Locode | None = None
    transit_ports: Annotated[list[w.Locode], Meta(max_length=20)] = field(default_factory=list)
    destination_port: w.Locode | None = None


class CustodyStep(Block, frozen=True):
    """Who held the evidence from when on, under which seal."""

    at: w.Time
    custody_action: w.CustodyAction
    authority: w.Line
    seal: w.Line | None = None


class Seizure(Block, frozen=True):
    """One seizure. Arrests are counts; nobody is named here."""

    event: w.Line
    seized_at: w.Time
    place: Place
    modality: w.Modality
    conveyance: Vessel | None = None
    containers: Annotated[list[Container], Meta(max_length=50)] = field(default_factory=list)
    route: Route | None = None
    drugs: Annotated[list[DrugSeized], Meta(max_length=50)] = field(default_factory=list)
    cash: Annotated[list[Money], Meta(max_length=20)] = field(default_factory=list)
    goods_seized: Annotated[list[GoodsSeized], Meta(max_length=50)] = field(
        default_factory=list
    )
    arrested: Annotated[list[Headcount], Meta(max_length=200)] = field(default_factory=list)
    custody: Annotated[list[CustodyStep], Meta(max_length=50)] = field(default_factory=list)
