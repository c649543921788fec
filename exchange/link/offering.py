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
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec
import structlog
from aiohttp import web

from exchange.broker import holding, peering
from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.journal.checkpoint import parse
from exchange.journal.proofs import consistency_proof, inclusion_proof
from exchange.journal.witness import MAX_REQUEST_BYTES
from exchange.link import foretelling, heading, leaves, pages, serving
from exchange.link.door import Door
from exchange.link.greeting import Greeter
from exchange.link.hasting import may_haste
from exchange.link.waiting import MAX_AGAIN
from exchange.model import entry as entries
from exchange.model import objects, wire
from exchange.model.codec import b64
from exchange.node.stored import with_hashes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from exchange.journal.tiles import Hashes
    from exchange.model.header import Blob
    from exchange.model.trust import Node as NodeDocument
    from exchange.node.node import Node
    from exchange.node.ports import Store
    from exchange.node.witness import Witness

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

NODE: web.AppKey[Node] = web.AppKey("node")
GREETER: web.AppKey[Greeter] = web.AppKey("greeter")
DOOR: web.AppKey[Door] = web.AppKey("door")
TRUST_BYTES: web.AppKey[int] = web.AppKey("trust_bytes")
PEER: web.RequestKey[NodeDocument] = web.RequestKey("peer")

MAX_ITEMS: Final = 256
# Entries looked through for one page, whether or not they cross.
_MAX_LOOK: Final = 4096
_READ: Final = 256
_MAX_WAIT_S: Final = 30
_POLL_S: Final = 0.05
_PIECE_BYTES: Final = 256 * 1024
_MAX_PAGE_BYTES: Final = 4 * 1024 * 1024
_MAX_AHEAD: Final = 8
_BYTES: Final = "application/octet-stream"

# Who calls these proves it by what is sent.
_OPEN: Final = ("/nonce", "/session", "/add-checkpoint", "/get-checkpoint")

_log = structlog.get_logger("exchange.link")


def make_app(
    node: Node,
    greeter: Greeter,
    witness: Witness | None = None,
    trust_bytes: int = _MAX_PAGE_BYTES,
) -> web.Application:
    """Return the application that serves other nodes; ``witness`` cosigns for them.

    Where there is more trust than ``trust_bytes`` that a caller does not have, it goes alone.
    """
    most = max(objects.MAX_OBJECT_BYTES, MAX_REQUEST_BYTES)
    app = web.Application(middlewares=[_guard], client_max_size=most)
    app[NODE], app[GREETER], app[TRUST_BYTES] = node, greeter, trust_bytes
    app[DOOR] = Door()
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
            await _know_if_new(request)
        return answer  # noqa: TRY300  (what follows are answers as well)
    except ExchangeError as error:
        _log.info("refused", code=error.code.value, at=error.at)
        return _problem(error)
    except web.HTTPException as error:
        return web.Response(status=error.status)
    except Exception as error:  # noqa: BLE001  (the last guard: nothing of it may reach a caller)
        _log.error("broken", error=type(error).__name__)
        return _problem(Fault(Code.INTERNAL))


async def _know_if_new(request: web.Request) -> None:
    """Know who brought a checkpoint that was new here; one that was known anybody may have."""
    head, _, note = (await request.read()).partition(b"\n\n")
    old = int(head.partition(b"\n")[0].removeprefix(b"old "))
    if parse(note).size > old:
        request.app[DOOR].know(request.transport)


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


async def _entries(request: web.Request) -> web.Response:
    """Return what crosses after an index and is under the newest checkpoint; wait for it."""
    node, peer = request.app[NODE], _nations(request)
    after, since = _number(request, "after", -1, least=-1), _number(request, "since", 0)
    told, again = _indexes(request, "told"), _indexes(request, "again")
    # Who does not say so is told all that is ahead, each time.
    known = _number(request, "trust", -1, least=-1) if "trust" in request.query else None
    until = asyncio.get_running_loop().time() + min(_number(request, "wait", 0), _MAX_WAIT_S)
    while True:
        note = node.newest
        size = parse(note).size if note else 0
        if note is not None and known is not None:
            most = request.app[TRUST_BYTES]
            if (alone := await foretelling.alone(node, known, note, most)) is not None:
                found = [
                    await _crosses(node, each, each, is_ahead=True) for each in alone.indexes
                ]
                body = await encoded(node, found, after, alone.note, since)
                return web.Response(body=body, content_type=_BYTES)
        found, cursor = await gathered(node, peer, after, size, Had(told, again, known))
        # Who has seen more than there is waits for nothing: it is to know at once.
        is_over = size < since or asyncio.get_running_loop().time() >= until
        if found or note is None or is_over:
            break
        after = cursor
        await asyncio.sleep(_POLL_S)
    if note is None:
        return web.Response(
            body=pages.encode(wire.LinkPage([], after, "", []), []), content_type=_BYTES
        )
    known = _number(request, "heads", 0)
    heads = await heading.offered(node, note, peer, (cursor, known))
    beside = Beside(heads, node.cosigned or b"")
    body = await encoded(node, found, cursor, note, since, beside)
    return web.Response(body=body, content_type=_BYTES)


class Offers(Protocol):
    """A journal that another node is told of: a node, or who exports from its file."""

    @property
    def store(self) -> Store:
        """What it holds."""

    def now(self) -> int:
        """Return the time, seconds UTC."""


class Beside(NamedTuple):
    """What a page has beside its entries: heads, and the newest checkpoint of a quorum."""

    heads: wire.LinkHeads | None = None
    vouched: bytes = b""


class Had(NamedTuple):
    """What a caller says: what it was told ahead, what to tell once more, its newest trust."""

    told: frozenset[int] = frozenset()
    again: frozenset[int] = frozenset()
    trust: int | None = None


_NOTHING: Final = Had()


async def gathered(
    node: Offers, nations: frozenset[str], after: int, size: int, had: Had = _NOTHING
) -> tuple[list[Crosses], int]:
    """Return what crosses below ``size``, what goes ahead first; and looked how far."""
    found, cursor = await crossing(node, nations, after, size, had.trust)
    found = [*await _again(node, nations, had.again, size), *found]
    first = cursor if had.trust is None else max(cursor, had.trust)
    # Who says what it has is told of trust though nothing else crosses: the checkpoint may be
    # signed by keys that it lists.
    trust = await _trust_ahead(node, first, size) if found or had.trust is not None else []
    if found or trust:
        between = (after, cursor, size)
        found = [*trust, *await _ahead(node, nations, between, had.told), *found]
    return found, cursor


async def encoded(  # noqa: PLR0913, PLR0917  (what a page has)
    node: Offers,
    found: list[Crosses],
    cursor: int,
    note: bytes,
    since: int,
    beside: Beside | None = None,
) -> bytes:
    """Return a page of these entries, proved to be under a checkpoint."""
    size, of = parse(note).size, beside or Beside()
    vouched = of.vouched
    if vouched and parse(vouched).size > size:
        # It was cosigned since: the next page has it.
        vouched = b""
    sizes = (size, since, parse(vouched).size if vouched else size)
    proofs = await with_hashes(node.store, partial(_proved, found, sizes))
    page = wire.LinkPage(
        proofs.items,
        cursor,
        note.decode(),
        proofs.grown,
        of.heads,
        vouched.decode(),
        proofs.since_vouched,
    )
    return pages.encode(page, [each.body for each in found if each.body is not None])


class Crosses(msgspec.Struct, frozen=True):
    """An entry that crosses, before which, and its body if that is still here."""

    index: int
    by: int
    entry: bytes
    body: bytes | None
    is_ahead: bool = False

    def without_body(self) -> Crosses:
        """Return it with its body left to be asked for; a trust document goes all the same."""
        if isinstance(entries.decode(self.entry).facts, entries.Trust):
            return self
        return msgspec.structs.replace(self, body=None)


async def crossing(
    node: Offers, nations: frozenset[str], after: int, size: int, known: int | None = None
) -> tuple[list[Crosses], int]:
    """Return what crosses below ``size``, and through which entry was looked.

    What is ``known`` of trust came ahead, and not again.
    """
    newest = -1 if known is None else known
    found: list[Crosses] = []
    looked, cursor, held = 0, after, 0
    while looked < _MAX_LOOK and cursor + 1 < size and len(found) < MAX_ITEMS:
        rows = await node.store.read(cursor + 1, min(_READ, size - cursor - 1))
        for row in rows:
            facts = entries.decode(row.entry).facts
            is_known = isinstance(facts, entries.Trust) and row.index <= newest
            if not is_known and await _is_for(node, facts, nations):
                for index in (*await _beside(node, facts), row.index):
                    found.append(await _crosses(node, index, row.index))
                    if held + len(found[-1].body or b"") > _MAX_PAGE_BYTES:
                        found[-1] = found[-1].without_body()
                    held += len(found[-1].entry) + len(found[-1].body or b"")
            cursor = row.index
            if len(found) >= MAX_ITEMS or held >= _MAX_PAGE_BYTES:
                return found, cursor
        looked += len(rows)
        if not rows:
            break
    return found, cursor


async def _is_for(node: Offers, facts: entries.Facts, nations: frozenset[str]) -> bool:
    """Tell whether an entry crosses; a confirmation does where its bulletin is held there."""
    if not isinstance(facts, entries.Confirmed) or entries.home_of(facts) is not None:
        return peering.is_for(facts, nations)
    bulletin = entries.decode(await _entry(node, facts.of)).facts
    if not isinstance(bulletin, entries.Accepted):
        return False
    granted = await node.store.find(holding.lookups(bulletin.digest))
    held = [each.endpoint for each in bulletin.owed]
    held += holding.grantees(bulletin.digest, granted.get)
    return any(peering.is_here(each, nations) for each in held)


async def _beside(node: Offers, facts: entries.Facts) -> list[int]:
    """Return what is to cross before an entry; what came from abroad is known there."""
    found = peering.beside(facts)
    read = [entries.decode(await _entry(node, each)).facts for each in found]
    return [
        index for index, each in zip(found, read, strict=True) if entries.home_of(each) is None
    ]


async def _crosses(node: Offers, index: int, by: int, *, is_ahead: bool = False) -> Crosses:
    entry = await _entry(node, index)
    named = peering.names(entries.decode(entry).facts)
    body = await node.store.blob(named[0].digest) if named else None
    return Crosses(index, by, entry, body, is_ahead)


async def _trust_ahead(node: Offers, cursor: int, size: int) -> list[Crosses]:
    """Return the trust entries that are further on than a page goes: they cross first.

    The checkpoint of the page may be signed by keys that the newest of them lists.
    """
    found: list[Crosses] = []
    after = cursor
    while rows := await node.store.inbox(entries.TRUST_INBOX, after, _READ):
        for row in rows:
            if row.index >= size:
                return found
            found.append(await _crosses(node, row.index, row.index, is_ahead=True))
            after = row.index
    return found


async def _ahead(
    node: Offers,
    nations: frozenset[str],
    between: tuple[int, int, int],
    told: frozenset[int],
) -> list[Crosses]:
    """Return what presses somebody over there and is further on than a page goes.

    ``between`` are where the caller stands, where the page ends and how much is signed for.
    """
    after, cursor, size = between
    rows = await node.store.pressing(node.now())
    wanted = sorted(
        {
            (row.rank, row.index)
            for row in rows
            if cursor < row.index < size
            and row.index not in told
            and peering.is_here(row.endpoint, nations)
        }
    )
    found = []
    for _, index in wanted[:_MAX_AHEAD]:
        raw = await _entry(node, index)
        facts = entries.decode(raw).facts
        if not isinstance(facts, entries.Accepted) or not peering.is_for(facts, nations):
            continue
        if await may_haste(node, raw, after):
            # With its release: without that it would be refused there, for good.
            both = (*await _beside(node, facts), index)
            found += [await _crosses(node, each, index, is_ahead=True) for each in both]
    return found


async def _again(
    node: Offers, nations: frozenset[str], wanted: frozenset[int], size: int
) -> list[Crosses]:
    """Return what crossed before, or was told ahead, and is asked for once more."""
    found: list[Crosses] = []
    for index in sorted(wanted)[:MAX_AGAIN]:
        facts = entries.decode(await _entry(node, index)).facts if index < size else None
        if facts is not None and await _is_for(node, facts, nations):
            both = (*await _beside(node, facts), index)
            found += [await _crosses(node, each, index, is_ahead=True) for each in both]
    held = 0
    for at, each in enumerate(found):
        held += len(each.body or b"")
        if held > _MAX_PAGE_BYTES:
            found[at] = each.without_body()
    return found


async def _entry(node: Offers, index: int) -> bytes:
    rows = await node.store.read(index, 1)
    if not rows or rows[0].index != index:
        raise Refusal(Code.NOT_FOUND, "/index")
    return rows[0].entry


class _Proofs(NamedTuple):
    items: list[wire.LinkItem]
    grown: list[str]
    since_vouched: list[str]


def _proved(found: list[Crosses], sizes: tuple[int, int, int], hashes: Hashes) -> _Proofs:
    size, since, vouched = sizes
    items = [
        wire.LinkItem(
            each.index,
            each.by,
            each.entry.decode(),
            [b64(step) for step in inclusion_proof(each.index, size, hashes)],
            has_body=each.body is not None,
            is_ahead=each.is_ahead,
        )
        for each in found
    ]
    # Who says to have seen more than there is learns it from the note.
    grown = consistency_proof(since, size, hashes) if since <= size else []
    after = consistency_proof(vouched, size, hashes)
    return _Proofs(items, [b64(step) for step in grown], [b64(step) for step in after])


async def _blob(request: web.Request) -> web.StreamResponse:
    """Return bytes that an entry names which crosses, for itself or beside another."""
    node, nations = request.app[NODE], _nations(request)
    index, by = _number(request, "index", 0), _number(request, "by", 0)
    digest, offset = request.match_info["digest"], _number(request, "offset", 0)
    entry = entries.decode(await _entry(node, index))
    crossing = entries.decode(await _entry(node, by)).facts
    is_for = peering.is_for(crossing, nations)
    if not is_for or index not in (by, *await _beside(node, crossing)):
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
