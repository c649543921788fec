"""A bulletin as a page of text in Spanish or English, made from its struct and the labels."""

from __future__ import annotations

import json
import re
import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from exchange.model.bulletin import blocks, kinds, migration
from exchange.model.bulletin import shape as shapes
from exchange.model.bulletin.amendments import Change
from exchange.model.bulletin.audience import overdue
from exchange.model.bulletin.indicators import doubts
from exchange.render import values
from exchange.render.referents import referents
from exchange.render.visible import lines, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from exchange.model.bulletin.kinds import AnyBulletin, Bulletin
    from exchange.model.bulletin.shape import Shape
    from exchange.model.bulletin.strangers import Unknown
    from exchange.model.codes import Codes, Lang
    from exchange.model.header import Header

WIDTH = 88
# What is not known here, or quoted, may be a key: 32 bytes in base64url.
_KEY = re.compile(r'"[A-Za-z0-9_-]{43}"')
_LABEL = 28
_STEP = 2
# Members that speak of something else in the bulletin.
_ENDS = ("from_ref", "to_ref")
_FIRST = ("id", "origin", "observed", "due", "regime", "declares", "grading")
ORDER = (*_FIRST, "content", "remarks", "attachments")

_ONE_LINE: dict[type, Callable[[Any, Lang, Codes], str]] = {
    blocks.Grading: values.grading,
    blocks.Quantity: values.quantity,
    blocks.Headcount: values.headcount,
    blocks.Money: values.money,
    migration.FlowCell: values.flow_cell,
    migration.VulnerableCount: values.vulnerable,
}


def page(  # noqa: PLR0913  (time arrives as an argument too)
    bulletin: AnyBulletin,
    lang: Lang,
    codes: Codes,
    width: int = WIDTH,
    unknown: Sequence[Unknown] = (),
    *,
    now: int | None = None,
    leave_out: Collection[str] = (),
) -> str:
    """Return a bulletin as text.

    Args:
        bulletin: one that was decoded.
        lang: the reader's language.
        codes: the code lists.
        width: columns, at least 40.
        unknown: what of it is not known here; shown after the rest, as it stands. What its
            reader is to be warned of comes first.
        now: seconds UTC; marks reviews of people that are overdue. None marks none.
        leave_out: its own members that are not shown.

    Returns:
        Lines of at most ``width`` columns where words allow it, without trailing line feed.
        Free text is shown in the reader's language where there is a translation, and says
        which language is the original; no hidden character of it reaches the terminal.
    """
    form = shapes.of_struct(type(bulletin))
    plain = msgspec.to_builtins(bulletin)
    writer = Writer(lang, codes, width, kinds.TYPES, now)
    writer.names = referents(plain["content"], lang, codes)
    kind = codes.words("types", bulletin.type, lang)
    head = f"{bulletin.type.upper()} — {kind}"
    rows = [head, "=" * min(len(head), width)]
    if unknown:
        rows += [f"!!! {codes.phrase('read-in-part', lang)} !!!", ""]
    if now is not None and (late := overdue(bulletin, now)):
        told = codes.phrase("review-overdue", lang).format(n=len(late), by=bulletin.origin)
        rows += [f"!!! {told} !!!", ""]
    for found in doubts(bulletin, unknown):
        told = f"{writer.path(found.at)}: {codes.words('indicators', found.code, lang)}"
        told = f"!!! {codes.phrase('warning', lang)}: {told} !!!"
        rows += [*textwrap.wrap(told, width), ""]
    rows += writer.text(plain["title"], 0)
    rows.append("")
    for name in ORDER:
        member = None if name in leave_out else form.member(name)
        # The content of a newer version's type has no members here.
        if member is not None and (member.shape.members or member.shape.kind != "struct"):
            rows += writer.member(name, member.shape, plain.get(name), 0, plain)
    if unknown:
        rows += ["", f"{codes.phrase('not-understood', lang)}:"]
        for each in unknown:
            rows += writer.row(writer.path(each.at), [as_json(each.value)], _STEP)
    return "\n".join(rows)


def heading(header: Header, lang: Lang, codes: Codes, width: int = WIDTH) -> str:
    """Return a page's head: whether it is real, its marking, from whom and to whom."""
    writer = Writer(lang, codes, width, kinds.TYPES)
    rows = []
    if header.status != "actual":
        rows += [f"*** {codes.phrase(f'{header.status}-banner', lang)} ***", ""]
    if header.marking.is_controlled:
        told = codes.phrase("under-control", lang).format(by=visible(header.origin))
        rows += [*textwrap.wrap(f"!!! {told} !!!", width), ""]
    facts: tuple[tuple[str, str], ...] = (
        ("status", codes.words("status", header.status, lang)),
        ("precedence", codes.words("precedence", header.precedence, lang)),
        ("tlp", codes.words("tlp", header.marking.tlp, lang)),
        ("handling", "; ".join(_words(header.marking.handling, "handling", lang, codes))),
        (
            "releasable_to",
            ", ".join(_words(header.marking.releasable_to, "countries", lang, codes)),
        ),
        (
            "originator_control",
            codes.phrase("yes" if header.marking.originator_control else "no", lang),
        ),
        ("verb", codes.words("verbs", header.verb, lang)),
        ("endpoint", visible(header.endpoint)),
        ("feed", visible(header.feed)),
        ("to", visible(", ".join(header.to))),
        ("issued", _second(header.issued)),
        ("expires", _second(header.expires)),
        ("retain_until", _second(header.retain_until)),
    )
    for name, words in facts:
        rows += writer.row(codes.words("fields", name, lang), [words] if words else [], 0)
    return "\n".join(rows)


def _words(found: Iterable[str], name: str, lang: Lang, codes: Codes) -> list[str]:
    return [codes.words(name, code, lang) for code in found]


def _second(when: int) -> str:
    return values.moment(datetime.fromtimestamp(when, UTC))


class Writer:
    """Writes members as rows: a label, then its value, then what is inside it."""

    def __init__(
        self,
        lang: Lang,
        codes: Codes,
        width: int,
        types: dict[str, type[Bulletin]],
        now: int | None = None,
    ) -> None:
        self._now = now
        # What the references inside a bulletin stand for.
        self.names: dict[str, str] = {}
        self._lang = lang
        self._codes = codes
        self._width = width
        self._types = types

    def label(self, name: str) -> str:
        """Return a member's name in words."""
        return self._codes.words("fields", name, self._lang)

    def member(
        self, name: str, form: Shape, value: Any, indent: int, inside: dict[str, Any]
    ) -> Iterator[str]:
        """Write one member; what was not given is left out."""
        if value is None or value == []:
            return
        label = self.label(name)
        if form.kind == "list":
            yield from self._list(name, form.items[0], value, indent, inside)
        elif form.kind == "struct" and not self.is_short(form):
            yield from self._head(label, indent)
            yield from self._struct(form, value, indent + _STEP)
        else:
            yield from self.row(label, self.value(name, form, value), indent)

    def _head(self, label: str, indent: int) -> Iterator[str]:
        yield f"{' ' * indent}{label}:"

    def _struct(self, form: Shape, value: dict[str, Any], indent: int) -> Iterator[str]:
        for member in form.members:
            if member.shape.form == "secret":
                continue
            yield from self.member(
                member.name, member.shape, value.get(member.name), indent, value
            )

    def _list(
        self, name: str, item: Shape, found: list[Any], indent: int, inside: dict[str, Any]
    ) -> Iterator[str]:
        if item.kind != "struct":
            words = ", ".join(line for one in found for line in self.value(name, item, one))
            yield from self.row(self.label(name), [words], indent)
            return
        yield from self._head(self.label(name), indent)
        for number, one in enumerate(found, 1):
            yield from self._item(number, item, one, indent + _STEP, inside)

    def _item(
        self,
        number: int,
        item: Shape,
        value: dict[str, Any],
        indent: int,
        inside: dict[str, Any],
    ) -> Iterator[str]:
        mark = f"{number}."
        if self.is_short(item):
            yield from self._hang(f"{' ' * indent}{mark} ", self.value("", item, value))
            return
        if item.struct is Change:
            rows = list(self.change(target_type(inside), value, indent + 3))
        else:
            numbered = {key: inner for key, inner in value.items() if key != "n"}
            shown = numbered if value.get("n") == number and is_numbered(item) else value
            rows = list(self._struct(item, shown, indent + 3))
        first = rows[0] if rows else ""
        yield f"{' ' * indent}{mark:<3}{first[indent + 3 :]}"
        yield from rows[1:]

    def change(self, kind: str, value: dict[str, Any], indent: int) -> Iterator[str]:
        """Write one change of a correction: the field in words, before, after."""
        pointer = str(value["pointer"])
        yield " " * indent + self.path(pointer)
        for side in ("before", "after"):
            rows = self.side(kind, pointer, value.get(side))
            yield from self.row(self._codes.phrase(side, self._lang), rows, indent)

    def side(self, kind: str, pointer: str, value: Any) -> list[str]:
        """Return what a bulletin of a type says, or is said to say, at a pointer."""
        form = shapes.of(kind) if kind in self._types else None
        there = None if form is None else shapes.at(form, pointer)
        name = next(
            (step for step in reversed(shapes.steps(pointer)) if not step.isdecimal()), ""
        )
        return self._side(name, there, value)

    def path(self, pointer: str) -> str:
        """Return a JSON pointer as labels: ``Contenido > Drogas 1 > Cantidad``."""
        parts: list[str] = []
        for step in shapes.steps(pointer):
            if step.isascii() and step.isdecimal() and parts:
                parts[-1] += f" {int(step) + 1}"
            elif self._codes.has("fields", step):
                parts.append(self.label(step))
            else:
                parts.append(visible(step))
        return " > ".join(parts)

    def _side(self, name: str, form: Shape | None, value: Any) -> list[str]:
        if value is None:
            return [self._codes.phrase("nothing", self._lang)]
        if isinstance(value, str) and _KEY.fullmatch(f'"{value}"') and not _is_digest(form):
            return ["…"]
        if form is not None and _fits(form, value):
            if form.kind == "list" or (form.kind == "struct" and not self.is_short(form)):
                return list(self.member(name, form, value, 0, {}))
            return self.value(name, form, value)
        return [as_json(value)]

    @staticmethod
    def is_short(form: Shape) -> bool:
        """Tell whether a struct is said in a line or a text, without rows of its own."""
        return form.struct in _ONE_LINE or form.struct is blocks.Text

    def value(self, name: str, form: Shape, value: Any) -> list[str]:
        """Return a value that needs no rows of its own, as lines."""
        if form.kind == "choice":
            return values.geometry(value, self._lang, self._codes)
        if form.struct is blocks.Text:
            return self._text_lines(value)
        if form.struct is not None and form.struct in _ONE_LINE:
            return [_ONE_LINE[form.struct](value, self._lang, self._codes)]
        if form.kind == "any":
            return [as_json(value)]
        if form.form == "prose":
            return lines(str(value))
        word = self._codes.word("fields", name)
        unit = None if word is None else word.unit
        told = values.scalar(form, value, unit, self._lang, self._codes)
        if name in _ENDS and (meant := self.names.get(str(value))):
            told = f"{meant} ({told})"
        if name == "review_by" and self._now is not None and values.is_past(value, self._now):
            told = f"{told} !!! {self._codes.phrase('overdue', self._lang)} !!!"
        return [told]

    def text(self, value: dict[str, Any], indent: int) -> Iterator[str]:
        """Write free text without a label."""
        yield from self._hang(" " * indent, self._text_lines(value))

    def _text_lines(self, value: dict[str, Any]) -> list[str]:
        shown, notes = self.prose(value)
        rows = lines(shown)
        return [*rows[:-1], f"{rows[-1]} [{'; '.join(notes)}]"]

    def prose(self, value: dict[str, Any]) -> tuple[str, list[str]]:
        """Return free text for the reader, and what is to be said of it: whose words it is."""
        shown, notes = str(value["text"]), []
        original = str(value["lang"])
        if original != self._lang:
            # A quoted value may have null where a list is meant.
            found = [
                one for one in value.get("translations") or [] if one["lang"] == self._lang
            ]
            if found:
                shown = str(found[0]["text"])
                notes.append(self._translation(found[0]))
            else:
                missing = self._codes.phrase("no-translation", self._lang)
                notes.append(missing.format(lang=self._language(self._lang)))
        notes.append(
            self._codes.phrase("original", self._lang).format(lang=self._language(original))
        )
        return shown, notes

    def _translation(self, translation: dict[str, Any]) -> str:
        how = self._codes.words("translation-ways", str(translation["how"]), self._lang)
        by = visible(str(translation["by"]))
        return self._codes.phrase("translation", self._lang).format(how=how, by=by)

    def _language(self, code: str) -> str:
        words = visible(self._codes.words("languages", code, self._lang))
        # Spanish writes the names of languages in lower case.
        return words.lower() if self._lang == "es" else words

    def row(self, label: str, found: list[str], indent: int) -> Iterator[str]:
        """Write a label and its value, the value's lines hanging under each other."""
        rows = found or [self._codes.phrase("none", self._lang)]
        room = max(_LABEL - indent, len(label) + 2)
        yield from self._hang(f"{' ' * indent}{label + ':':<{room}}", rows)

    def _hang(self, first: str, found: list[str]) -> Iterator[str]:
        under = " " * len(first)
        for line in found:
            # The hanging indent of a line that is indented itself is kept.
            inner = " " * (len(line) - len(line.lstrip(" ")))
            room = max(self._width - len(first) - len(inner), 16)
            parts = textwrap.wrap(line.strip(" "), room, break_on_hyphens=False)
            for part in parts or [""]:
                yield f"{first}{inner}{part}".rstrip()
                first = under


def as_json(value: Any) -> str:
    """Return any value as it stands, with nothing hidden in it but what may be a key."""
    return visible(_KEY.sub('"…"', json.dumps(value, ensure_ascii=False)))


def _is_digest(form: Shape | None) -> bool:
    return form is not None and form.form in ("digest", "header-digest", "subject-token")


def target_type(content: dict[str, Any]) -> str:
    """Return the type of what a correction corrects."""
    return str(content.get("target", {}).get("type", ""))


def is_numbered(form: Shape) -> bool:
    """Tell whether a struct in a list carries its own number."""
    member = form.member("n")
    return member is not None and member.shape.limits.get("ge") == 1


def _fits(form: Shape, value: Any) -> bool:
    """Say whether a quoted value can be shown as the struct's member would be."""
    if form.kind == "list":
        return isinstance(value, list) and all(_fits(form.items[0], one) for one in value)
    if form.kind == "struct":
        return isinstance(value, dict) and all(
            _fits(member.shape, value[member.name])
            if value.get(member.name) is not None
            else not member.required or member.shape.nullable
            for member in form.members
        )
    if form.kind in ("integer", "number"):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if form.kind == "boolean":
        return isinstance(value, bool)
    return form.kind in ("text", "time") and isinstance(value, str)
