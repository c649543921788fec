from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.journal.proofs import inclusion_proof, root_at
from exchange.journal.tiles import MemoryHashes
from exchange.journal.tree import leaf_hash
from exchange.web import plots
from exchange.web.ladder import climb

counts = st.integers(0, 10**9)


@given(st.lists(st.tuples(st.text(max_size=4), st.tuples(counts, counts)), max_size=40))
def test_bars_stay_within_their_box_and_the_table_says_the_same(points):
    drawn = plots.bars("axis", ("a", "b"), points)
    for bar in drawn.bars:
        assert drawn.left <= bar.x <= bar.x + bar.width <= drawn.right
        assert 0 <= bar.y <= bar.y + bar.height <= drawn.bottom + 0.01
    assert [row.label for row in drawn.rows] == [label for label, _ in points]
    told = [value.replace("\u202f", "") for row in drawn.rows for value in row.values]
    assert told == [str(value) for _, values in points for value in values]
    assert len(drawn.marks) <= 8


@given(st.lists(counts, max_size=30))
def test_heights_are_in_proportion(found):
    drawn = plots.bars("axis", ("a",), [(str(n), (value,)) for n, value in enumerate(found)])
    most = max(found, default=0)
    for bar, value in zip(drawn.bars, found, strict=True):
        tallest = max(each.height for each in drawn.bars)
        assert bar.height == pytest.approx(tallest * value / most if most else 0, abs=0.02)


@given(st.lists(counts, min_size=1, max_size=30))
def test_times_are_read_off_a_scale_of_minutes_hours_and_days(found):
    points = [(str(n), (value,)) for n, value in enumerate(found)]
    drawn = plots.bars("axis", ("a",), points, are_times=True)
    units = {"": 1, "s": 1, "min": 60, "h": 3600, "d": 86_400}
    ticks = {}
    for tick in drawn.ticks:
        n, _, unit = tick.label.partition(" ")
        ticks[int(n) * units[unit]] = tick.at
    # A bar ends between the lines that its value is between, and labels do not run together.
    for bar, value in zip(drawn.bars, found, strict=True):
        assert 0 < bar.y <= bar.y + bar.height <= drawn.bottom + 0.02
        for at, line in ticks.items():
            assert (bar.y - line) * (at - value) >= -0.02 * abs(at - value)
    heights = list(ticks.values())
    assert len(ticks) >= 3
    assert min(one - other for one, other in pairwise(heights)) >= 13


@given(counts)
def test_the_scale_reaches_over_the_largest_value_in_few_steps(most):
    ticks = plots.lines("axis", ("a",), [("x", (most,))]).ticks
    assert 2 <= len(ticks) <= 12
    assert int(ticks[-1].label.replace("\u202f", "")) >= most
    assert ticks[0].label == "0"


def test_a_ribbon_is_of_three_in_order():
    plots.ribbon("axis", ("p10", "p50", "p90"), [("x", (1, 2, 3)), ("y", (1, 1, 1))])
    for series, values in ((("a", "b"), (1, 2)), (("a", "b", "c"), (1, 3, 2))):
        with pytest.raises(ValueError, match="percentiles"):
            plots.ribbon("axis", series, [("x", values)])


@pytest.mark.parametrize("values", [(1,), (1, 2, 3), (1, -1)])
def test_a_point_that_does_not_fit_is_a_mistake(values):
    with pytest.raises(ValueError):
        plots.bars("axis", ("a", "b"), [("x", values)])


@given(st.integers(1, 70), st.data())
def test_a_ladder_of_any_entry_ends_in_the_root_and_of_another_it_does_not(size, data):
    index = data.draw(st.integers(0, size - 1))
    leaves = [leaf_hash(bytes([each])) for each in range(size)]
    hashes = MemoryHashes()
    hashes.extend(leaves)
    path, root = inclusion_proof(index, size, hashes), root_at(size, hashes)
    drawn = climb(index, size, leaves[index], path, root)
    assert drawn.holds
    assert len(drawn.rungs) == len(path)
    assert not climb(index, size, leaf_hash(b"other"), path, root).holds
    assert not climb(index, size + 1 << 1, leaves[index], path, root).holds
    if path:
        assert not climb(index, size, leaves[index], path[:-1], root).holds
