"""Pull what another node has for ours: proved entry by entry, taken in, and never twice.

    a page under a signed checkpoint > consistent with the last > each entry under its root >
    no place in an inbox left out > its bytes fetched > taken in, trust first > how far, kept

A link that is cut goes on where it stood. What a node cannot prove stops the link to it, with
an alarm: nothing that comes after is taken in, and everything else of this node goes on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
import structlog

from exchange.broker import keys, peering
from exchange.broker.peering import Crossing
from exchange.errors import Code, Fault, Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal import forks, terms
from exchange.journal.proofs import verify_consistency
from exchange.journal.tree import leaf_hash, verify_path
from exchange.link.telling import tell
from exchange.model import entry as entries
from exchange.model import metadata, objects
from exchange.model.codec import unb64
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.node.receiving import receive
from exchange.seal import jws, trust

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from exchange.model import wire
    from exchange.model.view import View
    from exchange.node.node import Node

_REST_S: Final = 1.0
_LONGEST_REST_S: Final = 30.0
# Whose uploads are those that come over the link.
_NOBODY: Final = ""

_log = structlog.get_logger("exchange.link")


class Far(Protocol):
    """Another node; ``link.transport.Peer`` is one."""

    node: str

    async def entries(self, after: int, since: int) -> wire.LinkPage:
        """Return what crosses after an index, under a checkpoint."""

    async def blob(self, digest: str, index: int, by: int) -> bytes:
        """Return the bytes that an entry names."""

    def pieces(self, digest: str, index: int, by: int, offset: int) -> AsyncIterator[bytes]:
        """Yield the bytes of an attachment from an offset on."""


class Pulled(msgspec.Struct, frozen=True):
    """How far a link came: to which entry, under which checkpoint, and each inbox's count."""

    after: int = -1
    note: str = ""
    inboxes: dict[str, int] = {}


class Memory(Protocol):
    """Where ``Pulled`` is kept from one start to the next; what is lost is pulled again."""

    def recall(self, wanted: type[Pulled]) -> Pulled | None:
        """Return what was kept last."""

    def keep(self, kept: Pulled) -> None:
        """Keep it, durably."""

    def accuse(self, evidence: bytes) -> str:
        """Keep what convicts a node; return where."""


class Puller:
    """One link, from another node to ours."""

    def __init__(self, far: Far, node: Node, memory: Memory) -> None:
        """Begin where it stood; ``run`` pulls."""
        self._far = far
        self._node = node
        self._memory = memory
        self.pulled = memory.recall(Pulled) or Pulled()
        # Why nothing more is taken over this link, once something could not be proved.
        self.trouble: Refusal | None = None
        self.is_up = False

    async def run(self) -> None:
        """Pull until cancelled, or until the other node cannot prove what it says."""
        rest_s = _REST_S
        while self.trouble is None:
            try:
                await self.pull()
                self.is_up, rest_s = True, _REST_S
            except Refusal as refusal:
                # Kept as told: who looks at it may want to look at their journal.
                self.trouble = refusal
                _log.critical(
                    "peer-untrue", node=self._far.node, code=refusal.code.value, at=refusal.at
                )
            except Fault as fault:
                if self.is_up:
                    _log.warning("link-down", node=self._far.node, code=fault.code.value)
                self.is_up = False
                await asyncio.sleep(rest_s)
                rest_s = min(2 * rest_s, _LONGEST_REST_S)
        self.is_up = False

    async def pull(self) -> int:
        """Take one page in; return how many entries were on it.

        Raises:
            Refusal: it does not hold.
            Fault: the other node does not answer, or ours cannot write.
        """
        before = self.pulled
        since = c2sp.parse(before.note.encode()).size if before.note else 0
        try:
            page = await self._far.entries(before.after, since)
        except Refusal as refusal:
            # It does not let us in, or not yet: that proves nothing against it.
            raise Fault(Code.NODE_UNREACHABLE, name=self._far.node) from refusal
        if not page.note:
            return 0
        documents = await self._documents(page.items)
        under = self._foreseen(page.items, documents)
        root = self._checked(page, under)
        inboxes = dict(before.inboxes)
        for item in page.items:
            verify_path(
                leaf_hash(item.entry.encode()),
                item.index,
                c2sp.parse(page.note.encode()).size,
                [unb64(step) for step in item.path],
                root,
            )
            if item.by == item.index:
                self._must_go_on(item, inboxes)
        for item in page.items:
            await self._take(item, documents.get(item.index))
        self.pulled = Pulled(page.cursor, page.note, inboxes)
        if self.pulled != before:
            self._memory.keep(self.pulled)
        return len(page.items)

    # -- what is proved -----------------------------------------------------------------

    async def _documents(self, items: Sequence[wire.LinkItem]) -> dict[int, bytes]:
        """Fetch the trust documents of a page: by them its checkpoint may be signed already."""
        found: dict[int, bytes] = {}
        for item in items:
            facts = entries.decode(item.entry.encode()).facts
            if isinstance(facts, entries.Trust):
                found[item.index] = await self._bytes(facts.document, item)
        return found

    def _foreseen(self, items: Sequence[wire.LinkItem], documents: dict[int, bytes]) -> View:
        """Return what is in force there after a page: judged, and not taken in yet."""
        view = self._node.writer.homes.newest(self._far.node)
        for item in items:
            facts = entries.decode(item.entry.encode()).facts
            if item.index in documents and item.index > view.index:
                view = trust.apply(
                    documents[item.index], view, item.index, facts.taken_ms // 1000
                )
        return view if self._far.node in view.nodes else self._node.view

    def _checked(self, page: wire.LinkPage, view: View) -> bytes:
        """Return the root of a page's checkpoint: signed, and going on from the last one."""
        note = page.note.encode()
        checkpoint = terms.of(note, self._far.node, view).verify(note).checkpoint
        if not self.pulled.note:
            return checkpoint.root
        last = c2sp.parse(self.pulled.note.encode())
        path = [unb64(step) for step in page.grown]
        try:
            verify_consistency(last.size, checkpoint.size, path, last.root, checkpoint.root)
        except Refusal as refusal:
            evidence = forks.of(self.pulled.note.encode(), note, path)
            kept = self._memory.accuse(evidence.encode())
            raise Refusal(
                Code.HEAD_WENT_BACK,
                "/note",
                expected=last.size,
                found=checkpoint.size,
                evidence=kept,
            ) from refusal
        return checkpoint.root

    def _must_go_on(self, item: wire.LinkItem, inboxes: dict[str, int]) -> None:
        """Hold an entry to the next place in each inbox of ours: none was left out."""
        if item.index <= self.pulled.after:
            raise Refusal(Code.BAD_PROOF, "/index", found=item.index)
        facts = entries.decode(item.entry.encode()).facts
        ours = self._node.view.nodes.get(self._node.name)
        here = ours.serves if ours else ()
        for owed in entries.owed_by(facts):
            if not peering.is_here(owed.endpoint, here):
                continue
            expected = inboxes.get(owed.endpoint, 0)
            if owed.position != expected:
                raise Refusal(
                    Code.ITEM_WITHHELD,
                    "/owed",
                    name=owed.endpoint,
                    expected=expected,
                    found=owed.position,
                )
            inboxes[owed.endpoint] = expected + 1

    # -- what is taken in ---------------------------------------------------------------

    async def _take(self, item: wire.LinkItem, document: bytes | None) -> None:
        home = entries.Home(self._far.node, item.index)
        key = keys.crossed(home)
        found = (await self._node.store.find([key])).get(key)
        if found is None:
            index = await self._taken(home, item, document)
        else:
            index = found.index
        if document is not None:
            await self._adopt(item, document)
        if index is not None:
            await tell(self._node, index, item.entry.encode())

    async def _taken(
        self, home: entries.Home, item: wire.LinkItem, document: bytes | None
    ) -> int | None:
        """Take an entry in; return its index here, or None where there is nothing to take."""
        raw = item.entry.encode()
        facts = entries.decode(raw).facts
        if isinstance(facts, entries.PurgeOrdered):
            return None
        named = peering.names(facts)
        body = document or b""
        if document is None and named:
            try:
                body = await self._bytes(named[0], item)
                for blob in named[1:]:
                    await self._fetch(blob, item)
            except Refusal as refusal:
                # Purged there before it came here: nobody can be given it any more.
                _log.warning(
                    "gone", node=self._far.node, index=item.index, code=refusal.code.value
                )
                return None
        answer = await receive(
            self._node.writer, self._node.settings, Crossing(home, raw, body)
        )
        return answer.receipt.index

    async def _bytes(self, blob: Blob, item: wire.LinkItem) -> bytes:
        """Return the bytes that an entry names.

        Raises:
            Refusal: ``not-found``: they are there no more.
            Fault: they are not those.
        """
        found = await self._far.blob(blob.digest, item.index, item.by)
        if Blob(digest(found), len(found)) != blob:
            raise Fault(Code.NODE_UNREACHABLE, name=self._far.node, expected=blob.digest)
        return found

    async def _fetch(self, blob: Blob, item: wire.LinkItem) -> None:
        """Fetch an attachment, from where an earlier try was cut."""
        blobs = self._node.blobs
        come = await blobs.progress(_NOBODY, blob)
        if come.complete:
            return
        at = come.offset
        async for piece in self._far.pieces(blob.digest, item.index, item.by, at):
            at = (await blobs.append(_NOBODY, blob, at, piece)).offset
        await blobs.finish(_NOBODY, blob)

    async def _adopt(self, item: wire.LinkItem, document: bytes) -> None:
        """Have a trust document take effect here as well, if it is news and holds here."""
        facts = entries.decode(item.entry.encode()).facts
        if not isinstance(facts, entries.Trust) or facts.name.startswith("timestamps/"):
            # A node's own snapshot and timestamp say what is in force there, and nowhere else.
            return
        if self._node.view.version_of(facts.name) >= facts.version:
            return
        caller = ""
        if not document.startswith(metadata.BEGINS):
            signed = jws.read(document, objects.MAX_OBJECT_BYTES)
            caller = objects.decode_subscription(signed.payload).endpoint
        answer = await self._node.submit(caller, document, b"")
        if answer.refusal is not None:
            _log.warning(
                "not-adopted",
                name=facts.name,
                version=facts.version,
                code=answer.refusal.code.value,
            )
