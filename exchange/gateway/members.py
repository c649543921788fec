"""A bulletin taken apart: its members as plain values beside their shapes, without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from exchange.model import bulletin as bulletins
from exchange.model.bulletin import Cor, blocks, kinds
from exchange.model.bulletin import shape as shapes
from exchange.model.bulletin.amendments import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.model.bulletin import Bulletin
    from exchange.model.bulletin.shape import Shape
    from exchange.model.codes import Codes, Lang


class Found(NamedTuple):
    """One value of a bulletin: its steps from the top, its shape, and itself."""

    path: tuple[str, ...]
    form: Shape
    value: Any

    @property
    def name(self) -> str:
        """The name of the member, or of the list that it is an item of."""
        return next((step for step in reversed(self.path) if not step.isdecimal()), "")

    @property
    def dotted(self) -> str:
        """The path as one word, places in lists counted from 1: ``content.drugs.1.logos``."""
        return ".".join(str(int(s) + 1) if s.isdecimal() else s for s in self.path)


def plain(bulletin: Bulletin) -> dict[str, Any]:
    """Return a bulletin as JSON values; keys that open something are left out."""
    # Encoded and decoded, so that a position is a list, as in any other JSON.
    values = msgspec.json.decode(bulletins.encode(bulletin))
    opened: dict[str, Any] = _open(shapes.of(bulletin.type), values)
    return opened


def without_quoted_keys(bulletin: Bulletin) -> Bulletin:
    """Return a bulletin that quotes no key: a correction may quote that of a window."""
    if not isinstance(bulletin, Cor):
        return bulletin
    content = bulletin.content
    kept = [
        each if _is_harmless(each, content.target.type) else Change(each.pointer)
        for each in content.changes
    ]
    changed = msgspec.structs.replace(content, changes=kept)
    return msgspec.structs.replace(bulletin, content=changed)


def _is_harmless(change: Change, type_: str) -> bool:
    there = shapes.at(shapes.of(type_), change.pointer) if type_ in kinds.TYPES else None
    return there is not None and all(form.form != "secret" for form in shapes.every(there))


def _open(form: Shape, value: Any) -> Any:
    if value is None or form.kind == "any":
        return value
    if form.kind == "list":
        return [_open(form.items[0], one) for one in value]
    if form.kind != "struct":
        return value
    kept = {
        member.name: _open(member.shape, value[member.name])
        for member in form.members
        if member.name in value and member.shape.form != "secret"
    }
    return {**({form.tag_field: value[form.tag_field]} if form.tag_field else {}), **kept}


def is_leaf(form: Shape) -> bool:
    """Tell whether a value is written as one: a geometry is, and what a correction quotes."""
    return form.kind not in ("struct", "list")


def leaves(form: Shape, value: Any, path: tuple[str, ...] = ()) -> Iterator[Found]:
    """Yield every single value, in the order of the structs; nothing where none was given."""
    if value is None:
        return
    if form.kind == "struct":
        for member in form.members:
            yield from leaves(member.shape, value.get(member.name), (*path, member.name))
    elif form.kind == "list":
        for place, one in enumerate(value):
            yield from leaves(form.items[0], one, (*path, str(place)))
    else:
        yield Found(path, form, value)


def structs(form: Shape, value: Any, path: tuple[str, ...] = ()) -> Iterator[Found]:
    """Yield every struct inside, each before those inside it."""
    if value is None:
        return
    if form.kind == "struct":
        yield Found(path, form, value)
        for member in form.members:
            yield from structs(member.shape, value.get(member.name), (*path, member.name))
    elif form.kind == "list":
        for place, one in enumerate(value):
            yield from structs(form.items[0], one, (*path, str(place)))


def in_words(text: dict[str, Any], lang: Lang) -> str:
    """Return free text in the reader's language where there is a translation."""
    for translation in text.get("translations", []):
        if translation["lang"] == lang and text["lang"] != lang:
            return str(translation["text"])
    return str(text["text"])


def label(found: Found, lang: Lang, codes: Codes) -> str | None:
    """Return the words of a code; None where a value is no code, or nobody has words for it."""
    name = found.form.codes or found.form.names
    word = codes.word(name, str(found.value)) if name else None
    return None if word is None else word.in_(lang)


def is_text(form: Shape) -> bool:
    """Tell whether a shape is free text with its translations."""
    return form.struct is blocks.Text
