"""What a replay holds between two entries, so that it can be held elsewhere, and resumed."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exchange.broker.due import Due


class Place(NamedTuple):
    """All that an entry's object is judged by: itself, and what was in force here and there.

    ``at`` and ``leaf`` are the entry's index and leaf hash; ``trust`` is the chain over all
    trust entries before it, of this journal and of others that came here (``linked``). Which of
    them there are would not do: two readings of a file may find others in their places.
    """

    at: int
    leaf: bytes
    trust: bytes


def linked(trust: bytes, index: int, leaf: bytes) -> bytes:
    """Return the chain over trust entries with one more: its index, and its leaf hash.

    An entry names its document by digest, which whoever folds it holds the bytes to.
    """
    return sha256(trust + index.to_bytes(8) + leaf).digest()


class Carried(msgspec.Struct, frozen=True):
    """What a replay carries over a checkpoint; what is in force is folded from trust entries.

    Args:
        size: entries judged, the checkpoint's own the last.
        node: whose journal it is.
        taken_ms: of the last entry.
        positions: how many entries each inbox holds.
        heads: as a store keeps them.
        inboxes: count and chain of each inbox.
        seed: newest entry that no endpoint is shown, and its salt.
        doomed: what each order that is not done yet is of.
    """

    size: int
    node: str
    taken_ms: int
    positions: dict[str, int]
    heads: bytes
    inboxes: dict[str, tuple[int, bytes]]
    seed: tuple[int, bytes] | None
    doomed: dict[int, list[str]]


class Keys(Protocol):
    """Which entry each key leads to: a ``dict``, or what is as exact and takes no memory."""

    def get(self, key: bytes, /) -> int | None:
        """Return the entry that a key leads to."""

    def __setitem__(self, key: bytes, index: int, /) -> None:
        """Have a key lead to an entry."""


class Dues(Protocol):
    """What comes due, by entry and purpose: likewise."""

    def get(self, key: tuple[int, int], /) -> Due | None:
        """Return a row."""

    def pop(self, key: tuple[int, int], default: None, /) -> Due | None:
        """Take a row out."""

    def __setitem__(self, key: tuple[int, int], row: Due, /) -> None:
        """Put a row in."""

    def values(self) -> Iterable[Due]:
        """Return every row."""
