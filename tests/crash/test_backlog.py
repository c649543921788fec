"""A promise to whoever sends a FLASH: no backlog is before it, however long.

100,000 ROUTINE take minutes to seal and post; EXCHANGE_BACKLOG says another number.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest

from exchange.client.transport import Transport
from exchange.model import events, objects, wire
from tests.crash.exercise import POSTERS, READERS, Exercise, NodeProcess

ALFA, ECHO = POSTERS[0], READERS[1]
_BATCH = 100
_POSTERS = 4
# What lies in the kernel's buffer of the reader by then: here up to 6 MB, some 650 entries.
_ON_THE_WAY = 2000


async def test_flash_behind_a_backlog_is_told_first_over_pages_and_streams(
    tmp_path: Path,
) -> None:
    count = int(os.environ.get("EXCHANGE_BACKLOG", "100000"))
    exercise = Exercise(tmp_path)
    node = NodeProcess(exercise)
    try:
        assert await asyncio.to_thread(node.ready)
        async with (
            exercise.transport(ALFA, node.port) as alfa,
            exercise.transport(ECHO, node.port) as echo,
        ):
            batches = iter([min(_BATCH, count - at) for at in range(0, count, _BATCH)])
            await asyncio.gather(*(_routine(exercise, alfa, batches) for _ in range(_POSTERS)))
            early = await _flash(exercise, alfa)
            page = await echo.get_as(wire.InboxPage, "/v1/inbox", limit=64, flash=-1)
            assert [each.index for each in page.ahead] == [early]
            assert page.total == count + 1
            await _streamed(exercise, alfa, echo, [early])
    finally:
        node.kill()


async def _routine(exercise: Exercise, alfa: Transport, batches: Iterator[int]) -> None:
    """Post from one heap with the others: while one batch is posted, others are sealed."""
    for count in batches:
        framed = await asyncio.to_thread(_sealed, exercise, count)
        answers = wire.decode_lines(await alfa.post("/v1/batch", framed))
        assert all(each.receipt is not None for each in answers)


def _sealed(exercise: Exercise, count: int) -> bytes:
    made = (exercise.envelope(ALFA, [ECHO], precedence="routine") for _ in range(count))
    return b"".join(each.framed() for each in made)


async def _flash(exercise: Exercise, alfa: Transport) -> int:
    envelope = exercise.envelope(ALFA, [ECHO], precedence="flash")
    answer = await alfa.post("/v1/objects", envelope.framed())
    return msgspec.json.decode(answer, type=objects.Receipt).index


async def _streamed(
    exercise: Exercise, alfa: Transport, echo: Transport, flashes: list[int]
) -> None:
    """Take the whole inbox; one more FLASH comes when a hundredth of it was taken."""
    reader, posted_at = events.Reader(), 0
    order: list[tuple[wire.InboxItem, int]] = []
    ahead: list[tuple[wire.InboxItem, int]] = []
    async with aclosing(echo.stream("/v1/events", after=-1)) as pieces:
        async for piece in pieces:
            for event in reader.read(piece):
                if event.name == "beat":
                    break
                item = msgspec.json.decode(event.data, type=wire.InboxItem)
                (ahead if event.name == "ahead" else order).append((item, len(order)))
            else:
                if len(flashes) == 1 and len(order) > 64:
                    posted_at = len(order)
                    flashes.append(await _flash(exercise, alfa))
                continue
            break
    assert [item.index for item, _ in ahead] == flashes
    assert ahead[0][1] == 0
    assert ahead[1][1] - posted_at < _ON_THE_WAY
    # Everything came in its place, once, the FLASH too.
    assert [item.position for item, _ in order] == list(range(len(order)))
    assert [item.index for item, _ in order[-len(flashes) :]] == flashes


pytestmark = pytest.mark.timeout(3600)
