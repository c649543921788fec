"""Rows of an index as CSV (RFC 4180), of which no cell is a formula."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from exchange.audit.rows import Row
from exchange.render.cells import disarmed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NAMES: Final = ("taken", "nation", *Row.__struct_fields__)


def lines(rows: Iterable[Row]) -> str:
    """Return rows as lines of CSV."""
    return written(cells(row) for row in rows)


def cells(row: Row) -> list[object]:
    """Return a row's values, in the order of ``NAMES``."""
    return [row.taken, row.nation, *(getattr(row, name) for name in NAMES[2:])]


def written(rows: Iterable[Sequence[object]]) -> str:
    """Return rows of values as lines of CSV."""
    made = io.StringIO()
    writer = csv.writer(made)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return made.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, tuple | list):
        parts = (":".join(each) if isinstance(each, tuple) else str(each) for each in value)
        value = " ".join(parts)
    return "" if value is None else disarmed(str(value))
