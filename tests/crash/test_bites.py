"""The crash suite catches what it is for: each planted fault, by the check that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash import planted, power
from tests.crash import rounds as crash
from tests.crash.bites import TABLE, Bite
from tests.crash.exercise import Broken

_CAUGHT_BY = {
    "early-receipts": {"receipts-stand"},
    # Judged anew, an attachment that was taken the first time is missing the second.
    "no-dedupe": {"no-id-twice", "same-index-again", "refused-as-due"},
    "recipients-unchecked": {"recipients-checked"},
    "inbox-of-another": {"inbox-gapless", "only-owed", "delivered-in-order"},
    "inbox-row-lost": {"inbox-gapless", "only-owed"},
    "head-off-by-one": {"reopens"},
    "blob-lost": {"blobs-there"},
    "attachment-lost": {"blobs-there"},
    "shipped-early": {"shipped-is-prefix", "reopens"},
    "torn-group": {"inbox-gapless", "only-owed", "reopens", "root-reproduces"},
}
_ROUNDS = 6
_POWER_SEEDS = 100


@pytest.mark.timeout(600)  # a node is started seven times, on a machine that others use too
@pytest.mark.parametrize("fault", sorted(planted.FAULTS))
async def test_a_planted_fault_is_caught(tmp_path: Path, seed: str, fault: str) -> None:
    with pytest.raises(Broken) as caught:
        await crash.run(tmp_path, _ROUNDS, seed, fault)
    assert caught.value.check in _CAUGHT_BY[fault], caught.value
    TABLE.append(Bite(fault, "kills", caught.value.check, f"within {_ROUNDS} kills"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
def test_a_commit_that_is_not_synced_is_caught(seed: str, synchronous: str) -> None:
    seeds = [f"{seed}/{n}" for n in range(_POWER_SEEDS)]
    broken = power.run_on_all_cores(seeds, synchronous).broken
    assert "acknowledged-stands" in {check for _, check, _ in broken}
    found = f"by {len(broken)} of {_POWER_SEEDS} journals"
    fault = f"synchronous-{synchronous.lower()}"
    TABLE.append(Bite(fault, "power", "acknowledged-stands", found))
