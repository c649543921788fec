"""The inbox: what wants looking at, in its order; what is searched for; what is missing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from exchange import render
from exchange.client.reading import Delivered
from exchange.desk import telling
from exchange.desk.shelf import BANDS, STATES, Asked, asked
from exchange.errors import Code, Refusal
from exchange.web import frame

if TYPE_CHECKING:
    from aiohttp import web
    from multidict import MultiMapping

    from exchange.desk.shelf import Row
    from exchange.desk.station import Station
    from exchange.errors import ExchangeError
    from exchange.model.codes import Lang
    from exchange.web.pages import Reader

# Rows on a page: more are a search away.
PAGE: Final = 100


class Line(msgspec.Struct, frozen=True):
    """One row as the page shows it; texts in the reader's language.

    Attributes:
        row: what it is.
        title: what it is about; of what does not open, why not.
        is_translated: the title is not in the language in which it was written.
        place: where, in a few words; empty where that was not said.
        nation: of who says it; empty of what is no bulletin.
        late_s: for how long it is overdue; negative: how long there is yet; None: it waits not.
        states: what is true of it.
        done_to: what was done to it, by which entry.
    """

    row: Row
    title: str
    is_translated: bool
    place: str
    nation: str
    late_s: int | None
    states: list[str]
    done_to: list[tuple[str, int]]


def show(app: web.Application, station: Station) -> None:
    """Serve the inbox."""
    frame.show(app, "/", partial(_inbox, station))
    frame.act(app, "/ack", partial(_acknowledge, station))


async def _inbox(station: Station, request: web.Request, reader: Reader) -> web.Response:
    wanted = read(request.query)
    now = station.now()
    found = station.shelf.find(wanted, now)
    first = max(0, _number(request.query.get("first", "")))
    lines = [line(station, row, reader.lang, now) for row in found[first : first + PAGE]]
    return frame.page(
        request,
        reader,
        "inbox.html",
        here="desk.inbox",
        lines=lines,
        total=len(found),
        held=len(station.shelf),
        first=first,
        more=first + PAGE if first + PAGE < len(found) else None,
        counts=station.shelf.counts(now),
        bands=BANDS,
        all_states=STATES,
        said=request.query.get("q", ""),
        wanted=wanted,
        station=station,
        alarm=_why(station.alarm, station, reader.lang),
        trouble=_why(station.trouble, station, reader.lang),
    )


def _why(error: ExchangeError | None, station: Station, lang: Lang) -> str:
    if error is None:
        return ""
    told = render.refusal(error, lang, station.codes)
    return f"{told.what} {told.next} [{told.code}]"


def read(query: MultiMapping[str]) -> Asked:
    """Return what an address asks of the inbox; what it does not know is left out."""
    base = Asked(
        precedence=tuple(each for each in query.getall("band", []) if each in BANDS),
        states=tuple(each for each in STATES if each in query.getall("is", [])),
        types=tuple(query.getall("type", [])),
    )
    return asked(query.get("q", ""), base)


def _number(said: str) -> int:
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 8 else 0


def line(station: Station, row: Row, lang: Lang, now: int) -> Line:
    """Return a row in the reader's language."""
    states = station.shelf.states(row, now)
    waits = "unacknowledged" in states
    title, is_translated = telling.title(row, lang, station.codes)
    return Line(
        row,
        title,
        is_translated,
        telling.place(row, lang, station.codes),
        telling.nation(row, station.agency.trust.newest),
        now - row.by_s if waits else None,
        [state for state in STATES if state in states],
        [(mark.relation, mark.index) for mark in station.shelf.marks(row.item.index)],
    )


async def _acknowledge(station: Station, told: dict[str, str], reader: Reader) -> str:  # noqa: ARG001
    row = station.shelf.row(_number(told.get("index", "")))
    if row is None or not isinstance(row.item, Delivered):
        raise Refusal(Code.NOT_FOUND)
    match told.get("outcome"):
        case "opened" | "actioned" as outcome:
            await station.acknowledge(row.item, outcome)
        case other:
            raise Refusal(Code.WRONG_VALUE, "/outcome", found=str(other)[:32])
    return f"/entry/{row.item.index}" if told.get("back") == "entry" else "/"
