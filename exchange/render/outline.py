"""A bulletin as an outline of labels and values, for pages that lay it out themselves.

The same words as the page of text, from the same shapes: what differs is that nothing is
wrapped or indented, and that a translation stands beside its original.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from exchange.model.bulletin import blocks, kinds
from exchange.model.bulletin import shape as shapes
from exchange.model.bulletin.amendments import Change
from exchange.render import values
from exchange.render.page import ORDER, WIDTH, Writer, as_json, is_numbered, target_type
from exchange.render.referents import referents
from exchange.render.visible import lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from exchange.model.bulletin.kinds import AnyBulletin
    from exchange.model.bulletin.shape import Shape
    from exchange.model.bulletin.strangers import Unknown
    from exchange.model.codes import Codes, Lang


class Part(msgspec.Struct, frozen=True):
    """One member, or one of a list: what it is called, and what it says or holds.

    Attributes:
        label: its name in words; of one in a list its number.
        lines: what it says, all visible; empty where it holds parts.
        parts: what is inside it.
        note: of free text: in which language it was written, whose translation this is.
        original: of free text that is shown translated: as it was written.
        original_lang: the language of that; empty where the original is what is shown.
        is_past: it is a day of review that is over.
    """

    label: str
    lines: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    note: str = ""
    original: tuple[str, ...] = ()
    original_lang: str = ""
    is_past: bool = False


def outline(
    bulletin: AnyBulletin,
    lang: Lang,
    codes: Codes,
    unknown: Sequence[Unknown] = (),
    *,
    now: int | None = None,
) -> list[Part]:
    """Return what a bulletin says, its title first.

    Args:
        bulletin: one that was decoded.
        lang: the reader's language.
        codes: the code lists.
        unknown: what of it is not known here; it stands last, under its label.
        now: seconds UTC; marks reviews of people that are over. None marks none.
    """
    form = shapes.of_struct(type(bulletin))
    plain = msgspec.to_builtins(bulletin)
    liner = _Outliner(lang, codes, now)
    liner.writer.names = referents(plain["content"], lang, codes)
    found = [liner.prose(liner.writer.label("title"), plain["title"])]
    for name in ORDER:
        member = form.member(name)
        # The content of a newer version's type has no members here.
        if member is not None and (member.shape.members or member.shape.kind != "struct"):
            found += liner.member(name, member.shape, plain.get(name), plain)
    if unknown:
        told = tuple(
            Part(liner.writer.path(each.at), (as_json(each.value),)) for each in unknown
        )
        found.append(Part(codes.phrase("not-understood", lang), parts=told))
    return found


def said(parts: Iterable[Part]) -> Iterator[str]:
    """Go through every line of an outline, in order."""
    for part in parts:
        yield from part.lines
        yield from said(part.parts)


class _Outliner:
    def __init__(self, lang: Lang, codes: Codes, now: int | None) -> None:
        self.writer = Writer(lang, codes, WIDTH, kinds.TYPES)
        self._lang, self._codes, self._now = lang, codes, now

    def member(
        self, name: str, form: Shape, value: Any, inside: dict[str, Any]
    ) -> Iterator[Part]:
        """Give one member; what was not given is left out."""
        if value is None or value == []:
            return
        label = self.writer.label(name)
        if form.kind == "list":
            yield self._list(name, label, form.items[0], value, inside)
        elif form.struct is blocks.Text:
            yield self.prose(label, value)
        elif form.kind == "struct" and not self.writer.is_short(form):
            yield Part(label, parts=self._struct(form, value))
        else:
            yield self._value(name, label, form, value)

    def prose(self, label: str, value: dict[str, Any]) -> Part:
        """Give free text: in the reader's language, and as it was written."""
        shown, notes = self.writer.prose(value)
        told = str(value["text"])
        is_original = shown == told
        return Part(
            label,
            tuple(lines(shown)),
            note="; ".join(notes),
            original=() if is_original else tuple(lines(told)),
            original_lang="" if is_original else str(value["lang"]),
        )

    def _value(self, name: str, label: str, form: Shape, value: Any) -> Part:
        told = tuple(self.writer.value(name, form, value))
        is_past = (
            name == "review_by" and self._now is not None and values.is_past(value, self._now)
        )
        return Part(label, told, is_past=is_past)

    def _struct(self, form: Shape, value: dict[str, Any]) -> tuple[Part, ...]:
        return tuple(
            part
            for member in form.members
            if member.shape.form != "secret"
            for part in self.member(member.name, member.shape, value.get(member.name), value)
        )

    def _list(
        self, name: str, label: str, item: Shape, found: list[Any], inside: dict[str, Any]
    ) -> Part:
        if item.kind != "struct":
            words = ", ".join(
                line for one in found for line in self.writer.value(name, item, one)
            )
            return Part(label, (words,))
        parts = (self._item(number, item, one, inside) for number, one in enumerate(found, 1))
        return Part(label, parts=tuple(parts))

    def _item(
        self, number: int, item: Shape, value: dict[str, Any], inside: dict[str, Any]
    ) -> Part:
        mark = f"{number}."
        if item.struct is blocks.Text:
            return self.prose(mark, value)
        if self.writer.is_short(item):
            return Part(mark, tuple(self.writer.value("", item, value)))
        if item.struct is Change:
            return self._change(mark, target_type(inside), value)
        numbered = {key: inner for key, inner in value.items() if key != "n"}
        shown = numbered if value.get("n") == number and is_numbered(item) else value
        return Part(mark, parts=self._struct(item, shown))

    def _change(self, mark: str, kind: str, value: dict[str, Any]) -> Part:
        pointer = str(value["pointer"])
        sides = (
            Part(
                self._codes.phrase(side, self._lang),
                tuple(self.writer.side(kind, pointer, value.get(side))),
            )
            for side in ("before", "after")
        )
        return Part(f"{mark} {self.writer.path(pointer)}", parts=tuple(sides))
