"""Mirror a node's journal for review offline: every entry is judged before it is kept."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from exchange.audit import forms, parted
from exchange.broker.replay import Replayer
from exchange.errors import Code, Fault, Refusal
from exchange.journal import bundle, forks, terms
from exchange.journal import checkpoint as c2sp
from exchange.journal.proofs import consistency_proof, root_at
from exchange.journal.stored import leaf_of
from exchange.journal.tiles import MemoryHashes
from exchange.model import entry as entries
from exchange.model import wire
from exchange.model.view import View
from exchange.node import ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from exchange.broker.records import Record
    from exchange.client.transport import Transport
    from exchange.node.ports import Store

# How the facts of those entries begin that name a trust document.
_TRUST: Final = b'{"kind":"trust'
# And of those that hold a checkpoint.
_CHECKPOINT: Final = b'{"kind":"checkpoint"'
# As long as an idle node waits to date its checkpoint anew, three times.
MAX_AGE_S: Final = 180


class Desk(NamedTuple):
    """Who mirrors: what time it is (seconds UTC), and where evidence is kept.

    ``keep`` is given what convicts a node, and what kind that is; it returns where it is.
    """

    now: Callable[[], int]
    keep: Callable[[bytes, str], str]


async def pull(
    transport: Transport,
    store: Store,
    anchor: str,
    desk: Desk,
    told: Callable[[int, int], None],
) -> tuple[int, int]:
    """Copy a node's journal into a store; return how many entries it has, and how many are new.

    A mirror made before is gone on with: all that it holds is judged again, and is held to what
    the node says and signs now, before anything is added. Trust documents come with it;
    ciphertext does not: an auditor is owed none.

    Args:
        transport: a session of an endpoint with the auditor's role.
        store: empty, or a mirror of this node's journal.
        anchor: digest of the first root, from the custodians.
        desk: who mirrors.
        told: hears how many entries of how many are done.

    Raises:
        Refusal: an alarm: ``entry-untrue``: an entry does not follow from those before it, by
            the rules; ``stale-head``, ``head-went-back``: it shows an old checkpoint;
            ``journal-forked``, ``past-differs``: it signed another past than it told. Or an
            entry is none; the node gives fewer than it says there are; or
            ``mirror-mismatch``: what the store holds is not the beginning of this journal.
        Fault: the node or the store does not answer.
    """
    mirror = await Mirror.take_up(transport, store, anchor, desk, told)
    return await mirror.advance(told)


class Mirror:
    """A mirror that is gone on with again and again: what it holds is judged once."""

    def __init__(self, transport: Transport, copy: _Copy, desk: Desk) -> None:
        """Take over what ``take_up`` judged."""
        self._transport, self._copy, self._desk = transport, copy, desk

    @classmethod
    async def take_up(
        cls,
        transport: Transport,
        store: Store,
        anchor: str,
        desk: Desk,
        told: Callable[[int, int], None],
    ) -> Mirror:
        """Judge all that a store holds; arguments and errors as of ``pull``."""
        copy = _Copy(store, anchor, _Documents(transport))
        await copy.take_up(told)
        return cls(transport, copy, desk)

    async def advance(self, told: Callable[[int, int], None]) -> tuple[int, int]:
        """Take in what is new; return how many entries it has, and how many are new.

        What is held is what the node says and signs now, or nothing is added.
        """
        if not self._copy.is_kept:
            # A fault came between: what is there is read again.
            self._copy = self._copy.anew()
            await self._copy.take_up(told)
        transport, copy, desk, held = self._transport, self._copy, self._desk, self._copy.size
        note, at = await _newest_checkpoint(transport), desk.now()
        if held:
            if note and c2sp.parse(note).size <= held:
                # Its keys are known. One that is longer is held to what is under it.
                copy.must_not_be_older(note, desk)
                copy.must_be_of(at, note, desk)
            await _go_on(transport, copy, note, desk)
        while True:
            page = await _page(transport, copy.size)
            await copy.keep(await _judged(transport, copy, page.items, desk))
            told(copy.size, page.size)
            if page.items:
                continue
            if copy.size < page.size:
                raise Refusal(Code.BAD_PROOF, "/size", expected=page.size, found=copy.size)
            if note:
                if not held and copy.size and terms.node_of(note) != copy.node:
                    # No file was there that could be another node's: it shows another's.
                    raise Refusal(Code.BAD_CHECKPOINT, "/note", name=terms.node_of(note))
                copy.must_be_of(at, note, desk)
                # Asked for before any entry: a first mirror is held to it here for once.
                copy.must_reach(note)
                await _must_be_under(transport, copy, note, desk)
            return copy.size, copy.size - held


async def _judged(
    transport: Transport, copy: _Copy, items: Sequence[wire.JournalItem], desk: Desk
) -> ports.Batch | None:
    """Judge a page of entries; one that does not follow is kept, under its node's signature.

    Raises:
        Refusal: ``entry-untrue``; or an entry is none.
    """
    first = copy.size
    try:
        return await copy.judge(items)
    except Refusal as refusal:
        # That a document is not to be had says nothing of the entry that names it.
        if refusal.code is not Code.BAD_PROOF or refusal.at == "/document":
            raise
        at, raw = copy.size, items[copy.size - first].entry.encode()
        proof = await _proof(transport, copy, raw)
        # Not under any checkpoint yet, it is the node's word to this caller and no more.
        facts = {"evidence": desk.keep(proof, "tlog-proof")} if proof else {}
        if proof:
            desk.keep(raw, "entry")
        raise Refusal(Code.ENTRY_UNTRUE, refusal.at, found=at, **facts) from refusal


async def _proof(transport: Transport, copy: _Copy, raw: bytes) -> bytes:
    """Return the proof that the next entry is under a checkpoint; empty: none holds."""
    try:
        answer = await transport.get_as(wire.Proof, "/v1/proof", index=copy.size)
        proof = answer.proof.encode()
        found = bundle.parse(proof)
        copy.terms(found.note).prove(found, leaf_of(raw))
    except Refusal:
        return b""
    return proof if found.index == copy.size else b""


async def _go_on(transport: Transport, copy: _Copy, note: bytes, desk: Desk) -> None:
    """Hold what was mirrored before to the node's newest checkpoint; keep what that covers."""
    held, signed = copy.size, c2sp.parse(note).size if note else 0
    if note and signed <= held:
        await _must_be_under(transport, copy, note, desk)
    # What is not signed for yet is compared as it is.
    await _must_be_told_alike(transport, copy, signed)
    pages: deque[Sequence[wire.JournalItem]] = deque()
    leaves: list[bytes] = []
    while (first := held + len(leaves)) < signed:
        page = await _page(transport, first)
        if not page.items:
            raise Refusal(Code.BAD_PROOF, "/size", expected=signed, found=first)
        pages.append(page.items)
        leaves += [leaf_of(each.entry.encode()) for each in page.items]
    if leaves and (is_known := copy.knows(note)):
        # Before any is judged: of a mirror that was altered, what an honest node recorded
        # after that does not follow.
        await _must_be_under(transport, copy, note, desk, leaves)
    batches = []
    while pages:
        batches.append(await _judged(transport, copy, pages.popleft(), desk))
    if leaves and not is_known:
        # Its keys were handed over in what is new.
        await _must_be_under(transport, copy, note, desk)
    for batch in batches:
        await copy.keep(batch)


async def _must_be_under(
    transport: Transport, copy: _Copy, note: bytes, desk: Desk, more: Sequence[bytes] = ()
) -> None:
    """Hold what was judged, and leaves after it, to a checkpoint that this node signed.

    Raises:
        Refusal: an alarm: ``journal-forked``, with two checkpoints that convict the node; or
            ``past-differs``, with the one. ``mirror-mismatch``: it is another node's.
    """
    signed = copy.terms(note).verify(note).checkpoint
    if copy.root(signed.size, more) == signed.root:
        return
    # Another node's mirror that was named by mistake accuses nobody.
    if (node := terms.node_of(note)) != copy.node:
        raise Refusal(Code.MIRROR_MISMATCH, "/node", name=node)
    kept = desk.keep(note, "checkpoint")
    proof = await parted.evidence_of(transport, note, copy.notes(), copy.hashes, copy.terms)
    if proof is None:
        raise Refusal(Code.PAST_DIFFERS, "/root", found=signed.size, evidence=kept)
    kept = desk.keep(proof.encode(), "evidence")
    raise Refusal(Code.JOURNAL_FORKED, "/root", found=signed.size, evidence=kept)


async def _must_be_told_alike(transport: Transport, copy: _Copy, first: int) -> None:
    held = copy.size
    while first < held:
        page = await _page(transport, first)
        for item in page.items[: held - first]:
            if item.entry.encode() != copy.taken[first]:
                raise Refusal(Code.MIRROR_MISMATCH, "", found=first)
            first += 1
        if not page.items:
            raise Refusal(Code.MIRROR_MISMATCH, "", found=first)


async def _page(transport: Transport, first: int) -> wire.JournalPage:
    """Return entries from one on.

    Raises:
        Refusal: ``bad-proof``: their numbers are not the next ones.
    """
    page = await transport.get_as(
        wire.JournalPage, "/v1/journal", first=first, limit=wire.MAX_PAGE
    )
    for expected, item in enumerate(page.items, first):
        if item.index != expected:
            raise Refusal(Code.BAD_PROOF, "/index", expected=expected, found=item.index)
    return page


async def _newest_checkpoint(transport: Transport) -> bytes:
    """Return the node's newest signed checkpoint; nothing where there is none yet."""
    try:
        return await transport.get("/v1/checkpoint")
    except Refusal as refusal:
        if refusal.code is Code.NOT_FOUND:
            return b""
        raise


class _Copy:
    """A mirror as it grows: every entry judged after those before it, from the first on."""

    def __init__(self, store: Store, anchor: str, documents: _Documents) -> None:
        self.taken: list[bytes] = []
        self._store, self._anchor = store, anchor
        self._documents = documents
        self._kept = 0
        self._listed = forms.Listed()
        self._replayer = Replayer(View(anchor=anchor), self.taken.__getitem__, documents.get)
        self.hashes = MemoryHashes()

    @property
    def size(self) -> int:
        """How many entries were judged."""
        return len(self.taken)

    @property
    def is_kept(self) -> bool:
        """Whether all that was judged is known to be in the store."""
        return self._kept == self.size

    def anew(self) -> _Copy:
        """Return one that judged nothing yet, of the same store."""
        return _Copy(self._store, self._anchor, self._documents)

    async def take_up(self, told: Callable[[int, int], None]) -> int:
        """Judge what the store holds, as if it came now; return how many entries that is.

        Raises:
            Refusal: ``mirror-mismatch``: it is a node's own journal, or does not hold.
        """
        size = (await self._store.head()).size
        group = await self._store.group(0)
        if group is not None and group.statement:
            # A node goes on with this file one day; nobody else may.
            raise Refusal(Code.MIRROR_MISMATCH, "/statement", found=0)
        while rows := await self._store.read(self.size, wire.MAX_PAGE):
            # Its own first: a node of another past has others, or will not give them again.
            await self._documents.recall(self._store, [row.entry for row in rows])
            await self._documents.fetch(row.entry for row in rows)
            for row in rows:
                self._take_up(row)
            told(self.size, size)
        self._kept = self.size
        return self.size

    def _take_up(self, row: ports.Row) -> None:
        try:
            if row.index != self.size or leaf_of(row.entry) != row.leaf:
                raise Refusal(Code.DIGEST_MISMATCH, "/leaf")  # noqa: TRY301
            self._judge(row.entry)
        except Refusal as refusal:
            raise Refusal(Code.MIRROR_MISMATCH, refusal.at, found=self.size) from refusal
        self.hashes.extend([row.leaf])

    def knows(self, note: bytes) -> bool:
        """Tell whether a checkpoint is signed by keys that are in force as far as is judged."""
        try:
            self.terms(note).verify(note)
        except Refusal:
            return False
        return True

    async def judge(self, items: Sequence[wire.JournalItem]) -> ports.Batch | None:
        """Judge a page of the next entries; return one batch to keep, None if it is empty."""
        await self._documents.fetch(item.entry.encode() for item in items)
        records = []
        for item in items:
            record = self._judge(item.entry.encode())
            # Sealed bodies stay at the node: what is kept beside entries is trust documents.
            has_document = record.blob is not None and bool(record.blob[1])
            records.append(record if has_document else record._replace(blob=None))
        if not records:
            return None
        leaves = [leaf_of(record.entry) for record in records]
        tiles = [
            ports.TileRoot(tile.level, tile.index, tile.root)
            for tile in self.hashes.extend(leaves)
        ]
        return ports.Batch(
            epoch=1,
            records=records,
            leaves=leaves,
            tiles=tiles,
            frontier=self.hashes.frontier.encode(),
            taken_ms=records[-1].facts.taken_ms,
            statement=b"",
        )

    def _judge(self, raw: bytes) -> Record:
        record = self._replayer.step(raw).record
        if isinstance(record.facts, entries.Trust):
            self._listed.follow(self._replayer.view)
        forms.check(record.facts, self.size, self._listed)
        self.taken.append(record.entry)
        return record

    def must_reach(self, note: bytes) -> None:
        """Hold the node to as many entries as it signed for.

        Raises:
            Refusal: ``bad-proof``.
        """
        signed = c2sp.parse(note).size
        if self.size < signed:
            raise Refusal(Code.BAD_PROOF, "/size", expected=signed, found=self.size)

    @property
    def node(self) -> str:
        """Whose journal it is, as its first entry says; empty: it does not say."""
        facts = entries.decode(self.taken[0]).facts if self.taken else None
        return facts.node if isinstance(facts, entries.EpochOpened) else ""

    def root(self, size: int, more: Sequence[bytes] = ()) -> bytes:
        """Return the root of so many entries; those that leaves were given of are the last."""
        if size <= self.size:
            return root_at(size, self.hashes)
        return self.hashes.frontier.extend(more[: size - self.size]).root()

    def notes(self) -> Iterator[bytes]:
        """Yield the checkpoints that were mirrored, newest first."""
        for raw in reversed(self.taken):
            if raw.startswith(_CHECKPOINT):
                facts = entries.decode(raw).facts
                if isinstance(facts, entries.Checkpointed):
                    yield facts.note.encode()

    def terms(self, note: bytes) -> terms.Terms:
        """Return what a checkpoint of this journal needs, by what was judged."""
        return terms.of(note, terms.node_of(note), self._replayer.view)

    def must_not_be_older(self, note: bytes, desk: Desk) -> None:
        """Hold a checkpoint to the newest one that was mirrored: it is no shorter one of later.

        One that is shorter and was signed before may be a front's that has not heard of the
        newest yet; that it is not of now is found out by its date.

        Raises:
            Refusal: ``head-went-back``, with both as evidence; ``bad-checkpoint``.
        """
        known = next(self.notes(), b"")
        shown = self.terms(note).verify(note).checkpoint
        if not known or shown.size >= (last := c2sp.parse(known)).size:
            return
        path = consistency_proof(shown.size, last.size, self.hashes)
        evidence = forks.of(note, known, path)
        try:
            needed = self.terms(note)
            forks.check(evidence, needed.origin, [needed.log, self.terms(known).log])
        except Refusal:
            return
        kept = desk.keep(evidence.encode(), "evidence")
        raise Refusal(
            Code.HEAD_WENT_BACK,
            "/checkpoint",
            expected=last.size,
            found=shown.size,
            evidence=kept,
        )

    def must_be_of(self, at: int, note: bytes, desk: Desk) -> None:
        """Hold the node's newest checkpoint to the time at which it was shown, seconds UTC.

        Raises:
            Refusal: ``stale-head``: the node, or the way to it, stands still.
        """
        needed, skew_s = self.terms(note), self._replayer.view.agreed().limits.skew_s
        age_s = at - (needed.verify(note).at(needed.log[-1]) or 0)
        if not -skew_s <= age_s <= MAX_AGE_S + skew_s:
            kept = desk.keep(note, "checkpoint")
            raise Refusal(
                Code.STALE_HEAD,
                "/checkpoint",
                found=age_s,
                limit=MAX_AGE_S + skew_s,
                evidence=kept,
            )

    async def keep(self, batch: ports.Batch | None) -> None:
        """Append a batch that was judged."""
        if batch is None:
            return
        outcome = await self._store.append(batch, self._kept)
        if not isinstance(outcome, ports.Done):
            raise Fault(Code.STORE_FAILED, found=self._kept)
        self._kept = outcome.size


class _Documents:
    """Trust documents by their digests, each fetched when an entry names it.

    Those that took effect in another node's journal come from our node as well.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._found: dict[str, bytes] = {}
        # How far each node's were fetched; of the mirrored one's own, under no name.
        self._cursors: dict[str, int] = {}
        self.get = self._found.get

    async def recall(self, store: Store, raws: Iterable[bytes]) -> None:
        """Take what a mirror keeps of what these entries name; who judges them checks it."""
        named = [_named(raw)[1] for raw in raws if raw.startswith(_TRUST)]
        self._found.update(await store.blobs(named))

    async def fetch(self, raws: Iterable[bytes]) -> None:
        """Fetch what these entries name. What is not to be had, who judges them misses."""
        named = [_named(raw) for raw in raws if raw.startswith(_TRUST)]
        for whose in dict.fromkeys(name for name, of in named if of not in self._found):
            await self._fetch(whose)

    async def _fetch(self, whose: str) -> None:
        query = {"node": whose} if whose else {}
        while True:
            after = self._cursors.get(whose, -1)
            page = await self._transport.get_as(
                wire.TrustPage, "/v1/trust", after=after, **query
            )
            for item in page.items:
                self._found[item.digest] = item.document.encode()
            if not page.items:
                return
            self._cursors[whose] = page.cursor


def _named(raw: bytes) -> tuple[str, str]:
    """Return whose trust document an entry names, and its digest; nothing if it does not."""
    try:
        facts = entries.decode(raw).facts
    except Refusal:
        return "", ""
    match facts:
        case entries.Trust(document=document):
            return "", document.digest
        case entries.TrustReceived(home=home, document=document):
            return home.node, document.digest
        case _:
            return "", ""
