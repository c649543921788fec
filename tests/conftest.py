"""What every test run shares: one hypothesis profile, and the list of skips in CI."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

from tests import skips

# No deadline: a busy machine is not a broken test. In CI the same examples every time.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None)


def pytest_configure(config: pytest.Config) -> None:
    in_ci = os.environ.get("CI") == "true"
    hypothesis.settings.load_profile("ci" if in_ci else "here")
    if in_ci and not hasattr(config, "workerinput"):  # under xdist, the controller sees all
        listed = skips.read(Path(__file__).with_name("skips.toml"))
        config.pluginmanager.register(skips.Watch(config.rootpath, listed))
