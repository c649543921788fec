"""Cells of a CSV file (RFC 4180) that no spreadsheet takes for a formula, and runs.

A cell that begins with a formula's sign gets an apostrophe before it, as does one that begins
with an apostrophe, so that reading takes exactly one away again. Plain numbers stay.

Source: OWASP, "CSV injection".
"""

from __future__ import annotations

import re
from typing import Final

# What a spreadsheet may take for a formula; the last four are what East Asian keyboards write.
_FORMULA: Final = "=+-@\t\r\n＝＋－＠"  # noqa: RUF001
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")


def disarmed(cell: str) -> str:
    """Return a cell that no spreadsheet runs."""
    is_risky = cell[:1] in (*_FORMULA, "'") and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if is_risky else cell


def armed(cell: str) -> str:
    """Return a cell as it was before it was disarmed."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in (*_FORMULA, "'") else cell
