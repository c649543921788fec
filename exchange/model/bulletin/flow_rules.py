"""How people on the move are counted: no number, and no sum, points at anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exchange.model.bulletin import amendments, corrections, migration
from exchange.model.bulletin.demands import Breach, must
from exchange.model.bulletin.migration import SMALLEST_CELL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exchange.model.bulletin.kinds import AnyBulletin
    from exchange.model.bulletin.strangers import Unknown

RULES = ("cell-once", "small-cell", "small-cell-total", "vulnerable-within")
# Who has one of these is a number of people: cells of a flow, and counts of the vulnerable. In
# a flow itself these too; elsewhere they are of whoever was on board, or arrested.
_COUNTED = frozenset({"minority", "vulnerability"})
_COUNTED_IN_FLOW = _COUNTED | {"nationality", "sex"}
# What, added to an object, may make a number of people of it.
OF_COUNTS = _COUNTED_IN_FLOW | {"n"}
# Which cells people with a vulnerability can be in: by sex, or by age.
_AMONG = {"pregnant": ("f", "x"), "older": ("adult", "unknown")}


def check_apart(found: dict[str, Any], at: str, *, in_flow: bool) -> None:
    """Hold an object of which a newer version tells what we do not know to the smallest cell.

    Raises:
        Refusal: see ``rules.check``.
    """
    if (_COUNTED_IN_FLOW if in_flow else _COUNTED) & found.keys():
        _number(found.get("n"), f"{at}/n")


def _number(n: Any, at: str) -> None:
    # What is no number is no way to tell one.
    _shown(n if isinstance(n, int | None) else 1, at)


def check_alone(bulletin: AnyBulletin) -> None:
    """Hold a number that a correction tells alone, where we know of no place in a flow.

    Raises:
        Refusal: see ``rules.check``.
    """
    content = bulletin.content
    if isinstance(content, amendments.Correction) and content.target.type == "mig":
        for side in corrections.sides(content):
            if side.form is None and side.change.pointer.endswith("/n"):
                _number(side.value, side.at)


def check_sums(bulletin: AnyBulletin, unknown: Sequence[Unknown]) -> None:
    """Hold the total of a flow to its cells: it gives none away that has no number.

    Raises:
        Refusal: see ``rules.check``.
    """
    content = bulletin.content
    if isinstance(content, migration.MigrationFlow) and not _is_more(unknown):
        _total(content)


def leaks(bulletin: AnyBulletin, unknown: Sequence[Unknown]) -> Iterator[Breach]:
    """Yield each number beside the cells that may tell how many are in a small one."""
    content = bulletin.content
    if isinstance(content, migration.MigrationFlow) and not _is_more(unknown):
        codes = frozenset(each.at for each in unknown if each.is_code)
        yield from _by_vulnerable(content, codes)
    if isinstance(content, amendments.Correction):
        for side in corrections.sides(content):
            struct = None if side.holder is None else side.holder.struct
            is_total = side.change.pointer.endswith("/total_persons")
            is_new = is_total and struct is migration.MigrationFlow and not side.is_past
            if is_new and _points(side.typed()):
                yield Breach(side.at, "small-cell", side.value)


def _is_more(unknown: Sequence[Unknown]) -> bool:
    """Tell whether a newer version tells of the flow itself what may be part of its total.

    What it tells of a cell or of a place is not, nor is a code or a text.
    """
    return any(
        each.at.split("/")[:-1] == ["", "content"] and _may_count(each.value)
        for each in unknown
    )


def _may_count(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_may_count, value))
    return isinstance(value, dict | int | float) and not isinstance(value, bool)


def _points(n: int | None) -> bool:
    # So small a number points at people; nought points at nobody.
    return n is not None and 0 < n < SMALLEST_CELL


def _shown(n: int | None, at: str) -> None:
    must(n is None or n == 0 or n >= SMALLEST_CELL, at, "small-cell")


def _cell(cell: migration.FlowCell | migration.VulnerableCount, at: str) -> None:
    _shown(cell.n, f"{at}/n")


def _flow(content: migration.MigrationFlow, at: str) -> None:
    cells = [(each.nationality, each.sex, each.minority) for each in content.flow]
    must(len(set(cells)) == len(cells), f"{at}/flow", "cell-once")
    kinds = [each.vulnerability for each in content.vulnerable]
    must(len(set(kinds)) == len(kinds), f"{at}/vulnerable", "cell-once")
    for place, each in enumerate(content.vulnerable):
        most = _most(content, each)
        must((each.n or 0) <= most, f"{at}/vulnerable/{place}/n", "vulnerable-within")


def _most(content: migration.MigrationFlow, each: migration.VulnerableCount) -> int:
    """Return how many people can have a vulnerability: exactly, where a total is told."""
    if each.vulnerability not in _AMONG and content.total_persons is not None:
        return content.total_persons
    cells = _cells(content, each, frozenset())
    return sum(SMALLEST_CELL - 1 if cell.n is None else cell.n for cell in cells)


def _cells(
    content: migration.MigrationFlow,
    each: migration.VulnerableCount,
    unknown: frozenset[str],
) -> list[migration.FlowCell]:
    """Return the cells that people with a vulnerability can be in."""
    among = set(_AMONG.get(each.vulnerability, ()))
    return [
        cell
        for place, cell in enumerate(content.flow)
        if not among
        or {cell.sex, cell.minority} & among
        # Of a newer version's sex or age: they may be in it.
        or {f"/content/flow/{place}/{name}" for name in ("sex", "minority")} & unknown
    ]


def _total(content: migration.MigrationFlow) -> None:
    if content.total_persons is None:
        return
    hidden = sum(cell.n is None for cell in content.flow)
    rest = content.total_persons - sum(cell.n or 0 for cell in content.flow)
    fits = _is_vague(rest, hidden) if hidden else rest == 0
    must(fits, "/content/total_persons", "small-cell-total")


def _is_vague(rest: int, hidden: int) -> bool:
    """Tell whether so many people in cells without a number say nothing of any one cell."""
    # One hidden cell is the rest itself; of several, a rest near its bounds tells each.
    return max(hidden, SMALLEST_CELL - 1) < rest < hidden * (SMALLEST_CELL - 1)


def _by_vulnerable(
    content: migration.MigrationFlow, unknown: frozenset[str]
) -> Iterator[Breach]:
    for place, each in enumerate(content.vulnerable):
        cells = _cells(content, each, unknown)
        hidden = sum(cell.n is None for cell in cells)
        # At least so many of them are in cells without a number.
        rest = (each.n or 0) - sum(cell.n or 0 for cell in cells)
        if hidden and rest > 0 and not _is_vague(rest, hidden):
            about = (each, rest, hidden)
            yield Breach(f"/content/vulnerable/{place}/n", "small-cell-total", about)


GUARDS: dict[type, Callable[[Any, str], None]] = {
    migration.FlowCell: _cell,
    migration.VulnerableCount: _cell,
}
# The same of one member, which a correction tells without what is beside it.
OF_MEMBER: dict[tuple[type | None, str], Callable[[Any, str], None]] = {
    (migration.FlowCell, "n"): _shown,
    (migration.VulnerableCount, "n"): _shown,
}
OF_STRUCT: dict[type, Callable[[Any, str], None]] = {migration.MigrationFlow: _flow}
