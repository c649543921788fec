"""Of an act some envelopes of which came to nothing: who has nothing of it, and the text anew.

The text is a draft again, for those alone; whoever writes may have it go to all again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from exchange.client import separating
from exchange.desk import envelopes, fates
from exchange.desk.envelopes import Envelope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchange.client.agency import Agency
    from exchange.client.compose import Prepared
    from exchange.client.separating import Standing
    from exchange.desk.kept_drafts import Kept
    from exchange.desk.station import Station
    from exchange.model.codes import Lang

    Written = Mapping[str, Sequence[str]]

# Where a draft says that it is for those alone; beside the fields of the schema.
AT: Final = "/post/only"
_ALONE: Final = "rest"


class Rest(msgspec.Struct, frozen=True):
    """How an act stands: each envelope, and who has nothing of it, by name."""

    envelopes: list[Envelope]
    lacking: list[str]


def is_asked(written: Written) -> bool:
    """Tell whether a draft is for those alone who have nothing of its act."""
    return _ALONE in written.get(AT, ())


def asking(written: Written) -> dict[str, list[str]]:
    """Return what is written in a draft, now for those alone."""
    return {**{at: list(texts) for at, texts in written.items()}, AT: [_ALONE]}


def told(station: Station, kept: Kept | None, lang: Lang) -> Rest | None:
    """Return how the act stands of which a draft is the rest; None: of none."""
    standing = _standing(station.agency, kept)
    if not standing:
        return None
    every = [envelopes.tell(each, lang, station.codes) for each in standing]
    return Rest(every, sorted(_lacking(standing)))


def only(agency: Agency, kept: Kept, written: Written) -> frozenset[str] | None:
    """Return whom alone a draft is for; None: all whom its posting reaches."""
    return _lacking(_standing(agency, kept)) if is_asked(written) else None


def narrowed(agency: Agency, whole: Prepared, names: frozenset[str] | None) -> Prepared:
    """Return what was prepared for those alone who are named.

    Raises:
        Refusal: see ``separating.alone``.
    """
    if names is None:
        return whole
    return separating.alone(whole, names, agency.trust.newest, agency.world.now(), AT)


def _standing(agency: Agency, kept: Kept | None) -> list[Standing]:
    """Return how the newest act stands that a draft went as, and somebody got some of."""
    went = set(kept.went_as) if kept is not None else set()
    for act in reversed(agency.separating.acts()) if went else ():
        if went & {part.id for part in act.parts}:
            standing = agency.separating.standing(act)
            if any(each.state not in fates.OVER for each in standing):
                return standing
    return []


def _lacking(standing: Sequence[Standing]) -> frozenset[str]:
    return frozenset(name for each in standing if each.state in fates.OVER for name in each.to)
