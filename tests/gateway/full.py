"""Bulletins with every member given, and each of them changed once: to see what is carried."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from exchange.model.bulletin import TYPES, Bulletin, blocks
from exchange.model.bulletin import shape as shapes
from exchange.model.bulletin.amendments import Change
from exchange.model.bulletin.shape import Shape
from tests.model.bulletins import CODES

TIMES = ("2026-11-23T18:01:00Z", "2025-10-22T17:02:01Z")
WORDS = "EXERCISE {n} 'words'"


def full(type_: str) -> dict[str, Any]:
    """Return JSON values of a bulletin with every member, once in each list."""
    values: dict[str, Any] = _value(shapes.of(type_), "", [0])
    values["type"] = type_
    values["declares"] = []
    refs = list(_refs(values))
    for name in ("links", "transfers"):
        for each in values["content"].get(name, []):
            each["from_ref"], each["to_ref"] = refs[:2]
            if "valid_until" in each:
                each["valid_until"] = "2027-01-01T00:00:00Z"
    return values


def _refs(values: dict[str, Any]) -> Iterator[str]:
    """Yield the names of its own that a network has."""
    for found in values["content"].values():
        if isinstance(found, list):
            yield from (
                each["ref"] for each in found if isinstance(each, dict) and "ref" in each
            )


def bulletin(values: dict[str, Any]) -> Bulletin:
    return msgspec.convert(values, TYPES[values["type"]])


def changed(type_: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each leaf as ``type/member/member``, and the bulletin with that leaf changed."""
    values = full(type_)
    for path, form in _leaves(shapes.of(type_), values, ()):
        other = copy.deepcopy(values)
        here = other
        for step in path[:-1]:
            here = here[step]
        given = here[path[-1]]
        if path[-1] in ("from_ref", "to_ref"):
            here[path[-1]] = list(_refs(values))[2]
        else:
            here[path[-1]] = _other(form, given)
        if path[-1] == "ref":
            _follow(other, here["ref"], values)
        names = [str(step) for step in path if isinstance(step, str)]
        yield "/".join([type_, *names]), other


def _follow(other: dict[str, Any], renamed: str, values: dict[str, Any]) -> None:
    """Have links speak of what was renamed by its new name."""
    old = set(_refs(values)) - set(_refs(other))
    for name in ("links", "transfers"):
        for each in other["content"].get(name, []):
            for end in ("from_ref", "to_ref"):
                each[end] = renamed if each[end] in old else each[end]


def _leaves(form: Shape, value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, Shape]]:
    if form.kind == "struct":
        # What is declared decides whether it may be exported at all: see test_taking.
        for member in form.members:
            if member.name == "declares":
                continue
            yield from _leaves(member.shape, value[member.name], (*path, member.name))
    elif form.kind == "list":
        yield from _leaves(form.items[0], value[0], (*path, 0))
    elif form.form != "schema":
        yield path, form


def _value(form: Shape, name: str, count: list[int]) -> Any:
    count[0] += 1
    if form.struct is Change:
        return {"pointer": "/content/purpose/text", "before": f"b{count[0]}", "after": "a"}
    if form.kind == "struct":
        values = {m.name: _value(m.shape, m.name, count) for m in form.members}
        # An original in Spanish, its translation in English.
        langs: dict[type | None, str] = {blocks.Text: "es", blocks.Translation: "en"}
        return {**values, "lang": langs[form.struct]} if form.struct in langs else values
    if form.kind == "list":
        return [_value(form.items[0], name, count)]
    if form.kind == "choice":
        return {"type": "Point", "coordinates": [-79.5, 8.5]}
    return _scalar(form, name, count[0])


def _scalar(form: Shape, name: str, n: int) -> Any:
    word = CODES.word("fields", name)
    example = None if word is None else word.example
    if isinstance(example, list):
        example = example[0] if example else None
    if form.codes:
        return _code(form, example)
    return {
        "time": lambda: TIMES[0],
        "integer": lambda: max(int(form.limits.get("ge") or 0), 7),
        "number": lambda: 7.5,
        "boolean": lambda: True,
        "any": lambda: "any",
    }.get(form.kind, lambda: _text(form, example, n))()


def _code(form: Shape, example: Any) -> str:
    codes = list(CODES.lists[form.codes])
    return example if example in codes else codes[0]


FORMS = {
    "uuid7": "0192f3a0-0000-7000-8000-000000000001",
    "member": "pa.senan",
    "header-digest": "A" * 43,
    "digest": "B" * 42 + "A",
    "secret": "C" * 42 + "A",
    "subject-token": "D" * 42 + "A",
    "regime": "a17",
    "pointer": "/content/purpose/text",
}


def _text(form: Shape, example: Any, n: int) -> str:
    if form.form in FORMS:
        return FORMS[form.form]
    if form.form == "ref":
        return f"p{n}"
    if form.form in ("line", "prose"):
        return WORDS.format(n=n)
    pattern = str(form.limits.get("pattern", ""))
    assert example is not None, form
    assert re.search(pattern, str(example)), (form, example)
    return str(example)


def _other(form: Shape, value: Any) -> Any:
    if form.codes:
        return next((c for c in CODES.lists[form.codes] if c != value), "another")
    if form.kind == "choice":
        return {"type": "Point", "coordinates": [-79.25, 8.5]}
    if form.kind in ("integer", "number"):
        return value + 1
    if form.kind == "boolean":
        return not value
    if form.kind == "time":
        return TIMES[1]
    pattern = str(form.limits.get("pattern", ""))
    text = str(value)
    for place in reversed(range(len(text))):
        for letter in "12xyXYab-A":
            other = text[:place] + letter + text[place + 1 :]
            if other != text and re.search(pattern, other):
                return other
    raise AssertionError(json.dumps([form.form, text]))
