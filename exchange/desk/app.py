"""The desk as an application: its pages, its words, and what they look at."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from exchange.desk import (
    agenda,
    bulletin,
    compose,
    files,
    inbox,
    mapping,
    news,
    notify,
    owing,
    releases,
    sending,
    sent,
    statistics,
    telling,
    watch,
)
from exchange.desk.lock import Lock, guard
from exchange.desk.overlays import Overlays
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
    from exchange.web.pages import Reader
    from exchange.web.words import Words

HERE: Final = Path(__file__).parent
_WEB: Final = Path(frame.__file__).parent
SECTIONS: Final = (
    Section("desk.inbox", "/", "i"),
    Section("desk.compose", "/compose", "c"),
    Section("desk.sent", "/sent", "s"),
    Section("map.title", "/map", "m"),
    Section("requests.title", "/requests", "q"),
    Section("releases.title", "/releases", "e"),
    Section("calendar.title", "/calendar", "a"),
    Section("initiatives.title", "/initiatives", "v"),
    Section("handover.title", "/handover", "h"),
)


def application(
    station: Station,
    door: Door,
    entered: Callable[[], None] = lambda: None,
    lock: Lock | None = None,
    overlays: Path | None = None,
) -> web.Application:
    """Return the desk of one station.

    Args:
        station: what is held, and kept up with the node.
        door: who may come in.
        entered: called when the link was used.
        lock: asks for a passphrase after a while; None: nothing does.
        overlays: folder of the officer's own layers for the map; None: there is none.
    """
    assets = Assets([_WEB / "static", HERE / "static"])
    words = load([_WEB / "locale", HERE / "locale"])
    pages = _pages(station, words, assets)

    def is_locked() -> bool:
        return lock is not None and lock.is_locked

    def is_shut(reader: Reader) -> bool:
        return reader.session is None or is_locked() or station.closed is not None

    def told(lang: Lang) -> dict[str, Any]:
        return news.told(station, words, lang, is_locked=is_locked())

    live = Live(told)

    def publish(is_news: bool) -> None:
        live.publish(is_news=is_news)

    station.on_news = publish
    app = frame.application(Frame(door, pages, assets, live, entered))
    pages.also = lambda reader: {
        "waiting": news.flash(station, reader.lang),
        "alarm": telling.why(station.alarm, reader.lang, station.codes),
        "troubles": news.troubles(station, reader.lang),
        # What went wrong is no reason to show less: an error is told on a page like the others.
        "error_frame": "frame.html" if is_shut(reader) else "desk.html",
        "quiet": notify.quiet(station),
        "may_lock": lock is not None,
    }
    guard(app, station, lock, partial(publish, False))
    _show(app, station, overlays)
    return app


def _pages(station: Station, words: Words, assets: Assets) -> Pages:
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
    return pages


def _show(app: web.Application, station: Station, overlays: Path | None) -> None:
    """Add each page, and what goes out from them."""
    inbox.show(app, station)
    bulletin.show(app, station)
    files.show(app, station)
    sent.show(app, station)
    notify.show(app, station)
    owing.show(app, station)
    agenda.show(app, station)
    watch.show(app, station)
    statistics.show(app, station)
    mapping.show(app, station, Overlays(overlays))
    sending.show(app, compose.show(app, station))
    holding = app[compose.HOLDING]
    holding.settled = station.settle
    station.retaining.destroyed = holding.forget
    releases.show(app, station)
