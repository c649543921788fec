"""Promises to a ship: a file gets through a poor link, and a node that dies costs no new start.

EXCHANGE_LINK_BYTES is how large the file is that goes over the poor link (200,000 unless set:
half a minute; 10,000,000 take over twenty).
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from exchange.cli import state
from exchange.client.reading import Delivered
from exchange.model.identity import digest
from tests.builders import Randomness
from tests.client.links import Poor, link
from tests.crash.agencies import POSTER, READER, agency, post_over
from tests.crash.dice import Dice
from tests.crash.exercise import Exercise, NodeProcess

LINK_BYTES = int(os.environ.get("EXCHANGE_LINK_BYTES", "200000"))
BITS_PER_S, ROUND_TRIP_S = 64_000, 0.8


def a_file(tmp_path: Path, size: int) -> Path:
    path = tmp_path / "EJERCICIO.bin"
    path.write_bytes(Randomness("a file")(size))
    return path


async def has_it(exercise: Exercise, node: NodeProcess, tmp_path: Path) -> int:
    """Read and save the one file that was posted, as its reader; the entry that brought it."""
    async with agency(exercise, READER, node.port, tmp_path / "in") as reader:
        (item,) = [e for e in await reader.everything() if isinstance(e, Delivered)]
        saved = await reader.save(item, 0, tmp_path)
    assert saved.read_bytes() == (tmp_path / "EJERCICIO.bin").read_bytes()
    return item.index


@pytest.mark.timeout(3600)
async def test_file_gets_through_a_slow_far_and_broken_link(tmp_path: Path, seed: str) -> None:
    exercise = Exercise(tmp_path / "exercise")
    path, node = a_file(tmp_path, LINK_BYTES), NodeProcess(exercise)
    often = max(200_000, LINK_BYTES // 12)
    poor = Poor(seed, often, BITS_PER_S, ROUND_TRIP_S / 2)
    try:
        assert await asyncio.to_thread(node.ready)
        async with link(node.port, poor) as (line, port):
            begin = time.monotonic()
            async with agency(exercise, POSTER, port, tmp_path / "out") as poster:
                receipt = await post_over(poster, path)
            took = time.monotonic() - begin
        least = LINK_BYTES * 8 / BITS_PER_S
        print(  # noqa: T201  (pytest shows it when asked to)
            f"{LINK_BYTES} bytes over {BITS_PER_S} bit/s, {ROUND_TRIP_S} s, {line.cuts} cuts: "
            f"{took:.0f} s, where the bytes alone take {least:.0f} s; "
            f"sent {line.carried['up']} bytes, received {line.carried['down']}"
        )
        assert line.cuts
        # Gone on from, not begun anew: a cut costs what was under way and no more.
        assert line.carried["up"] < LINK_BYTES + (line.cuts + 1) * 60_000
        assert await has_it(exercise, node, tmp_path) == receipt.index
    finally:
        node.kill()


class Offsets:
    """Hears how far an upload has come, and tells when it is past a mark."""

    def __init__(self, size: int) -> None:
        self._size, self._mark = size, 0
        self._reached = asyncio.Event()

    def __call__(self, offset: int, whole: int) -> None:
        # Sealing tells of the file, uploading of the larger ciphertext.
        if whole > self._size and offset >= self._mark:
            self._reached.set()

    async def past(self, mark: int) -> None:
        self._mark = mark
        self._reached.clear()
        await asyncio.wait_for(self._reached.wait(), 60)


@pytest.mark.timeout(600)
async def test_node_killed_while_it_takes_a_file_goes_on_where_it_was(
    tmp_path: Path, seed: str
) -> None:
    """Three SIGKILLs, each at a moment of its own; then the receipt, and every byte."""
    size, dice = 24_000_000, Dice(seed)
    exercise, path, offsets = (
        Exercise(tmp_path / "exercise"),
        a_file(tmp_path, size),
        Offsets(size),
    )
    node = NodeProcess(exercise)
    try:
        assert await asyncio.to_thread(node.ready)
        async with link(node.port, Poor(bits_per_s=80_000_000)) as (line, port):
            async with agency(exercise, POSTER, port, tmp_path / "out") as poster:
                posting = asyncio.ensure_future(post_over(poster, path, offsets))
                for third in range(3):
                    await offsets.past(size * third // 3 + dice.below(size // 4) + 1)
                    node.kill()
                    node = NodeProcess(exercise)
                    assert await asyncio.to_thread(node.ready)
                    line.port = node.port
                await asyncio.wait_for(posting, 120)
            assert line.carried["up"] < size + 3 * 4_000_000
        (kept,) = (state.State(exercise.folder).blobs / "kept").iterdir()
        assert digest(kept.read_bytes()) == kept.name
        await has_it(exercise, node, tmp_path)
    finally:
        node.kill()
