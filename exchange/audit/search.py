"""Search an index: the rows asked for, how many there are, and how many of each value."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import msgspec

from exchange.audit import bitmaps
from exchange.audit.rows import FACETS, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exchange.audit.index import Index, Journal, Value
    from exchange.audit.query import Query

# Values of a facet that are counted, those with most entries first: a screen shows no more.
MAX_VALUES: Final = 200
_WITH_MEMBERS: Final = frozenset({"origin", "endpoint", "recipient"})


class Found(msgspec.Struct, frozen=True):
    """What a search found.

    Attributes:
        total: rows that were found, over all pages.
        rows: of this page.
        facets: of each facet, and of ``day`` and ``journal``, how many entries have each value.
            A facet that is narrowed itself is counted as if it were not: these are the
            alternatives.
        next: the cursor of the next page; None: this is the last.
        sizes: how many entries of each journal were searched.
    """

    total: int
    rows: list[Row]
    facets: dict[str, dict[str, int]]
    next: str | None
    sizes: dict[str, int]


def search(index: Index, query: Query, *, counted: bool = True) -> Found:
    """Return what a query finds.

    Args:
        index: to be searched; it is only read.
        query: as ``query.parse`` made it.
        counted: also count values; rows and total alone are quicker.
    """
    journals = _journals(index, query)
    scopes = [_Scope(index, journal, query) for journal in journals]
    rows, after = _page(index, scopes, query)
    total = sum(scope.hits.bit_count() for scope in scopes)
    return Found(
        total=total,
        rows=rows,
        facets=_counts(index, scopes, query) if counted else {},
        next=after,
        sizes={journal.node: journal.size for journal in journals},
    )


def matching(index: Index, query: Query) -> Iterator[Row]:
    """Yield every row that a query finds, whatever its limit and cursor; oldest first."""
    for journal in _journals(index, query):
        scope = _Scope(index, journal, query)
        yield from index.rows(journal, bitmaps.places(scope.hits))


def _journals(index: Index, query: Query) -> list[Journal]:
    wanted = query.journals
    return [each for each in index.journals() if not wanted or each.node in wanted]


class _Scope:
    """A query in one journal: what each of its filters leaves, and all of them together."""

    def __init__(self, index: Index, journal: Journal, query: Query) -> None:
        self.index, self.journal = index, journal
        self._plain = self._of_names(query) & self._of_time(query)
        self._by_facet = {
            facet: self._of_facet(facet, values) for facet, values in query.facets.items()
        }
        self.hits = self.without("")

    def without(self, facet: str) -> int:
        """Return what all filters but that of one facet leave."""
        found = self._plain
        for name, bits in self._by_facet.items():
            if name != facet:
                found &= bits
        return found

    def values(self, facet: str) -> list[Value]:
        """Return a facet's values here, the most frequent first."""
        return sorted(
            self.index.values(self.journal, facet), key=lambda each: (-each.total, each.value)
        )

    def _of_facet(self, facet: str, wanted: Iterable[str]) -> int:
        found, names = 0, set(wanted)
        members = {f"{name}/" for name in names if "/" not in name}
        for each in self.index.values(self.journal, facet):
            whose = each.value[: each.value.find("/") + 1]
            if each.value in names or (facet in _WITH_MEMBERS and whose in members):
                found |= self.index.bits(self.journal, each)
        return found

    def _of_names(self, query: Query) -> int:
        found = bitmaps.span(0, self.journal.size)
        for name, wanted in query.names.items():
            found &= bitmaps.of(
                index
                for value in wanted
                for node, index in self.index.named(name, value)
                if node == self.journal.node and self._is_named(index, name, value)
            )
        if query.entries:
            found &= bitmaps.of(query.entries)
        return found

    def _is_named(self, index: int, name: str, value: str) -> bool:
        """Hold what 64 bits of a hash led to, to the row."""
        row = self.index.row(self.journal, index)
        return row is not None and (name, value) in row.names()

    def _of_time(self, query: Query) -> int:
        first = 0 if query.since_ms is None else self.first_at(query.since_ms)
        end = self.journal.size if query.until_ms is None else self.first_at(query.until_ms)
        return bitmaps.span(first, end)

    def first_at(self, ms: int) -> int:
        """Return the first entry taken in at a time or later."""
        return self.index.first_at(self.journal, ms)


def _page(index: Index, scopes: list[_Scope], query: Query) -> tuple[list[Row], str | None]:
    """Return a page in order of time over all journals, and the cursor after it."""
    bounds = dict(_bounds(query.cursor))
    heads: list[tuple[Iterator[int], _Scope]] = []
    for scope in scopes:
        bound, left = bounds.get(scope.journal.node), scope.hits
        if query.newest_first:
            left &= bitmaps.span(0, scope.journal.size if bound is None else bound)
            heads.append((bitmaps.from_the_end(left), scope))
        else:
            left &= bitmaps.span(bound or 0, scope.journal.size)
            heads.append((bitmaps.places(left), scope))
    waiting = {scope.journal.node: _next(index, scope, at) for at, scope in heads}
    rows: list[Row] = []
    while len(rows) < query.limit:
        ready = [row for row in waiting.values() if row is not None]
        if not ready:
            return rows, None
        pick = max if query.newest_first else min
        row = pick(ready, key=lambda each: (each.taken_ms, each.journal, each.index))
        rows.append(row)
        at, scope = next(each for each in heads if each[1].journal.node == row.journal)
        waiting[row.journal] = _next(index, scope, at)
    # Where each journal goes on: newest first below this entry, else from it.
    past = 1 if query.newest_first else 0
    left_over = [f"{node}:{row.index + past}" for node, row in waiting.items() if row]
    done = [
        f"{scope.journal.node}:{0 if query.newest_first else scope.journal.size}"
        for scope in scopes
        if waiting[scope.journal.node] is None
    ]
    return rows, ",".join(left_over + done) if left_over else None


def _next(index: Index, scope: _Scope, places: Iterator[int]) -> Row | None:
    place = next(places, None)
    return None if place is None else index.row(scope.journal, place)


def _bounds(cursor: str) -> Iterator[tuple[str, int]]:
    for each in filter(None, cursor.split(",")):
        node, _, bound = each.rpartition(":")
        yield node, int(bound)


def _counts(index: Index, scopes: list[_Scope], query: Query) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for facet in FACETS:
        counts: dict[str, int] = {}
        for scope in scopes:
            among = scope.without(facet)
            is_all = among.bit_count() == scope.journal.size
            for each in scope.values(facet)[:MAX_VALUES]:
                bits = 0 if is_all else index.bits(scope.journal, each)
                count = each.total if is_all else (bits & among).bit_count()
                if count:
                    counts[each.value] = counts.get(each.value, 0) + count
        # What is asked for is listed, be it that there is none.
        for value in query.facets.get(facet, ()):
            if "/" in value or facet not in _WITH_MEMBERS - {"origin"}:
                counts.setdefault(value, 0)
        found[facet] = dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))
    found["journal"] = {scope.journal.node: scope.hits.bit_count() for scope in scopes}
    found["day"] = _by_day(index, scopes)
    return found


def _by_day(index: Index, scopes: list[_Scope]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for scope in scopes:
        data = scope.hits.to_bytes(scope.journal.size // 8 + 1, "little")
        for ms, first, end in index.days(scope.journal):
            count = _count_between(data, first, end)
            if count:
                day = dt.datetime.fromtimestamp(ms / 1000, dt.UTC).strftime("%Y-%m-%d")
                counts[day] = counts.get(day, 0) + count
    return dict(sorted(counts.items()))


def _count_between(data: bytes, first: int, end: int) -> int:
    """Count the bits of a set from one entry up to, and without, another."""
    base = first // 8
    piece = int.from_bytes(data[base : end // 8 + 1], "little") >> (first - base * 8)
    return (piece & ((1 << (end - first)) - 1)).bit_count()
