"""Cosignatures that a journal holds of its own checkpoints, held to the agreed quorum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal
from exchange.journal import terms
from exchange.journal.checkpoint import Checkpoint
from exchange.journal.logkeys import origin_of
from exchange.journal.note import parse_note

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.journal.checkpoint import Verified
    from exchange.journal.terms import Terms
    from exchange.model.entry import Cosigned
    from exchange.model.view import View


def verified(told: Cosigned, view: View, node: str, root: bytes) -> tuple[Verified, Terms]:
    """Hold what a journal says was cosigned to the witnesses' keys.

    Args:
        told: cosignatures of an earlier checkpoint.
        view: in force where they stand.
        node: whose journal it is.
        root: of the first so many entries, 32 bytes, as the tree gives it.

    Returns:
        The checkpoint as verified, and what one of its size needs.

    Raises:
        Refusal: ``bad-checkpoint``: one does not hold, or no witness is among them.
    """
    head = Checkpoint(origin_of(node), told.size, root)
    lines = "".join(f"{line}\n" for line in told.lines).encode()
    note = parse_note(head.body() + b"\n" + lines).encode()
    needed = terms.of(note, node, view)
    witnesses = needed.policy.witnesses if needed.policy else ()
    there = [each.key for each in witnesses if parse_note(note).by(each.key)]
    if not there:
        raise Refusal(Code.BAD_CHECKPOINT, "/cosigned")
    # The log's own signatures stand with the earlier checkpoint, and were held to its keys.
    return needed._replace(log=there).verify(note), needed


class Witnessed:
    """Counts the checkpoints that a quorum cosigned, and knows the newest."""

    def __init__(self) -> None:
        """Begin without any."""
        self.count = 0
        self.size = 0
        self.at: int | None = None

    def carried(self) -> tuple[int, int, int | None]:
        """Return what is carried on: count, size and time."""
        return self.count, self.size, self.at

    def add(self, told: Cosigned, view: View, node: str, root: Callable[[int], bytes]) -> None:
        """Hold what the journal says was cosigned to the tree as recomputed.

        Args:
            told: cosignatures of an earlier checkpoint.
            view: in force where they stand.
            node: whose journal it is.
            root: returns the root of the first so many entries.

        Raises:
            Refusal: ``bad-checkpoint``: one does not hold, or they are no quorum.
        """
        self._count(*verified(told, view, node, root(told.size)))

    def add_kept(self, found: Verified, needed: Terms) -> None:
        """Count a checkpoint that was kept elsewhere, where witnesses cosigned it.

        Args:
            found: as verified.
            needed: what one of its size needs.

        Raises:
            Refusal: ``bad-checkpoint``: those who cosigned are no quorum.
        """
        if needed.times(found):
            self._count(found, needed)

    def _count(self, found: Verified, needed: Terms) -> None:
        size, at = found.checkpoint.size, needed.met_at(found)
        if at is None:
            raise Refusal(Code.BAD_CHECKPOINT, "/cosigned", found=size)
        self.count += 1
        if (size, at) > (self.size, self.at or 0):
            self.size, self.at = size, at
