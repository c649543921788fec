"""Ciphertext over HTTP: uploads that go on after a cut, downloads from any byte on.

An upload is the resource ``/v1/uploads/DIGEST?size=N`` of whoever calls: GET says how many
bytes of it are here, PATCH appends from exactly there, and the last byte finishes it. What came
before a cut stays. (The ideas are those of draft-ietf-httpbis-resumable-upload; why not its
spelling: decision 0012.)
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import msgspec
import structlog
from aiohttp import web

from exchange.api import bounds, framing
from exchange.api.asked import number, required
from exchange.api.routes import CALLER, NODE, must_stand
from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.model import wire
from exchange.model.header import Blob
from exchange.node import owed

if TYPE_CHECKING:
    from exchange.node.owed import Owed, OwedDraft
    from exchange.node.ports import Progress
    from exchange.node.served import Served

_log = structlog.get_logger("exchange.api")

_DIGEST = re.compile(r"[A-Za-z0-9_-]{43}")
_PIECE_BYTES = 256 * 1024
# A caller that takes nothing for this long has hung up, whatever its socket says (seconds). The
# kernel may have taken minutes of a poor link's bytes before it asks for more.
_STALLED_S = 300


async def progress(request: web.Request) -> web.Response:
    """Say how far an upload of the caller has come."""
    endpoint, blob = _upload(request)
    return _said(blob, await request.app[NODE].blobs.progress(endpoint, blob))


async def upload(request: web.Request) -> web.Response:
    """Append to an upload from where it stands; with its last byte it is verified and kept."""
    node, (endpoint, blob) = request.app[NODE], _upload(request)
    # Begun, or refused, before any of it is read.
    come = await node.blobs.append(endpoint, blob, required(request, "offset", 0), b"")
    async for piece in framing.pieces(request, blob.size - come.offset):
        # Who was suspended meanwhile, or lost its key, goes no further.
        must_stand(request)
        come = await node.blobs.append(endpoint, blob, come.offset, piece)
    if come.offset == blob.size:
        come = await node.blobs.finish(endpoint, blob)
    return _said(blob, come)


async def discard(request: web.Request) -> web.Response:
    """Give up an upload of the caller, and free the room it takes."""
    node, (endpoint, blob) = request.app[NODE], _upload(request)
    await node.blobs.discard(endpoint, blob)
    return _said(blob, await node.blobs.progress(endpoint, blob))


def _upload(request: web.Request) -> tuple[str, Blob]:
    """Return whose upload is asked for, and of what. Of others' nothing can be asked."""
    digest, size = request.match_info["digest"], required(request, "size", 1)
    if not _DIGEST.fullmatch(digest):
        raise Refusal(Code.BAD_REQUEST, "/digest")
    return request[CALLER].endpoint.id, Blob(digest, size)


def _said(blob: Blob, come: Progress) -> web.Response:
    told = wire.Upload(blob.digest, blob.size, come.offset, come.complete)
    return web.Response(body=msgspec.json.encode(told), content_type="application/json")


async def blob(request: web.Request) -> web.StreamResponse:
    """Return sealed bytes, to an endpoint that is owed the entry that names them."""
    node, endpoint = request.app[NODE], request[CALLER].endpoint.id
    digest, index = request.match_info["digest"], number(request, "index", -1, 0)
    offset = number(request, "offset", 0, 0)
    named = await owed.blobs(node.store, endpoint, index)
    if named is None:
        raise Refusal(Code.NOT_FOUND, "/digest")
    named.owed.must_be_shown(node.view, node.now())
    if digest in named.kept:
        data = await node.store.blob(digest)
        if data is None:
            await _must_not_be_purged(node, named.owed.of)
        _must_be_within(offset, None if data is None else len(data))
        return web.Response(body=(data or b"")[offset:], content_type=_BYTES)
    wanted = next((each for each in named.attached if each.digest == digest), None)
    if wanted is None:
        raise Refusal(Code.NOT_FOUND, "/digest")
    if not await _is_kept(node, wanted):
        await _must_not_be_purged(node, named.owed.of)
        raise Refusal(Code.NOT_FOUND, "/digest")
    _must_be_within(offset, wanted.size)
    with bounds.taken(request, wire.STREAM_BYTES):
        return await _streamed(request, named.owed, digest, range(offset, wanted.size))


async def _must_not_be_purged(node: Served, header_digest: str) -> None:
    """Say to who is owed it that it is gone, when and by which rule.

    Raises:
        Refusal: ``purged``.
    """
    if (refusal := await owed.purged(node.store, header_digest)) is not None:
        raise refusal


async def _is_kept(node: Served, wanted: Blob) -> bool:
    """Tell whether an attachment is kept; that one is damaged is an alarm for the operator."""
    try:
        return await node.blobs.is_kept(wanted)
    except Fault as fault:
        if fault.code is Code.ATTACHMENT_DAMAGED:
            _log.error(fault.code.value, digest=wanted.digest)
        raise


_BYTES = "application/octet-stream"


def _must_be_within(offset: int, size: int | None) -> None:
    if size is None:
        raise Refusal(Code.NOT_FOUND, "/digest")
    if offset > size:
        raise Refusal(Code.BAD_REQUEST, "/offset", limit=size)


async def _streamed(
    request: web.Request, due: Owed | OwedDraft, digest: str, span: range
) -> web.StreamResponse:
    """Send a span of a kept blob; what goes wrong on the way ends the connection, no less."""
    node = request.app[NODE]
    response = web.StreamResponse(headers={"Content-Type": _BYTES})
    response.content_length = len(span)
    await response.prepare(request)
    try:
        for at in range(span.start, span.stop, _PIECE_BYTES):
            must_stand(request)
            due = await due.of_now(node.store)
            due.must_be_shown(node.view, node.now())
            wanted = min(_PIECE_BYTES, span.stop - at)
            piece = await node.blobs.read(digest, at, wanted)
            if len(piece) != wanted:
                raise Fault(Code.ATTACHMENT_DAMAGED, digest=digest)
            async with asyncio.timeout(_STALLED_S):
                await response.write(piece)
        await response.write_eof()
    except (ExchangeError, OSError, TimeoutError) as error:
        if isinstance(error, Fault):
            node.refused[error.code.value, "/v1/blobs/{digest}"] += 1
            _log.error(error.code.value, digest=digest)
        # A problem document here would be taken for ciphertext.
        if request.transport is not None:
            request.transport.abort()
    return response
