"""The time in which a boarding request is to be answered, as nodes tell it in their notices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from exchange.errors import Code, Refusal
from exchange.model.identity import Count, Seconds, Word
from exchange.model.trust import Silence

if TYPE_CHECKING:
    from exchange.model.objects import Notice

# What a notice is about that tells of such a time.
TIMED: Final = ("deemed", "clock", "reminder", "overdue")


class Ticking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The time in which a boarding request is to be answered, by the clock of one node.

    ``node`` is that of the nation asked, which took the request in as its entry ``index``, at
    ``taken``; a reply is in time until ``due``, inclusive. ``note`` is the checkpoint of it,
    in base64url, dated ``dated``, by which silence is proved; empty, and 0, before that.
    """

    regime: Word
    silence: Silence
    node: Word
    index: Count
    taken: Seconds
    due: Seconds
    note: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]*$")]
    dated: Seconds


def members(notice: Notice) -> int:
    """Return how many members a notice has, at every depth together.

    Raises:
        Refusal: ``wrong-value``: it tells of a time and is of none, or the other way.
    """
    if (notice.clock is not msgspec.UNSET) != (notice.about in TIMED):
        raise Refusal(Code.WRONG_VALUE, "/clock", found=notice.about)
    return 9 + 3 + (0 if notice.clock is msgspec.UNSET else 1 + 8)


def told_in(notice: Notice) -> Ticking:
    """Return of which time a notice tells.

    Raises:
        Refusal: ``wrong-value``: of none.
    """
    if notice.clock is msgspec.UNSET:
        raise Refusal(Code.WRONG_VALUE, "/clock", found=notice.about)
    return notice.clock
