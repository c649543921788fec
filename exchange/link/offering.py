"""What a node offers to the other nation's: what crosses, with proofs, and the bytes it names.

GET  /nonce, POST /session   prove who calls: ``link.greeting``
GET  /entries                what crosses after an index, under a signed checkpoint
GET  /blobs/DIGEST           sealed bytes that such an entry names
GET  /leaves                 the hashes of all entries, so that a tail that is lost can be held
                             to them: ``link.leaves``
POST /add-checkpoint, /get-checkpoint   its witness, where it has one: ``link.serving``

Nothing else of the journal is shown: of domestic traffic the other nation learns that there are
entries, by their number and their blinded hashes.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import structlog
from aiohttp import web

from exchange.broker import peering
from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.journal.checkpoint import parse
from exchange.journal.witness import MAX_REQUEST_BYTES
from exchange.link import foretelling, heading, leaves, pages, serving
from exchange.link.door import Door
from exchange.link.gathering import (
    MAX_PAGE_BYTES,
    Beside,
    Had,
    Known,
    beside,
    crosses,
    encoded,
    entry_of,
    gathered,
)
from exchange.link.greeting import Greeter
from exchange.link.hasting import Hasting
from exchange.link.pages import MAX_ITEMS
from exchange.link.quiet import Quiet
from exchange.model import entry as entries
from exchange.model import objects, wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from exchange.model.header import Blob
    from exchange.model.trust import Node as NodeDocument
    from exchange.node.node import Node
    from exchange.node.witness import Witness

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

NODE: web.AppKey[Node] = web.AppKey("node")
GREETER: web.AppKey[Greeter] = web.AppKey("greeter")
DOOR: web.AppKey[Door] = web.AppKey("door")
TRUST_BYTES: web.AppKey[int] = web.AppKey("trust_bytes")
KNOWN: web.AppKey[Known] = web.AppKey("known")
PEER: web.RequestKey[NodeDocument] = web.RequestKey("peer")

_MAX_WAIT_S: Final = 30
_PIECE_BYTES: Final = 256 * 1024
_BYTES: Final = "application/octet-stream"

# Who calls these proves it by what is sent.
_OPEN: Final = ("/nonce", "/session", "/add-checkpoint", "/get-checkpoint")

_log = structlog.get_logger("exchange.link")


def make_app(
    node: Node,
    greeter: Greeter,
    witness: Witness | None = None,
    trust_bytes: int = MAX_PAGE_BYTES,
) -> web.Application:
    """Return the application that serves other nodes; ``witness`` cosigns for them.

    Where there is more trust than ``trust_bytes`` that a caller does not have, it goes alone.
    """
    most = max(objects.MAX_OBJECT_BYTES, MAX_REQUEST_BYTES)
    app = web.Application(middlewares=[_guard], client_max_size=most)
    app[NODE], app[GREETER], app[TRUST_BYTES] = node, greeter, trust_bytes
    app[DOOR], app[KNOWN] = Door(), Known(Hasting(node), Quiet(node))
    app.router.add_get("/nonce", _nonce)
    app.router.add_post("/session", _session)
    app.router.add_get("/entries", _entries)
    app.router.add_get("/blobs/{digest}", _blob)
    app.router.add_get("/leaves", _leaves)
    serving.serve(app, witness)
    return app


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let in who has a token, and answer trouble with its code and nothing else."""
    node = request.app[NODE]
    request.app[DOOR].hear(request.transport)
    try:
        if request.path not in _OPEN:
            greeter, said = request.app[GREETER], request.headers.get("Authorization")
            request[PEER] = greeter.caller(said, node.view, node.now())
            request.app[DOOR].know(request.transport)
        answer = await handler(request)
        if request.path == "/add-checkpoint" and answer.status == HTTPStatus.OK:
            await _bring_if_new(request)
        return answer  # noqa: TRY300  (what follows are answers as well)
    except ExchangeError as error:
        _log.info("refused", code=error.code.value, at=error.at)
        return _problem(error)
    except web.HTTPException as error:
        return web.Response(status=error.status)
    except Exception as error:  # noqa: BLE001  (the last guard: nothing of it may reach a caller)
        _log.error("broken", error=type(error).__name__)
        return _problem(Fault(Code.INTERNAL))


async def _bring_if_new(request: web.Request) -> None:
    """Note who brought a checkpoint that was new here; one that was known anybody may have."""
    head, _, note = (await request.read()).partition(b"\n\n")
    old = int(head.partition(b"\n")[0].removeprefix(b"old "))
    if parse(note).size > old:
        request.app[DOOR].bring(request.transport)


def _problem(error: ExchangeError) -> web.Response:
    status = 503 if isinstance(error, Fault) else _STATUS.get(error.code, 400)
    told = wire.LinkProblem(error.code.value, error.at)
    return web.Response(
        status=status, body=msgspec.json.encode(told), content_type="application/json"
    )


_STATUS: Final = {
    Code.NO_TOKEN: 401,
    Code.BAD_TOKEN: 401,
    Code.BAD_SESSION: 401,
    Code.NOT_FOUND: 404,
}


async def _nonce(request: web.Request) -> web.Response:
    node = request.app[NODE]
    made = request.app[GREETER].nonce(node.now())
    return _json(wire.Nonce(node=node.name, nonce=made))


async def _session(request: web.Request) -> web.Response:
    node = request.app[NODE]
    raw = await request.read()
    token = request.app[GREETER].open(raw, node.view, node.now())
    return _json(wire.LinkToken(token))


class _Wanted(NamedTuple):
    """What is asked for: for whom, after which entry, since which size, until when."""

    nations: frozenset[str]
    after: int
    since: int
    until: float
    had: Had
    heads: int


def _wanted(request: web.Request) -> _Wanted:
    # Who does not say so is told all trust that is ahead, each time.
    known = _number(request, "trust", -1, least=-1) if "trust" in request.query else None
    most = _number(request, "most", MAX_ITEMS, least=1)
    wait_s = min(_number(request, "wait", 0), _MAX_WAIT_S)
    return _Wanted(
        _nations(request),
        _number(request, "after", -1, least=-1),
        _number(request, "since", 0),
        asyncio.get_running_loop().time() + wait_s,
        Had(_indexes(request, "told"), _indexes(request, "again"), known, most),
        _number(request, "heads", 0),
    )


async def _entries(request: web.Request) -> web.Response:
    """Return what crosses after an index and is under the newest checkpoint; wait for it."""
    node, asked = request.app[NODE], _wanted(request)
    after = asked.after
    while True:
        # Before it is looked: what is signed meanwhile rings it.
        bell, note = node.checkpoints.bell, node.newest
        if note is None:
            return _paged(pages.encode(wire.LinkPage([], after, "", []), []))
        if (body := await _trust_alone(request, asked, note)) is not None:
            return _paged(body)
        size = parse(note).size
        found, cursor = await gathered(
            node, asked.nations, after, size, asked.had, request.app[KNOWN]
        )
        # Who has seen more than there is waits for nothing: it is to know at once.
        if found or size < asked.since or not await _rings(bell, asked.until):
            break
        after = cursor
    heads = await heading.offered(node, note, asked.nations, (cursor, asked.heads))
    also = Beside(heads, node.cosigned or b"")
    return _paged(await encoded(node, found, cursor, note, asked.since, also))


async def _trust_alone(request: web.Request, asked: _Wanted, note: bytes) -> bytes | None:
    """Return a page of trust, where there is more of it than goes with others."""
    node, known = request.app[NODE], asked.had.trust
    if known is None:
        return None
    alone = await foretelling.alone(node, known, note, request.app[TRUST_BYTES])
    if alone is None:
        return None
    found = [await crosses(node, each, each, is_ahead=True) for each in alone.indexes]
    return await encoded(node, found, asked.after, alone.note, asked.since)


async def _rings(bell: asyncio.Event, until: float) -> bool:
    """Wait for another checkpoint; return whether there is one by then."""
    with suppress(TimeoutError):
        async with asyncio.timeout_at(until):
            await bell.wait()
    return bell.is_set()


def _paged(body: bytes) -> web.Response:
    return web.Response(body=body, content_type=_BYTES)


async def _blob(request: web.Request) -> web.StreamResponse:
    """Return bytes that an entry names which crosses, for itself or beside another."""
    node, nations = request.app[NODE], _nations(request)
    index, by = _number(request, "index", 0), _number(request, "by", 0)
    digest, offset = request.match_info["digest"], _number(request, "offset", 0)
    entry = entries.decode(await entry_of(node, index))
    crossing = entries.decode(await entry_of(node, by)).facts
    is_for = peering.is_for(crossing, nations)
    if not is_for or index not in (by, *await beside(node, crossing)):
        raise Refusal(Code.NOT_FOUND, "/digest")
    named = {each.digest: each for each in peering.names(entry.facts)}
    if digest not in named:
        raise Refusal(Code.NOT_FOUND, "/digest")
    data = await node.store.blob(digest)
    if data is not None:
        return web.Response(body=data[offset:], content_type=_BYTES)
    if digest == next(iter(named)):
        # A body, and purged: it is in no folder of attachments.
        raise Refusal(Code.NOT_FOUND, "/digest")
    return await _streamed(request, node, named[digest], offset)


async def _leaves(request: web.Request) -> web.Response:
    """Return leaf hashes from an entry on, which lead to a checkpoint that was signed."""
    node, first = request.app[NODE], _number(request, "from", 0)
    size, note = _number(request, "size", 0), node.newest
    if note is None or size > parse(note).size:
        raise Refusal(Code.BAD_REQUEST, "/size")
    if first >= size:
        raise Refusal(Code.BAD_REQUEST, "/from")
    return web.Response(body=await leaves.answer(node.store, first, size), content_type=_BYTES)


async def _streamed(
    request: web.Request, node: Node, blob: Blob, offset: int
) -> web.StreamResponse:
    if offset > blob.size or not await node.blobs.is_kept(blob):
        raise Refusal(Code.NOT_FOUND, "/digest")
    response = web.StreamResponse(headers={"Content-Type": _BYTES})
    response.content_length = blob.size - offset
    await response.prepare(request)
    for at in range(offset, blob.size, _PIECE_BYTES):
        wanted = min(_PIECE_BYTES, blob.size - at)
        await response.write(await node.blobs.read(blob.digest, at, wanted))
    await response.write_eof()
    return response


def _nations(request: web.Request) -> frozenset[str]:
    """Return the nations that the caller's node serves, and ours does not."""
    node: Node = request.app[NODE]
    peer = request[PEER]
    ours = node.view.nodes.get(node.name)
    return frozenset(peer.serves) - frozenset(ours.serves if ours else ())


def _indexes(request: web.Request, name: str) -> frozenset[int]:
    """Return entries that the caller names, as ``1.2.3``."""
    parts = request.query.get(name, "").split(".")
    if parts == [""]:
        return frozenset()
    if not all(each.isascii() and each.isdecimal() and len(each) <= 16 for each in parts):
        raise Refusal(Code.BAD_REQUEST, f"/{name}")
    return frozenset(map(int, parts))


def _number(request: web.Request, name: str, default: int, *, least: int = 0) -> int:
    text = request.query.get(name, str(default))
    if not text.removeprefix("-").isdecimal() or len(text) > 16 or not text.isascii():
        raise Refusal(Code.BAD_REQUEST, f"/{name}")
    if int(text) < least:
        raise Refusal(Code.BAD_REQUEST, f"/{name}")
    return int(text)


def _json(answer: msgspec.Struct) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")
