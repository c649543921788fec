"""The agency's own copy of the trust documents: fetched, verified from the anchor, folded."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exchange.errors import Code, Refusal
from exchange.journal.heads import EMPTY, InboxHead
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model import wire
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.model.view import View
from exchange.seal import trust

if TYPE_CHECKING:
    from exchange.client.transport import Transport


class Known(NamedTuple):
    """A view, when the newest of its trust documents was taken in (ms UTC), and the chain.

    The chain is that of the trust inbox, as ``journal.heads`` folds it.
    """

    view: View
    taken_ms: int
    inbox: InboxHead = EMPTY


class TrustLog:
    """Every view there has been, oldest first: an old bulletin is judged under its own."""

    def __init__(self, anchor: str) -> None:
        """Trust nothing but the anchor."""
        self._known = [Known(View(anchor=anchor), 0)]

    @property
    def newest(self) -> View:
        """The view in force, as far as it was fetched."""
        return self._known[-1].view

    def before(self, index: int) -> Known:
        """Return what was in force when the journal entry at ``index`` was made."""
        return next(
            (known for known in reversed(self._known) if known.view.index < index),
            self._known[0],
        )

    def head_before(self, index: int) -> InboxHead:
        """Return the head over the trust documents before a journal index."""
        return self.before(index).inbox

    def during(self, first: int, end: int) -> list[View]:
        """Return what was in force before a commit group, and once all of it was there.

        Args:
            first: index of its first entry.
            end: one more than that of its last.
        """
        return [self.before(first).view, self.before(end).view]

    async def refresh(self, transport: Transport) -> View:
        """Fetch and verify what is new; return the view in force.

        Raises:
            Refusal: a document does not follow from those before it, or one is missing.
        """
        while True:
            page = await transport.get_as(wire.TrustPage, "/v1/trust", after=self.newest.index)
            for item in page.items:
                self._fold(item)
            if self.newest.position >= page.total:
                return self.newest
            if not page.items:
                raise Refusal(Code.TRUST_INVALID, "/total", expected=page.total)

    def _fold(self, item: wire.TrustItem) -> None:
        if item.position != self.newest.position or item.index <= self.newest.index:
            raise Refusal(Code.TRUST_INVALID, "/position", expected=self.newest.position)
        raw = item.document.encode()
        if item.taken_ms < self._known[-1].taken_ms:
            raise Refusal(Code.TRUST_INVALID, "/taken_ms", found=item.taken_ms)
        view = trust.apply(raw, self.newest, item.index, item.taken_ms // 1000)
        inbox = self._known[-1].inbox.after(item.index, self._leaf(item))
        self._known.append(Known(view, item.taken_ms, inbox))

    def _leaf(self, item: wire.TrustItem) -> bytes:
        """Return the leaf hash of a document's entry, which says the same of it as the item."""
        entry, document = item.entry.encode(), item.document.encode()
        facts = entries.decode(entry).facts
        if (
            not isinstance(facts, entries.Trust)
            or (facts.name, facts.version) != (item.name, item.version)
            or (facts.position, facts.taken_ms) != (item.position, item.taken_ms)
            or (facts.document, facts.view)
            != (Blob(digest(document), len(document)), self.newest.index)
        ):
            raise Refusal(Code.TRUST_INVALID, "/entry", found=item.index)
        return leaf_hash(entry)
