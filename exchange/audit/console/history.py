"""What the nations agreed on over time: trust entries, what each changed, who signed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exchange.audit import bitmaps
from exchange.audit.agreed import Agreed
from exchange.model import entry as entries
from exchange.render.agreement import changes

if TYPE_CHECKING:
    from exchange.audit.console.source import Source
    from exchange.audit.index import Index, Journal
    from exchange.model.codes import Lang
    from exchange.model.view import View


class Took(NamedTuple):
    """A trust entry: what was in force before and after it. ``holds``: its document did."""

    entry: int
    taken_ms: int
    name: str
    version: int
    before: View
    after: View
    holds: bool

    def lines(self, lang: Lang) -> list[str]:
        """Return what it changed, a line for each thing."""
        return changes(self.before, self.after, lang)

    @property
    def signers(self) -> tuple[str, ...]:
        """Return who signed what it brought: custodians, a node, or an endpoint its choice."""
        found: dict[str, None] = {}
        for role, file in self.after.files.items():
            if self.before.files.get(role) != file:
                found.update(dict.fromkeys(file.signed_by))
        if not found and self.name.startswith("subscriptions/"):
            found[self.name.removeprefix("subscriptions/")] = None
        return tuple(found)


class History:
    """Follows the trust entries of one journal; only new ones are read."""

    def __init__(self, source: Source) -> None:
        """Begin before entry 0."""
        self._source = source
        self._agreed = Agreed(source.blob)
        self.took: list[Took] = []

    @property
    def view(self) -> View:
        """What is in force after the newest entry read."""
        return self._agreed.view

    def follow(self, index: Index, journal: Journal) -> None:
        """Read the trust entries that are new in an index."""
        after = self.took[-1].entry + 1 if self.took else 0
        for value in index.values(journal, "kind"):
            if value.value != "trust":
                continue
            fresh = index.bits(journal, value) & bitmaps.span(after, journal.size)
            for place in bitmaps.places(fresh):
                self._take(place)

    def _take(self, place: int) -> None:
        entry = entries.decode(self._source.read(place, 1)[0].entry)
        before, facts = self._agreed.view, entry.facts
        holds = self._agreed.add(place, entry)
        if isinstance(facts, entries.Trust):
            made = Took(
                place,
                facts.taken_ms,
                facts.name,
                facts.version,
                before,
                self._agreed.view,
                holds,
            )
            self.took.append(made)
