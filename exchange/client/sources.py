"""What a STA is counted from: what came, what was posted from here, and what bears on that.

What another machine of this endpoint posted to a bulletin of ours, and what colleagues
corrected in it, comes to no inbox of ours. Our node knows (``elsewhere``), and is asked of each
report of the period. Of what it was not asked, or did not tell, that is said.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from exchange.client import amending, doubles, elsewhere, reports
from exchange.client.attaching import untold
from exchange.client.statistics import Unasked
from exchange.client.transport import is_away
from exchange.errors import ExchangeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.client.agency import Agency
    from exchange.client.reading import Delivered, Item
    from exchange.client.reports import Asked
    from exchange.model.codes import Codes

# Of so many reports it is asked: who computes waits for it. A year of an endpoint has fewer.
MOST: Final = 1000
# So many questions at once: a node that is far takes its time for each.
_AT_ONCE: Final = 8


class Mail(NamedTuple):
    """What is here.

    Attributes:
        came: all of the inbox.
        ours: returns what was posted from here, as of now.
        away: why the node cannot be asked just now; None where it can.
    """

    came: Sequence[Item]
    ours: Callable[[], Sequence[Delivered]]
    away: ExchangeError | None = None


class Sources(NamedTuple):
    """What is counted from, each bulletin once; and of which of ours nobody knows the rest."""

    items: list[Item]
    unasked: Unasked


async def gather(
    agency: Agency, mail: Mail, asked: Asked, tell: Callable[[int, int], None] = untold
) -> Sources:
    """Return what is here, once it is known what else bears on what is ours.

    Asked is of what tells a moment of the period, or one so near that it may be tied to it: of
    all envelopes, and of what is not counted. What is taken in by that is asked of in its turn.

    Args:
        agency: in a session, unless its node is away.
        mail: what is here.
        asked: the period and the status.
        tell: called with how many were asked of, and of how many.
    """
    asking, codes = _Asking(agency, mail.away, tell), agency.world.codes
    is_news = True
    while is_news:
        names = await asyncio.to_thread(_of_period, [*mail.ours()], asked, codes)
        is_news = await asking.ask(names)
    items = amending.merged(mail.ours(), mail.came, asking.colleagues)
    return Sources(items, Unasked(asking.unasked, asking.why))


def _of_period(ours: Sequence[Delivered], asked: Asked, codes: Codes) -> list[str]:
    found = reports.gather(ours, asked, codes)
    near = (e for e in found.reports if asked.is_near(e.at, doubles.NEAR_TIME))
    left = [each.item.header.id for each in found.left]
    return [*(name for each in near for name in each.ids), *left]


class _Asking:
    """Asks of each bulletin once, until the node is away or it is enough."""

    def __init__(
        self, agency: Agency, away: ExchangeError | None, tell: Callable[[int, int], None]
    ) -> None:
        self.colleagues: dict[str, Sequence[int]] = {}
        self.unasked: list[str] = []
        self.why = away
        self._agency = agency
        self._tell = tell
        self._begun: set[str] = set()

    async def ask(self, names: Sequence[str]) -> bool:
        """Tell whether something was taken in by that, which may be to be asked of too."""
        fresh = [name for name in dict.fromkeys(names) if name not in self._begun]
        begun, is_news = len(self._begun), False
        self._begun |= {*fresh}
        for at in range(0, len(fresh), _AT_ONCE):
            part = fresh[at : at + _AT_ONCE]
            told = await asyncio.gather(
                *(self._of(name, begun + at + n) for n, name in enumerate(part))
            )
            is_news |= any(told)
            self._tell(begun + at + len(part), begun + len(fresh))
        return is_news

    async def _of(self, name: str, place: int) -> bool:
        is_over = self.why is not None and is_away(self.why)
        if is_over or place >= MOST:
            self.unasked.append(name)
            return False
        try:
            learnt = await elsewhere.learn(self._agency, name)
        except ExchangeError as error:
            # What it told before may be here; that it is away is why all others are not asked.
            self.why = error if self.why is None or is_away(error) else self.why
            self.unasked.append(name)
            return True
        if not (learnt.is_whole and learnt.is_told):
            self.unasked.append(name)
        self.colleagues |= learnt.colleagues
        return bool(learnt.fresh)
