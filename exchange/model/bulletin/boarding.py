"""Boarding a vessel with its flag State's leave: request (BRQ), reply (BRP), result (BRR).

After the three model forms of the UNODC guide on article 17 of the 1988 Convention.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from exchange.model.bulletin import words as w
from exchange.model.bulletin.blocks import (
    Block,
    Contact,
    Headcount,
    Place,
    Target,
    Text,
    Vessel,
)
from exchange.model.bulletin.operational import Sighting


class BoardingRequest(Block, frozen=True):
    """What is asked of the flag State, and on what grounds.

    How long it may take to answer, and what its silence means, is in the arrangement, under
    the bulletin's ``regime``.
    """

    requesting_authority: w.Line
    unit_on_scene: w.Line
    shiprider_aboard: bool
    vessel: Vessel
    claimed_nationality: w.Country
    nationality_claim: w.NationalityClaim
    seen: Sighting
    offences: Annotated[list[w.Offence], Meta(min_length=1, max_length=10)]
    suspicion: Text
    actions_sought: Annotated[list[w.BoardingAction], Meta(min_length=1, max_length=4)]
    legal_basis: Text
    reply_by: w.Time
    contacts: Annotated[list[Contact], Meta(min_length=1, max_length=5)]
    investigating_authority: w.Line | None = None
    assurances: Text | None = None


class BoardingReply(Block, frozen=True):
    """What the flag State finds and decides."""

    target: Target
    nationality_finding: w.NationalityFinding
    boarding_decision: w.BoardingDecision
    jurisdiction: w.Jurisdiction
    authorising_officer: w.Line
    actions_authorised: Annotated[list[w.BoardingAction], Meta(max_length=4)] = field(
        default_factory=list
    )
    conditions: Text | None = None
    explanation: Text | None = None
    valid_until: w.Time | None = None


class Handover(Block, frozen=True):
    """To whom vessel, persons and evidence were given, where and when."""

    at: w.Time
    place: Place
    authority: w.Line


class BoardingResult(Block, frozen=True):
    """What was found and done, perhaps without a request: then it says which vessel.

    People are counted, never named.
    """

    boarded_at: w.Time
    ended_at: w.Time
    unit_on_scene: w.Line
    place: Place
    consent_basis: w.ConsentBasis
    force: w.Force
    findings: Text
    disposition: w.Disposition
    target: Target | None = None
    vessel: Vessel | None = None
    aboard: Annotated[list[Headcount], Meta(max_length=200)] = field(default_factory=list)
    force_account: Text | None = None
    damage: Text | None = None
    evidence: Text | None = None
    handover: Handover | None = None
