"""A promise to whoever relies on a record: one flipped bit in its file is never served as true.

Wherever it falls, the node does not open, or the audit finds it, or everything that is kept
reads as before: it fell where nothing is written.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from exchange.audit.verify import Verifier
from exchange.cli.journal_file import opened
from exchange.errors import Fault
from exchange.store.comparing import differences
from exchange.store.sqlite import SqliteStore
from tests.builders import COAST, WATCH, refers, world
from tests.crash.dice import Dice
from tests.crash.exercise import Broken
from tests.node.running import post, running


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node's file as it lies when the node has ended."""
    path = tmp_path_factory.mktemp("flipped") / "journal.db"

    async def write() -> None:
        async with running(SqliteStore.open(path)) as node:
            closed = world().closed(to=[WATCH])
            await post(node, closed.envelope)
            await post(node, world().grant(closed))
            await post(node, world().ack(closed.envelope))
            await post(node, b"exercise: no object", WATCH)
            cancel: dict[str, Any] = {
                "type": "can",
                "verb": "cancel",
                "refs": refers("cancels", closed.envelope),
            }
            await post(node, world().envelope(to=[WATCH, COAST], **cancel))
            # The leaves reach over a tile, so the tree has a second row.
            await asyncio.gather(*(post(node, b"exercise %d" % n, WATCH) for n in range(260)))
            await node.checkpoints.checkpoint()

    asyncio.run(write())
    return path


@pytest.mark.timeout(3600)
def test_a_bit_that_flips_is_found_or_refused_or_in_no_record(
    written: Path, tmp_path: Path, flips: int, seed: str
) -> None:
    raw, dice, copy = written.read_bytes(), Dice(seed), tmp_path / "copy.db"
    used = [place for place, byte in enumerate(raw) if byte]
    seen: Counter[str] = Counter()
    for number in range(flips):
        # Half of them where something is written; the rest anywhere.
        place = dice.pick(used) if number % 2 else dice.below(len(raw))
        flipped = bytearray(raw)
        flipped[place] ^= 1 << dice.below(8)
        copy.write_bytes(flipped)
        seen[_told(copy, written, place)] += 1
        for beside in tmp_path.glob("copy.db*"):
            beside.unlink()
    print(dict(seen))  # noqa: T201  (pytest shows it when asked to)
    assert all(seen[each] for each in ("refused", "found", "in no record")), seen


def _told(copy: Path, whole: Path, place: int) -> str:
    """What becomes of a file with one bit flipped; raise where nobody notices."""
    try:
        with opened(copy) as source:
            report = Verifier(source, world().anchor, lambda _: None).run()
        is_found = not report.ok
        is_same = not is_found and not any(differences(copy, whole).values())
    except Fault:
        is_found, is_same = True, False
    try:
        asyncio.run(_open(copy))
    except Fault:
        return "refused"
    if is_found:
        return "found"
    if not is_same:
        raise Broken("served-wrong", f"bit in byte {place}")
    return "in no record"


async def _open(path: Path) -> None:
    async with running(SqliteStore.open(path), documents=[]):
        """It opens, takes over as the writer, and ends."""
