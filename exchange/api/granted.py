"""The route by which a late recipient gets the header that was sealed before it was granted."""

from __future__ import annotations

import msgspec
from aiohttp import web

from exchange.api.asked import number
from exchange.api.routes import CALLER, NODE
from exchange.errors import Code, Refusal
from exchange.model import wire
from exchange.node import owed


async def granted(request: web.Request) -> web.Response:
    """Return the bulletin's entry that a grant in the caller's inbox gives it."""
    index = number(request, "index", -1, 0)
    node = request.app[NODE]
    found = await owed.granted(node.store, request[CALLER].endpoint.id, index)
    if found is None:
        raise Refusal(Code.NOT_FOUND, "/index")
    found.owed.must_be_shown(node.view, node.now())
    answer = wire.JournalItem(found.row.index, found.row.entry.decode())
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")
