"""Settle: give considered decisions their place in the one order, and find what came before.

Pure, and serial: one ledger, one writer. What it needs of the past is looked up beforehand
(``lookups``) and handed in; what it concludes is a group of records to append at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.broker import keys
from exchange.broker.intake import Admitted, Attested, Declined, Established
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.codec import b64
from exchange.model.header import BEARING, RELATION_OF, Blob, Header, Reference
from exchange.policy import rules
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from exchange.broker.intake import Considered
    from exchange.model.entry import Facts

# With as many endpoints owed, each of the longest name, an entry still fits under a leaf's
# 64 KiB: protects the writer from a chain of corrections to ever new recipients.
MAX_OWED = 256

# Every trust document is owed to everybody: one inbox for all.
TRUST_INBOX = "trust"


class Found(msgspec.Struct, frozen=True):
    """An entry that a key leads to."""

    index: int
    entry: bytes


class Record(NamedTuple):
    """One entry to append, and all that the store keeps beside it in the same commit."""

    facts: Facts
    entry: bytes
    keys: tuple[bytes, ...] = ()
    owed: tuple[entries.Owed, ...] = ()
    blob: tuple[Blob, bytes] | None = None


class Recorded(msgspec.Struct, frozen=True):
    """This decision became, or long since was, the entry at ``index``."""

    index: int
    is_new: bool


class Rejected(msgspec.Struct, frozen=True):
    """This decision was a refusal, recorded at ``index``."""

    refusal: Refusal
    index: int


Settled = Recorded | Rejected


def lookups(considered: Considered) -> list[bytes]:
    """Return the keys whose entries ``settle`` must be given, where there are any."""
    match considered.decision:
        case Admitted(header, digest):
            wanted = [
                keys.by_digest(digest),
                keys.of_header(headers.TYP, header),
                *(keys.bearing(each, header.origin, digest) for each in BEARING),
            ]
            if target := target_of(header):
                # The second that bears on one target must find the first: a key is taken once.
                wanted += [
                    keys.by_digest(target.header_digest),
                    keys.bearing(target.rel, header.origin, target.header_digest),
                    keys.bearing("cancels", header.origin, target.header_digest),
                ]
            return wanted
        case Attested(ack, digest):
            return [
                keys.by_digest(digest),
                keys.of_header(objects.ACK_TYP, ack),
                keys.by_digest(ack.of.header_digest),
            ]
        case Established(document, name, blob):
            return [keys.by_digest(blob.digest), keys.trust(name, document.version)]
        case Declined(_, digest):
            return [keys.by_digest(digest)]


def attachments(considered: Considered) -> list[Blob]:
    """Return the blobs of which ``settle`` must be told whether they are here."""
    decision = considered.decision
    return decision.header.attachments if isinstance(decision, Admitted) else []


def target_of(header: Header) -> Reference | None:
    """Return the reference to what this one cancels, corrects or supersedes, if it does."""
    relation = RELATION_OF.get(header.verb)
    return header.reference(relation) if relation in BEARING else None


class Ledger:
    """The state of the order: how far it goes, and how much each inbox holds.

    A ledger collects one group of records on top of a base that is durable. Throw it away
    when the group was not appended; make the next one from ``after`` when it was.
    """

    def __init__(
        self,
        size: int,
        taken_ms: int,
        view: int,
        positions: Mapping[str, int],
        salt: Callable[[], bytes],
    ) -> None:
        """Begin a group at ``size``; ``positions`` counts what each inbox holds already."""
        self.first = size
        self.taken_ms = taken_ms
        self.view = view
        self.records: list[Record] = []
        self.established: list[tuple[Established, int]] = []
        self._base = positions
        self._positions: dict[str, int] = {}
        self._fresh: dict[bytes, Found] = {}
        self._salt = salt

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
        known: Mapping[bytes, Found],
        uploaded: Collection[Blob] = (),
    ) -> Settled:
        """Place one decision.

        Args:
            considered: decided under the newest view (see ``must_go_back``).
            arrival: caller, object and body, as they arrived.
            known: what ``lookups`` found in the store.
            uploaded: which of its ``attachments`` its author has uploaded whole.

        Returns:
            Where it stands, or why not.
        """
        self.taken_ms = considered.taken_ms
        try:
            return self._place(considered, arrival, known, uploaded)
        except Refusal as refusal:
            raw = arrival[1]
            named = (
                considered.decision.digest
                if not isinstance(considered.decision, Established)
                else considered.decision.blob.digest
            )
            return self._refuse(Declined(refusal, named, len(raw)), arrival[0])

    def append(self, facts: Facts, signed: bytes = b"") -> int:
        """Add a bookkeeping entry, and return its index."""
        return self._add(Record(facts, entries.encode(facts, signed)))

    def salt(self) -> str:
        """Return a fresh salt, as entries spell it."""
        return b64(self._salt())

    def _place(
        self,
        considered: Considered,
        arrival: tuple[str, bytes, bytes],
        known: Mapping[bytes, Found],
        uploaded: Collection[Blob],
    ) -> Settled:
        caller, raw, body = arrival
        decision = considered.decision

        def find(key: bytes) -> Found | None:
            return self._fresh.get(key) or known.get(key)

        match decision:
            case Admitted():
                return self._once(
                    find(keys.by_digest(decision.digest)),
                    find(keys.of_header(headers.TYP, decision.header)),
                ) or self._accept(decision, raw, body, find, uploaded)
            case Attested():
                return self._once(
                    find(keys.by_digest(decision.digest)),
                    find(keys.of_header(objects.ACK_TYP, decision.ack)),
                ) or self._acknowledge(decision, raw, find)
            case Established():
                return self._once(
                    find(keys.by_digest(decision.blob.digest)), None
                ) or self._establish(decision, raw)
            case Declined():
                before = find(keys.by_digest(decision.digest))
                # Posted again after a lost answer, it may be past its time: it is recorded all
                # the same, and its poster must be told so. Not so with another body than that
                # of the record: whoever sends one should hear of it.
                is_whole = not decision.refusal.at.startswith("/body")
                if before is not None and is_whole and is_poster(before.entry, caller):
                    return Recorded(before.index, is_new=False)
                return self._refuse(decision, caller)

    @staticmethod
    def _once(same_bytes: Found | None, same_id: Found | None) -> Recorded | None:
        if same_bytes is not None:
            return Recorded(same_bytes.index, is_new=False)
        if same_id is not None:
            raise Refusal(Code.ID_REUSED, "/id", found=same_id.index)
        return None

    def _accept(
        self,
        decision: Admitted,
        raw: bytes,
        body: bytes,
        find: Callable[[bytes], Found | None],
        uploaded: Collection[Blob],
    ) -> Recorded:
        header = decision.header
        rules.attached(header, uploaded)
        held = _bear(header, find)
        owed = self._owe([*decision.owed, *held.holders])
        if len(owed) > MAX_OWED:
            raise Refusal(Code.OVERSIZED, "/refs", limit=MAX_OWED, found=len(owed))
        cancelled, corrected, superseded = (
            find(keys.bearing(each, header.origin, decision.digest)) for each in BEARING
        )
        facts = entries.Accepted(
            digest=decision.digest,
            blobs=[decision.seen.blob, *header.attachments],
            wraps=decision.seen.wraps,
            owed=owed,
            late=decision.late,
            target=held.target,
            cancelled_by=cancelled.index if cancelled else None,
            corrected_by=corrected.index if corrected else msgspec.UNSET,
            superseded_by=superseded.index if superseded else msgspec.UNSET,
            salt=self.salt(),
            taken_ms=self.taken_ms,
            view=self.view,
        )
        names = (
            keys.by_digest(decision.digest),
            keys.of_header(headers.TYP, header),
            *held.keys,
        )
        blob = (decision.seen.blob, body)
        return Recorded(
            self._add(
                Record(facts, entries.encode(facts, raw), names, tuple(facts.owed), blob)
            ),
            is_new=True,
        )

    def _acknowledge(
        self, decision: Attested, raw: bytes, find: Callable[[bytes], Found | None]
    ) -> Recorded:
        ack = decision.ack
        found = find(keys.by_digest(ack.of.header_digest))
        target = entries.decode(found.entry) if found else None
        if (
            found is None
            or target is None
            or not isinstance(target.facts, entries.Accepted)
            or ack.endpoint not in {owed.endpoint for owed in target.facts.owed}
        ):
            raise Refusal(Code.NOT_OWED, "/of", id=ack.of.id)
        header = headers.decode(jws.read(target.object, headers.MAX_HEADER_BYTES).payload)
        if (header.id, header.endpoint) != (ack.of.id, ack.of.endpoint):
            raise Refusal(Code.TARGET_MISMATCH, "/of", id=ack.of.id)
        facts = entries.Acknowledged(
            digest=decision.digest,
            of=found.index,
            owed=self._owe([header.endpoint]),
            salt=self.salt(),
            taken_ms=self.taken_ms,
            view=self.view,
        )
        names = (keys.by_digest(decision.digest), keys.of_header(objects.ACK_TYP, ack))
        record = Record(facts, entries.encode(facts, raw), names, tuple(facts.owed))
        return Recorded(self._add(record), is_new=True)

    def _establish(self, decision: Established, raw: bytes) -> Recorded:
        place = self._owe([TRUST_INBOX])
        facts = entries.Trust(
            name=decision.name,
            version=decision.document.version,
            position=place[0].position,
            document=decision.blob,
            salt=self.salt(),
            taken_ms=self.taken_ms,
            view=self.view,
        )
        names = (
            keys.by_digest(decision.blob.digest),
            keys.trust(decision.name, decision.document.version),
        )
        record = Record(facts, entries.encode(facts), names, tuple(place), (decision.blob, raw))
        index = self._add(record)
        self.established.append((decision, index))
        # What was considered under the view before this entry must be considered again.
        self.view = index
        return Recorded(index, is_new=True)

    def _refuse(self, decision: Declined, caller: str) -> Rejected:
        facts = entries.Refused(
            caller=caller,
            digest=decision.digest,
            size=decision.size,
            code=decision.refusal.code.value,
            at=decision.refusal.at,
            salt=self.salt(),
            taken_ms=self.taken_ms,
            view=self.view,
        )
        return Rejected(decision.refusal, self._add(Record(facts, entries.encode(facts))))

    def _owe(self, endpoints: Iterable[str]) -> list[entries.Owed]:
        return [
            entries.Owed(each, self._positions.get(each, self._base.get(each, 0)))
            for each in dict.fromkeys(endpoints)
        ]

    def _add(self, record: Record) -> int:
        index = self.next_index
        self.records.append(record)
        for owed in record.owed:
            self._positions[owed.endpoint] = owed.position + 1
        for key in record.keys:
            self._fresh[key] = Found(index, record.entry)
        return index


class _Bearing(NamedTuple):
    """What an arrival has to do with its target: its entry, who holds it, and keys to take."""

    target: int | None = None
    holders: tuple[str, ...] = ()
    keys: tuple[bytes, ...] = ()


def _bear(header: Header, find: Callable[[bytes], Found | None]) -> _Bearing:
    """Hold an arrival to the bulletin that it cancels, corrects or supersedes.

    The target may be still to come: then the key that is taken here lets it name this one.

    Raises:
        Refusal: ``target-mismatch``, or ``target-cancelled``: an update of what is no more.
    """
    reference = target_of(header)
    if reference is None:
        return _Bearing()
    named = reference.header_digest
    target = find(keys.by_digest(named))
    holders = () if target is None else _holders(target.entry, header, reference)
    if reference.rel == "supersedes" and (
        cancelled := find(keys.bearing("cancels", header.origin, named))
    ):
        raise Refusal(Code.TARGET_CANCELLED, "/refs", id=reference.id, found=cancelled.index)
    key = keys.bearing(reference.rel, header.origin, named)
    is_wanted = reference.rel == "cancels" or target is None
    taken = (key,) if is_wanted and find(key) is None else ()
    return _Bearing(target.index if target else None, holders, taken)


def _holders(entry: bytes, header: Header, reference: Reference) -> tuple[str, ...]:
    """Return everybody who holds the target of what bears on it.

    Raises:
        Refusal: ``target-mismatch``: it is not a bulletin of this originator, or another id; or
            it is of another type than its update.
    """
    target = entries.decode(entry)
    if not isinstance(target.facts, entries.Accepted):
        raise Refusal(Code.TARGET_MISMATCH, "/refs")
    before = headers.decode(jws.read(target.object, headers.MAX_HEADER_BYTES).payload)
    is_its_own_kind = reference.rel != "supersedes" or before.type == header.type
    if (before.origin, before.id) != (header.origin, reference.id) or not is_its_own_kind:
        raise Refusal(Code.TARGET_MISMATCH, "/refs", id=reference.id)
    return tuple(owed.endpoint for owed in target.facts.owed)


def is_poster(entry: bytes, caller: str) -> bool:
    """Tell whether a caller posted this entry's object; trust documents are everybody's."""
    found = entries.decode(entry)
    if not found.object:
        return isinstance(found.facts, entries.Trust)
    return poster(jws.read(found.object, objects.MAX_OBJECT_BYTES)) == caller


class _Poster(msgspec.Struct, frozen=True):
    endpoint: str


def poster(signed: jws.Signed) -> str:
    """Return the endpoint that a signed object names as its author."""
    return msgspec.json.decode(signed.payload, type=_Poster).endpoint
