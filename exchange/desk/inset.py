"""A bulletin's places on a small map of the region, cut to where they are."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

import msgspec

from exchange.web import marks, region
from exchange.web.marks import Mark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.model.bulletin.blocks import Place

WIDTH: Final = 360
HEIGHT: Final = 260
# So much around what is shown that a person sees where it is: four degrees to each side.
_MARGIN: Final = 4 * region.PER_DEGREE
_PART: Final = re.compile(r"([MLml])([^MLmlZz]*)")
_NUMBER: Final = re.compile(r"-?[0-9.]+")


class Inset(msgspec.Struct, frozen=True):
    """A window on the map, in the map's units, and what stands in it.

    Attributes:
        x, y, width, height: the window.
        unit: how many of the map's units a pixel is.
        marks: the places in it, numbered as in the text.
        countries: paths of those that can be seen.
        names: what is written where: x, y and the country's code.
        outside: how many places lie off this map.
    """

    x: float
    y: float
    width: float
    height: float
    unit: float
    marks: list[Mark]
    countries: list[str]
    names: list[tuple[int, int, str]]
    outside: int


def inset(places: Sequence[Place]) -> Inset | None:
    """Return the map of these places; None where none has a position on it."""
    found = [made for place in places if (made := marks.mark(place)) is not None]
    inside = [mark for mark in found if not mark.is_outside]
    if not inside:
        return None
    window = _window(inside)
    shown = region.load().countries
    return Inset(
        *window,
        unit=round(window[2] / WIDTH, 3),
        marks=inside,
        countries=[each.path for code, each in shown.items() if _meet(window, _boxes()[code])],
        names=[
            (*each.at, code)
            for code, each in shown.items()
            if _holds(window, each.at) and each.area > window[2] * window[3] / 400
        ],
        outside=len(found) - len(inside),
    )


def _window(inside: Sequence[Mark]) -> tuple[float, float, float, float]:
    """Return the box around all marks with room on each side, in the inset's proportions."""
    xs, ys = zip(*(mark.at for mark in inside), strict=True)
    reach = max(mark.radius for mark in inside)
    width = max(xs) - min(xs) + 2 * (reach + _MARGIN)
    height = max(ys) - min(ys) + 2 * (reach + _MARGIN)
    width = max(width, height * WIDTH / HEIGHT)
    height = width * HEIGHT / WIDTH
    x = (min(xs) + max(xs) - width) / 2
    y = (min(ys) + max(ys) - height) / 2
    return round(x, 1), round(y, 1), round(width, 1), round(height, 1)


def _holds(window: tuple[float, float, float, float], at: tuple[int, int]) -> bool:
    x, y, width, height = window
    return x < at[0] < x + width and y < at[1] < y + height


def _meet(
    window: tuple[float, float, float, float], box: tuple[float, float, float, float]
) -> bool:
    x, y, width, height = window
    return box[0] < x + width and box[2] > x and box[1] < y + height and box[3] > y


@cache
def _boxes() -> dict[str, tuple[float, float, float, float]]:
    """Return the box around each country: its least x and y, and its greatest."""
    return {code: _box(each.path) for code, each in region.load().countries.items()}


def _box(path: str) -> tuple[float, float, float, float]:
    xs, ys, x, y = list[float](), list[float](), 0.0, 0.0
    for order, numbers in _PART.findall(path):
        found = [float(each) for each in _NUMBER.findall(numbers)]
        for step_x, step_y in zip(found[::2], found[1::2], strict=True):
            is_relative = order in "lm"
            x, y = (x + step_x, y + step_y) if is_relative else (step_x, step_y)
            xs.append(x)
            ys.append(y)
    return min(xs), min(ys), max(xs), max(ys)
