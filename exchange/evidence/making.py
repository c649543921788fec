"""Make what a package shows of one journal, from the journal: a node's file, or a mirror of it.

What is made is verified by whoever asks for it, like any other (``evidence.judge``): a journal
that was tampered with makes no package that holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from exchange.errors import Code, Refusal
from exchange.evidence.parts import ROLES, Proved, Shown
from exchange.journal import checkpoint as c2sp
from exchange.journal import terms
from exchange.journal.note import parse_note
from exchange.journal.proofs import inclusion_proof
from exchange.journal.tree import Group, split
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.codec import b64
from exchange.model.view import View
from exchange.seal import jws, trust

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exchange.journal.tiles import Hashes
    from exchange.model.header import Header

_PAGE = 256


class Row(Protocol):
    """An entry as it is kept."""

    @property
    def index(self) -> int:
        """Its number from 0."""

    @property
    def entry(self) -> bytes:
        """Its bytes."""


class Signed(Protocol):
    """A commit group: its first entry, how many it has, and what the node signed of it."""

    @property
    def first(self) -> int:
        """Index of its first entry."""

    @property
    def count(self) -> int:
        """How many entries."""

    @property
    def statement(self) -> bytes:
        """The signed statement; empty in a mirror."""


class Entries(Protocol):
    """A journal's entries. Raises ``Fault`` where they cannot be read."""

    def read(self, first: int, limit: int) -> Sequence[Row]:
        """Return at most ``limit`` entries from index ``first`` on, in order."""


class Source(Entries, Protocol):
    """A journal to read. Raises ``Fault`` where it cannot."""

    def size(self) -> int:
        """Return how many entries there are."""

    def inbox(self, endpoint: str, after: int, limit: int) -> Sequence[tuple[int, int]]:
        """Return (index, position) of an inbox's rows with an index over ``after``."""

    def blob(self, digest: str) -> bytes | None:
        """Return a blob by digest."""

    def group(self, index: int) -> Signed | None:
        """Return the commit group that holds an entry, if it is known."""

    def hashes(self, level: int, first: int, count: int) -> bytes:
        """Return neighbours of one row of the tree, joined."""


class _Hashes(NamedTuple):
    """A source's tree, as proofs are made from it."""

    source: Source

    def read(self, level: int, first: int, count: int) -> bytes:
        return self.source.hashes(level, first, count)


class Trusted(NamedTuple):
    """A journal's trust log: every entry, the documents that list keys, and what follows."""

    entries: list[tuple[int, bytes]]
    documents: list[tuple[int, bytes]]
    view: View

    @property
    def anchor(self) -> str:
        """Return the digest of the first root."""
        return self.view.anchor


class Cut(NamedTuple):
    """What of a journal a package shows: under which checkpoint, and how each is proved."""

    note: bytes
    size: int
    hashes: Hashes

    def proved(self, index: int, entry: bytes) -> Proved:
        """Return an entry with its path."""
        path = inclusion_proof(index, self.size, self.hashes)
        return Proved(index, b"".join(path).hex(), entry.decode())


def node_of(source: Entries) -> str:
    """Return whose journal it is, as its first entry says.

    Raises:
        Refusal: ``bad-proof``: it is no beginning of a journal.
    """
    for row in source.read(0, 1):
        facts = entries.decode(row.entry).facts
        if isinstance(facts, entries.EpochOpened):
            return facts.node
    raise Refusal(Code.BAD_PROOF, "/node", found=0)


def one(source: Source, index: int) -> bytes:
    """Return one entry.

    Raises:
        Refusal: ``not-found``.
    """
    for row in source.read(index, 1):
        if row.index == index:
            return row.entry
    raise Refusal(Code.NOT_FOUND, "", found=index)


def _inbox(source: Source, name: str, after: int = -1) -> Iterator[int]:
    while page := source.inbox(name, after, _PAGE):
        yield from (index for index, _ in page)
        after = page[-1][0]


def trusted(source: Source, anchor: str | None) -> Trusted:
    """Return a journal's trust log, folded from its first root, or from the anchor.

    Raises:
        Refusal: a document is missing, or does not follow.
    """
    told = [(index, one(source, index)) for index in _inbox(source, entries.TRUST_INBOX)]
    documents, view = [], View(anchor=anchor or "")
    for index, raw in told:
        facts = entries.decode(raw).facts
        if not isinstance(facts, entries.Trust):
            raise Refusal(Code.TRUST_INVALID, "/trust", found=index)
        if not view.anchor:
            view = View(anchor=facts.document.digest)
        if facts.name not in ROLES:
            continue
        document = source.blob(facts.document.digest)
        if document is None:
            raise Refusal(Code.NOT_FOUND, f"/{facts.document.digest}", found=index)
        view = trust.apply(document, view, index, facts.taken_ms // 1000)
        documents.append((index, document))
    return Trusted(told, documents, view)


def accepted_in(entry: bytes) -> tuple[entries.Accepted, bytes, Header]:
    """Return facts, signed header and header of a bulletin's entry.

    Raises:
        Refusal: ``not-found``: it is of something else.
    """
    read = entries.decode(entry)
    if not isinstance(read.facts, entries.Accepted):
        raise Refusal(Code.NOT_FOUND, "", found=entries.kind_of(read.facts))
    told = headers.decode(jws.read(read.object, headers.MAX_HEADER_BYTES).payload)
    return read.facts, read.object, told


def acknowledged(source: Source, index: int, header: Header) -> list[tuple[int, bytes]]:
    """Return what its recipients acknowledged of the bulletin at ``index``.

    Not what others did who were granted it later: a package shows no grant, so nobody could
    hold them to one.
    """
    found = []
    for at in _inbox(source, header.endpoint, index):
        raw = one(source, at)
        facts = entries.decode(raw).facts
        if isinstance(facts, entries.Acknowledged) and facts.of == index:
            found.append((at, raw))
    return [each for each in found if is_by_recipient(each[1], header)]


def is_by_recipient(acknowledgement: bytes, header: Header) -> bool:
    """Tell whether the entry of an acknowledgement is of one whom the bulletin was sent to."""
    entry = entries.decode(acknowledgement)
    payload = jws.read(entry.object, objects.MAX_OBJECT_BYTES).payload
    return objects.decode_acknowledgement(payload).endpoint in header.to


def vouched(  # noqa: PLR0913, PLR0917  (each is of another thing)
    source: Source, node: str, view: View, index: int, wanted: int, kept: bytes | None = None
) -> bytes:
    """Return the checkpoint to show: the first that covers all, else the last that covers one.

    One counts when its node signed it and, where the arrangement asks for witnesses, a quorum
    of them cosigned it. Cosignatures stand in the journal in a later entry than the checkpoint.

    Args:
        source: the journal.
        node: whose it is.
        view: the newest.
        index: of the bulletin: it must be covered.
        wanted: of the last entry that should be.
        kept: a cosigned checkpoint that was kept beside the journal, if there is one.

    Raises:
        Refusal: ``bad-checkpoint``: there is none.
    """
    best: bytes | None = None
    for note in _notes(source, index, kept):
        size = c2sp.parse(note).size
        if index < size <= source.size() and _is_vouched(note, node, view):
            best = note
            if size > wanted:
                break
    if best is None:
        raise Refusal(Code.BAD_CHECKPOINT, "/cosigned", found=index)
    return best


def _notes(source: Source, index: int, kept: bytes | None) -> Iterator[bytes]:
    if kept is not None:
        yield kept
    signed: dict[int, str] = {}
    first = index + 1
    while page := source.read(first, _PAGE):
        for row in page:
            if not row.entry.startswith(b'{"kind":"checkpoint"'):
                continue
            facts = entries.decode(row.entry).facts
            if not isinstance(facts, entries.Checkpointed):
                continue
            told = facts.cosigned
            if isinstance(told, entries.Cosigned) and told.size in signed:
                lines = "".join(f"{line}\n" for line in told.lines)
                yield (signed[told.size] + lines).encode()
            signed[facts.size] = facts.note
            yield facts.note.encode()
        first += len(page)


def is_of(note: bytes, node: str) -> bool:
    """Tell whether a checkpoint says that it is of a node's journal."""
    return terms.node_of(note) == node


def _is_vouched(note: bytes, node: str, view: View) -> bool:
    try:
        parse_note(note)
        needed = terms.of(note, node, view)
        found = needed.verify(note)
    except Refusal:
        return False
    return needed.policy is None or needed.met_at(found) is not None


def receipt(source: Source, node: str, index: int, entry: bytes) -> bytes | None:
    """Return the node's receipt of an entry; None of a mirror, which has no statements."""
    group = source.group(index)
    if group is None or not group.statement:
        return None
    leaves = split(source.hashes(0, group.first, group.count)) if group.count <= 256 else []
    if not leaves:
        leaves = [
            leaf
            for at in range(group.first, group.first + group.count)
            for leaf in split(source.hashes(0, at, 1))
        ]
    path = [b64(step) for step in Group(leaves).path(index - group.first)]
    line = entry.partition(b"\n")[0].decode()
    made = objects.Receipt(node, index, line, path, msgspec.Raw(group.statement))
    return msgspec.json.encode(made)


def shown(source: Source, index: int, told: Trusted, kept: bytes | None = None) -> Shown:
    """Return what a package shows of the bulletin at ``index`` of a journal.

    Args:
        source: the journal.
        index: of the bulletin's entry.
        told: its trust log.
        kept: as for ``vouched``.

    Raises:
        Refusal: ``not-found``: no bulletin stands there; ``bad-checkpoint``.
        Fault: the journal cannot be read.
    """
    node, entry = node_of(source), one(source, index)
    header = accepted_in(entry)[2]
    acks = acknowledged(source, index, header)
    last = max([index, *(at for at, _ in acks)])
    note = vouched(source, node, told.view, index, last, kept)
    size = c2sp.parse(note).size
    cut = Cut(note, size, _Hashes(source))
    return cut_to(node, cut, (index, entry), told, acks, receipt(source, node, index, entry))


def cut_to(  # noqa: PLR0913, PLR0917  (all that a package shows)
    node: str,
    cut: Cut,
    entry: tuple[int, bytes],
    told: Trusted,
    acks: Sequence[tuple[int, bytes]],
    receipt: bytes | None,
) -> Shown:
    """Return what stands under a checkpoint, each with its path."""
    return Shown(
        node,
        cut.note,
        cut.proved(*entry),
        [cut.proved(at, raw) for at, raw in told.entries if at < cut.size],
        [cut.proved(at, raw) for at, raw in acks if at < cut.size],
        [raw.decode() for at, raw in told.documents if at < cut.size],
        receipt,
    )
