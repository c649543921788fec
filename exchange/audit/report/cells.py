"""A report as CSV (RFC 4180): one line for each cell, in codes, the same in every language."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from exchange.audit.report.figures import digest
from exchange.render.cells import disarmed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.audit.report.figures import Report

NAMES: Final = ("table", "row", "of", "column", "form", "value")
_HEAD: Final = ("scope", "since", "before", "status", "whole", "anchor", "template")


def encode(report: Report) -> bytes:
    """Return a report as CSV: of what it is, each cell of each table, and its digest.

    ``of`` are the row's names: all cells that are no number. No cell is a formula.
    """
    made = io.StringIO(newline="")
    writer = csv.writer(made)
    writer.writerow(NAMES)
    for line in _lines(report):
        writer.writerow(["" if each is None else disarmed(str(each)) for each in line])
    return made.getvalue().encode()


def _lines(report: Report) -> Iterator[tuple[object, ...]]:
    for name in _HEAD:
        value = getattr(report, name)
        yield "report", 0, "", name, "text", str(value).lower() if name == "whole" else value
    for table in report.tables:
        for number, row in enumerate(table.rows):
            of = " ".join(each for each in row if isinstance(each, str))
            for column, value in zip(table.columns, row, strict=True):
                yield table.name, number, of, column.name, column.form, value
    yield "report", 0, "", "sha256", "text", digest(report)
