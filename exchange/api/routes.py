"""The routes: each turns a request into one call of the node, and its result into bytes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

import msgspec
from aiohttp import web

from exchange.api import framing, problems, roles, shown
from exchange.api.asked import number, pressed
from exchange.broker import bearing as bearings
from exchange.broker import holding, keys
from exchange.broker.posters import is_poster
from exchange.broker.pressing import RANKS
from exchange.errors import Code, Fault, Refusal
from exchange.journal.bundle import TlogProof
from exchange.journal.checkpoint import parse as parse_checkpoint
from exchange.journal.proofs import inclusion_proof
from exchange.journal.tiles import TILE_WIDTH, tile_width
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects, wire
from exchange.node.ports import InboxRow, Row
from exchange.node.stored import with_hashes

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from exchange.broker.records import Found
    from exchange.model.codes import Codes
    from exchange.model.view import Standing
    from exchange.node.served import Answer, Served

NODE: web.AppKey[Served] = web.AppKey("node")
CODES: web.AppKey[Codes] = web.AppKey("codes")
OPENAPI: web.AppKey[bytes] = web.AppKey("openapi")
# Bytes of requests being read or answered, by endpoint.
IN_FLIGHT: web.AppKey[Counter[str]] = web.AppKey("in-flight")
CALLER: web.RequestKey[Standing] = web.RequestKey("caller")

# How long what is posted may be, where it is less than any request may have.
_LIMITS = {
    "/v1/session": objects.MAX_OBJECT_BYTES,
    "/v1/enrolments": objects.MAX_OBJECT_BYTES,
    "/v1/objects": wire.MAX_OBJECT_REQUEST_BYTES,
}

# Rows that hold an entry: of an inbox, or of the journal.
R = TypeVar("R", InboxRow, Row)


def limit_of(request: web.Request) -> int:
    """Return how many bytes the body of a posted request may have."""
    return _LIMITS.get(request.path, wire.MAX_REQUEST_BYTES)


def json(value: object, status: int = 200) -> web.Response:
    """Answer a struct as JSON."""
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json"
    )


# -- without a session --------------------------------------------------------------------


async def livez(request: web.Request) -> web.Response:
    """Say that the process runs."""
    return json(await _health(request.app[NODE]))


async def readyz(request: web.Request) -> web.Response:
    """Say whether the node takes bulletins: 200, or 503."""
    health = await _health(request.app[NODE])
    return json(health, 200 if health.ready else 503)


async def _health(node: Served) -> wire.Health:
    health, arrangement = await node.health(), node.view.arrangement
    return wire.Health(
        node=node.name,
        ready=health.is_ready,
        quorum=arrangement.quorum if arrangement else "none",
        unwitnessed_s=health.unwitnessed_s,
    )


async def openapi(request: web.Request) -> web.Response:
    """Return this interface's description (OpenAPI 3.1)."""
    return web.Response(body=request.app[OPENAPI], content_type="application/json")


async def nonce(request: web.Request) -> web.Response:
    """Return a challenge to sign."""
    node = request.app[NODE]
    return json(wire.Nonce(node.name, node.sessions.nonce(node.now())))


async def session(request: web.Request) -> web.Response:
    """Return a token for whoever proves to hold an endpoint's keys."""
    node = request.app[NODE]
    raw = await framing.read_limited(request, limit_of(request))
    return json(node.sessions.open(raw, node.view, node.now()), 201)


# -- writing ------------------------------------------------------------------------------


async def post_object(request: web.Request) -> web.Response:
    """Post one object; the status says what became of it."""
    node, caller = request.app[NODE], request[CALLER]
    raw, body = (await _framed(request, 1))[0]
    node.budgets.take(raw, caller, node.view, node.clock_ms())
    answer = await node.submit(caller.endpoint.id, raw, body)
    if answer.refusal is not None:
        document = problems.problem(answer.refusal, request.app[CODES], answer.receipt)
        return problems.response(document)
    return json(answer.receipt, 201 if answer.is_new else 200)


async def post_batch(request: web.Request) -> web.Response:
    """Post many objects; each stands alone, and each has its line in the answer, in order."""
    node, caller = request.app[NODE], request[CALLER].endpoint.id
    pairs = await _framed(request)
    over = [_over_budget(request, raw) for raw, _ in pairs]
    within = [pair for pair, refusal in zip(pairs, over, strict=True) if refusal is None]
    taken = iter(await node.submit_all(caller, within) if within else ())
    answers = [next(taken) if refusal is None else refusal for refusal in over]
    codes = request.app[CODES]
    lines = wire.encode_lines(_answered(answer, codes) for answer in answers)
    return web.Response(body=lines, content_type=wire.LINES_TYPE)


def _over_budget(request: web.Request, raw: bytes) -> Refusal | None:
    node = request.app[NODE]
    try:
        node.budgets.take(raw, request[CALLER], node.view, node.clock_ms())
    except Refusal as refusal:
        node.refused[refusal.code.value, request.path] += 1
        return refusal.with_traceback(None)
    return None


def _answered(answer: Answer | Refusal | Fault, codes: Codes) -> wire.Answered:
    if isinstance(answer, Refusal | Fault):
        return wire.Answered(problem=problems.problem(answer, codes))
    if answer.refusal is None:
        return wire.Answered(receipt=answer.receipt)
    return wire.Answered(problem=problems.problem(answer.refusal, codes, answer.receipt))


async def _framed(
    request: web.Request, most: int = wire.MAX_PAIRS
) -> list[tuple[bytes, bytes]]:
    """Read and take apart a request; a caller's refusal at this stage is recorded too."""
    came: list[bytes] = []
    try:
        async for piece in framing.pieces(request, limit_of(request)):
            came.append(piece)  # noqa: PERF401  (what came before a refusal is wanted)
        return framing.pairs(came, most)
    except Refusal as refusal:
        # Without its traceback: that would keep the request for as long as the refusal lives.
        declined = refusal.with_traceback(None)
    # The digest is of what was read, which may be nothing.
    caller = request[CALLER].endpoint.id
    answer = await request.app[NODE].refuse(caller, b"".join(came), declined)
    raise Recorded(declined, answer)


class Recorded(Exception):  # noqa: N818  (carries an answer; it is not an error of ours)
    """A refusal that is in the journal already, on its way to the poster."""

    def __init__(self, refusal: Refusal, answer: Answer) -> None:
        """Carry the refusal and the receipt of its entry."""
        super().__init__()
        self.refusal = refusal
        self.answer = answer


# -- reading ------------------------------------------------------------------------------


def must_stand(request: web.Request) -> None:
    """Hold a caller to what every request begins with, and keep who it is: keys, token, role.

    Again before each answer, event and piece: what ends a session bites at the next delivery.
    """
    node, authorization = request.app[NODE], request.headers.get("Authorization")
    # Kept before its role is asked: the diary names whoever is refused by that.
    request[CALLER] = node.sessions.caller(authorization, node.view, node.now())
    _must_have_role(request[CALLER], request.method, route_of(request))


def standing(node: Served, authorization: str | None, method: str, route: str) -> Standing:
    """Return who calls by a token, as the directory lists it now.

    Raises:
        Refusal: it has no session, none any more, or not the role for this route.
    """
    caller = node.sessions.caller(authorization, node.view, node.now())
    _must_have_role(caller, method, route)
    return caller


def _must_have_role(caller: Standing, method: str, route: str) -> None:
    # Of what is no route, or none of this method, the router itself says no.
    if route:
        roles.must_have(caller, method, route)


def route_of(request: web.Request) -> str:
    """Return the route that a request is for, as the interface is described; else nothing."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else ""


async def inbox(request: web.Request) -> web.Response:
    """Return what is owed to the caller after a cursor; wait for it if asked to."""
    node, endpoint = request.app[NODE], request[CALLER].endpoint.id
    # One inbox, the caller's own: naming another's is refused, whoever asks.
    if request.query.get("endpoint", endpoint) != endpoint:
        raise Refusal(Code.NOT_YOURS, "/endpoint", name=endpoint)
    after = number(request, "after", -1, -1)
    limit = number(request, "limit", 64, 1, wire.MAX_PAGE)
    wait_s = number(request, "wait", 0, 0, wire.MAX_WAIT_S)
    # Asked before reading: of what is committed meanwhile nobody can say it was left out.
    total = node.inbox_total(endpoint)
    stands = partial(must_stand, request)
    rows = await node.inboxes.read(endpoint, after, limit, wait_s, stands)
    fitting = _fitting(rows)
    ahead: list[wire.AheadItem] = []
    if (told := pressed(request)) and (len(rows) == limit or len(fitting) < len(rows)):
        ahead = await _ahead(node, endpoint, [max(at, fitting[-1].index) for at in told])
    items = [wire.InboxItem(row.position, row.index, row.entry.decode()) for row in fitting]
    cursor = items[-1].index if items else after
    total = max(total, rows[-1].position + 1) if rows else total
    return json(wire.InboxPage(endpoint, items, cursor, total, ahead))


async def _ahead(node: Served, endpoint: str, after: Sequence[int]) -> list[wire.AheadItem]:
    """Return what presses and is further on than a page goes."""
    rows = await node.store.urgent(endpoint, after, node.now(), wire.MAX_AHEAD)
    return [
        wire.AheadItem(row.position, row.index, row.entry.decode(), RANKS[rank])
        for rank, row in ((each.rank, each.row) for each in rows)
    ]


def _fitting(rows: Sequence[R]) -> Sequence[R]:
    """Return as many rows as a page may hold, at least one: the cursor goes on after them."""
    size = 0
    for place, row in enumerate(rows):
        size += len(row.entry)
        if place and size > wire.MAX_PAGE_BYTES:
            return rows[:place]
    return rows


async def trust(request: web.Request) -> web.Response:
    """Return a node's trust documents after a cursor; they are owed to every endpoint."""
    node, name = request.app[NODE], _trust_inbox(request)
    after, total = number(request, "after", -1, -1), node.inbox_total(name)
    rows = await node.store.inbox(name, after, 64)
    items: list[wire.TrustItem] = []
    size = 0
    for row in rows:
        facts = entries.decode(row.entry).facts
        if not isinstance(facts, entries.Trust | entries.TrustReceived):
            raise Fault(Code.STORE_FAILED, found=row.index)
        size += facts.document.size
        if items and size > wire.MAX_PAGE_BYTES:
            break
        raw = await _blob(node, facts.document.digest)
        items.append(
            wire.TrustItem(
                position=row.position,
                index=row.index,
                taken_ms=facts.taken_ms,
                name=facts.name,
                version=facts.version,
                digest=facts.document.digest,
                document=raw.decode(),
                entry=row.entry.decode(),
            )
        )
    cursor = items[-1].index if items else after
    total = max(total, rows[-1].position + 1) if rows else total
    return json(wire.TrustPage(items, cursor, total))


def _trust_inbox(request: web.Request) -> str:
    """Return the inbox of the trust documents that are asked for: ours, or another node's."""
    node = request.app[NODE]
    name = request.query.get("node", node.name)
    if name == node.name:
        return entries.TRUST_INBOX
    if name not in node.view.nodes:
        raise Refusal(Code.NOT_FOUND, "/node")
    return entries.trust_inbox(name)


async def receipt(request: web.Request) -> web.Response:
    """Return the receipt of a bulletin or acknowledgement of the caller's, by its id."""
    found = await _posted(request)
    return json(await request.app[NODE].receipt(found.index))


async def posted(request: web.Request) -> web.Response:
    """Return a bulletin's signed header, or an acknowledgement, of the caller's, by its id.

    Byte for byte as it was recorded; what it says of content is sealed, and not here.
    """
    signed = entries.decode((await _posted(request)).entry).object
    return web.Response(body=signed, content_type=wire.SIGNED_TYPE)


async def bearing(request: web.Request) -> web.Response:
    """Return what the caller posted that cancels, corrects or supersedes what it posted.

    By id, in the journal's order; of the latter two, the first 64 of each that came before the
    bulletin, and after it. Of what colleagues posted, a cancellation is in the caller's inbox;
    corrections that stand are told by their entries; updates are not told.
    """
    of, node = holding.read(await _posted(request)), request.app[NODE]
    if of is None:
        raise Refusal(Code.NOT_FOUND, "/id")
    found = await node.store.find(bearings.names(of.header, of.digest))
    told = sorted({each.index: each for each in found.values()}.items())
    ours = [each for _, raw in told if (each := holding.read(raw)) is not None]
    mine = [each.header.id for each in ours if each.header.endpoint == of.header.endpoint]
    others = bearings.by_colleagues(of.header, ours)
    gone = await node.store.find([bearings.cancelled(each) for each in others])
    standing = [each.index for each in others if bearings.cancelled(each) not in gone]
    return json(wire.Bearing(mine, standing))


async def _posted(request: web.Request) -> Found:
    """Return the entry of what this very caller posted under the id that is asked for."""
    node, standing = request.app[NODE], request[CALLER]
    member, endpoint = standing.member.member, standing.endpoint.id
    wanted = [
        keys.bulletin(typ, member, endpoint, request.match_info["id"])
        for typ in (headers.TYP, objects.ACK_TYP)
    ]
    known = await node.store.find(wanted)
    found = next((known[key] for key in wanted if key in known), None)
    if found is None:
        raise Refusal(Code.NOT_FOUND, "/id")
    return found


# -- the record ---------------------------------------------------------------------------


async def checkpoint(request: web.Request) -> web.Response:
    """Return the newest checkpoint, a C2SP signed note; or the newest one that is cosigned."""
    note = _note(request)
    if note is None:
        raise Refusal(Code.NOT_FOUND)
    return web.Response(body=note, content_type="text/plain", charset="utf-8")


def _note(request: web.Request) -> bytes | None:
    node = request.app[NODE]
    return node.cosigned if number(request, "cosigned", 0, 0, 1) else node.newest


async def tile(request: web.Request) -> web.Response:
    """Return a tile of the tree (C2SP tlog-tiles); the path's width must be what there is."""
    node = request.app[NODE]
    level, number, width = _tile_named(request.match_info["path"])
    there = tile_width(level, number, node.size) if level < 8 else 0
    if not 0 < width <= there:
        raise Refusal(Code.NOT_FOUND)
    data = await node.store.hashes(level, number * TILE_WIDTH, width)
    shown.tile(node, request[CALLER], level, number, width)
    return web.Response(body=data, content_type="application/octet-stream")


def _tile_named(path: str) -> tuple[int, int, int]:
    """Read ``0/x001/067.p/12``: level, number, width."""
    path, _, partial = path.partition(".p/")
    level, *groups = path.split("/")
    digits = [group.removeprefix("x") for group in groups]
    spelled = all(group.startswith("x") for group in groups[:-1])
    if not (spelled and digits and all(len(each) == 3 for each in digits)):
        raise Refusal(Code.NOT_FOUND)
    numbers = [level, *digits, partial or "0"]
    # Also what Python takes for digits and tlog-tiles does not: superscripts, other scripts.
    if not all(each.isascii() and each.isdecimal() and len(each) < 4 for each in numbers):
        raise Refusal(Code.NOT_FOUND)
    if len(path) > 40:
        raise Refusal(Code.NOT_FOUND)
    return int(level), int("".join(digits)), int(partial or TILE_WIDTH)


async def proof(request: web.Request) -> web.Response:
    """Return the proof that an entry is under a checkpoint, to whom the entry is owed."""
    node, standing = request.app[NODE], request[CALLER]
    index = number(request, "index", -1, 0)
    note = _note(request)
    if note is None or index >= (size := parse_checkpoint(note).size):
        raise Refusal(Code.NOT_FOUND, "/index")
    await _must_concern(node, standing, index)
    path = await with_hashes(node.store, lambda hashes: inclusion_proof(index, size, hashes))
    text = TlogProof(index=index, path=tuple(path), note=note).encode().decode()
    return json(wire.Proof(index, size, text))


async def _must_concern(node: Served, standing: Standing, index: int) -> None:
    """Let through auditors, who are noted; those an entry is owed to, and its poster."""
    found = await node.store.read(index, 1)
    if found and "auditor" in standing.endpoint.roles:
        shown.proof(node, standing, found[0])
        return
    rows = await node.store.inbox(standing.endpoint.id, index - 1, 1)
    if rows and rows[0].index == index:
        return
    if not found or not is_poster(found[0].entry, standing.endpoint.id):
        raise Refusal(Code.NOT_FOUND, "/index")


async def journal(request: web.Request) -> web.Response:
    """Return entries from an index on, to an auditor."""
    node = request.app[NODE]
    first = number(request, "first", 0, 0)
    rows = await node.store.read(first, number(request, "limit", 64, 1, wire.MAX_PAGE))
    fitting = _fitting(rows)
    items = [wire.JournalItem(row.index, row.entry.decode()) for row in fitting]
    shown.entries(node, request[CALLER], fitting)
    return json(wire.JournalPage(items, node.size))


async def _blob(node: Served, digest: str) -> bytes:
    data = await node.store.blob(digest)
    if data is None:
        raise Refusal(Code.NOT_FOUND, "/digest")
    return data
