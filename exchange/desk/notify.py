"""Notifications: that something waits, and never what; by sound for FLASH alone.

A browser asks its person before it shows any. In quiet hours only FLASH is told, by the time of
day where the browser is.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

from exchange.errors import Code, Refusal
from exchange.web import frame

if TYPE_CHECKING:
    from aiohttp import web

    from exchange.desk.station import Station
    from exchange.web.pages import Reader

_DRAWER: Final = "desk-notify"
_NAME: Final = "quiet"
_SPAN: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]")


def show(app: web.Application, station: Station) -> None:
    """Serve the page on which notifications are allowed, tried and kept quiet."""
    frame.show(app, "/notify", partial(_page, station))
    frame.act(app, "/notify/quiet", partial(_keep, station))


def quiet(station: Station) -> str:
    """Return the quiet hours, as ``22:00-06:00``; empty where there are none."""
    kept = station.agency.world.cabinet.get(_DRAWER, _NAME)
    return "" if kept is None else kept.decode()


async def _page(station: Station, request: web.Request, reader: Reader) -> web.Response:
    first, _, last = quiet(station).partition("-")
    return frame.page(request, reader, "notify.html", here="", first=first, last=last)


async def _keep(station: Station, told: dict[str, str], _reader: Reader) -> str:
    first, last = told.get("first", ""), told.get("last", "")
    span = f"{first}-{last}" if first or last else ""
    if span and not _SPAN.fullmatch(span):
        raise Refusal(Code.WRONG_VALUE, "/quiet", found=span[:32])
    station.agency.world.cabinet.put(_DRAWER, _NAME, span.encode())
    return "/notify"
