"""``./run crash --long``: a few hundred kills instead of twenty."""

from __future__ import annotations

import os

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="kill the node 300 times")


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    if request.config.getoption("--long"):
        return 300
    return int(os.environ.get("EXCHANGE_CRASH_ROUNDS", "20"))


@pytest.fixture
def seed() -> str:
    """Printed with every failure; EXCHANGE_CRASH_SEED makes a run come again."""
    chosen = os.environ.get("EXCHANGE_CRASH_SEED") or os.urandom(4).hex()
    print(f"EXCHANGE_CRASH_SEED={chosen}")  # noqa: T201  (pytest shows it when a test fails)
    return chosen
