"""Cosignatures in a journal's file, counted and held to the quorum, offline."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from exchange.audit.cosigned import Witnessed
from exchange.audit.report.marks import marks
from exchange.audit.verify import Stored, Verifier
from exchange.cli.journal_file import Blocking
from exchange.errors import Code, Refusal
from exchange.journal import checkpoint as cp
from exchange.journal import terms
from exchange.journal.tree import leaf_hash, root_of
from exchange.model import entry as entries
from exchange.store.sqlite import SqliteStore
from tests.audit.test_verify import Copy
from tests.builders import MINSA, NOW, world
from tests.node.running import Clock, post, until
from tests.node.vouching import (
    LOG,
    NAMES,
    ORIGIN,
    SIGNERS,
    Road,
    documents,
    replaced,
    signer,
    vouched,
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A journal of three checkpoints, each cosigned, and the newest cosigned one."""
    folder = tmp_path_factory.mktemp("cosigned")
    path = folder / "journal.db"

    async def write():
        road = Road(folder / "road", Clock())
        async with vouched(folder, road=road, store=SqliteStore.open(path)) as (node, _):
            for _ in range(3):
                await post(node, world().envelope())
                size = cp.parse(await node.checkpoints.checkpoint()).size
                await until(lambda size=size: node.witnessing.size == size)
            note = node.cosigned
        await road.close()
        return note

    return path, asyncio.run(write())


def report(path, note=None):
    with Blocking(SqliteStore.open(path, read_only=True)) as source:
        return Verifier(source, world().anchor, lambda _: None, note).run()


def test_cosigned_checkpoints_are_counted(kept):
    path, note = kept
    found = report(path)
    assert (found.ok, found.quorum, found.cosigned) == (True, "witnesses", 2)
    # The newest one's cosignatures come with the next: they are in the file kept beside.
    size = cp.parse(note).size
    assert 0 < found.witnessed < size
    whole = report(path, note)
    assert (whole.ok, whole.cosigned, whole.witnessed) == (True, 3, size)
    assert whole.witnessed_at == NOW


def test_a_report_knows_who_vouched_for_which_size_and_when(kept):
    """The same cosignatures as verification counts, taken out of the journal."""
    with Blocking(SqliteStore.open(kept[0], read_only=True)) as source:
        found = marks(source)
    verified = report(kept[0])
    assert len(found.vouched) == verified.cosigned == 2
    size, vouched = found.chosen("-", None, lambda _: True)
    assert (size, vouched.at) == (verified.witnessed, verified.witnessed_at)
    assert vouched.by
    assert {each.size for each in found.vouched} < {each.size for each in found.signed}


# -- what stands in an entry ----------------------------------------------------------------


@pytest.fixture(scope="module")
def told(kept):
    """What the journal's last checkpoint says was cosigned, and the roots of its entries."""
    with Blocking(SqliteStore.open(kept[0], read_only=True)) as source:
        stored = list(source.read(0, 1000))
    facts = [entries.decode(each.entry).facts for each in stored]
    last = [each for each in facts if isinstance(each, entries.Checkpointed)][-1]
    leaves = [leaf_hash(each.entry) for each in stored]
    return last.cosigned, lambda size: root_of(leaves[:size])


def view():
    return world().later(documents()[-1])


def line(name, size, root):
    made = cp.sign_line(cp.Checkpoint(ORIGIN, size, root), SIGNERS[name], NOW)
    return made.encode().decode().removesuffix("\n")


def test_what_a_quorum_cosigned_holds(told):
    cosigned, root = told
    witnessed = Witnessed()
    witnessed.add(cosigned, view(), "pa", root)
    assert (witnessed.count, witnessed.size, witnessed.at) == (1, cosigned.size, NOW)


def test_what_does_not_hold_is_refused(told):
    cosigned, root = told
    size = cosigned.size
    other = [line(name, size, bytes(32)) for name in NAMES]
    for changed in (
        {"lines": cosigned.lines[:1]},  # one of two
        {"lines": []},
        {"lines": ["nonsense"]},
        {"lines": other},  # of another root
        {"lines": [cosigned.lines[0], other[1]]},
        {"size": size - 1},
    ):
        with pytest.raises(Refusal) as caught:
            Witnessed().add(msgspec.structs.replace(cosigned, **changed), view(), "pa", root)
        assert caught.value.code is Code.BAD_CHECKPOINT
    with pytest.raises(Refusal):
        Witnessed().add(cosigned, view(), "us", root)
    with pytest.raises(Refusal):
        # Nobody agreed on witnesses there.
        Witnessed().add(cosigned, world().view, "pa", root)


def test_a_kept_checkpoint_that_nobody_cosigned_counts_for_nothing(kept):
    plain = cp.sign(cp.parse(kept[1]), LOG, NOW)
    witnessed = Witnessed()
    for note, known in ((plain, view()), (kept[1], world().view)):
        needed = terms.of(note, "pa", known)
        witnessed.add_kept(needed.verify(note), needed)
    assert witnessed.count == 0
    found = report(kept[0], plain)
    assert (found.ok, found.cosigned) == (True, 2)


@pytest.mark.parametrize("changed", ["fewer", "longer"])
def test_a_journal_that_lies_of_its_cosignatures_is_found_out(kept, changed):
    copy = Copy(kept[0])
    at, facts = [
        (each.index, found)
        for each in copy.stored
        if isinstance(found := entries.decode(each.entry).facts, entries.Checkpointed)
    ][-1]
    lie = {"fewer": {"lines": facts.cosigned.lines[:1]}, "longer": {"size": 1_000_000}}
    cosigned = msgspec.structs.replace(facts.cosigned, **lie[changed])
    entry = entries.encode(msgspec.structs.replace(facts, cosigned=cosigned))
    copy.stored[at] = Stored(at, entry, leaf_hash(entry))
    found = Verifier(copy, world().anchor, lambda _: None).run()
    assert ("cosigned", at) in {(each.name, each.first) for each in found.checks if not each.ok}


# -- witnesses that were replaced ----------------------------------------------------------


@pytest.fixture(scope="module", params=[("w1", "w3"), ("w3", "w4")], ids=["one", "both"])
def after(request, tmp_path_factory):
    """A journal whose witnesses were replaced, a proof from before and one from after."""
    folder = tmp_path_factory.mktemp("replaced")
    path = folder / "journal.db"

    async def write():
        road = Road(folder / "road", Clock(), ("w1", "w2", "w3", "w4"))
        async with vouched(folder, road=road, store=SqliteStore.open(path)) as (node, _):

            async def cosigned():
                await post(node, world().envelope())
                size = cp.parse(await node.checkpoints.checkpoint()).size
                await until(lambda: node.witnessing.size == size)
                return node.cosigned

            notes = [await cosigned()]
            answer = await post(node, replaced(node.view, request.param), MINSA)
            assert answer.refusal is None
            notes += [await cosigned(), await cosigned()]
        await road.close()
        return notes

    return path, *asyncio.run(write())[::2]


def test_a_proof_from_before_its_witnesses_were_replaced_holds_and_counts(after):
    path, old, new = after
    for note in (old, new):
        found = report(path, note)
        # Of three checkpoints the first and the second stand in the journal, cosigned.
        assert (found.ok, found.cosigned) == (True, 3), found.checks
    assert report(path, new).witnessed == cp.parse(new).size


@pytest.mark.parametrize("names", [("w1", "w3"), ("w2",), ("w2", "w3", "w4")])
def test_a_quorum_under_no_policy_that_was_in_force_at_that_size_is_refused(after, names):
    path, old, _ = after
    body = cp.parse(old)
    lines = [cp.sign_line(body, signer(name), NOW) for name in names]
    found = report(path, cp.attach(cp.sign(body, LOG, NOW), lines))
    failed = {(each.name, each.code, each.at) for each in found.checks if not each.ok}
    assert failed == {("kept", "bad-checkpoint", "/cosigned")}
