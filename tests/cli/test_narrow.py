"""A terminal of few columns: no cell is lost."""

from __future__ import annotations

import io
from itertools import pairwise

import pytest

from exchange.cli import output
from tests.cli.terminal import Terminal

HEADS = {"index": "entry", "title": "subject", "state": "state"}
ROWS = [
    {"index": 17, "title": "EXERCISE: northbound", "state": "EXERCISE"},
    {"index": 1023, "title": "EXERCISE: adrift\x1b[2J", "state": ""},
]


class Tty(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def shown(monkeypatch):
    """Show the rows at a terminal of so many columns; its lines."""

    def show(columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "dumb")
        monkeypatch.setattr("sys.stdout", tty := Tty())
        output.table(ROWS, HEADS)
        return tty.getvalue().splitlines()

    return show


def test_where_no_column_would_be_lost_it_stays_a_table(shown):
    lines = shown(5 + 2 + 8 + 2 + 8)
    assert lines[0].split() == ["entry", "subject", "state"]
    assert {line.split()[0] for line in lines} >= {"17", "1023"}


@pytest.mark.parametrize("columns", [24, 12])
def test_narrower_each_row_is_told_cell_by_cell(shown, columns):
    assert shown(columns) == [
        "entry: 17",
        "subject: EXERCISE: northbound",
        "state: EXERCISE",
        "",
        "entry: 1023",
        "subject: EXERCISE: adrift<U+001B>[2J",
    ]


def test_inbox_at_a_narrow_terminal_keeps_every_subject(exercise):
    posted = exercise.at("pa.senan-ops", "post", exercise.draft(), "--yes", "--json")
    assert posted.code == 0, posted
    env = exercise.environment(EXCHANGE_CONTEXT="us.jiatfs-watch", COLUMNS="30")
    with Terminal("inbox", **env) as person:
        assert person.end() == 0, person.shown
    lines = person.shown.decode().split("\r\n")
    entries = [line for line in lines if line.startswith("entry: ")]
    assert f"entry: {posted.json['index']}" in entries
    starts = [lines.index(entry) for entry in entries] + [len(lines)]
    for first, after in pairwise(starts):
        assert any(line.startswith("subject: ") for line in lines[first:after])
