"""What a store keeps beside its entries, held to what the entries give: bodies and tables.

A node believes its tables: with a key gone it would take the same bulletin in twice, with a row
of an inbox gone it would withhold one. Nothing is kept here for each entry: rows are looked up
a page at a time, and those that should not be there show by their number.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, get_args

import msgspec

from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.identity import digest
from exchange.node.ports import ChasedRow, PressingRow
from exchange.seal import body, jws

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from exchange.broker.due import Due
    from exchange.broker.records import Record
    from exchange.journal.tiles import Tile
    from exchange.node.ports import Head, RowCounts

Name = Literal[
    "bodies", "inboxes", "heads", "keys", "kinds", "tiles", "pressing", "chased", "due"
]
PAGE = 256
_Sealed = entries.Accepted | entries.Granted | entries.Drafted


class Source(Protocol):
    """The tables of a store. Raises ``Fault`` if they cannot be read."""

    def blob(self, digest: str) -> bytes | None:
        """Return a sealed body or a trust document by digest, if it is there."""

    def find(self, keys: Sequence[bytes]) -> Mapping[bytes, int]:
        """Return the index that each key leads to; unknown keys are absent."""

    def inbox(self, endpoint: str, after: int, limit: int) -> Sequence[tuple[int, int]]:
        """Return (index, position) of an inbox's rows with an index over ``after``."""

    def heads(self) -> Mapping[str, int]:
        """Return how many entries each inbox says it holds."""

    def snapshot(self) -> bytes:
        """Return the newest snapshot of inbox heads, as kept."""

    def head(self) -> Head:
        """Return how far the journal says it goes."""

    def counts(self) -> RowCounts:
        """Return how many rows the derived tables hold."""

    def kinds(self, first: int, limit: int) -> Sequence[str]:
        """Return under which kind each entry from index ``first`` on is kept."""

    def pressing(self, now: int) -> Sequence[PressingRow]:
        """Return all that presses in any inbox, in order of its members."""

    def chased(self, now: int) -> Sequence[ChasedRow]:
        """Return whose acknowledgement of what is chased."""

    def due(self) -> Sequence[Due]:
        """Return all that comes due, in order of its members."""

    def newest(self, kind: str) -> int | None:
        """Return the index of the newest entry of a kind."""

    def hashes(self, level: int, first: int, count: int) -> bytes:
        """Return neighbours of one row of the tree, joined."""


class End(NamedTuple):
    """Where an honest journal ends: what its head and its inboxes must say."""

    head: Head
    positions: Mapping[str, int]
    # Commit groups that are signed for, end to end; None where they are not.
    groups: int | None
    snapshot: bytes
    # A mirror has neither bodies nor statements, and its head is of the copying.
    is_mirror: bool
    due: Iterable[Due]
    # Entries whose bodies and wrapped keys were ordered to be purged.
    ordered: Collection[int]


class Carried(msgspec.Struct, frozen=True):
    """What is carried on of a mirror: of its rows, how many there must be; and what held."""

    held: dict[str, int]
    keys: int
    places: int
    tiles: int
    newest: dict[str, int]


class Tables:
    """Follows a journal that replays; ``held`` counts what was found right, by check.

    ``failed`` has the first entry and reason of each check that did not hold; ``purged`` counts
    bodies and wrapped keys that are gone as it was ordered.
    """

    def __init__(self, source: Source) -> None:
        """Begin before entry 0."""
        self.held: dict[Name, int] = dict.fromkeys(get_args(Name), 0)
        self.failed: dict[Name, tuple[int | None, ExchangeError]] = {}
        self._source = source
        self._page: list[tuple[int, Record]] = []
        self._keys = self._places = self._tiles = 0
        self._newest: dict[str, int] = {}
        # By endpoint and index; never more than was posted within one lifetime of a header.
        self._pressing: dict[tuple[str, int], PressingRow] = {}
        # By the entry that is chased and of whom; as many as are open or retained.
        self._chased: dict[int, dict[str, ChasedRow]] = {}
        self._about: dict[int, set[int]] = {}
        self._without_body: list[int] = []
        self.purged = 0

    def carried(self) -> Carried:
        """Return what is carried on, once what was told of is compared."""
        self._compare()
        held = {str(name): count for name, count in self.held.items()}
        return Carried(held, self._keys, self._places, self._tiles, dict(self._newest))

    def carry_on(self, carried: Carried) -> None:
        """Go on with a mirror, which has no bodies and tells nobody what presses."""
        for name in self.held:
            self.held[name] = carried.held[name]
        self._keys, self._places, self._tiles = carried.keys, carried.places, carried.tiles
        self._newest = dict(carried.newest)

    def add(self, index: int, record: Record) -> None:
        """Tell of the next entry, with the keys and places that judging it gave."""
        self._page.append((index, record))
        self._keys += len(record.keys)
        self._places += len(record.owed)
        self._newest[entries.kind_of(record.facts)] = index
        self._press(index, record)
        self._chase(index, record)
        if isinstance(record.facts, _Sealed) and _has_body(record.facts):
            with self._noting("bodies", index):
                self._body(index, record.facts, record.entry)
        if len(self._page) == PAGE:
            self._compare()

    def completed(self, tile: Tile, last: int) -> None:
        """Tell of a tile that the entry ``last`` completes: its root stands in the next row."""
        self._tiles += 1
        with self._noting("tiles", last):
            kept = self._source.hashes(tile.level + 1, tile.index, 1)
            if kept != tile.root:
                raise Refusal(Code.BAD_PROOF, f"/tiles/{tile.level}/{tile.index}", found=last)
            self.held["tiles"] += 1

    def finish(self, end: End | None) -> None:
        """Look up what is left; then the totals, unless the journal broke off (None)."""
        self._compare()
        if end is None:
            return
        lost = [index for index in self._without_body if index not in end.ordered]
        self.purged = 0 if end.is_mirror else len(self._without_body) - len(lost)
        if lost and (not end.is_mirror or self.held["bodies"]):
            missing = Refusal(Code.MISSING_BLOB, "/blobs/0", found=lost[0])
            self.failed.setdefault("bodies", (lost[0], missing))
        with self._noting("heads", None):
            self._heads(end)
        with self._noting("kinds", None):
            self._compare_newest()
        # A mirror serves nobody: nothing is told ahead from it.
        if not end.is_mirror:
            now = end.head.taken_ms // 1000
            with self._noting("pressing", None):
                self._compare_pressing(now)
            with self._noting("chased", None):
                self._compare_chased(now)
            with self._noting("due", None):
                self._compare_due(end.due)
        with self._noting("keys", None):
            self._count(self._source.counts(), end)

    def _count(self, counts: RowCounts, end: End) -> None:
        """Hold each table to how many rows it must have: one too many is nowhere we looked."""
        due: tuple[tuple[Name, int, int], ...] = (
            ("keys", self._keys, counts.keys),
            ("inboxes", self._places, counts.places),
            ("kinds", len(self._newest), counts.kinds),
            ("tiles", end.head.size + self._tiles, counts.hashes),
        )
        for name, expected, found in due:
            with self._noting(name, None):
                _must_be("/count", expected, found)
        if end.groups is not None:
            with self._noting("heads", None):
                _must_be("/groups", end.groups, counts.groups)

    def _press(self, index: int, record: Record) -> None:
        if (each := record.pressing) is not None:
            for name in each.endpoints:
                row = PressingRow(name, each.rank, index, record.facts.taken_ms, each.until)
                self._pressing[name, index] = row
        for key in record.seen_to:
            self._pressing.pop(key, None)

    def _chase(self, index: int, record: Record) -> None:
        """Follow whom an entry makes the node chase, and of whom it does so no more."""
        for endpoint, of in record.seen_to:
            self._chased.get(of, {}).pop(endpoint, None)
        for of in record.over:
            for each in (of, *self._about.pop(of, ())):
                self._chased.pop(each, None)
        if (chased := record.chased) is not None:
            self._about.setdefault(chased.target, set()).add(index)
            taken_ms = record.facts.taken_ms
            for name in chased.endpoints:
                row = ChasedRow(name, index, chased.rank, taken_ms, chased.target, chased.until)
                self._chased.setdefault(index, {})[name] = row

    def _compare_chased(self, now: int) -> None:
        """As with what presses, rows whose time is over go when the next one comes."""
        rows = (row for rows in self._chased.values() for row in rows.values())
        found, due = set(self._source.chased(now)), {row for row in rows if row.until > now}
        self.held["chased"] = len(found & due)
        if differing := sorted(found ^ due):
            row = differing[0]
            raise Refusal(Code.BAD_PROOF, "/chased", name=row.endpoint, found=row.index)

    def _forget_expired(self, now: int) -> None:
        for key, row in list(self._pressing.items()):
            if row.until <= now:
                del self._pressing[key]

    def _compare_pressing(self, now: int) -> None:
        """Expired rows go when the next one comes: until then they press nobody."""
        self._forget_expired(now)
        found, due = set(self._source.pressing(now)), set(self._pressing.values())
        self.held["pressing"] = len(found & due)
        if differing := sorted(found ^ due):
            row = differing[0]
            raise Refusal(Code.BAD_PROOF, "/pressing", name=row.endpoint, found=row.index)

    def _compare_due(self, expected: Iterable[Due]) -> None:
        found, honest = set(self._source.due()), set(expected)
        self.held["due"] = len(found & honest)
        if differing := sorted(found ^ honest):
            raise Refusal(Code.BAD_PROOF, "/due", found=differing[0].index)

    def _compare_newest(self) -> None:
        for kind in entries.KINDS:
            if (found := self._source.newest(kind)) != self._newest.get(kind):
                raise Refusal(Code.BAD_PROOF, "/newest", name=kind, found=found or 0)

    def _body(self, index: int, facts: _Sealed, entry: bytes) -> None:
        """Hold a sealed body, or the wrapped key of a grant, to what its entry says of it."""
        if isinstance(facts, entries.Granted):
            named, at, wraps = facts.wrap, "/wrap", [facts.kid]
        else:
            named, at, wraps = facts.blobs[0], "/blobs/0", facts.wraps
        raw = self._source.blob(named.digest)
        if raw is None:
            # In a mirror they all are, and others were purged: what it is shows at the end.
            self._without_body.append(index)
            return
        if len(raw) != named.size:
            raise Refusal(Code.SIZE_MISMATCH, at, expected=named.size, found=len(raw))
        if digest(raw) != named.digest:
            raise Refusal(Code.DIGEST_MISMATCH, at, found=index)
        if _wraps_in(raw, facts, entry) != wraps:
            raise Refusal(Code.WRAPS_MISMATCH, "/wraps", found=index)
        self.held["bodies"] += 1

    def _compare(self) -> None:
        page, self._page = self._page, []
        if not page:
            return
        self._forget_expired(page[-1][1].facts.taken_ms // 1000)
        wanted = {key: index for index, record in page for key in record.keys}
        with self._noting("keys", page[0][0]):
            found = self._source.find(list(wanted))
            for key, index in wanted.items():
                if found.get(key) != index:
                    self._fail("keys", index, Refusal(Code.BAD_PROOF, "/keys", found=index))
                else:
                    self.held["keys"] += 1
        with self._noting("inboxes", page[0][0]):
            self._compare_inboxes(page)
        with self._noting("kinds", page[0][0]):
            self._compare_kinds(page)

    def _compare_kinds(self, page: Sequence[tuple[int, Record]]) -> None:
        found = self._source.kinds(page[0][0], len(page))
        for (index, record), kind in zip(page, found, strict=True):
            if kind != entries.kind_of(record.facts):
                self._fail("kinds", index, Refusal(Code.BAD_PROOF, "/kind", found=index))
            else:
                self.held["kinds"] += 1

    def _compare_inboxes(self, page: Sequence[tuple[int, Record]]) -> None:
        owed: dict[str, list[tuple[int, int]]] = {}
        for index, record in page:
            for place in record.owed:
                owed.setdefault(place.endpoint, []).append((index, place.position))
        for endpoint, rows in owed.items():
            found = self._source.inbox(endpoint, page[0][0] - 1, len(rows))
            for told, row in zip(found, rows, strict=False):
                if told != row:
                    raise Refusal(Code.BAD_PROOF, "/owed", name=endpoint, found=row[0])
                self.held["inboxes"] += 1
            if len(found) < len(rows):
                lost = rows[len(found)][0]
                raise Refusal(Code.BAD_PROOF, "/owed", name=endpoint, found=lost)

    def _heads(self, end: End) -> None:
        heads = self._source.heads()
        for endpoint in sorted({*heads, *end.positions}):
            if heads.get(endpoint) != end.positions.get(endpoint):
                raise Refusal(Code.BAD_PROOF, "/heads", name=endpoint)
            self.held["heads"] += 1
        found, honest = self._source.head(), end.head
        _must_be("/size", honest.size, found.size)
        _must_be("/taken_ms", honest.taken_ms, found.taken_ms)
        if found.frontier != honest.frontier:
            raise Refusal(Code.BAD_PROOF, "/frontier")
        if not end.is_mirror:
            _must_be("/epoch", honest.epoch, found.epoch)
            # A mirror serves nobody, and one that an older program made has none.
            if self._source.snapshot() != end.snapshot:
                raise Refusal(Code.BAD_PROOF, "/snapshot")

    @contextmanager
    def _noting(self, name: Name, index: int | None) -> Iterator[None]:
        """Note what does not hold, or cannot be read, at the entry that it names."""
        try:
            yield
        except (Fault, Refusal) as error:
            found = error.facts.get("found") if error.at == "/owed" else None
            self._fail(name, found if isinstance(found, int) else index, error)

    def _fail(self, name: Name, index: int | None, error: ExchangeError) -> None:
        self.failed.setdefault(name, (index, error))


def _has_body(facts: _Sealed) -> bool:
    """Tell whether an entry has a body; what withdraws a draft has none."""
    return not isinstance(facts, entries.Drafted) or bool(facts.blobs)


def _wraps_in(raw: bytes, facts: _Sealed, entry: bytes) -> list[str]:
    """Return whose keys a sealed body or a wrapped key is for."""
    if isinstance(facts, entries.Granted):
        return body.look_at_wrap(raw).seen.wraps
    signed = jws.read(entries.decode(entry).object, headers.MAX_HEADER_BYTES)
    if isinstance(facts, entries.Drafted):
        return body.look(raw, objects.decode_draft(signed.payload).suite).wraps
    return body.look(raw, headers.decode(signed.payload).suite).wraps


def _must_be(at: str, expected: int, found: int) -> None:
    if expected != found:
        raise Refusal(Code.BAD_PROOF, at, expected=expected, found=found)
