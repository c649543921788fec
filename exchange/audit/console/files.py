"""Each view of the console as JSON and as CSV: the same values that its page shows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlencode

from aiohttp import web

from exchange.audit import anomalies, sheet
from exchange.audit.console import looking
from exchange.audit.query import parse
from exchange.audit.search import matching, search
from exchange.audit.story import tell
from exchange.errors import Code, Refusal
from exchange.render.times import zulu_ms
from exchange.web import frame
from exchange.web.pages import Reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.audit.console.archive import Reading
    from exchange.audit.console.background import Background

# Rows that are put into a spreadsheet at a time, so that other pages are answered in between.
_PORTION: Final = 1000
_CHANGE: Final = ("taken", "node", "entry", "name", "version", "holds", "signers", "lines")
_EFFECT: Final = ("effect", "before", "after", "lost", "gained")


class Told(NamedTuple):
    """A view: its values, and the same as rows under names."""

    values: Any
    names: Sequence[str]
    rows: Sequence[Sequence[object]]


View = Callable[[web.Request, Reader], Awaitable[Told]]


class Files:
    """Answers with the views of one archive, to be saved or read by a program."""

    def __init__(
        self, reading: Reading, background: Background, clock: Callable[[], int]
    ) -> None:
        """Tell what ``reading`` has, and ``background`` says of it."""
        self._reading = reading
        self._background = background
        self._clock = clock

    def add(self, app: web.Application) -> None:
        """Serve both forms of each view."""
        for path, name, view in (
            ("/overview", "overview", self._overview),
            ("/checks/{node}", "checks", self._checks),
            ("/bulletin/{id}", "bulletin", self._story),
            ("/entries", "entries", self._entries),
            ("/entry/{node}/{index}", "entry", self._entry),
            ("/proof/{node}/{index}", "proof", self._proof),
            ("/anomalies", "anomalies", self._anomalies),
            ("/policy", "policy", self._policy),
            ("/policy/{node}/{index}", "change", self._took),
            ("/policy/{node}/{index}/replay", "replay", self._replay),
        ):
            frame.show(app, f"{path}.json", partial(_as_json, view))
            frame.show(app, f"{path}.csv", partial(_as_csv, view, name))
        frame.show(app, "/search.json", self._search)
        frame.show(app, "/search.csv", self._every_row)

    async def _overview(self, request: web.Request, reader: Reader) -> Told:
        del request, reader
        standings = await self._reading.ask(lambda each: each.standings())
        checked = self._background.checked
        values = {
            "as_of": self._clock(),
            "following": self._background.is_following,
            "journals": [looking.standing(each, checked[each.node]) for each in standings],
        }
        rows = [looking.standing_row(each, checked[each.node]) for each in standings]
        return Told(values, looking.STANDING, rows)

    async def _checks(self, request: web.Request, reader: Reader) -> Told:
        del reader
        report = self._background.checked[looking.node(request, self._background)].report
        if report is None:
            raise Refusal(Code.NOT_FOUND)
        of = (report.node, report.size, report.root, report.anchored, report.anchor)
        names = ("number", "name", "ok", "held", "first", "code", "at")
        rows = [[*of, *(getattr(each, name) for name in names)] for each in report.checks]
        return Told(report, ("node", "size", "root", "anchored", "anchor", *names), rows)

    async def _story(self, request: web.Request, reader: Reader) -> Told:
        del reader
        identity = request.match_info["id"]
        story = await self._reading.ask(lambda each: tell(each.index, identity))
        if story is None:
            raise Refusal(Code.NOT_FOUND, "/id", id=identity[:48])
        rows = [(each.step, *sheet.cells(each.row)) for each in story.steps]
        return Told(story, ("step", *sheet.NAMES), rows)

    async def _entries(self, request: web.Request, reader: Reader) -> Told:
        del reader
        node, first = looking.asked(request, self._background)
        shown = await self._reading.ask(lambda each: looking.some(each, node, first))
        rows = [looking.plain(row) for row in shown.rows]
        values = {"node": node, "size": shown.size, "first": shown.first, "rows": rows}
        return Told(values, sheet.NAMES, [sheet.cells(row) for row in shown.rows])

    async def _entry(self, request: web.Request, reader: Reader) -> Told:
        del reader
        node, index = looking.place(request, self._background)
        shown = await self._reading.ask(lambda each: each.entry(node, index))
        raw = shown.raw.decode("utf-8", "replace")
        values = {"row": looking.plain(shown.row), "leaf": shown.leaf, "entry": raw}
        names = (*sheet.NAMES, "leaf", "entry")
        return Told(values, names, [[*sheet.cells(shown.row), shown.leaf, raw]])

    async def _proof(self, request: web.Request, reader: Reader) -> Told:
        del reader
        node, index = looking.place(request, self._background)
        proved = await self._reading.ask(lambda each: each.proof(node, index))
        if proved is None:
            raise Refusal(Code.NOT_FOUND, "/index", found=index)
        values = looking.proof(proved)
        names, head = ("step", "side", "with", "gives"), values["checkpoint"]
        of = (node, index, values["leaf"], values["holds"], head["size"], head["root"])
        rows = [[*of, *(each[name] for name in names)] for each in values["steps"]]
        return Told(values, ("node", "entry", "leaf", "holds", "size", "root", *names), rows)

    async def _anomalies(self, request: web.Request, reader: Reader) -> Told:
        del request
        told = await self._reading.ask(lambda each: each.anomalies())
        rows = [
            (
                zulu_ms(each.at_ms),
                rule.rule,
                each.journal,
                each.entries,
                anomalies.sentence(each, reader.lang),
                urlencode(each.query),
            )
            for rule in told
            for each in rule.found
        ]
        return Told(told, ("at", "rule", "journal", "entries", "sentence", "query"), rows)

    async def _policy(self, request: web.Request, reader: Reader) -> Told:
        del request
        found = await self._reading.ask(lambda each: looking.changes(each, reader.lang))
        return Told([each._asdict() for each in found], _CHANGE, [*map(_change, found)])

    async def _took(self, request: web.Request, reader: Reader) -> Told:
        found = await self._changed(request, reader)
        return Told(found._asdict(), _CHANGE, [_change(found)])

    async def _replay(self, request: web.Request, reader: Reader) -> Told:
        found = await self._changed(request, reader)
        what = await self._reading.ask(lambda each: each.replay(found.node, found.entry))
        effects = [
            {
                "row": looking.plain(each.row),
                "effect": each.what,
                "before": each.before._asdict(),
                "after": each.after._asdict(),
                "lost": each.lost,
                "gained": each.gained,
            }
            for each in what.effects
        ]
        values = {
            "change": found._asdict(),
            "judged": what.judged,
            "left": what.left,
            "refused": what.refused,
            "effects": effects,
        }
        rows = [
            (
                *(each.what, each.before.code, each.after.code, each.lost, each.gained),
                *sheet.cells(each.row),
            )
            for each in what.effects
        ]
        return Told(values, (*_EFFECT, *sheet.NAMES), rows)

    async def _changed(self, request: web.Request, reader: Reader) -> looking.Change:
        node, index = looking.place(request, self._background)
        return await self._reading.ask(
            lambda each: looking.change(node, each.took(node, index), reader.lang)
        )

    # -- search: as many rows as there are ---------------------------------------------------

    async def _search(self, request: web.Request, reader: Reader) -> web.Response:
        del reader
        query = parse(request.query.items())
        found = await self._reading.ask(lambda each: search(each.index, query))
        return looking.json({"query": urlencode(query.pairs()), **looking.plain(found)})

    async def _every_row(self, request: web.Request, reader: Reader) -> web.StreamResponse:
        del reader
        query = parse(request.query.items())
        answer = web.StreamResponse()
        answer.content_type, answer.charset = "text/csv", "utf-8"
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["Content-Disposition"] = 'attachment; filename="entries.csv"'
        rows = await self._reading.ask(lambda each: matching(each.index, query))
        await answer.prepare(request)
        await answer.write((",".join(sheet.NAMES) + "\r\n").encode())
        while portion := await self._reading.ask(lambda _: looking.portion(rows, _PORTION)):
            await answer.write(sheet.lines(portion).encode())
        await answer.write_eof()
        return answer


async def _as_json(view: View, request: web.Request, reader: Reader) -> web.Response:
    return looking.json((await view(request, reader)).values)


async def _as_csv(view: View, name: str, request: web.Request, reader: Reader) -> web.Response:
    told = await view(request, reader)
    text = sheet.written([told.names, *told.rows])
    return frame.file(text.encode(), "text/csv", f"{name}.csv")


def _change(each: looking.Change) -> list[object]:
    values = {**each._asdict(), "taken": zulu_ms(each.taken_ms), "lines": "; ".join(each.lines)}
    return [values[name] for name in _CHANGE]
