"""An officer's own layers for the map: GeoJSON files in a folder of this machine.

They are read when a layer is switched on, and never leave the machine. What is no GeoJSON, or
larger than a map can bear, is refused with its reason. Source: RFC 7946; members that it does
not name are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from exchange.errors import Code, Refusal
from exchange.web import region

if TYPE_CHECKING:
    from pathlib import Path

MAX_FILES: Final = 20
MAX_BYTES: Final = 2_000_000
MAX_POSITIONS: Final = 50_000
_MAX_NAME: Final = 80
_POLE: Final = 85.0

Position = Annotated[list[float], Meta(min_length=2, max_length=4)]


class _Point(Struct, frozen=True, tag_field="type", tag="Point"):
    coordinates: Position


class _MultiPoint(Struct, frozen=True, tag_field="type", tag="MultiPoint"):
    coordinates: list[Position]


class _LineString(Struct, frozen=True, tag_field="type", tag="LineString"):
    coordinates: list[Position]


class _MultiLineString(Struct, frozen=True, tag_field="type", tag="MultiLineString"):
    coordinates: list[list[Position]]


class _Polygon(Struct, frozen=True, tag_field="type", tag="Polygon"):
    coordinates: list[list[Position]]


class _MultiPolygon(Struct, frozen=True, tag_field="type", tag="MultiPolygon"):
    coordinates: list[list[list[Position]]]


_Simple = _Point | _MultiPoint | _LineString | _MultiLineString | _Polygon | _MultiPolygon


class _Collection(Struct, frozen=True, tag_field="type", tag="GeometryCollection"):
    # RFC 7946, section 3.1.8: no collections within collections.
    geometries: list[_Simple]


class _Feature(Struct, frozen=True, tag_field="type", tag="Feature"):
    geometry: _Simple | _Collection | None
    properties: dict[str, Any] | None = None


class _Features(Struct, frozen=True, tag_field="type", tag="FeatureCollection"):
    features: list[_Feature]


_Whole = _Features | _Feature | _Collection | _Simple


class Shape(Struct, frozen=True):
    """One thing of a layer, in the map's units.

    Attributes:
        path: an SVG path; of points alone, empty.
        points: x and y of each point.
        at: where its name is written; None where it has none.
        name: as the file says it in ``properties.name``; may be empty.
    """

    path: str
    points: list[tuple[float, float]]
    at: tuple[float, float] | None
    name: str


class Overlays:
    """The layers of one folder; without a folder there is none."""

    def __init__(self, folder: Path | None) -> None:
        """Use a folder; it is read when somebody looks."""
        self._folder = folder

    def names(self) -> list[str]:
        """Return the names of the first layers, in their order, as many as a page shows."""
        if self._folder is None or not self._folder.is_dir():
            return []
        found = (path.stem for path in self._folder.glob("*.geojson") if path.is_file())
        return sorted(found)[:MAX_FILES]

    def read(self, name: str) -> list[Shape]:
        """Return what a layer draws.

        Raises:
            Refusal: ``not-found``: no such layer; ``oversized``; ``malformed`` or
                ``wrong-value``: it is no GeoJSON, or in another frame than WGS 84.
        """
        if self._folder is None or name not in self.names():
            raise Refusal(Code.NOT_FOUND, id=name[:_MAX_NAME])
        path = self._folder / f"{name}.geojson"
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
        except OSError:
            raise Refusal(Code.NOT_FOUND, id=name[:_MAX_NAME]) from None
        return read(raw)


def read(raw: bytes) -> list[Shape]:
    """Return what a GeoJSON text draws; errors as ``Overlays.read``."""
    if len(raw) > MAX_BYTES:
        raise Refusal(Code.OVERSIZED, limit=MAX_BYTES)
    try:
        told = msgspec.json.decode(raw, type=_Whole)
    except msgspec.ValidationError:
        raise Refusal(Code.WRONG_VALUE, expected="geojson") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(Code.MALFORMED) from None
    made, left = [], MAX_POSITIONS
    for geometry, name in _parts(told):
        left -= sum(1 for _ in _positions(geometry.coordinates))
        if left < 0:
            raise Refusal(Code.OVERSIZED)
        made.append(_shape(geometry, name))
    return made


def _parts(told: _Whole) -> Iterator[tuple[_Simple, str]]:
    match told:
        case _Features(features=features):
            for each in features:
                yield from _parts(each)
        case _Feature(geometry=geometry, properties=properties):
            name = (properties or {}).get("name")
            said = name[:_MAX_NAME] if isinstance(name, str) else ""
            if geometry is not None:
                yield from ((simple, said) for simple, _ in _parts(geometry))
        case _Collection(geometries=geometries):
            yield from ((each, "") for each in geometries)
        case _:
            yield told, ""


def _positions(coordinates: Any) -> Iterator[Position]:
    if coordinates and isinstance(coordinates[0], float | int):
        yield coordinates
        return
    for each in coordinates:
        yield from _positions(each)


def _shape(geometry: _Simple, name: str) -> Shape:
    points: list[tuple[float, float]]
    lines: list[list[Position]]
    match geometry:
        case _Point(coordinates=at):
            points, lines, end = [_project(at)], [], ""
        case _MultiPoint(coordinates=several):
            points, lines, end = [_project(each) for each in several], [], ""
        case _LineString(coordinates=line):
            points, lines, end = [], [line], ""
        case _MultiLineString(coordinates=drawn):
            points, lines, end = [], drawn, ""
        case _Polygon(coordinates=rings):
            points, lines, end = [], rings, "Z"
        case _MultiPolygon(coordinates=polygons):
            points, lines, end = [], [ring for rings in polygons for ring in rings], "Z"
    drawn_lines = [[_project(each) for each in line] for line in lines if line]
    path = "".join(
        "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in line) + end for line in drawn_lines
    )
    first = points[0] if points else (drawn_lines[0][0] if drawn_lines else None)
    return Shape(path, points, first, name)


def _project(position: Position) -> tuple[float, float]:
    lon, lat = position[0], position[1]
    # Beyond these it is in another frame, such as metres: drawn, it would lie somewhere else.
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise Refusal(Code.WRONG_VALUE, expected="geojson", found=f"{lon}, {lat}")
    x, y = region.project(lon, max(-_POLE, min(_POLE, lat)))
    return round(x, 1), round(y, 1)
