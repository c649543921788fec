"""The inbox: what wants looking at, in its order; what is searched for; what is missing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import msgspec

from exchange.client import views
from exchange.client.reading import Delivered, Locked
from exchange.client.views import NamedView
from exchange.desk import casing, news, searching, telling
from exchange.desk.shelf import BANDS, STATES, Asked, asked
from exchange.errors import Code, Refusal
from exchange.model.bulletin import TYPES, overdue
from exchange.web import frame
from exchange.web.frame import FRAME
from exchange.web.pages import span

if TYPE_CHECKING:
    from aiohttp import web
    from multidict import MultiMapping

    from exchange.desk.shelf import Row
    from exchange.desk.station import Station
    from exchange.model.codes import Lang
    from exchange.web.pages import Reader
    from exchange.web.words import Words

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
        span: the same in words.
        states: what is true of it.
        done_to: what was done to it, by which entry.
        flags: what else is to be known at a glance: a key of the catalogue, and its fact.
        why: of what is locked: what to do about it, and the code.
    """

    row: Row
    title: str
    is_translated: bool
    place: str
    nation: str
    late_s: int | None
    span: str
    states: list[str]
    done_to: list[tuple[str, int]]
    flags: list[tuple[str, str]]
    why: str


def show(app: web.Application, station: Station) -> None:
    """Serve the inbox."""
    frame.show(app, "/", partial(_inbox, station))
    searching.show(app, "/")
    frame.act(app, "/ack", partial(_acknowledge, station))
    frame.act(app, "/views/save", partial(_save, station))
    frame.act(app, "/views/drop", partial(_drop, station))


async def _inbox(station: Station, request: web.Request, reader: Reader) -> web.Response:
    query, now = searching.asked(request), station.now()
    wanted = read(query)
    saved = views.saved(station.views) if station.views else {}
    named = request.query.get("view", "")
    view = views.named(saved, named) if named else NamedView()
    found = station.shelf.find(wanted, now)
    shown = [row for row in found if view.shows(row.item)] if named else found
    first = frame.number(request.query.get("first", "")) or 0
    words = request.app[FRAME].pages.words
    return frame.page(
        request,
        reader,
        "inbox.html",
        here="desk.inbox",
        lines=[line(station, row, reader.lang, now) for row in shown[first : first + PAGE]],
        total=len(shown),
        held=len(station.shelf),
        is_asked=wanted != Asked(),
        more=_more(request.query, first) if first + PAGE < len(shown) else "",
        left=len(shown) - first - PAGE,
        counts=station.shelf.counts(now),
        bands=BANDS,
        all_states=STATES,
        types=sorted(TYPES),
        said=query.get("q", ""),
        wanted=wanted,
        station=station,
        done=_done(station, request.query.get("done", ""), words, reader.lang),
        complete=news.complete(station, words, reader.lang),
        is_complete=news.is_complete(station),
        duties=casing.duties(station),
        now=now,
        views=sorted(saved),
        view=named,
        hidden=len(found) - len(shown),
        may_save=station.views is not None,
    )


def _done(station: Station, said: str, words: Words, lang: Lang) -> str:
    """Return the confirmation of an acknowledgement, as far as it is so."""
    row = _row(station, said)
    if row is None or row.digest not in station.shelf.acknowledged:
        return ""
    title = telling.title(row, lang, station.codes)[0]
    return words.text(lang, "ack.done", title=title, index=row.item.index)


def _more(query: MultiMapping[str], first: int) -> str:
    """Return the address of the next page: all that was asked for, further on."""
    asked_for = [(name, value) for name, value in query.items() if name != "first"]
    return "/?" + urlencode([*asked_for, ("first", str(first + PAGE))])


def read(query: MultiMapping[str]) -> Asked:
    """Return what an address asks of the inbox; what it does not know is left out."""
    base = Asked(
        precedence=tuple(each for each in BANDS if each in query.getall("band", [])),
        states=tuple(each for each in STATES if each in query.getall("is", [])),
        types=tuple(each for each in sorted(TYPES) if each in query.getall("type", [])),
    )
    return asked(query.get("q", ""), base)


def _row(station: Station, said: str) -> Row | None:
    index = frame.number(said)
    return None if index is None else station.shelf.row(index)


def line(station: Station, row: Row, lang: Lang, now: int) -> Line:
    """Return a row in the reader's language."""
    states = station.shelf.states(row, now)
    late_s = now - row.by_s if "unacknowledged" in states else None
    title, is_translated = telling.title(row, lang, station.codes)
    locked = row.item.locked if isinstance(row.item, Delivered | Locked) else None
    return Line(
        row,
        title,
        is_translated,
        telling.place(row, lang, station.codes),
        telling.nation(row, station.agency.trust.newest),
        late_s,
        "" if late_s is None else span(late_s),
        [state for state in STATES if state in states],
        [(mark.relation, mark.index) for mark in station.shelf.marks(row.item.index)],
        flags(row, now),
        telling.next_step(locked, lang, station.codes),
    )


def flags(row: Row, now: int) -> list[tuple[str, str]]:
    """Return what else is to be known of a row at a glance: a key, and the fact in it."""
    item, found = row.item, list[tuple[str, str]]()
    if not isinstance(item, Locked) and item.came is not None:
        found.append(("came", item.came.node))
    if not isinstance(item, Delivered):
        return found
    if item.not_understood:
        found.append(("partial", ""))
    if item.grant:
        found.append(("granted", item.grant.endpoint))
    if item.late:
        found.append(("late", ""))
    if item.bulletin is not None and overdue(item.bulletin, now):
        found.append(("review", ""))
    if item.declined:
        found.append(("declined", ", ".join(each.endpoint for each in item.declined)))
    if item.header.attachments:
        found.append(("attachments", str(len(item.header.attachments))))
    return found


async def _acknowledge(station: Station, told: dict[str, str], _reader: Reader) -> str:
    """Acknowledge what was opened at this desk; what never was is opened, and no more.

    Somebody's name stands under it for good: a key on a row is not to say "opened" of what
    nobody has seen.
    """
    row = _row(station, told.get("index", ""))
    if row is None or not isinstance(row.item, Delivered):
        raise Refusal(Code.NOT_FOUND)
    if not station.was_read(row):
        return f"/entry/{row.item.index}"
    match told.get("outcome"):
        case "opened" | "actioned" | "partial" | "unreadable" | "schema-invalid" as outcome:
            await station.acknowledge(row.item, outcome)
        case other:
            raise Refusal(Code.WRONG_VALUE, "/outcome", found=str(other)[:32])
    index = row.item.index
    return f"/entry/{index}?done=1" if told.get("back") == "entry" else f"/?done={index}"


async def _save(station: Station, told: dict[str, str], _reader: Reader) -> str:
    """Keep what is asked for now as a view: what of it is a bulletin's header."""
    name = told.get("name", "").strip()
    if station.views is None or not views.NAME.fullmatch(name):
        raise Refusal(Code.WRONG_VALUE, "/name", found=name[:40])
    # The form repeats the address: it was read there, and is read again alike.
    wanted = asked(
        told.get("q", ""),
        Asked(
            types=tuple(told.get("types", "").split()),
            precedence=tuple(each for each in BANDS if each in told.get("bands", "").split()),
        ),
    )
    made = NamedView(
        feeds=sorted(wanted.feeds),
        types=sorted(wanted.types),
        precedence=sorted(wanted.precedence),
        status=sorted(wanted.status),
        origins=sorted(wanted.origins),
    )
    views.keep(station.views, {**views.saved(station.views), name: made})
    return f"/?view={name}"


async def _drop(station: Station, told: dict[str, str], _reader: Reader) -> str:
    if station.views is None:
        raise Refusal(Code.NOT_FOUND)
    saved = views.saved(station.views)
    name = told.get("name", "")
    views.named(saved, name)
    views.keep(station.views, {other: each for other, each in saved.items() if other != name})
    return "/"
