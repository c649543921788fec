"""The region of the map: its box, its projection, and the countries in it.

From 125 W to 55 W and from 12 S to 33 N, in Mercator's projection: a course held at sea is a
straight line on it. A unit is a hundredth of a degree of longitude; x grows to the east, y to
the south, from the north-west corner. The countries are drawn once, beforehand, from Natural
Earth 1:10m (public domain; ``tests/web/atlas.py``).
"""

from __future__ import annotations

from functools import cache
from math import atan, degrees, exp, log, pi, radians, tan
from pathlib import Path
from typing import Final

import msgspec

WEST: Final = -125.0  # degrees
EAST: Final = -55.0
SOUTH: Final = -12.0
NORTH: Final = 33.0
PER_DEGREE: Final = 100  # units; one is 1.1 km at the equator, finer than the coast is known


class Country(msgspec.Struct, frozen=True):
    """One country as far as it lies in the box.

    Attributes:
        at: where its name is written: x and y in units.
        area: of its largest part, in units squared: how large the name may be.
        path: an SVG path in units, to be filled by the rule ``evenodd``.
    """

    at: tuple[int, int]
    area: int
    path: str


class Region(msgspec.Struct, frozen=True):
    """The countries by ISO 3166-1 alpha-3, and where they come from.

    Attributes:
        source: what was drawn.
        digest: SHA-256 of the file that was drawn, in hex.
        countries: in the order of their codes.
        unnamed: the path of what has no code of its own, such as Clipperton Island.
    """

    source: str
    digest: str
    countries: dict[str, Country]
    unnamed: str


@cache
def load() -> Region:
    """Return the region as it is shipped."""
    raw = Path(__file__).with_name("region.json").read_bytes()
    return msgspec.json.decode(raw, type=Region)


def project(lon: float, lat: float) -> tuple[float, float]:
    """Return x and y in units of a position in degrees, WGS 84; outside the box too.

    Source: J. Snyder, Map Projections: A Working Manual, 1987, equations 7-1 and 7-2 (sphere).
    """
    return (lon - WEST) * PER_DEGREE, _northing(NORTH) - _northing(lat)


def unproject(x: float, y: float) -> tuple[float, float]:
    """Return longitude and latitude in degrees of a place on the map."""
    northing = (_northing(NORTH) - y) / PER_DEGREE
    return x / PER_DEGREE + WEST, degrees(2 * atan(exp(radians(northing))) - pi / 2)


def _northing(lat: float) -> float:
    return degrees(log(tan(pi / 4 + radians(lat) / 2))) * PER_DEGREE


WIDTH: Final = (EAST - WEST) * PER_DEGREE
HEIGHT: Final = project(WEST, SOUTH)[1]
