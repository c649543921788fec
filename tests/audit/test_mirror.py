"""A mirror is whole or it is no mirror; and it is gone on with only where it still holds."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from exchange.audit.mirror import MAX_AGE_S, Desk, Mirror, pull
from exchange.errors import Code, Fault, Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal import forks
from exchange.journal.bundle import TlogProof
from exchange.journal.logkeys import origin_of
from exchange.journal.proofs import consistency_proof, inclusion_proof
from exchange.journal.tiles import MemoryHashes
from exchange.journal.tree import leaf_hash
from exchange.model import entry as records
from exchange.model import wire
from exchange.model.codec import b64
from exchange.model.identity import digest
from exchange.store.memory import MemoryStore
from tests.builders import NOW, world
from tests.faults import Failure, FaultyStore
from tests.node.running import identity, post, running
from tests.node.test_handover import NEW_LOG, both, hand_over


class Told:
    """A node that gives these entries, says that there are so many, and signs this."""

    def __init__(self, entries: list[bytes], size: int, note: bytes = b"") -> None:
        self.entries, self.size, self.note = entries, size, note
        self.kept: list[tuple[str, bytes]] = []
        self.late_s = 0

    def keep(self, raw: bytes, kind: str) -> str:
        self.kept.append((kind, raw))
        return kind

    async def get_as(
        self,
        kind: type,
        _path: str,
        *,
        first: int = 0,
        after: int = -1,
        index: int = -1,
        since: int = 0,
        **_: int,
    ):
        if kind is wire.JournalPage:
            items = [
                wire.JournalItem(first + n, entry.decode())
                for n, entry in enumerate(self.entries[first:])
            ]
            return wire.JournalPage(items=items, size=self.size)
        if kind is wire.Proof:
            return self.proof(index)
        if kind is wire.Heads:
            return self.heads(since)
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

    def proof(self, index: int) -> wire.Proof:
        size = c2sp.parse(self.note).size if self.note else 0
        if index >= size:
            raise Refusal(Code.NOT_FOUND, "/index")
        hashes = MemoryHashes([leaf_hash(each) for each in self.entries[:size]])
        path = tuple(inclusion_proof(index, size, hashes))
        text = TlogProof(index=index, path=path, note=self.note).encode().decode()
        return wire.Proof(index, size, text)

    def heads(self, since: int) -> wire.Heads:
        """Its newest checkpoint, and how that goes on from another; nothing else."""
        size = c2sp.parse(self.note).size
        hashes = MemoryHashes([leaf_hash(each) for each in self.entries[:size]])
        path = [b64(step) for step in consistency_proof(since, size, hashes)]
        none = wire.OwnHead(0, "", "", [])
        return wire.Heads(self.proof(size - 1).proof, "", none, none, path)

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
    desk = Desk(lambda: NOW + told.late_s, told.keep)
    return asyncio.run(pull(told, store, world().anchor, desk, lambda *_: None))


def refused(told: Any, store: MemoryStore) -> tuple[Code, str]:
    before = len(store._tables.entries)
    with pytest.raises(Refusal) as refusal:
        mirrored(told, store)
    assert len(store._tables.entries) == before, "nothing was added"
    return refusal.value.code, refusal.value.at


def signed(entries, size: int, signers=None, at: int = NOW) -> bytes:
    """A checkpoint over the first entries, under the node's own keys."""
    root = MemoryHashes([leaf_hash(each) for each in entries[:size]]).frontier.root()
    told = c2sp.Checkpoint(origin_of("pa"), size, root)
    return c2sp.sign(told, signers or identity().log, at)


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
        assert refused(told, store) == (Code.PAST_DIFFERS, "/root")
        assert told.kept == [("checkpoint", told.note)]
    assert refused(Told(entries, size, signed(entries, size + 9)), store)[1] == "/size"
    short = Told(entries[:-1], size, signed(entries, size))
    assert refused(short, store) == (Code.BAD_PROOF, "/size")


def test_checkpoint_must_be_the_node_s(entries) -> None:
    size, store = len(entries), held(entries, len(entries) - 1)
    one_less = signed(entries, size, identity().log[:1])
    assert refused(Told(entries, size, one_less), store)[0] is Code.BAD_CHECKPOINT
    of_another = signed(entries, size).replace(b"exchange/pa", b"exchange/us")
    assert refused(Told(entries, size, of_another), store)[0] is Code.BAD_CHECKPOINT


def test_a_first_mirror_is_held_to_the_checkpoint_that_its_node_shows(entries) -> None:
    size = len(entries)
    for given, note, at in (
        (entries, signed([b"x", *entries[1:]], size), "/root"),
        (entries, signed([b"x", *entries[1:]], size - 2), "/root"),
        (entries[:-1], signed(entries, size), "/size"),
    ):
        store = MemoryStore()
        for _ in range(2):  # and when it is gone on with
            with pytest.raises(Refusal) as refusal:
                mirrored(Told(given, len(given), note), store)
            assert refusal.value.at == at
        assert mirrored(Told(entries, size, signed(entries, size)), store)[0] == size


def test_leaf_that_was_altered_is_found_without_any_checkpoint(entries) -> None:
    store = held(entries, len(entries))
    store._tables.rows[0][0] ^= 1
    assert refused(Told(entries, len(entries)), store) == (Code.MIRROR_MISMATCH, "/leaf")


# -- what convicts its node ---------------------------------------------------------------

SKEW_S = world().arrangement.limits.skew_s


@pytest.fixture(scope="module")
def covered():
    """A journal with two checkpoints in it, as its node wrote it."""

    async def write():
        async with running() as node:
            for count in (1, 2):
                for _ in range(count):
                    await post(node, world().envelope())
                await node.checkpoints.checkpoint()
            return [row.entry for row in await node.store.read(0, 100)]

    return asyncio.run(write())


def heads_of(entries):
    """Where the last inbox-heads entry is."""
    return max(n for n, each in enumerate(entries) if each.startswith(b'{"kind":"inbox-heads"'))


def false_heads(covered):
    """The same journal, in which an inbox is said to hold less than it does."""
    at = heads_of(covered)
    facts = records.decode(covered[at]).facts
    lie = records.encode(msgspec.structs.replace(facts, root="A" * 43))
    return at, [*covered[:at], lie, *covered[at + 1 :]]


def test_an_entry_that_does_not_follow_is_an_alarm_and_kept_under_its_nodes_signature(covered):
    at, lying = false_heads(covered)
    for store in (MemoryStore(), held(covered, at), held(covered, at - 2)):
        told = Told(lying, len(lying), signed(lying, at + 1))
        before = len(store._tables.entries)
        with pytest.raises(Refusal) as refused:
            mirrored(told, store)
        said = refused.value
        assert (said.code, said.at) == (Code.ENTRY_UNTRUE, "/root")
        assert said.facts == {"found": at, "evidence": "tlog-proof"}
        (kind, proof), entry = told.kept
        assert (kind, entry) == ("tlog-proof", ("entry", lying[at]))
        assert proof == told.proof(at).proof.encode()
        assert len(store._tables.entries) == before


def test_an_entry_that_does_not_follow_and_is_not_signed_for_is_told_without_proof(covered):
    at, lying = false_heads(covered)
    forged = signed(lying, at + 1, identity().log[:1])
    for note in (b"", signed(covered, at - 1), forged):
        told = Told(lying, len(lying), note)
        with pytest.raises(Refusal) as refused:
            mirrored(told)
        assert refused.value.code is Code.ENTRY_UNTRUE
        assert (refused.value.facts, told.kept) == ({"found": at}, [])


def test_what_is_no_next_entry_or_lacks_its_document_accuses_nobody(covered):
    out_of_order = Told([covered[0], *covered[2:]], len(covered), signed(covered, len(covered)))
    whole = out_of_order.get_as

    async def get_as(kind, path, **asked):
        page = await whole(kind, path, **asked)
        if kind is wire.JournalPage:
            items = [
                msgspec.structs.replace(each, index=each.index + (each.index > 0))
                for each in page.items
            ]
            return msgspec.structs.replace(page, items=items)
        return page

    out_of_order.get_as = get_as
    assert refused(out_of_order, MemoryStore()) == (Code.BAD_PROOF, "/index")
    without = Told(covered, len(covered), signed(covered, len(covered)))
    there = without.get_as

    async def none(kind, path, **asked):
        page = await there(kind, path, **asked)
        return msgspec.structs.replace(page, items=[]) if kind is wire.TrustPage else page

    without.get_as = none
    assert refused(without, MemoryStore()) == (Code.BAD_PROOF, "/document")
    assert out_of_order.kept == without.kept == []


def test_a_checkpoint_that_is_not_of_now_is_a_node_that_stands_still(covered):
    size, limit = len(covered), MAX_AGE_S + SKEW_S
    for store, late_s, is_old in (
        (MemoryStore(), limit, False),
        (MemoryStore(), limit + 1, True),
        (held(covered, size), limit + 1, True),
        (MemoryStore(), -SKEW_S, False),
        (MemoryStore(), -SKEW_S - 1, True),
    ):
        told = Told(covered, size, signed(covered, size))
        told.late_s = late_s
        if not is_old:
            assert mirrored(told, store)[0] == size
            continue
        with pytest.raises(Refusal) as refused:
            mirrored(told, store)
        assert (refused.value.code, refused.value.at) == (Code.STALE_HEAD, "/checkpoint")
        assert told.kept == [("checkpoint", told.note)]


def test_a_shorter_journal_that_was_signed_later_convicts_its_node(covered):
    size, at = len(covered), heads_of(covered)
    store = held(covered, size)
    told = Told(covered[:at], at, signed(covered, at, at=NOW + 60))
    with pytest.raises(Refusal) as refused:
        mirrored(told, store)
    assert (refused.value.code, refused.value.at) == (Code.HEAD_WENT_BACK, "/checkpoint")
    ((kind, raw),) = told.kept
    rings = [[each.key for each in identity().log]]
    assert (kind, forks.check(forks.read(raw), origin_of("pa"), rings)) == (
        "evidence",
        "rolled-back",
    )
    # A front that has not heard of the newest yet shows the one before: that is no crime.
    assert mirrored(Told(covered, size, signed(covered, at)), store) == (size, 0)


@pytest.mark.parametrize("count", [0, 5])
@pytest.mark.parametrize("failure", [Failure.LOSE_WRITE, Failure.LOSE_ANSWER])
async def test_who_follows_a_node_goes_on_from_what_was_kept(covered, count, failure):
    """After a fault of the store, what was judged is not there, or not known to be."""
    size, store = len(covered), FaultyStore(MemoryStore())
    told = Told(covered[:count], count)
    desk = Desk(lambda: NOW, told.keep)
    mirror = await Mirror.take_up(told, store, world().anchor, desk, lambda *_: None)
    assert await mirror.advance(lambda *_: None) == (count, count)
    told.entries, told.size, told.note = covered, size, signed(covered, size)
    store.fail(failure)
    with pytest.raises(Fault):
        await mirror.advance(lambda *_: None)
    assert (await mirror.advance(lambda *_: None))[0] == size
    assert store.inner._tables.entries == covered


# -- another past than is mirrored ----------------------------------------------------------


def with_salt(covered, at):
    """The same entries, one of them with another salt: it follows from those before it too."""
    salt = records.decode(covered[at]).facts.salt
    other = covered[at].replace(salt.encode(), ("A" * 21 + "Q").encode())
    assert other != covered[at]
    return [*covered[:at], other, *covered[at + 1 :]]


def another_past(covered):
    """What the same node may have told of another course: from its second bulletin on."""
    at = heads_of(covered)
    other = with_salt(covered, at - 1)
    facts = records.decode(other[at + 1]).facts
    note = signed(other, facts.size).decode()
    return [*other[: at + 1], records.encode(msgspec.structs.replace(facts, note=note))]


def test_a_node_that_signed_two_pasts_is_convicted_by_its_own_two_checkpoints(covered):
    store, other = held(covered, len(covered)), another_past(covered)
    for size, proves in ((len(other) - 1, "forked"), (len(other), "rewritten")):
        told = Told(other, len(other), signed(other, size))
        assert refused(told, store) == (Code.JOURNAL_FORKED, "/root")
        (_, note), (kind, raw) = told.kept
        rings = [[each.key for each in identity().log]]
        assert (note, kind) == (told.note, "evidence")
        assert forks.check(forks.read(raw), origin_of("pa"), rings) == proves


def test_a_mirror_that_was_altered_accuses_no_honest_node(covered):
    size, at = len(covered), heads_of(covered)
    for altered in (at - 2, at - 1):
        store = held(with_salt(covered, altered), at)
        # What was recorded next follows from what was there, and from nothing else.
        for covers in (at, at + 1, size):
            told = Told(covered, size, signed(covered, covers))
            assert refused(told, store) == (Code.PAST_DIFFERS, "/root"), (altered, covers)
            assert told.kept == [("checkpoint", told.note)]


def test_a_node_that_shows_another_s_checkpoint_is_not_believed(covered):
    first = records.decode(covered[0]).facts
    opened = records.encode(msgspec.structs.replace(first, node="us"))
    told = Told([opened, *covered[1:6]], 6, signed(covered, 6))
    with pytest.raises(Refusal) as refusal:
        mirrored(told)
    assert (refusal.value.code, refusal.value.at) == (Code.BAD_CHECKPOINT, "/note")


def test_the_mirror_of_another_node_accuses_nobody(covered):
    first = records.decode(covered[0]).facts
    opened = records.encode(msgspec.structs.replace(first, node="us"))
    store = held([opened, *covered[1:6]], 6)
    for size in (4, len(covered)):
        told = Told(covered, len(covered), signed(covered, size))
        assert refused(told, store) == (Code.MIRROR_MISMATCH, "/node")
        assert told.kept == []


class Handing(Told):
    """A node whose trust documents are these."""

    documents: tuple[bytes, ...] = ()

    async def get_as(self, kind, path, *, after=-1, **query):
        if kind is not wire.TrustPage:
            return await super().get_as(kind, path, after=after, **query)
        found = [
            wire.TrustItem(n, n, 0, "-", 1, digest(raw), raw.decode(), "-")
            for n, raw in enumerate(self.documents)
        ][after + 1 :]
        return wire.TrustPage(items=found, cursor=after + len(found), total=9)


async def handing_over():
    """A node hands its keys over: its entries, its documents, and its newest checkpoint."""
    async with both() as node:
        await post(node, world().envelope())
        await node.checkpoints.checkpoint()
        held = node.size
        await hand_over(node)
        await post(node, world().envelope())
        await node.checkpoints.checkpoint()
        rows = await node.store.read(0, 200)
        named = [records.decode(row.entry).facts for row in rows]
        digests = [each.document.digest for each in named if isinstance(each, records.Trust)]
        kept = await node.store.blobs(digests)
        told = Handing([row.entry for row in rows], len(rows), node.checkpoints.newest)
        told.documents = tuple(kept[each] for each in digests)
        return told, held


async def test_a_mirror_is_gone_on_with_over_a_handover_of_its_node_s_keys():
    """The newest checkpoint is signed by those that take effect in what is new."""
    told, held = await handing_over()
    store, desk = MemoryStore(), Desk(lambda: NOW, told.keep)
    before = Handing(told.entries[:held], held)
    before.documents = told.documents
    assert await pull(before, store, world().anchor, desk, lambda *_: None) == (held, held)
    size = len(told.entries)
    found = await pull(told, store, world().anchor, desk, lambda *_: None)
    assert (found, told.kept) == ((size, size - held), [])
    # And one that is altered is told of, though its keys are known only after what is new.
    other = MemoryStore()
    assert await pull(before, other, world().anchor, desk, lambda *_: None) == (held, held)
    told.note = c2sp.sign(c2sp.Checkpoint("exchange/pa", size, bytes(32)), NEW_LOG, NOW)
    with pytest.raises(Refusal) as caught:
        await pull(told, other, world().anchor, desk, lambda *_: None)
    assert caught.value.code in {"past-differs", "journal-forked"}
    assert (await other.head()).size == held
