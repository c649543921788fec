"""The rules next to an oracle that knows ``docs/policy.md`` and nothing else.

``./run oracle -s`` prints how many verdicts each planted fault changes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.oracle import oracle

ROOT = Path(__file__).resolve().parents[2]
CASES = 100_000
CASES_OF_A_FAULT = 10_000  # the rarest fault changes about four in ten thousand verdicts
SEED = "20261126"
SHOWN = 5  # disagreements, in full


def ours(cases: Path, *options: str) -> Iterator[dict[str, Any]]:
    """Say what the rules answer, while whoever reads goes on."""
    command = [sys.executable, "-m", "tests.policy.answers", *options]
    with (
        cases.open() as lines,
        subprocess.Popen(
            command, cwd=ROOT, stdin=lines, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            yield json.loads(line)
    assert process.returncode == 0


def theirs(cases: Path) -> Iterator[dict[str, Any]]:
    with cases.open() as lines:
        for case in oracle.read(lines):
            yield {"case": case["case"], **oracle.judge(case)}


def make(count: int, folder: Path) -> Path:
    cases = folder / "cases.jsonl"
    command = [
        sys.executable,
        "-m",
        "tests.policy.cases",
        "--seed",
        SEED,
        "--count",
        str(count),
    ]
    with cases.open("w") as lines:
        subprocess.run(command, cwd=ROOT, stdout=lines, check=True)
    return cases


def faults(cases: Path) -> list[str]:
    """Names of the planted faults, as the rules' own adapter lists them."""
    one = cases.with_name("one.jsonl")
    with cases.open() as lines, one.open("w") as first:
        for line in lines:
            first.write(line)
            if "case" in json.loads(line):
                break
    command = [sys.executable, "-m", "tests.policy.answers", "--compare"]
    with one.open() as lines:
        told = subprocess.run(
            command, cwd=ROOT, stdin=lines, stdout=subprocess.PIPE, check=True
        )
    return list(json.loads(told.stdout))


# About 24 s of one core, of which two thirds are the rules' adapter, beside us on another.
@pytest.mark.timeout(300)
def test_an_oracle_written_from_the_page_alone_comes_to_the_same_verdicts(
    tmp_path: Path,
) -> None:
    cases = make(CASES, tmp_path)
    pairs = zip(ours(cases), theirs(cases), strict=True)
    count, apart = 0, []
    for our, their in pairs:
        count += 1
        if our != their:
            apart.append((our, their))
    cases.unlink()  # 70 MB
    assert count == CASES
    assert not apart, f"{len(apart)} verdicts apart, such as {apart[:SHOWN]}"


@pytest.mark.timeout(300)
def test_each_planted_fault_is_noticed_by_the_oracle(tmp_path: Path) -> None:
    cases = make(CASES_OF_A_FAULT, tmp_path)
    names = faults(cases)
    right = list(theirs(cases))
    table = {
        name: sum(a != b for a, b in zip(ours(cases, "--fault", name), right, strict=True))
        for name in names
    }
    for name, count in table.items():
        sys.stdout.write(f"{name:40}{count:6} of {CASES_OF_A_FAULT} verdicts\n")
    assert len(table) >= 10
    assert not [name for name, count in table.items() if count == 0]


def test_the_oracle_rests_on_nothing_but_the_standard_library(tmp_path: Path) -> None:
    cases = make(100, tmp_path)
    with cases.open() as lines:
        told = subprocess.run(
            # -I: neither this folder nor settings; -S: no installed packages
            [sys.executable, "-I", "-S", str(ROOT / "tests" / "oracle" / "oracle.py")],
            cwd=tmp_path,
            stdin=lines,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    assert [json.loads(line) for line in told.stdout.splitlines()] == list(theirs(cases))
