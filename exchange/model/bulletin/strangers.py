"""What of a value its shape does not know: members and codes, each with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.model.bulletin.shape import Shape
    from exchange.model.codes import Codes


class Unknown(msgspec.Struct, frozen=True):
    """A member or a code that is not known here: where it stands, and what stands there."""

    at: str
    value: Any
    is_code: bool = False


def strangers(form: Shape, value: Any, at: str, codes: Codes) -> Iterator[Unknown]:
    """Yield what a shape does not know of a value, in the value's order."""
    if isinstance(value, dict):
        for item in form.items:
            if value.get(item.tag_field) == item.tag:
                form = item
        if form.kind == "struct":
            yield from _members(form, value, at, codes)
    elif isinstance(value, list) and form.kind == "list":
        for place, inner in enumerate(value):
            yield from strangers(form.items[0], inner, f"{at}/{place}", codes)
    elif form.codes and isinstance(value, str) and not codes.has(form.codes, value):
        yield Unknown(at, value, is_code=True)


def _members(form: Shape, value: dict[str, Any], at: str, codes: Codes) -> Iterator[Unknown]:
    known = {member.name: member.shape for member in form.members}
    for name, inner in value.items():
        # RFC 6901.
        here = f"{at}/{name.replace('~', '~0').replace('/', '~1')}"
        if name in known:
            yield from strangers(known[name], inner, here, codes)
        elif name != form.tag_field:
            yield Unknown(here, inner)
