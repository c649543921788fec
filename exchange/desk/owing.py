"""What is owed, by whom and by when: requests for information, boarding cases, releases.

Requests are read from what came and what was posted from here alike: an officer sees what
others owe them beside what they owe.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from exchange.client.reading import Delivered
from exchange.desk import boards, casing, telling
from exchange.web import frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiohttp import web

    from exchange.client.cases import BoardingCase
    from exchange.client.reading import Item
    from exchange.client.releasing import Queued
    from exchange.desk.boards import Request, State
    from exchange.desk.station import Station
    from exchange.model.codes import Lang
    from exchange.web.pages import Reader

# States of a draft in which somebody has yet to do something.
WAITS: Final = frozenset({"asking", "waiting", "released"})


class Line(msgspec.Struct, frozen=True):
    """One request for information as its board shows it.

    Attributes:
        request: what was asked, and what came of it.
        title: in the reader's language.
        state: how it stands now.
        is_ours: it was posted from here.
        is_mine: this endpoint is asked, and nobody of its member has replied.
        open: how many questions have no outcome.
    """

    request: Request
    title: str
    state: State
    is_ours: bool
    is_mine: bool
    open: int

    @property
    def settled(self) -> int:
        """How many of its questions have an outcome."""
        return len(self.request.asked.questions) - self.open

    @property
    def is_over(self) -> bool:
        """Whether nobody owes anything any more."""
        return not self.open


def show(app: web.Application, station: Station) -> None:
    """Serve the board."""
    frame.show(app, "/requests", partial(_board, station))


async def _board(station: Station, request: web.Request, reader: Reader) -> web.Response:
    now = station.now()
    lines = requests(station, reader.lang, now)
    return frame.page(
        request,
        reader,
        "requests.html",
        here="requests.title",
        now=now,
        standing=[each for each in lines if not each.is_over],
        over=[each for each in lines if each.is_over],
        cases=[(each, *_case(station, each)) for each in reversed(casing.every(station))],
        queue=queue(station),
        waits=WAITS,
    )


def everything(station: Station) -> list[Item]:
    """Return what came and what was posted from here, each bulletin once."""
    came = station.shelf.items()
    known = {item.digest for item in came if isinstance(item, Delivered)}
    ours = [item for item in station.ours.items() if item.digest not in known]
    return [*came, *ours]


def requests(station: Station, lang: Lang, now: int) -> list[Line]:
    """Return every request for information that stands, what is due soonest first."""
    posted = {each.digest for each in station.ours.posted()}
    found = boards.requests(everything(station))
    return lines(found, station.agency.profile.endpoint, posted, lang, now)


def lines(
    found: Iterable[Request], endpoint: str, posted: Iterable[str], lang: Lang, now: int
) -> list[Line]:
    """Return requests as the board shows them.

    Args:
        found: the requests.
        endpoint: whose board it is.
        posted: digests of what was posted from there.
        lang: the reader's language.
        now: in seconds UTC.
    """
    ours = frozenset(posted)
    made = []
    for each in found:
        header, bulletin = each.item.header, each.item.bulletin
        title = telling.text_in(bulletin.title, lang) if bulletin else header.id
        unanswered = [n for n in each.asked.questions if n.n not in each.outcomes]
        is_ours = each.item.digest in ours
        is_mine = bool(unanswered) and endpoint in each.silent and not is_ours
        made.append(Line(each, title, each.state(now), is_ours, is_mine, len(unanswered)))
    return made


def _case(station: Station, case: BoardingCase) -> tuple[str, str]:
    """Return where a case is looked at, and who asks whom."""
    request = case.request
    is_here = request.index is not None and station.shelf.row(request.index) is not None
    path = f"/entry/{request.index}" if is_here else f"/sent/{request.header.id}"
    return path, f"{request.header.endpoint} → {', '.join(case.asked)}"


def queue(station: Station) -> list[Queued]:
    """Return what waits for a second person, or somebody decided; the newest first."""
    items: Sequence[Item] = station.shelf.items()
    return station.agency.releasing.queue(items)[::-1]
