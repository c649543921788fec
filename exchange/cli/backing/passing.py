"""Hold a journal that goes by, group by group, to itself and to what was signed of it.

In memory that does not grow with the journal: the edge of the tree, the trust documents, and
the names of attachments. Whether each entry follows by the rules is for whoever restores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Fault, Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal import terms
from exchange.journal.stored import leaf_of
from exchange.journal.tree import Frontier
from exchange.model import entry as entries
from exchange.model.identity import digest
from exchange.model.view import View
from exchange.node.shipping import named
from exchange.seal import trust

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exchange.node.ports import Shipped


class Passing:
    """Takes commit groups in order; ``must_have_ended`` once, after the last."""

    def __init__(self, node: str, anchor: str, note: bytes, has: Callable[[str], bool]) -> None:
        """Begin before entry 0.

        Args:
            node: whose journal it is.
            anchor: digest of the first root.
            note: the newest checkpoint signed of it; nothing where none was.
            has: tells whether an attachment went by.
        """
        self.frontier = Frontier()
        # Entries that name a body that did not come with it, and was not ordered to be purged.
        self._bodyless: set[int] = set()
        # Attachments likewise, by digest; purged ones among them.
        self.attachments_missing: set[str] = set()
        self._node, self._note, self._has = node, note, has
        self._view = View(anchor=anchor)
        self._signed = c2sp.parse(note).size if note else 0
        self._root_at_signed = b""

    @property
    def bodies_missing(self) -> int:
        """How many bodies and wrapped keys are not there, and were not ordered to be purged."""
        return len(self._bodyless)

    @property
    def size(self) -> int:
        """How many entries went by."""
        return self.frontier.size

    def take(self, group: Shipped) -> None:
        """Take the next group.

        Raises:
            Fault: ``backup-differs``: it does not follow, or one of its entries, or what comes
                with them, is not what it should be.
        """
        if group.first != self.size or not group.entries:
            raise Fault(Code.BACKUP_DIFFERS, found=self.size)
        beside = {digest(each): each for each in group.blobs}
        leaves = []
        for index, raw in enumerate(group.entries, group.first):
            leaves.append(leaf_of(raw))
            try:
                self._look_at(index, raw, beside)
            except Refusal as refusal:
                raise Fault(Code.BACKUP_DIFFERS, refusal.at, found=index) from refusal
        self._grow(leaves)

    def _look_at(self, index: int, raw: bytes, beside: Mapping[str, bytes]) -> None:
        facts = entries.decode(raw).facts
        if any(blob.digest not in beside for blob in named(raw)):
            self._bodyless.add(index)
        if isinstance(facts, entries.PurgeOrdered):
            self._bodyless -= {facts.of, *facts.grants}
        if files := entries.attached_in(facts):
            attached = (blob.digest for blob in files)
            self.attachments_missing |= {each for each in attached if not self._has(each)}
        if isinstance(facts, entries.Trust):
            document = beside.get(facts.document.digest, b"")
            self._view = trust.apply(document, self._view, index, facts.taken_ms // 1000)

    def _grow(self, leaves: list[bytes]) -> None:
        until = self._signed - self.size
        if 0 < until <= len(leaves):
            self._root_at_signed = self.frontier.extend(leaves[:until]).root()
        self.frontier = self.frontier.extend(leaves)

    def must_have_ended(self, size: int) -> None:
        """Return only if all went by, and it is what was signed.

        Raises:
            Fault: ``backup-differs``; ``backup-behind``: more was signed than is here.
        """
        if self.size != size:
            raise Fault(Code.BACKUP_DIFFERS, found=self.size)
        if not self._note:
            return
        signed = self.read_note(self._note)
        if signed.size > self.size:
            missing = signed.size - self.size
            raise Fault(
                Code.BACKUP_BEHIND, missing=missing, found=self.size, expected=signed.size
            )
        if signed.size and signed.root != self._root_at_signed:
            raise Fault(Code.BACKUP_DIFFERS, found=signed.size)

    def read_note(self, note: bytes) -> c2sp.Checkpoint:
        """Return what a checkpoint says, under the keys of this journal's node.

        Raises:
            Fault: ``backup-differs``: the journal knows no such node; or ``bad-checkpoint``.
        """
        if self._node not in self._view.nodes:
            raise Fault(Code.BACKUP_DIFFERS, name=self._node)
        try:
            return terms.of(note, self._node, self._view).verify(note).checkpoint
        except Refusal as refusal:
            raise Fault(refusal.code, refusal.at, **refusal.facts) from refusal
