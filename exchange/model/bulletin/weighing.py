"""Packages never become kilograms: a weight beside packages, or in their place, was weighed.

What was estimated may be packages multiplied by a guess, and nobody could tell. What cannot be
told from it by a reader, its author does not write.
"""

from __future__ import annotations

from math import isclose
from typing import TYPE_CHECKING, Any

import msgspec

from exchange.model.bulletin import amendments, blocks, corrections
from exchange.model.bulletin.demands import must

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exchange.model.bulletin.kinds import Bulletin

RULES = ("weighed-beside-packages",)
[_RULE] = RULES
_IN_KG = {"g": 0.001, "kg": 1.0, "t": 1000.0}
_WEIGHED = ("bulk", "net")


def kilograms(quantity: blocks.Quantity) -> float | None:
    """Return how much it weighs; None where that is not told in a unit of weight."""
    factor = _IN_KG.get(quantity.unit or "")
    return None if factor is None or quantity.value is None else quantity.value * factor


def is_as_many(weight_kg: float | None, packages: int | None) -> bool:
    """Tell whether a weight is one kilogram for each package."""
    return bool(packages) and weight_kg is not None and isclose(weight_kg, packages or 0)


def check_written(bulletin: Bulletin) -> None:
    """Hold what an author writes anew: no estimate of a weight beside packages.

    What came from elsewhere, or is quoted, may say it: it could be written once.

    Raises:
        Refusal: ``wrong-value``, as ``rules.check``.
    """
    if isinstance(bulletin.content, amendments.Correction):
        told = [(s.typed(), s.at) for s in corrections.sides(bulletin.content) if not s.is_past]
    else:
        told = [(bulletin.content, "/content")]
    for value, at in told:
        for inner, quantity in _quantities(value, at):
            beside = quantity.packages is not None and _is_guessed(quantity)
            must(not beside, f"{inner}/basis", _RULE)


def check_replaced(before: Any, after: Any, at: str) -> None:
    """Hold one change: what told packages alone does not come to tell a weight unweighed.

    Args:
        before: what stood there, as what belongs there; None where nothing is told to have.
        after: what stands there now.
        at: where that is told.

    Raises:
        Refusal: ``wrong-value``, as ``rules.check``.
    """
    was, now = ([each for _, each in _quantities(side, "")] for side in (before, after))
    fewer_counted = sum(map(_is_counted, now)) < sum(map(_is_counted, was))
    more_guessed = sum(map(_is_guessed, now)) > sum(map(_is_guessed, was))
    must(not (fewer_counted and more_guessed), at, _RULE)


def _is_counted(quantity: blocks.Quantity) -> bool:
    return quantity.value is None


def _is_guessed(quantity: blocks.Quantity) -> bool:
    return quantity.unit in _IN_KG and quantity.basis not in _WEIGHED


def _quantities(value: Any, at: str) -> Iterator[tuple[str, blocks.Quantity]]:
    if isinstance(value, blocks.Quantity):
        yield at, value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _quantities(getattr(value, name), f"{at}/{name}")
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _quantities(inner, f"{at}/{place}")


def _each_of_one_kilogram(quantity: blocks.Quantity, at: str) -> None:
    is_multiplied = is_as_many(kilograms(quantity), quantity.packages)
    must(not is_multiplied or quantity.basis != "estimated", f"{at}/basis", _RULE)


def _quantity(quantity: blocks.Quantity, at: str) -> None:
    if quantity.value is not None and quantity.packages is not None:
        # Else a reader could not tell a weight from packages multiplied by a guess.
        must(quantity.basis is not None, f"{at}/basis", _RULE)


# Whatever a newer version adds.
GUARDS: dict[type, Callable[[Any, str], None]] = {blocks.Quantity: _each_of_one_kilogram}
OF_STRUCT: dict[type, Callable[[Any, str], None]] = {blocks.Quantity: _quantity}
