"""Cells of a CSV file (RFC 4180) that no spreadsheet takes for a formula, and runs.

A cell that begins with a formula's sign gets an apostrophe before it, as does one that begins
with an apostrophe, so that reading takes exactly one away again. Plain numbers stay.
Where lists are separated by semicolons, and wherever a program splits lines first, a cell ends
sooner than its quotes: inside it a sign after such an end gets an apostrophe too.

Source: OWASP, "CSV injection".
"""

from __future__ import annotations

import re
from typing import Final

# What a spreadsheet may take for a formula; the last four are what East Asian keyboards write.
_FORMULA: Final = "=+-@\t\r\n＝＋－＠"  # noqa: RUF001
# Inside a cell, what ends it for a program of another separator, and what stands next.
_NEXT: Final = r"(?=[=+\-@＝＋－＠'])"  # noqa: RUF001
_BARE: Final = re.compile(r'([;\t\r\n]"*)' + _NEXT)
_HELD: Final = re.compile(r"""([;\t\r\n]"*)'""" + _NEXT)
_SIGN: Final = re.compile(r'[;\t\r\n]"*[=+\-@＝＋－＠]')  # noqa: RUF001
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")


def disarmed(cell: str) -> str:
    """Return a cell that no spreadsheet runs."""
    is_risky = cell[:1] in (*_FORMULA, "'") and not _NUMBER.fullmatch(cell)
    held = _BARE.sub(r"\1'", cell)
    return f"'{held}" if is_risky else held


def armed(cell: str) -> str:
    """Return a cell as it was before it was disarmed."""
    held = cell[1:] if cell[:1] == "'" and cell[1:2] in (*_FORMULA, "'") else cell
    return _HELD.sub(r"\1", held)


def is_disarmed(cell: str) -> bool:
    """Tell whether a written cell holds a formula's sign that was made harmless."""
    was = armed(cell)
    # Of what only quoted an apostrophe, nothing is said.
    return was != cell and (was[0] in _FORMULA or _SIGN.search(was) is not None)
