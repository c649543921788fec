"""What is unusual is said once, however much there is, and by whoever goes on."""

from __future__ import annotations

from exchange.audit.anomalies import MOST, every
from exchange.audit.suspicions import Settings
from exchange.cli import following
from exchange.cli.following import Said
from tests.audit.made import HOUR_MS, Made, index_of
from tests.builders import NOW_MS, OPS, WATCH


def said(path, *journals, **settings):
    """What one look says anew, by journal and entry."""
    with index_of(path / "x.index", *journals) as index:
        found = Said(path / "x.said").unsaid(every(index, Settings(**settings)))
        return [(each.journal, *each.entries) for each in found]


def refused(made, **given):
    return made.node, made.refused(code="key-not-valid", after_ms=HOUR_MS, **given)


def test_who_watches_hears_what_is_new_after_any_number_of_finds(tmp_path):
    pa, us = Made("pa"), Made("us")
    first = [refused(pa) for _ in range(MOST + 1)]
    assert said(tmp_path, pa, us) == first
    assert said(tmp_path, pa, us) == []
    new = [refused(pa), refused(us, by=WATCH), refused(us, by=WATCH)]
    assert said(tmp_path, pa, us) == new
    assert said(tmp_path, pa, us) == []


def test_what_is_found_is_remembered_however_much_there_is(tmp_path, monkeypatch):
    monkeypatch.setattr(following, "_REMEMBERED", 2)
    pa, us = Made("pa"), Made("us")
    first = [refused(pa) for _ in range(5)]
    assert said(tmp_path, pa) == first
    assert said(tmp_path, pa) == []
    # Of what is not looked at any more, the newest.
    other = Made("us")
    new = refused(other)
    with index_of(tmp_path / "y.index", other) as index:
        found = list(Said(tmp_path / "x.said").unsaid(every(index)))
    assert [(each.journal, *each.entries) for each in found] == [new]
    assert said(tmp_path, pa, us) == first[:3]


def test_a_witness_that_is_away_is_said_once_until_it_was_back(tmp_path):
    pa, told = Made("pa"), []
    for cosigned, hours in ((0, 0), (1, 1), (1, 5), (1, 6), (1, 7), (5, 8), (6, 9), (6, 14)):
        pa.ms = NOW_MS + hours * HOUR_MS
        pa.checkpoint(cosigned=cosigned)
        told.append(said(tmp_path, pa, witness_s=4 * 3600 - 1))
    # Of the first that waited: entry 2, and entry 7 the second time.
    assert told == [[], [], [("pa", 2)], [], [], [], [], [("pa", 7)]]


def test_traffic_that_goes_one_way_is_said_once_until_some_went_the_other(tmp_path):
    pa, told = Made("pa"), []
    for at in range(10):
        pa.bulletin(by=WATCH, to=[OPS], home=("us", at, pa.ms), after_ms=10 * 24 * HOUR_MS)
        if at == 5:
            pa.bulletin(to=[WATCH])
        told.append(said(tmp_path, pa, one_sided=2, gap_h=10**4))
    # Of the first that came: at entry 1, and, when what went is thirty days ago, at entry 8.
    assert told == [[], [("pa", 1)], [], [], [], [], [], [], [], [("pa", 8)]]


def test_what_was_not_said_to_its_end_is_said_again(tmp_path):
    pa = Made("pa")
    first = [refused(pa) for _ in range(3)]
    with index_of(tmp_path / "x.index", pa) as index:
        next(Said(tmp_path / "x.said").unsaid(every(index)))
    assert said(tmp_path, pa) == first
