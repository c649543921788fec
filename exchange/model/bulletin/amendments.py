"""Taking back: a correction (COR) and a cancellation (CAN); every holder acknowledges."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from exchange.model.bulletin import words as w
from exchange.model.bulletin.blocks import Block, Target, Text


class Change(Block, frozen=True):
    """One member, as it was and as it is: any JSON value; nothing means it was not given."""

    pointer: w.Pointer
    before: Any = None
    after: Any = None


class Correction(Block, frozen=True):
    """Which members of an earlier bulletin were wrong, and what they should say."""

    target: Target
    correction_reason: w.CorrectionReason
    explanation: Text
    changes: Annotated[list[Change], Meta(min_length=1, max_length=200)]
    must_purge: bool
    acknowledgement: w.AcknowledgementRule


class Cancellation(Block, frozen=True):
    """An earlier bulletin no longer holds."""

    target: Target
    cancellation_reason: w.CancellationReason
    must_purge: bool
    acknowledgement: w.AcknowledgementRule
    explanation: Text | None = None
