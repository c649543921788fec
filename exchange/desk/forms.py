"""A form for each type of bulletin, made of the shared schema: what to ask, in which words.

What is asked follows from the shapes of the structs and the labels of the code lists; a member
that the schema gains has its field at once. A field is named by its JSON pointer, so what is
refused in a draft is shown at the field that it is about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from exchange.desk import position
from exchange.model.bulletin import shape as shapes
from exchange.model.bulletin.kinds import TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchange.model.bulletin.shape import Member, Shape
    from exchange.model.codes import Codes, Lang

Kind = Literal[
    "line", "prose", "lines", "number", "time", "yes-no", "one-of", "some-of", "place",
    "group", "rows", "any",
]  # fmt: skip

# What the desk fills in itself.
FILLED: Final = frozenset({"schema", "id", "origin", "type", "declares", "attachments"})
# A list of these is shown as boxes to tick; a longer one, or one of text, a line for each.
_MOST_BOXES: Final = 40
# How a geometry is told apart, and as a form asks for it.
_GEOMETRIES: Final = {
    "Point": "geometry-point",
    "LineString": "geometry-line",
    "Polygon": "geometry-area",
}
# Chosen from words that are there: an example would be a code, which nobody types.
_CHOSEN: Final = ("one-of", "some-of", "yes-no")
# A time as it is typed: day, time in UTC, month, year.
_TIME: Final = "231801ZNOV26"
# The place of a row that is not there yet: a row is added by writing a number instead.
NEW: Final = "-"


class Option(msgspec.Struct, frozen=True):
    """One answer of a closed list: its code, and its words in the reader's language."""

    code: str
    words: str


class Field(msgspec.Struct, frozen=True):
    """One thing that is asked.

    Attributes:
        at: its JSON pointer in the bulletin.
        kind: how it is asked.
        label, help, unit: words of the code lists; empty where there are none.
        example: what may stand there.
        value: what stands there now, as text; of ``lines``, one line for each.
        chosen: the codes that are ticked, of ``some-of``.
        options: of a closed list, or of an open one that gives words to some.
        is_closed: nothing but an option may be said.
        is_required: the schema asks for it, where what it belongs to is said at all.
        fields: what a group asks, or each row of ``rows``.
        blank: of ``rows``: a row that is not there yet; its pointers say ``-`` for its place.
        is_said: something stands in it.
    """

    at: str
    kind: Kind
    label: str
    help: str = ""
    unit: str = ""
    example: str = ""
    value: str = ""
    chosen: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    is_closed: bool = False
    is_required: bool = False
    fields: tuple[Field, ...] = ()
    blank: Field | None = None
    is_said: bool = False


def of_type(code: str, values: Mapping[str, Any], lang: Lang, codes: Codes) -> Field:
    """Return the form of a bulletin type, filled with what was said so far.

    Args:
        code: a type's code.
        values: the bulletin of a draft, as JSON values; whatever is not of the schema's shape
            is shown as it stands.
        lang: of labels and help.
        codes: the code lists.

    Raises:
        KeyError: there is no such type.
    """
    form = shapes.of(code)
    asked = tuple(member for member in form.members if member.name not in FILLED)
    label = codes.words("types", code, lang)
    return _Asker(lang, codes).group(asked, "", label, dict(values), is_required=True)


def every(field: Field) -> list[Field]:
    """Return a field and all in it, in the order of the page."""
    return [field, *(inner for part in field.fields for inner in every(part))]


class _Asker:
    def __init__(self, lang: Lang, codes: Codes) -> None:
        self._lang = lang
        self._codes = codes

    def group(
        self, members: Sequence[Member], at: str, label: str, values: Any, *, is_required: bool
    ) -> Field:
        said = values if isinstance(values, dict) else {}
        fields = tuple(
            self._field(member, f"{at}/{member.name}", said.get(member.name))
            for member in members
        )
        return Field(
            at,
            "group",
            label,
            is_required=is_required,
            fields=fields,
            is_said=any(field.is_said for field in fields),
        )

    def _field(self, member: Member, at: str, value: Any) -> Field:
        form = member.shape
        label, told, unit, example = self._words(member.name)
        is_required = member.required and not form.nullable
        if form.kind == "struct":
            group = self.group(form.members, at, label, value, is_required=is_required)
            return msgspec.structs.replace(group, help=told)
        if form.kind == "choice":
            return self._place(at, label, told, value)
        if form.kind == "list":
            asked = self._list(form, at, label, value)
        else:
            asked = self._scalar(form, at, label, value)
        return msgspec.structs.replace(
            asked,
            help=told,
            unit=unit,
            example=_TIME if asked.kind == "time" else "" if asked.kind in _CHOSEN else example,
            is_required=is_required,
        )

    def _scalar(self, form: Shape, at: str, label: str, value: Any) -> Field:
        text = _json(value) if form.kind == "any" else _text(value)
        options = self._options(form)
        kind: Kind = "one-of" if form.codes else _KINDS.get(form.kind, "line")
        if form.form == "prose":
            kind = "prose"
        return Field(
            at,
            kind,
            label,
            value=text,
            options=options,
            is_closed=bool(form.codes),
            is_said=bool(text),
        )

    def _list(self, form: Shape, at: str, label: str, value: Any) -> Field:
        item, said = form.items[0], value if isinstance(value, list) else []
        if item.kind == "struct":
            return self._rows(item, at, label, said)
        options = self._options(item)
        chosen = tuple(map(_text, said))
        if item.codes and len(options) <= _MOST_BOXES:
            return Field(
                at, "some-of", label, chosen=chosen, options=options, is_closed=True,
                is_said=bool(chosen),
            )  # fmt: skip
        return Field(
            at, "lines", label, value="\n".join(chosen), options=options,
            is_closed=bool(item.codes), is_said=bool(chosen),
        )  # fmt: skip

    def _rows(self, item: Shape, at: str, label: str, said: Sequence[Any]) -> Field:
        def row(place: str, value: Any) -> Field:
            return self.group(item.members, f"{at}/{place}", label, value, is_required=True)

        rows = tuple(row(str(place), value) for place, value in enumerate(said))
        blank = row(NEW, None)
        return Field(at, "rows", label, fields=rows, blank=blank, is_said=bool(rows))

    def _place(self, at: str, label: str, told: str, value: Any) -> Field:
        """Ask for a geometry as it is typed: what it is, and its positions, a line for each."""
        said = value if isinstance(value, dict) else {}
        options = tuple(
            Option(kind, self._codes.phrase(phrase, self._lang))
            for kind, phrase in _GEOMETRIES.items()
        )
        text = "\n".join(positions(said))
        kind = str(said.get("type", ""))
        return Field(
            at, "place", label, told, value=text, chosen=(kind,) if kind else (),
            options=options, is_closed=True, is_said=bool(text),
        )  # fmt: skip

    def _options(self, form: Shape) -> tuple[Option, ...]:
        name = form.codes or form.names
        if not name:
            return ()
        words = self._codes.lists[name].values()
        return tuple(Option(word.code, word.in_(self._lang)) for word in words)

    def _words(self, name: str) -> tuple[str, str, str, str]:
        word = self._codes.word("fields", name)
        if word is None:
            return name, "", "", ""
        meaning = word.meaning.in_(self._lang) if word.meaning else ""
        example = word.example
        told = ", ".join(example) if isinstance(example, list) else _text(example)
        return word.in_(self._lang), meaning, word.unit or "", told


_KINDS: Final[dict[str, Kind]] = {
    "integer": "number",
    "number": "number",
    "time": "time",
    "boolean": "yes-no",
    "any": "any",
}


def positions(geometry: Mapping[str, Any]) -> list[str]:
    """Return the positions of a geometry as they may be typed, a line for each.

    Of an area its outer ring, without the last position, which is the first again.
    """
    said = geometry.get("coordinates")
    match geometry.get("type"), said:
        case "Point", list():
            return [_position(said)]
        case "LineString", list():
            return [_position(each) for each in said]
        case "Polygon", [list() as ring, *_]:
            return [_position(each) for each in ring[:-1]]
        case _:
            return []


def _position(said: Any) -> str:
    match said:
        case [int() | float() as lon, int() | float() as lat]:
            return position.told((lon, lat))
        case _:
            return _text(said)


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case _:
            return msgspec.json.encode(value).decode()


def _json(value: Any) -> str:
    """Return any value as it is read back: a text that would be JSON is quoted as JSON is."""
    if not isinstance(value, str):
        return _text(value)
    try:
        msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value
    return msgspec.json.encode(value).decode()


def types(lang: Lang, codes: Codes) -> list[Option]:
    """Return the types that may be written, with their words."""
    return [Option(code, codes.words("types", code, lang)) for code in TYPES]
