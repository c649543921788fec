"""How much is asked for at once: as much as is taken in within a fraction of a second."""

from __future__ import annotations

import pytest

from exchange.link.pacing import AIM_S, Pace
from exchange.link.pages import MAX_ITEMS


def paced(pages, take_s=0.0, fetch_s=0.0):
    """Take so many pages in, of which each entry takes so long; return how many come next."""
    pace = Pace()
    for _ in range(pages):
        most = pace.most
        pace.fetched(most, most * fetch_s)
        pace.taken(most, most * take_s)
    return pace.most


@pytest.mark.parametrize("each_s", [0.001, 0.002, 0.005])
def test_page_takes_as_long_as_is_aimed_at(each_s):
    assert paced(20, take_s=each_s) == pytest.approx(AIM_S / each_s, abs=1)


def test_slow_line_is_reckoned_with_as_a_slow_node_is():
    # 9 KB at 4 MB/s.
    assert paced(20, take_s=0.0005, fetch_s=0.00225) == pytest.approx(AIM_S / 0.00225, abs=1)


def test_no_page_is_longer_than_one_may_be_nor_too_short_to_go_on():
    assert paced(20, take_s=0.0001) == MAX_ITEMS
    assert paced(20, take_s=5.0) == 32


def test_short_page_says_nothing_of_what_an_entry_takes():
    pace = Pace()
    before = pace.most
    pace.taken(1, 3.0)
    assert pace.most == before
