"""Attachments: fetched, opened and handed to the browser to be saved; never shown as they are.

A browser is given a harmless name and a type that it renders nothing of. Plain text alone is
shown, where somebody asks for it, with everything in it visible. What is opened lies in no file
of ours: while it is handed over its ciphertext does, beside the sealed mail.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import aclosing, asynccontextmanager
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
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

    from exchange.desk.shelf import Row
    from exchange.desk.station import Station
    from exchange.model.bulletin.blocks import Attachment
    from exchange.web.pages import Reader

# A screen is no place for more.
_MOST_SHOWN_BYTES: Final = 64 * 1024
_FOLDER: Final = "fetched"
_AT: Final = r"/entry/{index:\d{1,9}}/file/{place:\d{1,2}}"


def show(app: web.Application, station: Station) -> None:
    """Serve attachments to be saved, and plain text to be read."""
    # What a desk left there that was killed: ciphertext, to be fetched again. Another desk of
    # this endpoint that is at it just now fetches it anew as well.
    shutil.rmtree(_folder(station), ignore_errors=True)
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


def _folder(station: Station) -> Path:
    return station.agency.world.cabinet.folder / _FOLDER


@asynccontextmanager
async def _opened(
    station: Station, item: Delivered, place: int
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Give the pieces of the file, the first of which tells that the whole of it holds."""
    base, agency = _folder(station), station.agency
    base.mkdir(0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=base) as folder:
        found = await agency.attachments.unsealed(item, place, Path(folder), untold)
        async with aclosing(_beside(found)) as pieces:
            yield pieces


async def _beside(pieces: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Have each piece opened in a thread: a large file holds nobody up."""
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


async def _save(station: Station, request: web.Request, _: Reader) -> web.StreamResponse:
    _row, item, place = _found(station, request)
    return await hand_over(station, request, item, place)


async def hand_over(
    station: Station, request: web.Request, item: Delivered, place: int
) -> web.StreamResponse:
    """Give an attachment of an opened bulletin to the browser, to be saved.

    Raises:
        Refusal, Fault: as ``Agency.save``.
    """
    told = _told(item, place)
    answer = web.StreamResponse(headers=_headers(told.name))
    answer.content_type = "application/octet-stream"
    answer.content_length = told.size
    async with _opened(station, item, place) as pieces:
        async for piece in pieces:
            if not answer.prepared:
                await answer.prepare(request)
            await answer.write(piece)
    await answer.write_eof()
    return answer


def _told(item: Delivered, place: int) -> Attachment:
    if item.bulletin is None:
        raise Refusal(Code.NOT_FOUND)
    return item.bulletin.attachments[place]


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
    told = _told(item, place)
    if told.media_type != "text/plain":
        raise Refusal(Code.NOT_FOUND)
    text: str | None = None
    if told.size <= _MOST_SHOWN_BYTES:
        async with _opened(station, item, place) as pieces:
            raw = b"".join([piece async for piece in pieces])
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
