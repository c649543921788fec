"""Verification of a mirror that goes on where an earlier one ended: by what is new alone.

What an earlier one found is in the auditor's own file (``memory``), and is bound to the mirror
by size and root. Of another program, or where the mirror has another root, all is verified
anew, and held to how far that one came: a past that was held is not forgotten for another.
Nothing is, that nobody asked to be: a state of another journal is named, and left as it is. An
older entry that a newer one depends on is read again, and held to
the root by a proof of its inclusion. That the *other* older bytes still are as they were then
is not looked at: verifying without that file does.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from exchange import __version__
from exchange.audit import purges, tables
from exchange.broker import carried as replayed
from exchange.errors import Code, Fault, Refusal
from exchange.journal.proofs import inclusion_proof, root_at, verify_inclusion
from exchange.journal.tiles import MAX_LEVEL, Tile, completed
from exchange.journal.tree import HASH_BYTES, Frontier, leaf_hash
from exchange.model import entry as entries
from exchange.model.header import Blob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.audit.memory import Memory
    from exchange.audit.verify import Stored

FORM: Final = 4
# Entries between two saves of how far it is, at least: a second or two of work. A save writes
# all that is carried on, orders to purge above all; were it not rarer where there are more
# entries, saving would take the longer share the more there is.
_OFTEN: Final = 2_000
_SHARE: Final = 8


class Rows(Protocol):
    """A tree as stored. Raises ``Fault`` if it cannot be read."""

    def hashes(self, level: int, first: int, count: int) -> bytes:
        """Return neighbours of one row of the tree, joined."""


class Entries(Rows, Protocol):
    """Entries and their tree."""

    def read(self, first: int, limit: int) -> Sequence[Stored]:
        """Return at most ``limit`` entries from index ``first`` on, in order."""


class Source(Entries, Protocol):
    """A mirror."""

    def size(self) -> int:
        """Return how many entries there are."""


class State(msgspec.Struct, frozen=True):
    """Where an earlier verification ended: right after a checkpoint, and all held until there.

    ``anchor`` is what the auditor brought, ``own`` the digest of the journal's first root.
    ``trust`` are the trust entries, from which what is in force is folded anew. ``witnessed``
    are the count, the size and the time of ``audit.cosigned``.
    """

    form: int
    program: str
    anchor: str
    own: str
    frontier: bytes
    trust: list[int]
    replay: replayed.Carried
    tables: tables.Carried
    purges: purges.Carried
    named: list[Blob]
    held: dict[str, int]
    attested: int
    covered: int
    witnessed: tuple[int, int, int | None]
    node: str
    epoch: int
    taken_ms: int
    endpoints: list[str]
    auditors: list[str]

    @property
    def size(self) -> int:
        """How many entries were verified."""
        return Frontier.decode(self.frontier).size


class Past(NamedTuple):
    """How far an earlier verification came: entries, and their root; and of what.

    ``own`` is the digest of the journal's first root; empty where that is not known.
    """

    size: int
    root: bytes
    node: str
    own: str


def load(
    memory: Memory, source: Source, anchor: str | None
) -> tuple[State | None, Past | None]:
    """Return where to go on; else nothing, or what all that is verified anew is held to.

    Nothing is remembered then; that is durable only with the next save.

    Args:
        memory: the auditor's own file.
        source: the mirror.
        anchor: digest of the first root, if the auditor brought one.

    Raises:
        Fault: the mirror cannot be read; or ``state-other``: what is remembered is of another
            anchor, or damaged.
    """
    raw = memory.state()
    if raw is None:
        memory.clear()
        return None, None
    known = _known(raw)
    if known.anchor != (anchor or ""):
        raise Fault(Code.STATE_OTHER, "/anchor", expected=known.anchor or "-")
    frontier, state = Frontier.decode(known.frontier), _read(raw)
    if state is not None and _goes_on(frontier, source):
        return state, None
    memory.clear()
    own = known.own or known.anchor
    return None, Past(frontier.size, frontier.root(), known.node, own)


def _goes_on(frontier: Frontier, source: Source) -> bool:
    """Tell whether a mirror has what was verified, and can be verified from there on."""
    size = frontier.size
    with suppress(Fault, Refusal):
        if size > source.size() or root_at(size, Older(source)) != frontier.root():
            return False
        # In the middle of what was declared lost since, there is nothing to go on from.
        rows = source.read(size, 1)
        return not (rows and isinstance(entries.decode(rows[0].entry).facts, entries.Lost))
    return False


class _Known(msgspec.Struct, frozen=True):
    """What a state of any form says of where it ended."""

    anchor: str
    node: str
    frontier: bytes
    own: str = ""


def _known(raw: bytes) -> _Known:
    try:
        known = msgspec.json.decode(raw, type=_Known)
        Frontier.decode(known.frontier)
    except (msgspec.DecodeError, ValueError) as error:
        raise Fault(Code.STATE_OTHER, "", found="damaged") from error
    return known


def _read(raw: bytes) -> State | None:
    try:
        state = msgspec.json.decode(raw, type=State)
    except msgspec.DecodeError:
        return None
    return state if (state.form, state.program) == (FORM, __version__) else None


def is_due(size: int, saved: int) -> bool:
    """Tell whether to save after so many entries, where ``saved`` were when it last was."""
    return size - saved >= max(_OFTEN, saved // _SHARE)


class Older:
    """Rows of a tree that is there already."""

    def __init__(self, source: Rows) -> None:
        """Read them there."""
        self.read = source.hashes


class Grown:
    """A tree that grows on what is there: older rows are read, and bound by the older root."""

    def __init__(self, source: Rows, frontier: Frontier) -> None:
        """Go on from here; an empty frontier: from the beginning."""
        self.frontier = frontier
        self._older = source.hashes
        self._begun = [frontier.size >> 8 * level for level in range(MAX_LEVEL + 2)]
        self._rows = [bytearray() for _ in self._begun]

    def extend(self, leaf_hashes: Sequence[bytes]) -> list[Tile]:
        """Append leaves (32 bytes each) and return the tiles that became whole."""
        new = list(completed(self.frontier.size, leaf_hashes, self))
        self._rows[0] += b"".join(leaf_hashes)
        for tile in new:
            self._rows[tile.level + 1] += tile.root
        self.frontier = self.frontier.extend(leaf_hashes)
        return new

    def read(self, level: int, first: int, count: int) -> bytes:
        """Return neighbours of one row; see ``journal.tiles.Hashes``."""
        begun, end = self._begun[level], first + count
        older = max(0, min(end, begun) - first)
        found = self._older(level, first, older) if older else b""
        at, until = max(first, begun) - begun, max(end, begun) - begun
        return found + bytes(self._rows[level][at * HASH_BYTES : until * HASH_BYTES])


class Reader:
    """Entries by index; those that were verified before are held to the older root."""

    def __init__(self, source: Entries, frontier: Frontier) -> None:
        """Read from here; an empty frontier: nothing was verified before."""
        self._source, self._older = source, Older(source)
        self._size, self._root = frontier.size, frontier.root()

    def __call__(self, index: int) -> bytes:
        """Return an entry's bytes.

        Raises:
            Refusal: ``bad-proof``: it is not the one that was verified.
        """
        entry = self._source.read(index, 1)[0].entry
        if index < self._size:
            path = inclusion_proof(index, self._size, self._older)
            try:
                # Of its own bytes: nothing leans on what is lost, and a stub put in the place
                # of what was verified carries that hash.
                verify_inclusion(leaf_hash(entry), index, self._size, path, self._root)
            except Refusal:
                raise Refusal(Code.BAD_PROOF, "/entry", found=index) from None
        return entry
