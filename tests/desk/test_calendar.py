"""The calendar: operations that stand, which of them may meet, and the file for a calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.desk import calendar
from exchange.model.bulletin.blocks import Period, Place, Point, Polygon
from exchange.model.header import Reference
from tests.desk.test_shelf import delivered
from tests.model.bulletins import CODES, example

START = datetime(2026, 11, 23, 18, tzinfo=UTC)
HOUR = timedelta(hours=1)


def operation(index, name="EXERCISE UNO", start=0, hours=6, at=None, **header):
    made = example("opn")
    place = Place(geometry=at) if at else Place(name="EXERCISE area")
    period = Period(START + start * HOUR, START + (start + hours) * HOUR)
    content = msgspec.structs.replace(made.content, code_name=name, period=period, area=place)
    bulletin = msgspec.structs.replace(made, content=content)
    return delivered(index, bulletin=bulletin, type="opn", **header)


def point(lon, lat):
    return Point(coordinates=(lon, lat))


def test_plan_that_was_superseded_or_withdrawn_is_not_on():
    first, second = operation(1), operation(2, "EXERCISE DOS", start=-3)
    newer = operation(
        3, verb="update", refs=[Reference("supersedes", first.header.id, first.digest)]
    )
    assert [each.item.index for each in calendar.operations([first, second, newer])] == [2, 3]


@pytest.mark.parametrize(
    ("other", "is_near"),
    [
        ({"at": point(-79.6, 9.1)}, True),
        ({"at": point(-79.6, 12.0)}, None),                 # far off
        ({"at": point(-79.6, 9.1), "start": 6}, None),      # begins as the other ends
        ({"at": point(-79.6, 9.1), "start": 5}, True),
        ({"name": "EXERCISE UNO", "at": point(-79.5, 9)}, None),  # the same operation
        ({}, False),                                        # it does not say where
    ],
)  # fmt: skip
def test_two_that_may_meet_are_hinted_at(other, is_near):
    one = operation(1, at=point(-79.5, 9.0))
    two = operation(2, **{"name": "EXERCISE DOS", **other})
    found = calendar.meetings(calendar.operations([one, two]))
    assert [each.is_near for each in found] == ([] if is_near is None else [is_near])


def test_area_meets_what_lies_in_it():
    ring = [(-81.0, 8.0), (-78.0, 8.0), (-78.0, 10.0), (-81.0, 8.0)]
    one = operation(1, at=Polygon(coordinates=[ring]))
    two = operation(2, "EXERCISE DOS", at=point(-79.0, 9.0))
    assert [each.is_near for each in calendar.meetings(calendar.operations([one, two]))] == [
        True
    ]


def _unfolded(raw):
    assert all(len(line) <= 75 for line in raw.split(b"\r\n"))
    return raw.decode().replace("\r\n ", "").split("\r\n")


def test_file_says_what_is_on_and_how_it_is_marked():
    name = "EXERCISE; mañana, \u202eotra " + "ñ" * 60
    one = operation(1, name)
    lines = _unfolded(calendar.ics(calendar.operations([one]), "es", CODES, START))
    assert lines[0] == "BEGIN:VCALENDAR"
    assert lines[-2:] == ["END:VCALENDAR", ""]
    said = dict(line.partition(":")[::2] for line in lines)
    assert said["DTSTART"] == "20261123T180000Z"
    assert said["DTEND"] == "20261124T000000Z"
    assert said["UID"] == f"{one.header.id}@pa.senan"
    assert said["SUMMARY"].startswith(f"[TLP:{one.header.marking.tlp.upper()}] EXERCISE ")
    assert "EXERCISE\\; mañana\\, <U+202E>otra" in said["SUMMARY"]
    assert said["CLASS"] == "CONFIDENTIAL"


@given(st.text(max_size=300))
def test_any_name_stays_one_value(name):
    one = operation(1, name)
    lines = _unfolded(calendar.ics(calendar.operations([one]), "en", CODES, START))
    assert sum(line.startswith("BEGIN:VEVENT") for line in lines) == 1
    assert len(lines) == 15
