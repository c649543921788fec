"""The one writer: groups, one order, answers only for what is durable, and nobody forgotten."""

from __future__ import annotations

import asyncio

import pytest

from exchange.broker import settle
from exchange.client import receipts
from exchange.errors import Code, Fault
from exchange.model import entry as entries
from exchange.node import arrivals, considering, ports, writer
from exchange.node.clock import MAX_JUMP_MS
from exchange.seal.software import SoftwareSigner
from exchange.store.memory import MemoryStore
from exchange.store.sqlite import SqliteStore
from tests.builders import COAST, MINSA, NOW_MS, OPS, WATCH, decoded, suspended, world
from tests.faults import Failure, FaultyStore
from tests.node.running import Clock, Gate, journal, post, running, until

BASE = len(world().documents) + 1  # the first epoch-opened entry and the founding documents


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else SqliteStore.open(tmp_path / "j.db")


async def faults_of(waiting):
    found = await asyncio.gather(*waiting, return_exceptions=True)
    return [each.code if isinstance(each, Fault) else None for each in found]


def done_in(batches):
    return [each for micro in batches if micro.is_done for each in micro.pending]


# -- groups and receipts ------------------------------------------------------------------


async def test_what_queues_up_behind_a_commit_goes_into_one_group():
    gate = Gate(MemoryStore())
    async with running(gate) as node:
        gate.shut()
        first = post(node, world().envelope())
        await until(lambda: gate.batches == [1])
        waiting = [post(node, world().envelope()) for _ in range(20)]
        await until(lambda: len(done_in(node.writer.arrivals._under_way)) == 20)
        gate.open.set()
        answers = await asyncio.gather(first, *waiting)
    assert gate.batches == [1, 20]
    assert [answer.receipt.index for answer in answers] == list(range(BASE, BASE + 21))


async def test_nobody_is_answered_before_the_commit_is_durable():
    gate = Gate(MemoryStore())
    async with running(gate) as node:
        gate.shut()
        refused = post(node, world().envelope(), caller=WATCH)
        waiting = [post(node, world().envelope()), refused]
        await until(lambda: bool(gate.batches))
        done, _ = await asyncio.wait(waiting, timeout=0.05)
        size = (await gate.head()).size
        assert (done, size) == (set(), BASE)
        gate.open.set()
        await asyncio.gather(*waiting)


async def test_every_receipt_of_a_group_verifies(store):
    async with running(store) as node:
        sent = [world().envelope() for _ in range(7)]
        answers = await asyncio.gather(*(post(node, each) for each in sent))
        for envelope, answer in zip(sent, answers, strict=True):
            facts = receipts.verify(answer.receipt, envelope.header, node.writer.view)
            assert isinstance(facts, entries.Accepted)


async def test_what_nobody_could_read_back_is_not_written():
    def made(ledger):
        return entries.EpochOpened(epoch=-1, node="pa", **ledger.common())

    async with running() as node:
        assert await faults_of([node.writer.note(made)]) == [Code.INTERNAL]
        assert node.size == BASE
        assert (await post(node, world().envelope())).receipt.index == BASE


async def test_duplicate_gets_the_receipt_it_had(store):
    async with running(store) as node:
        envelope = world().envelope()
        before = await post(node, envelope)
        size = node.writer.size
        again = await asyncio.gather(*(post(node, envelope) for _ in range(3)))
        assert [each.receipt for each in again] == [before.receipt] * 3
        assert not any(each.is_new for each in again)
        assert node.writer.size == size


async def test_duplicate_within_one_group_is_recorded_once():
    gate = Gate(MemoryStore())
    async with running(gate) as node:
        gate.shut()
        envelope = world().envelope()
        waiting = [post(node, world().envelope()), post(node, envelope), post(node, envelope)]
        await until(lambda: bool(gate.batches))
        gate.open.set()
        _, one, two = await asyncio.gather(*waiting)
        assert (one.receipt, one.is_new, two.is_new) == (two.receipt, True, False)


async def test_same_id_with_other_bytes_is_refused_and_recorded(store):
    async with running(store) as node:
        first = world().envelope()
        await post(node, first)
        same_id = decoded(first.header).id
        answer = await post(node, world().envelope(text=b'{"other":1}', id=same_id))
        assert answer.refusal.code is Code.ID_REUSED
        facts = (await journal(node))[-1].facts
        assert (facts.code, facts.caller) == ("id-reused", OPS)


# -- the store fails -----------------------------------------------------------------------


@pytest.mark.parametrize("failure", [Failure.LOSE_WRITE, Failure.LOSE_ANSWER])
async def test_unknown_outcome_is_resolved_and_nothing_is_lost_or_doubled(store, failure):
    faulty = FaultyStore(store)
    async with running(faulty) as node:
        faulty.fail(failure, failure)
        answers = await asyncio.gather(*(post(node, world().envelope()) for _ in range(5)))
        found = [entry for entry in await journal(node) if entry.object]
        indexes = [answer.receipt.index for answer in answers]
    assert indexes == list(range(BASE, BASE + 5))
    assert len(found) == 5


@pytest.mark.parametrize("taken_over", [Failure.FENCE, Failure.MOVE])
@pytest.mark.parametrize(
    ("before", "code"),
    [
        ([], Code.UNAVAILABLE),
        ([Failure.LOSE_ANSWER], Code.OUTCOME_UNKNOWN),
        ([Failure.LOSE_WRITE, Failure.REFUSE], Code.OUTCOME_UNKNOWN),
    ],
)
async def test_who_is_taken_over_says_no_only_of_what_was_certainly_not_written(
    taken_over, before, code
):
    faulty = FaultyStore(MemoryStore())
    async with running(faulty) as node:
        faulty.fail(*before, taken_over)
        assert await faults_of([post(node, world().envelope())]) == [code]
        assert await faults_of([post(node, world().envelope())]) == [Code.UNAVAILABLE]


async def test_while_the_outcome_is_unknown_newcomers_are_told_neither_yes_nor_no():
    faulty = FaultyStore(MemoryStore())
    async with running(faulty) as node:
        faulty.fail(*[Failure.LOSE_ANSWER] * 3)
        first = post(node, world().envelope())
        await until(lambda: node.writer.fault is not None)
        assert not node.is_ready
        late = world().envelope()
        assert await faults_of([post(node, late)]) == [Code.OUTCOME_UNKNOWN]
        assert (await first).receipt.index == BASE
        assert node.is_ready
        assert (await post(node, late)).is_new


async def test_refused_after_unknown_does_not_pass_for_not_written():
    class Full(FaultyStore):
        """Writes the batch, loses the answer, and is full when it is asked again."""

    faulty = Full(MemoryStore())
    async with running(faulty) as node:
        faulty.fail(Failure.LOSE_ANSWER, Failure.REFUSE, Failure.REFUSE)
        answer = await post(node, world().envelope())
        assert answer.receipt.index == BASE
        assert (await post(node, world().envelope())).receipt.index == BASE + 1


async def test_full_disk_is_a_fault_and_the_next_post_goes_through(store):
    faulty = FaultyStore(store)
    async with running(faulty) as node:
        faulty.fail(Failure.REFUSE)
        envelope = world().envelope()
        assert await faults_of([post(node, envelope)]) == [Code.STORE_FAILED]
        assert node.writer.size == BASE
        assert node.is_ready
        assert (await post(node, envelope)).receipt.index == BASE


async def test_trust_document_in_a_refused_group_takes_no_effect():
    faulty = FaultyStore(MemoryStore())
    async with running(faulty) as node:
        faulty.fail(Failure.REFUSE)
        suspension = post(node, world().amended(COAST, suspended), MINSA)
        assert await faults_of([suspension]) == [Code.STORE_FAILED]
        assert node.writer.view.standing(COAST).is_active


async def test_store_that_does_not_answer_a_read_is_a_fault_and_then_forgotten(store):
    faulty = FaultyStore(store)
    async with running(faulty) as node:
        faulty.is_silent = True
        assert await faults_of([post(node, world().envelope())]) == [Code.STORE_FAILED]
        faulty.is_silent = False
        assert (await post(node, world().envelope())).is_new


async def test_fault_while_the_tree_grows_ends_the_group_and_not_the_node():
    faulty = FaultyStore(MemoryStore())
    async with running(faulty) as node:
        find = faulty.find

        async def find_and_fall_silent(keys):
            found = await find(keys)
            faulty.is_silent = True
            return found

        # Up to the last entry of a tile: the next group completes it, and so reads hashes.
        while node.writer.size < 255:
            await post(node, b"x", OPS)
        faulty.find = find_and_fall_silent
        envelope = world().envelope()
        group = [post(node, envelope), post(node, b"x", OPS)]
        found = await faults_of(group)
        assert set(found) <= {Code.STORE_FAILED, None}
        del faulty.find
        faulty.is_silent = False
        assert (await post(node, envelope)).receipt.index >= 255
        assert node.is_ready


async def test_second_writer_fences_the_first_off():
    store = MemoryStore()
    async with running(store) as first:
        await post(first, world().envelope())
        async with running(store.reopen()) as second:
            assert await faults_of([post(first, world().envelope())]) == [Code.UNAVAILABLE]
            await until(lambda: not first.is_ready)
            assert await faults_of([post(first, world().envelope())]) == [Code.UNAVAILABLE]
            assert (await post(second, world().envelope())).is_new
            assert second.is_ready
            assert second.writer.epoch == first.writer.epoch + 1


# -- one order -----------------------------------------------------------------------------


async def test_what_comes_after_a_suspension_is_judged_under_it_and_keeps_its_place():
    gate = Gate(MemoryStore())
    async with running(gate) as node:
        gate.shut()
        before = post(node, world().envelope(to=[COAST]))
        trust = post(node, world().amended(COAST, suspended), MINSA)
        after = [post(node, world().envelope(to=[COAST])) for _ in range(40)]
        fit = post(node, world().envelope(to=[WATCH]))
        await until(lambda: bool(gate.batches))
        gate.open.set()
        answers = await asyncio.gather(before, trust, *after, fit)
        written = await journal(node)
    assert [each.receipt.index for each in answers] == list(range(BASE, BASE + 43))
    assert answers[0].refusal is None
    assert {each.refusal.code for each in answers[2:-1]} == {Code.ENDPOINT_SUSPENDED}
    assert answers[-1].refusal is None
    assert {entry.facts.view for entry in written[BASE + 2 :]} == {BASE + 1}


async def test_taken_time_is_that_of_arrival_even_if_considered_twice():
    clock = Clock()
    gate = Gate(MemoryStore())
    async with running(gate, clock) as node:
        gate.shut()
        trust = post(node, world().amended(COAST, suspended), MINSA)
        await asyncio.sleep(0)
        clock.ms += 7
        behind = post(node, world().envelope(to=[WATCH]))
        await until(lambda: bool(gate.batches))
        clock.ms += 1000
        gate.open.set()
        answers = await asyncio.gather(trust, behind)
        facts = (await journal(node))[answers[1].receipt.index].facts
    assert (facts.taken_ms, facts.view) == (NOW_MS + 7, BASE)


async def test_taken_time_never_decreases_when_the_clock_jumps_back():
    clock = Clock()
    async with running(clock=clock) as node:
        for step in (5, -3_600_000, 1, 3_700_000):
            clock.ms += step
            await post(node, world().envelope())
            await node.checkpoints.checkpoint()
        taken = [entry.facts.taken_ms for entry in await journal(node)]
    assert taken == sorted(taken)
    # Before the last step's bulletin, inbox heads and checkpoint.
    assert taken[-4] == NOW_MS + 5


# -- something breaks inside ---------------------------------------------------------------


async def test_broken_consideration_answers_one_and_spares_the_others(monkeypatch):
    consider, poison = considering.consider, world().envelope()

    def breaks(arrival, view):
        if arrival.raw == poison.header:
            raise KeyError(arrival.raw)
        return consider(arrival, view)

    monkeypatch.setattr(considering, "consider", breaks)
    async with running() as node:
        group = [post(node, each) for each in (world().envelope(), poison, world().envelope())]
        assert await faults_of(group) == [None, Code.INTERNAL, None]
        assert node.is_ready
        assert (await post(node, world().envelope())).is_new


async def test_broken_settling_answers_one_and_spares_the_others(monkeypatch):
    place, poison = settle.Ledger._place, world().envelope()

    def breaks(self, considered, arrival, known, held):
        if arrival[1] == poison.header:
            raise KeyError(arrival)
        return place(self, considered, arrival, known, held)

    monkeypatch.setattr(settle.Ledger, "_place", breaks)
    async with running() as node:
        group = [post(node, each) for each in (world().envelope(), poison, world().envelope())]
        assert await faults_of(group) == [None, Code.INTERNAL, None]
        indexes = [entry.object for entry in await journal(node) if entry.object]
        assert len(indexes) == 2
        assert node.is_ready


async def test_half_settled_ledger_is_thrown_away(monkeypatch):
    add, poison = settle.Ledger.add, world().envelope()

    def breaks(self, record):
        index = add(self, record)
        if poison.header in record.entry:
            raise KeyError
        return index

    monkeypatch.setattr(settle.Ledger, "add", breaks)
    async with running() as node:
        assert await faults_of([post(node, poison)]) == [Code.INTERNAL]
        assert node.writer.size == BASE
        assert (await post(node, world().envelope())).receipt.index == BASE


async def test_signer_that_fails_ends_the_group_and_not_the_node():
    class Token:
        """A device that loses its connection once."""

        def __init__(self, inner):
            self.inner, self.suite, self.keys, self.is_out = inner, "xb1-h", inner.keys, False

        def sign(self, place, data):
            if self.is_out:
                raise Fault(Code.KEY_FILE)
            return self.inner.sign(place, data)

    token = Token(SoftwareSigner("xb1-h", world().node.of("sign")))
    async with running(signer=token) as node:
        token.is_out = True
        assert await faults_of([post(node, world().envelope())]) == [Code.KEY_FILE]
        token.is_out = False
        assert (await post(node, world().envelope())).receipt.index == BASE


async def test_broken_reply_and_broken_reader_are_their_own_trouble():
    async with running() as node:

        def broken(_):
            raise KeyError

        node.writer._followers.insert(0, broken)
        envelope = world().envelope()
        node.writer.submit(OPS, envelope.header, envelope.body, broken)
        assert (await post(node, world().envelope())).receipt.index == BASE + 1
        assert node.is_ready


async def test_broken_receipt_of_a_duplicate_is_a_fault_for_that_poster_alone():
    faulty = FaultyStore(MemoryStore())
    async with running(faulty) as node:
        envelope = world().envelope()
        await post(node, envelope)

        async def none(_):
            return ports.GroupRow(0, 1, b"")

        faulty.group = none
        assert await faults_of([post(node, envelope)]) == [Code.INTERNAL]
        assert (await post(node, world().envelope())).is_new


# -- nobody waits for ever -----------------------------------------------------------------


@pytest.mark.parametrize("where", ["in flight", "considering", "waiting"])
async def test_close_answers_everybody_who_waits(where, monkeypatch):
    gate = Gate(MemoryStore())
    held = asyncio.Event()

    async def never(*_):
        held.set()
        await asyncio.Event().wait()

    count = 200 if where == "waiting" else 3
    context = running(gate, documents=[])
    node = await context.__aenter__()
    if where == "considering":
        monkeypatch.setattr(arrivals.Arrivals, "fresh", never)
    gate.shut()
    waiting = [post(node, world().envelope(), OPS) for _ in range(count)]
    if where == "considering":
        await held.wait()
    else:
        await until(lambda: bool(gate.batches))
    await context.__aexit__(None, None, None)
    found = await asyncio.wait_for(faults_of(waiting), 5)
    assert set(found) <= {Code.UNAVAILABLE, Code.OUTCOME_UNKNOWN}
    assert (Code.OUTCOME_UNKNOWN in found) == (where != "considering")
    assert await faults_of([post(node, world().envelope())]) == [Code.UNAVAILABLE]


async def test_what_waits_for_the_writer_is_bounded_wherever_it_waits(monkeypatch):
    monkeypatch.setattr(writer, "MAX_WAITING", 50)
    gate = Gate(MemoryStore())
    async with running(gate) as node:
        gate.shut()
        waiting = [post(node, b"x", OPS) for _ in range(40)]
        await until(lambda: bool(gate.batches) and not node.writer.arrivals._waiting)
        waiting += [post(node, b"x", OPS) for _ in range(30)]
        await asyncio.sleep(0)
        over = [each for each in waiting if each.done()]
        assert await faults_of(over) == [Code.UNAVAILABLE] * 20
        gate.open.set()
        await faults_of(waiting)
        assert (await post(node, world().envelope())).is_new


async def test_note_whose_asker_left_does_not_stop_the_writer():
    gate = Gate(MemoryStore())
    async with running(gate) as node:
        gate.shut()

        def made(ledger):
            return entries.EpochOpened(
                node="pa", epoch=1, salt=ledger.salt(), taken_ms=ledger.taken_ms, view=-1
            )

        note = asyncio.ensure_future(node.writer.note(made))
        await until(lambda: gate.batches == [1])
        note.cancel()
        queued = asyncio.ensure_future(node.writer.note(made))
        await asyncio.sleep(0)
        queued.cancel()
        gate.open.set()
        assert (await post(node, world().envelope())).is_new
        assert node.is_ready


@pytest.mark.parametrize("jump_ms", [MAX_JUMP_MS + 1, -MAX_JUMP_MS - 1])
async def test_clock_that_jumps_stops_all_writing_before_it_is_written(jump_ms):
    clock = Clock()
    async with running(clock=clock, monotonic=lambda: 0) as node:
        await post(node, world().envelope())
        size = node.writer.size
        clock.ms += jump_ms
        with pytest.raises(Fault) as caught:
            await post(node, world().envelope())
        assert caught.value.code is Code.CLOCK
        assert not node.is_ready
        assert (await node.store.head()).size == size


async def test_clock_that_is_set_a_little_at_a_time_is_followed():
    clock = Clock()
    async with running(clock=clock, monotonic=lambda: 0) as node:
        for _ in range(5):
            clock.ms += MAX_JUMP_MS
            assert (await post(node, world().envelope(issued=NOW_MS // 1000))).refusal is None
