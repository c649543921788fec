"""The agency's own copy of the trust documents: fetched, verified from the anchor, folded."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.client.cabinet import FILE
from exchange.errors import Code, Fault, Refusal
from exchange.journal.heads import EMPTY, InboxHead
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model import wire
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.model.view import View
from exchange.seal import trust

if TYPE_CHECKING:
    from exchange.client.cabinet import Cabinet
    from exchange.client.transport import Transport

_DRAWER = "trust"


class Known(NamedTuple):
    """A view, when the newest of its trust documents was taken in (ms UTC), and the chain.

    The chain is that of the trust inbox, as ``journal.heads`` folds it.
    """

    view: View
    taken_ms: int
    inbox: InboxHead = EMPTY


class TrustLog:
    """Every view there has been, oldest first: an old bulletin is judged under its own."""

    def __init__(self, anchor: str, cabinet: Cabinet | None = None, realm: str = "") -> None:
        """Trust nothing but the anchor.

        Args:
            anchor: the digest of the first root.
            cabinet: where documents are held from one command to the next.
            realm: names node and anchor: what another node told is not mixed with it.
        """
        self._known = [Known(View(anchor=anchor), 0)]
        self._cabinet = cabinet
        self._realm = realm
        self._is_recalled = False
        # The newest that was held: the node is asked for it again, once.
        self._last: wire.TrustItem | None = None

    @property
    def newest(self) -> View:
        """The view in force, as far as it was fetched."""
        return self._known[-1].view

    @property
    def views(self) -> list[View]:
        """Every view there has been, from the anchor alone to the one in force."""
        return [known.view for known in self._known]

    def before(self, index: int) -> Known:
        """Return what was in force when the journal entry at ``index`` was made."""
        return next(
            (known for known in reversed(self._known) if known.view.index < index),
            self._known[0],
        )

    def between(self, first: int, last: int) -> list[View]:
        """Return every view that was in force from one journal entry to another."""
        begun = self.before(first).view.index
        return [view for view in self.views if begun <= view.index < last]

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

        The newest that was held is asked for once more, so that another log is noticed.

        Raises:
            Refusal: a document does not follow from those before it, or one is missing.
        """
        self.recall()
        while True:
            after = self._known[-2 if self._last else -1].view.index
            page = await transport.get_as(wire.TrustPage, "/v1/trust", after=after)
            fresh = self._gone_on(page)
            for item in fresh:
                self._fold(item)
            self._hold(fresh)
            if self.newest.position >= page.total:
                return self.newest
            if not page.items:
                raise Refusal(Code.TRUST_INVALID, "/total", expected=page.total)

    def recall(self) -> None:
        """Fold what is held, verified as it was when it came; again is harmless.

        Raises:
            Refusal: it does not follow from the anchor: it is not what was held.
            Fault: ``mail-damaged``.
        """
        if self._cabinet is None or self._is_recalled:
            return
        self._is_recalled = True
        while (found := self._cabinet.get_sound(_DRAWER, self._name())) is not None:
            try:
                item = msgspec.json.decode(found, type=wire.TrustItem)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise Fault(Code.MAIL_DAMAGED, name=FILE, found=_DRAWER) from error
            self._fold(item)
            self._last = item

    def _gone_on(self, page: wire.TrustPage) -> list[wire.TrustItem]:
        """Return what is new in a page, once it begins with the newest that was held.

        Raises:
            Refusal: ``trust-invalid``: the log is shorter than it was, or another one.
        """
        if self._last is None:
            return page.items
        if not page.items:
            raise Refusal(
                Code.TRUST_INVALID,
                "/trust",
                expected=self.newest.position,
                found=min(page.total, self.newest.position - 1),
            )
        if page.items[0] != self._last:
            raise Refusal(Code.TRUST_INVALID, "/trust", expected=self.newest.heads[-1])
        self._last = None
        return page.items[1:]

    def _hold(self, fresh: list[wire.TrustItem]) -> None:
        if self._cabinet is not None and fresh:
            with self._cabinet.change():
                for item in fresh:
                    name = f"{self._realm}\n{item.position}"
                    self._cabinet.put(_DRAWER, name, msgspec.json.encode(item))

    def _name(self) -> str:
        return f"{self._realm}\n{self.newest.position}"

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
