"""What a search found, for a spreadsheet: all of it, and nothing that it would compute with."""

from __future__ import annotations

import csv
import io

import pytest

from exchange.audit import sheet
from exchange.audit.rows import Row


def cells(**row):
    (line,) = csv.reader(
        io.StringIO(sheet.lines([Row("pa", 3, 1_764_000_000_000, "k", **row)]))
    )
    return dict(zip(sheet.NAMES, line, strict=True))


def test_a_row_has_a_cell_for_each_name():
    told = cells(to=("a", "b"), refs=(("corrects", "x"),), version=7)
    assert told["taken"] == "2025-11-24T16:00:00.000Z"
    assert (told["journal"], told["index"], told["nation"]) == ("pa", "3", "pa")
    assert (told["to"], told["refs"], told["version"]) == ("a b", "corrects:x", "7")
    assert (told["home_index"], told["due"]) == ("-1", "")


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "＝", "＠"])  # noqa: RUF001
def test_nobodys_words_are_a_formula(sign):
    assert cells(officer=f"{sign}1+1")["officer"] == f"'{sign}1+1"
    assert cells(to=(f"{sign}x",))["to"] == f"'{sign}x"
