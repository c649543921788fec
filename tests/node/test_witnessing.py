"""A node and its witnesses: a quorum for each checkpoint, and alarms that only it can raise."""

from __future__ import annotations

import copy

import msgspec
import pytest
from structlog.testing import capture_logs

from exchange.broker.replay import Replayer
from exchange.errors import Code, Fault
from exchange.journal import checkpoint as cp
from exchange.journal.quorum import Witness as Named
from exchange.model import entry as entries
from exchange.model.trust import WhenUnwitnessed
from exchange.model.view import View
from exchange.node.checkpoints import AGAIN_S
from exchange.node.witnessing import _Given
from exchange.store.memory import MemoryStore
from exchange.store.pledge import PledgeFile
from exchange.store.witnessed import WitnessFiles
from tests.broker.amending import cancelling
from tests.builders import MINSA, NOW, world
from tests.node.running import Clock, journal, post, until
from tests.node.vouching import (
    LIMIT_S,
    LOG,
    NAMES,
    ORIGIN,
    SIGNERS,
    Road,
    agreed,
    vouched,
)

DECLINE = WhenUnwitnessed("accept", "accept", "decline", "decline")


def verified(note):
    required = [*(each.key for each in LOG), *(each.key for each in SIGNERS.values())]
    return cp.verify(note, origin=ORIGIN, required=required)


def verified_by_us(note):
    return cp.verify(note, origin=ORIGIN, required=[each.key for each in LOG])


async def checkpointed(node):
    """Make a checkpoint, and wait until it is cosigned; its size."""
    size = cp.parse(await node.checkpoints.checkpoint()).size
    await until(lambda: node.witnessing.size == size)
    return size


async def test_each_checkpoint_is_cosigned_by_the_quorum(tmp_path):
    async with vouched(tmp_path) as (node, road):
        for _ in range(2):
            await post(node, world().envelope())
            size = await checkpointed(node)
            found = verified(node.cosigned)
            assert found.checkpoint.size == size
            assert all(found.at(each.key) == NOW for each in SIGNERS.values())
        assert node.unwitnessed_s == 0
    assert sorted(road.asked) == [(name, 200) for name in NAMES for _ in range(2)]


async def test_a_nodes_witness_is_held_to_the_certificate_that_the_directory_lists(tmp_path):
    async with vouched(tmp_path) as (node, _):
        for name, end in (("pa", f"#sha256={node.view.nodes['pa'].tls}"), ("xx", "#node=xx")):
            named = Named("w1", SIGNERS["w1"].key, f"https://192.0.2.1:1#node={name}")
            assert node.witnessing._placed(named).url == f"https://192.0.2.1:1{end}"


async def test_without_an_agreement_on_witnesses_nobody_is_asked(tmp_path):
    async with vouched(tmp_path, documents=world().documents) as (node, road):
        await node.checkpoints.checkpoint()
        assert (node.cosigned, node.unwitnessed_s, road.asked) == (None, None, [])


async def test_one_of_two_that_is_away_does_not_hinder_a_quorum_of_one(tmp_path):
    witnesses = agreed(rule="any")
    async with vouched(tmp_path, witnesses=witnesses) as (node, road):
        road.closed = {"w1"}
        await checkpointed(node)
        assert node.unwitnessed_s == 0


async def test_a_witness_that_comes_back_is_asked_again(tmp_path, monkeypatch):
    monkeypatch.setattr("exchange.node.witnessing._REST_S", 0.01)
    async with vouched(tmp_path) as (node, road):
        road.closed = {"w1"}
        await node.checkpoints.checkpoint()
        await until(lambda: ("w2", 200) in road.asked)
        assert node.cosigned is None
        road.closed = set()
        await until(lambda: node.cosigned is not None)


async def test_witnesses_that_failed_are_asked_at_once_when_the_network_is_back(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("exchange.node.witnessing._REST_S", 3600.0)
    monkeypatch.setattr("exchange.node.witnessing._LONGEST_REST_S", 3600.0)
    async with vouched(tmp_path) as (node, road):
        road.closed = {"w1"}
        await node.checkpoints.checkpoint()
        standing = node.witnessing._witnesses
        await until(lambda: "w1" in standing and standing["w1"].rest_s > 0)
        road.closed = set()
        node.witnessing.again()
        await until(lambda: node.cosigned is not None)


async def test_an_idle_journal_is_cosigned_again_with_the_time(tmp_path):
    clock = Clock()
    async with vouched(tmp_path, clock=clock) as (node, _):
        size = await checkpointed(node)
        clock.ms += AGAIN_S * 1000
        assert node.unwitnessed_s == AGAIN_S
        await node.checkpoints.checkpoint()
        await until(lambda: node.unwitnessed_s == 0)
        assert (node.witnessing.size, node.size) == (size, size + 1)
        assert verified(node.cosigned).at(SIGNERS["w1"].key) == NOW + AGAIN_S


async def test_what_was_cosigned_is_kept_over_a_restart_and_stands_in_the_next_checkpoint(
    tmp_path,
):
    store, kept = MemoryStore(), PledgeFile(tmp_path / "cosigned.note")
    road = Road(tmp_path / "road", Clock())
    async with vouched(tmp_path, road=road, store=store, cosigned=kept) as (node, _):
        size = await checkpointed(node)
        note = node.cosigned
        await until((tmp_path / "cosigned.note").exists)
    options = {"store": store.reopen(), "cosigned": kept, "documents": []}
    async with vouched(tmp_path, road=road, **options) as (node, _):
        assert (node.cosigned, node.witnessing.at) == (note, NOW)
        await post(node, world().envelope())
        await checkpointed(node)
        facts = [each.facts for each in await journal(node)]
        told = [each for each in facts if isinstance(each, entries.Checkpointed)][-1]
        assert told.cosigned.size == size
        assert len(told.cosigned.lines) == len(NAMES)
    await road.close()


async def test_what_was_kept_of_another_journal_is_not_shown(tmp_path):
    kept, store = PledgeFile(tmp_path / "cosigned.note"), MemoryStore()
    async with vouched(tmp_path / "one", cosigned=kept) as (node, _):
        await checkpointed(node)
        await until((tmp_path / "cosigned.note").exists)
    # As long, with other salts.
    async with vouched(tmp_path / "two", store=store, randomness="other") as (node, _):
        await post(node, world().envelope())
    options = {"store": store.reopen(), "cosigned": kept, "documents": []}
    async with vouched(tmp_path / "three", **options) as (node, _):
        assert node.cosigned is None


# -- what a witness may not do ----------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        (200, b""),
        (200, b"nonsense"),
        (200, "— w1 AAAAAAAA\n".encode()),
        (409, b"nonsense\n"),
        (409, b"99999\n"),
        (422, b""),
        (503, b""),
        (301, b""),
    ],
    ids=range(8),
)
async def test_an_answer_that_is_no_cosignature_counts_for_nothing_and_stops_nothing(
    tmp_path, answer
):
    with capture_logs() as told:
        async with vouched(tmp_path, witnesses=agreed(["w1"])) as (node, road):
            road.lie = lambda *_: answer
            await node.checkpoints.checkpoint()
            await until(lambda: any(each["event"] == "witness" for each in told))
            assert node.cosigned is None
            assert node.is_ready
            assert (await post(node, world().envelope())).refusal is None


async def test_a_cosignature_of_another_checkpoint_counts_for_nothing(tmp_path):
    async with vouched(tmp_path, witnesses=agreed(["w1"])) as (node, road):
        await checkpointed(node)
        other = cp.Checkpoint(ORIGIN, 99, bytes(32))
        road.lie = lambda *_: (200, cp.sign_line(other, SIGNERS["w1"], NOW).encode())
        await post(node, world().envelope())
        before = node.witnessing.size
        with capture_logs() as told:
            await node.checkpoints.checkpoint()
            await until(lambda: any(each["event"] == "witness" for each in told))
        assert node.witnessing.size == before


@pytest.mark.parametrize("away_s", [-121, 121])
async def test_a_cosignature_of_another_time_counts_for_nothing(tmp_path, away_s):
    clock = Clock()
    road = Road(tmp_path, lambda: clock.ms + away_s * 1000)
    with capture_logs() as told:
        async with vouched(tmp_path, clock=clock, road=road) as (node, _):
            await node.checkpoints.checkpoint()
            await until(lambda: any(each["event"] == "witness" for each in told))
            assert node.cosigned is None
    assert {each["code"] for each in told if each["event"] == "witness"} == {"clock"}
    await road.close()


async def test_a_checkpoint_that_our_keys_did_not_sign_stops_nothing(tmp_path):
    async with vouched(tmp_path, witnesses=agreed(["w1"])) as (node, road):
        longer = cp.sign(cp.Checkpoint(ORIGIN, 99, bytes(32)), [SIGNERS["w1"]], NOW)
        road.lie = lambda *_: (409, b"99\n")
        road.shows = longer
        with capture_logs() as told:
            await node.checkpoints.checkpoint()
            await until(lambda: any(each.get("code") == "unavailable" for each in told))
        assert "bad-checkpoint" in {each.get("code") for each in told}
        assert node.is_ready


async def test_a_quorum_that_comes_late_takes_no_newer_one_s_place(tmp_path):
    async with vouched(tmp_path, witnesses=agreed(["w1"])) as (node, _):
        first = await node.checkpoints.checkpoint()
        await until(lambda: node.witnessing.size == cp.parse(first).size)
        await post(node, world().envelope())
        size = await checkpointed(node)
        policy = node.witnessing.policy
        line = cp.sign_line(cp.parse(first), SIGNERS["w1"], NOW + 5)
        await node.witnessing._take(policy, first, "w1", _Given(line, NOW + 5))
        assert node.witnessing.size == size


# -- set back and forked ----------------------------------------------------------------------


async def grown(tmp_path, road):
    """A journal that was cosigned, and a copy of it from before it grew."""
    store = MemoryStore()
    async with vouched(tmp_path, road=road, store=store) as (node, _):
        await checkpointed(node)
    back = store.reopen()
    back._tables = copy.deepcopy(store._tables)
    async with vouched(tmp_path, road=road, store=store.reopen(), documents=[]) as (node, _):
        for _ in range(5):
            await post(node, world().envelope())
        # A proof from a size that is a power of two leaves the old root out: it convicts none.
        while (await checkpointed(node)).bit_count() == 1:
            await post(node, world().envelope())
    return back


async def test_a_journal_that_was_set_back_is_not_opened(tmp_path):
    road = Road(tmp_path / "road", Clock())
    back = await grown(tmp_path, road)
    size = (await back.head()).size
    with pytest.raises(Fault) as caught:
        async with vouched(tmp_path, road=road, store=back.reopen(), documents=[]):
            raise AssertionError
    assert caught.value.code is Code.JOURNAL_BEHIND
    # Nothing was written, not even that a writer took over.
    assert (await back.reopen().head()).size == size
    await road.close()


async def test_a_journal_set_back_to_before_its_first_checkpoint_is_not_opened(tmp_path):
    road, clock = Road(tmp_path / "road", Clock()), Clock()
    store = MemoryStore()
    async with vouched(tmp_path, road=road, clock=clock, store=store) as (node, _):
        await post(node, world().envelope())
        back = store.reopen()
        back._tables = copy.deepcopy(store._tables)
        await checkpointed(node)
        newest = node.checkpoints.newest
    clock.ms += 3_600_000
    shown, remembered = [], road.remembered

    async def seen(named, note):
        shown.append(note)
        return await remembered(named, note)

    road.remembered = seen
    with pytest.raises(Fault) as caught:
        async with vouched(tmp_path, road=road, clock=clock, store=back, documents=[]):
            raise AssertionError
    assert caught.value.code is Code.JOURNAL_BEHIND
    # What was shown to ask with is dated before what was signed later: it convicts nobody.
    dates = [verified_by_us(each).at(LOG[1].key) for each in (shown[0], newest)]
    assert dates[0] <= dates[1] < clock.ms // 1000
    await road.close()


async def test_a_journal_set_back_while_its_witnesses_were_away_stops_once_they_are_back(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("exchange.node.witnessing._REST_S", 0.01)
    road = Road(tmp_path / "road", Clock())
    back = await grown(tmp_path, road)
    road.closed = set(NAMES)
    async with vouched(tmp_path, road=road, store=back.reopen(), documents=[]) as (node, _):
        await post(node, world().envelope())
        await node.checkpoints.checkpoint()
        assert node.is_ready
        road.closed = set()
        await until(lambda: node.writer.fault is not None)
        assert node.writer.fault.code is Code.JOURNAL_BEHIND
        assert not node.is_ready
    await road.close()


async def test_a_journal_that_tells_another_past_stops_and_its_witness_keeps_the_evidence(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("exchange.node.witnessing._REST_S", 0.01)
    road = Road(tmp_path / "road", Clock())
    back = await grown(tmp_path, road)
    road.closed = set(NAMES)
    async with vouched(tmp_path, road=road, store=back.reopen(), documents=[]) as (node, _):
        for _ in range(20):
            await post(node, world().envelope())
        await node.checkpoints.checkpoint()
        road.closed = set()
        await until(lambda: node.writer.fault is not None)
        assert node.writer.fault.code is Code.JOURNAL_FORKED
    # By whichever was asked first: the other need not be asked any more.
    assert 1 in [await each.convicted() for each in road.recalls.values()]
    await road.close()


async def test_a_witness_that_was_set_back_is_shown_what_it_signed(tmp_path):
    clock = Clock()
    road = Road(tmp_path / "road", clock)
    async with vouched(tmp_path, clock=clock, road=road, witnesses=agreed(["w1"])) as (node, _):
        await checkpointed(node)
        await road.recalls["w1"].close()
        (tmp_path / "road" / "w1").rename(tmp_path / "road" / "newer")
        (tmp_path / "road" / "w1").mkdir()
        await post(node, world().envelope())
        WitnessFiles.found(tmp_path / "road" / "w1")
        road.open("w1")
        with capture_logs() as told:
            await checkpointed(node)
        behind = [each for each in told if each["event"] == "witness-behind"]
        # The node tells, and so does the witness, once it was shown its own signature.
        assert {("witness" in each, "log" in each) for each in behind} == {
            (True, False),
            (False, True),
        }
    await road.close()


# -- unwitnessed for long ---------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "is_marked"), [(LIMIT_S, None), (LIMIT_S + 1, True)])
async def test_past_the_limit_a_bulletin_is_taken_in_and_marked(tmp_path, seconds, is_marked):
    clock = Clock()
    async with vouched(tmp_path, clock=clock) as (node, road):
        await checkpointed(node)
        road.closed = set(NAMES)
        clock.ms += seconds * 1000
        answer = await post(node, world().envelope(issued=NOW, expires=NOW + 90_000))
        assert answer.refusal is None
        facts = entries.decode(answer.receipt.facts.encode() + b"\n").facts
        assert (facts.unwitnessed is True) == bool(is_marked)
        assert await replayed(node) == node.size


async def replayed(node):
    """Judge every entry again, as an auditor does; how many hold."""
    rows = await node.store.read(0, 100_000)
    blobs = {
        each.document.digest: await node.store.blob(each.document.digest)
        for row in rows
        if isinstance(each := entries.decode(row.entry).facts, entries.Trust)
    }
    replayer = Replayer(View(anchor=world().anchor), lambda n: rows[n].entry, blobs.get)
    for row in rows:
        replayer.step(row.entry)
    return replayer.size


@pytest.mark.parametrize(
    "lines",
    [
        ["witness w1 nonsense", "quorum w1"],
        [f"witness w1 {SIGNERS['w1'].key}", "quorum w2"],
        [f"witness w1 {SIGNERS['w1'].key}", "quorum none"],
    ],
)
async def test_an_arrangement_whose_witnesses_cannot_be_read_does_not_take_effect(
    tmp_path, lines
):
    witnesses = msgspec.structs.replace(agreed(), policy=lines)
    bad = world().rearranged(quorum="witnesses", witnesses=witnesses)
    async with vouched(tmp_path, documents=world().documents) as (node, _):
        refused = (await post(node, bad, caller=MINSA)).refusal
        assert refused.code in {Code.MALFORMED, Code.TRUST_INVALID}
        assert node.view.agreed().quorum == "none"


async def test_past_the_limit_what_the_arrangement_declines_is_declined_by_precedence(tmp_path):
    clock = Clock()
    async with vouched(tmp_path, clock=clock, witnesses=agreed(past=DECLINE)) as (node, road):
        first = world().envelope(precedence="routine")
        await post(node, first)
        await checkpointed(node)
        road.closed = set(NAMES)
        clock.ms += (LIMIT_S + 1) * 1000
        usual = {"issued": NOW, "expires": NOW + 90_000}
        for precedence, code in (
            ("flash", None),
            ("immediate", None),
            ("priority", Code.UNWITNESSED),
            ("routine", Code.UNWITNESSED),
        ):
            answer = await post(node, world().envelope(precedence=precedence, **usual))
            assert (answer.refusal and answer.refusal.code) == code
        # What cancels takes effect by its header, and does not wait.
        cancel = cancelling(first, precedence="routine", **usual)
        assert (await post(node, cancel)).refusal is None
        assert await replayed(node) == node.size
        assert (await post(node, world().ack(first))).refusal is None


async def test_that_nobody_vouches_is_warned_of_once_and_taken_back(tmp_path, monkeypatch):
    monkeypatch.setattr("exchange.node.witnessing._LOOK_S", 0.01)
    monkeypatch.setattr("exchange.node.witnessing._REST_S", 0.01)
    clock = Clock()
    with capture_logs() as told:
        async with vouched(tmp_path, clock=clock) as (node, road):
            await checkpointed(node)
            road.closed = set(NAMES)
            clock.ms += 121_000
            await node.checkpoints.checkpoint()
            await until(lambda: any(each["event"] == "unwitnessed" for each in told))
            road.closed = set()
            await until(lambda: any(each["event"] == "witnessed" for each in told))
    events = [each["event"] for each in told]
    assert (events.count("unwitnessed"), events.count("witnessed")) == (1, 1)


async def test_a_journal_that_was_never_cosigned_counts_from_its_beginning(tmp_path):
    clock = Clock()
    async with vouched(tmp_path, clock=clock) as (node, road):
        road.closed = set(NAMES)
        clock.ms += 1_000_000
        assert node.unwitnessed_s == 1000
