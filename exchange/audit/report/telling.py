"""A report in one language: titles, headings and cells as text, with the plots to draw.

Page and document are both made of this, so that they say the same.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from exchange import web
from exchange.audit import console
from exchange.audit.console.wording import Wording
from exchange.audit.report.figures import SHARED, digest
from exchange.web import plots
from exchange.web.pages import moment_ms
from exchange.web.words import load, number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exchange.audit.report.figures import Cell, Column, Report, Table
    from exchange.model.codes import Codes, Lang
    from exchange.web.plots import Plot
    from exchange.web.words import Words

LOCALE: Final = Path(__file__).parent / "locale"
TEMPLATES: Final = Path(__file__).parent / "templates"
_NUMBERS: Final = frozenset({"count", "seconds", "share"})
_LISTS: Final = frozenset({"types", "precedence", "status", "case-states"})
# Tables that are drawn: which columns are its series, by their place.
_DRAWN: Final[dict[str, tuple[int, ...]]] = {
    "types": (),
    "agencies": (1, 2),
    "precedence": (),
    "months": (),
    "times": (3, 4, 5),
    "refusals": (),
}
# Columns of roots, and of names that are joined.
_LONG: Final = frozenset({"root", "witnesses"})
# What stands where there is nothing.
_NONE: Final = "–"  # noqa: RUF001
# More bars than this are not told apart any more.
_MOST_BARS: Final = 40


class Head(NamedTuple):
    """A column's heading; ``is_long`` where what stands in it has no words to break between."""

    text: str
    is_number: bool
    is_long: bool


class Part(NamedTuple):
    """One table with its title, what is to be known of it, and its plot, if it has one."""

    name: str
    title: str
    intro: str
    heads: tuple[Head, ...]
    rows: tuple[tuple[str, ...], ...]
    plot: Plot | None


class Told(NamedTuple):
    """All of a report, in words. ``facts`` are labels with what they are of."""

    lang: Lang
    title: str
    banner: str
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    parts: tuple[Part, ...]
    digest: str
    closing: str
    none: str


def catalogue() -> Words:
    """Return the words of a report: those of all pages, of the console, and its own."""
    return load([Path(web.__file__).parent / "locale", _console() / "locale", LOCALE])


def _console() -> Path:
    return Path(console.__file__).parent


def tell(report: Report, lang: Lang, words: Words, codes: Codes) -> Told:
    """Return a report in one language."""
    return _Teller(lang, words, codes).tell(report)


class _Teller:
    def __init__(self, lang: Lang, words: Words, codes: Codes) -> None:
        self._lang, self._words, self._codes = lang, words, codes
        self._wording = Wording(words, codes, lang)

    def tell(self, report: Report) -> Told:
        t, found = self._t, digest(report)
        is_shared = report.scope == SHARED
        scope = t("report.shared") if is_shared else self._wording.node(report.scope)
        facts = (
            (t("report.fact.scope"), scope),
            (t("report.fact.since"), report.since),
            (t("report.fact.before"), report.before),
            (t("report.fact.status"), self._codes.words("status", report.status, self._lang)),
            (t("report.fact.anchor"), report.anchor),
            (t("report.fact.template"), str(report.template)),
        )
        notes = [t("report.note.shared") if is_shared else t("report.note.annex")]
        notes += [t(key) for key in unfinished(report)]
        is_actual = report.status == "actual"
        return Told(
            lang=self._lang,
            title=t("report.title") if is_shared else t("report.title_annex"),
            banner="" if is_actual else self._codes.words("status", report.status, self._lang),
            facts=facts,
            notes=tuple(notes),
            parts=tuple(self._part(each) for each in report.tables),
            digest=found,
            closing=t("report.closing"),
            none=t("report.none"),
        )

    def _t(self, key: str) -> str:
        return self._words.text(self._lang, key)

    def _part(self, table: Table) -> Part:
        heads = tuple(
            Head(self._head(each), each.form in _NUMBERS, each.name in _LONG)
            for each in table.columns
        )
        rows = tuple(tuple(map(self._cell, row, table.columns)) for row in table.rows)
        title = self._t(f"report.table.{table.name}")
        intro = self._t(f"report.intro.{table.name}")
        return Part(table.name, title, intro, heads, rows, self._plot(table, heads))

    def _head(self, column: Column) -> str:
        if column.name.startswith("nation."):
            return self._wording.node(column.name.removeprefix("nation."))
        said = self._t(f"report.column.{column.name}")
        return f"{said} (s)" if column.form == "seconds" else said

    def _cell(self, cell: Cell, column: Column) -> str:
        if cell is None:
            return _NONE
        if isinstance(cell, int):
            return _number(cell, column)
        sayers: dict[str, Callable[[str], str]] = {
            "nation": self._wording.node,
            "kind": self._wording.kind,
            "stage": lambda code: self._t(f"report.stage.{code}"),
            "correction": lambda code: self._t(f"report.correction.{code}"),
            "document": self._document,
            "refusals": lambda code: f"{code}: {self._wording.code(code)}",
        }
        if column.form in _LISTS:
            return self._of_list(cell, column.form)
        return sayers.get(column.form, str)(cell)

    def _document(self, name: str) -> str:
        """Return what a trust document is; of an entry without one, a dash."""
        if name in {"root", "targets"}:
            return self._words.text(self._lang, f"report.document.{name}")
        if self._words.has(f"nation.{name}"):
            whose = self._wording.node(name)
            return self._words.text(self._lang, "report.document.directory", nation=whose)
        return name or _NONE

    def _of_list(self, code: str, name: str) -> str:
        if name == "precedence" and not code:
            return self._t("report.all")
        said = self._codes.words(name, code, self._lang)
        return f"{code.upper()} · {said}" if name == "types" else said

    def _plot(self, table: Table, heads: tuple[Head, ...]) -> Plot | None:
        """Return a table's plot: of its own rows, one bar for each of its numbers."""
        if table.name not in _DRAWN or not table.rows:
            return None
        series = _DRAWN[table.name] or tuple(range(1, len(table.columns)))
        rows = table.rows
        if table.name == "times":
            # Of all precedences together: five stages, and not five times as many.
            rows = tuple(row for row in rows if not row[1])
        points = [
            (self._label(row[0], table.columns[0]), [_plain(row[each]) for each in series])
            for row in rows
        ]
        is_empty = not any(value for _, of in points for value in of)
        if is_empty or len(points) * len(series) > _MOST_BARS:
            return None
        names = [heads[each].text for each in series]
        are_times = all(table.columns[each].form == "seconds" for each in series)
        return plots.bars(heads[0].text, names, points, are_times=are_times)

    def _label(self, cell: Cell, column: Column) -> str:
        """Return what stands under a bar: short, where the table says more."""
        text = str(cell)
        if column.form in {"types", "refusals"}:
            return text.upper() if column.form == "types" else text
        return self._cell(cell, column)


def unfinished(report: Report) -> Iterator[str]:
    """Yield why a report is not final, as keys of its words; nothing where it is."""
    before_ms = int(dt.datetime.fromisoformat(report.before).timestamp()) * 1000
    verified = report.table("verified")
    if any(_plain(each) < before_ms for each in verified.cells("covered")):
        yield "report.note.unfinished"
    if any(verified.cells("still_owed")):
        yield "report.note.owed"


def _plain(cell: Cell) -> int:
    return cell if isinstance(cell, int) else 0


def _number(value: int, column: Column) -> str:
    match column.form:
        case "share":
            return f"{value // 100}.{value % 100:02} %"
        case "time":
            return moment_ms(value)
        case _:
            return number(value)
