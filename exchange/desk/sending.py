"""A draft is reviewed, held for a while, and goes: each step on a page of its own.

What goes is what was shown: the same text to the same keys, in the same envelopes.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from exchange import render
from exchange.client.separating import AMENDS
from exchange.desk import audience, compose, envelopes, statistics, telling
from exchange.desk.envelopes import Envelope
from exchange.desk.holding import mark_of
from exchange.desk.windows import has_left
from exchange.errors import Code, Refusal
from exchange.model.codes import LANGUAGES
from exchange.web import frame

if TYPE_CHECKING:
    from exchange.desk.compose import Desk, Looked
    from exchange.desk.holding import Held
    from exchange.desk.statistics import Recount
    from exchange.model.header import Header
    from exchange.web.pages import Reader

# A draft that stands so may be sent again.
_HERE_YET: Final = frozenset({"held", "undone", "refused"})


def show(app: web.Application, desk: Desk) -> None:
    """Serve the pages on which a draft is reviewed and sent."""
    frame.submit(app, f"{compose.TYPE}/review", partial(_keep, desk))
    frame.show(app, f"{compose.TYPE}/review", partial(_review, desk))
    frame.act(app, "/compose/send", partial(_send, desk))
    frame.act(app, "/compose/undo", partial(_undo, desk))
    frame.show(app, "/compose/held/{draft}", partial(_held, desk))
    frame.show(app, "/compose/held/{draft}/state.json", partial(_state, desk))


async def _keep(
    desk: Desk, request: web.Request, _told: dict[str, str], reader: Reader
) -> web.StreamResponse:
    """Keep what was written, and lead to its review.

    A browser keeps on its disk what a page was the answer to: so no page answers a draft, but
    the one that tells a window that it can keep nothing any more.
    """
    try:
        kept, _ = await compose.keep(desk, request, reader)
    except Refusal as refusal:
        if refusal.code not in compose.STALE:
            raise
        return await compose.stale(desk, request, reader, refusal)
    return frame.see(reader, f"/compose/{kept.type}/review?draft={kept.id}")


async def _review(desk: Desk, request: web.Request, reader: Reader) -> web.StreamResponse:
    identity = request.query.get("draft", "")
    if has_left(desk.drafts, desk.holding, identity):
        return frame.see(reader, f"/compose/held/{identity}")
    kept = compose.named(desk, request)
    settled = compose.settle(desk, kept.written, reader)
    looked = await compose.look(desk, kept, settled, reader)
    counted = await statistics.recount(desk.station, kept.counted, reader.lang)
    if looked.prepared is None or looked.problems:
        return compose.shown(
            desk, request, reader, kept.type, kept.id, looked.settled, looked, counted=counted
        )
    return _reviewed(desk, request, reader, looked, counted)


def _reviewed(
    desk: Desk, request: web.Request, reader: Reader, looked: Looked, counted: Recount | None
) -> web.Response:
    prepared, codes, now = looked.prepared, desk.station.codes, desk.station.now()
    if prepared is None:
        raise Refusal(Code.NOT_FOUND)
    header = prepared.header
    order = sorted(LANGUAGES, key=lambda lang: lang != reader.lang)
    # It is prepared once more when it goes, and is given its id only then.
    texts = [
        (lang, render.page(prepared.bulletin, lang, codes, now=now, leave_out=("id",)))
        for lang in order
    ]
    return frame.page(
        request,
        reader,
        "compose-review.html",
        here=compose.HERE,
        kept=looked.kept,
        header=header,
        marked=telling.marked(header, reader.lang, codes),
        told=looked.told,
        texts=texts,
        files=looked.kept.files,
        warnings=compose.warned(desk, request, reader, looked),
        counted=counted,
        as_of_ms=prepared.as_of_ms or 0,
        hold_s=int(desk.holding.hold_s),
    )


async def _send(desk: Desk, told: dict[str, str], reader: Reader) -> str:
    """Hold what was reviewed; where it would go to others by now, nothing is sent."""
    identity = told.get("draft", "")
    before = desk.holding.get(identity)
    is_gone = before is not None and before.state not in _HERE_YET
    if is_gone and not desk.drafts.has(identity):
        return f"/compose/held/{identity}"
    kept = desk.drafts.get(identity)
    if before is None and kept.went:
        raise Refusal(Code.DRAFT_SENT)
    if before is not None and is_gone:
        if before.mark == mark_of(kept):
            return f"/compose/held/{identity}"
        # What went says something else: this is another bulletin.
        kept = desk.drafts.move(kept, desk.station.agency.new_id())
        return f"/compose/{kept.type}?draft={kept.id}&why=other"
    if told.get("changed", str(kept.version)) != str(kept.version):
        return f"/compose/{kept.type}?draft={kept.id}&why=edited"
    looked = await compose.look(desk, kept, compose.settle(desk, kept.written, reader), reader)
    is_as_shown = looked.told is not None and looked.told.shown == told.get("shown")
    if looked.prepared is None or looked.problems or not is_as_shown:
        why = "faults" if looked.problems else "readers"
        return f"/compose/{kept.type}?draft={kept.id}&why={why}"
    desk.holding.hold(kept, looked.prepared, looked.parts)
    return f"/compose/held/{identity}"


async def _undo(desk: Desk, told: dict[str, str], reader: Reader) -> str:  # noqa: ARG001
    identity = told.get("draft", "")
    if not desk.holding.undo(identity):
        return f"/compose/held/{identity}" if desk.holding.get(identity) else "/compose"
    return f"/compose/{desk.drafts.get(identity).type}?draft={identity}"


class Going(msgspec.Struct, frozen=True):
    """Something on its way as a page shows it: ``why`` in the reader's language."""

    draft: str
    type: str
    title: str
    state: str
    left_s: int
    readers: int
    index: int
    node: str
    id: str
    asked: list[str]
    why: str
    envelopes: list[Envelope]
    done: int
    whole: int
    again: str
    is_draft: bool
    may_wait: bool


def _told_held(desk: Desk, held: Held, reader: Reader) -> Going:
    bulletin, codes = held.prepared.bulletin, desk.station.codes
    why = audience.problem(held.why, reader.lang, codes) if held.why else None
    told = [envelopes.tell(each, reader.lang, codes) for each in held.standing]
    return Going(
        held.draft,
        bulletin.type,
        bulletin.title.text,
        held.state,
        desk.holding.left_s(held),
        len(held.prepared.readers),
        -1 if held.index is None else held.index,
        held.node,
        held.id,
        held.asked,
        f"{why['what']} {why['next']} [{why['code']}]" if why else "",
        told,
        held.done,
        held.whole,
        held.again if desk.drafts.has(held.again) else "",
        desk.drafts.has(held.draft),
        envelopes.may_wait(told),
    )


def _going(desk: Desk, request: web.Request, reader: Reader) -> Going:
    held = desk.holding.get(request.match_info["draft"])
    if held is None:
        raise Refusal(Code.NOT_FOUND)
    return _told_held(desk, held, reader)


async def _held(desk: Desk, request: web.Request, reader: Reader) -> web.StreamResponse:
    going = _going(desk, request, reader)
    held = desk.holding.get(going.draft)
    about = _about(held.prepared.header) if held is not None else ""
    return frame.page(
        request,
        reader,
        "compose-held.html",
        here=compose.HERE,
        held=going,
        beside=desk.station.agency.separating.others(about),
    )


def _about(header: Header) -> str:
    """Return what a bulletin corrects or cancels, by its id; else nothing."""
    return next((ref.id for ref in header.refs if ref.rel in AMENDS), "")


async def _state(desk: Desk, request: web.Request, reader: Reader) -> web.StreamResponse:
    going = _going(desk, request, reader)
    told = {
        "state": going.state, "left_s": going.left_s, "done": going.done, "whole": going.whole,
    }  # fmt: skip
    return web.json_response(told, headers={"Cache-Control": "no-store"})
