"""A small application in the frame: a page with all that pages share, and one that fails."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from aiohttp import web

from exchange import resources
from exchange.journal.proofs import inclusion_proof, root_at
from exchange.journal.tiles import MemoryHashes
from exchange.journal.tree import leaf_hash
from exchange.model import codes
from exchange.web import frame, plots
from exchange.web.assets import Assets
from exchange.web.door import Door
from exchange.web.frame import Frame
from exchange.web.ladder import climb
from exchange.web.live import Live
from exchange.web.pages import Banner, Pages, Reader, Section
from exchange.web.words import load

WEB = Path(frame.__file__).parent
HERE = Path(__file__).parent
CODES = codes.load(resources.read)
HIDDEN = "VESSEL \u202egnp.exe\u202c <b>&\"'"
SECTIONS = (Section("trial.first", "/", "f"), Section("trial.second", "/second", "s"))


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.ms = 1_000

    def __call__(self) -> int:
        return self.ms


def randomness() -> Any:
    counter = itertools.count(1)
    return lambda size: next(counter).to_bytes(size)


class Trial:
    """The application and what tests look at of it."""

    def __init__(self, **door: Any) -> None:
        self.clock = Clock()
        self.entered = 0
        self.told: dict[str, Any] = {"count": "1"}
        assets = Assets([WEB / "static"])
        pages = Pages(
            [HERE / "templates", WEB / "templates"],
            load([WEB / "locale", HERE / "locale"]),
            CODES,
            sections=SECTIONS,
            name="trial.name",
            assets=assets.path,
        )
        pages.banner = Banner("EJERCICIO", "EXERCISE")
        self.pages = pages
        self.live = Live(lambda lang: {**self.told, "lang": lang})
        self.door = Door(randomness(), self.clock, "es", **door)
        self.app = frame.application(Frame(self.door, pages, assets, self.live, self._entered))
        frame.show(self.app, "/", self._first)
        frame.show(self.app, "/second", self._first)
        frame.show(self.app, "/broken", self._broken)
        frame.show(self.app, "/broken.json", self._broken)

    def _entered(self) -> None:
        self.entered += 1

    async def _first(self, request: web.Request, reader: Reader) -> web.Response:
        return frame.page(request, reader, "trial.html", **values())

    async def _broken(self, request: web.Request, reader: Reader) -> web.Response:
        return frame.page(request, reader, "trial.html")


def values() -> dict[str, Any]:
    leaves = [leaf_hash(bytes([each])) for each in range(21)]
    hashes = MemoryHashes()
    hashes.extend(leaves)
    path = inclusion_proof(12, 21, hashes)
    points = [(f"2026-{month:02}", (month * 7 % 11, month * 5 % 9)) for month in range(1, 13)]
    spread = [(label, (low, low + 3, low + high + 4)) for label, (low, high) in points]
    return {
        "here": "trial.first",
        "hidden": HIDDEN,
        "count": "1",
        "drawn": {
            "bars": plots.bars("month", ("Panama", "USA"), points),
            "lines": plots.lines("month", ("Panama", "USA"), points),
            "ribbon": plots.ribbon("month", ("p10", "p50", "p90"), spread),
        },
        "ladder": climb(12, 21, leaves[12], path, root_at(21, hashes)),
    }
