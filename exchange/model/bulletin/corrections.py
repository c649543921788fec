"""What a correction says, read by the type that it corrects: it goes round no guard-rail.

Its values are any JSON to a schema. Each is what the bulletin said or should say at one place,
and is held to what belongs there.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from exchange.errors import Code, Refusal
from exchange.model.bulletin import blocks, misfits, shape
from exchange.model.bulletin.demands import must, refuse
from exchange.model.bulletin.kinds import TYPES, Cor
from exchange.model.bulletin.people import Person
from exchange.model.bulletin.strangers import Unknown, strangers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.model.bulletin.amendments import Change, Correction
    from exchange.model.bulletin.kinds import AnyBulletin
    from exchange.model.bulletin.shape import Shape
    from exchange.model.codes import Codes

# A file is sealed to its bulletin's id: a correction brings its own.
_FIXED = frozenset({"schema", "id", "origin", "type", "attachments"})
# Their parts mean nothing alone, and rules join them.
_WHOLE = (blocks.Quantity, blocks.Grading, Person)
# What has one of these is a person: no other member is ever called so.
OF_PEOPLE = frozenset({"person_role", "protections"})


class Side(NamedTuple):
    """One value that a correction tells: where it stands, and the change that it is a side of.

    ``form`` is what belongs at the place that it corrects, ``holder`` what that is a member or
    an item of; both None where there is no such place, or none that is known here.
    ``is_past`` is whether it is what the bulletin said before.
    """

    at: str
    change: Change
    holder: Shape | None
    form: Shape | None
    value: Any
    is_past: bool

    def typed(self) -> Any:
        """Return the value as what belongs at its place, without members that are not known.

        Raises:
            Refusal: it is not of that type, or no such place is known.
        """
        if self.form is None:
            refuse(self.at, "change-pointer")
        return typed(self.form, self.value, self.at)


def typed(form: Shape, value: Any, at: str) -> Any:
    """Return any value as what a shape says, without members that it has not.

    Raises:
        Refusal: it does not read as that.
    """
    return misfits.converted(form, known(form, value), at, lambda inner: shape.at(form, inner))


def sides(correction: Correction) -> Iterator[Side]:
    """Yield each value that a correction tells; nothing of what was not given."""
    for place, change in enumerate(correction.changes):
        holder, form = _forms(correction.target.type, change.pointer)
        for name in ("before", "after"):
            value = getattr(change, name)
            if value is not None:
                at = f"/content/changes/{place}/{name}"
                yield Side(at, change, holder, form, value, name == "before")


def is_past(bulletin: AnyBulletin, at: str) -> bool:
    """Tell whether a place is in what a correction says was written before."""
    return isinstance(bulletin, Cor) and at.split("/")[4:5] == ["before"]


# Whoever writes corrections chooses the pointers: what is remembered of them is bounded.
@lru_cache(maxsize=1024)
def _forms(kind: str, pointer: str) -> tuple[Shape | None, Shape | None]:
    """Return what is known of a place in a type: what holds it, and what belongs there."""
    if kind not in TYPES:
        return None, None
    holder, _, last = pointer.rpartition("/")
    found = shape.at(shape.of(kind), holder)
    return found, None if found is None else shape.at(found, f"/{last}")


def is_apart(form: Shape) -> bool:
    """Tell whether what is inside a place is corrected by itself, or only as a whole."""
    return form.struct not in _WHOLE and form.kind not in ("choice", "pair")


def as_written(kind: str, pointer: str, value: Any) -> Any:
    """Return a value as its bulletin would write it: without what says nothing.

    Args:
        kind: the bulletin's type.
        pointer: the value's place.
        value: any; one that does not belong there is returned as it is.
    """
    _, form = _forms(kind, pointer)
    if form is None or value is None:
        return value
    try:
        return msgspec.to_builtins(typed(form, value, ""))
    except Refusal:
        return value


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
        if _forms(correction.target.type, change.pointer)[1] is None:
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
    if correction.target.type not in TYPES:
        # Of a newer version: its own reader will look.
        return
    holder = form = shape.of(correction.target.type)
    for step in steps:
        whole = "change-whole-person" if form.struct is Person else "change-pointer"
        must(is_apart(form), f"{at}/pointer", whole)
        inner = shape.at(form, f"/{step}")
        if inner is None:
            must(f"{at}/pointer" in unknown, f"{at}/pointer", "change-pointer")
            # Where a newer version has a place, whoever is there is corrected whole, too.
            must(not OF_PEOPLE & set(steps), f"{at}/pointer", "change-whole-person")
            return
        holder, form = form, inner
    must(all(_is_open(each) for each in shape.every(form)), f"{at}/pointer", "change-pointer")
    member = holder.member(steps[-1])
    stays = member is None or (member.required and not member.shape.nullable)
    must(not stays or change.after is not None, f"{at}/after", "change-possible")
    is_item = holder.kind == "list"
    must(not is_item or change.before is not None, f"{at}/before", "change-possible")


def check_quoted(correction: Correction) -> None:
    """Hold a correction that is written to what must have stood there: it says what it was.

    Else whoever does not hold what it corrects could not see what became of it.

    Raises:
        Refusal: ``change-possible``.
    """
    for place, change in enumerate(correction.changes):
        holder, _ = _forms(correction.target.type, change.pointer)
        member = None if holder is None else holder.member(shape.steps(change.pointer)[-1])
        stood = member is not None and member.required and not member.shape.nullable
        told = not stood or change.before is not None
        must(told, f"/content/changes/{place}/before", "change-possible")


def _is_open(form: Shape) -> bool:
    """Tell whether a place may be quoted: no key, which would be told, nor just anything."""
    return form.form != "secret" and form.kind != "any"


def read(side: Side, unknown: frozenset[str], codes: Codes) -> Any:
    """Return what a correction tells as what belongs at its place.

    Args:
        side: one of ``sides``, of a place that is known.
        unknown: JSON pointers of what is of a newer version.
        codes: the code lists.

    Raises:
        Refusal: it is not of that type, or has a member that this has not.
    """
    for each in strangers(side.form, side.value, side.at, codes) if side.form else ():
        if not each.is_code and each.at not in unknown:
            raise Refusal(Code.UNKNOWN_MEMBER, each.at, name=each.at.rsplit("/", 1)[-1][:64])
    return side.typed()
