"""What is not of the type of its place, as a refusal: where, and what belongs there."""

from __future__ import annotations

import operator
import re
from datetime import datetime
from functools import reduce
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from exchange.errors import Code, Fact, Refusal
from exchange.model import codec
from exchange.model.bulletin import lexical
from exchange.model.bulletin.words import TIME_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.model.bulletin.shape import Shape

_PATH = re.compile(r" - at `(\$[^`]*)`\Z")
_TIME = re.compile(TIME_PATTERN)


def refusal(told: str, form: Callable[[str], Shape | None]) -> Refusal:
    """Turn msgspec's sentence into a code, a JSON pointer and what was expected.

    Args:
        told: the text of a ``msgspec.ValidationError``.
        form: returns the shape at a JSON pointer, or None where nothing is known of it.
    """
    path = _PATH.search(told)
    # Inside a value of any kind msgspec names no place: the member that holds it is named.
    at = codec.pointer(path.group(1)).split("/...")[0] if path else ""
    sentence = told[: path.start()] if path else told
    if sentence.startswith("Object contains unknown field"):
        name = sentence.split("`", 1)[1].rstrip("`")[:64]
        return Refusal(Code.UNKNOWN_MEMBER, f"{at}/{lexical.escape(name)}", name=name)
    if sentence.startswith("Object missing required field"):
        return Refusal(Code.MISSING_MEMBER, f"{at}/{sentence.split('`')[1]}")
    # A bound or a pattern is told without what was found; another type is told with it.
    wrong_type = sentence == "Expected `str`" or ", got `" in sentence
    code = Code.WRONG_TYPE if wrong_type else Code.WRONG_VALUE
    return Refusal(code, at, **expected(form(at)))


def expected(form: Shape | None) -> dict[str, Fact]:
    """Name what belongs somewhere: the expectation whose sentence a person is shown."""
    if form is None:
        return {}
    if form.codes:
        return {"expected": "code", "list": form.codes}
    if form.form:
        return {"expected": form.form}
    if form.kind in ("struct", "choice"):
        return {"expected": "object"}
    bounds: dict[str, Fact] = {
        name: str(form.limits[key]) for key, name in _BOUNDS if key in form.limits
    }
    return {"expected": form.kind, **bounds}


_BOUNDS = (
    ("ge", "least"),
    ("le", "most"),
    ("lt", "most"),
    ("min_length", "least"),
    ("max_length", "most"),
)


def converted(form: Shape, value: Any, at: str, within: Callable[[str], Shape | None]) -> Any:
    """Return a JSON value as what belongs at a place, held to types and bounds.

    Spelling is held to where a member's name does not tell it: of the value itself.

    Args:
        form: the shape of the place.
        value: what stands there; not None.
        at: where the value stands, for what is told.
        within: returns the shape at a JSON pointer inside the value.

    Raises:
        Refusal: ``wrong-type``, ``wrong-value``, ``missing-member`` or ``unknown-member``.
    """
    _check_spelling(form, value, at)
    try:
        return msgspec.convert(value, _type(form))
    except msgspec.ValidationError as error:
        found = refusal(str(error), within)
    raise Refusal(found.code, f"{at}{found.at}", **found.facts)


def _check_spelling(form: Shape, value: Any, at: str) -> None:
    """Refuse what is not spelled as what belongs there, where no member's name tells it."""
    if isinstance(value, list) and form.kind == "list":
        for place, each in enumerate(value):
            _check_spelling(form.items[0], each, f"{at}/{place}")
    elif isinstance(value, str):
        is_prose = form.form == "prose"
        is_spelt = form.kind != "time" or _TIME.fullmatch(value) is not None
        if not is_spelt or (not is_prose and not lexical.is_line(value)):
            raise Refusal(Code.WRONG_VALUE, at, **expected(form))


_SCALARS: dict[str, Any] = {
    "text": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "any": Any,
}


def _type(form: Shape) -> Any:
    """Return the type that a shape was read from."""
    if form.kind == "struct":
        return form.struct
    if form.kind == "choice":
        return reduce(operator.or_, [item.struct for item in form.items if item.struct])
    if form.kind == "time":
        return Annotated[datetime, Meta(tz=True)]
    return _bounded(form)


def _bounded(form: Shape) -> Any:
    if form.kind == "list":
        found: Any = list[_type(form.items[0])]  # type: ignore[misc]
    elif form.kind == "pair":
        found = tuple[tuple(_type(item) for item in form.items)]  # type: ignore[misc]
    else:
        found = _SCALARS[form.kind]
    limits: dict[str, Any] = dict(form.limits)
    return Annotated[found, Meta(**limits)] if limits else found
