"""A promise to every agency: what was acknowledged survives a power cut, wherever it falls."""

from __future__ import annotations

import pytest

from tests.crash import power


@pytest.mark.timeout(3600)
def test_a_journal_whose_power_is_cut_keeps_all_that_was_acknowledged(
    power_seeds: int, seed: str
) -> None:
    trial = power.run_on_all_cores([f"{seed}/{n}" for n in range(power_seeds)])
    print(trial.told)  # noqa: T201  (pytest shows it when asked to)
    assert trial.broken == []
    # It was cut in the midst of work, and also when it had nothing to do.
    assert 0.5 * trial.told.lives < trial.told.interrupted < trial.told.lives - power_seeds / 20
    assert trial.told.groups > power_seeds
