"""The lock of the desk: by itself after a while, and open by the passphrase alone."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time

import pytest

from exchange.cli import world
from exchange.desk import lock as locking
from exchange.desk.lock import Lock, keep
from exchange.errors import Code, Fault
from tests.web.trial import Clock


def lock(clock, opens="right".__eq__):
    return Lock(clock, opens, 60)


def test_it_locks_when_nobody_was_there_for_so_long_and_not_before():
    clock = Clock()
    made = lock(clock)
    clock.ms += 59_999
    assert not made.is_locked
    made.touch()
    clock.ms += 59_999
    assert not made.is_locked
    clock.ms += 1
    assert made.is_locked


def test_who_comes_too_late_does_not_open_it():
    clock = Clock()
    made = lock(clock)
    clock.ms += 60_000
    made.touch()
    assert made.is_locked
    # It stays locked, whatever the clock says from there on.
    clock.ms -= 30_000
    made.touch()
    assert made.is_locked


async def test_passphrase_is_tried_and_opens():
    made = lock(Clock())
    made.shut()
    assert made.is_locked
    assert not await made.unlock("wrong")
    assert made.is_locked
    assert await made.unlock("right")
    assert not made.is_locked


async def test_passphrases_are_tried_one_at_a_time():
    # Whoever is tried waits for a second one to be there, and nobody ever is.
    both, together = threading.Barrier(2), list[str]()

    def opens(said):
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.1)
            together.append(said)
        both.reset()
        return False

    made = lock(Clock(), opens)
    made.shut()
    await asyncio.gather(made.unlock("a"), made.unlock("b"))
    assert together == []


async def test_pages_are_told_that_it_locked():
    clock = Clock()
    made, told = lock(clock), asyncio.Event()
    clock.ms += 60_000
    task = asyncio.ensure_future(keep(made, told.set))
    await asyncio.wait_for(told.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_fault_of_the_container_is_told_and_opens_nothing():
    def broken(_):
        raise Fault(Code.KEY_FILE)

    made = lock(Clock(), broken)
    made.shut()
    with pytest.raises(Fault):
        await made.unlock("right")
    assert made.is_locked


async def test_pages_are_told_soon_after_the_machine_slept(monkeypatch):
    monkeypatch.setattr(locking, "_LOOK_S", 0.001)
    clock = Clock()
    made, told = lock(clock), asyncio.Event()
    task = asyncio.ensure_future(keep(made, told.set))
    await asyncio.sleep(0)
    # Waiting goes by another clock, which stood still meanwhile.
    clock.ms += 60_000
    await asyncio.wait_for(told.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(("there", "found"), [(True, 9_000), (False, 4_000)])
def test_clock_goes_on_while_the_machine_sleeps_where_there_is_one(monkeypatch, there, found):
    seconds = {time.CLOCK_MONOTONIC: 4}
    if there:
        seconds[7] = 9
        monkeypatch.setattr(time, "CLOCK_BOOTTIME", 7, raising=False)
    else:
        monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    monkeypatch.setattr(time, "clock_gettime_ns", lambda clock: seconds[clock] * 10**9)
    assert world.elapsed_ms() == found
