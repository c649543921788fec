"""A promise to every agency: what was acknowledged is neither lost nor doubled, ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash import rounds as crash


@pytest.mark.timeout(3600)
async def test_a_node_killed_again_and_again_loses_and_doubles_nothing(
    tmp_path: Path, rounds: int, seed: str
) -> None:
    told = await crash.run(tmp_path, rounds, seed)
    # It was work, and it was interrupted: otherwise nothing was tried.
    assert sum(len(each.receipts) for each in told.sent) > 20 * rounds
    assert any(told.inboxes.values())
    assert told.checkpoints
