"""What every page of the desk is told while it is open: values, and never a text to be obeyed.

What wants looking at before all else stands at the top of every page: FLASH that waits, and an
alarm that what is here may not be all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from exchange.client.reading import Delivered
from exchange.desk import telling
from exchange.web.pages import moment

if TYPE_CHECKING:
    from exchange.desk.shelf import Row
    from exchange.desk.station import Station
    from exchange.model.codes import Lang
    from exchange.web.words import Words

# More than these at the top of a page hide the page.
_FLASH: Final = 3


def told(station: Station, words: Words, lang: Lang, *, is_locked: bool) -> dict[str, Any]:
    """Return what open pages are told: counts, and by name what waits and what came.

    Args:
        station: what is held.
        words: the pages' own.
        lang: the reader's language.
        is_locked: nobody is at the desk: how much waits is told, and nothing of what.
    """
    if station.closed is not None:
        return {"shut": "closed", "flash_waits": ""}
    counts = station.shelf.counts(station.now())
    waits = words.count(lang, "desk.flash-waits", counts["flash"]) if counts["flash"] else ""
    # Counted, so that no burst hides a FLASH among what there is no room to name.
    came = {
        "run": station.run,
        "came": station.came,
        "flash_came": station.flash_came,
        "flash_waits": waits,
    }
    if is_locked:
        stands = words.text(lang, "lock.alarm") if station.alarm is not None else ""
        return {"shut": "locked", "alarm_stands": stands, **came}
    return {
        "shut": "",
        **{name: str(count) for name, count in counts.items()},
        **came,
        "complete": complete(station, words, lang),
        "is_complete": is_complete(station),
        "alarm": telling.why(station.alarm, lang, station.codes),
        "troubles": troubles(station, lang),
        "flash": flash(station, lang),
        "arrived": arrived(station, lang),
    }


def complete(station: Station, words: Words, lang: Lang) -> str:
    """Return how much was proved to be here, and up to when."""
    proven = station.proven
    if proven is None or not is_complete(station):
        return words.text(lang, "desk.proving")
    return words.count(lang, "desk.complete", proven.count, time=moment(proven.signed))


def is_complete(station: Station) -> bool:
    """Tell whether what was proved last holds now.

    Where anything is in the way, it says nothing of what the node has by now.
    """
    is_hindered = station.alarm or station.trouble or station.unproven
    return station.proven is not None and is_hindered is None


def troubles(station: Station, lang: Lang) -> list[str]:
    """Return all that goes wrong just now, each in a line."""
    return [telling.why(each, lang, station.codes) for each in station.wrong]


def arrived(station: Station, lang: Lang) -> list[dict[str, Any]]:
    """Return what came last, each with the how manieth it was, as it is held now."""
    rows = [(each, station.shelf.row(each.entry)) for each in station.arrived]
    return [
        {**_said(station, row, lang), "number": each.number}
        for each, row in rows
        if row is not None
    ]


def flash(station: Station, lang: Lang) -> list[dict[str, Any]]:
    """Return FLASH that nobody saw to, what is due soonest first; a few."""
    return [_said(station, row, lang) for row in station.shelf.waiting("flash", _FLASH)]


def _said(station: Station, row: Row, lang: Lang) -> dict[str, Any]:
    item = row.item
    band = item.header.precedence if isinstance(item, Delivered) else ""
    return {
        "index": item.index,
        "title": telling.title(row, lang, station.codes)[0],
        "origin": row.origin,
        "band": station.codes.words("precedence", band, lang) if band else "",
        "href": f"/{lang}/entry/{item.index}",
    }
