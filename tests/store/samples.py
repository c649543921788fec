"""Synthetic commit groups for stores: real entries and a real tree, exercise content only."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from exchange.broker.records import Record
from exchange.journal.tiles import MemoryHashes
from exchange.journal.tree import Frontier, leaf_hash
from exchange.model import entry as entries
from exchange.model.codec import b64
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.node.ports import Batch, TileRoot

TAKEN_MS = 1_796_000_000_000
NODE = "pa"


def key(name: str) -> bytes:
    return sha256(f"exercise {name}".encode()).digest()


def common(name: str) -> dict[str, Any]:
    return {"salt": b64(key(name)[:16]), "taken_ms": TAKEN_MS, "view": -1}


class Scribe:
    """Writes one commit group after another, as a node would; ``size`` is where the next goes.

    A name makes an entry's salt, keys and blob: the same name, the same bytes.
    """

    def __init__(self, epoch: int = 1) -> None:
        self.epoch = epoch
        self.size = 0
        self.positions: dict[str, int] = {}
        self.hashes = MemoryHashes()

    def accepted(self, name: str, *owed: str, size: int = 40, blob: bytes = b"") -> Record:
        """A bulletin owed to these endpoints; its object has ``size`` bytes."""
        places = []
        for endpoint in owed:
            position = self.positions.get(endpoint, 0)
            self.positions[endpoint] = position + 1
            places.append(entries.Owed(endpoint, position))
        body = blob or f"exercise body {name}".encode()
        named = Blob(digest=digest(body), size=len(body))
        facts = entries.Accepted(
            digest=digest(name.encode()),
            blobs=[named],
            wraps=[],
            owed=places,
            late=False,
            **common(name),
        )
        signed = key(name) * (size // 32)
        entry = entries.encode(facts, signed.replace(b"\n", b" "))
        names = (key(f"id {name}"), key(f"digest {name}"))
        return Record(facts, entry, names, tuple(places), (named, body))

    def refused(self, name: str) -> Record:
        facts = entries.Refused(
            caller="pa.senan/desk",
            digest=digest(name.encode()),
            size=9,
            code="expired",
            at="",
            **common(name),
        )
        return Record(facts, entries.encode(facts))

    def opened(self, epoch: int) -> Record:
        facts = entries.EpochOpened(node=NODE, epoch=epoch, **common(f"epoch {epoch}"))
        return Record(facts, entries.encode(facts))

    def bulletins(self, count: int, *owed: str) -> Batch:
        """A group of bulletins, each owed to all of these endpoints."""
        names = [f"bulletin {self.size + n}" for n in range(count)]
        return self.batch(*(self.accepted(name, *owed) for name in names))

    def batch(self, *records: Record) -> Batch:
        """A group of these records where the last one ended; the scribe goes on after it."""
        leaves = [leaf_hash(record.entry) for record in records]
        tiles = self.hashes.extend(leaves)
        self.size += len(records)
        return Batch(
            epoch=self.epoch,
            records=records,
            leaves=leaves,
            tiles=[TileRoot(tile.level, tile.index, tile.root) for tile in tiles],
            frontier=self.hashes.frontier.encode(),
            taken_ms=TAKEN_MS + self.size,
            statement=b"exercise statement %d" % self.size,
        )

    @property
    def frontier(self) -> Frontier:
        return self.hashes.frontier
