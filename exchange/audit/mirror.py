"""Mirror a node's journal for review offline: every entry is judged before it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.audit import forms
from exchange.broker.replay import Replayer
from exchange.errors import Code, Fault, Refusal
from exchange.journal.tiles import MemoryHashes
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model import wire
from exchange.model.view import View
from exchange.node import ports

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.client.transport import Transport
    from exchange.node.ports import Store


async def pull(
    transport: Transport, store: Store, anchor: str, told: Callable[[int, int], None]
) -> int:
    """Copy a node's journal into an empty store, and return how many entries there are.

    Trust documents come with it; ciphertext does not: an auditor is owed none.

    Args:
        transport: a session of an endpoint with the auditor's role.
        store: empty.
        anchor: digest of the first root, from the custodians.
        told: hears how many entries of how many are done.

    Raises:
        Refusal: an entry does not follow from those before it, by the rules; or the node
            gives fewer than it says there are.
        Fault: the node or the store does not answer.
    """
    if (await store.head()).size:
        raise Fault(Code.STORE_FAILED, expected="empty-file")
    documents = await _documents(transport)
    taken: list[bytes] = []
    endpoints: set[str] = set()
    replayer = Replayer(View(anchor=anchor), taken.__getitem__, documents.get)
    hashes = MemoryHashes()
    while True:
        page = await transport.get_as(
            wire.JournalPage, "/v1/journal", first=len(taken), limit=wire.MAX_PAGE
        )
        batch = _judged(page.items, replayer, endpoints, taken, hashes)
        if batch is not None:
            outcome = await store.append(batch, len(taken) - len(page.items))
            if not isinstance(outcome, ports.Done):
                raise Fault(Code.STORE_FAILED, found=len(taken))
        told(len(taken), page.size)
        if page.items:
            continue
        if len(taken) < page.size:
            raise Refusal(Code.BAD_PROOF, "/size", expected=page.size, found=len(taken))
        return len(taken)


def _judged(
    items: Sequence[wire.JournalItem],
    replayer: Replayer,
    endpoints: set[str],
    taken: list[bytes],
    hashes: MemoryHashes,
) -> ports.Batch | None:
    """Judge a page of entries, and return it as one batch to keep; None if it is empty."""
    records = []
    for item in items:
        if item.index != replayer.size:
            raise Refusal(Code.BAD_PROOF, "/index", expected=replayer.size, found=item.index)
        record = replayer.step(item.entry.encode()).record
        if isinstance(record.facts, entries.Trust):
            endpoints.update(replayer.view.endpoints)
        forms.check(record.facts, item.index, endpoints)
        # Sealed bodies stay at the node: what is kept beside entries is trust documents only.
        has_document = record.blob is not None and bool(record.blob[1])
        records.append(record if has_document else record._replace(blob=None))
        taken.append(record.entry)
    if not records:
        return None
    leaves = [leaf_hash(record.entry) for record in records]
    tiles = [
        ports.TileRoot(tile.level, tile.index, tile.root) for tile in hashes.extend(leaves)
    ]
    return ports.Batch(
        epoch=1,
        records=records,
        leaves=leaves,
        tiles=tiles,
        frontier=hashes.frontier.encode(),
        taken_ms=records[-1].facts.taken_ms,
        statement=b"",
    )


async def _documents(transport: Transport) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    after = -1
    while True:
        page = await transport.get_as(wire.TrustPage, "/v1/trust", after=after)
        for item in page.items:
            found[item.digest] = item.document.encode()
        if not page.items:
            return found
        after = page.cursor
