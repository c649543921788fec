"""Rows of an index as CSV (RFC 4180), of which no cell is a formula."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from exchange.audit.rows import Row
from exchange.render.cells import disarmed
from exchange.render.times import zulu_ms

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES: Final = ("taken", "nation", *Row.__struct_fields__)


def lines(rows: Iterable[Row]) -> str:
    """Return rows as lines of CSV."""
    made = io.StringIO()
    writer = csv.writer(made)
    for row in rows:
        values = {"taken": zulu_ms(row.taken_ms), "nation": row.nation}
        values |= {name: getattr(row, name) for name in Row.__struct_fields__}
        writer.writerow([_cell(values[name]) for name in NAMES])
    return made.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        parts = (":".join(each) if isinstance(each, tuple) else str(each) for each in value)
        value = " ".join(parts)
    return "" if value is None else disarmed(str(value))
