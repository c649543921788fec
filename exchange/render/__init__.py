"""Any word of the exchange as text a person reads, in Spanish or English."""

from exchange.render.difference import claim, diff
from exchange.render.outline import Part, outline
from exchange.render.page import heading, page
from exchange.render.refusal import (
    Problem,
    RefusalTexts,
    expected,
    indicator,
    reason,
    refusal,
    refusal_text,
)
from exchange.render.visible import lines, visible

__all__ = [
    "Part",
    "Problem",
    "RefusalTexts",
    "claim",
    "diff",
    "expected",
    "heading",
    "indicator",
    "lines",
    "outline",
    "page",
    "reason",
    "refusal",
    "refusal_text",
    "visible",
]
