"""What a STA is counted from: what came, what was posted from here, and what bears on that.

What another machine of this endpoint posted to a bulletin of ours, and what colleagues
corrected in it, comes to no inbox of ours. Our node knows (``elsewhere``), and is asked of each
report of ours on which the account rests. Of what it was not asked, or did not tell, that is
said.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from exchange.client import amending, bearing, elsewhere, reports, statistics
from exchange.client.attaching import untold
from exchange.client.statistics import Unasked
from exchange.client.transport import is_away
from exchange.errors import ExchangeError, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exchange.client.agency import Agency
    from exchange.client.reading import Delivered, Item
    from exchange.client.reports import Asked
    from exchange.client.statistics import Account

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


async def account(
    agency: Agency,
    mail: Mail,
    asked: Asked,
    same: Sequence[tuple[str, str]] = (),
    tell: Callable[[int, int], None] = untold,
) -> Account:
    """Return the account of a period, once it is known what else bears on what is ours.

    It is computed, and asked of all that it rests on, however far from the period; and again
    where that told something, since it may rest on others then. Nothing is asked of twice.

    Args:
        agency: in a session, unless its node is away.
        mail: what is here.
        asked: the period and the status.
        same: ids of reports that an officer takes for one event.
        tell: called with how many were asked of, and of how many.

    Raises:
        Refusal: as ``statistics.compute``.
    """
    asking = _Asking(agency, mail.away, tell)
    while True:
        ours, acts = [*mail.ours()], agency.separating.together()
        own = {each.header.id for each in ours}
        agency.colleagues.keep(asking.colleagues, own)
        # Of what was not asked of, what was told before is all that is known.
        items = amending.merged(ours, mail.came, agency.colleagues.known())
        given = items, asked, agency.world.codes, same, acts
        made = await asyncio.to_thread(_computed, *given)
        named = [name for pair in same for name in pair]
        rests_on = named if isinstance(made, Refusal) else made.rests_on
        names = [*(name for name in rests_on if name in own), *_near(ours, asked)]
        is_news = await asking.ask(names)
        # What waited here and was found to be taken in by now is no news, and counts.
        if is_news or [*mail.ours()] != ours:
            continue
        if isinstance(made, Refusal):
            raise made
        return msgspec.structs.replace(made, unasked=Unasked(asking.unasked, asking.why))


def _computed(*given: Any) -> Account | Refusal:
    """Compute; what an officer takes for one event may only come to be here by asking."""
    try:
        return statistics.compute(*given)
    except Refusal as refusal:
        return refusal


def _near(ours: Sequence[Delivered], asked: Asked) -> Iterator[str]:
    """Yield ids of own reports that say that they are of the period, or of a day close to it.

    By their own text: what moved it away here may have been cancelled elsewhere; so may what
    superseded it.
    """
    done, by_index = bearing.marks(ours), {each.index: each for each in ours}
    near = [each for each in ours if reports.may_be_near(each, asked)]
    # It grows as it is gone through; digests cannot run in a circle.
    for each in near:
        told = [mark for mark in done.get(each.index, ()) if mark.is_here]
        newer = [by_index[mark.index] for mark in told if mark.relation == "supersedes"]
        near += newer
        if not newer and all(mark.relation != "cancels" for mark in told):
            yield each.header.id


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
        """Tell whether something was told by that, by which it may come out otherwise."""
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
        known = self._agency.colleagues.known()
        return bool(learnt.fresh) or any(
            [*entries] != known.get(each, []) for each, entries in learnt.colleagues.items()
        )
