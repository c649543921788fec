"""The crash suite catches what it is for: each planted fault, by the check that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchange.errors import Fault
from tests.crash import planted, power
from tests.crash import rounds as crash
from tests.crash.bites import TABLE, Bite
from tests.crash.exercise import Broken

_CAUGHT_BY = {
    # The node reads its store to place what comes next: what is not yet there misleads it.
    "early-receipts": {"receipts-stand", "inbox-gapless", "only-owed", "root-reproduces"},
    # Judged anew, an attachment that was taken the first time is missing the second.
    "no-dedupe": {"no-id-twice", "same-index-again", "refused-as-due"},
    "recipients-unchecked": {"recipients-checked"},
    # What was shown to the wrong reader may be acknowledged by it, which the node refuses.
    "inbox-of-another": {"inbox-gapless", "only-owed", "delivered-in-order", "refused-as-due"},
    "inbox-row-lost": {"inbox-gapless", "only-owed"},
    "head-off-by-one": {"reopens"},
    "blob-lost": {"blobs-there"},
    "attachment-lost": {"blobs-there"},
    "shipped-early": {"shipped-is-prefix", "reopens"},
    "torn-group": {"inbox-gapless", "only-owed", "reopens", "root-reproduces"},
}
_ROUNDS = 6
# A node that was tampered with may also give up before any check looks: that is red, not proof.
_RUNS = 5
_POWER_SEEDS = 100


@pytest.mark.timeout(600)  # a node is started seven times, on a machine that others use too
@pytest.mark.parametrize("fault", sorted(planted.FAULTS))
async def test_a_planted_fault_is_caught(tmp_path: Path, seed: str, fault: str) -> None:
    caught: list[str] = []
    while len(caught) < _RUNS and not _CAUGHT_BY[fault] & set(caught):
        folder = tmp_path / str(len(caught))
        folder.mkdir()
        with pytest.raises((Broken, Fault)) as red:
            await crash.run(folder, _ROUNDS, f"{seed}/{len(caught)}", fault)
        caught.append(red.value.check if isinstance(red.value, Broken) else "gave up")
    assert caught[-1] in _CAUGHT_BY[fault], caught
    TABLE.append(Bite(fault, "kills", caught[-1], f"within {_ROUNDS} kills"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
def test_a_commit_that_is_not_synced_is_caught(seed: str, synchronous: str) -> None:
    seeds = [f"{seed}/{n}" for n in range(_POWER_SEEDS)]
    broken = power.run_on_all_cores(seeds, synchronous).broken
    assert "acknowledged-stands" in {check for _, check, _ in broken}
    found = f"by {len(broken)} of {_POWER_SEEDS} journals"
    fault = f"synchronous-{synchronous.lower()}"
    TABLE.append(Bite(fault, "power", "acknowledged-stands", found))
