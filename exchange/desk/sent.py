"""What was posted from here, and what became of it: each recipient, each step, each entry.

Told as ``trace`` tells it: from what this endpoint can check. What did not arrive has one
reason, in words.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from exchange import render
from exchange.client import story
from exchange.client.outcomes import About, made_ms
from exchange.client.story import Step
from exchange.desk import envelopes, telling
from exchange.desk.envelopes import Envelope
from exchange.desk.kept_drafts import KeptDrafts
from exchange.errors import Code, Refusal
from exchange.policy.ageing import is_seen_to, overdue_s
from exchange.web import frame
from exchange.web.pages import moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import web

    from exchange.client.reading import Delivered, Item
    from exchange.client.story import Past, Posted
    from exchange.desk.kept_drafts import Kept
    from exchange.desk.station import Station
    from exchange.model.codes import Lang
    from exchange.model.header import Header
    from exchange.web.pages import Reader

PAGE: Final = 50


class Hop(msgspec.Struct, frozen=True):
    """One step of the way, in words: when, in which entry, and why it is so."""

    said: str
    at_ms: int | None
    index: int | None
    why: str
    # Since when its acknowledgement is chased; or by what that ended.
    chased: str
    ended: str
    is_bad: bool
    is_row: bool
    # Of another bulletin, by which something was done to this one.
    other: str


class Holder(msgspec.Struct, frozen=True):
    """How a bulletin stands with one endpoint.

    Attributes:
        endpoint: whose.
        is_done: somebody there saw to it.
        late_s: for how long nobody has; None while there is time.
        why: the reason, in words, why it did not arrive; empty where it did, or may yet.
        hops: every step.
        granted_by: who granted it; empty of a recipient.
    """

    endpoint: str
    is_done: bool
    late_s: int | None
    why: str
    hops: list[Hop]
    granted_by: str = ""

    @property
    def state(self) -> str:
        """How it stands, as a key of the catalogue."""
        if self.is_done:
            return "done"
        if self.why:
            return "not-arrived"
        return "waits" if self.late_s is None else "late"


class Sent(msgspec.Struct, frozen=True):
    """One bulletin posted from here, as the page shows it."""

    header: Header
    title: str
    index: int | None
    taken_ms: int | None
    holders: list[Holder]
    # Why it has no receipt yet, or never will; empty where it has.
    why: str


class Group(msgspec.Struct, frozen=True):
    """Bulletins that were sent at once: one alone, or the envelopes of one act.

    ``envelopes`` are all of them, also those that nobody got, and why; of one alone, none.
    ``again`` is where the text of those is a draft again; empty where it is none.
    """

    envelopes: list[Envelope]
    rows: list[Sent]
    again: str = ""

    @property
    def may_wait(self) -> bool:
        """Whether its text is a draft again once none of the envelopes waits."""
        return envelopes.may_wait(self.envelopes)


class Turned(msgspec.Struct, frozen=True):
    """Something that the node refused, and why.

    Attributes:
        id: as it was posted.
        title, type, to: as far as they are kept; empty where they are not.
        sealed_ms: when it was made, in milliseconds UTC.
        again: where it is a draft again; empty where it is none.
        why: in words.
    """

    id: str
    title: str
    type: str
    to: list[str]
    sealed_ms: int
    again: str
    why: str


def show(app: web.Application, station: Station) -> None:
    """Serve the list of what was posted, and each of it."""
    frame.show(app, "/sent", partial(_list, station))
    frame.show(app, "/sent/{id:[0-9a-f-]{36}}", partial(_one, station))


async def _list(station: Station, request: web.Request, reader: Reader) -> web.Response:
    posted = station.ours.posted()[::-1]
    first = frame.number(request.query.get("first", "")) or 0
    items, back = station.shelf.items(), _came_back(station)
    rows = [tell(station, of, items, reader.lang) for of in posted[first : first + PAGE]]
    left = len(posted) - first - PAGE
    return frame.page(
        request,
        reader,
        "sent.html",
        here="desk.sent",
        groups=_grouped(rows, envelopes.acts(station, reader.lang), back),
        total=len(posted),
        refused=_refused(station, back, reader.lang),
        more=first + PAGE if left > 0 else 0,
        left=left,
    )


def _grouped(
    rows: Sequence[Sent], acts: Sequence[list[Envelope]], back: Mapping[str, Kept]
) -> list[Group]:
    """Return rows in their order, those of one act together where the first of them stands."""
    act_of = {each.id: act for act in acts for each in act}
    found: dict[str, Group] = {}
    for row in rows:
        act = act_of.get(row.header.id, [])
        name = act[0].id if act else row.header.id
        found.setdefault(name, Group(act, [], _again(act, back))).rows.append(row)
    return list(found.values())


async def _one(station: Station, request: web.Request, reader: Reader) -> web.Response:
    named = request.match_info["id"]
    of = next((each for each in station.ours.posted() if each.header.id == named), None)
    if of is None:
        raise Refusal(Code.NOT_FOUND, id=named)
    text = _text(station, of)
    now = station.now()
    parts = (
        render.outline(text.bulletin, reader.lang, station.codes, now=now)
        if (text is not None and text.bulletin is not None)
        else []
    )
    acts = envelopes.acts(station, reader.lang)
    act = next((act for act in acts if any(each.id == named for each in act)), [])
    return frame.page(
        request,
        reader,
        "sent-one.html",
        here="desk.sent",
        sent=tell(station, of, station.shelf.items(), reader.lang),
        header=of.header,
        marked=telling.marked(of.header, reader.lang, station.codes),
        parts=parts,
        envelopes=act,
        again=_again(act, _came_back(station)),
        may_wait=envelopes.may_wait(act),
    )


def _text(station: Station, of: Posted) -> Delivered | None:
    return next((each for each in station.ours.items() if each.header.id == of.header.id), None)


def _came_back(station: Station) -> dict[str, Kept]:
    """Return what is a draft again, by the ids that it went as."""
    drafts = KeptDrafts(station.agency.world.cabinet).all()
    return {identity: kept for kept in drafts for identity in kept.went_as}


def _again(act: Sequence[Envelope], back: Mapping[str, Kept]) -> str:
    """Return where the text of an act is a draft again."""
    found = (_draft_at(back[each.id]) for each in act if each.id in back)
    return next(found, "")


def _draft_at(kept: Kept) -> str:
    return f"/compose/{kept.type}?draft={kept.id}"


def _refused(station: Station, back: Mapping[str, Kept], lang: Lang) -> list[Turned]:
    """Return what the node refused, the newest first."""
    found = []
    for each in reversed(station.agency.world.outbox.refused()):
        about, kept = each.about or About("", [], ""), back.get(each.id)
        found.append(
            Turned(
                each.id,
                about.title or (kept.title if kept else ""),
                about.type or (kept.type if kept else ""),
                about.to,
                made_ms(each.id),
                _draft_at(kept) if kept else "",
                telling.why(each.why.error(), lang, station.codes),
            )
        )
    return found


def tell(station: Station, of: Posted, items: Sequence[Item], lang: Lang) -> Sent:
    """Return what became of one bulletin, in the reader's language."""
    text = _text(station, of)
    bulletin = text.bulletin if text else None
    title = telling.text_in(bulletin.title, lang) if bulletin else of.header.id
    if of.facts is None:
        return Sent(of.header, title, None, None, [], _waits(station, of, lang))
    past = story.past(station.ours.posted(), of, items)
    view, now = station.agency.trust.newest, station.now()
    teller = _Teller(station, past, lang)
    known = {*of.header.to, of.header.endpoint}
    others = [each.endpoint for each in of.facts.owed if each.endpoint not in known]
    holders = [
        teller.holder(name, story.of_address(past, name, view, now), of.facts.taken_ms)
        for name in (*of.header.to, *others)
    ]
    for grant in story.grants(station.agency.world.outbox, of, items):
        steps = story.of_grant(past, grant, view, now)
        made = teller.holder(grant.grant.to, steps, grant.taken_ms or of.facts.taken_ms)
        holders.append(msgspec.structs.replace(made, granted_by=grant.grant.endpoint))
    return Sent(of.header, title, of.index, of.facts.taken_ms, holders, "")


def _waits(station: Station, of: Posted, lang: Lang) -> str:
    tried = station.agency.world.outbox.waits(of.header.id)
    if tried is not None and tried.why is not None:
        return telling.why(tried.why.error(), lang, station.codes)
    return station.codes.words("trace-reasons", "no-receipt", lang)


class _Teller:
    """Puts the steps of one bulletin into words."""

    def __init__(self, station: Station, past: Past, lang: Lang) -> None:
        self._station = station
        self._past = past
        self._codes = station.codes
        self._lang = lang

    def holder(self, name: str, steps: Sequence[Step], taken_ms: int) -> Holder:
        """Return how it stands with one endpoint."""
        is_done = any(each.outcome and is_seen_to(each.outcome) for each in steps)
        agreed = self._station.agency.trust.newest.agreed()
        precedence, now = self._past.of.header.precedence, self._station.now()
        late_s = None if is_done else overdue_s(agreed, precedence, taken_ms, now)
        reasons = [why for each in steps if (why := self._lost(each))]
        return Holder(name, is_done, late_s, reasons[-1] if reasons else "", self._hops(steps))

    def _lost(self, step: Step) -> str:
        """Return why it did not arrive, where this step is why."""
        if step.code is not None and step.step in ("refused-abroad", "waits-abroad"):
            return f"{render.reason(step.code, self._lang, self._codes)} [{step.code}]"
        if step.step == "granted" and step.reason == "no-receipt":
            return self._codes.words("trace-reasons", step.reason, self._lang)
        return ""

    def _hops(self, steps: Sequence[Step]) -> list[Hop]:
        return [self._hop(each) for each in steps]

    def _hop(self, step: Step) -> Hop:
        index = step.index
        is_row = index is not None and self._station.shelf.row(index) is not None
        why = self._codes.words("trace-reasons", step.reason, self._lang) if step.reason else ""
        is_bad = step.step == "refused-abroad" or (
            step.chase is not None and step.chase.overdue_s is not None
        )
        chase = step.chase
        chased = ended = ""
        if chase is not None and chase.ended is None:
            chased = moment(chase.since_ms // 1000)
        elif chase is not None and chase.ended is not None:
            ended = self._codes.words("chase-ends", chase.ended, self._lang)
        return Hop(
            self._said(step),
            step.at_ms,
            index,
            why,
            chased,
            ended,
            is_bad,
            is_row,
            step.id or "",
        )

    def _said(self, step: Step) -> str:
        codes, lang = self._codes, self._lang
        said = codes.words("trace-steps", step.step, lang)
        if step.outcome:
            said += f": {codes.words('ack-outcomes', step.outcome, lang)}"
        if step.cause:
            said += f": {codes.words('purge-causes', step.cause, lang)}"
        if step.rule:
            said += f" ({step.rule})"
        if step.code:
            said += f": {render.reason(step.code, lang, codes)} [{step.code}]"
        if step.officer:
            said += f" ({step.officer})"
        if step.came:
            said += f" · {step.came.node}, {step.came.index}"
        return said
