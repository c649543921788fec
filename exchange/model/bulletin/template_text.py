"""A draft's template: every comment in it comes from the shapes, labels and code lists.

What the author must say is left blank (``""``): an example that stands where an answer belongs
is sent as one, and nothing in the language is an empty text.
"""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.model.bulletin.shape import Member, Shape
    from exchange.model.codes import Codes, Lang, Word

_SHOWN_CODES = 24
_WIDTH = 96
_FILLED = ("schema", "id", "origin", "attachments")
BLANK = ""
_BLANK_POINT = '{ type = "Point", coordinates = ["", ""] }'
# What a template decides by itself: names and numbers that mean nothing outside the bulletin.
_GIVEN = ("ref", "acknowledgement")


def template(post: Shape, bulletin: Shape, lang: Lang, codes: Codes) -> str:
    """Return the template of one bulletin type in one language, as TOML that ends with LF."""
    writer = _Writer(lang, codes)
    title = codes.words("types", bulletin.tag, lang)
    lines = [
        f"# {bulletin.tag.upper()} — {title}",
        f"# {codes.phrase('draft-head', lang)}",
        f"# {codes.phrase('draft-check', lang)}",
        "",
        *_Writer(lang, codes, is_posting=True).table(post, "post", live=True),
        "",
        *writer.bulletin(bulletin),
    ]
    return "\n".join(wrapped for line in lines for wrapped in _wrapped(line)) + "\n"


def _wrapped(line: str) -> list[str]:
    # Commented keys are left whole: whoever uncomments one must get valid TOML.
    if len(line) <= _WIDTH or not line.startswith("# ") or _is_key(line):
        return [line]
    return textwrap.wrap(line, _WIDTH, subsequent_indent="# ")


def _is_key(line: str) -> bool:
    return line.startswith("# [") or " = " in line[:_WIDTH]


class _Writer:
    """Writes shapes as TOML tables; what is optional is written as a comment."""

    def __init__(self, lang: Lang, codes: Codes, *, is_posting: bool = False) -> None:
        self._lang = lang
        self._codes = codes
        # How a draft is to be sent has defaults that are narrow, and marked an exercise.
        self._is_posting = is_posting

    def bulletin(self, form: Shape) -> Iterator[str]:
        members = tuple(member for member in form.members if member.name not in _FILLED)
        yield from self._about("bulletin")
        yield "[bulletin]"
        yield from self._about("type")
        yield f"type = {_quoted(form.tag)}"
        yield from self._members(members, "bulletin", live=True)

    def table(
        self,
        form: Shape,
        path: str,
        *,
        live: bool,
        many: bool = False,
        optional: bool = False,
    ) -> Iterator[str]:
        yield from self._about(path.rsplit(".", 1)[-1], optional=optional)
        head = f"[[{path}]]" if many else f"[{path}]"
        yield head if live else f"# {head}"
        yield from self._members(form.members, path, live=live)

    def _members(self, members: tuple[Member, ...], path: str, *, live: bool) -> Iterator[str]:
        # TOML wants a table's own keys before its sub-tables.
        # A key is not written by hand.
        members = tuple(member for member in members if member.shape.form != "secret")
        keys = [member for member in members if not _is_table(member.shape)]
        for member in keys:
            yield from self._key(member, live=live)
        for member in members:
            if _is_table(member.shape):
                form, many = member.shape, member.shape.kind == "list"
                yield ""
                yield from self.table(
                    form.items[0] if many else form,
                    f"{path}.{member.name}",
                    live=live and self._shown(member),
                    many=many,
                    optional=not self._needed(member),
                )

    def _key(self, member: Member, *, live: bool) -> Iterator[str]:
        yield from self._about(member.name, optional=not self._needed(member))
        form = member.shape
        yield from self._allowed(member.name, form)
        is_live = live and self._shown(member)
        value = self._value(member.name, form, is_given=is_live and self._is_posting)
        yield f"{'' if is_live else '# '}{member.name} = {value}"

    def _about(self, name: str, *, optional: bool = False) -> Iterator[str]:
        word = self._codes.lists["fields"][name]
        label = word.in_(self._lang)
        unit = f", {self._codes.words('measures', word.unit, self._lang)}" if word.unit else ""
        note = f" ({self._codes.phrase('optional', self._lang)})" if optional else ""
        meaning = f" {word.meaning.in_(self._lang)}" if word.meaning else ""
        yield f"# {label}{unit}{note}.{meaning}"

    def _allowed(self, name: str, form: Shape) -> Iterator[str]:
        inner = form.items[0] if form.kind == "list" else form
        if not inner.codes:
            yield from self._instance(name, form)
            return
        words = self._codes.lists[inner.codes]
        phrase = "some-of" if form.kind == "list" else "one-of"
        yield f"#   {self._codes.phrase(phrase, self._lang)}"
        for code in words if len(words) <= _SHOWN_CODES else self._examples(name):
            yield f"#     {code}: {words[code].in_(self._lang)}"
        if len(words) > _SHOWN_CODES:
            more = self._codes.phrase("more-codes", self._lang)
            yield f"#     … {more.format(n=len(words), list=inner.codes)}"

    def _instance(self, name: str, form: Shape) -> Iterator[str]:
        """Show how a value is written, beside its place and never in it."""
        example = "[-79.53, 8.5]" if form.kind == "choice" else self._word(name).example
        if example is None or example == [] or form.kind == "boolean":
            return
        # TOML has times of its own, without quotes.
        is_bare = form.kind in ("time", "choice")
        written = str(example) if is_bare else _toml(example)
        yield f"#   {self._codes.phrase('for-instance', self._lang).format(example=written)}"

    def _examples(self, name: str) -> list[str]:
        example = self._word(name).example
        return example if isinstance(example, list) else [str(example)]

    def _word(self, name: str) -> Word:
        return self._codes.lists["fields"][name]

    def _needed(self, member: Member) -> bool:
        # The nullable members at the top are filled with null when left out of a draft.
        return member.required and not member.shape.nullable and member.name != "declares"

    def _shown(self, member: Member) -> bool:
        return self._needed(member) or self._word(member.name).shown

    def _value(self, name: str, form: Shape, *, is_given: bool = False) -> str:
        if form.kind == "struct":
            return self._inline(form)
        if form.kind == "choice":
            return _BLANK_POINT
        if form.kind == "list" and form.items[0].kind == "struct":
            return f"[{self._inline(form.items[0])}]"
        if name == "lang":
            return _quoted(self._lang)
        is_numbered = form.limits.get("ge") == 1 and form.kind == "integer"
        if is_given or is_numbered or name in _GIVEN:
            return _toml(self._word(name).example)
        return _toml([BLANK] if form.kind == "list" else BLANK)

    def _inline(self, form: Shape) -> str:
        parts = (
            f"{member.name} = {self._value(member.name, member.shape)}"
            for member in form.members
            if self._needed(member)
        )
        return f"{{ {', '.join(parts)} }}"


def _is_table(form: Shape) -> bool:
    """Say whether a value gets a table of its own; text and the like fit on one line."""
    inner = form.items[0] if form.kind == "list" else form
    return inner.kind == "struct" and inner.struct is not None and not _is_line(inner)


def _is_line(form: Shape) -> bool:
    names = {member.name for member in form.members}
    return "text" in names or names == {"reliability", "credibility"}


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, str):
        return _quoted(value)
    return json.dumps(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
