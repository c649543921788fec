"""The route by which an endpoint learns, provably, how much another node says it owes to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from exchange.api.asked import number
from exchange.api.routes import CALLER, NODE, json
from exchange.broker import keys
from exchange.errors import Code, Refusal
from exchange.journal.bundle import TlogProof
from exchange.model import entry as entries
from exchange.model import wire
from exchange.model.codec import unb64
from exchange.node.crossed import HERE, WAITING, account

if TYPE_CHECKING:
    from aiohttp import web

    from exchange.node.crossed import HomeHead, Place
    from exchange.node.served import Served

# Each may have a receipt, of six kilobytes.
MAX_PLACES: Final = 64


async def heads(request: web.Request) -> web.Response:
    """Return the head of the caller's inbox at another node, and what of it is not here."""
    node, endpoint = request.app[NODE], request[CALLER].endpoint.id
    name, first = request.match_info["node"], number(request, "first", 0, 0)
    kept = node.crossed
    if kept is None or name == node.name or name not in node.view.nodes:
        raise Refusal(Code.NOT_FOUND, "/node")
    newest = await asyncio.to_thread(kept.newest, name)
    if newest is None or (own := newest.heads.own.get(endpoint)) is None:
        raise Refusal(Code.NOT_FOUND, "/node")
    places = await asyncio.to_thread(kept.places, name, endpoint)
    counted = [each for each in places if each.position < own.count]
    wanted = [each for each in counted if each.position >= first][:MAX_PLACES]
    told = [
        await _elsewhere(node, each, entries.Home(name, each.index), endpoint)
        for each in wanted
    ]
    return json(
        wire.HomeHeads(
            _proof(newest),
            newest.heads.entry,
            own,
            newest.heads.cosigned,
            newest.heads.witnessed,
            [each for each in told if each is not None],
            wanted[-1].position + 1 if len(wanted) == MAX_PLACES else 0,
            newest.trouble,
        )
    )


def _proof(newest: HomeHead) -> str:
    path = tuple(unb64(step) for step in newest.heads.path)
    note = newest.note.encode()
    return TlogProof(index=newest.heads.index, path=path, note=note).encode().decode()


async def _elsewhere(
    node: Served, place: Place, home: entries.Home, endpoint: str
) -> wire.Elsewhere | None:
    """Return why a place is not in the caller's inbox here, with what bears it out.

    None where it is by now: it waited, and came.
    """
    told = (place.position, place.index, place.leaf)
    if place.order:
        return wire.Elsewhere(*told, place.order)
    once = keys.crossed(home)
    at = await account(node.store, endpoint, (await node.store.find([once])).get(once))
    if at == HERE:
        return None
    if at == WAITING:
        # Since when, and why: as we told its poster, or would have.
        waits = keys.notice(place.of, "waiting", endpoint)
        notice = (await node.store.find([waits])).get(waits)
        if notice is None:
            return wire.Elsewhere(*told, "")
        at = notice.index
    (row,) = await node.store.read(at, 1)
    return wire.Elsewhere(*told, row.entry.decode(), await node.receipt(at))
