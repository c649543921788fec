from __future__ import annotations

import shutil

import pytest

from tests.cli.bordering import Border
from tests.cli.exercise import Exercise
from tests.cli.kept import Kept


@pytest.fixture(scope="session")
def exercise(tmp_path_factory):
    """One exercise with its node running, for all tests that leave it as it is."""
    made = Exercise(tmp_path_factory.mktemp("exercise"))
    made.start()
    yield made
    assert made.stop() == 0, made.log.read_text()


@pytest.fixture(scope="session")
def kept(tmp_path_factory):
    """One life of a node, for all tests that leave it as it is."""
    return Kept(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def second(kept, tmp_path):
    """A copy of the second place, to do anything to."""
    return shutil.copytree(kept.second, tmp_path / "second")


@pytest.fixture(scope="session")
def founded_border(tmp_path_factory):
    """Two nodes that know each other, never started here: for copies."""
    return Border(tmp_path_factory.mktemp("founded") / "border")


@pytest.fixture(scope="session")
def border(tmp_path_factory):
    """Two nodes that know each other, running, for all tests that leave them as they are."""
    made = Border(tmp_path_factory.mktemp("border") / "border")
    made.start()
    yield made
    assert made.stop() == [0, 0], made.pa.log.read_text() + made.us.log.read_text()
