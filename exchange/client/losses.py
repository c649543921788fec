"""What went wrong with the mail that is kept: listed for a month, so that nobody overlooks it.

A damaged row is told of by what it was; by its id, where something else here still says it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from exchange.client.cabinet import Cabinet

DRAWER: Final = "loss"
_KEPT_S: Final = 30 * 86_400

# again    damaged, dropped: the node is asked for it again
# gone     damaged and past its time: destroyed as it was to be
# mended   damaged, put aside, and made anew of what else is here
# aside    damaged, put aside as it is: nothing here says what it was
# expired  it had no receipt when its time to retain was over: its text is destroyed
# declared  entries of the node's journal: both nations declared them lost
# anew     its entry was among them: it waits to be posted anew
# textless  likewise, and its text was destroyed since: it cannot be
How = Literal["again", "gone", "mended", "aside", "expired", "declared", "anew", "textless"]


class Loss(msgspec.Struct, frozen=True):
    """What happened to a row of a drawer; ``tries``: how often one that expired was sent.

    ``until`` is when it expired, in seconds UTC; ``id`` is of a bulletin or acknowledgement.
    """

    drawer: str
    how: How
    id: str | None = None
    until: int | None = None
    tries: int = 0


def keeping(loss: Loss, randomness: Callable[[int], bytes]) -> tuple[str, bytes]:
    """Return under which name a loss is listed, and as what."""
    return randomness(16).hex(), msgspec.json.encode(loss)


def listed(cabinet: Cabinet) -> list[Loss]:
    """Return what was lost in the last month, oldest first; damaged ones tell nothing."""
    return [msgspec.json.decode(each, type=Loss) for each in cabinet.sound(DRAWER)[0]]


def age(cabinet: Cabinet, now: int) -> None:
    """Forget what was listed for a month; what is new is dated (the cabinet has no clock)."""
    cabinet.take_overdue(DRAWER, now)
    cabinet.put_aside(DRAWER, cabinet.sound(DRAWER)[1])
    cabinet.date(DRAWER, now + _KEPT_S)


def take_overdue(
    cabinet: Cabinet, drawer: str, now: int, ids: Callable[[], Iterable[str]]
) -> tuple[list[bytes], list[str]]:
    """Delete the rows whose time is over by ``now``; those that are damaged are told of.

    Args:
        cabinet: that they are in.
        drawer: that they are in.
        now: seconds UTC.
        ids: returns what a damaged one may be named; asked where there are any.

    Returns:
        What they held; and the names that are known of those that were damaged.
    """
    values, damaged = cabinet.take_overdue(drawer, now)
    return values, _tell(cabinet, drawer, "gone", _names(cabinet, drawer, damaged, ids))


def put_aside(
    cabinet: Cabinet, drawer: str, ids: Callable[[], Iterable[str]]
) -> tuple[list[bytes], list[str]]:
    """Return as ``take_overdue``, of all rows of a drawer; damaged ones are put aside.

    Those whose name is known are told of as mended: the caller makes them anew.
    """
    values, damaged = cabinet.sound(drawer)
    if not damaged:
        return values, []
    names = _names(cabinet, drawer, damaged, ids)
    with cabinet.change():
        cabinet.put_aside(drawer, damaged)
        _tell(cabinet, drawer, "aside", [each for each in names if each is None])
        return values, _tell(cabinet, drawer, "mended", [each for each in names if each])


def _names(
    cabinet: Cabinet, drawer: str, damaged: Sequence[bytes], ids: Callable[[], Iterable[str]]
) -> list[str | None]:
    known = {cabinet.seal.name(drawer, each): each for each in ids()} if damaged else {}
    return [known.get(named) for named in damaged]


def _tell(cabinet: Cabinet, drawer: str, how: How, names: Sequence[str | None]) -> list[str]:
    for name in names:
        cabinet.lose(Loss(drawer, how, name))
    return [name for name in names if name is not None]
