"""What waits for a second person: looked at whole, then released or declined with a reason.

What is shown is what every recipient will be able to open; what is released is the digest of
just that header. An author sees how theirs stands, and may take it back; never release it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from exchange import render
from exchange.client import asked
from exchange.client.attaching import untold
from exchange.client.transport import is_away
from exchange.desk import files, owing, telling
from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.model.bulletin import doubts
from exchange.policy.attesting import is_same
from exchange.web import frame

if TYPE_CHECKING:
    from aiohttp import web

    from exchange.client.reading import Delivered
    from exchange.client.releasing import Queued
    from exchange.desk.station import Station
    from exchange.model.bulletin import AnyBulletin
    from exchange.model.codes import Lang
    from exchange.model.header import Header
    from exchange.web.pages import Reader

_HERE: Final = "releases.title"
_ONE: Final = "/releases/{draft:[0-9a-f-]{36}}"
# The text of ours is here until it is out or over.
_TEXT_HERE: Final = frozenset({"asking", "waiting", "released", "expired"})


class Line(msgspec.Struct, frozen=True):
    """One draft of the queue, as a row: ``title`` and ``band`` as far as they can be shown."""

    queued: Queued
    title: str
    band: str
    why: str


class Read(msgspec.Struct, frozen=True):
    """What a draft would send: header and text, to whom it gives, and as it was opened."""

    header: Header
    bulletin: AnyBulletin
    gives: str | None
    found: Delivered | None


def show(app: web.Application, station: Station) -> None:
    """Serve the queue, and each draft in it."""
    frame.show(app, "/releases", partial(_list, station))
    frame.show(app, _ONE, partial(_one, station))
    frame.show(app, f"{_ONE}/file/{{place:\\d{{1,2}}}}", partial(_file, station))
    for name, act in (("approve", _approve), ("decline", _decline), ("withdraw", _withdraw)):
        frame.act(app, f"/releases/{name}", partial(act, station))


# -- the queue ------------------------------------------------------------------------------


async def _list(station: Station, request: web.Request, reader: Reader) -> web.Response:
    rows = [await _line(station, each, reader.lang) for each in owing.queue(station)]
    mine = [each for each in rows if not each.queued.is_ours and each.queued.state == "waiting"]
    ours = [each for each in rows if each.queued.is_ours]
    over = [each for each in rows if each not in mine and each not in ours]
    values: dict[str, Any] = {"mine": mine, "ours": ours, "over": over}
    return frame.page(request, reader, "releases.html", here=_HERE, **values)


async def _line(station: Station, each: Queued, lang: Lang) -> Line:
    title = band = why = ""
    if each.state == "waiting" or (each.is_ours and each.state in _TEXT_HERE):
        try:
            read = await _read(station, each)
        except ExchangeError as error:
            why = telling.why(error, lang, station.codes)
        else:
            title = telling.text_in(read.bulletin.title, lang)
            band = read.header.precedence
    if each.why is not None:
        why = telling.why(each.why.error(), lang, station.codes)
    return Line(each, title, band, why)


async def _read(station: Station, each: Queued) -> Read:
    agency, items = station.agency, station.shelf.items()
    if each.is_ours:
        return Read(*await asked.content(agency, each, items), None)
    found = await agency.releasing.opened(asked.item_of(each, items))
    if found.bulletin is None:
        raise Refusal(Code.CANNOT_DECRYPT, id=each.id)
    return Read(found.header, found.bulletin, found.grant.to if found.grant else None, found)


def _named(station: Station, identity: str) -> Queued:
    for each in owing.queue(station):
        if each.id == identity:
            return each
    raise Refusal(Code.NOT_FOUND, found=identity)


# -- one of it ------------------------------------------------------------------------------


async def _one(station: Station, request: web.Request, reader: Reader) -> web.Response:
    each, lang, codes = _named(station, request.match_info["draft"]), reader.lang, station.codes
    is_here = each.state == "waiting" or (each.is_ours and each.state in _TEXT_HERE)
    read, locked = None, ""
    if is_here:
        try:
            read = await _read(station, each)
        except ExchangeError as error:
            locked = telling.why(error, lang, codes)
    is_mine = not each.is_ours and each.state == "waiting" and read is not None
    is_own_person = is_same(station.officer, each.asked_by)
    return frame.page(
        request,
        reader,
        "release.html",
        here=_HERE,
        each=each,
        read=read,
        locked=locked,
        officer=station.officer or "",
        is_own_person=is_own_person,
        may_decide=is_mine and not is_own_person,
        may_withdraw=each.is_ours and each.state in ("asking", "waiting", "released"),
        why=telling.why(each.why.error(), lang, codes) if each.why else "",
        **(_told(station, read, lang) if read else {}),
    )


def _told(station: Station, read: Read, lang: Lang) -> dict[str, Any]:
    """Return what the page shows of the bulletin itself."""
    codes, header, found = station.codes, read.header, read.found
    unknown = found.not_understood if found else []
    warned = [render.indicator(each, lang, codes) for each in doubts(read.bulletin, unknown)]
    if unknown:
        warned.insert(0, codes.phrase("read-in-part", lang))
    names = [read.gives] if read.gives else header.to
    return {
        "header": header,
        "title": telling.text_in(read.bulletin.title, lang),
        "marked": telling.marked(header, lang, codes),
        "parts": render.outline(read.bulletin, lang, codes, unknown, now=station.now()),
        "warned": warned,
        "readers": [_reader(station, name, lang) for name in names],
        "files": read.bulletin.attachments if read.gives is None else [],
    }


def _reader(station: Station, name: str, lang: Lang) -> tuple[str, str, str]:
    """Return an endpoint, its agency and its nation; without these where it is unknown."""
    standing = station.agency.trust.newest.endpoints.get(name)
    if standing is None:
        return name, "", ""
    return name, standing.member.title[lang], standing.alpha3


async def _file(station: Station, request: web.Request, reader: Reader) -> web.StreamResponse:  # noqa: ARG001
    each = _named(station, request.match_info["draft"])
    place = int(request.match_info["place"])
    read = await _read(station, each)
    if read.found is None or read.gives or place >= len(read.bulletin.attachments):
        raise Refusal(Code.NOT_FOUND)
    return await files.hand_over(station, request, read.found, place)


# -- deciding -------------------------------------------------------------------------------


async def _approve(station: Station, told: dict[str, str], reader: Reader) -> str:  # noqa: ARG001
    each, item = _to_decide(station, told)
    await _sent(station, station.agency.releasing.approve(item, station.officer))
    return f"/releases/{each.id}"


async def _decline(station: Station, told: dict[str, str], reader: Reader) -> str:  # noqa: ARG001
    each, item = _to_decide(station, told)
    reason = told.get("reason", "").strip()
    if not reason:
        raise Refusal(Code.MISSING_MEMBER, "/reason")
    await _sent(station, station.agency.releasing.decline(item, reason, station.officer))
    return f"/releases/{each.id}"


def _to_decide(station: Station, told: dict[str, str]) -> tuple[Queued, Any]:
    """Return what is to be decided.

    Raises:
        Refusal: ``own-release``: it is ours (of another's, ``approve`` asks who asked);
            ``draft-over``; or ``digest-mismatch``: it is not what was shown.
    """
    each = _named(station, told.get("draft", ""))
    if each.is_ours:
        raise Refusal(Code.OWN_RELEASE, "/of/endpoint", name=each.author)
    if each.state != "waiting":
        raise Refusal(Code.DRAFT_OVER, "/of", name=each.state)
    if told.get("of") != each.of:
        raise Refusal(Code.DIGEST_MISMATCH, "/of", expected=each.of)
    return each, asked.item_of(each, station.shelf.items())


async def _withdraw(station: Station, told: dict[str, str], reader: Reader) -> str:  # noqa: ARG001
    each, agency = _named(station, told.get("draft", "")), station.agency
    pending = agency.asking.waiting.of(each.of)
    if not each.is_ours or pending is None:
        raise Refusal(Code.NOT_YOURS, "/endpoint", name=each.author)
    await _sent(station, agency.asking.withdraw(pending, untold, station.officer))
    return f"/releases/{each.id}"


async def _sent(station: Station, sending: Any) -> None:
    """Send a decision; where the node is away it is signed and waits, and counts as said."""
    try:
        await sending
    except Fault as fault:
        if not is_away(fault) or fault.code is Code.OUTCOME_UNKNOWN:
            raise
    station.on_news(False)
