"""One commit group: hashed, grown into the tree and signed once; and the receipts it gives."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from exchange.errors import Code, Fault
from exchange.journal.stored import leaf_of
from exchange.journal.tiles import TILE_WIDTH, MemoryHashes, completed
from exchange.journal.tree import Frontier, Group, split
from exchange.model.codec import b64
from exchange.model.objects import RECEIPT_TYP, GroupStatement, Receipt
from exchange.node import ports
from exchange.node.stored import with_hashes
from exchange.seal import jws

if TYPE_CHECKING:
    from exchange.broker.settle import Ledger
    from exchange.journal.tiles import Hashes


class Ready(msgspec.Struct):
    """A group about to be appended, and the tree that its receipts' paths are from."""

    node: str
    batch: ports.Batch
    group: Group
    ledger: Ledger
    frontier: Frontier
    # A group of 64 has 126 hashes below its root, and 384 of them in its paths.
    spellings: dict[bytes, str] = {}

    def receipt(self, index: int) -> Receipt:
        """Return the receipt of one of its entries; to be given out once it is durable."""
        place = index - self.ledger.first
        return Receipt(
            node=self.node,
            index=index,
            facts=self.ledger.records[place].entry.partition(b"\n")[0].decode(),
            path=[self._spelled(step) for step in self.group.path(place)],
            group=msgspec.Raw(self.batch.statement),
        )

    def _spelled(self, step: bytes) -> str:
        text = self.spellings.get(step)
        if text is None:
            text = self.spellings[step] = b64(step)
        return text


async def prepare(
    store: ports.Store, ledger: Ledger, before: Frontier, epoch: int, by: tuple[str, jws.Signer]
) -> Ready:
    """Hash a group, grow the tree and sign: 1 ms for a group of 20.

    Args:
        store: holds the tree so far.
        ledger: holds the group's records.
        before: the tree's edge at the group's first index.
        epoch: the writer's.
        by: the node's name, and who signs for it.
    """
    work = partial(_prepare, ledger, before, epoch, by)
    if before.size % TILE_WIDTH + len(ledger.records) < TILE_WIDTH:
        # No tile becomes whole: nothing is asked of the tree so far.
        return work(MemoryHashes())
    return await with_hashes(store, work)


def _prepare(
    ledger: Ledger, before: Frontier, epoch: int, by: tuple[str, jws.Signer], hashes: Hashes
) -> Ready:
    node, signer = by
    leaves = [leaf_of(record.entry) for record in ledger.records]
    group, frontier = Group(leaves), before.extend(leaves)
    tiles = [
        ports.TileRoot(tile.level, tile.index, tile.root)
        for tile in completed(before.size, leaves, hashes)
    ]
    statement = GroupStatement(
        v="xb1",
        suite=signer.suite,
        node=node,
        epoch=epoch,
        first=ledger.first,
        count=len(leaves),
        root=b64(group.root),
    )
    batch = ports.Batch(
        epoch=epoch,
        records=ledger.records,
        leaves=leaves,
        tiles=tiles,
        frontier=frontier.encode(),
        taken_ms=ledger.taken_ms,
        statement=jws.sign(msgspec.json.encode(statement), RECEIPT_TYP, [signer]),
    )
    return Ready(node, batch, group, ledger, frontier)


async def receipt(store: ports.Store, node: str, index: int) -> Receipt:
    """Return the receipt of an entry long recorded, under the statement made then.

    Raises:
        Fault: the store does not answer, or has no such entry.
    """
    group = await store.group(index)
    if group is None:
        raise Fault(Code.STORE_FAILED, found=index)
    # The leaves alone: the entries of a whole group are megabytes.
    tree = Group(split(await store.hashes(0, group.first, group.count)))
    (row,) = await store.read(index, 1)
    return Receipt(
        node=node,
        index=index,
        facts=row.entry.partition(b"\n")[0].decode(),
        path=[b64(step) for step in tree.path(index - group.first)],
        group=msgspec.Raw(group.statement),
    )
