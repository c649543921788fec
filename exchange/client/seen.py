"""The newest checkpoint that was verified, on disk, and what the inbox held under it.

A node cannot go back behind it later, nor go on from another past. What shows that it tried is
kept beside it, in ``evidence/``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.client.files import write_durably
from exchange.client.remembered import Remembered
from exchange.errors import Code, Fault
from exchange.model.identity import Count, Digest, Word, digest

if TYPE_CHECKING:
    from pathlib import Path

    from exchange.journal.forks import Evidence

EVIDENCE = "evidence"


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A checkpoint of this node's journal, and the signed head of our own inbox under it."""

    anchor: Digest
    node: Word
    size: Count
    root: Digest
    count: Count
    chain: Digest
    # As the node signed it; empty in what was remembered before this was kept.
    note: str = ""
    # Of another node's journal: which places were said to wait, and since when (seconds UTC).
    waiting: dict[int, int] = {}


class SeenHead:
    """One small file with the newest of them."""

    def __init__(self, path: Path) -> None:
        """Use this file; it is made when the first checkpoint was verified."""
        self._path = path
        self._file = Remembered(path, Seen, Code.HEAD_MEMORY)
        self._evidence = path.with_name(EVIDENCE)

    def of(self, node: str) -> SeenHead:
        """Return where that of another node's journal is remembered: a file beside this one."""
        return SeenHead(self._path.with_name(f"{self._path.stem}-{node}{self._path.suffix}"))

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

    def accuse(self, evidence: Evidence) -> str:
        """Keep two checkpoints of a node that cannot both be of one journal; return where.

        Raises:
            Fault: ``file``: it cannot be written.
        """
        return self._kept(evidence.encode(), "evidence")

    def testify(self, owed: bytes) -> str:
        """Keep what a node signed that it owes, where it does not give it; return where.

        Raises:
            Fault: ``file``: it cannot be written.
        """
        return self._kept(owed, "owed")

    def _kept(self, raw: bytes, kind: str) -> str:
        path = self._evidence / f"{digest(raw)}.{kind}"
        try:
            self._evidence.mkdir(mode=0o700, exist_ok=True)
            if not path.exists():
                write_durably(path, raw)
        except OSError as error:
            raise Fault(Code.FILE, name=str(path), found=type(error).__name__) from error
        return str(path)
