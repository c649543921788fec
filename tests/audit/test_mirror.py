"""A mirror is whole or it is no mirror; and it is gone on with only where it still holds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from exchange.audit.mirror import pull
from exchange.errors import Code, Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal.logkeys import origin_of
from exchange.journal.tiles import MemoryHashes
from exchange.journal.tree import leaf_hash
from exchange.model import wire
from exchange.model.identity import digest
from exchange.store.memory import MemoryStore
from tests.builders import NOW, world
from tests.node.running import identity, post, running


class Told:
    """A node that gives these entries, says that there are so many, and signs this."""

    def __init__(self, entries: list[bytes], size: int, note: bytes = b"") -> None:
        self.entries, self.size, self.note = entries, size, note

    async def get_as(
        self, kind: type, _path: str, *, first: int = 0, after: int = -1, **_: int
    ):
        if kind is wire.JournalPage:
            items = [
                wire.JournalItem(first + n, entry.decode())
                for n, entry in enumerate(self.entries[first:])
            ]
            return wire.JournalPage(items=items, size=self.size)
        documents = world().documents[after + 1 :]
        found = [
            wire.TrustItem(
                position=n,
                index=n,
                taken_ms=0,
                name="-",
                version=1,
                digest=digest(raw),
                document=raw.decode(),
                entry="-",
            )
            for n, raw in enumerate(documents)
        ]
        return wire.TrustPage(items=found, cursor=after + len(found), total=9)

    async def get(self, path: str) -> bytes:
        assert path == "/v1/checkpoint"
        if not self.note:
            raise Refusal(Code.NOT_FOUND, "")
        return self.note


@pytest.fixture(scope="module")
def entries():
    """A journal of one bulletin, as its node wrote it."""

    async def write():
        async with running() as node:
            await post(node, world().envelope())
            return [row.entry for row in await node.store.read(0, 100)]

    return asyncio.run(write())


def mirrored(told: Any, store: MemoryStore | None = None) -> tuple[int, int]:
    store = MemoryStore() if store is None else store
    return asyncio.run(pull(told, store, world().anchor, lambda *_: None))


def refused(told: Any, store: MemoryStore) -> tuple[Code, str]:
    before = len(store._tables.entries)
    with pytest.raises(Refusal) as refusal:
        mirrored(told, store)
    assert len(store._tables.entries) == before, "nothing was added"
    return refusal.value.code, refusal.value.at


def signed(entries, size: int, signers=None) -> bytes:
    """A checkpoint over the first entries, under the node's own keys."""
    root = MemoryHashes([leaf_hash(each) for each in entries[:size]]).frontier.root()
    told = c2sp.Checkpoint(origin_of("pa"), size, root)
    return c2sp.sign(told, signers or identity().log, NOW)


def held(entries, count: int) -> MemoryStore:
    store = MemoryStore()
    assert mirrored(Told(entries[:count], count), store) == (count, count)
    return store


def test_a_node_that_stops_before_its_end_is_told_on() -> None:
    assert refused(Told([], 3), MemoryStore()) == (Code.BAD_PROOF, "/size")


def test_an_empty_journal_is_mirrored_whole() -> None:
    assert mirrored(Told([], 0)) == (0, 0)


def test_only_what_is_new_is_added_with_a_checkpoint_of_any_age_or_none(entries) -> None:
    size = len(entries)
    for note in (b"", *(signed(entries, n) for n in (0, 3, size - 2, size - 1, size))):
        store = held(entries, size - 2)
        assert mirrored(Told(entries, size, note), store) == (size, 2)
        assert mirrored(Told(entries, size, note), store) == (size, 0)
        assert store._tables.entries == entries


def test_what_is_not_signed_for_yet_must_be_told_alike(entries) -> None:
    """Of a node that did not sign it, the last entry may change without another trace."""
    size, store = len(entries), held(entries, len(entries))
    other = [*entries[:-1], entries[-1].replace(b"a", b"b")]
    assert refused(Told(other, size), store) == (Code.MIRROR_MISMATCH, "")
    assert refused(Told(entries[:-1], size - 1), store) == (Code.MIRROR_MISMATCH, "")
    assert refused(Told(other, size, signed(entries, 3)), store) == (Code.MIRROR_MISMATCH, "")


def test_what_is_held_must_be_under_the_newest_checkpoint(entries) -> None:
    size, store = len(entries), held(entries, len(entries) - 1)
    other = [b"x", *entries[1:]]
    for covered in (size - 2, size):
        told = Told(entries, size, signed(other, covered))
        assert refused(told, store) == (Code.MIRROR_MISMATCH, "/root")
    assert refused(Told(entries, size, signed(entries, size + 9)), store)[1] == "/size"
    short = Told(entries[:-1], size, signed(entries, size))
    assert refused(short, store) == (Code.BAD_PROOF, "/size")


def test_checkpoint_must_be_the_node_s(entries) -> None:
    size, store = len(entries), held(entries, len(entries) - 1)
    one_less = signed(entries, size, identity().log[:1])
    assert refused(Told(entries, size, one_less), store)[0] is Code.BAD_CHECKPOINT
    of_another = signed(entries, size).replace(b"exchange/pa", b"exchange/us")
    assert refused(Told(entries, size, of_another), store)[0] is Code.BAD_CHECKPOINT


def test_leaf_that_was_altered_is_found_without_any_checkpoint(entries) -> None:
    store = held(entries, len(entries))
    store._tables.rows[0][0] ^= 1
    assert refused(Told(entries, len(entries)), store) == (Code.MIRROR_MISMATCH, "/leaf")
