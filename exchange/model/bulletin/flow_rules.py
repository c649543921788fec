"""How people on the move are counted: no number, and no sum, points at anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exchange.model.bulletin import migration
from exchange.model.bulletin.demands import must
from exchange.model.bulletin.migration import SMALLEST_CELL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.model.bulletin.kinds import AnyBulletin
    from exchange.model.bulletin.strangers import Unknown

RULES = ("cell-once", "small-cell", "small-cell-total", "vulnerable-within")
# Who has one of these is a number of people: cells of a flow, and counts of the vulnerable.
_COUNTED = frozenset({"minority", "vulnerability"})
# Which cells people with a vulnerability can be in: by sex, or by age.
_AMONG = {"pregnant": ("f", "x"), "older": ("adult", "unknown")}


def check_apart(found: dict[str, Any], at: str) -> None:
    """Hold an object of a newer version, where we know of no place, to the smallest cell.

    Raises:
        Refusal: see ``rules.check``.
    """
    n = found.get("n")
    if n is not None and _COUNTED & found.keys():
        # A number that is none is no way to tell one.
        _shown(n if isinstance(n, int) else 1, f"{at}/n")


def check_sums(bulletin: AnyBulletin, unknown: Sequence[Unknown]) -> None:
    """Hold the sums of a flow to its cells: they give none away that has no number.

    What else a newer version tells directly of the flow may be part of its total; what it tells
    of a cell or of a place is not, nor is a code.

    Raises:
        Refusal: see ``rules.check``.
    """
    content = bulletin.content
    members = (each.at.split("/") for each in unknown if not each.is_code)
    is_more = any(at[:-1] == ["", "content"] for at in members)
    if isinstance(content, migration.MigrationFlow) and not is_more:
        _total(content)
        _vulnerable(content)


def _shown(n: int | None, at: str) -> None:
    # So small a number points at people; nought points at nobody.
    must(n is None or n == 0 or n >= SMALLEST_CELL, at, "small-cell")


def _cell(cell: migration.FlowCell | migration.VulnerableCount, at: str) -> None:
    _shown(cell.n, f"{at}/n")


def _once(content: migration.MigrationFlow, at: str) -> None:
    cells = [(each.nationality, each.sex, each.minority) for each in content.flow]
    must(len(set(cells)) == len(cells), f"{at}/flow", "cell-once")
    kinds = [each.vulnerability for each in content.vulnerable]
    must(len(set(kinds)) == len(kinds), f"{at}/vulnerable", "cell-once")


def _total(content: migration.MigrationFlow) -> None:
    if content.total_persons is None:
        return
    hidden = sum(cell.n is None for cell in content.flow)
    rest = content.total_persons - sum(cell.n or 0 for cell in content.flow)
    # One hidden cell is the rest itself; of several, a rest near its bounds tells each.
    most = hidden * (SMALLEST_CELL - 1)
    fits = rest == 0 if not hidden else max(hidden, SMALLEST_CELL - 1) < rest < most
    must(fits, "/content/total_persons", "small-cell-total")


def _vulnerable(content: migration.MigrationFlow) -> None:
    for place, each in enumerate(content.vulnerable):
        if each.n is None:
            continue
        at = f"/content/vulnerable/{place}/n"
        among = _AMONG.get(each.vulnerability, ())
        cells = [c for c in content.flow if not among or {c.sex, c.minority} & set(among)]
        if not among and content.total_persons is not None:
            must(each.n <= content.total_persons, at, "vulnerable-within")
            continue
        most = sum(SMALLEST_CELL - 1 if cell.n is None else cell.n for cell in cells)
        must(each.n <= most, at, "vulnerable-within")
        # As many as there can be: each cell without a number is as large as such a one can be.
        is_told = each.n == most and any(cell.n is None for cell in cells)
        must(not is_told, at, "small-cell-total")


GUARDS: dict[type, Callable[[Any, str], None]] = {
    migration.FlowCell: _cell,
    migration.VulnerableCount: _cell,
}
# The same of one member, which a correction tells without what is beside it.
OF_MEMBER: dict[tuple[type | None, str], Callable[[Any, str], None]] = {
    (migration.FlowCell, "n"): _shown,
    (migration.VulnerableCount, "n"): _shown,
    (migration.MigrationFlow, "total_persons"): _shown,
}
OF_STRUCT: dict[type, Callable[[Any, str], None]] = {migration.MigrationFlow: _once}
