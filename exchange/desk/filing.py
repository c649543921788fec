"""Files put to a draft, and taken out again: a browser sends each as it is, in one request.

Nothing is written but sealed (``kept_files``); what it is called, and of what kind and size it
may be, is held to before a byte of it is taken.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from exchange.desk.kept_drafts import Kept, KeptDrafts, must_be_name
from exchange.desk.kept_files import AT
from exchange.desk.windows import must_be_open
from exchange.errors import Code, Refusal
from exchange.model.bulletin.kinds import TYPES
from exchange.model.header import MAX_ATTACHMENTS
from exchange.seal.attachment import KEY_BYTES
from exchange.web import frame

if TYPE_CHECKING:
    from exchange.desk.holding import Holding
    from exchange.desk.kept_files import Filed
    from exchange.desk.station import Station
    from exchange.web.pages import Reader

_PIECE_BYTES = 256 * 1024


def show(app: web.Application, station: Station, drafts: KeptDrafts, holding: Holding) -> None:
    """Take files in for drafts, and out of them, unless these are on their way."""
    frame.submit(app, "/compose/file.json", partial(_put, station, drafts, holding))
    frame.submit(app, "/compose/unfile.json", partial(_take_out, station, drafts, holding))


async def _put(
    station: Station,
    drafts: KeptDrafts,
    holding: Holding,
    request: web.Request,
    _told: dict[str, str],
    reader: Reader,  # noqa: ARG001
) -> web.StreamResponse:
    query, world = request.query, station.agency.world
    draft, kind = must_be_name(query.get("draft", "")), query.get("type", "")
    if kind not in TYPES:
        raise Refusal(Code.NOT_FOUND, found=kind)
    if request.content_type != "application/octet-stream" or request.content_length is None:
        raise Refusal(Code.BAD_REQUEST)
    changed = frame.number(query.get("changed", "")) or 0
    must_be_open(drafts, holding, draft, changed)
    _must_have_room(drafts.attached(draft))
    filed = await drafts.files.take(
        station.agency.new_id(),
        query.get("name", ""),
        request.content_length,
        world.randomness(KEY_BYTES),
        request.content.iter_chunked(_PIECE_BYTES),
    )
    # Nothing is awaited from here on: what was put to it meanwhile is there.
    kept = drafts.get(draft) if drafts.has(draft) else Kept(draft, kind, {}, station.now())
    try:
        must_be_open(drafts, holding, draft, changed)
        _must_have_room(kept.files)
    except Refusal:
        drafts.files.drop([filed])
        raise
    return _keep(drafts, kept, [*kept.files, filed], station.now())


def _must_have_room(files: list[Filed]) -> None:
    if len(files) >= MAX_ATTACHMENTS:
        raise Refusal(Code.TOO_MANY, AT, limit=MAX_ATTACHMENTS)


async def _take_out(
    station: Station,
    drafts: KeptDrafts,
    holding: Holding,
    _request: web.Request,
    told: dict[str, str],
    _reader: Reader,
) -> web.StreamResponse:
    draft = must_be_name(told.get("draft", ""))
    must_be_open(drafts, holding, draft, 0)
    kept = drafts.get(draft)
    gone = [each for each in kept.files if each.id == told.get("file")]
    left = [each for each in kept.files if each not in gone]
    answer = _keep(drafts, kept, left, station.now())
    drafts.files.drop(gone)
    return answer


def _keep(drafts: KeptDrafts, kept: Kept, files: list[Filed], now: int) -> web.Response:
    drafts.put(msgspec.structs.replace(kept, files=files, changed_s=now))
    told = {"files": [_told(each) for each in files]}
    return web.json_response(told, headers={"Cache-Control": "no-store"})


def _told(each: Filed) -> dict[str, Any]:
    """Return what a page shows of a file; never its key."""
    return {
        "id": each.id,
        "name": each.name,
        "media_type": each.media_type,
        "size": each.size,
        "digest": each.digest,
    }
