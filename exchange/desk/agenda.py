"""What is planned: the calendar of joint operations, and the initiatives of the dialogue."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from exchange.desk import boards, calendar, mapping, owing, position, telling
from exchange.web import frame

if TYPE_CHECKING:
    from aiohttp import web

    from exchange.client.reading import Delivered
    from exchange.desk.calendar import Operation
    from exchange.desk.station import Station
    from exchange.model.codes import Lang
    from exchange.web.pages import Reader


class On(msgspec.Struct, frozen=True):
    """One operation as the calendar shows it; times in seconds UTC.

    Attributes:
        plan: what its newest plan says.
        start, end: when it is on.
        area: where, in words; else its corners or ends, in degrees and minutes.
        meets: the names of others that may meet it, and whether they are known to be near.
        href: where its bulletin is looked at.
    """

    plan: Operation
    start: int
    end: int
    area: str
    meets: list[tuple[str, bool]]
    href: str


def show(app: web.Application, station: Station) -> None:
    """Serve both."""
    frame.show(app, "/calendar", partial(_calendar, station))
    frame.show(app, "/calendar.ics", partial(_file, station))
    frame.show(app, "/initiatives", partial(_initiatives, station))


async def _calendar(station: Station, request: web.Request, reader: Reader) -> web.Response:
    standing = calendar.operations(owing.everything(station))
    now = station.now()
    shown = on(station, standing, reader.lang)
    return frame.page(
        request,
        reader,
        "calendar.html",
        here="calendar.title",
        now=now,
        coming=[each for each in shown if each.end > now],
        past=[each for each in reversed(shown) if each.end <= now],
    )


def on(station: Station, standing: list[Operation], lang: Lang) -> list[On]:
    """Return operations as the calendar shows them, in their order."""
    meets = dict[str, list[tuple[str, bool]]]()
    for each in calendar.meetings(standing):
        for one, other in ((each.one, each.other), (each.other, each.one)):
            found = (other.plan.code_name, each.is_near)
            meets.setdefault(one.item.digest, []).append(found)
    return [_on(station, each, meets.get(each.item.digest, []), lang) for each in standing]


def _on(station: Station, each: Operation, meets: list[tuple[str, bool]], lang: Lang) -> On:
    period = each.plan.period
    start, end = int(period.start.timestamp()), int(period.end.timestamp())
    area = telling.place_of([each.plan.area], lang, station.codes)
    if not area and each.plan.area.geometry is not None:
        _, first, last = mapping.ends(each.plan.area.geometry)
        west = station.codes.phrase("west", lang)
        area = " / ".join(dict.fromkeys(position.told(each, west) for each in (first, last)))
    return On(each, start, end, area, meets, href(station, each.item))


def href(station: Station, item: Delivered) -> str:
    """Return where a bulletin is looked at: what came, or what was posted from here."""
    is_here = station.shelf.row(item.index) is not None
    return f"/entry/{item.index}" if is_here else f"/sent/{item.header.id}"


async def _file(station: Station, _request: web.Request, reader: Reader) -> web.Response:
    standing = calendar.operations(owing.everything(station))
    now = dt.datetime.fromtimestamp(station.now(), dt.UTC)
    made = calendar.ics(standing, reader.lang, station.codes, now)
    return frame.file(made, "text/calendar", "calendar.ics")


async def _initiatives(station: Station, request: web.Request, reader: Reader) -> web.Response:
    owed = boards.initiatives(owing.everything(station))
    now = station.now()
    return frame.page(
        request,
        reader,
        "initiatives.html",
        here="initiatives.title",
        now=now,
        owed=[
            (
                each,
                telling.text_in(each.initiative.initiative, reader.lang),
                int(each.initiative.due.timestamp()) if each.initiative.due else None,
                each.is_late(now),
            )
            for each in owed
        ],
        record=href(station, owed[0].record) if owed else "",
        index=owed[0].record.index if owed else 0,
    )
