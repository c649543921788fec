"""One bulletin: its marking, what it says in either language, and what became of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exchange import render
from exchange.client.attesting import attestable
from exchange.client.reading import Delivered
from exchange.desk import telling
from exchange.desk.inbox import line
from exchange.errors import Code, Refusal
from exchange.web import frame

if TYPE_CHECKING:
    from aiohttp import web

    from exchange.desk.station import Station
    from exchange.web.pages import Reader


def show(app: web.Application, station: Station) -> None:
    """Serve a bulletin by the entry at which this inbox has it."""
    frame.show(app, r"/entry/{index:\d{1,9}}", partial(_entry, station))


async def _entry(station: Station, request: web.Request, reader: Reader) -> web.Response:
    row = station.shelf.row(int(request.match_info["index"]))
    if row is None:
        raise Refusal(Code.NOT_FOUND, found=request.match_info["index"])
    station.read(row)
    now = station.now()
    item = row.item
    if not isinstance(item, Delivered):
        told = line(station, row, reader.lang, now)
        return frame.page(request, reader, "news.html", here="desk.inbox", line=told)
    text = ""
    if item.bulletin is not None:
        unknown = item.not_understood
        text = render.page(item.bulletin, reader.lang, station.codes, unknown=unknown, now=now)
    return frame.page(
        request,
        reader,
        "bulletin.html",
        here="desk.inbox",
        line=line(station, row, reader.lang, now),
        item=item,
        header=item.header,
        text=text,
        marked=telling.marking(item.header.marking),
        honest=attestable(item),
        now=now,
    )
