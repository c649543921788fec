"""The half-yearly dialogue: its statistics (STA) and its record (DLG)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from exchange.model.bulletin import words as w
from exchange.model.bulletin.blocks import Block, Period, Quantity, Text


class TypeCount(Block, frozen=True):
    """How many bulletins of one type were accepted."""

    type: w.BulletinType
    n: w.Number


class DrugTotal(Block, frozen=True):
    """The total of one drug over the period."""

    drug: w.Drug
    quantity: Quantity


class ResponseTime(Block, frozen=True):
    """Percentiles in whole seconds from issue to one step, over ``n`` bulletins."""

    precedence: w.Precedence
    step: w.Step
    n: w.Number
    p50_s: w.Seconds
    p90_s: w.Seconds
    p99_s: w.Seconds


class ReconciledEvent(Block, frozen=True):
    """An event that both sides reported, and whether their figures agree."""

    event: w.Line
    seized_at: w.Time
    bulletins: Annotated[list[w.Id], Meta(min_length=1, max_length=20)]
    reconciliation: w.Reconciliation
    quantity: Quantity | None = None


class PublishedFigure(Block, frozen=True):
    """A figure as it was published, with its source: quoted, never computed here."""

    year: w.Year
    drug: w.Drug
    quantity: Quantity
    source: Text


class Statistics(Block, frozen=True):
    """What the bulletins of a period add up to; both sides compute the same file."""

    period: Period
    counts: Annotated[list[TypeCount], Meta(max_length=50)]
    drug_totals: Annotated[list[DrugTotal], Meta(max_length=50)]
    arrests: w.Number | None = None
    operations: w.Number | None = None
    response_times: Annotated[list[ResponseTime], Meta(max_length=50)] = field(
        default_factory=list
    )
    reconciled: Annotated[list[ReconciledEvent], Meta(max_length=500)] = field(
        default_factory=list
    )
    published: Annotated[list[PublishedFigure], Meta(max_length=50)] = field(
        default_factory=list
    )


class Delegation(Block, frozen=True):
    """A nation at the table, by its offices: nobody is named."""

    nation: w.Country
    offices: Annotated[list[Text], Meta(min_length=1, max_length=20)]


class Meeting(Block, frozen=True):
    """When, where and between whom."""

    period: Period
    delegations: Annotated[list[Delegation], Meta(min_length=1, max_length=10)]
    venue: Text | None = None


class Decision(Block, frozen=True):
    """One decision under its number, counted from 1."""

    n: w.Ordinal
    decision: Text


class Initiative(Block, frozen=True):
    """A strategic initiative: how soon, whose, by when, and how it stands."""

    horizon: w.Horizon
    initiative: Text
    owners: Annotated[list[w.Country], Meta(min_length=1, max_length=10)]
    initiative_state: w.InitiativeState
    due: w.Time | None = None


class Support(Block, frozen=True):
    """Training or equipment, from one nation to the other."""

    support_kind: w.SupportKind
    given_by: w.Country
    received_by: w.Country
    description: Text
    n: w.Number | None = None


class Dialogue(Block, frozen=True):
    """The record of one meeting of the security dialogue."""

    meeting: Meeting
    agenda: Annotated[list[Text], Meta(min_length=1, max_length=50)]
    decisions: Annotated[list[Decision], Meta(max_length=50)]
    initiatives: Annotated[list[Initiative], Meta(max_length=100)] = field(default_factory=list)
    support: Annotated[list[Support], Meta(max_length=100)] = field(default_factory=list)
    next_review: w.Time | None = None
