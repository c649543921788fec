"""Two nodes' journals held to each other: what crossed is in both, byte for byte.

Each is verified by itself first. Here an entry that one says came from the other is looked up
there: the same leaf; of trust and of what was refused, whose objects are not kept twice, the
same line of facts. What one owes the other's endpoints and is not there is counted apart, and
so is what never crosses: of that the other journal says nothing, it is *blinded* to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from exchange.broker import peering
from exchange.errors import Code, Refusal
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exchange.audit.verify import Stored

_PAGE: Final = 256


class Source(Protocol):
    """A journal to read. Raises ``Fault`` if it cannot be read."""

    def read(self, first: int, limit: int) -> Sequence[Stored]:
        """Return at most ``limit`` entries from index ``first`` on, in order."""


class Crossed(msgspec.Struct, frozen=True):
    """What of one journal is in the other.

    Attributes:
        ok: whatever the other says came from here is here, the same.
        home, there: the nodes: whose journal it is, and in whose it was looked for.
        held: entries of the other that are here, the same.
        waiting: entries that are owed there, and are not there yet.
        blinded: entries that are of no concern there, and never cross.
        first: the first entry *there* that does not hold, with why.
    """

    ok: bool
    home: str
    there: str
    held: int
    waiting: int
    blinded: int
    first: int | None = None
    code: str | None = None
    at: str = ""


def compare(home: Source, there: Source) -> Crossed:
    """Hold what one journal says came from another to that one.

    Args:
        home: whose entries crossed.
        there: the journal that took them in.

    Raises:
        Refusal: an entry cannot be read, or one of them does not say whose it is.
    """
    name, other = _node_of(home), _node_of(there)
    came: set[int] = set()
    failed: tuple[int, Refusal] | None = None
    for stored in _all(there):
        facts = entries.decode(stored.entry).facts
        came_from = entries.home_of(facts)
        if came_from is None or came_from.node != name:
            continue
        try:
            _must_be_here(home, came_from.index, stored.entry)
        except Refusal as refusal:
            failed = failed or (stored.index, refusal)
        else:
            came.add(came_from.index)
    waiting, blinded = _left(home, other, came)
    first, error = failed or (None, None)
    return Crossed(
        ok=failed is None,
        home=name,
        there=other,
        held=len(came),
        waiting=waiting,
        blinded=blinded,
        first=first,
        code=error.code.value if error else None,
        at=error.at if error else "",
    )


def _must_be_here(home: Source, index: int, taken: bytes) -> None:
    """Hold what was taken in to the entry that it came from.

    Raises:
        Refusal: ``bad-proof``: there is no such entry, or it says otherwise.
    """
    found = home.read(index, 1)
    if not found:
        raise Refusal(Code.BAD_PROOF, "/homes/index", found=index)
    here, entry = found[0].entry, entries.decode(taken)
    if isinstance(entry.facts, entries.Refused | entries.TrustReceived):
        # Its object is the document, or was refused: the facts alone are kept.
        is_same = entry.at_home.partition(b"\n")[0] == here.partition(b"\n")[0]
    else:
        came = entries.came_in(taken)
        is_same = came is not None and leaf_hash(came[1]) == leaf_hash(here)
    if not is_same:
        raise Refusal(Code.BAD_PROOF, "/home", found=index)


def _left(home: Source, other: str, came: set[int]) -> tuple[int, int]:
    """Return how many entries are still owed there, and how many never cross."""
    waiting = blinded = 0
    for stored in _all(home):
        if stored.index in came:
            continue
        if peering.is_for(entries.decode(stored.entry).facts, (other,)):
            waiting += 1
        else:
            blinded += 1
    return waiting, blinded


def _all(source: Source) -> Iterator[Stored]:
    first = 0
    while page := source.read(first, _PAGE):
        yield from page
        first += len(page)


def _node_of(source: Source) -> str:
    first = source.read(0, 1)
    facts = entries.decode(first[0].entry).facts if first else None
    if not isinstance(facts, entries.EpochOpened):
        raise Refusal(Code.BAD_PROOF, "/node", found=0)
    return facts.node
