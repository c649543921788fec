"""Attachments, held to the entries that name them: what was not purged is there, as signed.

They lie in a folder beside the journal's file, which a copy may well lack: without it, how many
are named is counted, and none is looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from exchange.errors import Code, ExchangeError, Fault, Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from exchange.model.header import Blob


class Files(Protocol):
    """The folder. Raises ``Fault`` where it cannot be read."""

    def look(self, digest: str) -> Blob | None:
        """Return digest and size of the bytes under a name; None where there are none."""

    def is_purged(self, digest: str) -> bool:
        """Tell whether a name is marked as purged."""


class Attached:
    """Looks at every attachment once, at the first entry that names it.

    Attributes:
        held: so many are as they were signed for.
        purged: so many are said to be purged, and are gone; each was ordered, or ``failed``.
        failed: the first entry of which one is not so, and why.
    """

    def __init__(self, files: Files | None) -> None:
        """Look in this folder, if there is one."""
        self.held = self.purged = 0
        self.failed: tuple[int, ExchangeError] | None = None
        self._files = files
        self._named: set[Blob] = set()
        # Of what is marked as purged, the entries that name it.
        self._gone: dict[Blob, list[int]] = {}

    @property
    def named(self) -> int:
        """How many different attachments the entries name."""
        return len(self._named)

    def carried(self) -> list[Blob]:
        """Return all that was named so far."""
        return sorted(self._named, key=lambda each: (each.digest, each.size))

    def carry_on(self, named: Iterable[Blob]) -> None:
        """Go on where these were named; of a mirror, which has none of them."""
        self._named = set(named)

    def add(self, index: int, blobs: Sequence[Blob]) -> None:
        """Tell of an accepted entry: its body, then its attachments."""
        for place, blob in enumerate(blobs[1:], 1):
            if blob in self._gone:
                self._gone[blob].append(index)
            if blob in self._named:
                continue
            self._named.add(blob)
            if self._files is None:
                continue
            try:
                if not self._look(self._files, blob, f"/blobs/{place}"):
                    self._gone[blob] = [index]
            except (Fault, Refusal) as error:
                self.failed = self.failed or (index, error)

    def finish(self, ordered: Collection[int]) -> None:
        """Hold what is gone to the orders: each entry that names it is of one."""
        self.purged = len(self._gone)
        for blob, indexes in self._gone.items():
            for index in indexes:
                if index not in ordered:
                    error = Refusal(Code.MISSING_BLOB, "/blobs", digest=blob.digest)
                    self.failed = self.failed or (index, error)

    def has(self, digest: str) -> bool:
        """Tell whether bytes of a name are there, as far as can be seen."""
        return self._files is not None and self._files.look(digest) is not None

    def _look(self, files: Files, blob: Blob, at: str) -> bool:
        """Look at one; return False where it is gone and marked as purged."""
        found = files.look(blob.digest)
        if found is None and files.is_purged(blob.digest):
            return False
        if found is None:
            raise Refusal(Code.MISSING_BLOB, at, digest=blob.digest)
        if found.size != blob.size:
            raise Refusal(Code.SIZE_MISMATCH, at, expected=blob.size, found=found.size)
        if found.digest != blob.digest:
            raise Refusal(Code.DIGEST_MISMATCH, at, expected=blob.digest)
        self.held += 1
        return True
