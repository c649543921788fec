"""The console's pages: each asks the archive, and shows what it is answered with."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from aiohttp import web

from exchange.audit import anomalies
from exchange.audit.console import alarms, looking
from exchange.audit.console.archive import Reading
from exchange.audit.console.background import Background
from exchange.audit.console.files import Files
from exchange.audit.console.reporting import Reports
from exchange.audit.console.wording import Wording
from exchange.audit.query import parse
from exchange.audit.report.telling import LOCALE as REPORT_LOCALE
from exchange.audit.report.telling import TEMPLATES as REPORT_TEMPLATES
from exchange.audit.search import search
from exchange.audit.story import tell
from exchange.errors import Code, Refusal
from exchange.web import frame, plots
from exchange.web.assets import Assets
from exchange.web.frame import Frame
from exchange.web.live import Live
from exchange.web.pages import Banner, Pages, Reader, Section
from exchange.web.words import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from exchange.audit.console.archive import Archive
    from exchange.audit.console.background import Setup
    from exchange.audit.console.standing import Standing
    from exchange.audit.search import Found
    from exchange.model.codes import Codes, Lang
    from exchange.web.door import Door

SECTIONS: Final = (
    Section("section.overview", "/", "o"),
    Section("section.search", "/search", "s"),
    Section("section.entries", "/entries", "e"),
    Section("section.policy", "/policy", "p"),
    Section("section.anomalies", "/anomalies", "a"),
    Section("section.report", "/report", "r"),
)
_HERE: Final = Path(__file__).parent
_WEB: Final = Path(frame.__file__).parent
# Rows that are put into a spreadsheet at a time, so that other pages are answered in between.
_PORTION: Final = 1000
_MAX_DAYS: Final = 31


class Console:
    """The pages over one archive."""

    def __init__(self, setup: Setup, codes: Codes) -> None:
        """Show what ``setup`` names; ``run`` opens it."""
        self._setup = setup
        self._codes = codes
        self.words = load([_WEB / "locale", _HERE / "locale", REPORT_LOCALE])
        self.reading = Reading()
        self.background = Background(setup)
        self.live = Live(self._values)
        self._standings: list[Standing] = []
        self._pages: Pages | None = None

    def application(self, door: Door, entered: Callable[[], None]) -> web.Application:
        """Return the application; ``entered`` hears that somebody came in."""
        assets = Assets([_WEB / "static", _HERE / "static"])
        pages = Pages(
            [_HERE / "templates", REPORT_TEMPLATES, _WEB / "templates"],
            self.words,
            self._codes,
            sections=SECTIONS,
            name="console.name",
            assets=assets.path,
        )
        self._pages = pages
        app = frame.application(Frame(door, pages, assets, self.live, entered))
        # Before the pages: an id ends where its form begins.
        Files(self.reading, self.background, self._setup.clock).add(app)
        for path, shower in (
            ("/", self._overview),
            ("/checks/{node}", self._checks),
            ("/search", self._search),
            ("/bulletin/{id}", self._story),
            ("/entries", self._entries),
            ("/entry/{node}/{index}", self._entry),
            ("/proof/{node}/{index}.tlog-proof", self._proof_file),
            ("/proof/{node}/{index}", self._proof),
            ("/anomalies", self._anomalies),
            ("/policy", self._policy),
            ("/policy/{node}/{index}", self._took),
            ("/policy/{node}/{index}/replay", self._replay),
        ):
            frame.show(app, path, shower)
        app.router.add_post("/{lang:es|en}/checks/{node}", self._verify)
        reports = Reports(self.reading, self.background.checked, self._setup.anchor)
        reports.add(app, self.words, self._codes)
        return app

    @asynccontextmanager
    async def running(self, told: Callable[[int, int], None]) -> AsyncIterator[None]:
        """Fold the mirrors into their index, open it, and have the rest go on meanwhile.

        Raises:
            Refusal: a file is no journal.
            Fault: one cannot be read.
        """
        await self.background.fold(told)
        setup, nodes = self._setup, self.background.nodes
        opened = {node: setup.opened(path) for node, path in nodes.items()}
        await self.reading.open(self.background.index_at, opened)
        try:
            await self._look()
            self.background.start(self.live)
            yield
        finally:
            await self.background.close()
            await self.reading.close()

    async def _look(self) -> list[Standing]:
        """Look at how the journals stand; and say loudly where all of it is an exercise."""

        def question(archive: Archive) -> tuple[list[Standing], bool]:
            views = [archive.history(each.node).view for each in archive.journals()]
            agreed = [view.arrangement for view in views if view.arrangement]
            return archive.standings(), bool(agreed) and all(each.exercise for each in agreed)

        self._standings, is_exercise = await self.reading.ask(question)
        if self._pages is not None:
            self._pages.banner = Banner("EJERCICIO", "EXERCISE") if is_exercise else None
        return self._standings

    def _wording(self, reader: Reader) -> Wording:
        return Wording(self.words, self._codes, reader.lang)

    def _values(self, lang: Lang) -> dict[str, Any]:
        """Return what an open page keeps up to date by itself."""
        wording, now = Wording(self.words, self._codes, lang), self._setup.clock()
        found: dict[str, Any] = {}
        for each in self._standings:
            for name, at in looking.times(each):
                found[f"{name}-{each.node}"] = wording.age(now - at)
        for node, checked in self.background.checked.items():
            found[f"checked-{node}"] = str(checked.done)
        return found

    # -- how the journals stand ------------------------------------------------------------

    async def _overview(self, request: web.Request, reader: Reader) -> web.Response:
        standings, wording = await self._look(), self._wording(reader)
        counted = await self.reading.ask(looking.by_day)
        background, now = self.background, self._setup.clock()
        late = now if background.is_following else None
        return frame.page(
            request,
            reader,
            "overview.html",
            here="section.overview",
            cards=[looking.card(each, background.checked[each.node]) for each in standings],
            alarms=alarms.of(standings, background.checked, background.trouble, late),
            following=background.is_following,
            now=now,
            wording=wording,
            days=plots.bars(
                self.words.text(reader.lang, "plot.day"),
                [wording.node(node) for node in counted.nodes],
                counted.days[-_MAX_DAYS:],
            ),
        )

    def _days(self, found: Found, reader: Reader) -> plots.Plot:
        days = list(found.facets["day"].items())[-_MAX_DAYS:]
        text = self.words.text
        return plots.bars(
            text(reader.lang, "plot.day"),
            (text(reader.lang, "plot.entries"),),
            [(day, (count,)) for day, count in days],
        )

    async def _checks(self, request: web.Request, reader: Reader) -> web.Response:
        node = looking.node(request, self.background)
        checked = self.background.checked[node]
        return frame.page(
            request,
            reader,
            "checks.html",
            here="section.overview",
            node=node,
            checked=checked,
            wording=self._wording(reader),
        )

    async def _verify(self, request: web.Request) -> web.Response:
        node, lang = looking.node(request, self.background), frame.reader_of(request).lang
        self.background.verify(node, self.live)
        return web.Response(status=303, headers={"Location": f"/{lang}/checks/{node}"})

    # -- search ----------------------------------------------------------------------------

    async def _search(self, request: web.Request, reader: Reader) -> web.Response:
        if "q" in request.query:
            pairs = parse(looking.moved(request)).pairs()
            where = f"/{reader.lang}/search?{urlencode(pairs)}"
            return web.Response(status=303, headers={"Location": where})
        query, wording = parse(request.query.items()), self._wording(reader)
        found = await self.reading.ask(lambda each: search(each.index, query))
        onward = [pair for pair in query.pairs() if pair[0] != "cursor"]
        return frame.page(
            request,
            reader,
            "search.html",
            here="section.search",
            query=query,
            pairs=[pair for pair in onward if pair[0] not in ("from", "to", "order", "limit")],
            canonical=urlencode(onward),
            onward=urlencode([*onward, ("cursor", found.next)]) if found.next else "",
            found=found,
            facets=wording.facets(found, query),
            days=self._days(found, reader),
            wording=wording,
        )

    async def _entries(self, request: web.Request, reader: Reader) -> web.Response:
        node, asked = looking.asked(request, self.background)
        shown = await self.reading.ask(lambda each: looking.some(each, node, asked))
        size, start, rows = shown
        return frame.page(
            request,
            reader,
            "entries.html",
            here="section.entries",
            node=node,
            nodes=list(self.background.checked),
            size=size,
            first=start,
            rows=rows,
            before=max(start - looking.PAGE, 0) if start else -1,
            after=start + len(rows) if start + len(rows) < size and rows else -1,
            wording=self._wording(reader),
        )

    # -- one bulletin, one entry, its proof --------------------------------------------------

    async def _story(self, request: web.Request, reader: Reader) -> web.Response:
        identity, wording = request.match_info["id"], self._wording(reader)
        story = await self.reading.ask(lambda each: tell(each.index, identity))
        if story is None:
            raise Refusal(Code.NOT_FOUND, "/id", id=identity[:48])
        own = [each.row for each in story.steps if each.row.id == identity]
        about = next((row for row in own if row.kind == "accepted"), None)
        nodes = sorted(self.background.checked)
        return frame.page(
            request,
            reader,
            "story.html",
            here="section.search",
            story=story,
            about=about,
            nodes=nodes,
            wording=wording,
        )

    async def _entry(self, request: web.Request, reader: Reader) -> web.Response:
        node, index = looking.place(request, self.background)
        shown = await self.reading.ask(lambda each: each.entry(node, index))
        return frame.page(
            request,
            reader,
            "entry.html",
            here="section.entries",
            shown=shown,
            row=shown.row,
            raw=looking.raw(shown.raw),
            wording=self._wording(reader),
        )

    async def _proof(self, request: web.Request, reader: Reader) -> web.Response:
        node, index = looking.place(request, self.background)
        proved = await self.reading.ask(lambda each: each.proof(node, index))
        standings = {each.node: each for each in await self._look()}
        vouched = standings[node].vouched
        return frame.page(
            request,
            reader,
            "proof.html",
            here="section.entries",
            node=node,
            index=index,
            proved=proved,
            vouched=vouched,
            wording=self._wording(reader),
        )

    async def _proof_file(self, request: web.Request, reader: Reader) -> web.Response:
        del reader
        node, index = looking.place(request, self.background)
        proved = await self.reading.ask(lambda each: each.proof(node, index))
        if proved is None:
            raise Refusal(Code.NOT_FOUND, "/index", found=index)
        return frame.file(proved.text, "text/plain", f"{node}-{index}.tlog-proof")

    async def _anomalies(self, request: web.Request, reader: Reader) -> web.Response:
        return frame.page(
            request,
            reader,
            "anomalies.html",
            here="section.anomalies",
            rules=list(anomalies.RULES),
            told=await self.reading.ask(lambda each: each.anomalies()),
            sentence=lambda each: anomalies.sentence(each, reader.lang),
        )

    # -- policy ----------------------------------------------------------------------------

    async def _policy(self, request: web.Request, reader: Reader) -> web.Response:
        def question(archive: Archive) -> list[looking.Change]:
            return looking.changes(archive, reader.lang)

        return frame.page(
            request,
            reader,
            "policy.html",
            here="section.policy",
            changes=await self.reading.ask(question),
            wording=self._wording(reader),
        )

    async def _took(self, request: web.Request, reader: Reader) -> web.Response:
        node, index = looking.place(request, self.background)
        found = await self.reading.ask(
            lambda each: looking.change(node, each.took(node, index), reader.lang)
        )
        return frame.page(
            request,
            reader,
            "change.html",
            here="section.policy",
            change=found,
            replayed=False,
            wording=self._wording(reader),
        )

    async def _replay(self, request: web.Request, reader: Reader) -> web.Response:
        node, index = looking.place(request, self.background)
        found = await self.reading.ask(
            lambda each: looking.change(node, each.took(node, index), reader.lang)
        )
        what = await self.reading.ask(lambda each: each.replay(node, index))
        return frame.page(
            request,
            reader,
            "change.html",
            here="section.policy",
            change=found,
            replayed=True,
            what=what,
            wording=self._wording(reader),
        )
