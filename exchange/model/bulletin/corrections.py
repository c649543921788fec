"""What a correction says of people and cells: held to the rules of the bulletin it corrects.

Its values are any JSON, read here by the shape that the target's type has at their place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from exchange.errors import Code, Refusal
from exchange.model.bulletin import shape
from exchange.model.bulletin.demands import must
from exchange.model.bulletin.kinds import TYPES
from exchange.model.bulletin.migration import SMALLEST_CELL
from exchange.model.bulletin.people import Person
from exchange.model.bulletin.strangers import strangers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.model.bulletin.amendments import Correction
    from exchange.model.codes import Codes

_PERSON = re.compile(r"/content/(persons/[0-9]+|person)(?=/|\Z)")
_PERSONS = "/content/persons"


def is_person(pointer: str) -> bool:
    """Tell whether a pointer leads to somebody: corrected as a whole, or not at all."""
    return _PERSON.fullmatch(pointer) is not None


def _sides(correction: Correction) -> Iterator[tuple[str, str, Any]]:
    """Yield each value that a correction tells: where, of which member, and the value."""
    for place, change in enumerate(correction.changes):
        for side in ("before", "after"):
            value = getattr(change, side)
            if value is not None:
                yield f"/content/changes/{place}/{side}", change.pointer, value


def persons(correction: Correction) -> Iterator[tuple[str, Person]]:
    """Yield everybody that a correction names.

    Raises:
        Refusal: a person is told in part, or is none.
    """
    for at, pointer, value in _sides(correction):
        found = _PERSON.match(pointer)
        if found is not None:
            whole = found.end() == len(pointer)
            must(whole, f"{at.rpartition('/')[0]}/pointer", "change-whole-person")
            yield at, _person(value, at)
        elif pointer == _PERSONS:
            for place, each in enumerate(value if isinstance(value, list) else [value]):
                yield f"{at}/{place}", _person(each, f"{at}/{place}")


def _person(value: Any, at: str) -> Person:
    try:
        return msgspec.convert(value, Person)
    except msgspec.ValidationError:
        raise Refusal(Code.WRONG_VALUE, at, expected="change-whole-person") from None


def check(correction: Correction, codes: Codes) -> None:
    """Hold what a correction tells to the target's members and codes, and to small cells.

    Raises:
        Refusal: ``unknown-member``, or ``wrong-value`` with what was expected.
    """
    kind = correction.target.type
    if kind not in TYPES:
        # Of a newer version: its own reader will look.
        return
    for at, pointer, value in _sides(correction):
        form = shape.at(shape.of(kind), pointer)
        for each in strangers(form, value, at, codes) if form is not None else ():
            if not each.is_code:
                name = each.at.rsplit("/", 1)[-1]
                raise Refusal(Code.UNKNOWN_MEMBER, each.at, name=name[:64])
        if kind == "mig":
            _cells(pointer.rsplit("/", 1)[-1], value, at)


def _cells(name: str, value: Any, at: str) -> None:
    if isinstance(value, dict):
        for inner, part in value.items():
            _cells(inner, part, f"{at}/{inner}")
    elif isinstance(value, list):
        for place, part in enumerate(value):
            _cells(name, part, f"{at}/{place}")
    elif name == "n" and isinstance(value, int):
        must(value >= SMALLEST_CELL, at, "small-cell")
