"""Cosignatures that a journal holds of its own checkpoints, held to the agreed quorum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal
from exchange.journal import quorum
from exchange.journal.checkpoint import Checkpoint, verify
from exchange.journal.note import parse_note

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.model.entry import Cosigned
    from exchange.model.view import View


class Witnessed:
    """Counts the checkpoints that a quorum cosigned, and knows the newest."""

    def __init__(self) -> None:
        """Begin without any."""
        self.count = 0
        self.size = 0
        self.at: int | None = None

    def add(
        self, told: Cosigned, view: View, origin: str, root: Callable[[int], bytes]
    ) -> None:
        """Hold what the journal says was cosigned to the tree as recomputed.

        Args:
            told: cosignatures of an earlier checkpoint.
            view: in force where they stand.
            origin: of the journal.
            root: returns the root of the first so many entries.

        Raises:
            Refusal: ``bad-checkpoint``: one does not hold, or they are no quorum.
        """
        head = Checkpoint(origin, told.size, root(told.size)).body()
        lines = "".join(f"{line}\n" for line in told.lines).encode()
        self._count(parse_note(head + b"\n" + lines).encode(), view, origin)

    def add_note(self, note: bytes, view: View, origin: str) -> None:
        """Count a checkpoint that was kept elsewhere, where witnesses cosigned it.

        Raises:
            Refusal: ``bad-checkpoint``: a cosignature does not hold.
        """
        policy = quorum.of(view.agreed())
        if policy is None:
            return
        parsed = parse_note(note)
        if any(parsed.by(each.key) for each in policy.witnesses):
            self._count(note, view, origin)

    def _count(self, note: bytes, view: View, origin: str) -> None:
        policy = quorum.of(view.agreed())
        parsed = parse_note(note)
        there = [] if policy is None else [w for w in policy.witnesses if parsed.by(w.key)]
        if policy is None or not there:
            raise Refusal(Code.BAD_CHECKPOINT, "/cosigned")
        found = verify(note, origin=origin, required=[each.key for each in there])
        at = policy.met_at({each.name: found.at(each.key) or 0 for each in there})
        if at is None:
            raise Refusal(Code.BAD_CHECKPOINT, "/cosigned", found=found.checkpoint.size)
        self.count += 1
        if (found.checkpoint.size, at) > (self.size, self.at or 0):
            self.size, self.at = found.checkpoint.size, at
