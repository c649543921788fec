"""Plots laid out as shapes, each with the rows of a table that says the same.

A template draws what stands here: nothing of it is markup. Coordinates are in a box of 640 by
240; the text in it keeps its size where the box is shown as wide as a page.
"""

from __future__ import annotations

from math import log10
from typing import TYPE_CHECKING, Final, NamedTuple

from exchange.web.words import number

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH: Final = 640
HEIGHT: Final = 240
_LEFT: Final = 56
_RIGHT: Final = WIDTH - 8
_TOP: Final = 12
_BOTTOM: Final = HEIGHT - 28
# Labels under the axis that do not run into each other.
_MAX_MARKS: Final = 8
_STEPS: Final = (1, 2, 5)
_MIN_TICKS: Final = 3
# Of times, in seconds, as the SI abbreviates their units in either language.
_TIMES: Final = (
    *((0, "0"), (10, "10 s"), (60, "1 min"), (600, "10 min"), (3600, "1 h"), (21_600, "6 h")),
    *((86_400, "1 d"), (864_000, "10 d"), (8_640_000, "100 d"), (86_400_000, "1000 d")),
)
# A bar alone is not as wide as the plot.
_WIDEST: Final = 40


class Tick(NamedTuple):
    """A line of the grid or a label under the axis: where, and what it says."""

    at: float
    label: str


class Bar(NamedTuple):
    """One bar; ``series`` counts from 1, ``told`` is what it stands for."""

    x: float
    y: float
    width: float
    height: float
    series: int
    told: str


class Path(NamedTuple):
    """A line or an area: its corners as SVG writes them."""

    points: str
    series: int


class Row(NamedTuple):
    """One row of the table twin."""

    label: str
    values: tuple[str, ...]


class Plot(NamedTuple):
    """A plot, laid out."""

    axis: str
    series: tuple[str, ...]
    ticks: tuple[Tick, ...]
    marks: tuple[Tick, ...]
    rows: tuple[Row, ...]
    bars: tuple[Bar, ...] = ()
    lines: tuple[Path, ...] = ()
    areas: tuple[Path, ...] = ()
    left: int = _LEFT
    right: int = _RIGHT
    bottom: int = _BOTTOM
    width: int = WIDTH
    height: int = HEIGHT


def bars(
    axis: str,
    series: Sequence[str],
    points: Sequence[tuple[str, Sequence[int]]],
    *,
    are_times: bool = False,
) -> Plot:
    """Lay out bars side by side.

    Args:
        axis: what the labels are of.
        series: names, at most four.
        points: a label, and a value of at least 0 for each of the series.
        are_times: the values are seconds, and heights go by their logarithm: minutes are seen
            beside weeks.

    Raises:
        ValueError: a point has not one value for each of the series.
    """
    _must_fit(series, points)
    most = max((max(values) for _, values in points), default=0)
    scale = _Times(most) if are_times else _Scale(most)
    slot = (_RIGHT - _LEFT) / max(len(points), 1)
    width = min(slot * 0.76 / len(series), _WIDEST)
    margin = (slot - width * len(series)) / 2
    made = []
    for place, (label, values) in enumerate(points):
        for which, value in enumerate(values):
            x, y = _LEFT + slot * place + margin + width * which, scale.y(value)
            told = f"{label}, {series[which]}: {number(value)}"
            box = (round(x, 2), round(y, 2), round(width * 0.94, 2), round(_BOTTOM - y, 2))
            made.append(Bar(*box, which + 1, told))
    marks = _marks([label for label, _ in points], _LEFT + slot / 2, slot)
    return Plot(axis, tuple(series), scale.ticks, marks, _rows(points), bars=tuple(made))


def lines(
    axis: str, series: Sequence[str], points: Sequence[tuple[str, Sequence[int]]]
) -> Plot:
    """Lay out lines, one for each of the series. Arguments and errors as of ``bars``."""
    _must_fit(series, points)
    scale = _Scale(max((max(values) for _, values in points), default=0))
    first, step = _spread(len(points))
    made = tuple(
        Path(_corners(first, step, [scale.y(values[which]) for _, values in points]), which + 1)
        for which in range(len(series))
    )
    marks = _marks([label for label, _ in points], first, step)
    return Plot(axis, tuple(series), scale.ticks, marks, _rows(points), lines=made)


def ribbon(
    axis: str, series: Sequence[str], points: Sequence[tuple[str, Sequence[int]]]
) -> Plot:
    """Lay out percentiles over time: an area from the first to the last, and the middle one.

    Args:
        axis: what the labels are of.
        series: names of three percentiles, lowest first.
        points: a label, and the three values, none less than the one before it.

    Raises:
        ValueError: they are not three, or not in order.
    """
    _must_fit(series, points)
    if len(series) != 3 or any(list(values) != sorted(values) for _, values in points):
        message = "a ribbon is of three percentiles, lowest first"
        raise ValueError(message)
    scale = _Scale(max((max(values) for _, values in points), default=0))
    first, step = _spread(len(points))
    low, middle, high = ([scale.y(values[which]) for _, values in points] for which in range(3))
    there = _corners(first, step, low)
    back = " ".join(reversed(_corners(first, step, high).split()))
    marks = _marks([label for label, _ in points], first, step)
    return Plot(
        axis,
        tuple(series),
        scale.ticks,
        marks,
        _rows(points),
        lines=(Path(_corners(first, step, middle), 1),),
        areas=(Path(f"{there} {back}".strip(), 1),),
    )


class _Times:
    """From 0 to a round time not less than the largest, by the logarithm of 1 s more."""

    def __init__(self, most: int) -> None:
        count = sum(1 for at, _ in _TIMES if at < most) + 1
        ticks = _TIMES[: max(count, _MIN_TICKS)]
        self._top = log10(1 + max(ticks[-1][0], most))
        self.ticks = tuple(Tick(round(self.y(at), 2), label) for at, label in ticks)

    def y(self, value: int) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * log10(1 + value) / self._top


class _Scale:
    """From 0 to a round number that is not less than the largest value."""

    def __init__(self, most: int) -> None:
        step = _step(most)
        count = max(-(-most // step), 1)
        self._top = step * count
        self.ticks = tuple(
            Tick(round(self.y(step * each), 2), number(step * each))
            for each in range(count + 1)
        )

    def y(self, value: int) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * value / self._top


def _step(most: int) -> int:
    """Return a step of 1, 2 or 5 times a power of ten that gives at least three, at best."""
    power = 10 ** max(len(str(most)) - 1, 0)
    steps = [power * each // down for down in (10, 1) for each in _STEPS]
    fitting = [step for step in steps if step and most // step >= _MIN_TICKS]
    return max(fitting, default=1)


def _spread(count: int) -> tuple[float, float]:
    """Return where the first of so many points stands, and how far apart they are."""
    if count < 2:
        return (_LEFT + _RIGHT) / 2, 0.0
    return float(_LEFT + 8), (_RIGHT - _LEFT - 24) / (count - 1)


def _corners(first: float, step: float, heights: Sequence[float]) -> str:
    return " ".join(
        f"{first + step * place:.2f},{height:.2f}" for place, height in enumerate(heights)
    )


def _marks(labels: Sequence[str], first: float, step: float) -> tuple[Tick, ...]:
    every = -(-len(labels) // _MAX_MARKS) or 1
    return tuple(
        Tick(round(first + step * place, 2), label)
        for place, label in enumerate(labels)
        if place % every == 0
    )


def _rows(points: Sequence[tuple[str, Sequence[int]]]) -> tuple[Row, ...]:
    return tuple(
        Row(label, tuple(number(value) for value in values)) for label, values in points
    )


def _must_fit(series: Sequence[str], points: Sequence[tuple[str, Sequence[int]]]) -> None:
    if not 1 <= len(series) <= 4 or any(len(values) != len(series) for _, values in points):
        message = f"{len(series)} series, and points that have not one value for each"
        raise ValueError(message)
    if any(value < 0 for _, values in points for value in values):
        message = "no plot of ours has anything below its axis"
        raise ValueError(message)
