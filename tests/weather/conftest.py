"""What the weather suite is told: its seed, how much; and the figures that it found."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.weather import borders
from tests.weather.land import Land, living


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("weather")
    group.addoption("--long", action="store_true", help="ten times as much in each case")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lacking = borders.lacking()
    terminalreporter.section("weather")
    if lacking:
        terminalreporter.write_line(f"a TCP relay in place of namespaces: {lacking}")
    for reports in terminalreporter.stats.values():
        for each in reports:
            if isinstance(each, pytest.TestReport) and each.when == "teardown":
                for name, line in each.user_properties:
                    terminalreporter.write_line(f"{name:<12} {line}")


@pytest.fixture(scope="module")
def seed() -> int:
    """Printed with every failure; EXCHANGE_WEATHER_SEED makes a run come again."""
    chosen = os.environ.get("EXCHANGE_WEATHER_SEED") or str(int.from_bytes(os.urandom(3)))
    print(f"EXCHANGE_WEATHER_SEED={chosen}")  # noqa: T201  (pytest shows it when a test fails)
    return int(chosen)


@pytest.fixture(scope="module")
def kind() -> str:
    """How the border is made; EXCHANGE_WEATHER_BORDER=relay takes no root rights."""
    chosen = os.environ.get("EXCHANGE_WEATHER_BORDER", "")
    return chosen or ("relay" if borders.lacking() else "packets")


@pytest.fixture(scope="module")
def land(kind: str, seed: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Land]:
    """Two nodes that run, for all the tests of a file."""
    with (
        borders.border(kind, seed) as border,
        living(border, Path(tmp_path_factory.mktemp("land"))) as land,
    ):
        yield land


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str, str], None]:
    """Have a figure of a case printed at the end."""
    return record_property


@pytest.fixture
def count(request: pytest.FixtureRequest) -> int:
    """How many bulletins each agency posts in each case."""
    return 200 if request.config.getoption("--long") else 20
