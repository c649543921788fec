"""Settle: give considered decisions their place in the one order, and find what came before.

Pure, and serial: one ledger, one writer. What it needs of the past is looked up beforehand
(``lookups``) and handed in; what it concludes is a group of records to append at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exchange.broker import (
    admitting,
    attesting,
    citing,
    conferring,
    confirming,
    consenting,
    due,
    enrolling,
    keys,
    losing,
    peering,
    releasing,
    requesting,
)
from exchange.broker.drafting import Submitted
from exchange.broker.establishing import Established
from exchange.broker.intake import (
    Admitted,
    Attested,
    Conferred,
    Countersigned,
    Declined,
    Heard,
    Overheard,
    Permitted,
    Requested,
    Upheld,
    digest_of,
)
from exchange.broker.lookups import own
from exchange.broker.posters import is_poster
from exchange.broker.records import Found, NotLookedUp, Record, Recorded, Rejected, Settled
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model.codec import b64
from exchange.model.header import Blob
from exchange.model.lost import skipped_in
from exchange.model.outcome import taken_in
from exchange.model.view import View
from exchange.policy import sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from exchange.broker.holding import Find
    from exchange.broker.intake import Came, Considered, OfBulletins
    from exchange.model.entry import Facts
    from exchange.model.homes import Received

TRUST_INBOX = entries.TRUST_INBOX


class Ledger:
    """The state of the order: how far it goes, and how much each inbox holds.

    A ledger collects one group of records on top of a base that is durable. Throw it away
    when the group was not appended; make the next one from ``after`` when it was.
    """

    def __init__(  # noqa: PLR0913, PLR0917  (what a group is made on top of)
        self,
        size: int,
        taken_ms: int,
        view: View,
        positions: Mapping[str, int],
        salt: Callable[[], bytes],
        node: str = "",
    ) -> None:
        """Begin a group at ``size``; ``positions`` counts what each inbox holds already.

        ``node`` is whose journal it is: from abroad comes only what its endpoints are owed.
        """
        self.first = size
        self.taken_ms = taken_ms
        self.view = view.index
        # What is settled was considered under this very view, else it must go back.
        self.in_force = view
        self.records: list[Record] = []
        self.established: list[tuple[Established, int]] = []
        self._base = positions
        self._positions: dict[str, int] = {}
        self._fresh: dict[bytes, Found] = {}
        self._salt = salt
        # For how long no quorum of witnesses has vouched, where that is past the limit.
        self.unwitnessed_s = 0
        # What took effect in the other journal, each with its entry there.
        self.received: list[Received] = []
        self.here = peering.nations_of(node, view)
        self.node = node
        # Of a replay, and of who enters them: stubs right before this group, not declared yet.
        self.lost: losing.Run | None = None
        # What is in force in another node's journal, as far as it came before this group.
        self.elsewhere: Callable[[str], View] = lambda _: View(anchor="")
        # Of what is being placed: the entry that it came from.
        self.came: Came | None = None

    @property
    def next_index(self) -> int:
        """The index that the next record will have."""
        return self.first + len(self.records)

    @property
    def positions(self) -> dict[str, int]:
        """What changed in the inboxes: endpoint to count."""
        return dict(self._positions)

    def must_go_back(self, considered: Considered) -> bool:
        """Tell whether this was decided under a view or a time that is no longer the newest."""
        return considered.view != self.view or considered.taken_ms < self.taken_ms

    def settle(
        self,
        considered: Considered,
        arrival: tuple[str, bytes, bytes],
        known: Mapping[bytes, Found | None],
        uploaded: Collection[Blob] = (),
    ) -> Settled:
        """Place one decision.

        Args:
            considered: decided under the newest view (see ``must_go_back``).
            arrival: caller, object and body, as they arrived.
            known: what the store has under all that ``lookups`` asked for.
            uploaded: which of its ``attachments`` its author has uploaded whole.

        Returns:
            Where it stands, or why not.

        Raises:
            NotLookedUp: what came before it in this group leads further than the store did
                when it was asked. Nothing was added: settle it again with what it is about.
        """
        self.taken_ms, self.came = considered.taken_ms, considered.came
        try:
            return self._place(considered, arrival, known, uploaded)
        except Refusal as refusal:
            named = digest_of(considered.decision)
            return self._refuse(Declined(refusal, named, len(arrival[1])), arrival[0])
        finally:
            self.came = None

    def append(self, facts: Facts, signed: bytes = b"", heads: bytes = b"") -> int:
        """Add a bookkeeping entry, and return its index."""
        return self.add(Record(facts, entries.encode(facts, signed), heads=heads))

    def salt(self) -> str:
        """Return a fresh salt, as entries spell it."""
        return b64(self._salt())

    def finder(self, known: Mapping[bytes, Found | None]) -> Find:
        """Return what finds an entry by a key: in this group, or among what was looked up."""

        def find(key: bytes) -> Found | None:
            try:
                return self._fresh.get(key) or known[key]
            except KeyError:
                raise NotLookedUp(key) from None

        return find

    def over(self, known: Mapping[bytes, Found | None]) -> Mapping[bytes, Found | None]:
        """Return what is known by now: what was looked up, and this group's own."""
        return {**known, **self._fresh}

    def _place(  # noqa: PLR0911  (one for each kind)
        self,
        considered: Considered,
        arrival: tuple[str, bytes, bytes],
        known: Mapping[bytes, Found | None],
        uploaded: Collection[Blob],
    ) -> Settled:
        caller, raw, body = arrival
        decision, find = considered.decision, self.finder(known)
        if considered.came and (before := find(keys.crossed(considered.came.home))):
            return Recorded(before.index, is_new=False)
        match decision:
            case Declined():
                before = find(keys.by_digest(decision.digest))
                # Posted again after a lost answer, it may be past its time: it is recorded all
                # the same, and its poster must be told so. Not so with another body than that
                # of the record: whoever sends one should hear of it.
                is_whole = not decision.refusal.at.startswith("/body")
                if before is not None and is_whole and is_poster(before.entry, caller):
                    return Recorded(before.index, is_new=False)
                return self._refuse(decision, caller)
            case Established():
                before = find(keys.by_digest(decision.blob.digest))
                return self._once(before, None) or self._establish(decision, raw)
            case Overheard():
                return peering.overhear(self, decision, raw)
            case Heard():
                before = find(keys.by_digest(decision.digest))
                return self._once(before, None) or peering.hear(
                    self, decision, raw, self.taken_there_ms, find
                )
            case enrolling.Issued() | enrolling.Asked() | enrolling.Ruled():
                names = own(decision, decision.digest)
                once = self._once(*map(find, names))
                return once or enrolling.place(self, decision, raw, names, find)
            case _:
                once = self._once(*map(find, own(decision, decision.digest)))
                if once is not None and self.came is not None:
                    # Its home lost it, and was given it anew: here it is once, as it was.
                    raise Refusal(Code.RECORDED_BEFORE, "/id", found=once.index)
                return once or self._record(decision, (raw, body), find, uploaded)

    def _record(
        self,
        decision: OfBulletins,
        raw_and_body: tuple[bytes, bytes],
        find: Find,
        uploaded: Collection[Blob],
    ) -> Recorded:
        raw = raw_and_body[0]
        match decision:
            case Admitted():
                settled = admitting.settle(self, decision, raw_and_body, find, uploaded)
            case Attested():
                settled = attesting.settle(self, decision, raw, find)
            case Conferred():
                settled = conferring.settle(self, decision, raw_and_body, find)
            case Countersigned():
                names = own(decision, decision.digest)
                settled = releasing.enter(self, decision, raw, names, find)
            case Submitted():
                sealed.attached((draft := decision.draft).attachments, uploaded)
                citing.must_stay_within(draft, draft.to, self.taken_ms // 1000, find)
                names = own(decision, decision.digest)
                settled = releasing.enter_draft(self, decision, raw_and_body, names, find)
            case Upheld():
                settled = confirming.settle(self, decision, raw, find)
            case Permitted():
                settled = consenting.settle(self, decision, raw, find)
            case Requested():
                settled = requesting.settle(self, decision, raw, find)
        return settled

    @staticmethod
    def _once(same_bytes: Found | None, same_id: Found | None) -> Recorded | None:
        if same_bytes is not None:
            return Recorded(same_bytes.index, is_new=False)
        if same_id is not None:
            raise Refusal(Code.ID_REUSED, "/id", found=same_id.index)
        return None

    @property
    def taken_there_ms(self) -> int:
        """Return when what is being placed was taken in first: at its home."""
        if self.came is None:
            return self.taken_ms
        return taken_in(self.came.line)

    def common(self) -> dict[str, Any]:
        """Return what the facts of every entry have; of what came from abroad, whence too."""
        home = {} if self.came is None else {"home": self.came.home}
        return {"salt": self.salt(), "taken_ms": self.taken_ms, "view": self.view, **home}

    def entry(self, facts: Facts, raw: bytes = b"") -> bytes:
        """Return the bytes of an entry, with the facts of the one that it came from, if any."""
        return peering.enclose(facts, raw, self.came)

    def keep(
        self,
        facts: Facts,
        raw: bytes,
        names: tuple[bytes, ...],
        changed: due.Change | None = None,
        blob: tuple[Blob, bytes] | None = None,
    ) -> Recorded:
        """Add an entry of which the store keeps its keys, its places, and perhaps a body."""
        owed = entries.owed_by(facts)
        record = Record(facts, self.entry(facts, raw), names, owed, blob)
        if changed is not None:
            record = record._replace(due=changed.due, undue=changed.undue)
        return self.enter(record)

    def enter(self, record: Record) -> Recorded:
        """Add an entry of somebody's object."""
        return Recorded(self.add(record), is_new=True)

    def _there(self, node: str) -> View:
        """Return what is in force in another journal, with what this group took in of it."""
        view = self.elsewhere(node)
        for each in self.received:
            if each.home.node == node:
                view = view.after(each.change, each.home.index)
        return view

    def _establish(self, decision: Established, raw: bytes) -> Recorded:
        losing.must_stand(
            *(decision.change, self.in_force, self.node),
            *(self.lost, self.next_index, self._there),
        )
        place = self.owe([TRUST_INBOX])
        facts = entries.Trust(
            name=decision.change.name,
            version=decision.change.version,
            position=place[0].position,
            document=decision.blob,
            salt=self.salt(),
            taken_ms=self.taken_ms,
            view=self.view,
        )
        change = decision.change
        names = keys.of_trust(change.name, change.version, decision.blob.digest)
        record = Record(facts, entries.encode(facts), names, tuple(place), (decision.blob, raw))
        index = self.add(record)
        self.established.append((decision, index))
        # What was considered under the view before this entry must be considered again.
        self.view = index
        return Recorded(index, is_new=True)

    def _refuse(self, decision: Declined, caller: str) -> Rejected:
        facts = entries.Refused(
            caller="" if self.came else caller,
            digest=decision.digest,
            size=decision.size,
            code=decision.refusal.code.value,
            at=decision.refusal.at,
            **self.common(),
        )
        return Rejected(decision.refusal, self.add(Record(facts, self.entry(facts))))

    def owe(self, endpoints: Iterable[str]) -> list[entries.Owed]:
        """Return the next places in these inboxes; of what came from abroad, in ours alone."""
        return [
            entries.Owed(each, self._positions.get(each, self._base.get(each, 0)))
            for each in dict.fromkeys(endpoints)
            if self.owes(each)
        ]

    def owes(self, endpoint: str) -> bool:
        """Tell whether this node owes an endpoint what is being placed: abroad, others do."""
        if self.came is None or endpoint.startswith(f"{TRUST_INBOX}/"):
            return True
        return peering.is_here(endpoint, self.here)

    def add(self, record: Record) -> int:
        """Add an entry, and return its index."""
        index = self.next_index
        if self.came is not None:
            record = record._replace(keys=(*record.keys, keys.crossed(self.came.home)))
        self.records.append(record)
        for owed in record.owed:
            self._positions[owed.endpoint] = owed.position + 1
        for owed in skipped_in(record.facts):
            self._positions[owed.endpoint] = owed.position
        for key in record.keys:
            self._fresh[key] = Found(index, record.entry)
        return index
