"""The table of planted faults: what was planted, which suite caught it, by which check."""

from __future__ import annotations

from typing import NamedTuple


class Bite(NamedTuple):
    """One fault that was planted and caught."""

    fault: str
    suite: str
    check: str
    told: str

    def line(self) -> str:
        return f"{self.fault:<24} {self.suite:<8} {self.check:<22} {self.told}"


# Filled by the suites as they catch; shown at the end of the run.
TABLE: list[Bite] = []
