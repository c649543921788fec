"""A skipped test is a failure in CI, unless ``skips.toml`` lists it with its reason.

The list itself is held to the truth: an entry whose test ran, or is no longer there, fails too.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest


def read(path: Path) -> dict[str, str]:
    """Return test id -> reason, as ``skips.toml`` lists them."""
    document = tomllib.loads(path.read_text("utf-8"))
    return {entry["test"]: entry["reason"] for entry in document.get("skip", [])}


def covers(listed: str, test: str) -> bool:
    """An entry names one test, with all its parameters; or a file or class, with all in it."""
    return test == listed or test.startswith((f"{listed}[", f"{listed}::"))


def complaints(
    skipped: dict[str, str], listed: dict[str, str], collected: set[str], root: Path
) -> list[str]:
    """Return one line per disagreement between what was skipped and what may be.

    Args:
        skipped: test id -> reason given at run time.
        listed: test id -> reason committed.
        collected: files of which tests were collected; entries of others are left alone.
        root: where the files of test ids are looked for.
    """
    lines = []
    for test, reason in skipped.items():
        allowed = {why for entry, why in listed.items() if covers(entry, test)}
        if not allowed:
            lines.append(f"{test} was skipped and is not listed: {reason}")
        elif reason not in allowed:
            lines.append(f"{test} was skipped for another reason than listed: {reason}")
    for entry in listed:
        file = entry.partition("::")[0]
        known = file in collected or not (root / file).exists()
        if known and not any(covers(entry, test) for test in skipped):
            lines.append(f"{entry} is listed, and was not skipped: take it off the list")
    return lines


@dataclass(eq=False)  # pluggy keeps plugins in a set
class Watch:
    """The pytest plugin: collects skips while tests run, then judges them."""

    root: Path
    listed: dict[str, str]
    skipped: dict[str, str] = field(default_factory=dict)
    collected: set[str] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.collected.add(report.nodeid.partition("::")[0])
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.collected.add(report.nodeid.partition("::")[0])
        self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        # An expected failure is a check that does not hold: it needs its reason as well.
        if not report.skipped:
            return
        expected = getattr(report, "wasxfail", None)
        told = report.longrepr
        why = told[2] if isinstance(told, tuple) else str(told)
        self.skipped[report.nodeid] = expected or why.removeprefix("Skipped: ")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.lines = complaints(self.skipped, self.listed, self.collected, self.root)
        if self.lines and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.lines:
            terminalreporter.section("skipped tests: see tests/skips.toml", red=True)
            for line in self.lines:
                terminalreporter.line(line)
