"""Considering in processes of their own: the same decisions, and no harm when one is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from exchange.broker.intake import Arrival, Considered, Declined, consider
from exchange.errors import Code, Fault
from exchange.model import objects
from exchange.node import considering
from exchange.node.considering import Processes
from tests.builders import NOW_MS, OPS, WATCH, new_id, suspended, world

PAGE_S = 10


@asynccontextmanager
async def processes(ways: int = 1) -> AsyncIterator[Processes]:
    pool = Processes(ways)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()


def pids(pool: Processes) -> list[int]:
    return [worker.process.pid for worker in pool._workers]


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def same(found: Considered | None, expected: Considered) -> bool:
    if found is None:
        return False
    one, other = found.decision, expected.decision
    if isinstance(one, Declined) and isinstance(other, Declined):
        told = [
            (each.refusal.code, each.refusal.at, each.refusal.facts) for each in (one, other)
        ]
        assert found[1:] == expected[1:]
        return told[0] == told[1] and one[1:] == other[1:]
    return found == expected


def arrivals() -> list[Arrival]:
    """One of each kind of decision there is."""
    envelope = world().envelope()
    subscription = world().subscription()
    subject = msgspec.convert(
        {"endpoint": OPS, "id": new_id(), "header_digest": "A" * 43}, objects.Subject
    )
    return [
        world().arrival(envelope),
        world().arrival(world().envelope(expires=1)),
        world().arrival(world().ack(envelope)),
        world().arrival(world().ack(envelope, of=subject)),
        world().arrival(subscription, WATCH),
        Arrival(OPS, b"\xff not an object", b"", NOW_MS),
        Arrival(WATCH, envelope.header, envelope.body, NOW_MS),
    ]


async def test_a_process_concludes_what_a_thread_does() -> None:
    view = world().view
    async with processes() as pool:
        found = await pool.consider(arrivals_ := arrivals(), view)
    expected = [consider(each, view) for each in arrivals_]
    assert len({type(each.decision) for each in expected}) == 4
    assert all(same(*pair) for pair in zip(found, expected, strict=True)), found


async def test_a_process_considers_under_the_view_it_is_given() -> None:
    arrival = world().arrival(world().envelope())
    later = world().later(world().amended(OPS, suspended))
    async with processes() as pool:
        before, after, again = [
            (await pool.consider([arrival], view))[0]
            for view in (world().view, later, world().view)
        ]
    assert (before, again) == (consider(arrival, world().view),) * 2
    assert same(after, consider(arrival, later))
    assert after is not None
    assert isinstance(after.decision, Declined)


async def test_order_is_kept_over_many_lists_at_once() -> None:
    each = [world().arrival(world().envelope()) for _ in range(6)]
    async with processes(2) as pool:
        found = await asyncio.gather(*(pool.consider([one], world().view) for one in each))
        assert await pool.consider([], world().view) == []
    assert [said for (said,) in found] == [consider(one, world().view) for one in each]


async def test_arrivals_larger_than_a_socket_holds_are_considered() -> None:
    large = world().envelope(text=b" " * 200_000)
    async with processes() as pool:
        found = await pool.consider([world().arrival(large)] * 8, world().view)
    assert found == [consider(world().arrival(large), world().view)] * 8


async def test_a_lost_process_is_a_fault_and_is_replaced() -> None:
    arrival = world().arrival(world().envelope())
    async with processes() as pool:
        before = pids(pool)
        os.kill(before[0], signal.SIGSTOP)
        waiting = pool.consider([arrival], world().view)
        os.kill(before[0], signal.SIGKILL)
        with pytest.raises(Fault) as lost:
            await asyncio.wait_for(waiting, PAGE_S)
        assert lost.value.code is Code.UNAVAILABLE
        async with asyncio.timeout(PAGE_S):
            while True:
                try:
                    found = await pool.consider([arrival], world().view)
                    break
                except Fault:
                    await asyncio.sleep(0.02)
        assert found == [consider(arrival, world().view)]
        assert pids(pool) != before


async def test_one_lost_process_leaves_the_others_at_work() -> None:
    arrival = world().arrival(world().envelope())
    async with processes(2) as pool:
        os.kill(pids(pool)[0], signal.SIGKILL)
        async with asyncio.timeout(PAGE_S):
            while not pool._workers[0].is_gone:  # noqa: ASYNC110  (the kernel sets no Event)
                await asyncio.sleep(0.01)
        assert await pool.consider([arrival], world().view) == [consider(arrival, world().view)]


async def test_a_process_that_talks_nonsense_is_hung_up_on() -> None:
    arrival = world().arrival(world().envelope())
    async with processes() as pool:
        os.kill(pids(pool)[0], signal.SIGSTOP)
        waiting = pool.consider([arrival], world().view)
        pool._workers[0].data_received(b"\x00\x00\x00\x01\xc1")
        with pytest.raises(Fault):
            await asyncio.wait_for(waiting, PAGE_S)
        assert pool._workers[0].is_gone
        os.kill(pids(pool)[0], signal.SIGCONT)


async def test_an_answer_to_fewer_than_were_asked_is_no_answer() -> None:
    async with processes() as pool:
        os.kill(pids(pool)[0], signal.SIGSTOP)
        waiting = pool.consider([world().arrival(world().envelope())] * 2, world().view)
        pool._workers[0].data_received(bytes(considering._frame([considering._Yours()])))
        with pytest.raises(Fault):
            await asyncio.wait_for(waiting, PAGE_S)
        os.kill(pids(pool)[0], signal.SIGCONT)


async def test_processes_end_with_the_pool() -> None:
    async with processes(2) as pool:
        there = pids(pool)
    assert not any(is_there(pid) for pid in there)


async def test_interrupting_the_terminal_does_not_reach_a_process() -> None:
    async with processes() as pool:
        assert os.getsid(pids(pool)[0]) != os.getsid(0)


async def test_worker_that_hangs_is_ended_and_who_waits_is_told(monkeypatch):
    monkeypatch.setattr(considering, "_DEADLINE_S", 0.2)
    async with processes() as pool:
        (hung,) = pids(pool)
        os.kill(hung, signal.SIGSTOP)
        with pytest.raises(Fault) as caught:
            async with asyncio.timeout(PAGE_S):
                await pool.consider(arrivals()[:1], world().view)
        assert caught.value.code is Code.UNAVAILABLE


async def test_worker_is_given_nothing_of_the_nodes_environment(monkeypatch):
    monkeypatch.setenv("EXCHANGE_PASSPHRASE", "exercise-canary")
    async with processes() as pool:
        assert not any(b"exercise-canary" in environment(pid) for pid in pids(pool))


def environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()
