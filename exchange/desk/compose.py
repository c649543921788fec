"""Writing a bulletin: its form, what is wrong as one types, who will read it, and sending.

A draft is kept on this machine from the first pause in typing on. It is reviewed on a page of
its own, and what goes is what was shown there: the same text to the same keys.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from exchange import render
from exchange.client import compose as composed
from exchange.desk import addressing, audience, beginning, composing, forms, telling
from exchange.desk.holding import Holding, mark_of
from exchange.desk.kept_drafts import Kept, KeptDrafts, must_be_name
from exchange.errors import Code, ExchangeError, Refusal
from exchange.model.bulletin.kinds import TYPES
from exchange.model.codes import LANGUAGES
from exchange.web import frame

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchange.client.compose import Prepared
    from exchange.desk.audience import Told
    from exchange.desk.composing import Judged, Settled
    from exchange.desk.forms import Field
    from exchange.desk.holding import Held
    from exchange.desk.station import Station
    from exchange.web.pages import Reader
    from exchange.web.words import Words

HOLDING: web.AppKey[Holding] = web.AppKey("holding")
_HERE: Final = "desk.compose"
_TYPE: Final = "/compose/{type:[a-z]{3}}"
_BEGUN: Final = ("reply", "correct", "cancel")


class Desk(NamedTuple):
    """What the pages of this module look at."""

    station: Station
    drafts: KeptDrafts
    holding: Holding


class Looked(NamedTuple):
    """A draft as it was sent by a browser, and what there is to say of it.

    ``prepared`` is there where nothing is wrong in it; ``told`` where its readers are known.
    """

    kept: Kept
    settled: Settled
    judged: Judged
    problems: list[dict[str, str]]
    told: Told | None
    prepared: Prepared | None


def show(app: web.Application, station: Station) -> None:
    """Serve the pages on which bulletins are written and sent."""
    drafts = KeptDrafts(station.agency.world.cabinet)
    holding = Holding(station.agency, drafts, lambda: station.officer)
    desk = Desk(station, drafts, holding)
    app[HOLDING] = holding
    app.cleanup_ctx.append(holding.run)
    frame.show(app, "/compose", partial(_choose, desk))
    frame.show(app, _TYPE, partial(_form, desk))
    frame.submit(app, f"{_TYPE}/check.json", partial(_check, desk))
    frame.submit(app, f"{_TYPE}/review", partial(_review, desk))
    frame.act(app, "/compose/send", partial(_send, desk))
    frame.act(app, "/compose/undo", partial(_undo, desk))
    frame.act(app, "/compose/delete", partial(_delete, desk))
    frame.show(app, "/compose/held/{draft}", partial(_held, desk))
    frame.show(app, "/compose/held/{draft}/state.json", partial(_state, desk))


# -- choosing -------------------------------------------------------------------------------


async def _choose(desk: Desk, request: web.Request, reader: Reader) -> web.StreamResponse:
    query = {name: request.query[name] for name in _BEGUN if name in request.query}
    asked = urlencode(query)
    code = ""
    if "reply" in query:
        code = beginning.reply_type(desk.station, query["reply"])
    for name, own in (("correct", "cor"), ("cancel", "can")):
        code = own if name in query else code
    if code:
        return frame.see(reader, f"/compose/{code}?{asked}")
    codes = desk.station.codes
    return frame.page(
        request,
        reader,
        "compose-choose.html",
        here=_HERE,
        asked=f"?{asked}" if asked else "",
        types=forms.types(reader.lang, codes),
        drafts=desk.drafts.all(),
        going=[_told_held(desk, held, reader) for held in desk.holding.all()],
    )


async def _delete(desk: Desk, told: dict[str, str], reader: Reader) -> str:  # noqa: ARG001
    identity = told.get("draft", "")
    desk.holding.undo(identity)
    desk.drafts.drop(identity)
    return "/compose"


# -- the form -------------------------------------------------------------------------------


async def _form(desk: Desk, request: web.Request, reader: Reader) -> web.StreamResponse:
    code, query = _type(request), request.query
    if identity := query.get("draft"):
        kept = desk.drafts.get(identity)
        if kept.type != code:
            raise Refusal(Code.NOT_FOUND, found=identity)
        written = kept.written
    else:
        asked = {name: query[name] for name in _BEGUN if name in query}
        written = beginning.written(desk.station, code, asked)
        identity = desk.station.agency.new_id()
    settled = _settle(desk, written, reader)
    return _shown(desk, request, reader, code, identity, settled)


def _type(request: web.Request) -> str:
    code = request.match_info["type"]
    if code not in TYPES:
        raise Refusal(Code.NOT_FOUND, found=code)
    return code


def _settle(desk: Desk, written: Mapping[str, Any], reader: Reader) -> Settled:
    return composing.settle(written, reader.lang, desk.station.agency.profile.member)


def _fields(desk: Desk, reader: Reader, code: str, settled: Settled) -> tuple[Field, Field]:
    """Return what is asked for the posting, and for the bulletin."""
    station, codes = desk.station, desk.station.codes
    view, endpoint = station.agency.trust.newest, station.agency.profile.endpoint
    post = addressing.form(code, settled.written, view, endpoint, reader.lang, codes)
    return post, composing.form_of(code, settled, reader.lang, codes)


def _shown(  # noqa: PLR0913, PLR0917  (a page of its parts)
    desk: Desk,
    request: web.Request,
    reader: Reader,
    code: str,
    identity: str,
    settled: Settled,
    looked: Looked | None = None,
) -> web.Response:
    codes = desk.station.codes
    post, form = _fields(desk, reader, code, settled)
    every = [*forms.every(post), *forms.every(form)]
    problems = [*(looked.problems if looked else []), *_missing(looked, desk, reader)]
    errors = audience.at_fields(problems, [each.at for each in every])
    return frame.page(
        request,
        reader,
        "compose.html",
        status=422 if problems else 200,
        here=_HERE,
        code=code,
        kind=codes.words("types", code, reader.lang),
        identity=identity,
        post=post,
        form=form,
        labels=_labels(post, form),
        errors=errors,
        opened={
            each.at for each in every if any(composing.is_under(at, each.at) for at in errors)
        },
    )


def _labels(*parts: Field) -> dict[str, str]:
    """Return what each field is called; a text goes by the name of what it is the text of."""
    named = {each.at: each.label for part in parts for each in forms.every(part)}
    return {
        at: named.get(at.removesuffix("/text"), label) if at.endswith("/text") else label
        for at, label in named.items()
    }


def _missing(looked: Looked | None, desk: Desk, reader: Reader) -> list[dict[str, str]]:
    faults = [
        Refusal(Code.MISSING_MEMBER, at) for at in (looked.judged.missing if looked else [])
    ]
    return [audience.problem(each, reader.lang, desk.station.codes) for each in faults]


# -- looking at what was written ------------------------------------------------------------


async def _look(desk: Desk, request: web.Request, reader: Reader) -> Looked:
    """Judge what a browser sent, keep it as a draft, and find out who could read it."""
    code, station = _type(request), desk.station
    sent = await request.post()
    identity = must_be_name(str(sent.get("draft", "")))
    written = {
        name: [str(each) for each in sent.getall(name)]
        for name in sent
        if name.startswith(("/post/", "/bulletin/"))
    }
    settled = _settle(desk, written, reader)
    kept = Kept(identity, code, settled.written, station.now())
    if sent.get("only") != "look":
        desk.drafts.put(kept)
    return await look(desk, kept, settled, reader)


async def look(desk: Desk, kept: Kept, settled: Settled, reader: Reader) -> Looked:
    """Return what there is to say of a draft."""
    station, agency, lang = desk.station, desk.station.agency, reader.lang
    judged = composing.judge(
        kept.type, settled, agency.new_id(), agency.profile.member, station.codes
    )
    faults: list[ExchangeError] = list(judged.faults)
    told, prepared = None, None
    try:
        if judged.is_fit and judged.draft is not None:
            prepared = await agency.prepare(judged.draft)
            post = judged.draft.post
            told = audience.of_prepared(prepared, post, lang, station.codes, station.now())
        elif judged.draft is not None:
            told = _audience(desk, judged, faults, reader)
    except ExchangeError as error:
        faults.append(error)
        if judged.is_fit:
            told = _audience(desk, judged, [], reader)
    problems = [audience.problem(each, lang, station.codes) for each in faults]
    return Looked(kept, settled, judged, problems, told, prepared)


def _audience(
    desk: Desk, judged: Judged, faults: list[ExchangeError], reader: Reader
) -> Told | None:
    """Return who could read what is not whole yet; why nobody, among the faults."""
    station = desk.station
    agency, now = station.agency, station.now()
    if judged.draft is None:
        return None
    try:
        found = composed.audience(
            judged.draft,
            agency.trust.newest,
            endpoint=agency.profile.endpoint,
            identity=agency.new_id(),
            now=now,
        )
    except ExchangeError as error:
        faults.append(error)
        return None
    if found.objection is not None:
        faults.append(found.objection)
    return audience.told(
        reader.lang,
        station.codes,
        now,
        readers=found.readers,
        left_out=found.left_out,
        withheld=found.withheld,
    )


async def _check(
    desk: Desk, request: web.Request, _told: dict[str, str], reader: Reader
) -> web.StreamResponse:
    looked = await _look(desk, request, reader)
    codes, lang, sent_at = desk.station.codes, reader.lang, looked.settled.sent_at
    words = request.app[frame.FRAME].pages.words
    labels = _labels(*_fields(desk, reader, looked.kept.type, looked.settled))
    told, prepared = looked.told, looked.prepared
    answer: dict[str, Any] = {
        "problems": [{**each, "at": sent_at(each["at"])} for each in looked.problems],
        "missing": [
            {"at": sent_at(at), "label": labels.get(at, at)} for at in looked.judged.missing
        ],
        "positions": {
            sent_at(at): text for at, text in composing.told_back(looked.settled, lang).items()
        },
        "warnings": [
            render.indicator(each, lang, codes)
            for each in (prepared.warnings if prepared else [])
        ],
        "summary": words.count(lang, "compose.readers", len(told.readers)) if told else "",
        "readers": [_line(each, words, reader) for each in told.readers] if told else [],
        "left_out": [f"{each.endpoint}: {each.why}" for each in told.left_out] if told else [],
        "withheld": [f"{each.endpoint}: {each.why}" for each in told.withheld] if told else [],
        "releasers": [each.endpoint for each in told.releasers] if told else [],
    }
    return web.json_response(answer, headers={"Cache-Control": "no-store"})


def _line(each: audience.Line, words: Words, reader: Reader) -> str:
    key = words.text(reader.lang, "compose.key-until", day=each.until)
    return f"{each.endpoint} ({each.nation}): {each.agency}. {key}"


# -- review, and on its way -----------------------------------------------------------------


async def _review(
    desk: Desk, request: web.Request, _told: dict[str, str], reader: Reader
) -> web.StreamResponse:
    looked = await _look(desk, request, reader)
    if looked.prepared is None or looked.problems:
        kept = looked.kept
        return _shown(desk, request, reader, kept.type, kept.id, looked.settled, looked)
    return _reviewed(desk, request, reader, looked)


def _reviewed(desk: Desk, request: web.Request, reader: Reader, looked: Looked) -> web.Response:
    prepared, codes, now = looked.prepared, desk.station.codes, desk.station.now()
    if prepared is None:
        raise Refusal(Code.NOT_FOUND)
    header = prepared.header
    order = sorted(LANGUAGES, key=lambda lang: lang != reader.lang)
    texts = [(lang, render.page(prepared.bulletin, lang, codes, now=now)) for lang in order]
    return frame.page(
        request,
        reader,
        "compose-review.html",
        here=_HERE,
        kept=looked.kept,
        header=header,
        marked=telling.marking(header.marking),
        told=looked.told,
        texts=texts,
        warnings=[render.indicator(each, reader.lang, codes) for each in prepared.warnings],
        as_of_ms=prepared.as_of_ms or 0,
        hold_s=int(desk.holding.hold_s),
    )


async def _send(desk: Desk, told: dict[str, str], reader: Reader) -> str:
    """Hold what was reviewed; where it would go to others by now, nothing is sent."""
    identity = told.get("draft", "")
    before = desk.holding.get(identity)
    is_gone = before is not None and before.state not in ("held", "undone", "refused")
    if is_gone and not desk.drafts.has(identity):
        return f"/compose/held/{identity}"
    kept = desk.drafts.get(identity)
    if before is not None and is_gone:
        if before.mark == mark_of(kept):
            return f"/compose/held/{identity}"
        # What went says something else: this is another bulletin.
        kept = msgspec.structs.replace(kept, id=desk.station.agency.new_id())
        desk.drafts.put(kept)
        desk.drafts.drop(identity)
        return f"/compose/{kept.type}?draft={kept.id}"
    looked = await look(desk, kept, _settle(desk, kept.written, reader), reader)
    is_as_shown = looked.told is not None and looked.told.shown == told.get("shown")
    if looked.prepared is None or not is_as_shown:
        return f"/compose/{kept.type}?draft={kept.id}"
    desk.holding.hold(kept, looked.prepared)
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


def _told_held(desk: Desk, held: Held, reader: Reader) -> Going:
    bulletin, codes = held.prepared.bulletin, desk.station.codes
    why = audience.problem(held.why, reader.lang, codes) if held.why else None
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
    )


def _going(desk: Desk, request: web.Request, reader: Reader) -> Going:
    held = desk.holding.get(request.match_info["draft"])
    if held is None:
        raise Refusal(Code.NOT_FOUND)
    return _told_held(desk, held, reader)


async def _held(desk: Desk, request: web.Request, reader: Reader) -> web.StreamResponse:
    going = _going(desk, request, reader)
    return frame.page(request, reader, "compose-held.html", here=_HERE, held=going)


async def _state(desk: Desk, request: web.Request, reader: Reader) -> web.StreamResponse:
    going = _going(desk, request, reader)
    told = {"state": going.state, "left_s": going.left_s}
    return web.json_response(told, headers={"Cache-Control": "no-store"})
