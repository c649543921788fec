"""The region of the map: where things stand on it, and that it is the atlas's."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.model.bulletin.blocks import LineString, Place, Point, Polygon
from exchange.web import region
from exchange.web.marks import mark
from tests.web import atlas

needs_atlas = pytest.mark.skipif(
    not atlas.ATLAS.exists(), reason="`./run test` could not install tests/peers/node_modules"
)


@given(st.floats(-125, -55), st.floats(-12, 33))
def test_place_on_the_map_leads_back_to_its_position(lon, lat):
    x, y = region.project(lon, lat)
    assert 0 <= x <= region.WIDTH
    assert -1e-6 <= y <= region.HEIGHT + 1e-6
    assert region.unproject(x, y) == pytest.approx((lon, lat), abs=1e-9)


def test_a_course_held_is_a_straight_line():
    """Mercator's promise: one minute of latitude north is as long as one of longitude east."""
    x, y = region.project(-80, 9)
    east, north = region.project(-80 + 1e-4, 9)[0] - x, y - region.project(-80, 9 + 1e-4)[1]
    assert north / east == pytest.approx(1 / 0.98769, abs=1e-4)  # 1 / cos 9°


def test_countries_are_those_of_the_region():
    """Each that has land in the box, by its code, and no other."""
    assert " ".join(region.load().countries) == (
        "ABW AIA ATG BES BHS BLM BLZ BMU BOL BRA BRB COL CRI CUB CUW CYM DMA DOM ECU FRA GRD "
        "GTM GUY HND HTI JAM KNA LCA MAF MEX MSR NIC PAN PER PRI SLV SUR SXM TCA TTO UMI USA "
        "VCT VEN VGB VIR"
    )


@pytest.mark.parametrize(
    ("lon", "lat", "country"),
    [
        (-79.9, 9.15, "PAN"),       # the canal at Gamboa
        (-82.43, 8.43, "PAN"),      # David
        (-74.07, 4.71, "COL"),      # Bogotá
        (-81.5, 28.3, "USA"),       # Orlando
        (-84.08, 9.93, "CRI"),      # San José
        (-75.13, 19.93, None),       # the bay of Guantánamo and its base: land without a code
        (-80.0, 12.0, None),        # the Caribbean
        (-90.0, 0.5, None),         # the Pacific
        (-71.5, 9.8, None),         # Lake Maracaibo is a hole in Venezuela
    ],
)  # fmt: skip
def test_place_lies_in_its_country(lon, lat, country):
    where = region.project(lon, lat)
    found = [
        code for code, drawn in region.load().countries.items() if _holds(drawn.path, where)
    ]
    assert found == ([country] if country else [])


def test_name_of_a_large_country_stands_in_it():
    for code in ("PAN", "COL", "VEN", "NIC", "HND", "GTM", "ECU", "MEX", "USA", "CUB", "BRA"):
        drawn = region.load().countries[code]
        assert _holds(drawn.path, drawn.at) or code == "PAN", code  # an arch: its middle is bay


@needs_atlas
def test_region_is_the_atlas_drawn():
    assert atlas.REGION.read_bytes() == atlas.drawn()


def test_point_with_its_uncertainty():
    here = mark(Place(geometry=Point(coordinates=(-79.5, 9.0)), accuracy_m="2000"))
    assert here is not None
    assert here.at == pytest.approx(region.project(-79.5, 9.0), abs=0.05)
    assert here.radius == pytest.approx(1.8, abs=0.05)  # 2 km in units of 1.1 km at 9 N
    assert not here.is_outside


def test_area_is_closed_and_a_track_is_not():
    square = [(-80.0, 8.0), (-79.0, 8.0), (-79.0, 9.0), (-80.0, 8.0)]
    area = mark(Place(geometry=Polygon(coordinates=[square])))
    track = mark(Place(geometry=LineString(coordinates=square[:3])))
    assert area is not None
    assert track is not None
    assert area.path.endswith("Z")
    assert not track.path.endswith("Z")
    assert area.at == track.at


def test_what_is_off_the_map_says_so():
    far = mark(Place(geometry=Point(coordinates=(2.0, 90.0))))
    assert far is not None
    assert far.is_outside
    assert mark(Place(name="EXERCISE pier")) is None


def _holds(path: str, where: tuple[float, float]) -> bool:
    """Say whether a place is inside a path, by how often a line to the west crosses it."""
    x, y = where
    is_in = False
    for ring in _rings(path):
        for (x1, y1), (x2, y2) in pairwise([*ring, ring[0]]):
            if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
                is_in = not is_in
    return is_in


def _rings(path: str):
    for part in path.split("z")[:-1]:
        numbers = [int(number) for number in re.findall(r"-?\d+", part)]
        x = y = 0
        ring = []
        for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
            x, y = x + dx, y + dy
            ring.append((x, y))
        yield ring
