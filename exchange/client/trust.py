"""The agency's own copy of the trust documents: fetched, verified from the anchor, folded.

Our node tells of each journal: of its own, and of what took effect in another node's, in the
order in which it did so there. What came from there is judged by that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.client.cabinet import FILE
from exchange.client.strictness import strictest
from exchange.errors import Code, Fault, Refusal
from exchange.journal.heads import EMPTY, InboxHead
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model import wire
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.model.lost import losses_in, must_stand
from exchange.model.view import View
from exchange.seal import trust

if TYPE_CHECKING:
    from exchange.client.cabinet import Cabinet
    from exchange.client.transport import Transport

_DRAWER = "trust"


class Known(NamedTuple):
    """A view, when the newest of its trust documents was taken in (ms UTC), and the chain.

    The chain is that of the trust inbox, as ``journal.heads`` folds it. ``entry`` is that of
    the document in our node's journal, also where the view is of another's.
    """

    view: View
    taken_ms: int
    inbox: InboxHead = EMPTY
    entry: int = -1


class _Log(ABC):
    """Every view there has been of one journal, as our node tells it, oldest first."""

    def __init__(self, anchor: str, cabinet: Cabinet | None, realm: str, node: str) -> None:
        self.node = node
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
        """Return what was in force when the entry at ``index`` of our node was made."""
        return next(
            (known for known in reversed(self._known) if known.entry < index),
            self._known[0],
        )

    def head_before(self, index: int) -> InboxHead:
        """Return the head over the trust documents before an index of our node's journal."""
        return self.before(index).inbox

    async def fetch(self, transport: Transport, **whose: str) -> None:
        """Fetch and verify what is new.

        The newest that was held is asked for once more, so that another log is noticed.

        Raises:
            Refusal: a document does not follow from those before it, or one is missing.
        """
        self.recall()
        while not self.take(await self.ask(transport, **whose)):
            pass

    async def ask(self, transport: Transport, **whose: str) -> wire.TrustPage:
        """Return what our node tells after what is known; nothing of it is verified yet.

        Raises:
            Refusal, Fault: what our own node answers to who asks.
        """
        after = self._known[-2 if self._last else -1].entry
        return await transport.get_as(wire.TrustPage, "/v1/trust", after=after, **whose)

    def take(self, page: wire.TrustPage) -> bool:
        """Verify and fold what is new in a page; return whether that is all there is.

        Raises:
            Refusal: a document does not follow from those before it, or one is missing.
        """
        fresh = self._gone_on(page)
        for item in fresh:
            self._fold(item)
        self._hold(fresh)
        if not page.items and self.newest.position < page.total:
            raise Refusal(Code.TRUST_INVALID, "/total", expected=page.total)
        return self.newest.position >= page.total

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

    def kept(self) -> list[wire.TrustItem]:
        """Return the documents that are held on disk, as they came, in order."""
        if self._cabinet is None:
            return []
        names = (f"{self._realm}\n{place}" for place in range(self.newest.position))
        found = [self._cabinet.get_sound(_DRAWER, each) for each in names]
        return [msgspec.json.decode(each, type=wire.TrustItem) for each in found if each]

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
        last = self._known[-1]
        if item.position != last.view.position or item.index <= last.entry:
            raise Refusal(Code.TRUST_INVALID, "/position", expected=last.view.position)
        index, taken_ms = self._effect(item, entries.decode(item.entry.encode()))
        if index <= last.view.index:
            raise Refusal(Code.TRUST_INVALID, "/index", found=index)
        if taken_ms < last.taken_ms:
            raise Refusal(Code.TRUST_INVALID, "/taken_ms", found=taken_ms)
        view = trust.apply(item.document.encode(), last.view, index, taken_ms // 1000)
        must_stand(last.view, view, self.node)
        inbox = last.inbox.after(item.index, leaf_hash(item.entry.encode()))
        self._known.append(Known(view, taken_ms, inbox, item.index))

    @abstractmethod
    def _effect(self, item: wire.TrustItem, entry: entries.Entry) -> tuple[int, int]:
        """Return index and time (ms UTC) at which a document took effect in its journal.

        Raises:
            Refusal: ``trust-invalid``: its entry says another thing than the item.
        """


class TrustLog(_Log):
    """Our node's: every view that was in force here, and the logs of other nodes' journals.

    An old bulletin is judged under its own view.
    """

    def __init__(
        self, anchor: str, cabinet: Cabinet | None = None, realm: str = "", node: str = ""
    ) -> None:
        """Trust nothing but the anchor.

        Args:
            anchor: the digest of the first root.
            cabinet: where documents are held from one command to the next.
            realm: names node and anchor: what another node told is not mixed with it.
            node: our home node.
        """
        super().__init__(anchor, cabinet, realm, node)
        self._abroad: dict[str, HomeLog] = {}
        # Of which other logs do not follow, and why: what came from there is locked.
        self._broken: dict[str, Refusal] = {}

    def between(self, first: int, last: int) -> list[View]:
        """Return every view that was in force from one journal entry to another."""
        begun = self.before(first).view.index
        return [view for view in self.views if begun <= view.index < last]

    def during(self, first: int, end: int) -> list[View]:
        """Return what was in force before a commit group, and once all of it was there.

        Args:
            first: index of its first entry.
            end: one more than that of its last.
        """
        return [self.before(first).view, self.before(end).view]

    def home(self, node: str) -> HomeLog:
        """Return the log of another node's journal.

        Raises:
            Refusal: ``trust-invalid``: there is no such other node; or why its log is broken.
        """
        if (broken := self._broken.get(node)) is not None:
            raise Refusal(broken.code, broken.at, **broken.facts)
        found = self._abroad.get(node)
        if found is None:
            raise Refusal(Code.TRUST_INVALID, "/home", name=node)
        return found

    @property
    def strictest(self) -> View:
        """The view to seal under: ours, and nobody in it who is shut out in another journal.

        Of a log that is broken it counts what was folded before: that its nation signed.
        """
        return strictest(self.newest, [log.newest for log in self._abroad.values()])

    async def refresh(self, transport: Transport) -> View:
        """Fetch and verify what is new, also of other nodes; return the view in force here.

        What is not sound in another node's log locks what came from there, and nothing of ours.
        That our own node turns us away (a session that is over, say) is nothing of that log.

        Raises:
            Refusal: a document of ours does not follow from those before it, or is missing; or
                our node turned us away.
        """
        await self.fetch(transport)
        for name, log in self._others():
            await self._follow(name, log, transport)
        return self.newest

    async def _follow(self, name: str, log: HomeLog, transport: Transport) -> None:
        is_whole = False
        try:
            log.recall()
        except Refusal as refusal:
            self._broken[name] = refusal
            return
        for loss in losses_in(self.newest, self.node):
            log.forget(loss.first, loss.end)
        while not is_whole:
            page = await log.ask(transport, node=name)
            try:
                is_whole = log.take(page)
            except Refusal as refusal:
                self._broken[name] = refusal
                return
        self._broken.pop(name, None)

    def others(self) -> dict[str, HomeLog]:
        """Return the logs of the other nodes' journals, by their names."""
        return dict(self._others())

    def recall(self) -> None:
        """Fold what is held, also of other nodes; again is harmless.

        Raises:
            Refusal: it does not follow from the anchor: it is not what was held.
            Fault: ``mail-damaged``.
        """
        super().recall()
        for _, log in self._others():
            log.recall()

    def _others(self) -> list[tuple[str, HomeLog]]:
        """Return the logs of all other nodes there are by now: none is ever struck off."""
        anchor = self.newest.anchor
        for name in self.newest.nodes:
            if name != self.node and name not in self._abroad:
                realm = f"{self._realm}\n{name}"
                self._abroad[name] = HomeLog(anchor, self._cabinet, realm, name)
        return list(self._abroad.items())

    def _effect(self, item: wire.TrustItem, entry: entries.Entry) -> tuple[int, int]:
        facts = entry.facts
        if (
            not isinstance(facts, entries.Trust)
            or not _says(facts, item)
            or facts.view != self.newest.index
        ):
            raise Refusal(Code.TRUST_INVALID, "/entry", found=item.index)
        return item.index, item.taken_ms


class HomeLog(_Log):
    """Another node's: every view that was in force there, by index and time of its journal.

    Our node recorded each of its documents, with the facts of its entry there.
    """

    def __init__(self, anchor: str, cabinet: Cabinet | None, realm: str, node: str) -> None:
        """Trust nothing but the anchor: it is the same for every journal."""
        super().__init__(anchor, cabinet, realm, node)

    def forget(self, first: int, end: int) -> None:
        """Let go of documents whose entries here are declared lost: our node hears them anew.

        Args:
            first: the first of those entries.
            end: one more than the last.
        """
        kept = [known for known in self._known if not first <= known.entry < end]
        gone = len(self._known) - len(kept)
        if gone and self._known[: len(kept)] == kept:
            if self._cabinet is not None:
                with self._cabinet.change():
                    for place in range(len(kept) - 1, len(self._known) - 1):
                        self._cabinet.drop(_DRAWER, f"{self._realm}\n{place}")
            self._known, self._last = kept, None

    def around(self, home: int) -> tuple[Known, int | None]:
        """Return what was in force before an entry there, and when it was replaced (ms UTC)."""
        later = None
        for known in reversed(self._known):
            if known.view.index < home:
                return known, later
            later = known.taken_ms
        return self._known[0], later

    def _effect(self, item: wire.TrustItem, entry: entries.Entry) -> tuple[int, int]:
        # What was in force here then decided on nothing of it: our view is not looked at.
        facts = entry.facts
        if not isinstance(facts, entries.TrustReceived) or not _says(facts, item):
            raise Refusal(Code.TRUST_INVALID, "/entry", found=item.index)
        there = entries.decode(entry.at_home).facts
        if (
            not isinstance(there, entries.Trust)
            or facts.home.node != self.node
            or (there.name, there.version, there.document, there.position, there.view)
            != (item.name, item.version, facts.document, item.position, self.newest.index)
        ):
            raise Refusal(Code.TRUST_INVALID, "/entry", found=item.index)
        return facts.home.index, there.taken_ms


def _says(facts: entries.Trust | entries.TrustReceived, item: wire.TrustItem) -> bool:
    """Tell whether an entry says the same of a document as the item in which it came."""
    document = item.document.encode()
    return (
        (facts.name, facts.version) == (item.name, item.version)
        and (facts.position, facts.taken_ms) == (item.position, item.taken_ms)
        and facts.document == Blob(digest(document), len(document))
    )
