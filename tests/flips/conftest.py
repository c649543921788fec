"""Says at the end how many flips were tried, and what each was refused with."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    told: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                for name, found in report.user_properties:
                    told[name].update(found)
    for name, found in sorted(told.items()):
        nodes = sum(count for code, count in found.items() if not code.startswith("opening"))
        codes = ", ".join(f"{code} {count:,}" for code, count in found.most_common())
        terminalreporter.write_line(f"{name}: {nodes:,} bits flipped: {codes}")
