"""Signed checkpoints, in a journal and kept elsewhere, held to the tree as recomputed."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from exchange.audit.cosigned import Witnessed
from exchange.errors import Code, Refusal
from exchange.journal import bundle, terms
from exchange.journal.proofs import consistency_proof, prefix_of, root_at
from exchange.journal.tree import EMPTY_ROOT, leaf_hash

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.journal.checkpoint import Checkpoint
    from exchange.journal.tiles import Hashes
    from exchange.journal.tree import Frontier
    from exchange.model import entry as entries
    from exchange.model.view import View


# What a proof and a checkpoint of ours state before anybody's signature: which entry, with the
# path from it; whose, of how many, and their root, as far as they were not cut off (C2SP
# tlog-proof, tlog-checkpoint).
_HASH: Final = rb"[A-Za-z0-9+/]{43}="
_BARE: Final = re.compile(
    rb"(?:%s(?:extra [A-Za-z0-9+/]*={0,2}\n)?index (\d+)\n(?:%s\n)*"
    rb"(?:\n|[A-Za-z0-9+/]{0,43}=?\Z))?"
    rb"(?:exchange/[a-z0-9-]*(?:\n(?:(\d+)(?:\n([A-Za-z0-9+/]*=?\n{0,2}))?)?)?)?"
    % (re.escape(bundle.FIRST_LINE), _HASH)
)


class Tree(Protocol):
    """The hashes as recomputed, and how far they go."""

    frontier: Frontier

    def read(self, level: int, first: int, count: int) -> bytes:
        """Return neighbours of one row; see ``journal.tiles.Hashes``."""


class Signed:
    """Hears of each checkpoint where it stands.

    Attributes:
        held: so many hold; ``covered``: entries under the newest of them.
        witnessed: who vouched for them.
        first: the first that does not hold, with why; ``uncosigned``: likewise of what stands
            beside one, of an earlier one.
    """

    def __init__(self, tree: Tree, is_node: Callable[[str, Refusal], None]) -> None:
        """Hold them to this tree; ``is_node`` raises where a name is not the journal's."""
        self.held = self.covered = 0
        self.witnessed = Witnessed()
        self.first: tuple[int, Refusal] | None = None
        self.uncosigned: tuple[int, Refusal] | None = None
        self._tree, self._is_node = tree, is_node

    def carry_on(self, held: int, covered: int, witnessed: tuple[int, int, int | None]) -> None:
        """Go on where an earlier verification ended."""
        self.held, self.covered = held, covered
        self.witnessed.count, self.witnessed.size, self.witnessed.at = witnessed

    def add(self, index: int, facts: entries.Checkpointed, view: View) -> None:
        """Hold a checkpoint to the tree; ``view`` is in force where it stands.

        Its keys are those of that time: later ones could sign another past.
        """
        try:
            self._check(index, facts, view)
        except Refusal as refusal:
            self.first = self.first or (index, refusal)
            return
        self._check_cosigned(index, facts, view)
        self.held += 1
        self.covered = max(self.covered, facts.size)

    def _check(self, index: int, facts: entries.Checkpointed, view: View) -> None:
        raw = facts.note.encode()
        name = terms.node_of(raw)
        self._is_node(name, Refusal(Code.BAD_CHECKPOINT, "/note", name=name))
        found = terms.of(raw, name, view).verify(raw).checkpoint
        # A checkpoint covers what stood before it, never itself.
        if found.size != facts.size or found.size > index:
            raise Refusal(Code.BAD_CHECKPOINT, "/size", found=found.size)
        if self._root(found.size) != found.root:
            raise Refusal(Code.BAD_CHECKPOINT, "/root", found=found.size)

    def _check_cosigned(self, index: int, facts: entries.Checkpointed, view: View) -> None:
        """Hold what stands beside a checkpoint, of an earlier one, to the witnesses' keys."""
        told = facts.cosigned
        if isinstance(told, msgspec.UnsetType):
            return
        try:
            if told.size > facts.size:
                raise Refusal(Code.BAD_CHECKPOINT, "/cosigned/size", found=told.size)  # noqa: TRY301
            name = terms.node_of(facts.note.encode())
            self.witnessed.add(told, view, name, self._root)
        except Refusal as refusal:
            self.uncosigned = self.uncosigned or (index, refusal)

    def check_kept(self, raw: bytes, view: View, entry_at: Callable[[int], bytes]) -> int:
        """Hold the journal to a checkpoint that was kept where its keeper has no hand.

        Args:
            raw: that, or a proof of an entry under one.
            view: in force at the end.
            entry_at: returns an entry here.

        Returns:
            How many entries it is of.

        Raises:
            Refusal: it is another journal's, or of another course of this one. Nowhere in it:
                nobody signed it, or it was cut. ``/signatures``: it is not signed by the keys
                that this journal lists, and these may be the wrong ones.
        """
        try:
            return self._check_by_keys(raw, view, entry_at)
        except Refusal as refusal:
            if refusal.at or self._says_nothing(raw):
                raise
            raise Refusal(refusal.code, "/signatures") from refusal

    def _says_nothing(self, raw: bytes) -> bool:
        """Tell whether nobody signed it, and what it states by itself is so here."""
        # Whatever else stands in it may be what became of somebody's signature.
        if not (bare := _BARE.fullmatch(raw)):
            return False
        here, (index, stated, root) = self._tree.frontier.size, bare.groups()
        if index is not None and _count(index) >= here:
            return False
        if stated is None:
            return True
        size = _count(stated)
        return size <= here and b64encode(self._root(size)).startswith((root or b"").strip())

    def _check_by_keys(self, raw: bytes, view: View, entry_at: Callable[[int], bytes]) -> int:
        proof = bundle.parse(raw) if raw.startswith(bundle.FIRST_LINE) else None
        raw = raw if proof is None else proof.note
        try:
            name = terms.node_of(raw)
            needed = terms.of(raw, name, view)
            verified = needed.verify(raw)
        except Refusal as refusal:
            # Whatever it says of whose it is, nothing of it holds.
            at = "" if refusal.at == "/note" else refusal.at
            raise Refusal(refusal.code, at, **refusal.facts) from refusal
        self._is_node(name, Refusal(Code.BAD_CHECKPOINT, "/note", name=name))
        self._must_contain(verified.checkpoint)
        self.witnessed.add_kept(verified, needed)
        if proof is not None:
            if proof.index >= self._tree.frontier.size:
                raise Refusal(Code.BAD_PROOF, "/index", found=proof.index)
            leaf = leaf_hash(entry_at(proof.index))
            try:
                needed.prove(proof, leaf)
            except Refusal as refusal:
                # The checkpoint holds here: the proof is another entry's, or damaged.
                raise Refusal(refusal.code, "/path", found=proof.index) from refusal
        return verified.checkpoint.size

    def _must_contain(self, kept: Checkpoint) -> None:
        size = self._tree.frontier.size
        if kept.size > size:
            raise Refusal(Code.BAD_CHECKPOINT, "/size", expected=kept.size, found=size)
        if self._root(kept.size) != kept.root:
            raise Refusal(Code.BAD_CHECKPOINT, "/root", found=kept.size)

    def _root(self, size: int) -> bytes:
        """Return the root of the first so many entries, as the root of all of them binds it.

        Of a mirror that is gone on with, older rows of the tree were not hashed again: read as
        they are, they could be another course's. There is only one root for a size that a
        proof of consistency with the newest can lead to (RFC 9162, section 2.1.4).

        Raises:
            Refusal: ``bad-proof``: the rows do not lead to the newest root.
        """
        tree, newest = self._tree, self._tree.frontier
        if size in {0, newest.size}:
            return newest.root() if size else EMPTY_ROOT
        hashes: Hashes = tree
        path = consistency_proof(size, newest.size, hashes)
        if size & (size - 1) == 0:
            path.insert(0, root_at(size, hashes))
        found = prefix_of(size, newest.size, path, newest.root())
        if found is None:
            raise Refusal(Code.BAD_PROOF, "/hashes", found=size)
        return found


def _count(digits: bytes) -> int:
    """Return a count; of one beyond any journal, one that still is."""
    return int(digits[:20])
