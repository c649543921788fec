"""A node that handed over its keys, and its witnesses: no break, and no stop by old keys."""

from __future__ import annotations

import copy

import pytest
from structlog.testing import capture_logs

from exchange.errors import Code, Fault
from exchange.journal import checkpoint as cp
from exchange.store.memory import MemoryStore
from tests.builders import NOW, world
from tests.node.running import Clock, post, until
from tests.node.test_handover import NEW_LOG, NEW_SIGNER, hand_over
from tests.node.test_witnessing import checkpointed
from tests.node.vouching import LOG, LOGS, ORIGIN, SIGNERS, Road, agreed, vouched

BOTH_RINGS = {"next_signers": [NEW_SIGNER], "next_logs": [NEW_LOG]}
KNOWN = {ORIGIN: (*LOGS[ORIGIN], tuple(each.key for each in NEW_LOG))}


async def test_witnesses_who_were_given_the_new_keys_first_cosign_over_a_hand_over(tmp_path):
    clock = Clock()
    road = Road(tmp_path, clock, logs=KNOWN)
    async with vouched(tmp_path, clock=clock, road=road, **BOTH_RINGS) as (node, _):
        await checkpointed(node)
        await hand_over(node)
        await post(node, world().envelope())
        size = await checkpointed(node)
        keys = [*(each.key for each in NEW_LOG), *(each.key for each in SIGNERS.values())]
        assert cp.verify(node.cosigned, origin=ORIGIN, required=keys).checkpoint.size == size
        assert {status for _, status in road.asked} == {200}
    await road.close()


def other_past(size, signers):
    return cp.sign(cp.Checkpoint(ORIGIN, size, b"x" * 32), signers, NOW)


async def shown_another_past(tmp_path, size, signers):
    """After a hand-over the witness shows what these keys signed; the node, and its diary."""
    witnesses = agreed(["w1"])
    with capture_logs() as told:
        async with vouched(tmp_path, witnesses=witnesses, **BOTH_RINGS) as (node, road):
            await checkpointed(node)
            await hand_over(node)
            road.shows = other_past(size or node.size, signers)
            road.lie = lambda *_: (409, b"3\n")
            await node.checkpoints.checkpoint()
            await until(lambda: any(each["event"] == "witness" for each in told))
            fault = node.writer.fault
            is_taken = fault is None and (await post(node, world().envelope())).refusal is None
    return fault, is_taken, told


async def test_keys_that_are_over_and_a_hostile_witness_stop_no_node(tmp_path):
    fault, is_taken, told = await shown_another_past(tmp_path, 3, LOG)
    assert (fault, is_taken) == (None, True)
    (alarm,) = [each for each in told if each["event"] == "keys-over"]
    assert (alarm["log_level"], alarm["size"]) == ("critical", 3)
    # It is the evidence: their signature, of another past.
    keys = [each.key for each in LOG]
    found = cp.verify(alarm["note"].encode(), origin=ORIGIN, required=keys)
    assert found.checkpoint == cp.Checkpoint(ORIGIN, 3, b"x" * 32)


async def test_what_keys_signed_that_were_over_by_then_is_nobody_s_word(tmp_path):
    fault, is_taken, told = await shown_another_past(tmp_path, 0, LOG)
    assert (fault, is_taken) == (None, True)
    assert "bad-checkpoint" in {each.get("code") for each in told}
    assert "keys-over" not in {each["event"] for each in told}


async def test_keys_in_force_stop_the_node_whatever_the_size(tmp_path):
    fault, _, _ = await shown_another_past(tmp_path, 3, NEW_LOG)
    assert fault.code is Code.JOURNAL_FORKED


async def test_node_whose_keys_are_over_is_not_stopped_at_its_start(tmp_path):
    store, clock = MemoryStore(), Clock()
    road = Road(tmp_path / "road", clock)
    options = {"clock": clock, "road": road, **BOTH_RINGS}
    async with vouched(tmp_path, store=store, **options) as (node, _):
        await hand_over(node)
    road.shows = other_past(3, LOG)
    async with vouched(tmp_path, store=store.reopen(), documents=[], **options) as (node, _):
        assert node.is_ready
    await road.close()


async def test_a_journal_set_back_to_before_its_hand_over_is_not_opened(tmp_path):
    store, clock = MemoryStore(), Clock()
    road = Road(tmp_path / "road", clock, logs=KNOWN)
    options = {"clock": clock, "road": road, **BOTH_RINGS}
    async with vouched(tmp_path, store=store, **options) as (node, _):
        back = store.reopen()
        back._tables = copy.deepcopy(store._tables)
        await hand_over(node)
        await checkpointed(node)
    with pytest.raises(Fault) as caught:
        async with vouched(tmp_path, store=back, documents=[], **options):
            raise AssertionError
    assert caught.value.code is Code.JOURNAL_BEHIND
    await road.close()
