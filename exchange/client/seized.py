"""What the reports of one event tell of what was seized, and which of them counts."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from exchange.model.bulletin import Szr

if TYPE_CHECKING:
    from exchange.client.doubles import Event
    from exchange.client.reports import Report
    from exchange.model.bulletin.blocks import Quantity
    from exchange.model.bulletin.operational import DrugSeized

_TO_KG: Final = {"g": Decimal("0.001"), "kg": Decimal(1), "t": Decimal(1000)}


def drugs(report: Report) -> list[DrugSeized]:
    """Return what was seized: what has an official count does without the one of the field."""
    if not isinstance(report.bulletin, Szr):
        return []
    rows = report.bulletin.content.drugs
    official = {each.drug for each in rows if each.quantity.count == "official"}
    return [e for e in rows if e.quantity.count == "official" or e.drug not in official]


def weighing(event: Event) -> Report | None:
    """Return the report whose drugs count: the first that tells any."""
    return next((each for each in event.reports if drugs(each)), None)


def arresting(event: Event) -> Report | None:
    """Return the report whose arrests count: the first that tells any."""
    return next((each for each in event.reports if arrests(each)), None)


def arrests(report: Report) -> int:
    """Return how many were arrested, as it tells."""
    says = report.bulletin
    return sum(each.n for each in says.content.arrested) if isinstance(says, Szr) else 0


def amount(quantity: Quantity) -> tuple[str | None, Decimal | None]:
    """Return unit and value, weights in kg; no weight is made of packages."""
    if quantity.value is None:
        return None, None
    value = Decimal(repr(quantity.value))
    factor = _TO_KG.get(quantity.unit or "")
    return (quantity.unit, value) if factor is None else ("kg", value * factor)
