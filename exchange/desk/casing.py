"""Boarding cases at the desk: how each stands, who owes what, and the clock that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exchange.client import cases
from exchange.client.reading import Delivered
from exchange.model.bulletin import Bulletin

if TYPE_CHECKING:
    from exchange.client.cases import BoardingCase, Duty
    from exchange.desk.station import Station
    from exchange.model.header import Header

_TYPES: Final = frozenset({"brq", "brp", "brr"})


def every(station: Station) -> list[BoardingCase]:
    """Return the boarding cases that are known here."""
    items, posted = station.shelf.items(), station.ours.posted()
    headers = [each.header for each in items if isinstance(each, Delivered)]
    headers += [each.header for each in posted]
    if not any(header.type in _TYPES for header in headers):
        return []
    texts = {each.header.id: each.bulletin for each in station.ours.items()}

    def text_of(header: Header) -> Bulletin | None:
        found = texts.get(header.id)
        return found if isinstance(found, Bulletin) else None

    held = cases.Held(posted, items, station.agency.trust, station.now(), text_of)
    return cases.cases(held)


def of(station: Station, item: Delivered) -> BoardingCase | None:
    """Return the case that a bulletin belongs to, if it is a boarding bulletin."""
    if item.header.type not in _TYPES:
        return None
    return cases.named(every(station), item.header.id)


def duties(station: Station) -> list[Duty]:
    """Return what waits for an answer by this endpoint, or is overdue to it; soonest first."""
    return cases.duties(every(station), station.agency.profile.endpoint, station.now())
