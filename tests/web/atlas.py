"""Draw the region of the map anew: ``python -m tests.web.atlas``.

From world-atlas (npm, ISC; `./run test` fetches it), which is Natural Earth 1:10m (public
domain) as TopoJSON, into ``exchange/web/region.json``: each country inside the box as one SVG
path, projected beforehand, so that a map is drawn without a library and without a request.
"""

from __future__ import annotations

import json
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

from exchange.web import region

ATLAS = Path(__file__).parents[1] / "peers/node_modules/world-atlas"
REGION = Path(region.__file__).with_name("region.json")

# ISO 3166-1: the atlas has numbers, the shared schema letters. What the box holds, no more: of
# the Netherlands that is Bonaire with its neighbours, of France what is in the Caribbean.
LETTERS = {
    "533": "ABW", "660": "AIA", "028": "ATG", "528": "BES", "044": "BHS", "652": "BLM",
    "084": "BLZ", "060": "BMU", "068": "BOL", "076": "BRA", "052": "BRB", "170": "COL",
    "188": "CRI", "192": "CUB", "531": "CUW", "136": "CYM", "212": "DMA", "214": "DOM",
    "218": "ECU", "250": "FRA", "308": "GRD", "320": "GTM", "328": "GUY", "340": "HND",
    "332": "HTI", "388": "JAM", "659": "KNA", "662": "LCA", "663": "MAF", "484": "MEX",
    "500": "MSR", "558": "NIC", "591": "PAN", "604": "PER", "630": "PRI", "222": "SLV",
    "740": "SUR", "534": "SXM", "796": "TCA", "780": "TTO", "581": "UMI", "840": "USA",
    "670": "VCT", "862": "VEN", "092": "VGB", "850": "VIR",
}  # fmt: skip

Point = tuple[float, float]
Ring = list[Point]


def drawn(atlas: Path = ATLAS) -> bytes:
    """Return what ``region.json`` must hold."""
    raw = (atlas / "countries-10m.json").read_bytes()
    topology = json.loads(raw)
    arcs = _arcs(topology)
    countries: dict[str, dict[str, Any]] = {}
    unnamed = ""
    for country in topology["objects"]["countries"]["geometries"]:
        rings = [ring for part in _polygons(country) for ring in _rings(part, arcs)]
        inside = [found for ring in rings if (found := _units(_clipped(ring)))]
        path = "".join(_path(ring) for ring in inside)
        if "id" not in country:  # an island or a base without a code: land all the same
            unnamed += path
        elif inside:
            largest = max(inside, key=lambda ring: abs(_doubled(ring)))
            countries[LETTERS[country["id"]]] = {
                "at": _middle(largest),
                "area": abs(_doubled(largest)) // 2,
                "path": path,
            }
    about = {
        "source": f"Natural Earth 1:10m by world-atlas {_version(atlas)}",
        "digest": sha256(raw).hexdigest(),
        "countries": dict(sorted(countries.items())),
        "unnamed": unnamed,
    }
    return json.dumps(about, indent=0, separators=(",", ":")).encode() + b"\n"


def _version(atlas: Path) -> str:
    version: str = json.loads((atlas / "package.json").read_bytes())["version"]
    return version


def _arcs(topology: dict[str, Any]) -> list[Ring]:
    """Return each arc in degrees: they are steps from point to point, in units of the file."""
    (kx, ky), (dx, dy) = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs = []
    for steps in topology["arcs"]:
        x = y = 0
        arc = []
        for step_x, step_y in steps:
            x, y = x + step_x, y + step_y
            arc.append((x * kx + dx, y * ky + dy))
        arcs.append(arc)
    return arcs


def _polygons(country: dict[str, Any]) -> list[Any]:
    match country["type"]:
        case "Polygon":
            return [country["arcs"]]
        case "MultiPolygon":
            return list(country["arcs"])
        case _:
            return []


def _rings(polygon: list[list[int]], arcs: list[Ring]) -> list[Ring]:
    """Return a polygon's rings: each is made of arcs, those with a number below 0 backwards."""
    rings = []
    for numbers in polygon:
        ring: Ring = []
        for number in numbers:
            arc = arcs[number] if number >= 0 else arcs[~number][::-1]
            ring += arc[1:] if ring else arc
        rings.append(ring)
    return rings


def _clipped(ring: Ring) -> Ring:
    """Return what of a ring lies in the box, cut at one side after the other.

    Source: I. Sutherland and G. Hodgman, Reentrant Polygon Clipping, 1974.
    """
    for axis, limit, sign in (
        (0, region.WEST, 1), (0, region.EAST, -1), (1, region.SOUTH, 1), (1, region.NORTH, -1),
    ):  # fmt: skip
        kept: Ring = []
        for before, here in pairwise([*ring[-1:], *ring]):
            was_in = (before[axis] - limit) * sign >= 0
            is_in = (here[axis] - limit) * sign >= 0
            if was_in != is_in:
                kept.append(_crossing(before, here, axis, limit))
            if is_in:
                kept.append(here)
        ring = kept
    return ring


def _crossing(a: Point, b: Point, axis: int, limit: float) -> Point:
    part = (limit - a[axis]) / (b[axis] - a[axis])
    other = a[1 - axis] + part * (b[1 - axis] - a[1 - axis])
    return (limit, other) if axis == 0 else (other, limit)


def _units(ring: Ring) -> list[tuple[int, int]]:
    """Return a ring in whole units, without points that say nothing; empty if none is left."""
    points: list[tuple[int, int]] = []
    for lon, lat in ring:
        x, y = region.project(lon, lat)
        point = (round(x), round(y))
        if not points or points[-1] != point:
            points.append(point)
    while len(points) > 1 and points[0] == points[-1]:
        points.pop()
    around = zip([*points[-1:], *points], points, [*points[1:], *points[:1]], strict=False)
    kept = [here for before, here, after in around if _turn(before, here, after)]
    return kept if len(kept) > 2 else []


def _turn(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> int:
    """Return 0 where three places lie on one line."""
    return (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])


def _path(ring: list[tuple[int, int]]) -> str:
    """Return a ring as an SVG path: one place, then steps."""
    steps = [ring[0], *((b[0] - a[0], b[1] - a[1]) for a, b in pairwise(ring))]
    first, *rest = (f"{x}{y}" if y < 0 else f"{x},{y}" for x, y in steps)
    return f"M{first}l{' '.join(rest)}z".replace(" -", "-")


def _doubled(ring: list[tuple[int, int]]) -> int:
    """Return twice the area inside a ring, in units squared; signed by which way it goes."""
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise([*ring, ring[0]]))


def _middle(ring: list[tuple[int, int]]) -> list[int]:
    """Return the centre of mass of what is inside a ring: where its name is written."""
    doubled = _doubled(ring)
    x = y = 0
    for (x1, y1), (x2, y2) in pairwise([*ring, ring[0]]):
        piece = x1 * y2 - x2 * y1
        x, y = x + (x1 + x2) * piece, y + (y1 + y2) * piece
    return [round(x / (3 * doubled)), round(y / (3 * doubled))]


if __name__ == "__main__":
    REGION.write_bytes(drawn())
