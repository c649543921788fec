"""The STA of a period from what this desk can read: its figures, from what, and as a draft."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlencode

import msgspec
from multidict import MultiDict

from exchange.client import sources, statistics
from exchange.client.reports import Asked
from exchange.client.sources import Mail
from exchange.client.transport import is_away
from exchange.desk import addressing, composing, telling
from exchange.desk.agenda import href
from exchange.desk.kept_drafts import Counted
from exchange.errors import Code, Refusal
from exchange.model.identity import digest
from exchange.render import values
from exchange.web import frame

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import web
    from multidict import MultiMapping

    from exchange.client.statistics import Account
    from exchange.desk.station import Station
    from exchange.model.bulletin.blocks import Quantity
    from exchange.model.codes import Lang
    from exchange.web.pages import Reader

TYPE: Final = "sta"
_JULY: Final = 7


class Source(NamedTuple):
    """A bulletin that is counted: where it is looked at, its entry, and whose it is."""

    href: str
    entry: int
    origin: str


class Line(NamedTuple):
    """One figure: what it is of, how much, and from what.

    ``quantity`` is of a drug, else None and ``n`` is the number. ``said`` is of an event that
    both sides reported whether they agree; such a one has no number.
    """

    label: str
    n: int
    quantity: Quantity | None
    sources: list[Source]
    said: str = ""

    @property
    def amount(self) -> str:
        """The quantity's value, with all its digits; empty where it has none."""
        value = None if self.quantity is None else self.quantity.value
        return "" if value is None else values.number(value)


class Double(NamedTuple):
    """Reports of one event, the one that counts first, and by what they are tied.

    ``said`` is whether both sides agree; empty: only one side reported. ``untold`` is the code
    of why it is not told as reconciled; empty: it is, or only one side reported.
    """

    reports: list[Source]
    by: list[str]
    said: str
    untold: str


class Pair(NamedTuple):
    """Two reports that may be of one event, and where they are counted as one.

    ``km`` is how far apart they are; empty: that is not known.
    """

    reports: list[Source]
    km: str
    once: str


class Told(NamedTuple):
    """An account as a page shows it; ``left`` with the code of why.

    ``unasked`` is of how many of ours nobody knows what else bears on them, ``why`` in words
    as far as that is known.
    """

    lines: list[Line]
    doubles: list[Double]
    alike: list[Pair]
    left: list[tuple[Source, str]]
    unasked: int
    why: str


class Recount(NamedTuple):
    """From what a draft's figures were computed, and its account as it is by now.

    ``told`` is None where what an officer took for one event is not all there any more;
    ``is_other`` where it came out otherwise. ``anew`` is the query that computes it again.
    """

    of: Counted
    told: Told | None
    is_other: bool
    anew: str


def show(app: web.Application, station: Station) -> None:
    """Serve the page."""
    frame.show(app, "/statistics", partial(_page, station))


async def _page(station: Station, request: web.Request, reader: Reader) -> web.Response:
    query, told, again = request.query, None, ""
    first, last = _half_year(station.now())
    if "from" in query:
        first, last = query["from"], query.get("to", "")
        again = urlencode([(name, query[name]) for name in ("from", "to")] + _said(query))
        told = tell(station, await account(station, query), reader.lang, again)
    return frame.page(
        request,
        reader,
        "statistics.html",
        here="desk.compose",
        first=first,
        last=last,
        again=again,
        told=told,
    )


def _half_year(now: int) -> tuple[str, str]:
    """Return the first and the last day of the half-year that it is."""
    year, month = (at := dt.datetime.fromtimestamp(now, dt.UTC)).year, at.month
    days = ("07-01", "12-31") if month >= _JULY else ("01-01", "06-30")
    return f"{year:04}-{days[0]}", f"{year:04}-{days[1]}"


def _said(query: MultiMapping[str]) -> list[tuple[str, str]]:
    return [("same", each) for each in query.getall("same", [])]


async def account(station: Station, query: MultiMapping[str]) -> Account:
    """Return the account that an address asks for: of which days, and what is the same.

    The node is asked what else bears on what is ours. It is counted beside: hundreds of pairs
    take a while.

    Raises:
        Refusal: ``wrong-value`` or ``not-found``.
    """
    status = "exercise" if station.is_exercise() else "actual"
    asked = Asked.of_days(query.get("from", ""), query.get("to", ""), status)
    pairs = []
    for _, each in _said(query):
        one, is_pair, other = each.partition("=")
        if not is_pair:
            raise Refusal(Code.NOT_FOUND, "/same", id=each[:48])
        pairs.append((one, other))
    return await _asked(station, asked, pairs)


async def _asked(station: Station, asked: Asked, pairs: list[tuple[str, str]]) -> Account:
    trouble = station.trouble
    away = trouble if trouble is not None and is_away(trouble) else None
    mail = Mail(station.shelf.items(), station.ours.items, away)
    try:
        return await sources.account(station.agency, mail, asked, pairs)
    finally:
        # What was taken in may have cancelled something, whose text is not to stay in memory:
        # not either where nobody waits for the figures any more.
        station.ours.forget()


def written(station: Station, made: Account, lang: Lang) -> dict[str, list[str]]:
    """Return what stands in the form of a draft of it, beside what stands there anyway."""
    view, endpoint = station.agency.trust.newest, station.agency.profile.endpoint
    marking = statistics.marking(made, view.standing(endpoint).alpha3)
    post = {"status": made.asked.status, "marking": msgspec.to_builtins(marking)}
    says = statistics.bulletin(made, lang)
    says.pop("type")
    post_texts = composing.texts_of(post, addressing.AT)
    return post_texts | composing.texts_of(says, composing.BULLETIN)


def counted(station: Station, made: Account, lang: Lang, asked: str) -> Recount:
    """Return from what the figures of a draft that begins are, to be kept with it."""
    return Recount(_of(made, asked), tell(station, made, lang, asked), False, asked)


async def recount(station: Station, kept: Counted | None, lang: Lang) -> Recount | None:
    """Compute once more what a draft was computed from: a source may be cancelled since."""
    if kept is None:
        return None
    query = MultiDict(parse_qsl(kept.asked))
    try:
        made = await account(station, query)
    except Refusal:
        days = urlencode([(name, query.get(name, "")) for name in ("from", "to")])
        return Recount(kept, None, True, days)
    told = tell(station, made, lang, kept.asked)
    return Recount(kept, told, _of(made, kept.asked) != kept, kept.asked)


def _of(made: Account, asked: str) -> Counted:
    left = [(each.item.header.id, each.why) for each in made.left]
    says = (made.content, made.figures, made.marking, made.alike, left)
    return Counted(asked, digest(msgspec.json.encode(says)))


def tell(station: Station, made: Account, lang: Lang, again: str) -> Told:
    """Return an account as a page shows it.

    Args:
        station: whose desk it is.
        made: the account.
        lang: the reader's language.
        again: the query that asked for it.
    """
    both = (*made.reports, *made.beside)
    known = {each.id: _source(station, each.item) for each in both}
    codes = station.codes
    return Told(
        lines=list(_lines(station, made, lang, known)),
        doubles=[
            Double(
                [known[report.id] for report in each.reports],
                sorted({tie.by for tie in each.ties}),
                codes.words("reconciliation", said, lang) if said else "",
                made.untold.get(each.reports[0].id, ""),
            )
            for each in made.doubles
            for said in [made.sides.get(each.reports[0].id)]
        ],
        alike=[
            Pair(
                [known[each.one], known[each.other]],
                "" if each.km is None else values.number(each.km),
                f"{again}&{urlencode({'same': f'{each.one}={each.other}'})}",
            )
            for each in made.alike
        ],
        left=[(_source(station, each.item), each.why) for each in made.left],
        unasked=len(made.unasked.ids),
        why=telling.why(made.unasked.why, lang, codes),
    )


def _source(station: Station, item: Any) -> Source:
    return Source(href(station, item), item.index, item.header.origin)


def _lines(
    station: Station, made: Account, lang: Lang, known: dict[str, Source]
) -> Iterable[Line]:
    codes, content = station.codes, made.content
    of = {each.at: [known[name] for name in each.bulletins] for each in made.figures}
    for place, each in enumerate(content.counts):
        yield Line(codes.words("types", each.type, lang), each.n, None, of[f"/counts/{place}"])
    for place, total in enumerate(content.drug_totals):
        label = codes.words("drugs", total.drug, lang)
        packages = total.quantity.packages or 0
        yield Line(label, packages, total.quantity, of[f"/drug_totals/{place}"])
    for name, n in (("arrests", content.arrests), ("operations", content.operations)):
        if n is not None:
            yield Line(codes.words("fields", name, lang), n, None, of[f"/{name}"])
    for place, event in enumerate(content.reconciled):
        label = f"{codes.words('fields', 'reconciled', lang)}: {event.event}"
        said = codes.words("reconciliation", event.reconciliation, lang)
        packages = (event.quantity and event.quantity.packages) or 0
        yield Line(label, packages, event.quantity, of[f"/reconciled/{place}"], said)
