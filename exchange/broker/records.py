"""What settling makes of an arrival: an entry with all that is kept beside it, or why not."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from exchange.broker.chasing import Chased
from exchange.broker.due import Due
from exchange.broker.pressing import Pressing
from exchange.errors import Refusal
from exchange.model import entry as entries
from exchange.model.entry import Facts
from exchange.model.header import Blob

# With as many endpoints owed, each of the longest name, an entry still fits under a leaf's
# 64 KiB: protects the writer from a chain of corrections to ever new recipients.
MAX_OWED = 256


class Found(msgspec.Struct, frozen=True):
    """An entry that a key leads to."""

    index: int
    entry: bytes


class Record(NamedTuple):
    """One entry to append, and all that the store keeps beside it in the same commit.

    ``pressing`` is how it presses, if it does; ``seen_to`` are (endpoint, index) of earlier
    ones that do so no more. ``chased`` is of whom an acknowledgement is chased; ``over`` are
    entries of which nobody is chased any more. ``due`` are rows of what comes due, ``undue``
    the keys of those that do no more; ``gone`` are digests of which the entry is the end, but
    for other bulletins that name them too.
    """

    facts: Facts
    entry: bytes
    keys: tuple[bytes, ...] = ()
    owed: tuple[entries.Owed, ...] = ()
    blob: tuple[Blob, bytes] | None = None
    pressing: Pressing | None = None
    seen_to: tuple[tuple[str, int], ...] = ()
    chased: Chased | None = None
    over: tuple[int, ...] = ()
    # What the inboxes held as of the newest checkpoint: ``journal.heads.Snapshot``, encoded.
    heads: bytes = b""
    due: tuple[Due, ...] = ()
    undue: tuple[tuple[int, int], ...] = ()
    gone: tuple[str, ...] = ()


class Recorded(msgspec.Struct, frozen=True):
    """This decision became, or long since was, the entry at ``index``."""

    index: int
    is_new: bool


class Rejected(msgspec.Struct, frozen=True):
    """This decision was a refusal, recorded at ``index``."""

    refusal: Refusal
    index: int


Settled = Recorded | Rejected


class NotLookedUp(Exception):  # noqa: N818  (it is to be looked up: nothing is wrong)
    """Whether anything is under ``key`` is not known yet: never to be taken for a no."""

    def __init__(self, key: bytes) -> None:
        """Look up this key, and settle it anew."""
        super().__init__()
        self.key = key
