"""One round: start, settle what is unknown, work, and die at a moment that the dice choose."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.crash.dice import Dice
from tests.crash.exercise import Exercise, NodeProcess
from tests.crash.load import Agencies, Told
from tests.crash.oracle import Journal, Oracle, broken

# Into start-up, sealing and full load: when the node is killed after it is ready (seconds).
_SOONEST_S, _LATEST_S = 0.02, 1.2


async def run(folder: Path, rounds: int, seed: str, fault: str | None = None) -> Told:
    """Kill a node ``rounds`` times under load; raise ``Broken`` when a check does not hold."""
    exercise, told, dice = Exercise(folder), Told(), Dice(seed)
    oracle = Oracle(exercise.view, told)
    for number in range(rounds):
        await _round(exercise, told, oracle, dice.fork(str(number)), fault)
    node = NodeProcess(exercise, fault)
    try:
        await _reopened(node, exercise, told, oracle, dice)
        node.process.terminate()
        if node.process.wait(30) != 0:
            broken("ends-well", "the node did not end as asked")
    finally:
        node.kill()
    journal = await Journal.read(exercise.journal)
    oracle.check(journal)
    oracle.settled_and_stopped(journal)
    return told


async def _round(
    exercise: Exercise, told: Told, oracle: Oracle, dice: Dice, fault: str | None
) -> None:
    node = NodeProcess(exercise, fault)
    try:
        await _reopened(node, exercise, told, oracle, dice)
        stop = asyncio.Event()
        agencies = Agencies(exercise, told, dice, node.port)
        working = asyncio.ensure_future(agencies.work(stop))
        await asyncio.sleep(dice.seconds(_SOONEST_S, _LATEST_S))
    finally:
        node.kill()
    stop.set()
    await working


async def _reopened(
    node: NodeProcess, exercise: Exercise, told: Told, oracle: Oracle, dice: Dice
) -> None:
    """Check what the kill before this left; settle what is unknown since, and check that."""
    if not await asyncio.to_thread(node.ready):
        broken("reopens", str(node.diary()[-1:]))
    oracle.check(await Journal.read(exercise.journal))
    agencies = Agencies(exercise, told, dice, node.port)
    await agencies.settle()
    await agencies.catch_up()
    journal = await Journal.read(exercise.journal)
    oracle.check(journal)
    oracle.settled(journal)
    if defects := [line for line in node.diary() if line["event"] == "broken"]:
        broken("no-defects", str(defects[0]))
