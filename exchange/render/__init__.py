"""Any word of the exchange as text a person reads, in Spanish or English."""

from exchange.render.difference import claim, diff
from exchange.render.page import heading, page
from exchange.render.refusal import (
    Problem,
    RefusalTexts,
    expected,
    indicator,
    refusal,
    refusal_text,
)
from exchange.render.visible import lines, visible

__all__ = [
    "Problem",
    "RefusalTexts",
    "claim",
    "diff",
    "expected",
    "heading",
    "indicator",
    "lines",
    "page",
    "refusal",
    "refusal_text",
    "visible",
]
