from __future__ import annotations

import pytest

from tests.pages.browsing import browser as started
from tests.pages.browsing import serving
from tests.web.trial import Trial


@pytest.fixture(scope="session")
def browser():
    """One browser for the whole run."""
    with started() as made:
        yield made


@pytest.fixture
def trial():
    return Trial()


@pytest.fixture
def served_trial(trial):
    with serving(trial.app) as made:
        yield trial, made
