"""What became of a draft that went: whether its text may still be wanted here.

Told by what the endpoint keeps, so that it is known after a restart, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from exchange.client.agency import Agency
    from exchange.client.pending import Pending
    from exchange.client.separating import Standing
    from exchange.errors import ExchangeError

# waits  sealed and kept: it goes, or is refused, later
# sent   the node gave its receipt; of each envelope, where there are several
# back   nothing of it went, and nothing of it waits
# apart  some of its envelopes went, and all others are over: none waits or is asked for
State = Literal["waits", "sent", "back", "apart"]
OVER: Final = frozenset({"refused", "over"})
_ENDED: Final = OVER | {"sent"}


class Fate(NamedTuple):
    """How it stands; ``why`` it came back, where that is known."""

    state: State
    why: ExchangeError | None = None


def fate(agency: Agency, mark: str, identity: str) -> Fate:
    """Return what became of what was posted.

    Args:
        agency: whose.
        mark: the one under which it was posted.
        identity: of its bulletin, where it is one alone.

    Raises:
        Fault: ``mail-damaged`` or ``mail-failed``.
    """
    if (act := agency.separating.under(mark)) is not None:
        return _of_several(agency.separating.standing(act))
    box = agency.world.outbox
    if box.receipt(identity) is not None:
        return Fate("sent")
    waiting = agency.asking.waiting.all()
    pending = next((each for each in waiting if each.id == identity), None)
    named = {identity, pending.draft} if pending is not None else {identity}
    for each in box.refused():
        if each.id in named:
            return Fate("back", each.why.error())
    if pending is not None and pending.ended is None:
        return _of_asked(agency, pending)
    if box.waits(identity) is not None:
        return Fate("waits")
    ended = None if pending is None else pending.ended
    over = None if ended is None else Refusal(Code.DRAFT_OVER, name=ended)
    return Fate("back", over)


def _of_asked(agency: Agency, pending: Pending) -> Fate:
    """Return what became of what nobody released yet: it is waited for until it expires."""
    is_over = agency.asking.is_over(pending, agency.world.now())
    return Fate("back", Refusal(Code.EXPIRED)) if is_over else Fate("waits")


def _of_several(standing: list[Standing]) -> Fate:
    states = {each.state for each in standing}
    if not states <= _ENDED:
        # Whoever has nothing of it once all have ended is known only then: were its text let go
        # of with the rest for some, it would be lost for who comes to nothing later.
        return Fate("waits")
    if over := states & OVER:
        return Fate("back" if over == states else "apart")
    return Fate("sent")
