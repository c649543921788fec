"""One bulletin: its marking, what it says in either language, and what became of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from exchange import render
from exchange.client import bearing
from exchange.client.attesting import attestable
from exchange.client.reading import (
    Acked,
    Confirmed,
    Consented,
    Delivered,
    Drafted,
    Granted,
    Noticed,
    PurgeOrdered,
    Released,
    Requested,
)
from exchange.desk import casing, facts, proof, telling, thread
from exchange.desk.inbox import line
from exchange.desk.inset import inset
from exchange.errors import Code, Fault, Refusal
from exchange.model.bulletin import doubts
from exchange.web import frame
from exchange.web.frame import FRAME

if TYPE_CHECKING:
    from aiohttp import web

    from exchange.client.reading import Item
    from exchange.desk.station import Station
    from exchange.model.codes import Lang
    from exchange.model.objects import Outcome
    from exchange.web.pages import Reader

# What a person says of a bulletin; that something was delivered or purged a machine says.
_SAID: Final[tuple[Outcome, ...]] = (
    *("opened", "actioned", "partial", "unreadable", "schema-invalid"),
)


class About(msgspec.Struct, frozen=True):
    """The bulletin that something is about: its title, and where it is shown."""

    title: str
    href: str


class Link(msgspec.Struct, frozen=True):
    """One bulletin of a thread as the page shows it; see ``thread.Link``."""

    item: Delivered
    relation: str
    to: int | None
    is_ours: bool
    is_here: bool
    title: str
    href: str


def show(app: web.Application, station: Station) -> None:
    """Serve a bulletin by the entry at which this inbox has it."""
    frame.show(app, r"/entry/{index:\d{1,9}}", partial(_entry, station))
    proof.show(app, station)


async def _entry(station: Station, request: web.Request, reader: Reader) -> web.Response:
    row = station.shelf.row(int(request.match_info["index"]))
    if row is None:
        raise Refusal(Code.NOT_FOUND, found=request.match_info["index"])
    station.read(row)
    told = line(station, row, reader.lang, station.now())
    if isinstance(row.item, Drafted) and row.item.draft.step == "asked":
        return frame.see(reader, f"/releases/{row.item.draft.id}")
    if not isinstance(row.item, Delivered):
        about = _about(station, row.item, reader.lang)
        return frame.page(
            request, reader, "news.html", here="desk.inbox", line=told, about=about
        )
    return frame.page(
        request,
        reader,
        "bulletin.html",
        here="desk.inbox",
        line=told,
        did="done" in request.query,
        covered=proof.covered(station, row.item, request.app[FRAME].pages.words, reader.lang),
        **_values(station, row.item, reader.lang),
    )


def _values(station: Station, item: Delivered, lang: Lang) -> dict[str, Any]:
    """Return all that the page of a bulletin shows, beside its line of the inbox."""
    codes, now = station.codes, station.now()
    items = station.shelf.items()
    held = [each for each in items if isinstance(each, Delivered)]
    ours = station.ours.items()
    asked = thread.request(item, [*ours, *items])
    places = telling.places_of(item)
    return {
        "item": item,
        "header": item.header,
        "now": now,
        "marked": telling.marked(item.header, lang, codes),
        "locked": telling.why(item.locked, lang, codes),
        "parts": _parts(station, item, lang),
        "warned": _warned(station, item, items, lang),
        "offered": _offered(item),
        "files": item.bulletin.attachments if item.bulletin else [],
        "corrections": thread.corrections(item, station.shelf, items, lang, codes),
        "asked": asked,
        "asked_state": asked.state(now) if asked else "",
        "case": casing.of(station, item),
        "links": [_link(each, lang) for each in thread.of(item, held, ours)],
        "map": inset(places),
        "place_words": telling.place_of(places, lang, codes),
        "facts": facts.of(station, item, items),
    }


def _parts(station: Station, item: Delivered, lang: Lang) -> list[render.Part]:
    """Return what it says, without its title: the page has that at its head."""
    if item.bulletin is None:
        return []
    unknown = item.not_understood
    told = render.outline(item.bulletin, lang, station.codes, unknown, now=station.now())
    title = told[0]
    # Of a translated title it matters how it was written; else the head says it all.
    return told if title.original else told[1:]


def _warned(station: Station, item: Delivered, items: list[Item], lang: Lang) -> list[str]:
    """Return what the reader is warned of: what looks odd in it, and what is not understood."""
    if item.bulletin is None:
        return []
    found = doubts(item.bulletin, item.not_understood)
    if item.header.verb in ("correct", "update"):
        found = [*found, *bearing.warnings(item, items, station.codes)]
    told = [render.indicator(each, lang, station.codes) for each in found]
    if item.not_understood:
        told.insert(0, station.codes.phrase("read-in-part", lang))
    return told


def _offered(item: Delivered) -> tuple[Outcome, ...]:
    """Return what an officer can say of it and be honest; nothing while it may yet open."""
    try:
        honest = attestable(item)
    except Fault:
        return ()
    # In part is for who cannot say that it was understood.
    return tuple(
        each for each in honest if each in _SAID and (each, honest[0]) != ("partial", "opened")
    )


def _link(each: thread.Link, lang: Lang) -> Link:
    item = each.item
    href = f"/sent/{item.header.id}" if each.is_ours else f"/entry/{item.index}"
    title = telling.text_in(item.bulletin.title, lang) if item.bulletin else item.header.id
    relation = each.relation or ""
    return Link(item, relation, each.to, each.is_ours, each.is_here, title, href)


def _about(station: Station, item: Item, lang: Lang) -> About | None:
    """Return the bulletin that a piece of news is about, if it is here or was posted here."""
    digest, entry = _named(item)
    ours = {each.digest: each for each in station.ours.items()}
    if digest in ours:
        return _of(ours[digest], f"/sent/{ours[digest].header.id}", lang)
    for each in station.shelf.items():
        if isinstance(each, Delivered) and (each.digest == digest or each.accepted == entry):
            return _of(each, f"/entry/{each.index}", lang)
    return None


def _of(item: Delivered, href: str, lang: Lang) -> About:
    title = telling.text_in(item.bulletin.title, lang) if item.bulletin else item.header.id
    return About(title, href)


def _named(item: Item) -> tuple[str, int]:  # noqa: PLR0911  (one for each kind)
    """Return the header digest, or else the entry, of what a piece of news is about."""
    match item:
        case Acked(ack=said):
            return said.of.header_digest, -1
        case Granted(grant=made):
            return made.of.header_digest, -1
        case Released(release=let):
            return let.of.header_digest, -1
        case Confirmed(confirmation=sure):
            return sure.of.header_digest, -1
        case Consented(consent=given):
            return given.of.header_digest, -1
        case Noticed(notice=told):
            return told.of.header_digest, -1
        case Requested(request=asked):
            return (asked.of.header_digest if asked.of else ""), -1
        case PurgeOrdered(of=of):
            return "", of
        case _:
            return "", -1
