"""Open a journal: read how far it goes, what is in force, and that nothing signed is gone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from exchange.broker import peering
from exchange.broker.settle import TRUST_INBOX
from exchange.errors import Code, Fault, Refusal
from exchange.journal import checkpoint as checkpoints
from exchange.journal import terms
from exchange.journal.logkeys import log_keys, origin_of
from exchange.journal.proofs import root_at
from exchange.journal.terms import Terms
from exchange.journal.tree import Frontier, leaf_hash
from exchange.model import entry as entries
from exchange.model.homes import Homes, Received
from exchange.model.identity import digest
from exchange.model.view import View
from exchange.node.handover import Rings
from exchange.node.stored import with_hashes
from exchange.node.writer import Writer
from exchange.render.times import zulu
from exchange.seal import trust

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from exchange.journal.checkpoint import Signer
    from exchange.journal.note import VerifierKey
    from exchange.model.entry import Entry
    from exchange.node.ports import Head, Pledge, Store
    from exchange.node.settings import Settings

# A journal whose newest entry is this far ahead of our clock was written by a better clock.
_CLOCK_TOLERANCE_MS = 5_000
_PAGE = 256


class Log(NamedTuple):
    """A journal's name in its checkpoints, and the keys that must have signed each, by size.

    ``ours`` are the rings that we can sign with, those to come last: where none was ever
    listed, the first must have.
    """

    node: str
    view: Callable[[], View]
    ours: Sequence[Sequence[VerifierKey]]

    @property
    def origin(self) -> str:
        """Its name in its checkpoints."""
        return origin_of(self.node)

    def terms(self, note: bytes) -> Terms:
        """Return what a checkpoint of its size needs."""
        view = self.view()
        if self.node in view.nodes:
            return terms.of(note, self.node, view)
        return Terms(self.origin, self.ours[0], None)

    def read(self, note: bytes) -> checkpoints.Checkpoint:
        """Return what a checkpoint says, once the keys of its size signed it."""
        return self.terms(note).verify(note).checkpoint

    def told(self, note: bytes) -> tuple[checkpoints.Checkpoint, bool]:
        """Return what a checkpoint of ours says, and whether keys signed it that are over.

        Keys to come are ours as well: to a journal that was set back to before its hand-over
        those of now are to come.

        Raises:
            Refusal: ``bad-checkpoint``: no ring of ours signed it, or one that was over before.
        """
        listed = [log_keys(each) for _, each in self.view().tenures.get(self.node, ())]
        rings = [*listed, *(each for each in map(list, self.ours) if each not in listed)]
        place, found = checkpoints.verify_by_ring(note, origin=self.origin, rings=rings)
        is_over = place < len(listed) - 1
        return (self.read(note) if is_over else found.checkpoint), is_over


def keys_of(logs: Sequence[Sequence[Signer]]) -> list[list[VerifierKey]]:
    """Return the public halves of rings that sign."""
    return [[signer.key for signer in each] for each in logs]


async def open_writer(
    store: Store, settings: Settings, anchor: str, logs: Sequence[Sequence[Signer]]
) -> Writer:
    """Return a writer that continues the journal in ``store``.

    Args:
        store: holds the journal, or nothing yet.
        settings: the node's name, signer, clock and randomness.
        anchor: digest of the first root, as the operator was told it by the custodians.
        logs: who signs its checkpoints: by the keys that it has, and by those to come.

    Raises:
        Fault: the journal is shorter than what was signed, altered, under another anchor, or
            ahead of the clock. Nothing is served from such a journal.
    """
    head = await store.head()
    if head.taken_ms > settings.clock_ms() + _CLOCK_TOLERANCE_MS:
        raise Fault(Code.JOURNAL_AHEAD, found=zulu(head.taken_ms // 1000))
    positions = await store.positions()
    try:
        view = await fold(store, View(anchor=anchor))
        homes = await fold_homes(store, view, positions)
        log = Log(settings.node, lambda: view, keys_of(logs))
        pledged = await _pledged(settings.pledge, head, log)
        await _check_signed(store, head, log, pledged)
        rings = _rings(settings, logs, view, head.size)
    except (ValueError, LookupError, TypeError) as error:
        # One table of the store does not fit another.
        raise Fault(Code.STORE_FAILED, found=head.size) from error
    except Refusal as refusal:
        # What stands in a journal was let in once: it was altered, or is another's.
        raise Fault(refusal.code, refusal.at, **refusal.facts) from refusal
    if view.position != positions.get(TRUST_INBOX, 0):
        raise Fault(Code.STORE_FAILED, expected=positions.get(TRUST_INBOX, 0))
    return Writer(store, settings, view, head, positions, rings, homes)


def _rings(
    settings: Settings, logs: Sequence[Sequence[Signer]], view: View, size: int
) -> Rings:
    """Return the node's keys, once the directory lists some of them, or no such node.

    Raises:
        Refusal: ``bad-checkpoint``: nobody would believe what is signed with these.
    """
    receipts = [settings.signer, *settings.next_signers]
    rings = Rings(settings.node, receipts, logs)
    listed = view.node_before(settings.node, size)
    keys = [signer.key for signer in rings.log_signers(view, size)]
    if listed is not None and keys != log_keys(listed):
        raise Refusal(Code.BAD_CHECKPOINT, "/note", name=settings.node)
    return rings


async def fold(store: Store, view: View) -> View:
    """Return the view after every trust entry of the journal, each verified anew.

    Only whether keys are weak is not looked at again: these very bytes were let in once.
    """
    after = -1
    while rows := await store.inbox(TRUST_INBOX, after, _PAGE):
        for row in rows:
            entry = entries.decode(row.entry)
            facts = entry.facts
            if not isinstance(facts, entries.Trust) or row.position != view.position:
                raise Fault(Code.STORE_FAILED, found=row.index)
            # The entry says since when a document is in force: it must be the one in the tree.
            if [leaf_hash(row.entry)] != [each.leaf for each in await store.read(row.index, 1)]:
                raise Fault(Code.STORE_FAILED, found=row.index)
            raw = await _document(store, entry, row.index)
            view = trust.apply(raw, view, row.index, facts.taken_ms // 1000, is_known=True)
            after = row.index
    return view


async def fold_homes(store: Store, view: View, inboxes: Collection[str]) -> Homes:
    """Return what is in force in other journals, from the entries of their documents here.

    Args:
        store: holds the journal.
        view: in force here.
        inboxes: the names of all that hold anything.
    """
    homes = Homes(view.anchor)
    for name in (each for each in inboxes if each.startswith(f"{TRUST_INBOX}/")):
        after = -1
        while rows := await store.inbox(name, after, _PAGE):
            for row in rows:
                entry = entries.decode(row.entry)
                if [leaf_hash(row.entry)] != [
                    each.leaf for each in await store.read(row.index, 1)
                ]:
                    raise Fault(Code.STORE_FAILED, found=row.index)
                homes.follow(
                    [_received(entry, await _document(store, entry, row.index), homes)]
                )
                after = row.index
    return homes


def _received(entry: Entry, raw: bytes, homes: Homes) -> Received:
    home = entries.home_of(entry.facts)
    at_home = entries.decode(entry.at_home).facts
    if home is None or not isinstance(at_home, entries.Trust):
        raise Refusal(Code.BAD_PROOF, "/home")
    found = peering.overheard(at_home, home, raw, homes, is_known=True)
    return Received(home, found.change, found.taken_ms)


async def _document(store: Store, entry: Entry, index: int) -> bytes:
    """Return the document that a trust entry names, ours or another's.

    Raises:
        Fault: it is not here as it should be.
    """
    facts = entry.facts
    if not isinstance(facts, entries.Trust | entries.TrustReceived):
        raise Fault(Code.STORE_FAILED, found=index)
    raw = await store.blob(facts.document.digest)
    if raw is None or digest(raw) != facts.document.digest:
        raise Fault(Code.STORE_FAILED, found=index)
    return raw


async def _pledged(pledge: Pledge | None, head: Head, log: Log) -> list[tuple[int, bytes]]:
    """Return size and root of the newest checkpoint kept apart from the journal, if any."""
    note = None if pledge is None else await pledge.newest()
    if note is None:
        return []
    try:
        kept = log.read(note)
    except Refusal as refusal:
        raise Fault(refusal.code, refusal.at, **refusal.facts) from refusal
    if kept.size > head.size:
        raise Fault(Code.JOURNAL_BEHIND, expected=kept.size, found=head.size)
    return [(kept.size, kept.root)]


async def _check_signed(
    store: Store, head: Head, log: Log, pledged: Sequence[tuple[int, bytes]]
) -> None:
    """Fail closed when the tree is not the one whose newest roots were signed by this node."""
    frontier = Frontier.decode(head.frontier) if head.size else Frontier()
    signed = await store.newest("checkpoint")
    expected = [(head.size, frontier.root()), *pledged]
    if signed is not None:
        facts = entries.decode(signed.entry).facts
        if isinstance(facts, entries.Checkpointed):
            note = facts.note.encode()
            promised = log.read(note)
            expected.append((promised.size, promised.root))
    for size, root in expected:
        if size > head.size or await with_hashes(store, partial(root_at, size)) != root:
            raise Fault(Code.STORE_FAILED, found=head.size, expected=size)
