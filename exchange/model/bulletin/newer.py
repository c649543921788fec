"""Bulletins of a newer minor version: what is understood of them, and the rest, kept as it is.

A newer version may add types, optional members and codes, and nothing else (schemas/README.md).
So whatever is not known here is set apart with its place, and what is left is read as ever. The
rules of decoding are not applied: a newer version may satisfy them by what is not known here.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import msgspec

from exchange.errors import Code, Refusal
from exchange.model.bulletin import decoding, lexical, shape
from exchange.model.bulletin.kinds import TYPES, AnyBulletin, OfNewerType
from exchange.model.bulletin.words import SCHEMA

if TYPE_CHECKING:
    from exchange.model.bulletin.shape import Shape
    from exchange.model.codes import Codes

_VERSION = re.compile(r"([1-9][0-9]{0,3})\.([0-9]{1,4})")


class Unknown(msgspec.Struct, frozen=True):
    """A member or a code that is not known here: where it stands, and what stands there."""

    at: str
    value: Any


class Newer(msgspec.Struct, frozen=True):
    """A bulletin read in part: its version, what was understood, and what was not."""

    schema: str
    bulletin: AnyBulletin
    unknown: list[Unknown]


def is_newer(version: str) -> bool:
    """Tell whether a version is a newer minor one of ours: such as 1.2, here where 1.0 is."""
    found, ours = _VERSION.fullmatch(version), _VERSION.fullmatch(SCHEMA)
    if found is None or ours is None:
        return False
    return found[1] == ours[1] and int(found[2]) > int(ours[2])


def decode(data: bytes, codes: Codes) -> Newer:
    """Read a bulletin of a newer minor version as far as it is known here.

    Args:
        data: as for ``decoding.decode``.
        codes: the code lists.

    Raises:
        Refusal: it breaks a rule of spelling, or what we know of it is not as it was, which no
            newer minor version may do; or it is not of a newer minor version at all.
    """
    lexical.check(data, is_newer)
    values = json.loads(data)
    version = values.get("schema") if isinstance(values, dict) else None
    if not isinstance(version, str) or not is_newer(version):
        raise Refusal(Code.SCHEMA_NOT_KNOWN, "/schema", expected=SCHEMA)
    kind = values.get("type")
    form = shape.of(kind) if kind in TYPES else shape.of_struct(OfNewerType)
    unknown: list[Unknown] = []
    if kind not in TYPES:
        unknown.append(Unknown("/content", values.get("content")))
        values |= {"type": form.tag, "newer_type": kind, "content": {}}
    _set_apart(form, values, "", codes, unknown)
    values["schema"] = SCHEMA
    try:
        bulletin: AnyBulletin = msgspec.convert(values, AnyBulletin)
    except msgspec.ValidationError as error:
        raise decoding.refusal(str(error), lambda at: shape.at(form, at)) from None
    return Newer(version, bulletin, unknown)


def _set_apart(form: Shape, value: Any, at: str, codes: Codes, found: list[Unknown]) -> None:
    """Take out of a value what its form does not know; a code stays, and is noted."""
    if isinstance(value, dict):
        for item in form.items:
            if value.get(item.tag_field) == item.tag:
                form = item
        if form.kind == "struct":
            _set_members_apart(form, value, at, codes, found)
    elif isinstance(value, list) and form.kind == "list":
        for place, inner in enumerate(value):
            _set_apart(form.items[0], inner, f"{at}/{place}", codes, found)
    elif form.codes and isinstance(value, str) and not codes.has(form.codes, value):
        found.append(Unknown(at, value))


def _set_members_apart(
    form: Shape, value: dict[str, Any], at: str, codes: Codes, found: list[Unknown]
) -> None:
    known = {member.name: member.shape for member in form.members}
    for name in list(value):
        if name in known:
            _set_apart(known[name], value[name], f"{at}/{name}", codes, found)
        elif name != form.tag_field:
            found.append(Unknown(f"{at}/{lexical.escape(name)}", value.pop(name)))
