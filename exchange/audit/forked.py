"""Mirrors of one node held to each other: the longer goes on from the shorter, or it is a fork.

Both may hold by themselves: a node that tells two pasts signs either. So what is derived from
mirrors (an index, the console) takes of one node the longest alone, and never one in another's
place. Where they part, the node's own two checkpoints say so to anybody, and are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from exchange.errors import Code, Refusal
from exchange.evidence import making
from exchange.journal import checkpoint as c2sp
from exchange.journal import forks, terms
from exchange.journal.proofs import consistency_proof, root_at, verify_consistency
from exchange.model import entry as entries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    # Keeps bytes of a kind as evidence, and returns where.
    Keep = Callable[[bytes, str], str]

_PAGE: Final = 256


class Source(making.Source, Protocol):
    """A mirror, or a journal's file. Raises ``Fault`` if it cannot be read."""


class _Tree:
    """The tree of a source, as proofs ask for it."""

    def __init__(self, source: Source) -> None:
        self.read = source.hashes


def longest(sources: Sequence[Source], keep: Keep) -> dict[str, int]:
    """Return, for each node, which of these to take (by place): all others are its beginning.

    Raises:
        Refusal: as ``is_longer``; or ``bad-proof``: a first entry does not say whose it is.
        Fault: one cannot be read.
    """
    found: dict[str, int] = {}
    for place, source in enumerate(sources):
        node = making.node_of(source)
        if node not in found or is_longer(sources[found[node]], source, keep):
            found[node] = place
    return found


def is_longer(one: Source, other: Source, keep: Keep) -> bool:
    """Tell whether the other goes on from the one; else the one is as long, or goes on from it.

    Proved by the hashes that both hold, not by reading all: that each holds the entries that
    its hashes are of is for ``verify`` to say.

    Args:
        one: a journal.
        other: another of the same node.
        keep: where to keep what convicts a node.

    Raises:
        Refusal: an alarm, with the first entry that differs: ``journal-forked``, where the node
            signed both, with both checkpoints as evidence; else ``mirrors-differ``: one of
            them was altered, or what differs is not signed for yet.
    """
    shorter, longer = sorted((one, other), key=lambda each: each.size())
    size, whole = shorter.size(), longer.size()
    try:
        path = consistency_proof(size, whole, _Tree(longer))
        roots = _root(shorter, size), _root(longer, whole)
        verify_consistency(size, whole, path, *roots)
    except Refusal:
        first = _first(shorter, longer, size)
        if (evidence := _evidence(shorter, longer, first)) is not None:
            kept = keep(evidence.encode(), "evidence")
            raise Refusal(Code.JOURNAL_FORKED, "", found=first, evidence=kept) from None
        raise Refusal(Code.MIRRORS_DIFFER, "", found=first) from None
    return other.size() > one.size()


def _root(source: Source, size: int) -> bytes:
    return root_at(size, _Tree(source))


def _first(shorter: Source, longer: Source, size: int) -> int:
    """Return the first entry that differs: what stands before it is the same."""
    same, differs = 0, size
    while differs - same > 1:
        middle = (same + differs) // 2
        is_same = _root(shorter, middle) == _root(longer, middle)
        same, differs = (middle, differs) if is_same else (same, middle)
    return same


def _evidence(one: Source, other: Source, first: int) -> forks.Evidence | None:
    """Return the node's own two checkpoints that cannot both be; None: it signed none such."""
    notes = [note for each in (one, other) if (note := _note_over(each, first))]
    if len(notes) < 2:
        return None
    try:
        view = making.trusted(one, None).view
        sizes = [c2sp.parse(note).size for note in notes]
        short, long = sorted(sizes)
        longer = one if sizes[0] == long else other
        path = consistency_proof(short, long, _Tree(longer))
        if short & (short - 1) == 0 and short < long:
            path.insert(0, _root(longer, short))
        evidence = forks.of(notes[0], notes[1], path)
        needed = [terms.of(note, making.node_of(one), view) for note in notes]
        forks.check(evidence, needed[0].origin, [each.log for each in needed])
    except Refusal:
        return None
    return evidence


def _note_over(source: Source, index: int) -> bytes | None:
    """Return the first checkpoint in a journal that covers an entry; None: there is none."""
    first = index + 1
    while page := source.read(first, _PAGE):
        for row in page:
            if row.entry.startswith(b'{"kind":"checkpoint"'):
                facts = entries.decode(row.entry).facts
                if isinstance(facts, entries.Checkpointed) and facts.size > index:
                    return facts.note.encode()
        first += len(page)
    return None
