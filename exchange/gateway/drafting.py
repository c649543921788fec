"""What was imported, as a commented draft in TOML: what the source lacks is never made up."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from exchange.errors import Code, Refusal
from exchange.gateway import members
from exchange.model import draft as drafts
from exchange.model.bulletin import shape as shapes
from exchange.model.bulletin.words import TIME_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.model.bulletin.shape import Member, Shape
    from exchange.model.codes import Codes, Lang, Word

# Filled in when the draft is posted, or computed from what it says.
_FILLED = ("schema", "id", "origin", "attachments", "declares")
_POST_LISTS = {"precedence": "precedence", "status": "status", "tlp": "tlp"}


def draft(values: dict[str, Any], type_: str, lang: Lang, codes: Codes) -> str:
    """Return a draft as TOML that ends with LF.

    Args:
        values: ``post`` and ``bulletin``, each as far as it is known.
        type_: the bulletin's type.
        lang: the language of the comments.
        codes: the code lists.

    Returns:
        A file that ``exchange check`` accepts once every line marked as missing is written.

    Raises:
        Refusal: ``wrong-type``: a value that no draft can hold, at its member.
    """
    writer = _Writer(lang, codes)
    form = shapes.of(type_)
    lines = [
        f"# {type_.upper()} — {codes.words('types', type_, lang)}",
        f"# {codes.phrase('draft-imported', lang)}",
        f"# {codes.phrase('draft-check', lang)}",
        "",
        *writer.table(shapes.of_struct(drafts.Post), values.get("post", {}), "post"),
        "",
        "[bulletin]",
        f"type = {_text(type_)}",
        *writer.inside(form, values.get("bulletin", {}), "bulletin"),
    ]
    return "\n".join(lines) + "\n"


def missing(values: dict[str, Any], type_: str) -> list[str]:
    """Return the JSON pointers of what a draft needs and these values lack."""
    bulletin = _lacking(shapes.of(type_), values.get("bulletin", {}), "/bulletin")
    post = _lacking(shapes.of_struct(drafts.Post), values.get("post", {}), "/post")
    return [*post, *bulletin]


def _lacking(form: Shape, value: dict[str, Any], at: str) -> Iterator[str]:
    for member in form.members:
        inner, found = member.shape, value.get(member.name)
        if found is None:
            if _is_needed(member):
                yield f"{at}/{member.name}"
        elif inner.kind == "struct" and isinstance(found, dict):
            yield from _lacking(inner, found, f"{at}/{member.name}")
        elif inner.kind == "list" and isinstance(found, list):
            for place, one in enumerate(found):
                # What is of another kind is refused where it is written.
                if inner.items[0].kind == "struct" and isinstance(one, dict):
                    yield from _lacking(inner.items[0], one, f"{at}/{member.name}/{place}")


class _Writer:
    """Writes values by their shapes as TOML tables, each member under its label."""

    def __init__(self, lang: Lang, codes: Codes) -> None:
        self._lang = lang
        self._codes = codes

    def table(self, form: Shape, value: Any, path: str, *, many: bool = False) -> Iterator[str]:
        yield f"[[{path}]]" if many else f"[{path}]"
        yield from self.inside(form, value, path)

    def inside(self, form: Shape, value: Any, path: str) -> Iterator[str]:
        at = "/" + path.replace(".", "/")
        if not isinstance(value, dict):
            raise Refusal(Code.WRONG_TYPE, at, expected="object")
        known = [member for member in form.members if member.name not in _FILLED]
        # TOML wants a table's own keys before its sub-tables.
        for member in known:
            if not _is_table(member.shape):
                yield from self._key(member, value.get(member.name), at)
        for member in known:
            if _is_table(member.shape):
                yield from self._tables(member, value.get(member.name), path)

    def _tables(self, member: Member, value: Any, path: str) -> Iterator[str]:
        form, path = member.shape, f"{path}.{member.name}"
        if form.kind == "list":
            if value is not None and not isinstance(value, list):
                raise Refusal(Code.WRONG_TYPE, f"/{path.replace('.', '/')}", expected="list")
            for one in value or []:
                yield from ("", self._about(member))
                yield from self.table(form.items[0], one, path, many=True)
        elif value is not None or _is_needed(member):
            yield from ("", self._about(member))
            yield from self.table(form, {} if value is None else value, path)

    def _key(self, member: Member, value: Any, at: str) -> Iterator[str]:
        if value is None and not _is_needed(member):
            return
        yield self._about(member)
        if value is None:
            absent = self._codes.phrase("missing", self._lang)
            # Blank, so that a line of which only the # was taken away is refused.
            yield f"# {absent}: {member.name} = {self._blank(member)}  # {self._sample(member)}"
        else:
            yield f"{member.name} = {_toml(member.shape, value, f'{at}/{member.name}')}"

    def _about(self, member: Member) -> str:
        word = self._word(member)
        unit = f", {self._codes.words('measures', word.unit, self._lang)}" if word.unit else ""
        meaning = f" {word.meaning.in_(self._lang)}" if word.meaning else ""
        return f"# {word.in_(self._lang)}{unit}.{meaning}"

    def _blank(self, member: Member) -> str:
        if members.is_text(member.shape):
            return f'{{ lang = "{self._lang}", text = "" }}'
        return '[""]' if member.shape.kind == "list" else '""'

    def _sample(self, member: Member) -> str:
        form = member.shape
        inner = form.items[0] if form.kind == "list" else form
        listed = inner.codes or _POST_LISTS.get(member.name, "")
        example = self._word(member).example
        if listed and example is None:
            return " | ".join(_text(code) for code in self._codes.lists[listed])
        if example is None:
            return self._word(member).in_(self._lang)
        written = json.dumps(example, ensure_ascii=False)
        return self._codes.phrase("for-instance", self._lang).format(example=written)

    def _word(self, member: Member) -> Word:
        return self._codes.lists["fields"][member.name]


def _is_needed(member: Member) -> bool:
    is_filled = member.name in _FILLED
    return member.required and not member.shape.nullable and not is_filled


def _is_table(form: Shape) -> bool:
    """Tell whether a value gets a table of its own; text and a grading fit on one line."""
    inner = form.items[0] if form.kind == "list" else form
    return inner.kind == "struct" and not members.is_text(inner) and inner.tag_field == ""


def _toml(form: Shape, value: Any, at: str) -> str:
    """Return a value as TOML on one line."""
    if form.kind in ("choice", "any"):
        return _inline(value, at)
    if form.kind == "list":
        if not isinstance(value, list):
            raise Refusal(Code.WRONG_TYPE, at, expected="list")
        items = (_toml(form.items[0], one, f"{at}/{n}") for n, one in enumerate(value))
        return f"[{', '.join(items)}]"
    if form.kind == "time" and isinstance(value, str) and _is_time(value):
        return value
    return _inline(value, at)


def _is_time(text: str) -> bool:
    """Tell whether a time may stand without quotes: TOML would not take one that is none."""
    if not re.fullmatch(TIME_PATTERN, text):
        return False
    try:
        datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        return False
    return True


def _inline(value: Any, at: str) -> str:
    if isinstance(value, dict):
        pairs = (f"{_key(k)} = {_inline(v, f'{at}/{k}')}" for k, v in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[{', '.join(_inline(one, f'{at}/{n}') for n, one in enumerate(value))}]"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise Refusal(Code.WRONG_TYPE, at, expected="text")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _text(text: str) -> str:
    # JSON's escapes are TOML's, but for one character that JSON leaves as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
