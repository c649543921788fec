from __future__ import annotations

import pytest

from tests.cli.exercise import Exercise


@pytest.fixture(scope="session")
def exercise(tmp_path_factory):
    """One exercise with its node running, for all tests that leave it as it is."""
    made = Exercise(tmp_path_factory.mktemp("exercise"))
    made.start()
    yield made
    assert made.stop() == 0, made.log.read_text()
