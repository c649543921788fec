"""What a front considered: taken in order, and considered again where it no longer holds."""

from __future__ import annotations

import asyncio

import pytest

from exchange.broker import intake
from exchange.errors import Code, Refusal
from exchange.model.entry import Checkpointed
from exchange.node import arrivals, considering
from exchange.node.clock import MAX_JUMP_MS
from exchange.node.writer import Considered
from exchange.store.memory import MemoryStore
from tests.builders import COAST, MINSA, NOW, NOW_MS, WATCH, suspended, world
from tests.node.running import Clock, Gate, journal, post, running, until


def considered(node, envelope, at_ms, ticket=0):
    arrival = world().arrival(envelope)._replace(taken_ms=at_ms)
    return Considered(arrival, intake.consider(arrival, node.view), ticket)


async def taken(node, come):
    """Hand over, wait for every answer, and return them by number."""
    answers = {}
    node.writer.take_considered(come, answers.__setitem__)
    await until(lambda: len(answers) == len(come))
    return answers


@pytest.fixture
def again(monkeypatch):
    """How many arrivals the writer's own process considered."""
    seen, plain = [], considering.consider

    def counted(arrival, view):
        seen.append(arrival)
        return plain(arrival, view)

    monkeypatch.setattr(considering, "consider", counted)
    return seen


async def test_each_is_answered_by_its_number_and_nothing_is_considered_twice(again):
    async with running() as node:
        again.clear()
        come = [considered(node, world().envelope(), NOW_MS + n, 7 + n) for n in range(5)]
        answers = await taken(node, come)
        indexes = [answers[7 + n].receipt.index for n in range(5)]
    assert indexes == sorted(set(indexes))
    assert again == []


async def test_within_its_second_a_decision_holds_and_taken_times_never_decrease(again):
    async with running(clock=Clock(NOW_MS + 900)) as node:
        await post(node, world().envelope())
        again.clear()
        late = considered(node, world().envelope(), NOW_MS + 5)
        answers = await taken(node, [late])
        entries = await journal(node)
    assert answers[0].refusal is None
    assert [each.facts.taken_ms for each in entries[-2:]] == [NOW_MS + 900] * 2
    assert again == []


async def test_decision_of_an_earlier_second_is_made_again_at_the_time_it_is_taken(again):
    async with running(clock=Clock(NOW_MS + 1001)) as node:
        await post(node, world().envelope())
        again.clear()
        # It was in time when the front looked, and is no longer when it is taken.
        late = considered(node, world().envelope(expires=NOW + 1), NOW_MS + 999)
        assert isinstance(late.considered.decision, intake.Admitted)
        answers = await taken(node, [late])
    assert answers[0].refusal.code is Code.EXPIRED
    assert len(again) == 1


async def test_decision_under_another_view_is_made_again(again):
    async with running() as node:
        old = considered(node, world().envelope(to=[COAST]), NOW_MS)
        await post(node, world().amended(COAST, suspended), MINSA)
        again.clear()
        assert isinstance(old.considered.decision, intake.Admitted)
        answers = await taken(node, [old])
    assert answers[0].refusal.code is Code.ENDPOINT_SUSPENDED
    assert len(again) == 1


async def test_what_a_front_could_not_conclude_on_is_considered_in_its_place(again):
    async with running() as node:
        again.clear()
        come = [considered(node, world().envelope(), NOW_MS, n) for n in range(3)]
        come[1] = come[1]._replace(considered=None)
        answers = await taken(node, come)
        indexes = [answers[n].receipt.index for n in range(3)]
    assert indexes == sorted(set(indexes))
    assert len(again) == 1


async def test_refusal_before_reading_stays_one_whatever_changed_since(again):
    async with running(clock=Clock(NOW_MS + 5000)) as node:
        # Its bytes are an object that would pass: only its frame was wrong.
        arrival = world().arrival(world().envelope())._replace(taken_ms=NOW_MS)
        refusal = Refusal(Code.BAD_FRAMING, expected="final-line-feed")
        declined = intake.decline(arrival, refusal, node.view)
        await post(node, world().amended(COAST, suspended), MINSA)
        again.clear()
        answers = await taken(node, [Considered(arrival, declined, 0, is_final=True)])
        facts = (await journal(node))[-1].facts
    assert answers[0].refusal.code is Code.BAD_FRAMING
    assert (facts.code, facts.taken_ms // 1000) == ("bad-framing", NOW + 5)
    assert again == []


async def test_many_trust_entries_in_a_row_send_back_few_each(again):
    versions = 40
    async with running() as node:
        again.clear()
        chosen = [world().subscription(version=version) for version in range(1, versions + 1)]
        come = [
            Considered(world().arrival(each, WATCH), None, n) for n, each in enumerate(chosen)
        ]
        answers = await taken(node, come)
    assert [answers[n].refusal for n in range(versions)] == [None] * versions
    assert len(again) <= 3 * versions


async def test_front_whose_clock_runs_ahead_stops_all_writing():
    async with running() as node:
        ahead = considered(node, world().envelope(), NOW_MS + MAX_JUMP_MS + 1)
        answers = await taken(node, [ahead])
        assert answers[0].code is Code.CLOCK
        assert not node.is_ready


async def test_what_fronts_hand_over_is_bounded(monkeypatch):
    monkeypatch.setattr("exchange.node.writer.MAX_WAITING", 3)
    gate = Gate(MemoryStore())
    async with running(gate) as node:
        gate.shut()
        come = [considered(node, world().envelope(), NOW_MS, n) for n in range(3)]
        first = asyncio.ensure_future(taken(node, come[:1]))
        await until(lambda: bool(gate.batches))
        over = await taken(node, come)
        assert {each.code for each in over.values()} == {Code.UNAVAILABLE}
        gate.open.set()
        assert (await first)[0].is_new


async def test_same_bytes_from_two_fronts_are_recorded_once():
    async with running() as node:
        envelope = world().envelope()
        one, two = considered(node, envelope, NOW_MS), considered(node, envelope, NOW_MS, 1)
        answers = await taken(node, [one, two])
    assert answers[0].receipt == answers[1].receipt
    assert [answers[0].is_new, answers[1].is_new] == [True, False]


async def test_small_group_waits_for_what_fronts_say_is_coming(monkeypatch):
    monkeypatch.setattr(arrivals, "_GATHER_S", 60)
    async with running() as node:
        come = [considered(node, world().envelope(), NOW_MS + n, n) for n in range(3)]
        groups, answers, left = [], {}, len(come)
        node.writer.arrivals.coming = lambda: left
        node.writer.follow(groups.append)
        for each in come:
            left -= 1
            assert not answers
            node.writer.take_considered([each], answers.__setitem__)
            for _ in range(20):
                await asyncio.sleep(0)
        await until(lambda: len(answers) == len(come))
    assert [len(each) for each in groups if not isinstance(each[0].facts, Checkpointed)] == [3]


async def test_front_that_promised_more_and_sends_none_holds_up_nobody():
    async with running() as node:
        node.writer.arrivals.coming = lambda: 5
        answers = await taken(node, [considered(node, world().envelope(), NOW_MS)])
    assert answers[0].refusal is None
