"""What must hold of a journal after every kill, each under a name; told by nobody's word.

It reads the journal's file itself, and compares with what the agencies sent and were told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import NoReturn

import msgspec

from exchange.broker import keys
from exchange.cli import state
from exchange.client import receipts
from exchange.errors import Refusal
from exchange.journal.tree import Frontier, leaf_hash
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.model.objects import Receipt
from exchange.model.view import View
from exchange.node.ports import InboxRow
from exchange.seal import jws
from exchange.store.shipped import ShippedFiles
from exchange.store.sqlite import SqliteStore
from tests.crash.exercise import Broken
from tests.crash.load import Sent, Told, size_of

_PAGE = 512


def broken(check: str, told: str = "") -> NoReturn:
    raise Broken(check, told)


class Journal:
    """A journal as it lies on disk."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self.inboxes: dict[str, list[InboxRow]] = {}
        self.frontier = b""
        self.counts: dict[str, int] = {}
        self.by_key: dict[bytes, int] = {}
        self.missing_blobs: list[int] = []
        self.shipped: list[bytes] = []
        self.kept = Path()

    @classmethod
    async def read(cls, path: Path) -> Journal:
        journal, store = cls(), SqliteStore.open(path, read_only=True)
        journal.kept = path.with_name(state.BLOBS) / "kept"
        # Before the journal: a node that runs meanwhile ships behind its commits.
        groups = ShippedFiles(path.with_name("second")).groups()
        journal.shipped = [each for group in groups for each in group.entries]
        try:
            await journal._fill(store)
        finally:
            await store.close()
        return journal

    async def _fill(self, store: SqliteStore) -> None:
        head = await store.head()
        self.frontier = head.frontier
        while len(self.entries) < head.size:
            rows = await store.read(
                len(self.entries), min(_PAGE, head.size - len(self.entries))
            )
            if not rows or rows[0].index != len(self.entries):
                broken("gapless-index", f"{len(self.entries)} of {head.size}")
            for row in rows:
                if row.index != len(self.entries):
                    broken("gapless-index", f"{row.index} after {len(self.entries) - 1}")
                self.entries.append(row.entry)
        self.counts = await store.positions()
        for endpoint in self.counts:
            self.inboxes[endpoint] = await _inbox(store, endpoint)
        await self._look_for_blobs(store)
        for at in range(0, len(wanted := self._keys()), _PAGE):
            found = await store.find(wanted[at : at + _PAGE])
            self.by_key.update({key: each.index for key, each in found.items()})

    async def _look_for_blobs(self, store: SqliteStore) -> None:
        told = [entries.decode(entry).facts for entry in self.entries]
        # What was ordered to be purged is not lost.
        purged = {each.of for each in told if isinstance(each, entries.PurgeOrdered)}
        for index, facts in enumerate(told):
            if isinstance(facts, entries.Accepted) and index not in purged:
                body = await store.blob(facts.blobs[0].digest)
                found = [body, *(self._attached(blob) for blob in facts.blobs[1:])]
                names = [None if each is None else digest(each) for each in found]
                if names != [blob.digest for blob in facts.blobs]:
                    self.missing_blobs.append(index)

    def _attached(self, blob: Blob) -> bytes | None:
        path = self.kept / blob.digest
        return path.read_bytes() if path.exists() else None

    def _keys(self) -> list[bytes]:
        return [key for entry in self.entries for key in keys_of(entry)]

    def root_at(self, size: int) -> bytes:
        return Frontier().extend([leaf_hash(each) for each in self.entries[:size]]).root()


async def _inbox(store: SqliteStore, endpoint: str) -> list[InboxRow]:
    found: list[InboxRow] = []
    while rows := await store.inbox(endpoint, found[-1].index if found else -1, _PAGE):
        found += rows
    return found


class _Named(msgspec.Struct):
    origin: str
    endpoint: str
    id: str


def keys_of(entry: bytes) -> list[bytes]:
    """The names under which an entry must be found again, worked out from its bytes."""
    read = entries.decode(entry)
    if not read.object:
        return []
    signed = jws.read(read.object, objects.MAX_OBJECT_BYTES)
    named = msgspec.json.decode(signed.payload, type=_Named)
    typ = headers.TYP if isinstance(read.facts, entries.Accepted) else objects.ACK_TYP
    return [
        keys.bulletin(typ, named.origin, named.endpoint, named.id),
        keys.by_digest(digest(read.object)),
    ]


class Oracle:
    """Holds journals to everything that was ever told; remembers what it has verified."""

    def __init__(self, view: View, told: Told) -> None:
        self._view, self._told = view, told
        self._verified: set[int] = set()
        self._size = 0

    def check(self, journal: Journal) -> None:
        self._no_shorter(journal)
        self._refused_as_due(journal)
        self._no_id_twice(journal)
        self._receipts_stand(journal)
        self._one_answer(journal)
        self._keys_lead_home(journal)
        self._blobs_there(journal)
        self._inboxes_gapless(journal)
        self._only_owed(journal)
        self._delivered_in_order(journal)
        self._root_reproduces(journal)
        self._checkpoints_are_prefixes(journal)
        self._shipped_is_prefix(journal)
        self._size = len(journal.entries)

    def settled(self, journal: Journal) -> None:
        """After all was posted again: everything that was sent stands exactly once."""
        objects_there = Counter(entries.decode(each).object for each in journal.entries)
        for sent in self._told.sent:
            if sent.is_unknown:
                broken("unknown-settled", f"{sent.caller} still has no answer")
            expected = 0 if sent.refused else 1
            if objects_there[sent.raw] != expected:
                broken("exactly-once", f"{objects_there[sent.raw]} entries of one object")

    def _no_shorter(self, journal: Journal) -> None:
        if len(journal.entries) < self._size:
            broken("no-shorter", f"{len(journal.entries)} entries, were {self._size}")

    def _refused_as_due(self, journal: Journal) -> None:
        stored = {entries.decode(each).object for each in journal.entries}
        for sent in self._told.sent:
            if sent.must_be is not None and sent.raw in stored:
                broken("recipients-checked", "sealed to others than it is addressed to")
            if sent.refused not in (None, sent.must_be):
                broken("refused-as-due", f"refused as {sent.refused}")

    def _no_id_twice(self, journal: Journal) -> None:
        seen = Counter(key for each in journal.entries for key in keys_of(each))
        if twice := [key for key, count in seen.items() if count > 1]:
            broken("no-id-twice", f"{len(twice)} names have more than one entry")

    def _receipts_stand(self, journal: Journal) -> None:
        for sent in self._told.sent:
            for receipt in sent.receipts:
                self._stands(sent, receipt, journal)

    def _stands(self, sent: Sent, receipt: Receipt, journal: Journal) -> None:
        entry = receipt.facts.encode() + b"\n" + sent.raw
        if receipt.index >= len(journal.entries):
            broken("receipts-stand", f"entry {receipt.index} was acknowledged and is lost")
        if journal.entries[receipt.index] != entry:
            broken("receipts-stand", f"entry {receipt.index} is another than was acknowledged")
        if id(receipt) not in self._verified:
            try:
                receipts.verify(receipt, sent.raw, self._view)
            except Refusal as refusal:
                broken("receipts-verify", str(refusal))
            self._verified.add(id(receipt))

    def _one_answer(self, journal: Journal) -> None:  # noqa: ARG002
        for sent in self._told.sent:
            if len({receipt.index for receipt in sent.receipts}) > 1:
                broken("same-index-again", "one object was acknowledged at two places")

    def _keys_lead_home(self, journal: Journal) -> None:
        for index, entry in enumerate(journal.entries):
            if any(journal.by_key.get(key) != index for key in keys_of(entry)):
                broken("keys-lead-home", f"entry {index} is not found by its name")

    def _blobs_there(self, journal: Journal) -> None:
        if journal.missing_blobs:
            broken("blobs-there", f"of entries {journal.missing_blobs[:5]}")

    def _inboxes_gapless(self, journal: Journal) -> None:
        for endpoint, rows in journal.inboxes.items():
            if [row.position for row in rows] != list(range(journal.counts[endpoint])):
                broken("inbox-gapless", endpoint)

    def _only_owed(self, journal: Journal) -> None:
        """Compare inboxes with what the entries say, and that with whom the sender meant."""
        meant = {sent.raw: set(sent.owed) for sent in self._told.sent}
        owed: dict[str, list[int]] = defaultdict(list)
        for index, entry in enumerate(journal.entries):
            read = entries.decode(entry)
            if isinstance(read.facts, entries.Accepted | entries.Acknowledged):
                said = {each.endpoint for each in read.facts.owed}
                if said != meant.get(read.object):
                    broken(
                        "only-owed", f"entry {index} is owed to others than its sender meant"
                    )
                for each in read.facts.owed:
                    if each.position != len(owed[each.endpoint]):
                        broken(
                            "only-owed", f"entry {index} has another place than its facts say"
                        )
                    owed[each.endpoint].append(index)
        for endpoint, indexes in owed.items():
            if [row.index for row in journal.inboxes.get(endpoint, [])] != indexes:
                broken("only-owed", f"{endpoint} holds other entries than it is owed")

    def _delivered_in_order(self, journal: Journal) -> None:
        for endpoint, items in self._told.inboxes.items():
            rows = journal.inboxes.get(endpoint, [])[: len(items)]
            had = [(item.position, item.index, item.entry.encode()) for item in items]
            if had != [(row.position, row.index, row.entry) for row in rows]:
                broken("delivered-in-order", f"{endpoint} was shown another inbox")

    def _root_reproduces(self, journal: Journal) -> None:
        grown = Frontier().extend([leaf_hash(each) for each in journal.entries])
        if grown.encode() != journal.frontier:
            broken("root-reproduces", f"{len(journal.entries)} entries")

    def _shipped_is_prefix(self, journal: Journal) -> None:
        if journal.shipped != journal.entries[: len(journal.shipped)]:
            broken("shipped-is-prefix", f"{len(journal.shipped)} entries in the second place")

    def settled_and_stopped(self, journal: Journal) -> None:
        """A node that was asked to end has shipped all."""
        if len(journal.shipped) != len(journal.entries):
            broken("shipped-whole", f"{len(journal.shipped)} of {len(journal.entries)}")

    def _checkpoints_are_prefixes(self, journal: Journal) -> None:
        stored = [entries.decode(each).facts for each in journal.entries]
        notes = [
            each.note.encode() for each in stored if isinstance(each, entries.Checkpointed)
        ]
        for note in dict.fromkeys([*notes[-2:], *self._told.checkpoints[-20:]]):
            size, root = size_of(note)
            if size > len(journal.entries):
                broken("checkpoint-is-prefix", f"signed {size}, found {len(journal.entries)}")
            if root != journal.root_at(size):
                broken("checkpoint-is-prefix", f"the root at {size} is another")
