"""What both journals share up to a named pair of sizes: each entry that crossed, once.

An entry is shared if it stands in its home's journal below that journal's size, and in the
other's below the other's. What is told of it is what its home says, and when and as what the
other took it in: facts of both journals up to there, so that it does not matter whose mirrors
are read, when they were pulled, or in which order they are named. What a nation's journal holds
besides is for its own annex.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from exchange.audit.agreed import Agreed
from exchange.audit.crossed import went_in_turn
from exchange.audit.report.marks import marks
from exchange.audit.rows import Context, Row, read
from exchange.broker import peering
from exchange.errors import Code, Refusal
from exchange.journal import quorum
from exchange.journal.proofs import root_at
from exchange.model import about, objects
from exchange.model import entry as entries
from exchange.model.codec import b64
from exchange.model.view import View
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from exchange.audit.report.marks import Marks, Vouched
    from exchange.audit.verify import Stored
    from exchange.model.entry import Entry
    from exchange.model.ticking import Ticking
    from exchange.model.trust import Arrangement

_PAGE: Final = 256
# Entries that a node makes for itself, and that are no news to anybody.
_OWN_KINDS: Final = (*entries.BOOKKEEPING[1:], entries.TrustReceived)


class Source(Protocol):
    """A verified mirror. Raises ``Fault`` if it cannot be read."""

    def size(self) -> int:
        """Return how many entries there are."""

    def read(self, first: int, limit: int) -> Sequence[Stored]:
        """Return at most ``limit`` entries from index ``first`` on, in order."""

    def kinds(self, first: int, limit: int) -> Sequence[str]:
        """Return under which kind each entry from ``first`` on is kept."""

    def blob(self, digest: str) -> bytes | None:
        """Return a trust document by digest, if it is there."""

    def hashes(self, level: int, first: int, count: int) -> bytes:
        """Return neighbours of one row of the tree, joined."""


class Named(NamedTuple):
    """A bulletin: by its id alone, which is its author's choice, it is not known which."""

    id: str
    header_digest: str


class Fact(NamedTuple):
    """One entry: as its home's row has it, and what the other journal has of it.

    Attributes:
        row: of its home, where nothing is inherited from other entries; ``journal`` in it is
            the nation, whatever its node's name.
        owed: whom it is owed to where it is counted: there, or at home if it did not cross.
        there: the other journal's row, of what it refused too; None of what did not cross.
        ticking: of a notice of a boarding request's time, that time.
        about: the bulletin that it is, or is about; None where it is about none.
        refs: of a bulletin, others that it bears on, each with the relation.
    """

    row: Row
    owed: tuple[str, ...]
    there: Row | None = None
    ticking: Ticking | None = None
    about: Named | None = None
    refs: tuple[tuple[str, Named], ...] = ()


class Held(NamedTuple):
    """One journal up to its size.

    Attributes:
        node: whose it is, and ``nation``: the one that it serves.
        size: entries, and ``root`` of them in base64url.
        vouched: who cosigned that size first, and when; None where nobody must.
        first_ms: when its first entry was taken in, and ``covered_ms``: its last one.
        agreed: the arrangement in force at its end.
        marks: its checkpoints, as far as they stand below the size, and who cosigned that.
        lost: how many of its entries survive nowhere in it.
    """

    node: str
    nation: str
    size: int
    root: str
    vouched: Vouched | None
    first_ms: int
    covered_ms: int
    agreed: Arrangement | None
    marks: Marks
    lost: int


class Shared(NamedTuple):
    """Both journals, by node.

    Attributes:
        held: each up to its size.
        facts: what crossed; or, where an annex is wanted, what of that journal did not. In the
            order of time.
        also: of an annex, the journal's bulletins that crossed or were refused there, with
            their recipients at home.
        crossed: by node, how many entries of its journal crossed.
        waiting: and how many are owed across and had not been taken in there.
        overtaken: and how many had not, though later ones that went in their turn had been.
        owed_ms: and when each of these two kinds was taken in at home, in ms UTC.
        taken_ms: of each bulletin that was taken in there, when at home and when there.
    """

    held: tuple[Held, ...]
    facts: tuple[Fact, ...]
    also: tuple[Fact, ...]
    crossed: Mapping[str, int]
    waiting: Mapping[str, int]
    overtaken: Mapping[str, int]
    owed_ms: Mapping[str, Sequence[int]]
    taken_ms: Mapping[str, Sequence[tuple[int, int]]]


class _End(NamedTuple):
    """Where to stop in a journal, and what is so there: all of it follows from that size."""

    node: str
    nation: str
    size: int
    vouched: Vouched | None
    marks: Marks
    agreed: Arrangement | None


class _Walked(NamedTuple):
    """One journal, read once: what came from the other, and its own entries by index.

    ``own`` are these with when each was taken in, in ms UTC, in order.
    """

    came: dict[int, tuple[Row, tuple[str, ...]]]
    own: dict[int, int]
    across: set[int]
    # Of its own, what survives nowhere in it: it is told by what the other has of it, or not.
    lost: set[int]
    held: Held

    def crossed(self, came: Container[int]) -> list[int]:
        """Return which of its own entries are among those that came from here."""
        return [each for each in self.own if each in came]

    def owed(self, came: Container[int]) -> list[int]:
        """Return which of its own are owed across, and are not among these."""
        return [each for each in self.own if each in self.across and each not in came]

    def taken(self, came: Mapping[int, tuple[Row, tuple[str, ...]]]) -> list[tuple[int, int]]:
        """Return when its bulletins were taken in, here and there, in ms UTC."""
        found = ((self.own[each], came[each][0]) for each in self.crossed(came))
        return [(at_ms, there.taken_ms) for at_ms, there in found if there.kind == "accepted"]


def share(sources: Iterable[Source], named: Mapping[str, int], annex: str = "") -> Shared:
    """Return what two journals share, or what one of them does not.

    Args:
        sources: their mirrors, verified and held to each other, in any order.
        named: by node the size to stop at; of one that is not named, the newest that witnesses
            vouched for, as far as its mirror tells.
        annex: the node whose rest is wanted; empty: what both share.

    Raises:
        Refusal: ``bad-checkpoint`` at ``/sizes``: it is no size of a cosigned checkpoint;
            ``wrong-value``: they are not two journals, of one nation each, or another one is
            named.
    """
    by_node = {node_of(source): source for source in sources}
    if len(by_node) != 2 or set(named) - set(by_node):
        raise Refusal(Code.WRONG_VALUE, "/sizes", found=" ".join(sorted(by_node)))
    if annex and annex not in by_node:
        raise Refusal(Code.WRONG_VALUE, "/annex", found=" ".join(sorted(by_node)))
    nodes = sorted(by_node)
    ends = {node: _end(by_node[node], node, named.get(node)) for node in nodes}
    if len({end.nation for end in ends.values()}) != 2:
        raise Refusal(Code.WRONG_VALUE, "/serves", found=" ".join(nodes))
    pairs = list(zip(nodes, nodes[::-1], strict=True))
    walked = {node: _walk(by_node[node], ends[node], ends[other]) for node, other in pairs}
    crossed = {node: walked[node].crossed(walked[other].came) for node, other in pairs}
    owed = {node: walked[node].owed(walked[other].came) for node, other in pairs}
    facts, also = list[Fact](), tuple[Fact, ...]()
    for node, other in pairs:
        came, source, nation = walked[other].came, by_node[node], ends[node].nation
        if annex == node:
            told = {*came, *walked[node].lost}
            rest = (each for each in walked[node].own if each not in told)
            facts = [_fact(source, nation, each) for each in rest]
            at_home = (
                _fact(source, nation, each)._replace(there=came[each][0])
                for each in crossed[node]
            )
            also = tuple(each for each in at_home if each.row.kind == "accepted")
        elif not annex:
            abroad = by_node[other]
            facts += [
                _shared(source, abroad, nation, each, *came[each]) for each in crossed[node]
            ]
    facts.sort(key=lambda fact: (fact.row.taken_ms, fact.row.journal, fact.row.index))
    overtaken = {node: _passed(by_node[node], owed[node], crossed[node]) for node in nodes}
    return Shared(
        tuple(walked[node].held for node, _ in pairs),
        tuple(facts),
        also,
        {node: len(of) for node, of in crossed.items()},
        {node: len(of) - overtaken[node] for node, of in owed.items()},
        overtaken,
        {node: [walked[node].own[each] for each in of] for node, of in owed.items()},
        {node: walked[node].taken(walked[other].came) for node, other in pairs},
    )


def node_of(source: Source) -> str:
    """Return whose journal it is.

    Raises:
        Refusal: ``bad-proof``: its first entry does not say so.
    """
    first = source.read(0, 1)
    facts = entries.decode(first[0].entry).facts if first else None
    if not isinstance(facts, entries.EpochOpened):
        raise Refusal(Code.BAD_PROOF, "/node", found=0)
    return facts.node


def _end(source: Source, node: str, named: int | None) -> _End:
    """Return where to stop in a journal, and whose it is by the directory as it is there.

    Raises:
        Refusal: ``bad-checkpoint``; ``wrong-value``: it serves no nation, or several.
    """
    views, found = _views(source), marks(source)

    def view(size: int) -> View:
        count = bisect_left(views, size, key=lambda each: each[0])
        return views[count - 1][1] if count else View(anchor="")

    def is_asked(size: int) -> bool:
        agreed = view(size).arrangement
        return agreed is not None and agreed.quorum != quorum.NONE

    size, vouched = found.chosen(node, named, is_asked)
    nations = tuple(peering.nations_of(node, view(size)))
    if len(nations) != 1:
        raise Refusal(Code.WRONG_VALUE, "/serves", found=node)
    agreed, ending = view(size).arrangement, found.ending(size, vouched)
    if vouched is not None:
        # Nobody waits for witnesses of what was signed before they were agreed on.
        ending = ending.of(is_asked)
    return _End(node, nations[0], size, vouched, ending, agreed)


def _views(source: Source) -> list[tuple[int, View]]:
    """Return what has been in force behind each trust entry, in order."""
    agreed, found, first = Agreed(source.blob), list[tuple[int, View]](), 0
    while kinds := source.kinds(first, _PAGE):
        for at, kind in enumerate(kinds, first):
            if kind == "trust":
                agreed.add(at, entries.decode(source.read(at, 1)[0].entry))
                found.append((at, agreed.view))
        first += len(kinds)
    return found


def _walk(source: Source, end: _End, other: _End) -> _Walked:
    came = dict[int, tuple[Row, tuple[str, ...]]]()
    own, across, lost, first_ms, covered_ms = dict[int, int](), set[int](), set[int](), 0, 0
    for stored in _entries(source, end.size):
        facts = entries.decode(stored.entry).facts
        covered_ms = facts.taken_ms
        first_ms = first_ms or facts.taken_ms
        if isinstance(facts, entries.Lost):
            lost.add(stored.index)
        if (home := entries.home_of(facts)) is not None:
            if home.node == other.node:
                owed = _owed(stored.entry, end.nation)
                came[home.index] = (_row(stored.index, stored.entry, end.nation), owed)
        elif not isinstance(facts, _OWN_KINDS):
            own[stored.index] = facts.taken_ms
            if peering.is_taken_in(facts, (other.nation,)):
                across.add(stored.index)
    root = b64(root_at(end.size, _Hashes(source)))
    held = Held(
        *(end.node, end.nation, end.size, root, end.vouched),
        *(first_ms, covered_ms, end.agreed, end.marks, len(lost)),
    )
    return _Walked(came, own, across, lost, held)


def _entries(source: Source, size: int) -> Iterator[Stored]:
    first = 0
    while first < size and (page := source.read(first, min(_PAGE, size - first))):
        yield from page
        first += len(page)


def _fact(source: Source, nation: str, index: int) -> Fact:
    """Return what did not cross, with whom it is owed to at home."""
    (stored,) = source.read(index, 1)
    return _read(index, stored.entry, nation, _owed(stored.entry, nation), None)


def _shared(  # noqa: PLR0913, PLR0917  (both journals, and what each has of it)
    source: Source, abroad: Source, nation: str, index: int, there: Row, owed: tuple[str, ...]
) -> Fact:
    """Return what crossed, with whom it is owed to there."""
    raw = source.read(index, 1)[0].entry
    if isinstance(entries.decode(raw).facts, entries.Lost):
        # Declared lost at home; it stands whole where it was taken in.
        came = entries.came_in(abroad.read(there.index, 1)[0].entry)
        raw = raw if came is None else came[1]
    return _read(index, raw, nation, owed, there)


def _read(
    index: int, raw: bytes, nation: str, owed: tuple[str, ...], there: Row | None
) -> Fact:
    row, entry = _row(index, raw, nation), entries.decode(raw)
    ticking = _ticking(entry) if row.kind == "notice" and entry.object else None
    return Fact(row, owed, there, ticking, *_bearing(entry))


def _row(index: int, raw: bytes, nation: str) -> Row:
    """Return an entry's row by itself: nothing of it hangs on which others were read before.

    Its journal is named by the nation that its node serves: by nations all is counted.
    """
    return read(index, raw, Context(nation, 0, lambda _: None, lambda _: None))


def _owed(raw: bytes, nation: str) -> tuple[str, ...]:
    """Return whom an entry is owed to of this nation's own."""
    owed = dict.fromkeys(each.endpoint for each in entries.owed_in(raw))
    return tuple(each for each in owed if peering.is_here(each, (nation,)))


class _Bearing(msgspec.Struct):
    rel: str
    id: str
    header_digest: str


class _Header(msgspec.Struct):
    """A glance at a header, of what its decoder took before."""

    id: str
    refs: list[_Bearing] = []


_HEADER: Final = msgspec.json.Decoder(_Header)


def _bearing(entry: Entry) -> tuple[Named | None, tuple[tuple[str, Named], ...]]:
    """Return which bulletin an entry is, or is about; and of a bulletin, what it bears on."""
    if not entry.object:
        return None, ()
    payload = jws.read(entry.object, objects.MAX_OBJECT_BYTES).payload
    if not isinstance(entry.facts, entries.Accepted):
        subject = about.subject_of(payload)
        return (None if subject is None else Named(subject.id, subject.header_digest)), ()
    header = _HEADER.decode(payload)
    refs = tuple((each.rel, Named(each.id, each.header_digest)) for each in header.refs)
    return Named(header.id, entry.facts.digest), refs


def _ticking(entry: Entry) -> Ticking | None:
    payload = jws.read(entry.object, objects.MAX_OBJECT_BYTES).payload
    clock = objects.decode_notice(payload).clock
    return None if isinstance(clock, msgspec.UnsetType) else clock


def _passed(source: Source, owed: list[int], crossed: list[int]) -> int:
    """Return how many that are owed stand before one that crossed in its turn."""
    # Asked only where it matters, and from the last one on: a header is read for it.
    for index in reversed(crossed) if owed else ():
        if went_in_turn(entries.decode(source.read(index, 1)[0].entry)):
            return bisect_left(owed, index)
    return 0


class _Hashes:
    """The tree of a source, as ``root_at`` asks for it."""

    def __init__(self, source: Source) -> None:
        self.read = source.hashes
