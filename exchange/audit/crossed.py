"""Two nodes' journals held to each other: what crossed is in both, byte for byte.

Each is verified by itself first. Here an entry that one says came from the other is looked up
there: the same leaf; of trust and of what was refused, whose objects are not kept twice, the
same line of facts. What one owes the other's endpoints and is not there is counted apart: as
*overtaken* where later entries that went in their turn are there, else as still to cross. So is
what never crosses: of that the other journal says nothing, it is *blinded* to it. What crossed
and is *lost* at home by now has its hash there, and nothing more, which its copy is held to.
"""

from __future__ import annotations

from bisect import bisect
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from exchange.audit import agreed
from exchange.broker import peering, pressing
from exchange.errors import Code, Refusal
from exchange.evidence.making import node_of
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model.lost import leaf_in
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exchange.audit.verify import Stored

_PAGE: Final = 256


class Source(agreed.Source, Protocol):
    """A journal to read. Raises ``Fault`` if it cannot be read."""

    def size(self) -> int:
        """Return how many entries there are."""

    def read(self, first: int, limit: int) -> Sequence[Stored]:
        """Return at most ``limit`` entries from index ``first`` on, in order."""


class Crossed(msgspec.Struct, frozen=True):
    """What of one journal is in the other.

    Attributes:
        ok: whatever the other says came from here, up to this journal's end, is here, the same.
        home, there: the nodes: whose journal it is, and in whose it was looked for.
        held: entries of the other that are here, the same.
        lost: entries of the other of which a stub stands here, with the same hash. Of what was
            refused there only its facts are known there, and no hash is made of those.
        waiting: entries that are owed there, and are not there yet; nothing that went in its
            turn was taken in after them.
        overtaken: entries that are owed there and are not, though later ones are: kept back on
            the way, or waiting there for attachments or room, which its notices tell.
            ``first_overtaken`` is the first of them, *here*.
        blinded: entries that are of no concern there, and never cross.
        beyond: entries of the other that came from behind this journal's end: to be held to a
            newer mirror of it.
        first: the first entry *there* that does not hold, with why.
    """

    ok: bool
    home: str
    there: str
    held: int
    waiting: int
    blinded: int
    overtaken: int = 0
    lost: int = 0
    first_overtaken: int | None = None
    beyond: int = 0
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
    name, other = node_of(home), node_of(there)
    end, came, beyond = home.size(), set[int](), set[int]()
    kept, stubs, untrue = set[int](), set[int](), set[int]()
    failed: tuple[int, Refusal] | None = None
    for stored in _all(there):
        facts = entries.decode(stored.entry).facts
        came_from = entries.home_of(facts)
        if came_from is None or came_from.node != name:
            continue
        if came_from.index >= end:
            beyond.add(came_from.index)
            continue
        came.add(came_from.index)
        try:
            is_lost = _is_lost_here(home, came_from.index, stored.entry)
        except Refusal as refusal:
            failed = failed or (stored.index, refusal)
            untrue.add(came_from.index)
        else:
            (stubs if is_lost else kept).add(came_from.index)
    left = _left(home, (name, other), came)
    first, error = failed or (None, None)
    return Crossed(
        ok=failed is None,
        home=name,
        there=other,
        held=len(kept - untrue),
        lost=len(stubs - untrue),
        waiting=left.waiting,
        blinded=left.blinded,
        overtaken=left.overtaken,
        first_overtaken=left.first_overtaken,
        beyond=len(beyond),
        first=first,
        code=error.code.value if error else None,
        at=error.at if error else "",
    )


def _is_lost_here(home: Source, index: int, taken: bytes) -> bool:
    """Hold what was taken in to the entry that it came from; tell whether that one is lost.

    Raises:
        Refusal: ``bad-proof``: it is missing in the midst, or says otherwise.
    """
    found = home.read(index, 1)
    if not found:
        raise Refusal(Code.BAD_PROOF, "/homes/index", found=index)
    here, entry = found[0].entry, entries.decode(taken)
    # That it may stand here, the journal's own verification says.
    lost = leaf_in(here)
    if isinstance(entry.facts, entries.Refused):
        is_same = lost is not None or _line(here) == _line(entry.at_home)
    elif isinstance(entry.facts, entries.TrustReceived):
        # Trust is never lost. Its object is the document: as of what was refused, the facts
        # alone are kept.
        is_same = _line(entry.at_home) == _line(here)
    else:
        came = entries.came_in(taken)
        is_same = came is not None and leaf_hash(came[1]) == (lost or leaf_hash(here))
    if not is_same:
        raise Refusal(Code.BAD_PROOF, "/home", found=index)
    return lost is not None


def _line(entry: bytes) -> bytes:
    """Return an entry's line of facts."""
    return entry.partition(b"\n")[0]


class _Left(NamedTuple):
    waiting: int
    overtaken: int
    first_overtaken: int | None
    blinded: int


def _left(home: Source, nodes: tuple[str, str], came: set[int]) -> _Left:
    """Count what of a home is not there: owed still, overtaken, or never to cross."""
    view = agreed.view_of(home)
    ours, theirs = (frozenset(peering.nations_of(name, view)) for name in nodes)
    owed: list[int] = []
    blinded, turn = 0, -1
    for stored in _all(home):
        entry = entries.decode(stored.entry)
        if stored.index in came:
            # Asked only where it matters: a header is read for it.
            turn = stored.index if owed and went_in_turn(entry) else turn
        elif peering.is_taken_in(entry.facts, theirs - ours):
            owed.append(stored.index)
        else:
            blinded += 1
    overtaken = bisect(owed, turn)
    return _Left(len(owed) - overtaken, overtaken, owed[0] if overtaken else None, blinded)


def went_in_turn(entry: entries.Entry) -> bool:
    """Tell whether what is there cannot have gone ahead of those before it.

    Ahead go trust, what presses, and the release that lets that in (``link.gathering``). What
    is lost may have been any of them.
    """
    match entry.facts:
        case entries.Trust() | entries.Released() | entries.Refused() | entries.Lost():
            return False
        case entries.Accepted():
            signed = jws.read(entry.object, headers.MAX_HEADER_BYTES)
            return headers.decode(signed.payload).precedence not in pressing.RANKS
        case _:
            return True


def _all(source: Source) -> Iterator[Stored]:
    first = 0
    while page := source.read(first, _PAGE):
        yield from page
        first += len(page)
