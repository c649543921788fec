"""A position as officers type it, in either language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.desk import position
from exchange.errors import Refusal

GAMBOA = (-79.55, 8.95)


@pytest.mark.parametrize(
    "typed",
    [
        "8.95 -79.55",
        "8.95, -79.55",
        "8.95 \N{MINUS SIGN}79.55",
        "8,95; -79,55",
        "8.95N 79.55W",
        "8.95 N, 79.55 O",
        "79.55W 8.95N",
        "N8.95 W79.55",
        "08°57.0'N 079°33.0'W",
        "08°57\N{PRIME}00\N{DOUBLE PRIME}N 079°33\N{PRIME}00\N{DOUBLE PRIME}W",
        "8 57 0 N, 79 33 0 O",
        "8 57.0 N 79 33.0 W",
        "8 57.0 -79 33.0",
        "08º57,0\u2019 N / 079º33,0\u2019 O",
    ],
)
def test_position_is_read_as_it_is_typed(typed):
    assert position.read(typed) == GAMBOA


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "8.95",
        "here",
        "8.95 N 79.55 N",
        "8.95 N -79.55",
        "91 0",
        "8 61.0 N 79 33.0 W",
        "8.5 30.0 N 79 33.0 W",
        "-8.95 S 79.55 W",
        "8.95 -79.55 12",
        "8.95 -179.55.1",
        "1 2 3 4 5 6 7",
        "8.95 -190",
    ],
)
def test_what_is_no_position_is_refused_where_it_stands(typed):
    with pytest.raises(Refusal) as refused:
        position.read(typed, "/content/place/geometry")
    assert refused.value.code == "wrong-value"
    assert refused.value.at == "/content/place/geometry"


@given(st.floats(-180, 180), st.floats(-90, 90))
def test_position_that_is_told_is_read_back(lon, lat):
    told = position.told((lon, lat))
    assert position.read(told) == pytest.approx((lon, lat), abs=2e-5)


@given(st.text(max_size=40))
def test_any_text_is_a_position_or_is_refused(typed):
    try:
        lon, lat = position.read(typed)
    except Refusal:
        return
    assert -180 <= lon <= 180
    assert -90 <= lat <= 90


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("-80.4125, 6.8831", (-80.4125, 6.8831)),
        ("-79 33.0 8 57.0", (-79.55, 8.95)),
        # As it is to be typed; said by letters; in the region neither way; no position.
        ("6.8831, -80.4125", None),
        ("80.4125 S, 6.8831 E", None),
        ("48.2 16.4", None),
        ("", None),
    ],
)
def test_position_with_the_longitude_first_is_noticed(typed, meant):
    assert position.turned(typed) == (meant and pytest.approx(meant, abs=1e-5))
