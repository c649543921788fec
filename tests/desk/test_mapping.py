"""The map: what is drawn of what is held, where, and what is said of the rest."""

from __future__ import annotations

import msgspec
import pytest
from multidict import MultiDict

from exchange.desk import mapping
from exchange.desk.mapping import draw, window
from exchange.desk.shelf import Asked
from exchange.model.bulletin.blocks import LineString, Place, Point, Polygon
from exchange.model.header import Reference
from exchange.web import region
from exchange.web.marks import Mark, bounds
from tests.desk.test_shelf import NOW, delivered, shelf
from tests.model.bulletins import CODES, example

RING = [(-81.0, 6.0), (-79.0, 6.0), (-79.0, 7.2), (-81.0, 7.2), (-81.0, 6.0)]


def seized(index, geometry, precedence="routine", **place):
    made = example("szr")
    content = msgspec.structs.replace(made.content, place=Place(geometry=geometry, **place))
    bulletin = msgspec.structs.replace(made, content=content)
    return delivered(index, precedence, bulletin=bulletin, type="szr")


def drawn(*items, **asked):
    return draw(shelf(*items), Asked(**asked), NOW, "en", CODES)


def test_signs_come_in_the_inboxs_order_with_positions_in_degrees_and_minutes():
    found = drawn(
        seized(1, Point((-79.5, 8.25)), accuracy_m=1234567.5),
        seized(2, LineString([(-80.0, 7.0), (-81.5, 6.0)]), "flash"),
        seized(3, Polygon([RING]), "immediate"),
    )
    assert [(sign.n, sign.row.item.index, sign.kind) for sign in found.signs] == [
        (1, 2, "track"),
        (2, 3, "area"),
        (3, 1, "point"),
    ]
    track, area, point = found.signs
    assert (track.first, track.last) == (
        "07°00.000' N 080°00.000' W",
        "06°00.000' N 081°30.000' W",
    )
    assert (area.first, area.last) == (
        "06°00.000' N 081°00.000' W",
        "07°12.000' N 079°00.000' W",
    )
    assert (point.first, point.accuracy_m) == ("08°15.000' N 079°30.000' W", "1,234,567.5")


def test_bounds_are_the_corners_of_any_geometry():
    line = LineString([(-80.0, 7.0), (-81.5, 6.0), (-79.0, 6.5)])
    assert bounds(line) == ((-81.5, 6.0), (-79.0, 7.0))
    assert bounds(Point((-79.5, 8.25))) == ((-79.5, 8.25), (-79.5, 8.25))
    assert bounds(Polygon([RING, [(0.0, 0.0)] * 4])) == ((-81.0, 6.0), (-79.0, 7.2))


def test_what_cannot_be_drawn_is_counted():
    found = drawn(
        seized(1, Point((4.0, 51.0))),
        seized(2, None, name="EXERCISE: a beach"),
        seized(3, Point((-80.0, 7.0))),
    )
    assert (len(found.signs), found.outside, found.nowhere) == (2, 1, 1)


def test_what_was_withdrawn_is_drawn_where_that_is_asked_for():
    first = seized(1, Point((-80.0, 7.0)))
    withdrawal = delivered(
        2, type="can", verb="cancel", refs=[Reference("cancels", first.header.id, first.digest)]
    )
    found = drawn(first, withdrawal)
    assert (found.signs, found.over) == ([], 1)
    assert len(drawn(first, withdrawal, states=("withdrawn",)).signs) == 1


def test_full_map_says_how_much_it_leaves_out(monkeypatch):
    monkeypatch.setattr(mapping, "MOST", 2)
    found = drawn(*(seized(index, Point((-80.0, 7.0))) for index in range(5)))
    assert (len(found.signs), found.more) == (2, 3)


def test_filter_is_the_inboxs_with_feed_and_time():
    query = MultiDict(
        [("band", "flash"), ("type", "szr"), ("feed", "maritime"), ("hours", "24")]
    )
    assert mapping.read(query, NOW) == Asked(
        precedence=("flash",), types=("szr",), feeds=("maritime",), since=NOW - 86_400
    )
    assert mapping.read(MultiDict([("hours", "25")]), NOW) == Asked()


@pytest.mark.parametrize(
    "at",
    [
        [(4500.0, 2500.0)],
        [(10.0, 10.0)],
        [(6990.0, 4690.0)],
        [(1500.0, 2000.0), (6000.0, 2100.0)],
    ],
)
def test_first_view_holds_every_sign_and_stays_in_the_region(at):
    x, y, width, height = window([Mark(at=each) for each in at])
    assert all(x <= each[0] <= x + width and y <= each[1] <= y + height for each in at)
    assert 0 <= x <= x + width <= region.WIDTH
    assert 0 <= y <= y + height <= region.HEIGHT + 1
    assert width / height == pytest.approx(mapping.PROPORTIONS)
    assert width >= 1200


def test_view_of_nothing_is_the_region():
    assert window([]) == window([Mark((9e9, 9e9), is_outside=True)])
    assert window([])[2] == region.WIDTH
