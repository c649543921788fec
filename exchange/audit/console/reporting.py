"""The report for the dialogue as a page, with files to save: once both are verified."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from exchange.audit.crossed import compare
from exchange.audit.report.forms import FORMS
from exchange.audit.report.making import Asked, make, sizes
from exchange.audit.report.telling import tell
from exchange.errors import Code, Refusal
from exchange.web import frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import web

    from exchange.audit.console.archive import Archive, Reading
    from exchange.audit.console.background import Checked
    from exchange.audit.console.source import Source
    from exchange.audit.report.figures import Report
    from exchange.audit.verify import Stored
    from exchange.model.codes import Codes
    from exchange.web.pages import Reader
    from exchange.web.words import Words

# Why there is none (yet).
Lacking = Literal["two", "anchor", "verified", "crossed"]
_ASKED: Final = ("from", "to", "status", "annex", "sizes")


class Reports:
    """Answers with the report that an address asks for."""

    def __init__(
        self, reading: Reading, checked: Mapping[str, Checked], anchor: str | None
    ) -> None:
        """Report on what ``reading`` has, where ``checked`` says that it holds."""
        self._reading = reading
        self._checked = checked
        self._anchor = anchor
        self._made: dict[tuple[object, ...], Report] = {}

    def add(self, app: web.Application, words: Words, codes: Codes) -> None:
        """Serve page and files."""

        async def shown(request: web.Request, reader: Reader) -> web.Response:
            query = await self._query(request)
            made = await self._report(query)
            return frame.page(
                request,
                reader,
                "reports.html",
                here="section.report",
                query=query,
                statuses=("", "actual", "exercise", "test"),
                nodes=("", *sorted(self._checked)),
                lacking=made if isinstance(made, str) else "",
                told=None if isinstance(made, str) else tell(made, reader.lang, words, codes),
                forms=tuple(FORMS),
            )

        async def saved(request: web.Request, reader: Reader) -> web.Response:
            made = await self._report(await self._query(request))
            if isinstance(made, str):
                raise Refusal(Code.NOT_FOUND)
            name = request.match_info["form"]
            form = FORMS[name]
            content = await self._reading.ask(lambda _: form.write(made, reader.lang, codes))
            return frame.file(content, form.media_type, f"report.{name}")

        frame.show(app, "/report", shown)
        frame.show(app, "/report.{form:" + "|".join(FORMS) + "}", saved)

    async def _query(self, request: web.Request) -> dict[str, str]:
        """Return what an address asks for; without a period, for the journals' half-year."""
        query = {name: request.query.get(name, "") for name in _ASKED}
        if not (query["from"] or query["to"]):
            now_ms = await self._reading.ask(_newest)
            query["from"], query["to"] = half_year(now_ms)
        return query

    async def _report(self, query: Mapping[str, str]) -> Report | Lacking:
        verified = {}
        for node, checked in self._checked.items():
            if checked.report is None or not checked.report.ok:
                return "verified"
            verified[node] = checked.report.size
        if len(verified) != 2:
            return "two"
        if self._anchor is None:
            return "anchor"
        asked = Asked(
            since=query["from"],
            until=query["to"],
            anchor=self._anchor,
            status=query["status"],
            annex=query["annex"],
            sizes=sizes(query["sizes"]),
        )
        key = (*sorted(verified.items()), *query.values())
        if key not in self._made:
            found = await self._reading.ask(lambda archive: _make(archive, asked, verified))
            if isinstance(found, str):
                return found
            # Of one state of the journals alone: a long afternoon keeps no others.
            self._made = {one: of for one, of in self._made.items() if one[:2] == key[:2]}
            self._made[key] = found
        return self._made[key]


class _Verified(NamedTuple):
    """A mirror as far as it was verified."""

    source: Source
    end: int

    def size(self) -> int:
        return self.end

    def read(self, first: int, limit: int) -> Sequence[Stored]:
        return self.source.read(first, max(min(limit, self.end - first), 0))

    def kinds(self, first: int, limit: int) -> Sequence[str]:
        return self.source.kinds(first, max(min(limit, self.end - first), 0))

    def blob(self, digest: str) -> bytes | None:
        return self.source.blob(digest)

    def hashes(self, level: int, first: int, count: int) -> bytes:
        return self.source.hashes(level, first, count)


def _make(archive: Archive, asked: Asked, verified: Mapping[str, int]) -> Report | Lacking:
    both = [_Verified(archive.sources[node], size) for node, size in verified.items()]
    one, other = both
    if not (compare(one, other).ok and compare(other, one).ok):
        return "crossed"
    return make(both, asked)


def _newest(archive: Archive) -> int:
    return max((each.taken_ms for each in archive.journals()), default=0)


def half_year(milliseconds: int) -> tuple[str, str]:
    """Return the first and the last day of the half-year that a time is in, UTC."""
    at = dt.datetime.fromtimestamp(milliseconds // 1000, dt.UTC)
    if at.month <= 6:
        return f"{at.year:04}-01-01", f"{at.year:04}-06-30"
    return f"{at.year:04}-07-01", f"{at.year:04}-12-31"
