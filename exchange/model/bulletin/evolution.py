"""What differs between two JSON Schemas of a type, and whether a minor version may differ so.

A minor version adds: types, optional members, codes. Whatever else differs would
break a partner that has not upgraded (schemas/README.md, "How v1 grows").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal[
    "member-added",
    "member-removed",
    "member-required",
    "member-optional",
    "code-added",
    "code-removed",
    "bound-wider",
    "bound-narrower",
    "form-changed",
]
# What a minor version may do; the rest breaks partners.
ALLOWED: frozenset[Kind] = frozenset({"member-added", "code-added"})
_LOWER = ("minimum", "minLength", "minItems")
_NULL = {"type": "null"}
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
# Compared one by one, or of no consequence; every other keyword must be the same.
_LOOKED_INTO = frozenset(
    {
        *("anyOf", "oneOf", "enum", "items", "properties", "required"),
        *("title", "description", "$schema", "$id", "$defs", "$comment"),
        *_LOWER,
        *_UPPER,
    }
)


class Difference(msgspec.Struct, frozen=True):
    """One difference: where (``*`` is any item of a list), what, and the two values."""

    kind: Kind
    at: str
    before: Any = None
    after: Any = None

    @property
    def is_allowed(self) -> bool:
        """Whether a minor version may differ so."""
        return self.kind in ALLOWED


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[Difference]:
    """Return what differs between two documents of one type, in the order of the first.

    The version itself, titles and descriptions do not count.

    Raises:
        ValueError: one of them is no schema document such as ``schemas.document`` makes.
    """
    try:
        return list(_Comparison(before, after).of(before, after, ""))
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        # JSON of another build: a list where members are looked for, a name that leads nowhere.
        raise ValueError(type(error).__name__) from None


class _Comparison:
    def __init__(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        self._definitions = (before.get("$defs", {}), after.get("$defs", {}))

    def _form(self, value: dict[str, Any], side: int) -> dict[str, Any]:
        """Return a schema itself, where it is referred to or may be null."""
        if "anyOf" in value:
            forms = [form for form in value["anyOf"] if form != _NULL]
            return self._form(forms[0], side)
        if "$ref" in value:
            name = str(value["$ref"]).removeprefix("#/$defs/")
            return self._form(self._definitions[side][name], side)
        return value

    def of(self, before: Any, after: Any, at: str) -> Iterator[Difference]:
        if at == "/schema":
            return
        yield from self._nullable(before, after, at)
        old, new = self._form(before, 0), self._form(after, 1)
        for name in sorted({*old, *new} - _LOOKED_INTO):
            if old.get(name) != new.get(name):
                yield Difference("form-changed", at, old.get(name), new.get(name))
        yield from _codes(old.get("enum"), new.get("enum"), at)
        yield from _bounds(old, new, at)
        yield from self._members(old, new, at)
        yield from self._choices(old.get("oneOf", []), new.get("oneOf", []), at)
        was, now = old.get("items"), new.get("items")
        if isinstance(was, dict) and isinstance(now, dict):
            yield from self.of(was, now, f"{at}/*")
        elif was != now:
            yield Difference("form-changed", f"{at}/*", was, now)

    def _nullable(self, before: Any, after: Any, at: str) -> Iterator[Difference]:
        was, now = ("anyOf" in side for side in (before, after))
        if was != now:
            yield Difference("bound-narrower" if was else "form-changed", at, was, now)
        for side in (before, after):
            # Of ours each is something or null: whatever else it is, nobody can tell here.
            if "anyOf" in side and (len(side["anyOf"]) != 2 or _NULL not in side["anyOf"]):
                yield Difference("form-changed", at, None, side["anyOf"])

    def _members(
        self, old: dict[str, Any], new: dict[str, Any], at: str
    ) -> Iterator[Difference]:
        was, now = dict(old.get("properties", {})), dict(new.get("properties", {}))
        needed, needs = set(old.get("required", [])), set(new.get("required", []))
        for name in [*was, *(name for name in now if name not in was)]:
            here = f"{at}/{name}"
            if name not in now:
                yield Difference("member-removed", here)
            elif name not in was:
                yield Difference("member-required" if name in needs else "member-added", here)
            else:
                if (name in needed) != (name in needs):
                    kind: Kind = "member-required" if name in needs else "member-optional"
                    yield Difference(kind, here)
                yield from self.of(was[name], now[name], here)

    def _choices(self, was: list[Any], now: list[Any], at: str) -> Iterator[Difference]:
        if len(was) != len(now):
            # Another kind of value: no reader of before can take it.
            yield Difference("form-changed", at, len(was), len(now))
        for before, after in zip(was, now, strict=False):
            yield from self.of(before, after, at)


def _codes(was: list[str] | None, now: list[str] | None, at: str) -> Iterator[Difference]:
    if (was is None) != (now is None):
        yield Difference("form-changed", at, was, now)
        return
    for code in was or []:
        if code not in (now or []):
            yield Difference("code-removed", at, code)
    for code in now or []:
        if code not in (was or []):
            yield Difference("code-added", at, None, code)


def _bounds(old: dict[str, Any], new: dict[str, Any], at: str) -> Iterator[Difference]:
    for names, grows in ((_LOWER, 1), (_UPPER, -1)):
        for name in names:
            was, now = old.get(name), new.get(name)
            if was == now:
                continue
            is_narrower = was is None or (now is not None and (now - was) * grows > 0)
            yield Difference("bound-narrower" if is_narrower else "bound-wider", at, was, now)
