"""A node's keys are handed over by the entry that lists new ones; what was signed stays."""

from __future__ import annotations

from contextlib import asynccontextmanager

import msgspec
import pytest

from exchange.cli.serve import log_signers
from exchange.client import receipts
from exchange.errors import Code, Fault, Refusal
from exchange.journal import bundle, checkpoint
from exchange.journal.logkeys import log_keys, origin_of
from exchange.journal.proofs import inclusion_proof
from exchange.journal.tree import leaf_hash
from exchange.model.identity import Signatory
from exchange.node.stored import with_hashes
from exchange.seal.software import SoftwareSigner, load
from exchange.store.sqlite import SqliteStore
from tests.builders import MINSA, NOW, world
from tests.node.running import Clock, post, running

NEW = world().founder.new_node("pa")
NEW_SIGNER = SoftwareSigner.of(NEW.of("sign"))
OLD_LOG, NEW_LOG = log_signers("pa", world().node), log_signers("pa", NEW)
ORIGIN = origin_of("pa")


def handed_over():
    """What custodians sign: the root lists new keys to stamp by, the node's document all."""
    before = world().view.nodes["pa"]
    receipts_by = Signatory("pa-receipts", list(NEW_SIGNER.keys))
    after = msgspec.structs.replace(
        before, version=2, receipts=receipts_by, log=[load(key)[0] for key in NEW.of("log")]
    )
    online = {"pa": Signatory("pa", list(NEW_SIGNER.keys))}
    root = world().founder.root(online, 2)
    return [world().signed(root), world().signed(after, ["pa"])]


@asynccontextmanager
async def both(store=None, **more):
    """A node that has its keys, and those to come."""
    keys = {"next_signers": [NEW_SIGNER], "next_logs": [NEW_LOG]}
    async with running(store, **keys, **more) as node:
        yield node


async def hand_over(node):
    for raw in handed_over():
        answer = await post(node, raw, MINSA)
        assert answer.refusal is None, answer.refusal


async def proof_of(node, index):
    """A proof of an entry under the newest checkpoint, as a node gives it."""
    note = node.checkpoints.newest
    size = checkpoint.parse(note).size
    path = await with_hashes(node.store, lambda hashes: inclusion_proof(index, size, hashes))
    (row,) = await node.store.read(index, 1)
    return bundle.TlogProof(index, tuple(path), note), leaf_hash(row.entry)


def verified(proof, leaf, view):
    """The proof, offline: by the keys that the trust documents give its size."""
    node = view.node_before("pa", checkpoint.parse(proof.note).size)
    return bundle.verify_proof(proof, leaf, origin=ORIGIN, required=log_keys(node))


def signed_by(note):
    """Whose keys signed a checkpoint."""
    for name, signers in (("old", OLD_LOG), ("new", NEW_LOG)):
        keys = [each.key for each in signers]
        try:
            checkpoint.verify(note, origin=ORIGIN, required=keys)
        except Refusal:
            continue
        return name
    return None


async def test_proof_and_receipt_from_before_the_hand_over_verify_after_it():
    async with both() as node:
        envelope = world().envelope()
        answer = await post(node, envelope)
        await node.checkpoints.checkpoint()
        proof, leaf = await proof_of(node, answer.receipt.index)
        before = node.view
        await hand_over(node)
        await post(node, world().envelope())
        await node.checkpoints.checkpoint()
        assert signed_by(proof.note) == "old"
        verified(proof, leaf, node.view)
        # A receipt is judged under what was in force when it was made.
        receipts.verify(answer.receipt, envelope.header, before)
        with pytest.raises(Refusal) as refusal:
            receipts.verify(answer.receipt, envelope.header, node.view)
        assert refusal.value.code is Code.UNKNOWN_KEY


async def test_what_comes_after_the_hand_over_is_signed_by_the_new_keys_alone():
    async with both() as node:
        await hand_over(node)
        envelope = world().envelope()
        answer = await post(node, envelope)
        note = await node.checkpoints.checkpoint()
        assert signed_by(note) == "new"
        receipts.verify(answer.receipt, envelope.header, node.view)
        assert await node.stamper.stamp()
        proof, leaf = await proof_of(node, answer.receipt.index)
        verified(proof, leaf, node.view)


async def test_checkpoint_by_the_old_keys_of_what_came_after_is_refused():
    """Whoever has the old keys cannot sign what came after the hand-over."""
    async with both() as node:
        await hand_over(node)
        answer = await post(node, world().envelope())
        note = await node.checkpoints.checkpoint()
        forged = checkpoint.sign(checkpoint.parse(note), OLD_LOG, NOW)
        proof, leaf = await proof_of(node, answer.receipt.index)
        with pytest.raises(Refusal):
            verified(msgspec.structs.replace(proof, note=forged), leaf, node.view)


async def test_keys_of_a_checkpoint_are_those_listed_before_its_last_entry():
    async with both() as node:
        await hand_over(node)
        since = node.view.tenures["pa"][-1][0]
        for size, keys in ((since, OLD_LOG), (since + 1, NEW_LOG), (0, OLD_LOG)):
            listed = node.view.node_before("pa", size)
            assert log_keys(listed) == [each.key for each in keys], size
        assert node.view.node_before("us", 5) is None


async def test_node_opens_again_whichever_keys_signed_last(tmp_path):
    path, clock = tmp_path / "journal.db", Clock()
    async with both(SqliteStore.open(path), clock=clock) as node:
        await post(node, world().envelope())
        await node.checkpoints.checkpoint()
        await hand_over(node)
    # Its newest checkpoint is of the old keys, and the directory lists the new ones.
    async with both(SqliteStore.open(path), clock=clock, documents=()) as node:
        note = await node.checkpoints.checkpoint()
        assert signed_by(note) == "new"
    # And then it needs the old ones no more.
    new = {"signer": NEW_SIGNER, "log": NEW_LOG}
    async with running(SqliteStore.open(path), clock=clock, documents=(), **new) as node:
        assert node.is_ready


async def test_node_without_the_keys_that_are_listed_does_not_open(tmp_path):
    path, clock = tmp_path / "journal.db", Clock()
    async with both(SqliteStore.open(path), clock=clock) as node:
        await hand_over(node)
    with pytest.raises(Fault) as fault:
        async with running(SqliteStore.open(path), clock=clock, documents=()):
            pass
    assert fault.value.code is Code.BAD_CHECKPOINT


async def test_keys_to_come_sign_nothing_before_they_are_listed():
    async with both(documents=world().documents[:-1]) as node:  # without its timestamp
        envelope = world().envelope()
        answer = await post(node, envelope)
        note = await node.checkpoints.checkpoint()
        assert signed_by(note) == "old"
        receipts.verify(answer.receipt, envelope.header, node.view)
        # Taken in, so signed by the keys that the root lists.
        assert node.view.online["pa"].keys != list(NEW_SIGNER.keys)
        assert await node.stamper.stamp() is True
        assert await node.stamper.stamp() is False
