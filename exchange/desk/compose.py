"""Writing a bulletin: its form, what is wrong as one types, and who will read it.

A draft is kept on this machine from the first pause in typing on.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from exchange import render
from exchange.client import audience as audiences
from exchange.client import separating
from exchange.client.attaching import MEDIA_TYPES
from exchange.client.compose import Prepared
from exchange.desk import (
    addressing,
    audience,
    beginning,
    composing,
    filing,
    forms,
    picking,
    rest,
    statistics,
    wording,
)
from exchange.desk.holding import Holding
from exchange.desk.kept_drafts import Counted, Kept, KeptDrafts, must_be_name
from exchange.desk.kept_files import AT as AT_FILES
from exchange.desk.windows import Window, has_left, newest
from exchange.errors import Code, ExchangeError, Refusal
from exchange.model.bulletin.kinds import TYPES
from exchange.model.bulletin.words import MAX_ATTACHMENT_BYTES
from exchange.model.header import MAX_ATTACHMENTS
from exchange.web import frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchange.client.separating import By, Other
    from exchange.desk.audience import Told
    from exchange.desk.composing import Judged, Settled
    from exchange.desk.forms import Field
    from exchange.desk.station import Station
    from exchange.web.pages import Reader
    from exchange.web.words import Words

HOLDING: web.AppKey[Holding] = web.AppKey("holding")
HERE: Final = "desk.compose"
TYPE: Final = "/compose/{type:[a-z]{3}}"
_BEGUN: Final = ("reply", "correct", "cancel")
_TARGET: Final = "/bulletin/content/target/id"
AT_SEPARATELY: Final = "/post/separately"
_BESIDE: Final = (AT_FILES, AT_SEPARATELY, rest.AT)
# Why somebody who pressed Send is at the form again.
WHYS: Final = ("edited", "faults", "readers", "other")
STALE: Final = frozenset({Code.DRAFT_CHANGED, Code.DRAFT_SENT})


class Desk(NamedTuple):
    """What the pages of this module look at."""

    station: Station
    drafts: KeptDrafts
    holding: Holding


class Looked(NamedTuple):
    """A draft as it was sent by a browser, and what there is to say of it.

    ``prepared`` is there where nothing is wrong in it, and ``parts``: the envelopes that it
    goes out in; ``told`` where its readers are known.
    """

    kept: Kept
    settled: Settled
    judged: Judged
    problems: list[dict[str, str]]
    told: Told | None
    prepared: Prepared | None
    parts: list[Prepared]


class Over(NamedTuple):
    """What a window is told that can keep nothing any more."""

    window: Window
    problem: dict[str, str]


def show(app: web.Application, station: Station) -> Desk:
    """Serve the pages on which bulletins are written; return what they look at."""
    drafts = KeptDrafts(station.agency.world.cabinet)
    holding = Holding(station.agency, drafts, lambda: station.officer)
    desk = Desk(station, drafts, holding)
    app[HOLDING] = holding
    app.cleanup_ctx.append(holding.run)
    frame.show(app, "/compose", partial(_choose, desk))
    frame.show(app, TYPE, partial(_form, desk))
    frame.submit(app, f"{TYPE}/check.json", partial(_check, desk))
    frame.act(app, "/compose/delete", partial(_delete, desk))
    filing.show(app, station, drafts, holding)
    picking.show(app)
    return desk


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
        here=HERE,
        asked=f"?{asked}" if asked else "",
        types=forms.types(reader.lang, codes),
        drafts=desk.drafts.all(),
        going=desk.holding.all(),
    )


async def _delete(desk: Desk, told: dict[str, str], reader: Reader) -> str:  # noqa: ARG001
    identity = told.get("draft", "")
    desk.drafts.must_be_written_yet(identity)
    desk.holding.undo(identity)
    desk.drafts.drop(identity)
    return "/compose"


# -- the form -------------------------------------------------------------------------------


async def _form(desk: Desk, request: web.Request, reader: Reader) -> web.StreamResponse:
    code, query, counted = _type(request), request.query, None
    if identity := query.get("draft"):
        if has_left(desk.drafts, desk.holding, identity):
            return frame.see(reader, f"/compose/held/{identity}")
        kept = named(desk, request)
        written = kept.written
        counted = await statistics.recount(desk.station, kept.counted, reader.lang)
    else:
        asked = {name: query[name] for name in _BEGUN if name in query}
        written = beginning.written(desk.station, code, asked)
        if code == statistics.TYPE and "from" in query:
            made = await statistics.account(desk.station, query)
            written |= statistics.written(desk.station, made, reader.lang)
            asked_for = request.query_string
            counted = statistics.counted(desk.station, made, reader.lang, asked_for)
        identity = desk.station.agency.new_id()
    settled = settle(desk, written, reader)
    return shown(desk, request, reader, code, identity, settled, counted=counted)


def named(desk: Desk, request: web.Request) -> Kept:
    """Return the draft that an address names.

    Raises:
        Refusal: ``not-found``: there is none of that type; ``draft-sent``.
    """
    kept = desk.drafts.get(identity := request.query.get("draft", ""))
    if kept.type != _type(request):
        raise Refusal(Code.NOT_FOUND, found=identity)
    desk.drafts.must_be_written_yet(identity)
    return kept


def _type(request: web.Request) -> str:
    code = request.match_info["type"]
    if code not in TYPES:
        raise Refusal(Code.NOT_FOUND, found=code)
    return code


def settle(desk: Desk, written: Mapping[str, Any], reader: Reader) -> Settled:
    """Return what was written, in order."""
    return composing.settle(written, reader.lang, desk.station.agency.profile.member)


def _fields(desk: Desk, reader: Reader, code: str, settled: Settled) -> tuple[Field, Field]:
    """Return what is asked for the posting, and for the bulletin."""
    station, codes = desk.station, desk.station.codes
    view, endpoint = station.agency.trust.strictest, station.agency.profile.endpoint
    post = addressing.form(code, settled.written, view, endpoint, reader.lang, codes)
    return post, composing.form_of(code, settled, reader.lang, codes)


def shown(  # noqa: PLR0913, PLR0917  (a page of its parts)
    desk: Desk,
    request: web.Request,
    reader: Reader,
    code: str,
    identity: str,
    settled: Settled,
    looked: Looked | None = None,
    *,
    counted: statistics.Recount | None = None,
    over: Over | None = None,
) -> web.Response:
    """Return the form as filled in, what there is to mend, and what it was counted from.

    ``over`` is of a page that can keep nothing any more.
    """
    codes, why = desk.station.codes, request.query.get("why", "")
    kept = desk.drafts.get(identity) if desk.drafts.has(identity) else None
    post, form = _fields(desk, reader, code, settled)
    every = [*forms.every(post), *forms.every(form)]
    found = [*(looked.problems if looked else []), *_missing(looked, desk, reader)]
    found += [over.problem] if over else []
    problems = wording.of_the_form(found, request, reader)
    errors = audience.at_fields(problems, [*(each.at for each in every), *_BESIDE])
    return frame.page(
        request,
        reader,
        "compose.html",
        status=409 if over else 422 if problems else 200,
        here=HERE,
        code=code,
        kind=codes.words("types", code, reader.lang),
        identity=identity,
        window=over.window if over else _window(desk, kept),
        why=why if why in WHYS else "",
        post=post,
        form=form,
        labels=_labels(post, form) | _beside(request, reader),
        files=kept.files if kept else [],
        most=MAX_ATTACHMENTS,
        most_bytes=MAX_ATTACHMENT_BYTES,
        endings=sorted(MEDIA_TYPES),
        rest=rest.told(desk.station, kept, reader.lang),
        beside=_of_its_act(desk, code, settled),
        is_alone=rest.is_asked(settled.written),
        separately=separately(settled.written) or "",
        ways=separating.BY if separating.may_be_split(code) else (),
        errors=errors,
        counted=counted,
        opened={
            each.at for each in every if any(composing.is_under(at, each.at) for at in errors)
        },
    )


def _of_its_act(desk: Desk, code: str, settled: Settled) -> list[Other]:
    """Return the other envelopes that say the same as what is corrected or cancelled."""
    if code not in {"cor", "can"}:
        return []
    target = next(iter(settled.written.get(_TARGET, [])), "")
    return desk.station.agency.separating.others(target)


def _window(desk: Desk, kept: Kept | None) -> Window:
    return Window(kept.version if kept else 0, desk.station.agency.new_id())


def _beside(request: web.Request, reader: Reader) -> dict[str, str]:
    """Return what is asked beside the fields of the schema: by what name."""
    words = request.app[frame.FRAME].pages.words
    return {
        AT_FILES: words.text(reader.lang, "files.title"),
        AT_SEPARATELY: words.text(reader.lang, "separate.title"),
        rest.AT: words.text(reader.lang, "rest.title"),
    }


def separately(written: Mapping[str, Sequence[str]]) -> By | None:
    """Return by whom envelopes are separated; None: one goes to all."""
    said = next(iter(written.get(AT_SEPARATELY, [])), "")
    return next((each for each in separating.BY if each == said), None)


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


async def read(desk: Desk, request: web.Request, reader: Reader) -> Looked:
    """Judge what a browser sent, keep it as a draft, and find out who could read it."""
    kept, settled = await keep(desk, request, reader)
    return await look(desk, kept, settled, reader)


async def keep(desk: Desk, request: web.Request, reader: Reader) -> tuple[Kept, Settled]:
    """Keep what a browser sent as a draft; return it, and the same in order.

    Raises:
        Refusal: one of ``STALE``: another window went on with it.
    """
    code, drafts = _type(request), desk.drafts
    sent = await request.post()
    identity, window, settled = await _typed(desk, request, reader)
    last, now = newest(drafts, desk.holding, identity, window), desk.station.now()
    last = last or Kept(identity, code, {}, now)
    kept = msgspec.structs.replace(
        last,
        type=code,
        written=settled.written,
        changed_s=now,
        version=last.version + 1,
        window=window.name,
        counted=last.counted or _counted(sent),
    )
    if sent.get("only") != "look":
        drafts.put(kept)
    return kept, settled


def _counted(sent: Mapping[str, Any]) -> Counted | None:
    """Return from what the figures are that a form began with."""
    found = Counted(str(sent.get("counted", "")), str(sent.get("counted-as", "")))
    return found if found.asked else None


async def _typed(
    desk: Desk, request: web.Request, reader: Reader
) -> tuple[str, Window, Settled]:
    """Return what a browser sent of which draft, and from which window."""
    sent = await request.post()
    written = {
        name: [str(each) for each in sent.getall(name)]
        for name in sent
        if name.startswith(("/post/", "/bulletin/"))
    }
    changed = frame.number(str(sent.get("changed", ""))) or 0
    window = Window(changed, str(sent.get("window", ""))[:64])
    identity = must_be_name(str(sent.get("draft", "")))
    return identity, window, settle(desk, written, reader)


async def stale(
    desk: Desk, request: web.Request, reader: Reader, refusal: Refusal
) -> web.Response:
    """Return the form as it was typed by a window that can keep nothing any more, and why."""
    identity, window, settled = await _typed(desk, request, reader)
    over = Over(window, audience.problem(refusal, reader.lang, desk.station.codes))
    return shown(desk, request, reader, _type(request), identity, settled, over=over)


async def look(desk: Desk, kept: Kept, settled: Settled, reader: Reader) -> Looked:
    """Return what there is to say of a draft."""
    station, agency, lang = desk.station, desk.station.agency, reader.lang
    judged = composing.judge(
        kept.type, settled, agency.new_id(), agency.profile.member, station.codes
    )
    by = separately(settled.written) if separating.may_be_split(kept.type) else None
    faults: list[ExchangeError] = list(judged.faults)
    told, prepared, parts = None, None, list[Prepared]()
    only = rest.only(agency, kept, settled.written)
    try:
        if judged.is_fit and judged.draft is not None:
            attach = [desk.drafts.files.file(each) for each in kept.files]
            whole = await agency.prepare(judged.draft, attach=attach)
            prepared = rest.narrowed(agency, whole, only)
            parts = _parts(desk, prepared, by)
            now = station.now()
            told = audience.of_prepared(
                prepared,
                lang,
                station.codes,
                now,
                post=judged.draft.post,
                parts=parts,
                by=by,
            )
        elif judged.draft is not None:
            told = _audience(desk, judged, faults, reader, by, only)
    except ExchangeError as error:
        faults.append(error)
        if judged.is_fit:
            told = _audience(desk, judged, [], reader, by, only)
    problems = [audience.problem(each, lang, station.codes) for each in faults]
    return Looked(kept, settled, judged, problems, told, prepared, parts)


def _parts(desk: Desk, prepared: Prepared, by: By | None) -> list[Prepared]:
    """Return the envelopes that it goes out in: one, or one for each group of readers."""
    if by is None:
        return [prepared]
    agency = desk.station.agency
    view, now = agency.trust.newest, desk.station.now()
    return separating.split(prepared, by, view, now, agency.new_id)


def _audience(  # noqa: PLR0913, PLR0917  (what was judged, and for whom)
    desk: Desk,
    judged: Judged,
    faults: list[ExchangeError],
    reader: Reader,
    by: By | None,
    only: frozenset[str] | None,
) -> Told | None:
    """Return who could read what is not whole yet; why nobody, among the faults."""
    station = desk.station
    agency, now = station.agency, station.now()
    if judged.draft is None:
        return None
    try:
        found = audiences.audience(
            judged.draft,
            agency.trust.strictest,
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
        readers=[each for each in found.readers if only is None or each.endpoint in only],
        left_out=found.left_out,
        withheld=found.withheld,
        by=by,
    )


async def _check(
    desk: Desk, request: web.Request, _told: dict[str, str], reader: Reader
) -> web.StreamResponse:
    looked = await read(desk, request, reader)
    lang, sent_at = reader.lang, looked.settled.sent_at
    words = request.app[frame.FRAME].pages.words
    labels = _labels(*_fields(desk, reader, looked.kept.type, looked.settled))
    told = looked.told
    answer: dict[str, Any] = {
        "changed": looked.kept.version,
        "problems": [
            {**each, "at": sent_at(each["at"])}
            for each in wording.of_the_form(looked.problems, request, reader)
        ],
        "missing": [
            {"at": sent_at(at), "label": labels.get(at, at)} for at in looked.judged.missing
        ],
        "positions": {
            sent_at(at): text for at, text in composing.told_back(looked.settled, lang).items()
        },
        "warnings": warned(desk, request, reader, looked),
        "summary": words.count(lang, "compose.readers", len(told.readers)) if told else "",
        "left": words.count(lang, "compose.left", len(looked.judged.missing)),
        "readers": [_line(each, words, reader) for each in told.readers] if told else [],
        "left_out": [f"{each.endpoint}: {each.why}" for each in told.left_out] if told else [],
        "withheld": [f"{each.endpoint}: {each.why}" for each in told.withheld] if told else [],
        "releasers": [each.endpoint for each in told.releasers] if told else [],
    }
    return web.json_response(answer, headers={"Cache-Control": "no-store"})


def warned(desk: Desk, request: web.Request, reader: Reader, looked: Looked) -> list[str]:
    """Return what looks odd in a draft, in the reader's language: weighed, not refused."""
    labels = _labels(*_fields(desk, reader, looked.kept.type, looked.settled))
    words = request.app[frame.FRAME].pages.words
    turned = composing.turned(looked.settled, reader.lang)
    found = [
        words.text(
            reader.lang, "compose.turned", field=labels.get(at, at), read=read, meant=meant
        )
        for at, (read, meant) in turned.items()
    ]
    odd = looked.prepared.warnings if looked.prepared else []
    return [*found, *(render.indicator(each, reader.lang, desk.station.codes) for each in odd)]


def _line(each: audience.Line, words: Words, reader: Reader) -> str:
    key = words.text(reader.lang, "compose.key-until", day=each.until)
    envelope = words.text(reader.lang, "separate.envelope", n=each.envelope)
    begin = f"{envelope} · " if each.envelope else ""
    return f"{begin}{each.endpoint} ({each.nation}): {each.agency}. {key}"
