"""A promise to every agency: a disk that is full costs time, and no record."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import pytest

from exchange.errors import Fault
from tests.crash.dice import Dice
from tests.crash.exercise import Exercise, NodeProcess
from tests.crash.load import Agencies, Told
from tests.crash.oracle import Journal, Oracle

# By so much may a file of the node still grow: nothing, a frame of the log, or a few groups.
_LEAST, _MOST = 0, 600_000


def _limit(node: NodeProcess, size: int) -> None:
    """Let no file of a node's writer grow beyond this: writing fails, as on a full disk."""
    hard = resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (size, hard))


def _largest(exercise: Exercise) -> int:
    return max(path.stat().st_size for path in exercise.folder.glob("journal.db*"))


async def _settle(agencies: Agencies) -> None:
    """Post again until the node has found its way back; it does so by itself."""
    async with asyncio.timeout(60):
        while True:
            try:
                await agencies.settle()
                await agencies.catch_up()
            except Fault:
                await asyncio.sleep(0.05)
            else:
                return


@pytest.mark.timeout(3600)
async def test_a_full_disk_loses_and_doubles_nothing_and_heals(
    tmp_path: Path, fillings: int, seed: str
) -> None:
    exercise, told, dice = Exercise(tmp_path), Told(), Dice(seed)
    oracle, refused = Oracle(exercise.view, told), 0
    node = NodeProcess(exercise)
    try:
        assert await asyncio.to_thread(node.ready)
        for number in range(fillings):
            fate = dice.fork(str(number))
            agencies = Agencies(exercise, told, fate, node.port)
            _limit(node, _largest(exercise) + _LEAST + fate.below(_MOST))
            # Whoever is told of a fault goes home, and so does everybody with him.
            working = asyncio.ensure_future(agencies.work(asyncio.Event()))
            async with asyncio.timeout(120):
                await working
            refused += len(told.unknown())
            _limit(node, resource.RLIM_INFINITY)
            await _settle(agencies)
            journal = await Journal.read(exercise.journal)
            oracle.check(journal)
            oracle.settled(journal)
        node.process.terminate()
        assert await asyncio.to_thread(node.process.wait, 30) == 0
    finally:
        node.kill()
    oracle.check(await Journal.read(exercise.journal))
    # It was full indeed, each time.
    assert refused >= fillings
