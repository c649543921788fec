"""Replay: judge every entry again, by the functions that judged it, and compare.

A journal whose entries all replay was kept by these rules. What a replay cannot judge again
(refusals, whose bytes are not kept, and most bookkeeping) it attests: time, place and form.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from exchange.broker import (
    again,
    audited,
    clocking,
    due,
    enrolling,
    establishing,
    heads,
    holding,
    intake,
    keys,
    losing,
    peering,
    retaining,
)
from exchange.broker.carried import Carried, Place, linked
from exchange.broker.posters import poster
from exchange.broker.records import Found, Record
from exchange.broker.settle import Ledger
from exchange.errors import Code, Refusal
from exchange.journal import terms
from exchange.journal.heads import InboxHead
from exchange.journal.stored import leaf_of
from exchange.journal.tree import Frontier
from exchange.model import entry as entries
from exchange.model import objects
from exchange.model.codec import b64, unb64
from exchange.model.homes import Homes
from exchange.model.identity import digest
from exchange.model.ticking import TIMED, told_in
from exchange.model.view import View
from exchange.seal import jws, notices

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from exchange.broker.carried import Dues, Keys
    from exchange.broker.due import Due
    from exchange.broker.holding import Target
    from exchange.broker.intake import Decision
    from exchange.model.entry import Entry, Facts


class _AsAsked(dict[bytes, "Found | None"]):
    """What is looked up when it is asked for: a node comes to the same, in whatever groups."""

    def __init__(self, find: Callable[[bytes], Found | None]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, key: bytes) -> Found | None:
        return self._find(key)


class Replayed(NamedTuple):
    """One entry, judged again: what a store would keep of it, and whether it was judged."""

    record: Record
    was_judged: bool


class Replayer:
    """Follows a journal from its first entry; holds what the next one depends on.

    ``entry_at`` returns the bytes of an earlier entry, ``document`` a trust document by its
    digest; what they return is checked here and need not be trusted. ``ahead`` may return what
    ``considered`` came to at just this place, in another process of the same program.
    """

    def __init__(
        self,
        view: View,
        entry_at: Callable[[int], bytes],
        document: Callable[[str], bytes | None],
        ahead: Callable[[Place], intake.Considered | None] | None = None,
    ) -> None:
        """Begin before entry 0, trusting the view's anchor alone."""
        self.view = view
        self.size = 0
        self.positions: dict[str, int] = {}
        # What a store keeps of the inbox heads under the newest checkpoint; empty before one.
        self.heads = b""
        # What is in force in the other nation's journal; and the name of this one's node.
        self.homes = Homes(view.anchor)
        self._node = ""
        # Over all trust entries so far: what is in force, in one hash.
        self._trust = b""
        # What comes due, by entry and purpose; and what each order that is not done is of.
        due: dict[tuple[int, int], Due] = {}
        self.due: Dues = due
        self.doomed: dict[int, frozenset[str]] = {}
        self._taken_ms = 0
        self._by_key: Keys = {}
        # Heads cover entries up to some place before them: what came since the last checkpoint
        # is not folded yet, each with the view in force after it.
        self._inboxes = heads.Inboxes()
        self._unfolded: deque[tuple[heads.Step, View]] = deque()
        self._folded_view = view
        self._judged = b""
        # The tree's edge; and stubs of lost entries, until their declaration comes.
        self._frontier = Frontier()
        self._lost: losing.Run | None = None
        self._entry_at = entry_at
        self._document = document
        self._ahead = ahead

    def take_anchor(self, anchor: str) -> None:
        """Trust a first root, before anything was judged: of every journal it is the same."""
        self.view, self.homes = View(anchor=anchor), Homes(anchor)

    def keep_in(self, by_key: Keys, due: Dues) -> None:
        """Look up keys, and what comes due, in these; before anything was judged."""
        self._by_key, self.due = by_key, due

    def carried(self) -> Carried | None:
        """Return what is carried on, right after a checkpoint; None anywhere else."""
        if self._unfolded:
            return None
        inboxes = self._inboxes
        return Carried(
            size=self.size,
            node=self._node,
            taken_ms=self._taken_ms,
            positions=self.positions,
            heads=self.heads,
            inboxes={name: (one.count, one.chain) for name, one in inboxes.inboxes.items()},
            seed=inboxes.seed,
            doomed={order: sorted(names) for order, names in self.doomed.items()},
        )

    def carry_on(self, carried: Carried, frontier: Frontier) -> None:
        """Go on after a checkpoint, once all that is in force there was folded.

        ``frontier`` is the tree's edge there.
        """
        self._frontier = frontier
        self.size, self._node, self._taken_ms = carried.size, carried.node, carried.taken_ms
        self.positions, self.heads = dict(carried.positions), carried.heads
        self.doomed = {order: frozenset(names) for order, names in carried.doomed.items()}
        held = {name: InboxHead(*head) for name, head in carried.inboxes.items()}
        self._inboxes = heads.Inboxes(carried.size, held)
        self._inboxes.seed = carried.seed
        self._folded_view = self.view

    def place(self, leaf: bytes) -> Place:
        """Return what the next entry's object is judged by."""
        return Place(self.size, leaf, self._trust)

    def link(self, index: int, leaf: bytes) -> None:
        """Note that a trust entry was put in force: what is judged after it hangs on it."""
        self._trust = linked(self._trust, index, leaf)

    def step(self, raw: bytes) -> Replayed:
        """Judge the next entry.

        Raises:
            Refusal: ``bad-proof``, with the index and where; or the refusal that these rules
                give what the node says it accepted.
        """
        entry = entries.decode(raw)
        facts = entry.facts
        ledger = Ledger(
            self.size,
            self._taken_ms,
            self.view,
            self.positions,
            lambda: unb64(facts.salt),
            self._node,
        )
        if isinstance(facts, entries.Accepted) and facts.unwitnessed is True:
            # How long it was is not in the record; that it was too long is, and what follows.
            ledger.unwitnessed_s = 1
        if facts.taken_ms < self._taken_ms:
            raise Refusal(Code.BAD_PROOF, "/taken_ms", found=self.size)
        if facts.view != self.view.index:
            raise Refusal(Code.BAD_PROOF, "/view", found=self.size)
        self._follow_lost(facts)
        ledger.lost, ledger.elsewhere = self._lost, self.homes.newest
        leaf = leaf_of(raw)
        considered = self._ahead and self._ahead(self.place(leaf))
        considered = considered or self.considered(entry, ledger.here)
        if isinstance(facts, entries.InboxHeads):
            self._judge_heads(facts)
        if considered is not None:
            raw_object = entry.object
            if isinstance(facts, entries.Trust | entries.TrustReceived):
                raw_object = self._trusted(facts)
            self._settle(ledger, facts, considered, raw_object)
        else:
            ledger.taken_ms = facts.taken_ms
            self._enter(ledger, facts, entry)
        record = ledger.records[0]
        self._compare(record.facts, facts)
        if record.entry != raw:
            raise Refusal(Code.BAD_PROOF, "", found=self.size)
        self._advance(ledger, record, leaf)
        if isinstance(facts, entries.Checkpointed):
            # Whoever writes a store anew from this has the heads to serve and to go on from.
            record = record._replace(heads=self.heads)
        own = entries.InboxHeads | entries.PurgeOrdered | entries.Purged
        is_judged = considered is not None or isinstance(facts, own)
        return Replayed(record, is_judged)

    def finish(self) -> None:
        """Hold the end of a journal to its declarations.

        Raises:
            Refusal: ``lost-undeclared``: it ends with stubs that nobody declared lost.
        """
        if self._lost is not None:
            raise Refusal(Code.LOST_UNDECLARED, "", found=self._lost.first)

    def _follow_lost(self, facts: Facts) -> None:
        """Take a stub in; behind stubs nothing else may stand but what declares them lost."""
        if isinstance(facts, entries.Lost):
            run = self._lost or losing.Run(self.size, self._frontier, self.positions)
            run.take(facts)
            self._lost = run
        elif self._lost is not None and not isinstance(facts, entries.Trust):
            raise Refusal(Code.LOST_UNDECLARED, "/kind", found=self._lost.first)

    def considered(self, entry: Entry, here: Collection[str]) -> intake.Considered | None:
        """Judge an entry's object again; None for what can only be attested.

        ``here`` are the nations that the journal's node serves.
        """
        facts, home = entry.facts, entries.home_of(entry.facts)
        if home is not None and not isinstance(facts, entries.Refused):
            document = None
            if isinstance(facts, entries.TrustReceived):
                document = self._trusted(facts)
            crossing = peering.Crossing(home, entry.at_home, document)
            return peering.consider(crossing, self.homes, self.view, facts.taken_ms, here)
        decision = self._decision(entry)
        if decision is None:
            return None
        return intake.Considered(decision, self.view.index, facts.taken_ms)

    def _decision(self, entry: Entry) -> Decision | None:
        """Judge an entry's object again; None for what can only be attested."""
        facts, now = entry.facts, entry.facts.taken_ms // 1000
        match facts:
            case (
                entries.Accepted()
                | entries.Acknowledged()
                | entries.Granted()
                | entries.Released()
                | entries.Drafted()
                | entries.Confirmed()
                | entries.Consented()
                | entries.Requested()
            ):
                return again.of_bulletins(facts, entry.object, self.view, now, self.size)
            case entries.Invited() | entries.EnrolmentAsked() | entries.Decided():
                return self._enrolling(facts, entry.object)
            case entries.Trust():
                # Whose session brought it is not in the record; who signed it is what counts.
                raw = self._trusted(facts)
                return establishing.trust_document(raw, self.view, now, is_recorded=True)
            case entries.Noticed() | entries.TrustReceived():
                return None
            case (
                entries.Refused()
                | entries.PurgeOrdered()
                | entries.Purged()
                | entries.EpochOpened()
                | entries.Checkpointed()
                | entries.InboxHeads()
                | entries.AuditRead()
                | entries.Lost()
            ):
                if entry.object:
                    raise Refusal(Code.BAD_PROOF, "", found=self.size)
                return None

    def _enrolling(
        self, facts: entries.Invited | entries.EnrolmentAsked | entries.Decided, raw: bytes
    ) -> Decision:
        signed, now = jws.read(raw, objects.MAX_OBJECT_BYTES), facts.taken_ms // 1000
        match facts:
            case entries.Invited():
                return enrolling.invitation(signed, poster(signed), self.view, now)
            case entries.EnrolmentAsked():
                return enrolling.request(signed, poster(signed), self.view, now)
            case entries.Decided():
                return enrolling.verdict(signed, poster(signed), self.view, now)

    def _trusted(self, facts: entries.Trust | entries.TrustReceived) -> bytes:
        raw = self._document(facts.document.digest)
        if raw is None or digest(raw) != facts.document.digest:
            raise Refusal(Code.BAD_PROOF, "/document", found=self.size)
        return raw

    def _judge_heads(self, facts: entries.InboxHeads) -> None:
        """Hold inbox heads to what the entries before them owe; to none older than they may."""
        if not self._inboxes.size <= facts.size <= self.size:
            raise Refusal(Code.BAD_PROOF, "/size", found=self.size)
        self._fold_up_to(facts.size)
        made = self._inboxes.map(self._folded_view)
        if made is None or made[0] != facts.seed:
            raise Refusal(Code.BAD_PROOF, "/seed", found=self.size)
        if b64(made[1].root) != facts.root:
            raise Refusal(Code.BAD_PROOF, "/root", found=self.size)
        self._judged = self._inboxes.snapshot(self.size, self._folded_view).encode()

    def _fold_up_to(self, size: int) -> None:
        while self._inboxes.size < size:
            entry, self._folded_view = self._unfolded.popleft()
            self._inboxes.fold(entry)

    def _enter(self, ledger: Ledger, facts: Facts, entry: Entry) -> None:
        """Conclude again what a node entered by itself; the rest is taken as it is."""
        match facts:
            case entries.Noticed():
                self._notify(ledger, facts, entry.object)
            case entries.PurgeOrdered():
                self._order(ledger, facts)
            case entries.Purged():
                self._attest(ledger, facts)
            case entries.AuditRead():
                # Who was shown what, only the node knows; that it could be, anybody can tell.
                audited.must_hold(facts, self.size)
                ledger.append(facts)
            case entries.Refused():
                home = entries.home_of(facts)
                # Also of what was refused: it is not asked for twice.
                names = () if home is None else (keys.crossed(home),)
                ledger.add(Record(facts, entries.encode(facts, at_home=_line(entry)), names))
            case _:
                ledger.append(facts, entry.object)

    def _order(self, ledger: Ledger, facts: entries.PurgeOrdered) -> None:
        """Hold an order to what is due."""
        what = due.SILENCE if facts.cause == "silence" else due.PURGE
        row = self._due(facts.of, what)
        target = retaining.of(Found(facts.of, self._entry_at(facts.of)))
        if target is None or retaining.order(ledger, row, target, self._find) is None:
            raise Refusal(Code.BAD_PROOF, "/of", found=self.size)
        granted = list(holding.granted_in(target.digest, self._find))
        kept, attached = retaining.doomed(target, granted)
        self.doomed[self.size] = frozenset((*kept, *attached))

    def _attest(self, ledger: Ledger, facts: entries.Purged) -> None:
        """Hold what a node says it did to what was ordered. What is gone, others look at."""
        if facts.orders != sorted(set(facts.orders)):
            raise Refusal(Code.BAD_PROOF, "/orders", found=self.size)
        ordered: set[str] = set()
        for each in facts.orders:
            self._due(each, due.ORDER, "/orders")
            ordered |= self.doomed.pop(each)
        if not ordered >= set(facts.digests):
            raise Refusal(Code.BAD_PROOF, "/digests", found=self.size)
        retaining.attest(ledger, facts.orders, facts.digests)

    def _due(self, index: int, what: int, at: str = "/of") -> Due:
        row = self.due.get((index, what))
        if row is None:
            raise Refusal(Code.BAD_PROOF, at, found=self.size)
        return row

    def _bulletin(self, index: int) -> Target:
        target = holding.read(Found(index, self._entry_at(index)))
        if target is None:
            raise Refusal(Code.BAD_PROOF, "/of", found=self.size)
        return target

    def _notify(self, ledger: Ledger, facts: entries.Noticed, raw: bytes) -> None:
        """Hold a notice to its node's signature; why it was given is judged of a review."""
        notice = notices.verify(raw, self.view)
        if facts.of is not None and (
            facts.of >= self.size or self._digest_at(facts.of) != notice.of.header_digest
        ):
            raise Refusal(Code.BAD_PROOF, "/of", found=self.size)
        if notice.about == "review":
            row = self._due(-1 if facts.of is None else facts.of, due.REVIEW)
            target = self._bulletin(row.index)
            is_named = notice.code == row.rule
            if not is_named or retaining.review(ledger, row, target, raw) is None:
                raise Refusal(Code.BAD_PROOF, "/of", found=self.size)
            return
        if notice.about in TIMED:
            self._clock(ledger, facts, notice, raw)
            return
        owed = [each.endpoint for each in facts.owed]
        once = retaining.told_once(notice, owed[0] if owed else "", self._find)
        retaining.notify(ledger, raw, facts.of, owed, once=(once,) if once else ())

    def _clock(
        self, ledger: Ledger, facts: entries.Noticed, notice: objects.Notice, raw: bytes
    ) -> None:
        """Hold what is told of a boarding request's time to what is due, and to its proof."""
        of = -1 if facts.of is None else facts.of
        if notice.about in ("clock", "reminder"):
            row = self._due(of, due.CLOCK)
            found = Found(of, self._entry_at(of))
            made = clocking.tell(ledger, row, found, notice, raw)
        else:
            row = self._due(of, due.SILENT)
            said = told_in(notice)
            node = said.node
            view = self.view if node == self._node else self.homes.newest(node)
            note = unb64(said.note)
            if terms.of(note, node, view).dated(note) != said.dated:
                raise Refusal(Code.BAD_PROOF, "/clock/dated", found=self.size)
            target = self._bulletin(of)
            made = clocking.pronounce(ledger, row, target, notice, raw, self._find)
        if made is None:
            raise Refusal(Code.BAD_PROOF, "/clock", found=self.size)

    def _digest_at(self, index: int) -> str:
        facts = entries.decode(self._entry_at(index)).facts
        return facts.digest if isinstance(facts, entries.Accepted) else ""

    def _settle(
        self,
        ledger: Ledger,
        facts: Facts,
        considered: intake.Considered,
        signed: bytes,
    ) -> None:
        known = _AsAsked(self._find)
        # What the node says was here when it took this in; it is compared with the header.
        held = entries.attached_in(facts)
        ledger.settle(considered, ("", signed, b""), known, held)
        if not ledger.records:
            # The rules say: recorded before. A second entry for it should not exist.
            raise Refusal(Code.BAD_PROOF, "", found=self.size, expected="no-second-entry")

    def _find(self, key: bytes) -> Found | None:
        index = self._by_key.get(key)
        return None if index is None else Found(index, self._entry_at(index))

    def _compare(self, judged: Facts, stated: Facts) -> None:
        """Name the first fact that differs."""
        if type(judged) is not type(stated):
            code = judged.code if isinstance(judged, entries.Refused) else ""
            raise Refusal(
                Code.BAD_PROOF, "/kind", found=self.size, expected=code or "another-kind"
            )
        for name in stated.__struct_fields__:
            if getattr(judged, name) != getattr(stated, name):
                raise Refusal(Code.BAD_PROOF, f"/{name}", found=self.size)

    def _advance(self, ledger: Ledger, record: Record, leaf: bytes) -> None:
        for key in record.keys:
            self._by_key[key] = self.size
        for gone in record.undue:
            self.due.pop(gone, None)
        for row in record.due:
            self.due[row.index, row.what] = row
        self.positions.update(ledger.positions)
        for established, index in ledger.established:
            self.view = self.view.after(established.change, index)
        self.homes.follow(ledger.received)
        if ledger.established or ledger.received:
            self.link(self.size, leaf)
        if isinstance(record.facts, entries.EpochOpened):
            self._node = record.facts.node
        self._taken_ms = ledger.taken_ms
        self._frontier = self._frontier.extend([leaf])
        if not isinstance(record.facts, entries.Lost):
            self._lost = None
        # The record's bytes are the entry's: that was compared.
        entry = heads.step(leaf, record.facts)
        self._unfolded.append((entry, self.view))
        self.size += 1
        if isinstance(record.facts, entries.Checkpointed):
            # Whatever heads come next were made after it, and cover all before it.
            self.heads = self._judged
            self._fold_up_to(self.size)


def _line(entry: Entry) -> bytes:
    """Return the facts of the entry that one came from; nothing where it was posted here."""
    return entry.at_home.partition(b"\n")[0]
