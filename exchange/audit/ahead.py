"""Judge entries ahead of a replay, in processes of their own: signatures take the most time.

What an entry's object comes to hangs on its bytes and on what was in force, and on no other
bulletin (``broker.intake``): so pages of a journal are judged side by side, each process with
the trust documents folded for itself. What order decides stays with the one replay. It takes
an answer only for the very bytes, and the very trust entries, that it has itself; where there
is none, or the answer was no, it judges again and says why.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, suppress
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final, Protocol, Self

from exchange.audit.folding import establish
from exchange.broker import peering
from exchange.broker.carried import Place
from exchange.broker.intake import Considered
from exchange.broker.replay import Replayer
from exchange.errors import ExchangeError, Fault
from exchange.journal.stored import leaf_of
from exchange.model import entry as entries
from exchange.model.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from exchange.audit.verify import Stored

    Opens = Callable[[], AbstractContextManager["Source"]]

PAGE: Final = 256
# Starting a process takes as long as judging so many entries.
WORTHWHILE: Final = 5_000
# Pages under way for each process: enough that none waits, and few enough to be small.
_EACH: Final = 3
_TRUST: Final = ("trust", "trust-received")
_Found = list[tuple[Place, Considered]]


class Source(Protocol):
    """A journal, read by several processes at once. Raises ``Fault`` if it cannot be."""

    def size(self) -> int:
        """Return how many entries there are."""

    def read(self, first: int, limit: int) -> Sequence[Stored]:
        """Return at most ``limit`` entries from index ``first`` on, in order."""

    def blob(self, digest: str) -> bytes | None:
        """Return a trust document by digest, if it is there."""

    def kinds(self, first: int, limit: int) -> Sequence[str]:
        """Return under which kind each entry from index ``first`` on is kept."""


class Ahead:
    """Hands out pages in order and gives what came back; a context manager.

    Call it with the place of each entry in turn.
    """

    def __init__(self, opens: Opens, anchor: str, first: int, ways: int | None = None) -> None:
        """Judge from entry ``first`` on.

        Args:
            opens: opens the journal; called in each process, so it must be picklable.
            anchor: digest of the first root; empty: the journal's own.
            first: where the replay begins.
            ways: processes; None: one for each core.
        """
        ways = ways or os.cpu_count() or 1
        with opens() as source:
            self._size = source.size()
            trust = list(_trust_entries(source))
        self._pool = ProcessPoolExecutor(
            ways, get_context("spawn"), initializer=_begin, initargs=(opens, anchor, trust)
        )
        self._next = first
        self._ahead: deque[Future[_Found]] = deque()
        self._most = ways * _EACH
        self._here: dict[Place, Considered] = {}
        self._end = first

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop what is under way, and end the processes."""
        self._pool.shutdown(cancel_futures=True)

    def __call__(self, place: Place) -> Considered | None:
        """Return what judging came to at a place; None: it is to be judged here."""
        while place.at >= self._end and self._end < self._size:
            try:
                self._fill()
                self._here = dict(self._ahead.popleft().result())
            except BrokenProcessPool:
                # Killed, say, where memory was short: all that is left is judged here.
                self._size = self._end
                return None
            self._end = min(self._end + PAGE, self._size)
        return self._here.pop(place, None)

    def _fill(self) -> None:
        while len(self._ahead) < self._most and self._next < self._size:
            self._ahead.append(self._pool.submit(_page, self._next, PAGE))
            self._next += PAGE


def _trust_entries(source: Source) -> Iterator[int]:
    """Yield where trust entries stand, as the file says: if it lies, all is judged here."""
    first = 0
    with suppress(Fault):
        while kinds := source.kinds(first, 4096):
            yield from (first + at for at, kind in enumerate(kinds) if kind in _TRUST)
            first += len(kinds)


class _Judge:
    """One process: the journal, and what was in force up to where it was asked last."""

    def __init__(self, source: Source, anchor: str, trust: Sequence[int]) -> None:
        self._source = source
        self._trust = deque(trust)
        self._replayer = Replayer(View(anchor=anchor), self._entry_at, source.blob)
        first = self._read(0, 1)
        facts = entries.decode(first[0].entry).facts if first else None
        self._node = facts.node if isinstance(facts, entries.EpochOpened) else ""

    def page(self, first: int, count: int) -> _Found:
        """Return what was let in, of a page; pages are asked for in order."""
        self._follow(first)
        found = []
        for stored in self._read(first, count):
            self._follow(stored.index)
            try:
                entry = entries.decode(stored.entry)
                if not isinstance(entry.facts, _Objects):
                    continue
                self._replayer.size = stored.index
                place = self._replayer.place(leaf_of(stored.entry))
                here = peering.nations_of(self._node, self._replayer.view)
                considered = self._replayer.considered(entry, here)
            except ExchangeError:
                continue
            if considered is not None:
                found.append((place, considered))
        return found

    def _read(self, first: int, count: int) -> Sequence[Stored]:
        """Return entries; none of what cannot be read: the replay says so, and which."""
        try:
            return self._source.read(first, count)
        except ExchangeError:
            return ()

    def _follow(self, end: int) -> None:
        """Fold the trust entries before an index; one that does not hold is left out."""
        while self._trust and self._trust[0] < end:
            index = self._trust.popleft()
            try:
                establish(self._replayer, index, self._entry_at(index), self._source.blob)
            except ExchangeError:
                continue

    def _entry_at(self, index: int) -> bytes:
        return self._source.read(index, 1)[0].entry


# What endpoints signed, and the other node's notices: what there is a signature of.
_Objects = (
    entries.Accepted
    | entries.Acknowledged
    | entries.Granted
    | entries.Released
    | entries.Drafted
    | entries.Noticed
    | entries.Confirmed
    | entries.Consented
    | entries.Requested
)
_judges: list[_Judge] = []
_open = ExitStack()


def _begin(opens: Opens, anchor: str, trust: Sequence[int]) -> None:
    """Run in each process before anything else."""
    _judges.append(_Judge(_open.enter_context(opens()), anchor, trust))


def _page(first: int, count: int) -> _Found:
    return _judges[0].page(first, count)
