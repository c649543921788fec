"""The desk as an application: its pages, its words, and what they look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from exchange.desk import bulletin, inbox
from exchange.web import frame
from exchange.web.assets import Assets
from exchange.web.frame import Frame
from exchange.web.live import Live
from exchange.web.pages import Banner, Pages, Section
from exchange.web.words import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from exchange.desk.station import Station
    from exchange.model.codes import Lang
    from exchange.web.door import Door

HERE: Final = Path(__file__).parent
_WEB: Final = Path(frame.__file__).parent
SECTIONS: Final = (Section("desk.inbox", "/", "i"),)


def application(
    station: Station, door: Door, entered: Callable[[], None] = lambda: None
) -> web.Application:
    """Return the desk of one station.

    Args:
        station: what is held, and kept up with the node.
        door: who may come in.
        entered: called when the link was used.
    """
    assets = Assets([_WEB / "static", HERE / "static"])
    words = load([_WEB / "locale", HERE / "locale"])
    pages = Pages(
        [HERE / "templates", _WEB / "templates"],
        words,
        station.codes,
        sections=SECTIONS,
        name="desk.name",
        assets=assets.path,
    )
    if station.is_exercise():
        pages.banner = Banner("EJERCICIO", "EXERCISE")

    def told(lang: Lang) -> dict[str, Any]:
        counts = station.told()
        flash = words.count(lang, "desk.flash-waits", int(counts["flash"]))
        return {**counts, "flash_waits": flash if counts["flash"] != "0" else ""}

    live = Live(told)
    station.on_news = live.publish
    app = frame.application(Frame(door, pages, assets, live, entered))
    inbox.show(app, station)
    bulletin.show(app, station)
    return app
