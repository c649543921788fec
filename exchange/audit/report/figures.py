"""What a report says, before any language: tables of codes and whole numbers, in a fixed order.

Every rendering is made of this, and a plot of the table that stands below it. Its JSON is the
report: whoever comes to the same figures has the same bytes, and so the same digest.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

# Goes up with any change of what is counted, or how: figures of two templates do not compare.
TEMPLATE: Final = 6
SHARED: Final = "shared"

# What stands in a column: counts; seconds, rounded down; hundredths of a percent; a time, in
# milliseconds UTC; a name or digest as it is; or a code, of the list of that name or our own.
Form = Literal[
    "count",
    "seconds",
    "share",
    "time",
    "text",
    "nation",
    "month",
    "stage",
    "correction",
    "kind",
    "document",
    "types",
    "precedence",
    "status",
    "case-states",
    "refusals",
]
Cell = str | int | None


class Column(msgspec.Struct, frozen=True):
    """One column: the key of its heading, and what stands in it."""

    name: str
    form: Form = "count"


class Table(msgspec.Struct, frozen=True):
    """One table: the key of its title; each row has a cell for each column, null for none."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def cells(self, name: str) -> list[Cell]:
        """Return what stands in a column, by its name."""
        place = [each.name for each in self.columns].index(name)
        return [row[place] for row in self.rows]


class Report(msgspec.Struct, frozen=True):
    """All that is told of a period.

    Attributes:
        template: the version of what is counted.
        scope: ``shared``: what crossed; or the node whose national annex it is.
        since: the first moment of the period, and ``before``: the first one after it, UTC.
        status: of the bulletins that are counted: actual, exercise or test.
        whole: both journals reach to the end of the period, and of it nothing is owed across
            that had not come.
        anchor: the digest of the first root from which all was verified.
        tables: in their fixed order.
    """

    template: int
    scope: str
    since: str
    before: str
    status: str
    whole: bool
    anchor: str
    tables: tuple[Table, ...]

    def table(self, name: str) -> Table:
        """Return a table by its name."""
        return next(each for each in self.tables if each.name == name)


def encode(report: Report) -> bytes:
    """Return the report: one spelling, and a line feed at its end."""
    return msgspec.json.format(msgspec.json.encode(report, order="deterministic"), indent=1) + (
        b"\n"
    )


def digest(report: Report) -> str:
    """Return the SHA-256 of the report, as ``sha256sum`` prints it of the file."""
    return sha256(encode(report)).hexdigest()


def percentile(values: Sequence[int], percent: int) -> int | None:
    """Return the smallest value that so many percent of all do not exceed; None of none.

    Args:
        values: in ascending order.
        percent: 1 to 100.

    Source: the nearest-rank method; no value is invented between two.
    """
    if not values:
        return None
    rank = -(-percent * len(values) // 100)
    return values[max(rank, 1) - 1]


def seconds(milliseconds: int) -> int:
    """Return whole seconds; where two clocks have an answer before its question, 0."""
    return max(milliseconds, 0) // 1000


def spread(milliseconds: Sequence[int]) -> tuple[int | None, ...]:
    """Return the median, the 90th percentile and the longest of times, in seconds."""
    found = sorted(seconds(each) for each in milliseconds)
    return tuple(percentile(found, each) for each in (50, 90, 100))


SPREAD: Final = (Column("p50", "seconds"), Column("p90", "seconds"), Column("max", "seconds"))
