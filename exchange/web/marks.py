"""What stands on the map: a place of a bulletin in the map's units, ready to be drawn."""

from __future__ import annotations

from math import cos, radians
from typing import Final

import msgspec

from exchange.model.bulletin.blocks import Geometry, LineString, Place, Point, Polygon, Position
from exchange.web import region

_METRES_PER_DEGREE: Final = 111_319.49  # of longitude at the equator, WGS 84


class Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """One place, drawn.

    Attributes:
        at: x and y in units: where its sign stands; of an area or a track, its box's middle.
        path: an SVG path in units, of an area (closed) or a track (open); of a point, nothing.
        radius: how far off the position may be, in units; 0 where that was not said.
        is_outside: it does not lie on this map: the table names it, the map cannot.
    """

    at: tuple[float, float]
    path: str = ""
    radius: float = 0.0
    is_outside: bool = False


def mark(place: Place) -> Mark | None:
    """Return a place as it is drawn; nothing where no position was given (a port, a name)."""
    geometry = place.geometry
    if geometry is None:
        return None
    points = [region.project(*_lonlat(position)) for position in positions(geometry)]
    at = points[0] if isinstance(geometry, Point) else _middle(points)
    return Mark(
        at=(round(at[0], 1), round(at[1], 1)),
        path=_path(geometry),
        radius=round(_radius(place, geometry), 1),
        is_outside=not (0 <= at[0] <= region.WIDTH and 0 <= at[1] <= region.HEIGHT),
    )


def _lonlat(position: Position) -> tuple[float, float]:
    # A pole is infinitely far off in this projection: 85 degrees are far outside the box.
    return position[0], max(-85.0, min(85.0, position[1]))


def positions(geometry: Geometry) -> list[Position]:
    """Return the positions of a geometry; of an area those of its outer ring."""
    match geometry:
        case Point():
            return [geometry.coordinates]
        case LineString():
            return geometry.coordinates
        case Polygon():
            return geometry.coordinates[0]


def bounds(geometry: Geometry) -> tuple[Position, Position]:
    """Return the south-western and the north-eastern corner of a geometry, in degrees."""
    lons, lats = zip(*positions(geometry), strict=True)
    return (min(lons), min(lats)), (max(lons), max(lats))


def _middle(points: list[tuple[float, float]]) -> tuple[float, float]:
    xs, ys = zip(*points, strict=True)
    return (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2


def _radius(place: Place, geometry: Geometry) -> float:
    """Return how far off it may be, in units: Mercator draws that larger off the equator."""
    if place.accuracy_m is None or not isinstance(geometry, Point):
        return 0.0
    _, lat = _lonlat(geometry.coordinates)
    metres = float(place.accuracy_m)
    return metres / (_METRES_PER_DEGREE * cos(radians(lat))) * region.PER_DEGREE


def _path(geometry: Geometry) -> str:
    match geometry:
        case Point():
            return ""
        case LineString():
            return _line(geometry.coordinates)
        case Polygon():
            return "".join(f"{_line(ring)}Z" for ring in geometry.coordinates)


def _line(positions: list[Position]) -> str:
    points = (region.project(*_lonlat(position)) for position in positions)
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points)
