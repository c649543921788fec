"""An irregular migration flow (MIG): counts of people, and never anybody in particular."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from exchange.model.bulletin import words as w
from exchange.model.bulletin.blocks import Block, Period, Place, Text

# A cell of fewer people points at them: it is given without its number.
SMALLEST_CELL = 5


class FlowCell(Block, frozen=True):
    """People of one nationality, sex and age; ``n`` is left out where they are fewer than 5."""

    nationality: w.Country
    sex: w.Sex
    minority: w.Minority
    n: w.Number | None = None


class VulnerableCount(Block, frozen=True):
    """People with one vulnerability; ``n`` is left out where they are fewer than 5."""

    vulnerability: w.Vulnerability
    n: w.Number | None = None


class MigrationFlow(Block, frozen=True):
    """Who passed one point in a period, counted."""

    period: Period
    place: Place
    direction: w.Direction
    flow: Annotated[list[FlowCell], Meta(min_length=1, max_length=500)]
    trend: w.Trend
    total_persons: w.Number | None = None
    vulnerable: Annotated[list[VulnerableCount], Meta(max_length=20)] = field(
        default_factory=list
    )
    transports: Annotated[list[w.Transport], Meta(max_length=10)] = field(default_factory=list)
    smuggling_signs: Annotated[list[Text], Meta(max_length=20)] = field(default_factory=list)
    humanitarian_need: Text | None = None
