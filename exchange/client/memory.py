"""What was seen of the trust log, on disk: how far, and until when our own keys are good.

A node cannot show an older log later; and a key about to end is told of without asking anybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.client.remembered import Remembered
from exchange.errors import Code, Refusal
from exchange.model.identity import Count, Digest
from exchange.policy.expiry import Lapse

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from exchange.model.view import View


class _Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The head of the trust log after so many documents from this anchor; our keys' ends."""

    anchor: Digest
    position: Count
    head: Digest
    lapses: list[Lapse] = []


class Memory:
    """One small file that holds the longest trust log that was seen and verified."""

    def __init__(self, path: Path) -> None:
        """Use this file; it is made when the first documents were verified."""
        self._file = Remembered(path, _Seen, Code.TRUST_MEMORY)

    def check(self, view: View, lapses: Sequence[Lapse] = ()) -> None:
        """Hold a verified view to what was seen before it; remember it where it has more.

        Args:
            view: the trust documents in force.
            lapses: when our own keys end, under them.

        Raises:
            Refusal: ``trust-invalid``: the log is shorter than it was, or another one.
            Fault: ``trust-memory``: what was seen is damaged; ``file``: it cannot be read or
                kept.
        """
        seen = self._file.read()
        if seen is not None and seen.anchor == view.anchor:
            if view.position < seen.position:
                raise Refusal(
                    Code.TRUST_INVALID, "/trust", expected=seen.position, found=view.position
                )
            if view.heads[seen.position] != seen.head:
                raise Refusal(Code.TRUST_INVALID, "/trust", expected=seen.head)
            if view.position == seen.position and seen.lapses == list(lapses):
                return
        self._file.keep(_Seen(view.anchor, view.position, view.heads[-1], list(lapses)))

    def lapses(self) -> list[Lapse]:
        """Return when our keys end, by the newest documents that were seen."""
        seen = self._file.read()
        return seen.lapses if seen is not None else []
