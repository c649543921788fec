"""What the node asks of a store. Adapters meet it; one contract suite checks each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from exchange.broker.due import FIRST

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from exchange.broker.due import Due
    from exchange.broker.records import Found, Record
    from exchange.journal.forks import Evidence
    from exchange.journal.quorum import Witness
    from exchange.journal.witness import Remembered
    from exchange.model.header import Blob


class Head(msgspec.Struct, frozen=True):
    """How far a journal goes.

    Attributes:
        size: entries stored; the next index.
        epoch: of the writer that appended last; 0 before any.
        taken_ms: taken time of the newest entry; 0 before any.
        frontier: right edge of the Merkle tree, as ``journal.tree`` encodes it.
    """

    size: int
    epoch: int
    taken_ms: int
    frontier: bytes


class TileRoot(msgspec.Struct, frozen=True):
    """The root (32 bytes) of a completed tile: hash ``number`` of row ``level + 1``.

    Rows are those of ``journal.tiles.Hashes``: row 0 is the leaves, so a tile's own hashes
    are found in the row below and are not stored twice.
    """

    level: int
    number: int
    root: bytes


class Batch(msgspec.Struct, frozen=True):
    """One commit group: appended whole, or not at all.

    Attributes:
        epoch: of the writer; an epoch newer than the store's is opened by this batch.
        records: the entries in order, with keys, inbox rows and blobs.
        leaves: their leaf hashes, 32 bytes each.
        tiles: roots of the tiles that these leaves complete.
        frontier: the tree's right edge after them.
        taken_ms: taken time of the last of them.
        statement: the signed group statement; given out only after this batch is durable.
    """

    epoch: int
    records: Sequence[Record]
    leaves: Sequence[bytes]
    tiles: Sequence[TileRoot]
    frontier: bytes
    taken_ms: int
    statement: bytes


class Done(msgspec.Struct, frozen=True):
    """The batch is durable; ``size`` is the journal's size after it."""

    size: int


class HeadMoved(msgspec.Struct, frozen=True):
    """Nothing was written: the journal's size is not the one expected."""

    size: int


class Duplicate(msgspec.Struct, frozen=True):
    """Nothing was written: exactly these entries stand at that place already."""

    size: int


class Fenced(msgspec.Struct, frozen=True):
    """Nothing was written: a writer of a newer epoch took over."""

    epoch: int


class Refused(msgspec.Struct, frozen=True):
    """Nothing was written, and trying the same again will not help (say, the disk is full)."""

    reason: str


class Unknown(msgspec.Struct, frozen=True):
    """It may or may not have been written. Read from ``expect`` before anything else."""

    reason: str


Outcome = Done | HeadMoved | Duplicate | Fenced | Refused | Unknown


class Row(msgspec.Struct, frozen=True):
    """One entry as stored: its index, its bytes, and its leaf hash as it was computed then."""

    index: int
    entry: bytes
    leaf: bytes


class InboxRow(msgspec.Struct, frozen=True):
    """One entry in an inbox; positions have no gap."""

    position: int
    index: int
    entry: bytes


class UrgentRow(msgspec.Struct, frozen=True):
    """An entry that presses in an inbox, and its rank: a place in ``pressing.RANKS``."""

    rank: int
    row: InboxRow


class PressingRow(msgspec.Struct, frozen=True, order=True):
    """That an entry presses in an inbox: when it was taken (ms), and until when (s UTC)."""

    endpoint: str
    rank: int
    index: int
    taken_ms: int
    until: int


class ChasedRow(msgspec.Struct, frozen=True, order=True):
    """That an endpoint's acknowledgement of an entry is chased.

    Its rank is a place in ``chasing.RANKS``; taken in at ``taken_ms``, and chased until then
    (seconds UTC) at the latest. ``target`` is the entry that it is about; -1: none here.
    """

    endpoint: str
    index: int
    rank: int
    taken_ms: int
    target: int
    until: int


class RowCounts(msgspec.Struct, frozen=True):
    """How many rows the derived tables hold.

    Keys that lead to entries, places in inboxes, commit groups, kinds of which the newest entry
    is known, and hashes of the tree, of all its rows.
    """

    keys: int
    places: int
    groups: int
    kinds: int
    hashes: int


class GroupRow(msgspec.Struct, frozen=True):
    """The commit group that an entry was written in."""

    first: int
    count: int
    statement: bytes


class Store(Protocol):
    """An append-only journal, its blobs, and the tables derived from it.

    Obligations: ``append`` is all or nothing and durable when it returns ``Done``; a reader
    sees a batch whole or not at all; entries never change, move or vanish; reads after
    ``Done`` see it. Any method may be slow. Read methods raise ``Fault`` (``store-failed``)
    when the store does not answer; ``append`` never raises: it returns an ``Outcome``.
    """

    async def head(self) -> Head:
        """Return how far the journal goes."""

    async def append(self, batch: Batch, expect: int) -> Outcome:
        """Append a batch where the journal's size is ``expect``."""

    async def read(self, first: int, limit: int) -> list[Row]:
        """Return at most ``limit`` entries from index ``first`` on, in order."""

    async def inbox(self, endpoint: str, after: int, limit: int) -> list[InboxRow]:
        """Return an inbox's entries with an index over ``after`` (-1: all), in order."""

    async def urgent(
        self, endpoint: str, after: Sequence[int], now: int, limit: int
    ) -> list[UrgentRow]:
        """Return what presses in an inbox, at a cost that does not grow with the inbox.

        Args:
            endpoint: whose inbox.
            after: for each rank, the index that entries have to be over.
            now: seconds UTC: what has expired presses no more.
            limit: at most so many of each rank.

        Returns:
            By rank, then in order; none of what was taken in before there was this table.
        """

    async def waiting(self, now: int) -> list[tuple[int, int]]:
        """Return rank and taken time (ms) of all that presses in any inbox; for metrics."""

    async def chased(self, now: int) -> list[ChasedRow]:
        """Return whose acknowledgement of what is chased (``Record.chased``); for metrics.

        Gone are: what its endpoint has seen to (``Record.seen_to``); what a later record says
        is over (``Record.over``), and all that is about that; and what ends by ``now``. None
        of what was taken in before there was this table.
        """

    async def due(
        self, what: int, now: int, limit: int, after: tuple[int, int] = FIRST
    ) -> list[Due]:
        """Return what is due for one purpose (``broker.due``) by ``now``, seconds UTC.

        Those after a place (``Due.place``), in that order, at most ``limit``; the cost does not
        grow with the journal.
        """

    async def is_due(self, row: Due) -> bool:
        """Tell whether a row of what comes due stands as it is."""

    async def all_due(self) -> list[Due]:
        """Return all that comes due, in order of its members; for audits."""

    async def still_named(self, digests: Sequence[str]) -> frozenset[str]:
        """Return which of these digests an entry names that is not to be purged.

        Of bodies and wrapped keys, that is which of them are here: what no such entry names any
        more goes with the append that says so (``Record.gone``).
        """

    async def scrub(self) -> bool:
        """Leave nothing, in the file or beside it, of what was deleted; False: not just now."""

    async def positions(self) -> dict[str, int]:
        """Return how many entries each inbox holds; inboxes without any are absent."""

    async def heads(self) -> bytes:
        """Return the newest snapshot of inbox heads (``Record.heads``); empty before any."""

    async def find(self, keys: Sequence[bytes]) -> dict[bytes, Found]:
        """Return the entries that these keys lead to; unknown keys are absent."""

    async def newest(self, kind: str) -> Row | None:
        """Return the newest entry of a kind, if there is one."""

    async def group(self, index: int) -> GroupRow | None:
        """Return the commit group that holds an entry, if there is such an entry."""

    async def hashes(self, level: int, first: int, count: int) -> bytes:
        """Return neighbours of one row of the tree, joined: ``journal.tiles.Hashes.read``."""

    async def blob(self, digest: str) -> bytes | None:
        """Return a blob by digest, or None."""

    async def blobs(self, digests: Sequence[str]) -> dict[str, bytes]:
        """Return blobs by digest; those that are not here are absent."""

    async def counts(self) -> RowCounts:
        """Return how many rows there are; for audits: it may read them all."""

    async def agreeing(self, *, is_whole: bool) -> int:
        """Return how many tables agree with their own indexes; for audits.

        Args:
            is_whole: it reads all that the file has. Else no table that has no index is read:
                those of entries and bodies, by far the longest.

        Raises:
            Fault: one does not, or the file's structure is damaged.
        """

    async def kinds(self, first: int, limit: int) -> list[str]:
        """Return under which kind each entry from index ``first`` on is kept; for audits."""

    async def pressing(self, now: int) -> list[PressingRow]:
        """Return all that presses in any inbox, in order of its members; for audits."""

    async def close(self) -> None:
        """Release everything; what was ``Done`` stays."""


class Shipped(msgspec.Struct, frozen=True, array_like=True):
    """One commit group as it is shipped: all that a lost journal is rebuilt from.

    Attributes:
        first: index of its first entry.
        statement: the signed group statement.
        entries: their bytes, in order.
        blobs: bodies, wrapped keys and documents that they name, as far as they are kept.
    """

    first: int
    statement: bytes
    entries: list[bytes]
    blobs: list[bytes]


class Pledge(Protocol):
    """What must outlast a journal that is set back, in a durable place that is not the journal.

    The newest checkpoint that this node signed, or that was cosigned; how late it is.

    Obligations: what ``keep`` returned from is durable, and ``newest`` returns it whole. Both
    raise ``Fault`` (``store-failed``) where that cannot be had.
    """

    async def newest(self) -> bytes | None:
        """Return what was kept last; None before anything was."""

    async def keep(self, note: bytes) -> None:
        """Keep this in place of what was there."""


class Recall(Protocol):
    """What a witness remembers of each log. One process at a time has it."""

    async def newest(self, origin: str) -> Remembered | None:
        """Return what was cosigned last of a log; None before anything was."""

    async def advance(self, origin: str, before: Remembered | None, after: Remembered) -> None:
        """Remember this in place of what was, at one stroke; durable on return.

        Raises:
            Fault: it is not what was, or cannot be written: nothing may be signed.
        """

    async def keep(self, evidence: Evidence, *, convicts: bool) -> str | None:
        """Keep two checkpoints, durably; return under which name, if there was room."""

    async def convicted(self) -> int:
        """Return how many pieces of evidence there are."""

    async def sizes(self) -> dict[str, int]:
        """Return how long each log was when it was cosigned last."""

    async def close(self) -> None:
        """Let go of it."""


class Courier(Protocol):
    """Carries what a node asks of a witness. May be slow; is bounded in time and size."""

    async def add(self, witness: Witness, request: bytes) -> tuple[int, bytes]:
        """Return the status and body of a witness's answer to a checkpoint.

        Raises:
            Fault: it did not answer.
        """

    async def remembered(self, witness: Witness, note: bytes) -> bytes | None:
        """Return the newest checkpoint of our log that a witness cosigned, if any.

        Raises:
            Fault: it did not answer.
        """


class Second(Protocol):
    """Where commit groups are shipped. It only grows; called in threads.

    Obligations: one call waits for another; what ``append`` returned from is durable, and
    ``size`` counts it. All raise ``Fault`` (``store-failed``); nothing that was told to be
    there is ever cut off.
    """

    def size(self) -> int:
        """Return how many entries were shipped."""

    def groups(self) -> Iterator[Shipped]:
        """Return each group in order, up to the first that cannot be read any more."""

    def claim(self, epoch: int) -> None:
        """Ship under this epoch from here on.

        Raises:
            Fault: ``node-replaced``: a later epoch has claimed the place.
        """

    def append(self, groups: Sequence[Shipped]) -> None:
        """Add groups that follow what is there.

        Raises:
            Fault: ``node-replaced``, as ``claim``: nothing was added.
        """

    def purge(self, gone: Mapping[int, Collection[str]]) -> None:
        """Destroy the blobs that came with these entries' commit groups; all else stays.

        Raises:
            Fault: ``node-replaced``, as ``claim``: nothing was destroyed.
        """


class Progress(msgspec.Struct, frozen=True):
    """How far an upload has come; ``complete`` once it is whole, verified and durable."""

    offset: int
    complete: bool


class Blobs(Protocol):
    """Attachments as they travel: uploaded piece by piece, then kept for who is owed them.

    An upload belongs to one endpoint and one blob, that is one digest and size; what others
    uploaded never shows. Once an entry is about to name it, it is kept, by digest alone.

    Obligations: several processes may use the same blobs at once, and any of them may end at
    any moment; memory does not grow with a blob; what is ``complete`` is durable, and what
    ``keep`` returned from. Any method may be slow and raise ``Fault`` (``store-failed``).
    """

    async def progress(self, endpoint: str, blob: Blob) -> Progress:
        """Return how far an endpoint's upload of a blob has come; 0 where there is none."""

    async def append(self, endpoint: str, blob: Blob, offset: int, piece: bytes) -> Progress:
        """Add to an upload what follows its first ``offset`` bytes; the first piece begins it.

        Raises:
            Refusal: ``offset-mismatch``: it has another length, told as ``expected``;
                ``oversized``: more than the blob; ``quota``: no room for another upload;
                ``kept-quota``: its organisation has no room to keep it. What has begun fits.
        """

    async def finish(self, endpoint: str, blob: Blob) -> Progress:
        """Verify an upload that has all its bytes, and make it durable. Twice does no harm.

        What was purged before is told to be complete like any other, and is not stored.

        Raises:
            Refusal: ``offset-mismatch``: bytes are missing; ``digest-mismatch``: it is not what
                its digest says, and is deleted.
        """

    async def discard(self, endpoint: str, blob: Blob) -> None:
        """Give up an upload, or let go of it once it is kept; none is none."""

    async def held(self, endpoint: str, blobs: Sequence[Blob]) -> frozenset[Blob]:
        """Return which of these an endpoint has uploaded whole; they do not expire soon."""

    async def keep(self, endpoint: str, blobs: Sequence[Blob]) -> None:
        """Make durable under their digests, until purged, what an endpoint holds.

        Raises:
            Fault: ``store-failed``: one is no longer held, or was purged before.
        """

    async def kept(self) -> dict[str, int]:
        """Return for how many bytes what is kept counts, by the organisation that posted it.

        Counted from what is there. What two of them posted counts for both.
        """

    async def is_kept(self, blob: Blob) -> bool:
        """Tell whether a blob that an entry names is still kept; it is not once it was purged.

        Raises:
            Fault: ``attachment-damaged``: neither purged, nor here with this size and digest.
        """

    async def read(self, digest: str, offset: int, limit: int) -> bytes:
        """Return at most ``limit`` bytes of a blob that is kept; none at its end.

        Raises:
            Fault: ``store-failed``: it is not there.
        """

    async def purge(self, digest: str) -> None:
        """Delete all that is here of a digest, and hold or keep none of that name again."""

    async def sweep(self) -> None:
        """Give up uploads that nobody went on with for long."""

    async def close(self) -> None:
        """Release everything; what is complete or kept stays."""


class Kept(NamedTuple):
    """All that a node keeps: the journal with what is small, and the attachments."""

    store: Store
    blobs: Blobs
