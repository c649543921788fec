"""Packages never become kilograms: a weight beside packages, or in their place, was weighed.

What was estimated may be packages multiplied by a guess, and nobody could tell. A reader cannot
know; so an author does not write it, and a reader is warned of it (see ``written``).
"""

from __future__ import annotations

from math import isclose
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from exchange.model.bulletin import (
    amendments,
    blocks,
    corrections,
    operational,
    records,
    shape,
)
from exchange.model.bulletin.demands import Breach, must, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exchange.model.bulletin.kinds import AnyBulletin
    from exchange.model.bulletin.shape import Shape

RULES = ("weighed-beside-packages",)
[_RULE] = RULES
_IN_KG = {"g": 0.001, "kg": 1.0, "t": 1000.0}
# Any other is a newer version's word for how it was weighed.
_GUESSED = (None, "estimated")


class Row(NamedTuple):
    """How much of one drug: its code, or the place where that is not told beside it."""

    drug: str
    at: str
    quantity: blocks.Quantity

    @property
    def counted(self) -> int:
        """How many packages are told without a weight."""
        return (self.quantity.packages or 0) if self.quantity.value is None else 0

    @property
    def is_guessed(self) -> bool:
        """Whether a weight is told that nobody weighed."""
        return self.quantity.unit in _IN_KG and self.quantity.basis in _GUESSED


class Told(NamedTuple):
    """What an earlier text told of drugs, and what is told of them now."""

    was: list[Row]
    now: list[Row]


def rows(value: Any, at: str, drug: str = "") -> Iterator[Row]:
    """Yield each quantity in a value; it is of ``drug`` where it does not say of which."""
    if isinstance(value, blocks.Quantity):
        yield Row(drug or at, at, value)
    elif isinstance(value, msgspec.Struct):
        if isinstance(value, operational.DrugSeized | records.DrugTotal):
            drug = value.drug
        for name in value.__struct_fields__:
            yield from rows(getattr(value, name), f"{at}/{name}", drug)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from rows(inner, f"{at}/{place}", drug)


def of_text(bulletin: AnyBulletin) -> list[Row]:
    """Return what a bulletin tells; of a correction, what should stand there now."""
    if isinstance(bulletin.content, amendments.Correction):
        return of_correction(bulletin.content).now
    return list(rows(bulletin.content, "/content"))


def of_correction(correction: amendments.Correction) -> Told:
    """Return what a correction by itself tells that was said, and should be."""
    told = Told([], [])
    for side in corrections.sides(correction):
        if side.form is None or not _may_weigh(side.form):
            continue
        pointer = side.change.pointer
        found = rows(side.typed(), pointer, _drug_beside(correction, pointer, side.is_past))
        (told.was if side.is_past else told.now).extend(
            each._replace(at=side.at + each.at.removeprefix(pointer)) for each in found
        )
    return told


def _may_weigh(form: Shape) -> bool:
    return any(each.struct is blocks.Quantity for each in shape.every(form))


def _drug_beside(correction: amendments.Correction, pointer: str, is_past: bool) -> str:
    """Return the drug of a quantity that is corrected along with it; else nothing."""
    place, _, name = pointer.rpartition("/")
    for each in correction.changes if name == "quantity" else ():
        if each.pointer == f"{place}/drug":
            return str(each.before if is_past else each.after)
    return ""


def kilograms(quantity: blocks.Quantity) -> float | None:
    """Return how much it weighs; None where that is not told in a unit of weight."""
    factor = _IN_KG.get(quantity.unit or "")
    return None if factor is None or quantity.value is None else quantity.value * factor


def is_as_many(weight_kg: float | None, packages: int | None) -> bool:
    """Tell whether a weight is one kilogram for each package."""
    return bool(packages) and weight_kg is not None and isclose(weight_kg, packages or 0)


def guessed_beside(found: Sequence[Row]) -> Iterator[Breach]:
    """Yield each quantity that tells packages, and a weight that was not weighed."""
    for each in found:
        if each.quantity.packages is not None and each.is_guessed:
            yield Breach(f"{each.at}/basis", _RULE, each.quantity)


def apart(found: dict[str, Any], at: str) -> Iterator[Breach]:
    """Yield the same of an object of a newer version, where we know of no place."""
    is_told = found.get("packages") is not None and found.get("value") is not None
    if is_told and str(found.get("unit")) in _IN_KG and found.get("basis") in _GUESSED:
        yield Breach(at, _RULE, found)


def turned(told: Told) -> list[Row]:
    """Return each weight that somebody guessed, where packages of that very drug were told.

    They were told without a weight, are told no more, and the guess was not there: so either
    they were multiplied, or nobody can tell.
    """
    return [
        each
        for each in _new_guesses(told)
        if _counted(told.was, each.drug) and not _is_counted(told.now, each.drug)
    ]


def may_have_turned(told: Told) -> list[Row]:
    """Return each such weight, where of its drug, or of all, fewer packages are told."""
    fewer = sum(each.counted for each in told.now) < sum(each.counted for each in told.was)
    return [
        each
        for each in _new_guesses(told)
        if fewer or _counted(told.now, each.drug) < _counted(told.was, each.drug)
    ]


def _new_guesses(told: Told) -> list[Row]:
    before = [(each.drug, each.quantity) for each in told.was]
    return [e for e in told.now if e.is_guessed and (e.drug, e.quantity) not in before]


def _counted(found: Sequence[Row], drug: str) -> int:
    return sum(each.counted for each in found if each.drug == drug)


def _is_counted(found: Sequence[Row], drug: str) -> bool:
    return any(each.quantity.value is None for each in found if each.drug == drug)


def check_turned(told: Told) -> None:
    """Hold what is told now of drugs to what was: no packages of one became its weight.

    Raises:
        Refusal: ``wrong-value``, as ``rules.check``.
    """
    for each in turned(told):
        refuse(f"{each.at}/basis", _RULE)


def _quantity(quantity: blocks.Quantity, at: str) -> None:
    if quantity.value is not None and quantity.packages is not None:
        # Else a reader could not tell a weight from packages multiplied by a guess.
        must(quantity.basis is not None, f"{at}/basis", _RULE)


OF_STRUCT: dict[type, Callable[[Any, str], None]] = {blocks.Quantity: _quantity}
