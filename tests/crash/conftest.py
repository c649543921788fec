"""What the crash suites are told: how long to try, on which seed; and the table of bites."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.crash.bites import TABLE


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("crash suites")
    group.addoption("--long", action="store_true", help="300 kills, 50,000 power cuts")
    group.addoption("--bite", action="store_true", help="only plant faults and catch them")
    group.addoption("--power-seeds", type=int, help="power cuts by so many seeds")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--bite", default=False):
        bites = [each for each in items if each.path.name == "test_bites.py"]
        config.hook.pytest_deselected(items=[each for each in items if each not in bites])
        items[:] = bites


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TABLE:
        terminalreporter.section("planted faults, and what caught each")
        for row in sorted(TABLE):
            terminalreporter.write_line(row.line())
    seconds: dict[str, float] = {}
    for reports in terminalreporter.stats.values():
        for each in reports:
            if isinstance(each, pytest.TestReport):
                name = Path(each.location[0]).stem
                seconds[name] = seconds.get(name, 0) + each.duration
    terminalreporter.section("seconds by suite")
    for name, took in sorted(seconds.items()):
        terminalreporter.write_line(f"{name:<20} {took:6.0f}")


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often the node is killed."""
    if request.config.getoption("--long"):
        return 300
    return int(os.environ.get("EXCHANGE_CRASH_ROUNDS", "20"))


@pytest.fixture
def power_seeds(request: pytest.FixtureRequest) -> int:
    """How many journals lose their power."""
    chosen: int | None = request.config.getoption("--power-seeds")
    if chosen is not None:
        return chosen
    if request.config.getoption("--long"):
        return 50_000
    return int(os.environ.get("EXCHANGE_POWER_SEEDS", "1000"))


@pytest.fixture
def flips(request: pytest.FixtureRequest) -> int:
    """How many bits of a journal's file are flipped, one at a time."""
    return 20_000 if request.config.getoption("--long") else 300


@pytest.fixture
def fillings(request: pytest.FixtureRequest) -> int:
    """How often the disk is full."""
    return 50 if request.config.getoption("--long") else 5


@pytest.fixture
def seed() -> str:
    """Printed with every failure; EXCHANGE_CRASH_SEED makes a run come again."""
    chosen = os.environ.get("EXCHANGE_CRASH_SEED") or os.urandom(4).hex()
    print(f"EXCHANGE_CRASH_SEED={chosen}")  # noqa: T201  (pytest shows it when a test fails)
    return chosen
