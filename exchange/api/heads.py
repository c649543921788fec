"""The route by which an endpoint learns, provably, how much is owed to it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from aiohttp import web

from exchange.api.asked import number
from exchange.api.routes import CALLER, NODE
from exchange.errors import Code, Refusal
from exchange.journal.bundle import TlogProof
from exchange.journal.checkpoint import parse
from exchange.journal.proofs import consistency_proof, inclusion_proof
from exchange.model import wire
from exchange.model.codec import b64
from exchange.model.entry import TRUST_INBOX, trust_inbox
from exchange.node.stored import with_hashes

if TYPE_CHECKING:
    from exchange.journal.heads import HeadsMap
    from exchange.journal.tiles import Hashes
    from exchange.node.served import Served


async def heads(request: web.Request) -> web.Response:
    """Return the heads of the caller's inbox and of the trust inboxes, under a checkpoint."""
    node, endpoint = request.app[NODE], request[CALLER].endpoint.id
    since = number(request, "since", 0, 0)
    newest = node.newest
    if newest is not None and parse(newest).size < since:
        # Another front told of a newer one: it is durable, and is to be had from the store.
        newest = None
    note, found = await node.heads.under(newest)
    size, at = parse(note).size, found.snapshot.at
    own, trust = _told(found.tree, endpoint), _told(found.tree, TRUST_INBOX)
    cosigned = node.cosigned
    if cosigned is not None and parse(cosigned).size > size:
        # Whoever told of it tells of the newest in the same breath; it is shown then.
        cosigned = None
    vouched = size if cosigned is None else parse(cosigned).size
    proofs = await with_hashes(node.store, partial(_proofs, at, size, since, vouched))
    answer = wire.Heads(
        TlogProof(index=at, path=tuple(proofs.path), note=note).encode().decode(),
        found.entry.decode(),
        own,
        trust,
        [b64(step) for step in proofs.grown],
        (cosigned or b"").decode(),
        [b64(step) for step in proofs.witnessed],
        _abroad(found.tree, node),
    )
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")


class _Proofs(NamedTuple):
    """That the heads are under a checkpoint, and that it goes on from what was seen before."""

    path: list[bytes]
    grown: list[bytes]
    witnessed: list[bytes]


def _proofs(at: int, size: int, since: int, vouched: int, hashes: Hashes) -> _Proofs:
    # Who has seen a longer journal than this is told no proof: there is none.
    grown = consistency_proof(since, size, hashes) if since <= size else []
    witnessed = consistency_proof(vouched, size, hashes)
    return _Proofs(inclusion_proof(at, size, hashes), grown, witnessed)


def _abroad(tree: HeadsMap, node: Served) -> dict[str, wire.OwnHead]:
    """Return the heads of other nodes' trust documents, of all nodes that are in the map."""
    others = {name: trust_inbox(name) for name in node.view.nodes if name != node.name}
    return {name: _told(tree, inbox) for name, inbox in others.items() if inbox in tree.heads}


def _told(tree: HeadsMap, name: str) -> wire.OwnHead:
    place = tree.place(name)
    if place is None:
        # Listed in the directory since; the next checkpoint has it.
        raise Refusal(Code.NOT_FOUND, "/endpoint", name=name)
    head, path = tree.heads[name], [b64(step) for step in place.path]
    return wire.OwnHead(head.count, b64(head.chain), b64(place.salt), path)
