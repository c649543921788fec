"""Trust entries first, and alone where they are more than a page: what all else is judged by.

A page is signed by the log keys in force at its size, which the newest of those entries may
list. So a page that does not reach the entry by which keys are handed over is told under an
older checkpoint: the newest that the keys before it signed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from exchange.journal.checkpoint import parse
from exchange.journal.logkeys import log_keys
from exchange.model import entry as entries

if TYPE_CHECKING:
    from exchange.node.node import Node

_READ: Final = 256
# Around the entry that hands keys over; a checkpoint is made each few seconds.
_LOOK: Final = 4096
# What the proof of an entry takes on a page, at most.
_PROOF_BYTES: Final = 4096


class Alone(NamedTuple):
    """A page of trust alone: which entries, in order, and under which checkpoint."""

    indexes: list[int]
    note: bytes


async def alone(node: Node, known: int, note: bytes, most: int) -> Alone | None:
    """Return what is to be told of trust before anything else; None where a page bears it all.

    Args:
        node: ours.
        known: the newest trust entry that the caller has.
        note: our newest checkpoint.
        most: how many bytes a page is to be of; at least one entry goes.
    """
    size = parse(note).size
    if node.view.index <= known:
        return None
    ahead = await _ahead(node, known, size)
    taken, held = 0, 0
    for _, weight in ahead:
        if taken and held + weight > most:
            break
        taken, held = taken + 1, held + weight
    if taken == len(ahead):
        return None
    told = [index for index, _ in ahead[:taken]]
    while (handed := _handed_over(node, told[-1], size)) is not None:
        if (older := await _signed_between(node, told[-1], handed)) is not None:
            return Alone(told, older)
        # Nothing was signed between them: it goes as far as the new keys.
        told = [index for index, _ in ahead if index <= handed]
    return Alone(told, note)


async def _ahead(node: Node, known: int, size: int) -> list[tuple[int, int]]:
    """Return all trust entries after one, and how many bytes each takes on a page."""
    found: list[tuple[int, int]] = []
    after = known
    while rows := await node.store.inbox(entries.TRUST_INBOX, after, _READ):
        for row in rows:
            facts, after = entries.decode(row.entry).facts, row.index
            if after >= size:
                return found
            if isinstance(facts, entries.Trust):
                weight = len(row.entry) + facts.document.size + _PROOF_BYTES
                found.append((after, weight))
    return found


def _handed_over(node: Node, last: int, size: int) -> int | None:
    """Return the next entry below ``size`` by which our log's keys are others than at one."""
    before = node.view.node_before(node.name, last + 1)
    for index, document in node.view.tenures.get(node.name, ()):
        is_new = before is not None and log_keys(document) != log_keys(before)
        if last < index < size and is_new:
            return index
    return None


async def _signed_between(node: Node, last: int, handed: int) -> bytes | None:
    """Return our newest checkpoint of more than one entry and not of another, if it is near."""
    end = handed + _READ
    for first in range(end - _READ, max(end - _LOOK, last) - _READ, -_READ):
        rows = await node.store.read(max(first, last), _READ)
        for row in reversed(rows):
            facts = entries.decode(row.entry).facts
            if isinstance(facts, entries.Checkpointed) and last < facts.size <= handed:
                return facts.note.encode()
    return None
