"""The newest checkpoint that was verified, on disk, and what the inbox held under it.

A node cannot go back behind it later, nor go on from another past.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.client.remembered import Remembered
from exchange.errors import Code
from exchange.model.identity import Count, Digest, Word

if TYPE_CHECKING:
    from pathlib import Path


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A checkpoint of this node's journal, and the signed head of our own inbox under it."""

    anchor: Digest
    node: Word
    size: Count
    root: Digest
    count: Count
    chain: Digest


class SeenHead:
    """One small file with the newest of them."""

    def __init__(self, path: Path) -> None:
        """Use this file; it is made when the first checkpoint was verified."""
        self._file = Remembered(path, Seen, Code.HEAD_MEMORY)

    def read(self, anchor: str, node: str) -> Seen | None:
        """Return what was seen of this node under this anchor, if anything.

        Raises:
            Fault: ``head-memory``: it is damaged, and a node could go back; ``file``.
        """
        seen = self._file.read()
        return seen if seen and (seen.anchor, seen.node) == (anchor, node) else None

    def keep(self, seen: Seen) -> None:
        """Remember this one instead.

        Raises:
            Fault: ``file``: it cannot be written.
        """
        self._file.keep(seen)
