"""How a journal stands: its newest checkpoint, who cosigned it, what it has of the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exchange.audit import bitmaps
from exchange.audit.cosigned import verified
from exchange.broker import pressing
from exchange.errors import Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal import quorum, terms
from exchange.journal.proofs import root_at
from exchange.model import entry as entries
from exchange.model.codec import b64

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.audit.console.source import Source
    from exchange.audit.index import Index, Journal
    from exchange.model.view import View

# Entries that are looked through for what came from the other node.
_LOOK_BACK = 4096
# Kinds of entries that may go ahead of those before them, whatever they say.
_AHEAD = frozenset({"trust", "trust-received", "released", "refused", "lost"})


class Tree:
    """The tree of a source, as proofs ask for it."""

    def __init__(self, source: Source) -> None:
        """Read this one."""
        self.read = source.hashes


class Signed(NamedTuple):
    """A checkpoint that stands in the journal, held to the tree and to its node's keys.

    ``code`` is empty if it holds. ``at`` is when it was signed, in seconds UTC.
    """

    entry: int
    size: int
    root: str
    at: int
    note: bytes
    keys: tuple[str, ...]
    code: str


class Vouched(NamedTuple):
    """What witnesses cosigned: of how many entries, when and who; whether that is a quorum."""

    size: int
    at: int
    by: tuple[str, ...]
    is_quorum: bool
    code: str


class Standing(NamedTuple):
    """How a journal stands.

    ``crossed`` is how many of the other journal's entries were taken in here, at least; None
    where nothing crossed.
    """

    node: str
    size: int
    taken_ms: int
    quorum: str
    signed: Signed | None
    vouched: Vouched | None
    crossed: int | None

    @property
    def uncovered(self) -> int:
        """Entries after the newest checkpoint, but for that checkpoint's own."""
        return self.size if self.signed is None else max(self.size - self.signed.size - 1, 0)


def of(index: Index, journal: Journal, source: Source, view: View) -> Standing:
    """Return how a journal stands, by what it holds itself."""
    notes = _checkpoints(index, journal, source)
    newest = next(notes, None)
    signed = vouched = None
    if newest is not None:
        place, facts = newest
        signed = look(facts.note.encode(), place, journal.node, source, view)
        told = facts.cosigned if isinstance(facts.cosigned, entries.Cosigned) else None
        told = told or next(
            (each.cosigned for _, each in notes if isinstance(each.cosigned, entries.Cosigned)),
            None,
        )
        vouched = None if told is None else _vouched(told, journal.node, source, view)
    agreed = view.arrangement
    return Standing(
        journal.node,
        journal.size,
        journal.taken_ms,
        agreed.quorum if agreed else quorum.NONE,
        signed,
        vouched,
        _crossed(index, journal),
    )


def look(note: bytes, place: int, node: str, source: Source, view: View) -> Signed:
    """Hold a checkpoint to its node's keys and to the entries; what does not hold is named."""
    size, root, at, code = 0, b"", 0, ""
    names: tuple[str, ...] = ()
    try:
        head = c2sp.parse(note)
        size, root = head.size, head.root
        needed = terms.of(note, node, view)
        found = needed.verify(note)
        at = found.at(needed.log[-1]) or 0
        names = tuple(f"{key.name} ({key.type.name})" for key, _ in found.signed)
        if size > source.size() or root_at(size, Tree(source)) != root:
            code = "bad-checkpoint"
    except Refusal as refusal:
        code = refusal.code.value
    return Signed(place, size, b64(root), at, note, names, code)


def covering(
    index: Index, journal: Journal, source: Source, place: int
) -> tuple[int, bytes] | None:
    """Return the newest checkpoint that an entry is under: where it stands, and its text."""
    for at, facts in _checkpoints(index, journal, source):
        return (at, facts.note.encode()) if facts.size > place else None
    return None


def _checkpoints(
    index: Index, journal: Journal, source: Source
) -> Iterator[tuple[int, entries.Checkpointed]]:
    """Yield a journal's checkpoints, the newest first."""
    for value in index.values(journal, "kind"):
        if value.value == "checkpoint":
            for place in bitmaps.from_the_end(index.bits(journal, value)):
                facts = entries.decode(source.read(place, 1)[0].entry).facts
                if isinstance(facts, entries.Checkpointed):
                    yield place, facts


def _vouched(told: entries.Cosigned, node: str, source: Source, view: View) -> Vouched:
    root = root_at(told.size, Tree(source)) if told.size <= source.size() else bytes(32)
    try:
        found, needed = verified(told, view, node, root)
    except Refusal as refusal:
        return Vouched(told.size, 0, (), is_quorum=False, code=refusal.code.value)
    at, names = needed.met_at(found), tuple(needed.times(found))
    return Vouched(told.size, at or 0, names, is_quorum=at is not None, code="")


def _crossed(index: Index, journal: Journal) -> int | None:
    """Return up to which entry the other node's were taken in: by the newest that came in turn.

    What went ahead (``crossed.went_in_turn``) says nothing of those before it.
    """
    first = max(journal.size - _LOOK_BACK, 0)
    for row in index.rows(journal, range(journal.size - 1, first - 1, -1)):
        is_ahead = row.kind in _AHEAD or (
            row.kind == "accepted" and row.precedence in pressing.RANKS
        )
        if row.home_index >= 0 and not is_ahead:
            return row.home_index + 1
    return None
