"""Which arrangement was in force at each entry: its journal's trust documents, followed.

Each is judged by the rules that let it in. One that does not hold is left out: that it stands
in the journal all the same is for ``verify`` to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from exchange.broker.establishing import trust_document
from exchange.errors import Refusal
from exchange.model import entry as entries
from exchange.model.identity import digest
from exchange.model.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.evidence.making import Row
    from exchange.model.entry import Entry

_PAGE: Final = 4096


class Source(Protocol):
    """A mirror, or a journal's file. Raises ``Fault`` if it cannot be read."""

    def read(self, first: int, limit: int) -> Sequence[Row]:
        """Return at most ``limit`` entries from index ``first`` on, in order."""

    def blob(self, digest: str) -> bytes | None:
        """Return a trust document by digest, if it is there."""

    def kinds(self, first: int, limit: int) -> Sequence[str]:
        """Return under which kind each entry from index ``first`` on is kept."""


def view_of(source: Source) -> View:
    """Return what is in force at the end of a journal."""
    agreed, first = Agreed(source.blob), 0
    while kinds := source.kinds(first, _PAGE):
        for at, kind in enumerate(kinds, first):
            if kind == "trust":
                agreed.add(at, entries.decode(source.read(at, 1)[0].entry))
        first += len(kinds)
    return agreed.view


class Agreed:
    """Follows one journal. ``view`` is in force after the newest document."""

    def __init__(self, document: Callable[[str], bytes | None]) -> None:
        """Begin before entry 0; ``document`` returns a trust document by digest."""
        self.view = View(anchor="")
        self._document = document

    @property
    def version(self) -> int:
        """The version of the arrangement in force; 0 before there is one."""
        return self.view.version_of("arrangement")

    @property
    def content(self) -> str:
        """The digest of what the arrangement says, whatever its version and dates."""
        found = self.view.arrangement
        if found is None:
            return ""
        plain = msgspec.structs.replace(found, version=0, issued=0)
        return digest(msgspec.json.encode(plain))

    def add(self, index: int, entry: Entry) -> bool:
        """Take in a trust entry; return whether its document holds."""
        facts = entry.facts
        raw = (
            self._document(facts.document.digest) if isinstance(facts, entries.Trust) else None
        )
        if raw is None or not isinstance(facts, entries.Trust):
            return False
        view = self.view if self.view.anchor else View(anchor=facts.document.digest)
        try:
            now = facts.taken_ms // 1000
            change = trust_document(raw, view, now, is_recorded=True).change
        except Refusal:
            return False
        self.view = view.after(change, index)
        return True
