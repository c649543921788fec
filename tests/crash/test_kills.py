"""A promise to every agency: what was acknowledged is neither lost nor doubled, ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash import rounds as crash

_PARTS = 4


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(_PARTS))
async def test_a_node_killed_again_and_again_loses_and_doubles_nothing(
    tmp_path: Path, rounds: int, seed: str, part: int
) -> None:
    # In parts, each with a journal of its own: the oracle reads a journal whole each time.
    rounds = -(-rounds // _PARTS)
    told = await crash.run(tmp_path, rounds, f"{seed}/{part}")
    # It was work, and it was interrupted: otherwise nothing was tried.
    assert sum(len(each.receipts) for each in told.sent) > 20 * rounds
    assert any(told.inboxes.values())
    assert told.checkpoints
