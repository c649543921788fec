"""What a correction says, read by the type that it corrects: it goes round no guard-rail.

Its values are any JSON to a schema. Each is what the bulletin said or should say at one place,
and is held to what belongs there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from exchange.errors import Code, Refusal
from exchange.model.bulletin import blocks, misfits, shape
from exchange.model.bulletin.demands import must, refuse
from exchange.model.bulletin.kinds import TYPES
from exchange.model.bulletin.people import Person
from exchange.model.bulletin.strangers import Unknown, strangers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.model.bulletin.amendments import Change, Correction
    from exchange.model.bulletin.shape import Shape
    from exchange.model.codes import Codes

_PERSON = re.compile(r"/content/(persons/[0-9]+|person)(?=/|\Z)")
_PERSONS = "/content/persons"
# A file is sealed to its bulletin's id: a correction brings its own.
_FIXED = frozenset({"schema", "id", "origin", "type", "attachments"})
# Their parts mean nothing alone, and rules join them.
_WHOLE = (blocks.Quantity, blocks.Grading)


class Side(NamedTuple):
    """One value that a correction tells: where it stands, of which member, what belongs there.

    ``is_past`` is whether it is what the bulletin said before.
    """

    at: str
    pointer: str
    form: Shape | None
    value: Any
    is_past: bool


def sides(correction: Correction) -> Iterator[Side]:
    """Yield each value that a correction tells; nothing of what was not given."""
    for place, change in enumerate(correction.changes):
        form = _form(correction, change)
        for name in ("before", "after"):
            value = getattr(change, name)
            if value is not None:
                at = f"/content/changes/{place}/{name}"
                yield Side(at, change.pointer, form, value, name == "before")


def _form(correction: Correction, change: Change) -> Shape | None:
    kind = correction.target.type
    return shape.at(shape.of(kind), change.pointer) if kind in TYPES else None


def is_person(pointer: str) -> bool:
    """Tell whether a pointer leads to somebody: corrected as a whole, or not at all."""
    return _PERSON.fullmatch(pointer) is not None


def persons(correction: Correction) -> Iterator[tuple[str, Person]]:
    """Yield everybody that a correction names.

    Raises:
        Refusal: a person is told in part, or is none.
    """
    for side in sides(correction):
        found = _PERSON.match(side.pointer)
        if found is not None:
            whole = found.end() == len(side.pointer)
            must(whole, f"{side.at.rpartition('/')[0]}/pointer", "change-whole-person")
            yield side.at, _person(side.value, side.at)
        elif side.pointer == _PERSONS:
            listed = side.value if isinstance(side.value, list) else [side.value]
            for place, each in enumerate(listed):
                yield f"{side.at}/{place}", _person(each, f"{side.at}/{place}")


def _person(value: Any, at: str) -> Person:
    form = shape.of_struct(Person)
    try:
        found: Person = misfits.converted(form, known(form, value), at, lambda _: None)
    except Refusal:
        raise Refusal(Code.WRONG_VALUE, at, expected="change-whole-person") from None
    return found


def known(form: Shape, value: Any) -> Any:
    """Return a value without the members that its shape does not know."""
    if isinstance(value, list) and form.kind == "list":
        return [known(form.items[0], one) for one in value]
    if isinstance(value, dict):
        for item in form.items:
            form = item if value.get(item.tag_field) == item.tag else form
        ours = {member.name: member.shape for member in form.members}
        return {
            name: known(ours[name], inner) if name in ours else inner
            for name, inner in value.items()
            if name in ours or name == form.tag_field or form.kind != "struct"
        }
    return value


def strange(correction: Correction, codes: Codes) -> Iterator[Unknown]:
    """Yield what a correction of a newer version tells that is not known here."""
    if correction.target.type not in TYPES:
        return
    for place, change in enumerate(correction.changes):
        if _form(correction, change) is None:
            yield Unknown(f"/content/changes/{place}/pointer", change.pointer)
    for side in sides(correction):
        if side.form is not None:
            yield from strangers(side.form, side.value, side.at, codes)


def check_place(correction: Correction, place: int, unknown: frozenset[str]) -> None:
    """Hold one change to the type it corrects: that there is such a place, and it may change.

    Args:
        correction: which.
        place: of the change, from 0.
        unknown: JSON pointers of what is of a newer version.

    Raises:
        Refusal: ``change-pointer`` or ``change-possible``.
    """
    change, at = correction.changes[place], f"/content/changes/{place}"
    steps = shape.steps(change.pointer)
    # The content as a whole would bring in whoever and whatever is in it.
    fits = steps[0] not in _FIXED and steps != ["content"]
    must(fits, f"{at}/pointer", "change-pointer")
    if correction.target.type not in TYPES or f"{at}/pointer" in unknown:
        # Of a newer version: its own reader will look.
        return
    holder = form = shape.of(correction.target.type)
    for step in steps:
        is_apart = form.struct not in _WHOLE and form.kind not in ("choice", "pair")
        inner = shape.at(form, f"/{step}") if is_apart else None
        if inner is None:
            refuse(f"{at}/pointer", "change-pointer")
        holder, form = form, inner
    must(all(_is_open(each) for each in shape.every(form)), f"{at}/pointer", "change-pointer")
    member = holder.member(steps[-1])
    stays = member is None or (member.required and not member.shape.nullable)
    must(not stays or change.after is not None, f"{at}/after", "change-possible")
    is_item = holder.kind == "list"
    must(not is_item or change.before is not None, f"{at}/before", "change-possible")


def _is_open(form: Shape) -> bool:
    """Tell whether a place may be quoted: no key, which would be told, nor just anything."""
    return form.form != "secret" and form.kind != "any"


def read(side: Side, unknown: frozenset[str], codes: Codes) -> Any:
    """Return what a correction tells as what belongs at its place; None where none is known.

    Args:
        side: one of ``sides``.
        unknown: JSON pointers of what is of a newer version.
        codes: the code lists.

    Raises:
        Refusal: it is not of that type.
    """
    form = side.form
    if form is None:
        return None
    for each in strangers(form, side.value, side.at, codes):
        if not each.is_code and each.at not in unknown:
            raise Refusal(Code.UNKNOWN_MEMBER, each.at, name=each.at.rsplit("/", 1)[-1][:64])
    value = known(form, side.value)
    return misfits.converted(form, value, side.at, lambda at: shape.at(form, at))
