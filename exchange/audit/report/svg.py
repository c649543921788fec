"""A plot as an SVG by itself, for a document: every colour and size stands in it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.web.plots import Plot

# As the pages' tokens have them on white; every second series is hatched as well.
_COLOURS: Final = ("#0b57a4", "#b8500a", "#4c7a1d", "#7a3e9d")
_FONT: Final = 'font-family="Libertinus Serif" font-size="12"'
_LEGEND: Final = 22


def draw(plot: Plot) -> str:
    """Return a plot of bars with its legend below it.

    Args:
        plot: as ``web.plots.bars`` laid it out.
    """
    height = plot.height + (_LEGEND if len(plot.series) > 1 else 0)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {plot.width} {height}" {_FONT}>'
        '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse"'
        ' patternTransform="rotate(45)"><rect width="2.4" height="6" fill="#fff"'
        f' fill-opacity="0.55"/></pattern></defs>{"".join(_shapes(plot))}</svg>'
    )


def _shapes(plot: Plot) -> Iterator[str]:
    for tick in plot.ticks:
        yield _line(plot.left, plot.right, tick.at, "#cdd4dd")
        yield _text(plot.left - 6, tick.at + 4, "end", tick.label)
    for bar in plot.bars:
        yield from _box(bar.x, bar.y, bar.width, bar.height, bar.series)
    yield _line(plot.left, plot.right, plot.bottom, "#6b7684")
    for mark in plot.marks:
        yield _text(mark.at, plot.bottom + 18, "middle", mark.label)
    if len(plot.series) > 1:
        step = (plot.right - plot.left) / len(plot.series)
        for place, name in enumerate(plot.series):
            x = plot.left + step * place
            yield from _box(x, plot.height, 24, 12, place + 1)
            yield _text(x + 30, plot.height + 10, "start", name)


def _line(first: float, last: float, y: float, colour: str) -> str:
    return f'<line x1="{first}" x2="{last}" y1="{y}" y2="{y}" stroke="{colour}"/>'


def _text(x: float, y: float, anchor: str, text: str) -> str:
    at = f'x="{round(x, 2)}" y="{round(y, 2)}" text-anchor="{anchor}"'
    return f'<text {at} fill="#14181f">{escape(text)}</text>'


def _box(x: float, y: float, width: float, height: float, series: int) -> Iterator[str]:
    where = f'x="{round(x, 2)}" y="{y}" width="{width}" height="{height}"'
    yield f'<rect {where} fill="{_COLOURS[series - 1]}"/>'
    if series % 2 == 0:
        yield f'<rect {where} fill="url(#hatch)"/>'
