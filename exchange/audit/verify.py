"""Verify a whole journal from its bytes: numbered checks, each named, in words and in JSON.

Works on a node's own file, on a copy, or on a mirror, with no network. What is trusted is the
anchor that the auditor brings; without one, the result says *unanchored*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, get_args

import msgspec

from exchange.broker.replay import Replayer
from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal.note import SignatureType, VerifierKey
from exchange.journal.proofs import root_at
from exchange.journal.tiles import MemoryHashes
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model.codec import b64, unb64
from exchange.model.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exchange.model.trust import Node

# In this order; a report numbers them from 1.
Name = Literal["readable", "hashes", "replay", "checkpoints", "covered"]
_PAGE = 256


class Stored(msgspec.Struct, frozen=True):
    """One entry as found: its index, its bytes, and the leaf hash stored beside it."""

    index: int
    entry: bytes
    leaf: bytes


class Source(Protocol):
    """A journal to read: a node's file, a copy, or a mirror. Raises ``Fault`` if it cannot."""

    def read(self, first: int, limit: int) -> Sequence[Stored]:
        """Return at most ``limit`` entries from index ``first`` on, in order."""

    def blob(self, digest: str) -> bytes | None:
        """Return a trust document by digest, if it is there."""


class Check(msgspec.Struct, frozen=True):
    """One check: number and name, how many things it held for, and the first it did not."""

    number: int
    name: Name
    ok: bool
    held: int
    first: int | None = None
    code: str | None = None
    at: str = ""


class Report(msgspec.Struct, frozen=True):
    """What became of a verification.

    Attributes:
        ok: every check held.
        anchored: the trust documents follow from an anchor that the auditor brought.
        anchor: digest of the first root, as used.
        size: entries found.
        replayed: entries judged again by the same rules, and found right.
        attested: entries whose form, place and time hold, and that cannot be judged again
            (refusals, whose bytes are not kept, and bookkeeping).
        covered: entries under the newest checkpoint that holds.
        root: of all entries found, in base64url.
    """

    ok: bool
    anchored: bool
    anchor: str
    size: int
    replayed: int
    attested: int
    covered: int
    root: str
    checks: list[Check]


def log_keys(node: Node, origin: str) -> list[VerifierKey]:
    """Return the two keys that must sign a node's checkpoints."""
    kinds = (SignatureType.ED25519, SignatureType.ML_DSA_44)
    return [
        VerifierKey(origin, kind, unb64(key.x or key.pub or ""))
        for kind, key in zip(kinds, node.log, strict=True)
    ]


class Verifier:
    """Runs through a journal once, in order."""

    def __init__(self, source: Source, anchor: str | None, told: Callable[[int], None]) -> None:
        """Verify what ``source`` holds; ``told`` hears how many entries are done."""
        self._source = source
        self._told = told
        self._anchored = anchor is not None
        self._replayer = Replayer(View(anchor=anchor or ""), self._entry_at, source.blob)
        self._hashes = MemoryHashes()
        self._notes: list[tuple[int, entries.Checkpointed]] = []
        self._held: dict[Name, int] = dict.fromkeys(get_args(Name), 0)
        self._failed: dict[Name, tuple[int | None, ExchangeError]] = {}
        self._attested = 0

    def run(self) -> Report:
        """Return the report; what it finds in the journal never raises."""
        try:
            for stored in self._entries():
                self._hash(stored)
                self._replay(stored)
                self._told(stored.index + 1)
        except (Fault, Refusal) as error:
            self._fail("readable", self._held["readable"], error)
        self._check_notes()
        covered = self._held["covered"]
        if not covered and self._held["readable"]:
            # Nobody signed any of it: nothing of it can be held against anybody.
            self._fail("covered", 0, Refusal(Code.BAD_CHECKPOINT))
        return self._report()

    def _entries(self) -> Iterator[Stored]:
        while page := self._source.read(self._held["readable"], _PAGE):
            for stored in page:
                if stored.index != self._held["readable"]:
                    raise Refusal(Code.BAD_PROOF, "/index", expected=self._held["readable"])
                yield stored
                self._held["readable"] += 1

    def _hash(self, stored: Stored) -> None:
        leaf = leaf_hash(stored.entry)
        if leaf == stored.leaf:
            self._held["hashes"] += 1
        else:
            self._fail("hashes", stored.index, Refusal(Code.DIGEST_MISMATCH, "/leaf"))
        self._hashes.extend([leaf])

    def _replay(self, stored: Stored) -> None:
        try:
            facts = entries.decode(stored.entry).facts
            if isinstance(facts, entries.Checkpointed):
                self._notes.append((stored.index, facts))
            if isinstance(facts, entries.Trust) and not self._replayer.view.anchor:
                self._replayer.view = View(anchor=facts.document.digest)
            if "replay" in self._failed:
                # What follows depends on what went before: judging on would only make noise.
                return
            was_judged = self._replayer.step(stored.entry).was_judged
        except Refusal as refusal:
            self._fail("replay", stored.index, refusal)
            return
        self._held["replay"] += 1
        self._attested += not was_judged

    def _check_notes(self) -> None:
        """Hold every checkpoint to the tree as recomputed, under its node's log keys."""
        for index, facts in self._notes:
            try:
                self._check_note(facts, index)
            except Refusal as refusal:
                self._fail("checkpoints", index, refusal)
                continue
            self._held["checkpoints"] += 1
            self._held["covered"] = max(self._held["covered"], facts.size)

    def _check_note(self, facts: entries.Checkpointed, index: int) -> None:
        raw = facts.note.encode()
        origin = c2sp.parse(raw).origin
        node = self._replayer.view.nodes.get(origin.removeprefix("exchange/"))
        if node is None:
            raise Refusal(Code.BAD_CHECKPOINT, "/note", name=origin)
        found = c2sp.verify(raw, origin=origin, required=log_keys(node, origin)).checkpoint
        # A checkpoint covers what stood before it, never itself.
        if found.size != facts.size or found.size > index:
            raise Refusal(Code.BAD_CHECKPOINT, "/size", found=found.size)
        if root_at(found.size, self._hashes) != found.root:
            raise Refusal(Code.BAD_CHECKPOINT, "/root", found=found.size)

    def _entry_at(self, index: int) -> bytes:
        return self._source.read(index, 1)[0].entry

    def _fail(self, name: Name, first: int | None, error: ExchangeError) -> None:
        self._failed.setdefault(name, (first, error))

    def _report(self) -> Report:
        checks = []
        for number, name in enumerate(get_args(Name), 1):
            first, error = self._failed.get(name, (None, None))
            code = error.code.value if error else None
            at = error.at if error else ""
            held = self._held[name]
            checks.append(Check(number, name, error is None, held, first, code, at))
        return Report(
            ok=not self._failed,
            anchored=self._anchored,
            anchor=self._replayer.view.anchor,
            size=self._held["readable"],
            replayed=self._held["replay"] - self._attested,
            attested=self._attested,
            covered=self._held["covered"],
            root=b64(self._hashes.frontier.root()),
            checks=checks,
        )
