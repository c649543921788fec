"""How each of several envelopes stands that were sent as one act, in the reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.desk import fates, telling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.client.separating import Standing
    from exchange.desk.station import Station
    from exchange.model.codes import Codes, Lang


class Envelope(msgspec.Struct, frozen=True):
    """One of several envelopes: ``index`` is -1 without a receipt, ``why`` what keeps it."""

    id: str
    to: list[str]
    state: str
    index: int
    node: str
    why: str


def tell(each: Standing, lang: Lang, codes: Codes) -> Envelope:
    """Return how one envelope stands, in words."""
    why = telling.why(each.why.error() if each.why else None, lang, codes)
    index = -1 if each.index is None else each.index
    return Envelope(each.id, each.to, each.state, index, each.node, why)


def may_wait(act: Sequence[Envelope]) -> bool:
    """Tell whether some of an act came to nothing, and others may yet."""
    states = {each.state for each in act}
    return bool(states & fates.OVER) and bool(states & {"asked", "waits"})


def acts(station: Station, lang: Lang) -> list[list[Envelope]]:
    """Return every act that was sent in several envelopes, the newest first."""
    separating = station.agency.separating
    return [
        [tell(each, lang, station.codes) for each in separating.standing(act)]
        for act in reversed(separating.acts())
    ]
