"""The watch on pages: what is open, handed over and taken over, each under a signature.

The list is made when it is signed, of what this desk holds then; the page before it shows the
same. A record shows titles only of what is still held here.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from exchange.client.reading import Delivered
from exchange.desk import casing, handover, owing, telling
from exchange.desk.handover import MAX_OPEN, Acceptance, Handover, Handovers, Kept, Open
from exchange.desk.kept_drafts import KeptDrafts
from exchange.desk.shelf import Asked
from exchange.errors import Code, Refusal
from exchange.model.bulletin.words import Prose
from exchange.model.objects import Officer
from exchange.web import frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

    from exchange.desk.handover import Matter
    from exchange.desk.shelf import Row
    from exchange.desk.station import Station
    from exchange.model.codes import Lang
    from exchange.web.pages import Reader

T = TypeVar("T")

_NAME: Final = "{name:[A-Za-z0-9_-]{43}}"
# Earlier handovers on the page: the newest.
PAGE: Final = 30


class Line(msgspec.Struct, frozen=True):
    """One thing that is open, as the page shows it.

    Attributes:
        open: what is signed of it.
        title: what it is about, if that is still held here; never part of the record.
        marked: its marking; empty where it is not held.
        href: where it is looked at; empty where it is not held.
    """

    open: Open
    title: str
    marked: str
    href: str


class Past(msgspec.Struct, frozen=True):
    """One handover that is kept: verified, or why it does not hold."""

    name: str
    handover: Handover | None
    acceptance: Acceptance | None
    why: str = ""


def show(app: web.Application, station: Station) -> None:
    """Serve the handover."""
    frame.show(app, "/handover", partial(_begin, station))
    frame.show(app, f"/handover/{_NAME}", partial(_one, station))
    frame.act(app, "/handover/sign", partial(_sign, station))
    frame.act(app, "/handover/accept", partial(_accept, station))
    frame.act(app, "/handover/take", partial(_take, station))


async def _begin(station: Station, request: web.Request, reader: Reader) -> web.Response:
    now = station.now()
    found = open_now(station, now)
    past = [_past(station, kept, reader.lang) for kept in _kept(station).every()[::-1]]
    newest = past[0] if past else None
    is_pending = newest is not None and newest.handover is not None and not newest.acceptance
    return frame.page(
        request,
        reader,
        "handover.html",
        here="handover.title",
        now=now,
        station=station,
        lines=[_line(station, each, reader.lang) for each in found[:MAX_OPEN]],
        more=max(0, len(found) - MAX_OPEN),
        pending=newest if is_pending else None,
        past=past[:PAGE],
    )


async def _one(station: Station, request: web.Request, reader: Reader) -> web.Response:
    name = request.match_info["name"]
    kept = _kept(station).get(name)
    if kept is None:
        raise Refusal(Code.NOT_FOUND, id=name)
    past = _past(station, kept, reader.lang)
    return frame.page(
        request,
        reader,
        "handover-one.html",
        here="handover.title",
        past=past,
        lines=[
            _line(station, each, reader.lang)
            for each in (past.handover.open if past.handover else [])
        ],
    )


def _kept(station: Station) -> Handovers:
    return Handovers(station.agency.world.cabinet)


def _past(station: Station, kept: Kept, lang: Lang) -> Past:
    name = handover.name(kept)
    agency = station.agency
    try:
        standing = agency.trust.newest.standing(agency.profile.endpoint)
        said, accepted = handover.read(kept, standing)
    except Refusal as refusal:
        return Past(name, None, None, telling.why(refusal, lang, station.codes))
    return Past(name, said, accepted)


# -- what is open ---------------------------------------------------------------------------


def open_now(station: Station, now: int) -> list[Open]:
    """Return all that is open, the most urgent kind first, in it what is due soonest.

    Args:
        station: what is held.
        now: in seconds UTC.
    """
    waiting = station.shelf.find(Asked(states=("unacknowledged",)), now)
    return [
        *_unseen(waiting, now, is_flash=True),
        *_boardings(station),
        *_requests(station, now),
        *_releases(station),
        *_unseen(waiting, now, is_flash=False),
        *(Open("draft", each.id) for each in _drafts(station).all()),
    ]


def _drafts(station: Station) -> KeptDrafts:
    return KeptDrafts(station.agency.world.cabinet)


def _unseen(waiting: list[Row], now: int, *, is_flash: bool) -> Iterator[Open]:
    """Go through FLASH that nobody acknowledged; or what else is overdue."""
    for row in waiting:
        if not isinstance(row.item, Delivered):
            continue
        flash = row.item.header.precedence == "flash"
        if flash is is_flash and (flash or row.by_s <= now):
            matter: Matter = "flash" if flash else "overdue"
            yield Open(matter, row.id, row.item.index, row.digest, row.by_s)


def _boardings(station: Station) -> Iterator[Open]:
    for case in casing.every(station):
        owed = case.owes()
        if owed:
            request = case.request
            by = min((each.by for each in owed if each.by is not None), default=None)
            yield Open("boarding", request.header.id, request.index, request.digest, by)


def _requests(station: Station, now: int) -> Iterator[Open]:
    for each in owing.requests(station, "en", now):
        if not each.is_over:
            item = each.request.item
            yield Open("request", item.header.id, item.index, item.digest, each.request.due_s)


def _releases(station: Station) -> Iterator[Open]:
    for each in owing.queue(station):
        if each.state in owing.WAITS:
            yield Open("release", each.bulletin or each.id, each.index)


def _line(station: Station, each: Open, lang: Lang) -> Line:
    row = station.shelf.row(each.entry) if each.entry is not None else None
    if row is not None and row.digest == each.digest and isinstance(row.item, Delivered):
        title, _ = telling.title(row, lang, station.codes)
        marked = telling.marked(row.item.header, lang, station.codes)
        return Line(each, title, marked, f"/entry/{each.entry}")
    ours = (item for item in station.ours.items() if item.digest == each.digest)
    if each.digest and (item := next(ours, None)) is not None:
        title = telling.text_in(item.bulletin.title, lang) if item.bulletin else ""
        marked = telling.marked(item.header, lang, station.codes)
        return Line(each, title, marked, f"/sent/{each.id}")
    if each.matter == "draft":
        kept = (draft for draft in _drafts(station).all() if draft.id == each.id)
        if draft := next(kept, None):
            return Line(each, draft.title, "", f"/compose/{draft.type}?draft={draft.id}")
    return Line(each, "", "", "")


# -- what officers do -----------------------------------------------------------------------


async def _sign(station: Station, told: dict[str, str], _reader: Reader) -> str:
    """Sign what is open now, in the name of who has the watch."""
    if station.officer is None:
        raise Refusal(Code.OFFICER_REQUIRED, "/officer", name="released")
    now, remarks = station.now(), told.get("remarks", "").strip().replace("\r\n", "\n")
    found, items = open_now(station, now), station.shelf.items()
    said = Handover(
        v="xb1",
        endpoint=station.agency.profile.endpoint,
        officer=_as(station.officer, Officer, "/officer"),
        at=now,
        held=len(items),
        newest=max((item.index for item in items), default=-1),
        proven=station.proven is not None and station.alarm is None,
        open=found[:MAX_OPEN],
        remarks=_as(remarks, Prose, "/remarks") if remarks else None,
        more=max(0, len(found) - MAX_OPEN),
    )
    signed = handover.sign(said, station.agency.keys.signer)
    return f"/handover/{_kept(station).keep(signed)}"


async def _accept(station: Station, told: dict[str, str], _reader: Reader) -> str:
    """Accept the newest handover in the name of who comes, who has the watch from then on.

    Raises:
        Refusal: ``wrong-value``: no officer's name, or that of who leaves; ``not-found``: the
            newest handover is another, or was accepted, or does not hold.
    """
    box = _kept(station)
    every, named = box.every(), told.get("of", "")
    if not every or handover.name(every[-1]) != named or every[-1].acceptance:
        raise Refusal(Code.NOT_FOUND, "/of", id=named[:43])
    agency = station.agency
    handover.read(every[-1], agency.trust.newest.standing(agency.profile.endpoint))
    officer = _as(told.get("officer", "").strip(), Officer, "/officer")
    raw = every[-1].handover
    box.keep(raw, handover.accept(raw, officer, station.now(), agency.keys.signer))
    station.take_watch(officer)
    return f"/handover/{named}"


async def _take(station: Station, told: dict[str, str], _reader: Reader) -> str:
    """Have an officer on watch where nobody was."""
    if station.officer is not None:
        raise Refusal(Code.WRONG_VALUE, "/officer", found=station.officer)
    station.take_watch(_as(told.get("officer", "").strip(), Officer, "/officer"))
    return "/handover"


def _as(said: str, kind: type[T], at: str) -> T:
    try:
        return msgspec.convert(said, kind)
    except msgspec.ValidationError:
        raise Refusal(Code.WRONG_VALUE, at, found=said[:40]) from None
