"""That an entry is in the journal: asked for, checked here, and shown rung by rung."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exchange.client import witnessing
from exchange.client.reading import Delivered
from exchange.desk import telling
from exchange.errors import Code, Refusal
from exchange.journal import bundle, terms
from exchange.journal.tree import leaf_hash
from exchange.model import wire
from exchange.web import frame
from exchange.web.frame import FRAME
from exchange.web.ladder import Ladder, climb
from exchange.web.pages import moment

if TYPE_CHECKING:
    from aiohttp import web

    from exchange.client.witnessing import Vouched
    from exchange.desk.station import Station
    from exchange.model.codes import Lang
    from exchange.web.pages import Reader
    from exchange.web.words import Words


def show(app: web.Application, station: Station) -> None:
    """Serve the proof of what an inbox holds."""
    frame.show(app, r"/entry/{index:\d{1,9}}/proof", partial(_proof, station))


async def prove(station: Station, item: Delivered) -> tuple[Ladder, Vouched | None]:
    """Return how an entry's own bytes, as they are held here, lead to a signed checkpoint.

    Raises:
        Refusal: ``bad-proof``, ``bad-checkpoint``: what the node shows does not hold; or
            ``not-found``: there is no checkpoint that late yet.
        Fault: the node does not answer.
    """
    agency = station.agency
    kept = agency.inbox.held.items(item.position, 1)
    if not kept or kept[0].index != item.index:
        raise Refusal(Code.NOT_FOUND, found=item.index)
    leaf = leaf_hash(kept[0].entry.encode())
    answer = await agency.transport.get_as(wire.Proof, "/v1/proof", index=item.index)
    proof = bundle.parse(answer.proof.encode())
    if proof.index != item.index:
        raise Refusal(Code.BAD_PROOF, "/index", expected=item.index, found=proof.index)
    needed = terms.of(proof.note, agency.profile.node, agency.trust.newest)
    found = needed.prove(proof, leaf)
    size, root = found.checkpoint.size, found.checkpoint.root
    return climb(item.index, size, leaf, proof.path, root), witnessing.by_quorum(found, needed)


def covered(station: Station, item: Delivered, words: Words, lang: Lang) -> str:
    """Return in words what was proved of an entry with all others; empty: not yet."""
    proven = station.proven
    if proven is None or station.alarm is not None or item.index >= proven.covered:
        return ""
    at = moment(proven.signed)
    return words.text(lang, "proof.covered", size=proven.size, node=proven.node, time=at)


async def _proof(station: Station, request: web.Request, reader: Reader) -> web.Response:
    row = station.shelf.row(int(request.match_info["index"]))
    if row is None or not isinstance(row.item, Delivered):
        raise Refusal(Code.NOT_FOUND, found=request.match_info["index"])
    drawn, vouched = await prove(station, row.item)
    words = request.app[FRAME].pages.words
    told = words.text(reader.lang, "proof.alone")
    if vouched is not None:
        by, at = ", ".join(vouched.by), moment(vouched.at)
        told = words.text(reader.lang, "proof.vouched", by=by, time=at)
    return frame.page(
        request,
        reader,
        "proof.html",
        here="desk.inbox",
        index=row.item.index,
        title=telling.title(row, reader.lang, station.codes)[0],
        drawn=drawn,
        vouched=told,
    )
