"""Working at the same time in the same place: a joint operation (OPN), deconfliction (DCF)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from exchange.model.bulletin import words as w
from exchange.model.bulletin.blocks import Block, Contact, Period, Place, Target, Text


class UnitAssigned(Block, frozen=True):
    """A unit that takes part, of one nation."""

    nation: w.Country
    unit_kind: w.UnitKind
    unit_name: w.Line
    n: w.Number | None = None


class OperationResults(Block, frozen=True):
    """What came of it; the seizures are told by their own bulletins."""

    boardings: w.Number
    detained: w.Number
    summary: Text
    bulletins: Annotated[list[w.Id], Meta(max_length=100)] = field(default_factory=list)


class JointOperation(Block, frozen=True):
    """A plan, a schedule or a result, as ``phase`` says."""

    code_name: w.Line
    phase: w.Phase
    exercise: bool
    period: Period
    area: Place
    units: Annotated[list[UnitAssigned], Meta(min_length=1, max_length=100)]
    command: w.Line
    communications: Text | None = None
    rules_reference: w.Line | None = None
    results: OperationResults | None = None


class Deconfliction(Block, frozen=True):
    """Whether two sides look at the same subject or area, told without saying which.

    One side opens a window and gives its key. The others name their subjects by tokens under
    that key: HMAC-SHA-256, see ``seal.tokens``. Whoever finds one of its own answers.
    """

    deconfliction_step: w.DeconflictionStep
    window: Period
    cells: Annotated[list[w.Cell], Meta(min_length=1, max_length=200)]
    contact: Contact
    target: Target | None = None
    window_key: w.Key | None = None
    key_check: w.Token | None = None
    tokens: Annotated[list[w.Token], Meta(max_length=2000)] = field(default_factory=list)
    deconfliction_answer: w.DeconflictionAnswer | None = None
