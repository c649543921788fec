"""Who vouches beside the node: held to the quorum by the reader, and each lie an alarm."""

from __future__ import annotations

import copy
from contextlib import asynccontextmanager

import msgspec
import pytest

from exchange.client import witnessing
from exchange.client.seen import EVIDENCE
from exchange.errors import Code, Refusal
from exchange.journal import checkpoint as cp
from exchange.journal import forks
from exchange.model import wire
from exchange.seal import trust
from exchange.store.memory import MemoryStore
from tests.api.serving import serving
from tests.builders import NOW, OPS, WATCH, world
from tests.client.dealing import agency
from tests.client.proving import SKEW_S, alarm, reader, scene, sent
from tests.client.test_proving_lies import heads
from tests.node.running import Clock, post, until
from tests.node.test_handover import NEW_LOG, NEW_SIGNER, hand_over
from tests.node.vouching import (
    LIMIT_S,
    LOG,
    LOGS,
    NAMES,
    ORIGIN,
    SIGNERS,
    Road,
    documents,
    replaced,
)


@asynccontextmanager
async def vouching(tmp_path, **options):
    """A scene whose node has two witnesses that must both vouch."""
    clock = Clock()
    road = Road(tmp_path / "road", lambda: clock.ms)
    try:
        async with scene(
            tmp_path, courier=road, documents=documents(), clock=clock, **options
        ) as made:
            yield made, road
    finally:
        await road.close()


async def cosigned(node):
    size = cp.parse(node.newest).size
    await until(lambda: node.witnessing.size == size)


async def test_what_is_proved_is_witnessed_by_the_quorum(tmp_path):
    async with vouching(tmp_path) as ((door, _, line, _), _):
        await sent(door, 2)
        await cosigned(door.node)
        proven = await line.prove()
        assert (proven.count, proven.quorum) == (2, "witnesses")
        assert proven.witnessed == witnessing.Vouched(proven.size, NOW, ["w1", "w2"])


async def test_a_newer_checkpoint_goes_on_from_the_one_that_was_witnessed(tmp_path):
    async with vouching(tmp_path) as ((door, _, line, _), road):
        await sent(door)
        await cosigned(door.node)
        road.closed = set(NAMES)
        await sent(door, 3)
        proven = await line.prove()
        assert proven.count == 4
        assert proven.witnessed.size < proven.size


async def test_without_an_agreement_on_witnesses_it_is_said_that_none_vouches(tmp_path):
    async with scene(tmp_path) as (door, _, line, _):
        await sent(door)
        proven = await line.prove()
        assert (proven.quorum, proven.witnessed) == ("none", None)


async def test_one_of_two_that_must_both_vouch_is_no_quorum(tmp_path):
    async with vouching(tmp_path) as ((door, _, line, _), _):
        await sent(door)
        await cosigned(door.node)
        note = cp.parse(door.node.newest)
        one = cp.sign(note, [*LOG, SIGNERS["w1"]], NOW)
        door.node.witnessing.note = one
        assert (await line.prove()).witnessed is None


@pytest.mark.parametrize("forged", ["w1", "log"])
async def test_a_cosignature_that_does_not_hold_is_refused(tmp_path, forged):
    async with vouching(tmp_path) as ((door, liar, line, _), _):
        await sent(door)
        await cosigned(door.node)
        note = cp.parse(door.node.newest)
        signers = {"log": LOG[1], **SIGNERS}
        other = cp.sign_line(cp.Checkpoint(ORIGIN, note.size, bytes(32)), signers[forged], NOW)
        whole = cp.attach(door.node.cosigned, [other]).decode()
        liar.change = heads(lambda value: {**value, "cosigned": whole})
        await alarm(line, Code.BAD_CHECKPOINT, "")


async def test_a_cosigned_checkpoint_that_is_longer_than_the_newest_is_refused(tmp_path):
    async with vouching(tmp_path) as ((door, liar, line, _), _):
        await sent(door)
        longer = cp.sign(cp.Checkpoint(ORIGIN, 99, bytes(32)), [*LOG, *SIGNERS.values()], NOW)
        liar.change = heads(lambda value: {**value, "cosigned": longer.decode()})
        await alarm(line, Code.BAD_PROOF, "/cosigned")


async def test_a_path_from_what_was_witnessed_that_does_not_hold_is_an_alarm(tmp_path):
    async with vouching(tmp_path) as ((door, liar, line, _), road):
        await sent(door)
        await cosigned(door.node)
        road.closed = set(NAMES)
        await sent(door)
        liar.change = heads(lambda value: {**value, "witnessed": []})
        await alarm(line, Code.JOURNAL_FORKED, "/cosigned")


@pytest.mark.parametrize(
    ("seconds", "is_alarm"), [(LIMIT_S + SKEW_S, False), (LIMIT_S + SKEW_S + 1, True)]
)
async def test_that_nobody_vouched_for_longer_than_agreed_is_an_alarm(
    tmp_path, seconds, is_alarm
):
    async with vouching(tmp_path) as ((door, _, line, clock), road):
        await sent(door)
        await cosigned(door.node)
        road.closed = set(NAMES)
        clock.ms += seconds * 1000
        # The node itself is well, and says so each minute.
        await door.node.checkpoints.checkpoint()
        if is_alarm:
            await alarm(line, Code.STALE_WITNESS, "/cosigned")
        else:
            assert (await line.prove()).witnessed.at == NOW


async def test_that_nobody_ever_vouched_is_an_alarm_since_it_was_agreed_on(tmp_path):
    async with vouching(tmp_path) as ((door, _, line, clock), road):
        road.closed = set(NAMES)
        await sent(door)
        assert (await line.prove()).witnessed is None
        clock.ms += (LIMIT_S + SKEW_S + 1) * 1000
        await door.node.checkpoints.checkpoint()
        await alarm(line, Code.STALE_WITNESS, "/cosigned")


def test_a_quorum_of_the_future_vouches_for_nothing():
    view = world().later(documents()[-1])
    for ahead, is_alarm in ((SKEW_S, False), (SKEW_S + 1, True)):
        vouched = witnessing.Vouched(9, NOW + ahead, ["w1"])
        if is_alarm:
            with pytest.raises(Refusal) as caught:
                witnessing.must_be_recent(vouched, view, NOW)
            assert caught.value.code is Code.STALE_WITNESS
        else:
            witnessing.must_be_recent(vouched, view, NOW)


# -- a node that handed over its keys, and witnesses that were replaced --------------------


BOTH_RINGS = {"next_signers": [NEW_SIGNER], "next_logs": [NEW_LOG]}


async def test_a_hand_over_while_the_witnesses_are_away_is_no_alarm(tmp_path):
    async with vouching(tmp_path, **BOTH_RINGS) as ((door, _, line, _), road):
        await sent(door)
        await cosigned(door.node)
        before = await line.prove()
        road.closed = set(NAMES)
        await hand_over(door.node)
        await sent(door)
        proven = await line.prove()
        assert proven.size > before.size
        # By the old keys, as is right for so many entries.
        assert proven.witnessed == before.witnessed


async def test_a_receipt_from_before_a_hand_over_is_vouched_for_after_it(tmp_path):
    async with vouching(tmp_path, endpoint=OPS, **BOTH_RINGS) as ((door, _, author, _), road):
        await author.view()
        envelope = world().envelope()
        receipt = await author.send("posted", envelope)
        size = cp.parse(await door.node.checkpoints.checkpoint()).size
        await cosigned(door.node)
        road.closed = set(NAMES)
        await hand_over(door.node)
        await sent(door)
        await author.view()
        vouched = await author.witnessed(receipt, envelope.header)
        assert vouched == witnessing.Vouched(size, NOW, ["w1", "w2"])


@pytest.mark.parametrize("is_handed_over", [False, True])
async def test_a_checkpoint_by_keys_that_are_not_those_of_its_size_is_refused(
    tmp_path, is_handed_over
):
    """Those that are over sign nothing that came after, and the new ones nothing before."""
    async with scene(tmp_path, **BOTH_RINGS) as (door, liar, line, _):
        await sent(door)
        right, wrong = LOG, NEW_LOG
        kept = []
        if is_handed_over:
            await hand_over(door.node)
            await sent(door)
            right, wrong = NEW_LOG, LOG
        await line.prove()

        def resigned(value):
            head, _, note = value["proof"].partition("\n\n")
            body = cp.parse(note.encode())
            kept.append(cp.verify(note.encode(), origin=ORIGIN, required=keys(right)))
            return {**value, "proof": f"{head}\n\n{cp.sign(body, wrong, NOW).decode()}"}

        liar.change = heads(resigned)
        if not is_handed_over:
            # What is shown is of before; the reader knows the new keys all the same.
            answer = resigned((await door.get("/v1/heads?since=0", WATCH)).json)
            liar.change = heads(lambda _: answer)
            await hand_over(door.node)
        await alarm(line, Code.BAD_CHECKPOINT, "")
        assert kept


def keys(signers):
    return [each.key for each in signers]


def test_those_who_were_replaced_vouch_for_what_was_but_keep_nothing_fresh():
    """Whoever has their keys could go on dating the last checkpoint that was theirs."""
    before = world().later(documents()[-1])
    then = trust.apply(replaced(before, ["w1", "w3"]), before, before.index + 1, NOW)
    now = NOW + LIMIT_S + SKEW_S + 1
    for size, is_alarm in ((then.index, True), (then.index + 1, False)):
        vouched = witnessing.Vouched(size, now, ["w1", "w2"])
        if is_alarm:
            with pytest.raises(Refusal) as caught:
                witnessing.must_be_recent(vouched, then, now)
            assert caught.value.code is Code.STALE_WITNESS
        else:
            witnessing.must_be_recent(vouched, then, now)


# -- a node that shows one reader another journal -----------------------------------------


async def test_a_fork_shown_to_one_reader_is_an_alarm_with_evidence_that_convicts(tmp_path):
    clock, store = Clock(), MemoryStore()
    road = Road(tmp_path / "road", clock)
    options = {"courier": road, "clock": clock}
    async with serving(store, documents=documents(), **options) as door:
        await sent(door)
        await cosigned(door.node)
        forked = store.reopen()
        forked._tables = copy.deepcopy(store._tables)
        await sent(door, 3)
        await cosigned(door.node)
        witnessed = door.node.cosigned
    async with serving(forked, documents=[], clock=clock) as door:
        await sent(door, 20)
        # It has nothing better to show than what witnesses signed of the other branch.
        door.node.witnessing.note = witnessed
        async with reader(door.url, tmp_path, clock) as line:
            refused = await alarm(line, Code.JOURNAL_FORKED, "/cosigned")
    (path,) = (tmp_path / WATCH.replace("/", "-") / EVIDENCE).iterdir()
    assert refused.facts["evidence"] == str(path)
    found = forks.read(path.read_bytes())
    assert forks.check(found, ORIGIN, LOGS[ORIGIN]) == "rewritten"
    await road.close()


async def test_a_journal_that_goes_back_is_an_alarm_with_evidence_that_convicts(tmp_path):
    clock, store = Clock(), MemoryStore()
    async with serving(store, clock=clock) as door:
        await sent(door)
        back = store.reopen()
        back._tables = copy.deepcopy(store._tables)
        await sent(door, 3)
        async with reader(door.url, tmp_path, clock) as line:
            await line.prove()
    clock.ms += 10_000
    async with serving(back, documents=[], clock=clock) as door:
        await sent(door)
        async with reader(door.url, tmp_path, clock) as line:
            refused = await alarm(line, Code.HEAD_WENT_BACK, "/size")
    (path,) = (tmp_path / WATCH.replace("/", "-") / EVIDENCE).iterdir()
    assert refused.facts["evidence"] == str(path)
    found = forks.read(path.read_bytes())
    assert forks.check(found, ORIGIN, LOGS[ORIGIN]) == "rolled-back"


# -- receipts -------------------------------------------------------------------------------


async def test_a_receipt_becomes_a_proof_under_a_cosigned_checkpoint(tmp_path):
    clock = Clock()
    road = Road(tmp_path / "road", clock)
    async with serving(courier=road, documents=documents(), clock=clock) as door:
        envelope = world().envelope()
        async with agency(door.url, tmp_path, OPS) as author:
            await author.view()
            receipt = await author.send("posted", envelope)
            assert await author.witnessed(receipt, envelope.header) is None
            size = cp.parse(await door.node.checkpoints.checkpoint()).size
            await cosigned(door.node)
            vouched = await author.witnessed(receipt, envelope.header)
            assert vouched == witnessing.Vouched(size, NOW, ["w1", "w2"])
            other = msgspec.structs.replace(receipt, index=receipt.index - 1)
            with pytest.raises(Refusal):
                await author.witnessed(other, envelope.header)
    await road.close()


async def test_a_proof_of_another_entry_is_refused(tmp_path):
    async with vouching(tmp_path, endpoint=OPS) as ((door, liar, author, _), _):
        await author.view()
        envelope = world().envelope()
        receipt = await author.send("posted", envelope)
        await door.node.checkpoints.checkpoint()
        await cosigned(door.node)
        assert await author.witnessed(receipt, envelope.header)

        def other(path, value):
            if path != "/v1/proof":
                return value
            index = f"index {value['index']}"
            return {**value, "proof": value["proof"].replace(index, index + "0", 1)}

        liar.change = other
        with pytest.raises(Refusal) as caught:
            await author.witnessed(receipt, envelope.header)
        assert (caught.value.code, caught.value.at) == (Code.BAD_PROOF, "/index")


async def test_a_proof_and_a_checkpoint_are_of_the_newest_unless_asked_otherwise(tmp_path):
    clock = Clock()
    road = Road(tmp_path / "road", clock)
    async with serving(courier=road, documents=documents(), clock=clock) as door:
        answer = await post(door.node, world().envelope())
        index = answer.receipt.index
        assert (await door.get(f"/v1/proof?index={index}&cosigned=1")).code == "not-found"
        await door.node.checkpoints.checkpoint()
        await cosigned(door.node)
        before = door.node.cosigned
        road.closed = set(NAMES)
        await sent(door)
        assert (await door.get("/v1/checkpoint?cosigned=1")).body == before
        assert (await door.get("/v1/checkpoint")).body == door.node.newest
        sizes = [
            (await door.get(f"/v1/proof?index={index}{more}")).json["size"]
            for more in ("&cosigned=1", "")
        ]
        assert sizes == [cp.parse(note).size for note in (before, door.node.newest)]
        assert (await door.get("/v1/checkpoint?cosigned=2")).code == "bad-request"
    await road.close()


async def test_for_how_long_nobody_vouched_is_told_to_who_runs_the_node(tmp_path):
    clock, name = Clock(), "exchange_unwitnessed_seconds"
    async with serving() as door:
        assert name not in (await door.get("/metrics", None)).body.decode()
        assert (await door.get("/readyz", None)).json["unwitnessed_s"] is None
    road = Road(tmp_path / "road", clock)
    async with serving(courier=road, documents=documents(), clock=clock) as door:
        await door.node.checkpoints.checkpoint()
        await cosigned(door.node)
        clock.ms += 90_000
        told = (await door.get("/metrics", None)).body.decode().splitlines()
        assert f"{name} 90" in told
        health = msgspec.json.decode((await door.get("/readyz", None)).body, type=wire.Health)
        assert (health.ready, health.quorum, health.unwitnessed_s) == (True, "witnesses", 90)
    await road.close()
