"""One journal as a package shows it, held step by step to its root, its directory, its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.client import receipts
from exchange.errors import Code, Refusal
from exchange.evidence.parts import (
    ACKS,
    CHECKPOINT,
    DOCUMENTS,
    ENTRY,
    RECEIPT,
    ROLES,
    TRUST,
    one_spelling,
)
from exchange.journal import checkpoint as c2sp
from exchange.journal import terms
from exchange.journal.logkeys import origin_of
from exchange.journal.tree import leaf_hash, verify_path
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.identity import digest
from exchange.model.view import NO_HEAD, View, chain
from exchange.seal import jws, trust

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from exchange.evidence.parts import Proved, Shown
    from exchange.model.header import Header
    from exchange.model.identity import Jwk

    # Hears of a key that was used: whose it is, and the key.
    Use = Callable[[str, Jwk], None]


class Journal:
    """What is shown of one journal. Each check raises, and stands on those before it."""

    def __init__(self, shown: Shown) -> None:
        """Hold every entry that is shown to the root that the checkpoint states.

        Raises:
            Refusal: ``bad-proof`` or ``bad-checkpoint``, at the first that is not under it.
        """
        self.shown, self.node = shown, shown.node
        text = shown.checkpoint.rpartition(b"\n\n")[0] + b"\n"
        self.head = c2sp.parse_body(text)
        # Beyond that, not all languages count alike.
        if self.head.origin != origin_of(self.node) or self.head.size > 2**53 - 1:
            raise self._refusal(Code.BAD_CHECKPOINT, CHECKPOINT, found=self.head.size)
        self._must_be_under(ENTRY, [shown.entry])
        self._must_be_under(TRUST, shown.trust)
        self._must_be_under(ACKS, shown.acknowledgements)
        self._views: list[View] = []
        self._heads: list[str] = []

    def _refusal(self, code: Code, part: str, **facts: str | int) -> Refusal:
        return Refusal(code, f"/{self.node}/{part}", **facts)

    def _must_be_under(self, name: str, several: Iterable[Proved]) -> None:
        for place, each in enumerate(several):
            leaf = leaf_hash(each.entry.encode())
            try:
                verify_path(leaf, each.index, self.head.size, each.steps, self.head.root)
            except Refusal:
                at = f"{name}/{place}"
                raise self._refusal(Code.BAD_PROOF, at, found=each.index) from None

    # -- the directory ---------------------------------------------------------------------

    def must_begin_with(self, anchor: str) -> None:
        """Hold the first trust document to an anchor.

        Raises:
            Refusal: ``trust-invalid``.
        """
        facts = self._trust(0)
        if facts.document.digest != anchor:
            raise self._refusal(Code.TRUST_INVALID, f"{TRUST}/0", expected=anchor)

    def _trust(self, place: int) -> entries.Trust:
        at = f"{TRUST}/{place}"
        if place >= len(self.shown.trust):
            raise self._refusal(Code.TRUST_INVALID, at)
        facts = entries.decode(self.shown.trust[place].entry.encode()).facts
        if not isinstance(facts, entries.Trust):
            raise self._refusal(Code.TRUST_INVALID, at, found=entries.kind_of(facts))
        return facts

    def fold(self, anchor: str) -> None:
        """Fold the documents, verified anew, once it is sure that none is left out.

        Each trust entry names the index of the one before it, so a chain that begins with the
        first is whole. Timestamps and choices of feeds list no keys: their entries are enough.

        Raises:
            Refusal: ``trust-invalid``, or why a document may not take effect.
        """
        self._views, self._heads = [View(anchor=anchor)], [NO_HEAD]
        before, documents = -1, list(self.shown.documents)
        for place, each in enumerate(self.shown.trust):
            facts = self._trust(place)
            if (facts.position, facts.view) != (place, before) or each.index <= before:
                raise self._refusal(Code.TRUST_INVALID, f"{TRUST}/{place}", found=each.index)
            before = each.index
            self._heads.append(chain(self._heads[-1], facts.document.digest))
            if facts.name in ROLES:
                taken = len(self.shown.documents) - len(documents)
                raw = documents.pop(0).encode() if documents else b""
                self._apply(raw, facts, each.index, f"{DOCUMENTS}/{taken}")
        if documents:
            place = len(self.shown.documents) - len(documents)
            raise self._refusal(Code.TRUST_INVALID, f"{DOCUMENTS}/{place}")

    def _apply(self, raw: bytes, facts: entries.Trust, index: int, at: str) -> None:
        if digest(raw) != facts.document.digest:
            raise self._refusal(Code.DIGEST_MISMATCH, at, found=index)
        now = facts.taken_ms // 1000
        change = trust.judge(raw, self._views[-1], now, is_recorded=True)
        if (change.name, change.version) != (facts.name, facts.version):
            raise self._refusal(Code.TRUST_INVALID, at, found=index)
        self._views.append(self._views[-1].after(change, index))

    def before(self, index: int) -> View:
        """Return what was in force when the entry at ``index`` was made."""
        return next(each for each in reversed(self._views) if each.index < index)

    def during(self, first: int, end: int) -> Sequence[View]:
        """Return what was in force before a commit group, and once all of it was there."""
        return [self.before(first), self.before(end)]

    # -- who signed the root ---------------------------------------------------------------

    def check_signed(self, use: Use) -> None:
        """Hold the checkpoint to both keys that its node had before as many entries.

        Raises:
            Refusal: ``bad-checkpoint``.
        """
        needed = terms.of(self.shown.checkpoint, self.node, self._views[-1])
        c2sp.verify(self.shown.checkpoint, origin=needed.origin, required=needed.log)
        listed = self._views[-1].node_before(self.node, self.head.size)
        for key in listed.log if listed else ():
            use(f"{self.node} log", key)

    def witnessed_at(self) -> int | None:
        """Return as of when the agreed quorum vouches, in seconds UTC; None: none is agreed.

        Raises:
            Refusal: ``bad-checkpoint``: it is agreed, and does not.
        """
        needed = terms.of(self.shown.checkpoint, self.node, self._views[-1])
        if needed.policy is None:
            return None
        at = needed.met_at(needed.verify(self.shown.checkpoint))
        if at is None:
            raise self._refusal(Code.BAD_CHECKPOINT, CHECKPOINT, found=self.head.size)
        return at

    # -- what they signed ------------------------------------------------------------------

    @property
    def index(self) -> int:
        """Where the bulletin stands."""
        return self.shown.entry.index

    @property
    def posted_at(self) -> str:
        """The node that it was posted at, as this one says."""
        came = entries.came_in(self.entry)
        return self.node if came is None else came[0].node

    @property
    def taken_ms(self) -> int:
        """When the node took it in, by its clock, ms UTC."""
        return entries.decode(self.entry).facts.taken_ms

    @property
    def entry(self) -> bytes:
        """The bulletin's entry."""
        return self.shown.entry.entry.encode()

    def check_accepted(self, header: bytes, use: Use) -> Header:
        """Return a header, once its entry holds it and its originator's keys signed it.

        Raises:
            Refusal: what does not hold.
        """
        entry = entries.decode(self.entry)
        facts, came = entry.facts, entries.came_in(self.entry)
        # Of what came from the other node, keys had to be good when that took it in.
        there = facts if came is None else entries.decode(came[1]).facts
        for each in (facts, there):
            if not isinstance(each, entries.Accepted) or each.digest != digest(header):
                raise self._refusal(Code.BAD_PROOF, ENTRY, found=self.index)
        if entry.object != header or facts.view != self._newest_before(self.index):
            raise self._refusal(Code.BAD_PROOF, ENTRY, found=self.index)
        signed = jws.read(header, headers.MAX_HEADER_BYTES)
        jws.must_be(signed, headers.TYP, headers.MAX_HEADER_BYTES)
        told = headers.decode(signed.payload)
        self._must_sign(signed, told, self.index, there.taken_ms, use)
        position = told.trust.position
        # What its author had read is of the log of the node that it was posted at.
        is_read = position < len(self._heads) and self._heads[position] == told.trust.head
        if came is None and not is_read:
            raise Refusal(Code.TRUST_INVALID, "/header.json", found=position)
        return told

    def _newest_before(self, index: int) -> int:
        return max((each.index for each in self.shown.trust if each.index < index), default=-1)

    def _must_sign(
        self,
        signed: jws.Signed,
        by: Header | objects.Acknowledgement,
        index: int,
        taken_ms: int,
        use: Use,
    ) -> None:
        standing = self.before(index).signatory(by.origin, by.endpoint, by.suite)
        jws.verify_by(signed, standing, taken_ms // 1000)
        for claim in signed.claims:
            use(by.endpoint, standing.keys[claim.kid].jwk)

    def check_came(self, home: Journal) -> None:
        """Hold the entry to the one that it is of in the journal where it was posted.

        Raises:
            Refusal: ``home-mismatch``.
        """
        came = entries.came_in(self.entry)
        if came is None or came != (entries.Home(home.node, home.index), home.entry):
            raise self._refusal(Code.HOME_MISMATCH, ENTRY, found=self.index)

    def check_receipt(self, use: Use) -> bool:
        """Hold the node's receipt to the entry; False where there is none.

        Raises:
            Refusal: ``bad-proof``, or what is wrong with its signatures.
        """
        if self.shown.receipt is None:
            return False
        at = f"/{self.node}/{RECEIPT}"
        receipt = one_spelling(self.shown.receipt, objects.Receipt, at)
        receipts.must_be_from(receipt, self.node)
        receipts.verify_entry(receipt, self.entry, self)
        line = self.entry.partition(b"\n")[0].decode()
        if (receipt.index, receipt.facts) != (self.index, line):
            raise self._refusal(Code.BAD_PROOF, RECEIPT, found=receipt.index)
        signed = jws.read(bytes(receipt.group), objects.MAX_OBJECT_BYTES)
        kids = {claim.kid for claim in signed.claims}
        had = self._views[-1].tenures[self.node]
        keys = {key.kid: key for _, node in had for key in node.receipts.keys}
        for kid in kids:
            use(f"{self.node} receipts", keys[kid])
        return True

    def check_acknowledged(self, header: Header, header_digest: str, use: Use) -> int:
        """Hold each acknowledgement to the bulletin and to its recipient; return how many.

        Each stands in its own place, after those before it: none is counted twice.

        Raises:
            Refusal: what does not hold, at the first.
        """
        wanted = objects.Subject(header.endpoint, header.id, header_digest)
        last = self.index
        for place, each in enumerate(self.shown.acknowledgements):
            entry = entries.decode(each.entry.encode())
            facts, at = entry.facts, f"{ACKS}/{place}"
            if not isinstance(facts, entries.Acknowledged) or facts.of != self.index:
                raise self._refusal(Code.BAD_PROOF, at, found=each.index)
            if each.index <= last or facts.view != self._newest_before(each.index):
                raise self._refusal(Code.BAD_PROOF, at, found=each.index)
            last = each.index
            signed = jws.read(entry.object, objects.MAX_OBJECT_BYTES)
            jws.must_be(signed, objects.ACK_TYP, objects.MAX_OBJECT_BYTES)
            told = objects.decode_acknowledgement(signed.payload)
            is_recipient = told.endpoint in header.to
            if (told.of, facts.digest) != (wanted, signed.digest) or not is_recipient:
                raise self._refusal(Code.TARGET_MISMATCH, at, found=each.index)
            there = entries.came_in(each.entry.encode())
            at_home = facts if there is None else entries.decode(there[1]).facts
            self._must_sign(signed, told, each.index, at_home.taken_ms, use)
        return len(self.shown.acknowledgements)
