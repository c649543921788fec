"""The map: where what is held says that something was; and the same as a table.

All of it is drawn from what this machine holds: looking at a place asks nobody for anything.
Pan, zoom and clusters are the page's own (``map.mjs``).
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from exchange import render
from exchange.client.reading import Delivered
from exchange.desk import inbox, position, searching, telling
from exchange.desk.shelf import BANDS, Asked
from exchange.errors import Refusal
from exchange.model.bulletin import TYPES
from exchange.model.bulletin.blocks import LineString, Point, Polygon
from exchange.render import values
from exchange.web import frame, marks, region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web
    from multidict import MultiMapping

    from exchange.desk.overlays import Overlays, Shape
    from exchange.desk.shelf import Row, Shelf
    from exchange.desk.station import Station
    from exchange.model.bulletin.blocks import Geometry, Place, Position
    from exchange.model.codes import Codes, Lang
    from exchange.web.marks import Mark
    from exchange.web.pages import Reader

# Signs on the map: more are a filter away.
MOST: Final = 500
# How wide the map is before the page has measured it, in pixels, and its proportions.
WIDTH_PX: Final = 860
PROPORTIONS: Final = 3 / 2
# The first view holds all signs, and never less than this: degrees from side to side.
_LEAST_DEG: Final = 12
HOURS: Final = (6, 24, 72, 168)
# What is written on the water: key of the catalogue, longitude and latitude.
SEAS: Final = (
    ("sea.caribbean", -76.5, 14.2),
    ("sea.pacific", -97.0, 4.0),
    ("sea.atlantic", -63.0, 24.5),
    ("sea.gulf-mexico", -91.0, 25.5),
)
_OVER: Final = frozenset({"cancels", "supersedes"})

Box = tuple[float, float, float, float]


class Sign(msgspec.Struct, frozen=True):
    """One place of one bulletin, as map and table show it.

    Attributes:
        n: which one it is on this page, from 1: the table's row and the map's sign.
        row: the bulletin.
        band: its precedence.
        title: what it is about, in the reader's language.
        place: where, in words; may be empty.
        kind: ``point``, ``track`` or ``area``.
        first, last: positions in degrees and minutes: of a point the same; of a track its
            ends; of an area its south-western and north-eastern corner.
        accuracy_m: how far off it may be; empty where that was not said.
        mark: as it is drawn.
    """

    n: int
    row: Row
    band: str
    title: str
    place: str
    kind: str
    first: str
    last: str
    accuracy_m: str
    mark: Mark


class Drawn(msgspec.Struct, frozen=True):
    """What was found for the map.

    Attributes:
        signs: in the inbox's order.
        more: how many are left out, as the map is full.
        nowhere: how many bulletins that fit name no position.
        over: how many were left out because they were withdrawn or replaced.
    """

    signs: list[Sign]
    more: int
    nowhere: int
    over: int

    @property
    def outside(self) -> int:
        """How many lie off the map: the table alone names them."""
        return sum(sign.mark.is_outside for sign in self.signs)


class Layer(msgspec.Struct, frozen=True):
    """A layer of the officer's own: what it draws, or why it is refused."""

    name: str
    shapes: list[Shape]
    why: str = ""


def show(app: web.Application, station: Station, overlays: Overlays) -> None:
    """Serve the map."""
    frame.show(app, "/map", partial(_map, station, overlays))
    searching.show(app, "/map")


async def _map(
    station: Station, overlays: Overlays, request: web.Request, reader: Reader
) -> web.Response:
    now = station.now()
    query = searching.asked(request)
    wanted = read(query, now)
    drawn = draw(station.shelf, wanted, now, reader.lang, station.codes)
    names = await asyncio.to_thread(overlays.names)
    chosen = [name for name in names if name in request.query.getall("over", [])]
    layers = [
        await asyncio.to_thread(_layer, overlays, name, reader.lang, station.codes)
        for name in chosen
    ]
    x, y, width, height = window([sign.mark for sign in drawn.signs])
    return frame.page(
        request,
        reader,
        "map.html",
        here="map.title",
        drawn=drawn,
        region=region.load(),
        view=f"{x:.1f} {y:.1f} {width:.1f} {height:.1f}",
        placed=partial(_placed, width / WIDTH_PX),
        seas=[(key, *_rounded(region.project(lon, lat))) for key, lon, lat in SEAS],
        wanted=wanted,
        said=query.get("q", ""),
        hours=_hours(request.query),
        all_hours=HOURS,
        bands=BANDS,
        types=_types(station, wanted),
        feeds=_feeds(station),
        names=names,
        layers=layers,
    )


def _placed(unit: float, x: float, y: float) -> str:
    """Return how a sign stands at a place, as large as it is: a pixel is so many units."""
    return f"translate({x:g} {y:g}) scale({unit:.4g})"


def read(query: MultiMapping[str], now: int) -> Asked:
    """Return what an address asks of the map: as of the inbox, and a feed and a time."""
    base = inbox.read(query)
    feeds = tuple(filter(None, query.getall("feed", [])))
    since = now - hours * 3600 if (hours := _hours(query)) else 0
    return msgspec.structs.replace(base, feeds=(*base.feeds, *feeds), since=since)


def _hours(query: MultiMapping[str]) -> int:
    said = query.get("hours", "")
    return next((each for each in HOURS if str(each) == said), 0)


def _types(station: Station, wanted: Asked) -> list[str]:
    """Return the types that are held or asked for: a map of nothing needs no filter."""
    held = {item.header.type for item in station.shelf.items() if isinstance(item, Delivered)}
    return sorted((held & set(TYPES)) | set(wanted.types))


def _feeds(station: Station) -> list[str]:
    items = station.shelf.items()
    return sorted({item.header.feed for item in items if isinstance(item, Delivered)})


def draw(shelf: Shelf, wanted: Asked, now: int, lang: Lang, codes: Codes) -> Drawn:
    """Return the places of what is asked for. What was withdrawn is drawn where that is asked.

    Args:
        shelf: what is held.
        wanted: which of it.
        now: in seconds UTC.
        lang: the reader's language.
        codes: the code lists.
    """
    signs, more, nowhere, over = list[Sign](), 0, 0, 0
    for row in shelf.find(wanted, now):
        if not isinstance(row.item, Delivered):
            continue
        done = {mark.relation for mark in shelf.marks(row.item.index)}
        if done & _OVER and "withdrawn" not in wanted.states:
            over += 1
            continue
        found = [
            (place, made)
            for place in telling.places_of(row.item)
            if (made := marks.mark(place))
        ]
        nowhere += not found
        for place, made in found:
            if len(signs) == MOST:
                more += 1
                continue
            signs.append(_sign(len(signs) + 1, row, (place, made), lang, codes))
    return Drawn(signs, more, nowhere, over)


def _sign(n: int, row: Row, of: tuple[Place, Mark], lang: Lang, codes: Codes) -> Sign:
    place, made = of
    item, geometry = row.item, place.geometry
    if not isinstance(item, Delivered) or geometry is None:
        message = "no bulletin with a position"
        raise TypeError(message)
    kind, first, last = ends(geometry)
    west = codes.phrase("west", lang)
    return Sign(
        n=n,
        row=row,
        band=item.header.precedence,
        title=telling.title(row, lang, codes)[0],
        place=telling.place_of([place], lang, codes),
        kind=kind,
        first=position.told(first, west),
        last=position.told(last, west),
        accuracy_m="" if place.accuracy_m is None else values.number(place.accuracy_m),
        mark=made,
    )


def ends(geometry: Geometry) -> tuple[str, Position, Position]:
    """Return what a geometry is, and its ends: see ``Sign``."""
    match geometry:
        case Point(coordinates=at):
            return "point", at, at
        case LineString(coordinates=line):
            return "track", line[0], line[-1]
        case Polygon():
            return "area", *marks.bounds(geometry)


def window(shown: Sequence[Mark]) -> Box:
    """Return the first view: x, y, width and height in units; all signs with room around.

    Never beyond the region where that holds them; the whole region where there is no sign.
    """
    inside = [mark for mark in shown if not mark.is_outside]
    if not inside:
        return 0.0, 0.0, region.WIDTH, region.WIDTH / PROPORTIONS
    xs, ys = zip(*(mark.at for mark in inside), strict=True)
    room = _LEAST_DEG * region.PER_DEGREE / 4
    reach = max(mark.radius for mark in inside) + room
    width = max(xs) - min(xs) + 2 * reach
    height = max(ys) - min(ys) + 2 * reach
    width = max(width, height * PROPORTIONS, _LEAST_DEG * region.PER_DEGREE)
    width = min(width, region.WIDTH)
    height = width / PROPORTIONS
    x = (min(xs) + max(xs) - width) / 2
    y = (min(ys) + max(ys) - height) / 2
    return _within(x, width, region.WIDTH), _within(y, height, region.HEIGHT), width, height


def _within(begin: float, length: float, whole: float) -> float:
    return max(0.0, min(begin, whole - length))


def _rounded(at: tuple[float, float]) -> tuple[float, float]:
    return round(at[0], 1), round(at[1], 1)


def _layer(overlays: Overlays, name: str, lang: Lang, codes: Codes) -> Layer:
    try:
        return Layer(name, overlays.read(name))
    except Refusal as refusal:
        told = render.refusal(refusal, lang, codes)
        return Layer(name, [], f"{told.what} [{told.code}]")
