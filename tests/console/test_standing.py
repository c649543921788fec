"""How far a journal has come with the other nation's, by what came in its turn."""

from __future__ import annotations

import pytest

from exchange.audit.console import standing
from tests.audit.made import Made, index_of
from tests.builders import OPS


@pytest.mark.parametrize(
    ("came", "crossed"),
    [
        ([("routine", 4), ("flash", 900)], 5),
        ([("flash", 900)], None),
        ([("flash", 2), ("priority", 7)], 8),
        ([], None),
    ],
)
def test_what_went_ahead_says_nothing_of_those_before_it(tmp_path, came, crossed):
    made = Made("us")
    for precedence, place in came:
        made.bulletin(OPS, precedence=precedence, home=("pa", place, made.ms))
    with index_of(tmp_path / "x.index", made) as index:
        (journal,) = index.journals()
        assert standing._crossed(index, journal) == crossed
