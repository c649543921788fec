"""Attachments: fetched, opened and handed to the browser to be saved; never shown as they are.

A browser is given a harmless name and a type that it renders nothing of. Plain text alone is
shown, where somebody asks for it, with everything in it visible.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from aiohttp import web

from exchange.client.attaching import untold
from exchange.client.filename import safe_name
from exchange.client.reading import Delivered
from exchange.desk import telling
from exchange.errors import Code, Refusal
from exchange.evidence import fetching
from exchange.web import frame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from exchange.desk.shelf import Row
    from exchange.desk.station import Station
    from exchange.web.pages import Reader

_PIECE_BYTES: Final = 256 * 1024
# A screen is no place for more.
_MOST_SHOWN_BYTES: Final = 64 * 1024
_AT: Final = r"/entry/{index:\d{1,9}}/file/{place:\d{1,2}}"


def show(app: web.Application, station: Station) -> None:
    """Serve attachments to be saved, and plain text to be read."""
    frame.show(app, _AT, partial(_save, station))
    frame.show(app, f"{_AT}/text", partial(_text, station))
    frame.show(app, "/package/{id:[0-9a-f-]{36}}", partial(_package, station))


def _found(station: Station, request: web.Request) -> tuple[Row, Delivered, int]:
    row = station.shelf.row(int(request.match_info["index"]))
    place = int(request.match_info["place"])
    item = row.item if row else None
    if row is None or not isinstance(item, Delivered) or item.bulletin is None:
        raise Refusal(Code.NOT_FOUND)
    if place >= len(item.bulletin.attachments):
        raise Refusal(Code.NOT_FOUND)
    return row, item, place


@asynccontextmanager
async def _opened(station: Station, item: Delivered, place: int) -> AsyncIterator[Path]:
    """Give the file, opened in a folder that only this program reads, and gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="exchange-desk-") as folder:
        yield await station.agency.save(item, place, Path(folder), untold)


async def _save(station: Station, request: web.Request, _: Reader) -> web.StreamResponse:
    _row, item, place = _found(station, request)
    async with _opened(station, item, place) as path:
        answer = web.StreamResponse(headers=_headers(path.name))
        answer.content_type = "application/octet-stream"
        answer.content_length = path.stat().st_size
        await answer.prepare(request)
        with path.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
                await answer.write(piece)
    await answer.write_eof()
    return answer


def _headers(name: str) -> dict[str, str]:
    """Return what makes a browser save it; the name was made harmless, and is again.

    Source: RFC 6266, with both spellings: the second one for letters beyond ASCII.
    """
    harmless = safe_name(name)
    plain = harmless.encode("ascii", "replace").decode().replace("?", "_")
    said = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(harmless, safe='')}"
    return {"Content-Disposition": said, "Cache-Control": "no-store"}


async def _package(station: Station, request: web.Request, _: Reader) -> web.Response:
    """Hand out the proof of a bulletin that was posted or received; its text is not in it."""
    identity = request.match_info["id"]
    fetched = await fetching.fetch(station.agency, identity, with_body=False)
    content = await asyncio.to_thread(fetched.pack)
    answer = web.Response(body=content, headers=_headers(f"{identity}.zip"))
    answer.content_type = "application/octet-stream"
    return answer


async def _text(station: Station, request: web.Request, reader: Reader) -> web.Response:
    row, item, place = _found(station, request)
    told = item.bulletin.attachments[place] if item.bulletin else None
    if told is None or told.media_type != "text/plain":
        raise Refusal(Code.NOT_FOUND)
    text: str | None = None
    if told.size <= _MOST_SHOWN_BYTES:
        async with _opened(station, item, place) as path:
            raw = await asyncio.to_thread(path.read_bytes)
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = None
    return frame.page(
        request,
        reader,
        "text.html",
        here="desk.inbox",
        index=item.index,
        file_name=safe_name(told.name),
        title=telling.title(row, reader.lang, station.codes)[0],
        header=item.header,
        marked=telling.marked(item.header, reader.lang, station.codes),
        text=text or "",
        is_text=text is not None,
    )
