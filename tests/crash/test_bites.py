"""The crash suite catches what it is for: each planted fault, by the check that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash import planted
from tests.crash import rounds as crash
from tests.crash.exercise import Broken

_CAUGHT_BY = {
    "early-receipts": {"receipts-stand"},
    "no-dedupe": {"no-id-twice", "same-index-again"},
    "inbox-row-lost": {"inbox-gapless", "only-owed"},
    "head-off-by-one": {"reopens"},
    "blob-lost": {"blobs-there"},
    "attachment-lost": {"blobs-there"},
    "torn-group": {"inbox-gapless", "only-owed", "reopens", "root-reproduces"},
}


@pytest.mark.timeout(600)  # a node is started seven times, on a machine that others use too
@pytest.mark.parametrize("fault", sorted(planted.FAULTS))
async def test_a_planted_fault_is_caught(tmp_path: Path, seed: str, fault: str) -> None:
    with pytest.raises(Broken) as caught:
        await crash.run(tmp_path, 6, seed, fault)
    assert caught.value.check in _CAUGHT_BY[fault], caught.value
