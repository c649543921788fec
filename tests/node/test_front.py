"""A front by itself: what it concludes, what it says when it cannot, and what bounds it."""

from __future__ import annotations

import asyncio
import pickle

import msgspec
import pytest

from exchange.broker import intake
from exchange.errors import Code, Fault, Refusal
from exchange.model.identity import digest
from exchange.model.shown import Shown
from exchange.node import frames, front
from exchange.node.clock import MAX_JUMP_MS, Clock
from exchange.node.front import SLICE, Front
from exchange.node.ports import Kept
from exchange.node.sessions import Sessions
from exchange.store.blob_memory import MemoryBlobs
from exchange.store.memory import MemoryStore
from tests import builders
from tests.builders import AUDIT, NOW_MS, OPS, world
from tests.node.running import SESSION_KEY
from tests.node.running import Clock as Time


@pytest.fixture
def wall():
    return Time()


@pytest.fixture
def said():
    return []


@pytest.fixture
def alone(wall, said):
    """A front whose writer only listens."""
    view = pickle.dumps(world().view)
    hello = frames.Hello("pa", "", SESSION_KEY, "", b"", 0, view, 9, {}, None)
    sessions = Sessions("pa", SESSION_KEY, builders.Randomness("front"))
    kept = Kept(MemoryStore(), MemoryBlobs(wall))
    made = Front(hello, kept, sessions, wall, Clock(wall, lambda: 0))
    made.say = said.append
    return made


def taken(alone, envelope, answers):
    alone.take(OPS, envelope.header, envelope.body, answers.append)


async def settled():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_comes_in_one_turn_is_considered_by_slices_and_in_order(alone, said):
    sent = [world().envelope() for _ in range(SLICE + 3)]
    for each in sent:
        taken(alone, each, [])
    await settled()
    # A slice goes in several messages: a large block would cost a front more than it holds.
    sizes = [sum(len(item.raw) + len(item.body) for item in each.items) for each in said]
    assert len(said) > 2
    assert max(sizes) < 2**18
    items = [item for message in said for item in message.items]
    assert [item.raw for item in items] == [each.header for each in sent]
    assert {type(item.told) for item in items} == {frames.SaidAdmitted}


async def test_reply_goes_to_who_asked_and_once(alone, said):
    answers = []
    taken(alone, world().envelope(), answers)
    await settled()
    ticket = said[0].items[0].ticket
    reply = frames.Reply(ticket, 12, "{}", ["A"], 0, True, None, "", {})
    alone.hear(frames.Replies([b"{}"], [reply, reply]))
    assert [each.receipt.index for each in answers] == [12]


async def test_recorded_refusal_comes_with_its_receipt_and_a_fault_without(alone, said):
    answers = []
    for _ in range(2):
        taken(alone, world().envelope(), answers)
    await settled()
    one, two = (item.ticket for item in said[0].items)
    refused = frames.Reply(one, 12, "{}", [], 0, True, Code.EXPIRED, "/expires", {"found": 1})
    failed = frames.Reply(two, -1, "", [], 0, False, Code.UNAVAILABLE, "", {})
    alone.hear(frames.Replies([b"{}"], [refused, failed]))
    assert (answers[0].refusal.code, answers[0].receipt.index) == (Code.EXPIRED, 12)
    assert isinstance(answers[1], Fault)


async def test_front_whose_clock_jumped_takes_nothing_more(alone, said, wall):
    answers = []
    taken(alone, world().envelope(), answers)
    wall.ms += MAX_JUMP_MS + 1
    for _ in range(2):
        taken(alone, world().envelope(), answers)
    await settled()
    assert [each.code for each in answers] == [Code.CLOCK] * 2
    assert said[0] == frames.Stopped(MAX_JUMP_MS + 1)
    assert [len(message.items) for message in said[1:]] == [1]


async def test_what_waits_at_a_front_is_bounded_and_who_is_answered_waits_no_more(
    alone, said, monkeypatch
):
    monkeypatch.setattr(front, "MAX_WAITING", 2)
    answers = []
    for _ in range(3):
        taken(alone, world().envelope(), answers)
    await settled()
    assert [each.code for each in answers] == [Code.UNAVAILABLE]
    ticket = said[0].items[0].ticket
    alone.hear(
        frames.Replies([b"{}"], [frames.Reply(ticket, 1, "{}", [], 0, True, None, "", {})])
    )
    taken(alone, world().envelope(), answers)
    await settled()
    assert len(answers) == 2


async def test_defect_in_considering_one_leaves_it_to_the_writer(alone, said, monkeypatch):
    poison, plain = world().envelope(), intake.judge

    def breaks(arrival, found, view):
        if arrival.raw == poison.header:
            raise ZeroDivisionError
        return plain(arrival, found, view)

    monkeypatch.setattr(intake, "judge", breaks)
    for each in (world().envelope(), poison, world().envelope()):
        taken(alone, each, [])
    await settled()
    told = [type(item.told) for item in said[0].items]
    assert told == [frames.SaidAdmitted, frames.SaidNothing, frames.SaidAdmitted]


async def test_conclusion_without_a_spelling_leaves_its_slice_to_the_writer(alone):
    heard = []

    def say(message):
        if isinstance(message.items[0].told, frames.SaidAdmitted):
            raise OverflowError
        heard.append(message)

    alone.say = say
    taken(alone, world().envelope(), [])
    await settled()
    assert [type(item.told) for item in heard[0].items] == [frames.SaidNothing]


async def test_what_was_shown_is_told_once_and_in_messages_of_bounded_size(
    alone, said, monkeypatch
):
    monkeypatch.setattr(frames, "MAX_SHOWN", 2)
    for at in range(3):
        alone.reads.add(AUDIT, Shown("entries", 1, at, at, 1))
        alone.reads.add("pa.contraloria/audit", Shown("entries", 1, at, at, 1))
        alone.reads.add(AUDIT, Shown("proofs", 1, at, at, 1))
    alone.tell_shown()
    alone.tell_shown()
    heard = [frames.FRONT.decode(msgspec.msgpack.encode(each)) for each in said]
    assert heard == [
        frames.Showed(
            [(AUDIT, Shown("entries", 3, 0, 2, 3)), (AUDIT, Shown("proofs", 3, 0, 2, 3))]
        ),
        frames.Showed([("pa.contraloria/audit", Shown("entries", 3, 0, 2, 3))]),
    ]


async def test_refusal_before_reading_is_handed_on_as_it_is(alone, said):
    alone.decline(OPS, b"half", Refusal(Code.BAD_FRAMING, found=3), lambda _: None)
    await settled()
    (item,) = said[0].items
    named = frames.SaidUnread(Code.BAD_FRAMING, "", {"found": 3}, digest(b"half"), 4)
    assert (item.told, item.raw, item.taken_ms) == (named, b"", NOW_MS)


async def test_writer_that_does_not_say_how_it_is_makes_the_node_unavailable(
    alone, monkeypatch
):
    monkeypatch.setattr(front, "_STATUS_S", 0.01)
    with pytest.raises(Fault) as caught:
        await alone.health()
    assert caught.value.code is Code.UNAVAILABLE
