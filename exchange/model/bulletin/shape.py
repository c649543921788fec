"""What the structs look like, read once: rules, schema, template and page follow it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import inspect

from exchange.model.bulletin.kinds import TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal[
    "struct", "choice", "list", "pair", "text", "time", "integer", "number", "boolean", "any"
]
Limit = int | float | str | None

_KINDS: dict[type, Kind] = {
    inspect.StrType: "text",
    inspect.LiteralType: "text",
    inspect.DateTimeType: "time",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.BoolType: "boolean",
    inspect.AnyType: "any",
}
_LIMITS = ("ge", "le", "lt", "min_length", "max_length", "pattern")


class Shape(msgspec.Struct, frozen=True):
    """One type of value.

    ``codes`` is the closed list its value is from, ``names`` an open list that has words for
    it, ``form`` the format it must have. ``items`` are the shapes in a list (one), a pair
    (two) or a choice between structs (each); ``tag`` is a struct's name in such a choice.
    """

    kind: Kind
    nullable: bool = False
    codes: str = ""
    names: str = ""
    form: str = ""
    limits: dict[str, Limit] = {}
    items: tuple[Shape, ...] = ()
    struct: type | None = None
    tag_field: str = ""
    tag: str = ""
    members: tuple[Member, ...] = ()

    def member(self, name: str) -> Member | None:
        """Return a struct's member by its name on the wire."""
        return next((member for member in self.members if member.name == name), None)


class Member(msgspec.Struct, frozen=True):
    """A member of a struct; an optional one may be left out."""

    name: str
    shape: Shape
    required: bool


def _of(found: inspect.Type, *, nullable: bool = False) -> Shape:
    if isinstance(found, inspect.Metadata):
        extra = found.extra or {}
        return msgspec.structs.replace(_of(found.type, nullable=nullable), **extra)
    if isinstance(found, inspect.UnionType):
        return _union(found)
    if isinstance(found, inspect.ListType):
        item = _of(found.item_type)
        return Shape("list", nullable, limits=_limits(found), items=(item,))
    if isinstance(found, inspect.TupleType):
        return Shape("pair", nullable, items=tuple(_of(item) for item in found.item_types))
    if isinstance(found, inspect.StructType):
        return _struct(found, nullable=nullable)
    return Shape(_KINDS[type(found)], nullable, limits=_limits(found))


def _union(found: inspect.UnionType) -> Shape:
    nullable = any(isinstance(part, inspect.NoneType) for part in found.types)
    parts = [part for part in found.types if not isinstance(part, inspect.NoneType)]
    if len(parts) == 1:
        return _of(parts[0], nullable=nullable)
    return Shape("choice", nullable, items=tuple(_of(part) for part in parts))


def _struct(found: inspect.StructType, *, nullable: bool) -> Shape:
    members = tuple(
        Member(field.encode_name, _of(field.type), field.required) for field in found.fields
    )
    return Shape(
        "struct",
        nullable,
        struct=found.cls,
        tag_field=found.tag_field or "",
        tag=str(found.tag or ""),
        members=members,
    )


def _limits(found: inspect.Type) -> dict[str, Limit]:
    limits = ((name, getattr(found, name, None)) for name in _LIMITS)
    return {name: limit for name, limit in limits if limit is not None}


@cache
def of(code: str) -> Shape:
    """Return the shape of a bulletin type, by its code.

    Raises:
        KeyError: there is no such type.
    """
    return _of(inspect.type_info(TYPES[code]))


@cache
def of_struct(struct: type) -> Shape:
    """Return the shape of any struct of the model."""
    return _of(inspect.type_info(struct))


def every(shape: Shape) -> Iterator[Shape]:
    """Go through a shape and all shapes inside it."""
    yield shape
    for item in shape.items:
        yield from every(item)
    for member in shape.members:
        yield from every(member.shape)


def named(kinds: frozenset[Kind]) -> frozenset[str]:
    """Return the names, in all types, of the members that hold a value of these kinds."""
    return frozenset(
        member.name
        for code in TYPES
        for shape in every(of(code))
        for member in shape.members
        if any(inner.kind in kinds for inner in _leaves(member.shape))
    )


def _leaves(shape: Shape) -> Iterator[Shape]:
    if shape.kind in ("list", "pair"):
        for item in shape.items:
            yield from _leaves(item)
    else:
        yield shape


def steps(pointer: str) -> list[str]:
    """Split a JSON pointer (RFC 6901) into its steps."""
    parts = pointer.split("/")[1:]
    return [part.replace("~1", "/").replace("~0", "~") for part in parts]


def at(shape: Shape, pointer: str) -> Shape | None:
    """Return the shape a JSON pointer leads to, or None where there is no such member."""
    here: Shape | None = shape
    for step in steps(pointer):
        if here is None:
            return None
        here = _step(here, step)
    return here


def _step(shape: Shape, step: str) -> Shape | None:
    if shape.kind == "struct":
        member = shape.member(step)
        return None if member is None else member.shape
    if shape.kind == "choice":
        found = (_step(item, step) for item in shape.items)
        return next((item for item in found if item is not None), None)
    return shape.items[0] if shape.kind in ("list", "pair") and is_index(step) else None


def is_index(step: str) -> bool:
    """Tell whether a step of a JSON pointer is a place in a list, which has one spelling."""
    return step.isascii() and step.isdecimal() and (step == "0" or step[0] != "0")
